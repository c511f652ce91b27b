"""Power cuts under the real server.

A disk with a volatile cache is served by `recording_disk` beneath a loop device and an ext4. The
server lives on it, and `bench durability` writes to it, while what was acknowledged is marked in
the disk's log, too. Then the power is cut at points of the log: what was not flushed is dropped,
torn or reordered, the file system mounted, the store opened by the real server, and compared
with what had been acknowledged by then.

A round is one recording: some lives of the server, each ended by SIGTERM or SIGKILL. The next
round begins with what a power cut of the last one left, so that recoveries are cut as well.

    --sync always      what was acknowledged is there
    --sync everysec    what was acknowledged some seconds ago is there
    both others        what was acknowledged before a clean stop, or before the last opening, is
                       there: they flush
    --sync never       is the control as well: it has to lose something, or this proves nothing

What is recorded is real time's: a seed gives the same choices, not the same log. --keep saves
the image and the ledger of each point that fails.
"""

import os
import re
import subprocess
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from random import Random

from . import ledger, machine
from .machine import BENCH, Broken, Server, command
from .crash_points import Acknowledged, choose_points
from .recorded_server import PHASE_MARK, SEGMENT_BYTES, LedgerFollower, Life, RecordedDisk, build_recorder
from .recording import FLUSH_COMPLETED, Recording, VolatileDisk, copy_sparsely

NEEDS_FUSE = True
MEMORY_BYTES = 256 << 20
LIVES = 3
POINTS_PER_ROUND = 50
# Of the crash points; the control has to lose something.
LOAD_SHARE = {"always": 0.5, "everysec": 0.5, "never": 0.8}
# What a write that nobody was told of may leave of itself where its other half came through: `run
# check` cannot tell that from damage. A superblock is put right by the next start.
TORN_SUPERBLOCK = re.compile(r"damage: copy [12] of the superblock is damaged; it will be written again")
TORN_HALF = re.compile(
    r"damage: log \d+: commit \d+ is damaged, with 0 of its records|damage: log \d+, commit \d+, byte \d+: the "
    r"directory's (first|second) copy is damaged; the other one is whole, so nothing is lost|damage: segment \d+: the "
    r"summary is damaged; an index is rebuilt from the records themselves")


def add_arguments(parser):
    parser.add_argument("--points", type=int, default=220, help="crash points in all (default %(default)s)")
    parser.add_argument(
        "--other-points", type=int, default=40,
        help="crash points with each of --sync everysec and never (default %(default)s)")
    parser.add_argument(
        "--disk-megabytes", type=int, default=512,
        help="size of the file system; what does not fit is refused (default %(default)s)")
    parser.add_argument("--keep", metavar="DIR", help="save the image and the ledger of points that fail in DIR")
    parser.add_argument("--verbose", action="store_true", help="a line for each point")


def run(work, arguments):
    started = time.monotonic()
    print(f"powercut: seed {arguments.seed}", flush=True)
    for name in ("disk", "files", "memory"):
        (work / name).mkdir()
    build_recorder(work)
    with machine.memory_file_system(work / "memory", MEMORY_BYTES):
        tested = [
            Series(work, arguments, sync, arguments.points if sync == "always" else arguments.other_points).run()
            for sync in ("always", "everysec", "never")]
    return verdict(tested, time.monotonic() - started)


def verdict(tested, seconds):
    objections = []
    failures = sum(len(series.failures) for series in tested)
    if failures:
        objections.append(f"{failures} crash points failed")
    if not any(series.losses for series in tested if series.sync == "never"):
        objections.append("the control, --sync never, lost nothing: nothing is proven")
    for series in tested:
        print(f"powercut: --sync {series.sync}: {series.summary()}")
    print(f"powercut: {'FAILED: ' + '; '.join(objections) if objections else 'PASSED'} after {seconds:.0f} s")
    return 1 if objections else 0


@dataclass
class Series:
    """Rounds with one --sync."""

    work: object
    arguments: object
    sync: str
    points: int
    failures: list = field(default_factory=list)
    losses: list = field(default_factory=list)
    done: int = 0
    by_phase: Counter = field(default_factory=Counter)
    damages: Counter = field(default_factory=Counter)
    indexes: Counter = field(default_factory=Counter)
    device: str = None

    def run(self):
        random = Random(f"{self.arguments.seed} {self.sync}")
        while self.done < self.points or self._proves_nothing_yet():
            if self.done == 0:
                self._begin()
            self._round(min(POINTS_PER_ROUND, self.points - self.done if self.done < self.points else 10), random)
        return self

    def _proves_nothing_yet(self):
        """Few points of the control may happen to lose nothing."""
        return self.sync == "never" and not self.losses and 0 < self.done < 5 * self.points

    def _begin(self):
        """An empty file system, an empty ledger."""
        for name in ("base.img", "ledger"):
            (self.work / name).unlink(missing_ok=True)
        machine.make_file_system(self.work / "base.img", self.arguments.disk_megabytes << 20)
        with machine.mounted(self.work / "base.img", self.work / "files", self.device) as self.device:
            (self.work / "files/store").mkdir()

    def _round(self, count, random):
        started = time.monotonic()
        _, table_before = ledger.read(self.work / "ledger")
        ends = [random.choice(("stop", "kill")) for _ in range(LIVES)]
        self._record(ends, random)
        recorded, lost_before = time.monotonic(), len(self.losses)
        header, table_after = ledger.read(self.work / "ledger")
        with closing(Recording(self.work / "log")) as recording:
            self._replay(recording, header, Acknowledged(recording, table_before), count, random)
            flushes = sum(event.kind == FLUSH_COMPLETED for event in recording.events)
        os.replace(self.work / "next.img", self.work / "base.img")
        os.replace(self.work / "next.ledger", self.work / "ledger")
        writes = ledger.version_count(table_after) - ledger.version_count(table_before)
        log_bytes = os.path.getsize(self.work / "log")
        print(
            f"--sync {self.sync}: lives ended by {', '.join(ends)}: {writes} acknowledged writes, {flushes} flushes, "
            f"{log_bytes >> 20} MB of log in {recorded - started:.1f} s; {count} crash points in "
            f"{time.monotonic() - recorded:.1f} s, {len(self.losses) - lost_before} with unpromised losses", flush=True)

    def _replay(self, recording, header, acknowledged, count, random):
        points = choose_points(recording, count, LOAD_SHARE[self.sync], random)
        next_round = random.randrange(count)
        with closing(VolatileDisk(self.work / "base.img", recording)) as disk:
            for index, (position, phase) in enumerate(points):
                disk.advance(position)
                self._point(
                    disk, phase, header, acknowledged.promised(position, self.sync), acknowledged.at(position),
                    is_next_round=index == next_round)

    def _record(self, ends, random):
        copy_sparsely(self.work / "base.img", self.work / "disk.img")
        machine.empty(self.work / "memory")
        with RecordedDisk(self.work, random.randrange(1 << 63), self.device) as disk:
            with LedgerFollower(self.work / "ledger", disk):
                for end in ends:
                    Life(self.work, disk, self.sync, random).run(end)
            disk.mark(PHASE_MARK, b"unmount")
        (self.work / "disk.img").unlink()

    def _point(self, disk, phase, header, promised, acknowledged, is_next_round):
        seed = f"{self.arguments.seed} {self.sync} {self.done}"
        image = self.work / "crash.img"
        damage = disk.cut_power(image, Random(seed))
        if is_next_round:
            disk.cut_power(self.work / "next.img", Random(seed))
            ledger.write(self.work / "next.ledger", header, promised)
        self.done += 1
        self.by_phase[phase] += 1
        self.damages[damage.name] += 1
        name = (f"point {self.done} (seed \"{seed}\"), event {disk.position} of the log, {phase}, {damage}; "
                f"{ledger.certain_count(promised)} keys with a version that must be there")
        try:
            is_loss = self._examine(image, header, promised, acknowledged)
        except Broken as broken:
            self.failures.append(name)
            print(f"FAILED: {name}\n{broken}", flush=True)
            return self._keep(disk, seed, header, promised)
        if is_loss:
            self.losses.append(name)
        if self.arguments.verbose:
            print(f"{'lost some' if is_loss else 'whole'}: {name}", flush=True)

    def _keep(self, disk, seed, header, table):
        if not self.arguments.keep:
            return
        path = os.path.join(os.path.abspath(self.arguments.keep), seed.replace(" ", "-"))
        os.makedirs(path, exist_ok=True)
        disk.cut_power(os.path.join(path, "image"), Random(seed))
        ledger.write(os.path.join(path, "ledger"), header, table)
        print(f"kept in {path}")

    def _examine(self, image, header, promised, acknowledged):
        """Opens what a power cut has left. Returns whether acknowledged writes are lost; what was
        promised has to be there."""
        machine.empty(self.work / "memory")
        with machine.mounted(image, self.work / "files", self.device):
            is_loss = self._open(self.work / "files/store", header, promised, acknowledged)
        # The file system itself: where it is not whole, it is the disk that broke its promise.
        command("e2fsck", "-f", "-n", image)
        return is_loss

    def _open(self, store, header, promised, acknowledged):
        before = self._damages(store, must_be_there=ledger.certain_count(promised) > 0)
        if damages := [line for line in before if not (TORN_SUPERBLOCK.fullmatch(line) or TORN_HALF.fullmatch(line))]:
            raise Broken("run check before the store was opened:\n" + "\n".join(damages))
        server = Server(store, self.work / "memory", self.work / "server.log",
                        ["--segment-bytes", SEGMENT_BYTES, "--num-tcp-threads", 2])
        self.indexes["loaded" if "loaded the index" in server.log() else "rebuilt"] += 1
        try:
            if difference := self._difference(server, header, promised):
                raise Broken(difference)
            is_loss = acknowledged != promised and self._difference(server, header, acknowledged) is not None
            server.stop()
        finally:
            server.kill()
        after = machine.check(store)
        if damages := [line for line in after if line not in before or TORN_SUPERBLOCK.fullmatch(line)]:
            raise Broken("run check after the store was opened and closed:\n" + "\n".join(damages))
        return is_loss

    def _damages(self, store, must_be_there):
        try:
            return machine.check(store)
        except Broken:
            # A store that nobody was told of need not be one yet.
            if must_be_there:
                raise
            return set()

    def _difference(self, server, header, table):
        """How the store differs from a table, or None."""
        ledger.write(self.work / "crash.ledger", header, table)
        result = subprocess.run(
            [BENCH, "durability", "verify", "--ledger", str(self.work / "crash.ledger"), "--port", str(server.port),
             "--clients", "4", "--inflight", "16", "--list-max", "5"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return None if result.returncode == 0 else result.stdout

    def summary(self):
        def counts(counter):
            return ", ".join(f"{count} {name}" for name, count in counter.most_common())

        return (f"{self.done} crash points, {len(self.failures)} failures; at {len(self.losses)} acknowledged writes "
                f"were lost that were not promised ({counts(self.by_phase)}; unflushed writes: {counts(self.damages)}; "
                f"index: {counts(self.indexes)})")
