"""Protostore answers as redis-server 7.0 does: see `differential`."""

import unittest

from . import generator, servers
from .differential import Run
from .servers import Protostore, Redis, seeds

ARGUMENTS = [
    ("--num-tcp-threads", "1"),
    ("--num-tcp-threads", "2", "--sync", "never"),
    ("--num-tcp-threads", "2", "--num-aio-threads", "2", "--sync", "everysec"),
]
GROUPS = {
    "strings": generator.STRINGS + generator.BITS,
    "keys": generator.KEY_COMMANDS + ["set"] * 4 + ["get"],
    "all": generator.STRINGS + generator.BITS + generator.KEY_COMMANDS + generator.CONNECTION,
}


@unittest.skipIf(servers.what_is_missing("redis-server"), "scripts/bootstrap installs redis-server")
class DifferentialTests(unittest.TestCase):
    def test_random_commands(self):
        with Redis() as redis:
            for number, arguments in enumerate(ARGUMENTS):
                with Protostore(*arguments) as protostore:
                    for seed in seeds(2):
                        for group, names in GROUPS.items():
                            with self.subTest(arguments=arguments, group=group):
                                Run(f"{group}-{seed}-{number}", redis, protostore, names).run()
