"""`python3 -m Tests.RealDisk`: see `--help`."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from . import fulldisk, machine, powercut

LANES = {"powercut": powercut, "fulldisk": fulldisk}


def parse_arguments():
    parser = argparse.ArgumentParser(prog="python3 -m Tests.RealDisk", description=__doc__)
    parser.add_argument(
        "--dir", type=Path, default=Path(os.environ.get("PROTOSTORE_DIR", "/var/tmp")),
        help="where the images go: up to 2 GB on a file system with sparse files (default %(default)s)")
    parser.add_argument("--seed", type=int, help="decides what is random (default: another one each time)")
    lanes = parser.add_subparsers(dest="lane", required=True)
    for name, lane in LANES.items():
        lane.add_arguments(lanes.add_parser(name, description=lane.__doc__, help=lane.__doc__.splitlines()[0],
                                            formatter_class=argparse.RawDescriptionHelpFormatter))
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = time.time_ns() % 1_000_000
    return arguments


def main():
    arguments = parse_arguments()
    reason = machine.what_is_missing(LANES[arguments.lane].NEEDS_FUSE)
    if reason:
        print(f"{arguments.lane}: SKIPPED: {reason}", flush=True)
        return machine.SKIPPED
    machine.enter_namespace("Tests.RealDisk")
    machine.end_on_signals()
    with tempfile.TemporaryDirectory(prefix="protostore-real-disk.", dir=arguments.dir) as directory:
        try:
            return LANES[arguments.lane].run(Path(directory), arguments)
        except machine.Broken as broken:
            print(f"{arguments.lane}: FAILED: {broken}", flush=True)
            return 1


sys.exit(main())
