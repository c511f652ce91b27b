"""Tests of whole servers by the Redis protocol: `python3 -m Tests.RedisClients`, or `python3 -m unittest`
with one module of it.

They use .build/release/run, or what is in the directory of PROTOSTORE_PROGRAMS. Random ones repeat
exactly: PROTOSTORE_TEST_FACTOR makes them longer, PROTOSTORE_TEST_SEEDS names the seeds to run.
"""

import unittest


def load_tests(loader, *_):
    """For unittest, to which a package is a module without tests."""
    names = ("differential", "atomicity", "robustness", "clients")
    return unittest.TestSuite(loader.loadTestsFromName(f"{__name__}.test_{name}") for name in names)
