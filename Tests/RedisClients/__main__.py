"""`python3 -m Tests.RedisClients`: all tests. Exit code 77 where some of them cannot run here, and none failed."""

import sys
import unittest

from ..RealDisk.machine import SKIPPED

program = unittest.main(module="Tests.RedisClients", argv=["Tests.RedisClients"], exit=False)
for test, reason in program.result.skipped:
    print(f"{test.id()}: SKIPPED: {reason}", file=sys.stderr)
sys.exit(1 if not program.result.wasSuccessful() else SKIPPED if program.result.skipped else 0)
