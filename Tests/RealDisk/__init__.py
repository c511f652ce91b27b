"""The release programs on file systems of their own: power cuts and full disks."""
