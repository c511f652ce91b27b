"""Protostore answers as redis-server 7.0 does: see `differential`."""

import unittest

from . import generator, servers, wire
from .differential import Play, Run, Turn
from .servers import Protostore, Redis, late_disk, seeds

# The options of servers, and whether what they ask of the disk comes at random times.
SERVERS = [
    (("--num-tcp-threads", "1"), False),
    (("--num-tcp-threads", "2", "--sync", "never"), False),
    (("--num-tcp-threads", "2", "--num-aio-threads", "2", "--sync", "everysec"), False),
    (("--num-tcp-threads", "2", "--num-aio-threads", "2"), True),
]


def serve(arguments, is_late):
    return Protostore(*arguments, **(late_disk() if is_late else {}))
GROUPS = {
    "strings": generator.STRINGS + generator.BITS,
    "keys": generator.KEY_COMMANDS + generator.KEYSPACE + ["swapdb"] + ["set"] * 4 + ["get"],
    "all": generator.STRINGS + generator.BITS + generator.KEY_COMMANDS + generator.KEYSPACE + generator.DATABASE_CHANGES
    + generator.CONNECTION,
}


@unittest.skipIf(servers.what_is_missing("redis-server"), "scripts/bootstrap installs redis-server")
class DifferentialTests(unittest.TestCase):
    def test_random_commands(self):
        with Redis() as redis:
            for number, server in enumerate(SERVERS):
                with serve(*server) as protostore:
                    for seed in seeds(2):
                        for group, names in GROUPS.items():
                            with self.subTest(server=server, group=group):
                                Run(f"{group}-{seed}-{number}", redis, protostore, names).run()

    def test_what_is_pipelined_behind(self):
        """Corners that random commands have found: each in one piece, and each command by itself."""
        scripts = [
            ["MULTI", "SET a 1", "MULTI", "EXEC", "GET a"],
            ["MULTI", "SET a 1", "WATCH a", "EXEC", "GET a"],
            ["MULTI", "GET", "EXEC", "EXEC", "DISCARD"],
            ["GETEX missing EX 100", "HELLO 3", "GETEX missing EX 100", "HELLO 2", "GET missing"],
            ["MULTI", "SELECT 1", "SET a 2", "EXEC", "SET b 1", "SELECT 0", "EXISTS a b"],
            ["SET a 1", "SET b 1", "MULTI", "DEL a", "SET c 1", "KEYS *", "DBSIZE", "SCAN 0", "SELECT 1", "DBSIZE", "RANDOMKEY",
             "KEYS *", "SET d 1", "RANDOMKEY", "DEL d", "RANDOMKEY", "SCAN 0 TYPE hash", "KEYS x*", "EXEC", "DBSIZE", "SELECT 0",
             "DBSIZE"],
            ["MULTI", "SET a 1", "CONFIG GET maxclients", "SLOWLOG GET nothing", "LATENCY RESET", "INCR a", "SAVE", "EXEC", "GET a"],
            ["MULTI", "SET a 1", "CONFIG GET timeout", "DEBUG SLEEP 0", "INCR a", "CLIENT LIST ID 0", "EXEC", "GET a"],
            ["CLIENT REPLY SKIP", "CLIENT REPLY SKIP", "INCR a", "GET a"],
            ["CLIENT REPLY OFF", "INCR a", "CLIENT REPLY SKIP", "INCR a", "CLIENT REPLY ON", "GET a"],
            ["SET a 0", "WATCH a", "SET a 1", "DEL a", "MULTI", "PING", "EXEC"],
            ["DEL a", "WATCH a", "SET a 1", "DEL a", "MULTI", "PING", "EXEC"],
            ["DEL a", "WATCH a", "MULTI", "SET a 1", "DEL a", "EXEC", "MULTI", "PING", "EXEC"],
            ["DEL a", "WATCH a", "SET a 1 EX 1000", "GETDEL a", "MULTI", "PING", "EXEC"],
            ["SET a 1", "WATCH a", "FLUSHDB", "MULTI", "PING", "EXEC"],
            ["DEL a", "WATCH a", "FLUSHALL", "SET a 1", "MULTI", "PING", "EXEC"],
            ["DEL a", "WATCH a", "FLUSHDB", "SET a 1", "WATCH a", "MULTI", "PING", "EXEC"],
            ["DEL a", "WATCH a", "SET a 1", "FLUSHDB", "DEBUG SLEEP 0.05", "MULTI", "PING", "EXEC"],
            ["WATCH a", "SELECT 1", "SET a 1", "SWAPDB 0 1", "MULTI", "PING", "EXEC", "SWAPDB 0 1"],
            ["WATCH a", "SWAPDB 0 1", "SET a 1", "SWAPDB 0 1", "MULTI", "PING", "EXEC", "FLUSHALL"],
            ["DEL a", "WATCH a", "FLUSHDB", "SET a 1", "FLUSHDB", "MULTI", "PING", "EXEC", "MULTI", "PING", "EXEC"],
            ["SET a 1", "WATCH a", "SWAPDB 0 1", "MULTI", "PING", "EXEC", "EXISTS a", "SELECT 1", "GET a", "SWAPDB 1 0"],
            ["DEL a", "WATCH a", "DEL a", "GETDEL a", "MULTI", "PING", "EXEC"],
            ["SET a 0", "WATCH a", "SET b 1", "RENAME b a", "RENAME a b", "MULTI", "PING", "EXEC"],
            ["SET a 1", "WATCH a", "PEXPIRE a 1000000", "UNWATCH", "MULTI", "PING", "EXEC"],
            ["SET a " + "x" * 50_000, "GET a", "SET a later", "GET a", "DEL a", "STRLEN a"],
            ["SET a " + "x" * 3_000_000, "GET a", "PING", "STRLEN a", "MGET a missing", "DUMP missing"],
            ["CLIENT UNBLOCK 0x1", "CLIENT UNBLOCK 1 NEVER", "CLIENT NOTHING"],
            ["SET a 1", "COPY a a", "COPY a a DB 0", "COPY a a DB 1", "MOVE a 1", "MOVE a 0"],
        ]
        with Redis() as redis, serve(*SERVERS[-1]) as protostore:
            for script in scripts:
                commands = [line.encode().split() for line in script]
                whole = [Turn(0, commands, [b"".join(wire.request(*words) for words in commands)])]
                single = [Turn(0, [words], [wire.request(*words)]) for words in commands]
                # Which commands are answered is followed within one turn.
                for turns in (whole,) if script[0].startswith("CLIENT REPLY") else (whole, single):
                    with self.subTest(script=[line[:40] for line in script], turns=len(turns)), Play(redis, protostore) as play:
                        for turn in turns:
                            play.play(turn)
                        play.compare_all_keys()
