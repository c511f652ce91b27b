"""Measurements of Protostore's release programs; see README.md."""
