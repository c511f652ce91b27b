"""Full disks and a full memory for the index, again and again.

The server lives on a small ext4 on a loop device, its index on a small tmpfs. In each cycle

    the disk fills up      with new keys, until they are refused with the reason in the log: what is
                           overwritten meanwhile makes room for itself; reads go on, and every
                           acknowledged write is there; in every other cycle the server is killed
                           or stopped then: `run check` finds nothing, it opens again and serves
    room is made           writes go on by themselves, without a restart; 500 keys are overwritten
                           several times over
    the index fills up     new keys are refused, overwrites and reads go on; in every other cycle
                           the server is killed and opens again
    memory is given back   new keys are taken again

Room is made by `BallastRoom`: files that are removed, as if an operator had.
"""

import os
import subprocess
import time
from contextlib import ExitStack
from random import Random

from . import machine
from .machine import BENCH, Broken, Server

NEEDS_FUSE = False
# A twentieth of it has to do for what a cycle writes between making room and filling it up again.
DISK_BYTES = 512 << 20
# An index takes 16 MiB in pages that each serve many keys, one by one as keys come to them: beside
# ballast the next new page is one too many, until all are there after some 100 cycles.
MEMORY_BYTES = 32 << 20
SEGMENT_BYTES = 1 << 20
KEYS = 500
VALUE_BYTES = "16-20000"
PATIENCE_SECONDS = 180


def add_arguments(parser):
    parser.add_argument("--cycles", type=int, default=20, help="how often all fills up (default %(default)s)")


def run(work, arguments):
    started = time.monotonic()
    print(f"fulldisk: seed {arguments.seed}", flush=True)
    for name in ("files", "memory"):
        (work / name).mkdir()
    machine.make_file_system(work / "disk.img", DISK_BYTES)
    with ExitStack() as stack:
        stack.enter_context(machine.mounted(work / "disk.img", work / "files"))
        stack.enter_context(machine.memory_file_system(work / "memory", MEMORY_BYTES))
        room = BallastRoom(work / "files", arguments.cycles)
        store = stack.enter_context(CrampedStore(work, room, Random(arguments.seed)))
        try:
            for number in range(arguments.cycles):
                store.cycle(number)
                print(f"cycle {number + 1} of {arguments.cycles}: {store.history()}", flush=True)
        except Broken as broken:
            print(f"fulldisk: FAILED after {store.history()}:\n{broken}\nthe server's log:\n{store.log_end()}")
            return 1
    print(f"fulldisk: PASSED: {arguments.cycles} cycles in {time.monotonic() - started:.0f} s")
    return 0


# --- Where room comes from


class BallastRoom:
    """Files beside the store that take the disk's room until they are removed, one in each cycle."""

    # The rest, which the first filling has to itself.
    OPEN_BYTES = 48 << 20

    def __init__(self, directory, count):
        space = os.statvfs(directory)
        byte_count = (space.f_bavail * space.f_frsize - self.OPEN_BYTES) // count
        self._paths = [directory / f"ballast-{number}" for number in range(count)]
        for path in self._paths:
            allocate(path, byte_count)

    def make(self):
        self._paths.pop().unlink()


def allocate(path, byte_count):
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, byte_count)


# --- The store


class CrampedStore:
    """The server with its clients."""

    def __init__(self, work, room, random):
        self._work, self._room, self._random = work, room, random
        (work / "files/store").mkdir()
        self._steps = []
        self._log = None
        self._runs = 0
        self._fillings = 0

    def __enter__(self):
        self._start()
        # The keys that are overwritten are there before anything is full.
        if self._overwrite(2000) != 0:
            raise Broken(f"an empty store refuses writes:\n{self._output}")
        return self

    def __exit__(self, *_):
        self._server.kill()

    def cycle(self, number):
        self._steps = []
        is_restarted = number % 2 == 1
        self._fill_disk()
        if is_restarted:
            self._restart(self._random.choice(("stop", "kill")))
            self._fill_disk()
        self._room.make()
        # What they replace is several times the room that was made.
        self._expect("writes go on", lambda: self._overwrite(5000))
        self._fill_memory(number)
        if is_restarted:
            # At a clean stop the index would give its memory back, and find it taken.
            self._restart("kill")
        (self._work / "memory/ballast").unlink()
        self._expect("new keys are taken", lambda: self._insert(f"2{number}", 200))
        self._verify()
        self._restart("stop")

    def history(self):
        return ", ".join(self._steps)

    def log_end(self):
        return self._server.log()[-3000:]

    # Filling

    # What is full shows in what is refused: the log does not repeat itself without end.

    def _fill_disk(self):
        for _ in range(50):
            self._fillings += 1
            if self._insert(f"3{self._fillings}", 1000, "8000-20000") != 0:
                break
        else:
            raise Broken("the disk did not fill up")
        self._steps.append("the disk is full")
        self._verify()

    def _fill_memory(self, number):
        directory = self._work / "memory"
        space = os.statvfs(directory)
        allocate(directory / "ballast", space.f_bavail * space.f_frsize)
        if self._insert(f"1{number}", 20_000) == 0:
            raise Broken("the index did not fill up")
        if self._overwrite(200) != 0:
            raise Broken(f"overwrites were refused, too:\n{self._output}")
        self._steps.append("the index is full")
        self._verify()

    # Clients

    def _bench(self, *words):
        """Returns the exit code."""
        result = subprocess.run(
            [BENCH, *(str(word) for word in words), "--port", str(self._server.port)], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self._output = result.stdout
        if self._server.process.poll() is not None:
            raise Broken(f"the server is gone, exit code {self._server.process.returncode}")
        return result.returncode

    def _durability(self, name, *words):
        if name == "run":
            # Else it would send the same versions of the same keys again.
            self._runs += 1
            words += ("--seed", self._runs)
        if not (self._work / "ledger").exists():
            words += ("--keys", KEYS, "--value-bytes", VALUE_BYTES)
        return self._bench("durability", name, "--ledger", self._work / "ledger", *words)

    def _overwrite(self, count=200):
        return self._durability("run", "--count", count, "--clients", 4, "--inflight", 4)

    def _insert(self, seed, count, value_bytes=10):
        return self._bench("insert", "--new-keys", count, "--count", count, "--value-bytes", value_bytes, "--clients", 4,
                           "--inflight", 32, "--seed", seed)

    def _verify(self):
        if self._durability("verify", "--clients", 2, "--inflight", 16, "--list-max", 5) != 0:
            raise Broken(f"acknowledged writes are not there, or reads fail:\n{self._output}")

    def _expect(self, what, attempt):
        """Tries until it works: the server finds out by itself that there is room."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while attempt() != 0:
            if time.monotonic() > deadline:
                raise Broken(f"not within {PATIENCE_SECONDS} seconds: {what}\n{self._output}")
            time.sleep(0.2)
        self._steps.append(what)

    # Lives

    def _start(self):
        self._server = Server(self._work / "files/store", self._work / "memory", self._work / "server.log",
                              ["--segment-bytes", SEGMENT_BYTES])

    def _restart(self, end):
        self._server.stop() if end == "stop" else self._server.kill()
        if damages := machine.check(self._work / "files/store"):
            raise Broken("run check:\n" + "\n".join(damages))
        self._start()
        self._verify()
        self._steps.append("it was stopped and started" if end == "stop" else "it was killed and started")
