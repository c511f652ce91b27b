"""`python3 -m unittest Tests.RealDisk.test_powercut`: what a power cut may do to a disk.

The disks here are logs made up event by event; the last test asks a real one."""

import io
import os
import struct
import tempfile
import unittest
from contextlib import closing, redirect_stdout
from pathlib import Path
from random import Random
from unittest import mock

from . import crash_points, ledger, machine, powercut
from .recorded_server import PHASE_MARK, TABLE_MARK, RecordedDisk, build_recorder
from .recording import (
    FLUSH_BEGUN, FLUSH_COMPLETED, HEADER, MARK, SECTOR, WRITE_BEGUN, WRITE_COMPLETED, Damage, Recording, VolatileDisk,
    copy_sparsely, with_superblock_whole)

BLOCK = 4096
DISK_BYTES = 64 * BLOCK


class MadeUpDisk:
    """A log in the making, and the images that it allows."""

    def __init__(self, test):
        self._test = test
        self.path = Path(test.enterContext(tempfile.TemporaryDirectory()))
        self._log = b""
        self._count = 0
        self.position = 0

    def event(self, kind, number=0, offset=0, payload=b"", nanoseconds=0):
        self._log += HEADER.pack(kind, len(payload), number, offset, nanoseconds) + payload
        self.position += 1
        return number

    def begin(self, kind, offset=0, payload=b""):
        self._count += 1
        return self.event(kind, self._count, offset, payload)

    def write(self, block, byte, blocks=1):
        """A write that completes."""
        number = self.begin(WRITE_BEGUN, block * BLOCK, bytes([byte]) * BLOCK * blocks)
        self.event(WRITE_COMPLETED, number)

    def flush(self):
        self.event(FLUSH_COMPLETED, self.begin(FLUSH_BEGUN))

    def recording(self):
        (self.path / "log").write_bytes(self._log)
        return self._test.enterContext(closing(Recording(self.path / "log")))

    def images(self, position=None, seeds=200):
        """(damage, image) after power cuts at a position of the log, by default its end."""
        (self.path / "base").write_bytes(bytes(DISK_BYTES))
        with closing(VolatileDisk(self.path / "base", self.recording())) as disk:
            disk.advance(self.position if position is None else position)
            for seed in range(seeds):
                damage = disk.cut_power(self.path / "image", Random(seed))
                yield damage, (self.path / "image").read_bytes()

    def blocks(self, block, **options):
        """What a block may be: first bytes, and whether it is of one piece."""
        found = set()
        for _, image in self.images(**options):
            data = image[block * BLOCK:(block + 1) * BLOCK]
            found.add(data[0] if data == data[:1] * BLOCK else "torn")
        return found


class PowerCuts(unittest.TestCase):
    def setUp(self):
        self.disk = MadeUpDisk(self)

    def test_what_was_flushed_is_there(self):
        self.disk.write(3, 1)
        self.disk.flush()
        self.assertEqual(self.disk.blocks(3), {1})

    def test_what_was_not_flushed_may_be_there_or_not_or_in_part(self):
        self.disk.write(3, 1)
        self.assertEqual(self.disk.blocks(3), {0, 1, "torn"})

    def test_a_flush_that_is_not_completed_covers_nothing(self):
        self.disk.write(3, 1)
        self.disk.begin(FLUSH_BEGUN)
        self.assertEqual(self.disk.blocks(3), {0, 1, "torn"})

    def test_a_flush_does_not_cover_a_write_that_was_not_completed_when_it_began(self):
        write = self.disk.begin(WRITE_BEGUN, 3 * BLOCK, bytes([1]) * BLOCK)
        flush = self.disk.begin(FLUSH_BEGUN)
        self.disk.event(WRITE_COMPLETED, write)
        self.disk.event(FLUSH_COMPLETED, flush)
        self.assertEqual(self.disk.blocks(3), {0, 1, "torn"})
        self.disk.flush()
        self.assertEqual(self.disk.blocks(3), {1})

    def test_flushes_may_overlap(self):
        self.disk.write(3, 1)
        first = self.disk.begin(FLUSH_BEGUN)
        self.disk.write(4, 1)
        second = self.disk.begin(FLUSH_BEGUN)
        self.disk.event(FLUSH_COMPLETED, second)
        self.assertEqual((self.disk.blocks(3), self.disk.blocks(4)), ({1}, {1}))
        self.disk.event(FLUSH_COMPLETED, first)
        self.disk.write(5, 1)
        self.assertEqual((self.disk.blocks(3), self.disk.blocks(5)), ({1}, {0, 1, "torn"}))

    def test_a_later_write_may_be_there_without_the_earlier_one(self):
        self.disk.write(3, 1)
        self.disk.write(4, 2)
        found = {(image[3 * BLOCK], image[4 * BLOCK]) for _, image in self.disk.images()}
        self.assertEqual(found, {(0, 0), (1, 0), (0, 2), (1, 2)})

    def test_of_two_writes_of_a_block_an_older_one_never_replaces_a_flushed_one(self):
        self.disk.write(3, 1)
        self.disk.write(3, 2)
        self.disk.flush()
        self.disk.write(3, 3)
        self.assertEqual(self.disk.blocks(3), {2, 3, "torn"})

    def test_the_log_is_walked_as_far_as_the_crash_point(self):
        self.disk.write(3, 1)
        before = self.disk.position
        self.disk.flush()
        self.assertEqual(self.disk.blocks(3, position=0), {0})
        self.assertEqual(self.disk.blocks(3, position=before), {0, 1, "torn"})
        self.assertEqual(self.disk.blocks(3), {1})

    def test_sectors_are_never_torn(self):
        self.disk.write(3, 1, blocks=4)
        for _, image in self.disk.images():
            for start in range(0, len(image), SECTOR):
                self.assertIn(image[start:start + SECTOR], (bytes(SECTOR), bytes([1]) * SECTOR))

    def test_the_first_block_is_never_torn(self):
        self.disk.write(0, 1, blocks=4)
        self.assertEqual(self.disk.blocks(0), {0, 1})
        self.assertIn("torn", self.disk.blocks(1))

    def test_a_part_of_the_first_block_alone_is_dropped(self):
        self.disk.write(0, 1, blocks=2)
        event = self.disk.recording().events[0]
        self.assertEqual(with_superblock_whole(event, [0, 3, 8, 9]), [8, 9])
        self.assertEqual(with_superblock_whole(event, range(16)), range(16))
        self.assertEqual(with_superblock_whole(event, []), [])
        self.assertEqual(with_superblock_whole(event._replace(offset=BLOCK), [0, 3]), [0, 3])

    def test_a_seed_says_what_happens(self):
        for block in range(3, 9):
            self.disk.write(block, block)
        first, second = ([(str(damage), image) for damage, image in self.disk.images(seeds=30)] for _ in range(2))
        self.assertEqual(first, second)

    def test_it_is_told_what_was_done(self):
        self.disk.write(3, 1)
        self.disk.write(4, 1)
        damages = [damage for damage, _ in self.disk.images()]
        self.assertTrue(all(damage.unflushed == 2 for damage in damages))
        self.assertIn(Damage("dropped", 2), damages)
        self.assertIn(Damage("kept", 2, kept=2), damages)


class PlantedStore:
    """A store of one key, whose version is the first bytes of block 3. It acknowledges each
    write after a flush, or, as planted, without one."""

    def __init__(self, test, flushes):
        self.disk = MadeUpDisk(test)
        self._mark(PHASE_MARK, b"load")
        for version in range(1, 8):
            self.disk.write(3, version)
            if flushes:
                self.disk.flush()
            self._mark(TABLE_MARK, struct.pack("<II", version, version))
        self._mark(PHASE_MARK, b"stopped")

    def _mark(self, kind, text):
        self.disk.event(MARK, payload=kind + text)

    def lost_count(self):
        """At how many crash points a version is missing that was acknowledged."""
        recording = self.disk.recording()
        acknowledged = crash_points.Acknowledged(recording, bytes(8))
        lost = 0
        for position, _ in crash_points.choose_points(recording, 40, 0.5, Random(1)):
            floor = ledger.floors(acknowledged.at(position))[0]
            lost += any(image[3 * BLOCK] < floor for _, image in self.disk.images(position, seeds=20))
        return lost


class PlantedViolations(unittest.TestCase):
    def test_a_store_that_flushes_loses_nothing(self):
        self.assertEqual(PlantedStore(self, flushes=True).lost_count(), 0)

    def test_a_missing_flush_is_found(self):
        self.assertGreater(PlantedStore(self, flushes=False).lost_count(), 20)


class Points(unittest.TestCase):
    def setUp(self):
        disk = MadeUpDisk(self)
        for name in (b"mount", b"open", b"load", b"stop"):
            disk.event(MARK, payload=PHASE_MARK + name)
            for block in range(5):
                disk.write(block, 1)
            disk.flush()
        self.recording = disk.recording()

    def test_phases_are_between_marks(self):
        found = [(phase.name, phase.first, phase.end) for phase in crash_points.phases(self.recording)]
        self.assertEqual(found, [("mount", 1, 13), ("open", 14, 26), ("load", 27, 39), ("stop", 40, 52)])

    def test_points_are_in_order_within_their_phases_and_in_all_of_them(self):
        points = crash_points.choose_points(self.recording, 100, 0.5, Random(1))
        self.assertEqual(points, sorted(points))
        self.assertEqual({name for _, name in points}, {"mount", "open", "load", "stop"})
        by_name = {phase.name: phase for phase in crash_points.phases(self.recording)}
        for position, name in points:
            self.assertTrue(by_name[name].first <= position <= by_name[name].end)

    def test_a_flush_is_cut_before_it_completes(self):
        position = crash_points.before_next_flush_completes(self.recording, 2, 13)
        self.assertEqual(self.recording.events[position].kind, FLUSH_COMPLETED)


class Ledgers(unittest.TestCase):
    def test_what_is_required_is_of_then_and_what_is_possible_of_later(self):
        required = struct.pack("<IIII", 3, 5, 0, 1)
        possible = struct.pack("<IIIIII", 7, 9, 2, 4, 1, 1)
        self.assertEqual(ledger.composed(required, possible), struct.pack("<IIIIII", 3, 9, 0, 4, 0, 1))
        self.assertEqual(ledger.certain_count(required), 1)
        self.assertEqual(ledger.version_count(possible), 10)

    def test_a_table_counts_from_its_mark_on(self):
        disk = MadeUpDisk(self)
        for floor in (1, 2):
            disk.write(3, floor)
            disk.event(MARK, payload=TABLE_MARK + struct.pack("<II", floor, floor))
        acknowledged = crash_points.Acknowledged(disk.recording(), struct.pack("<II", 0, 0))
        found = [ledger.floors(acknowledged.at(position))[0] for position in range(7)]
        self.assertEqual(found, [0, 0, 0, 1, 1, 1, 2])

    def test_a_ledger_that_is_not_there_is_empty(self):
        self.assertEqual(ledger.read("/nonexistent/ledger"), (b"", b""))


class Promises(unittest.TestCase):
    """What was acknowledged when: 1 in the first life, 2 before it was stopped, 3 and 4 in the second life."""

    def setUp(self):
        disk = MadeUpDisk(self)
        steps = ((b"open", None), (b"load", None), (None, 1), (None, 2), (b"stop", None), (b"stopped", None),
                 (b"open", None), (b"load", None), (None, 3), (None, 4))
        for second, (phase, floor) in enumerate(steps):
            payload = PHASE_MARK + phase if phase else TABLE_MARK + struct.pack("<II", floor, floor)
            disk.event(MARK, payload=payload, nanoseconds=second * 4_000_000_000)
        self.acknowledged = crash_points.Acknowledged(disk.recording(), struct.pack("<II", 0, 0))

    def promised(self, sync):
        return [ledger.floors(self.acknowledged.promised(position, sync))[0] for position in range(11)]

    def test_always_promises_all_that_was_acknowledged(self):
        self.assertEqual(self.promised("always"), [0, 0, 0, 1, 2, 2, 2, 2, 2, 3, 4])

    def test_never_promises_what_an_opening_or_a_clean_stop_has_flushed(self):
        self.assertEqual(self.promised("never"), [0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2])

    def test_everysec_promises_that_and_what_was_some_seconds_ago(self):
        self.assertEqual(self.promised("everysec"), [0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 3])


class Verdicts(unittest.TestCase):
    def verdict(self, failures=(), losses=()):
        """The exit code, and what was printed last, of series with these failures and losses by --sync."""
        tested = [
            powercut.Series(None, None, sync, 0, failures=[sync] * (sync in failures), losses=[sync] * (sync in losses))
            for sync in ("always", "everysec", "never")]
        output = io.StringIO()
        with redirect_stdout(output):
            code = powercut.verdict(tested, 1)
        return code, output.getvalue().splitlines()[-1]

    def test_it_passes_where_only_the_control_loses(self):
        self.assertEqual(self.verdict(losses=["never"]), (0, "powercut: PASSED after 1 s"))

    def test_a_control_that_loses_nothing_proves_nothing(self):
        for losses in ([], ["everysec"]):
            code, line = self.verdict(losses=losses)
            self.assertEqual(code, 1)
            self.assertIn("FAILED: the control", line)

    def test_a_failure_fails_it_wherever_it_was(self):
        for sync in ("always", "everysec", "never"):
            code, line = self.verdict(failures=[sync], losses=["never"])
            self.assertEqual((code, line), (1, "powercut: FAILED: 1 crash points failed after 1 s"))

    def test_without_root_there_is_a_reason_to_skip(self):
        with mock.patch("os.geteuid", return_value=1000):
            self.assertIn("root", machine.what_is_missing(needs_fuse=False))


@unittest.skipIf(machine.what_is_missing(needs_fuse=True), machine.what_is_missing(needs_fuse=True))
class RealStack(unittest.TestCase):
    """The kernel hands flushes down to the recording disk."""

    def test_fsync_makes_a_file_durable_and_a_mere_write_does_not(self):
        work = Path(self.enterContext(tempfile.TemporaryDirectory(dir="/var/tmp")))
        for name in ("disk", "files"):
            (work / name).mkdir()
        build_recorder(work)
        machine.make_file_system(work / "base.img", 32 << 20)
        copy_sparsely(work / "base.img", work / "disk.img")
        with RecordedDisk(work, 1, None) as disk:
            for name, flushes in (("flushed", True), ("written", False)):
                self._write(disk.files / name, flushes)
                disk.mark(PHASE_MARK, name.encode())
        self.assertEqual(self._files(work, "flushed"), {"flushed"})
        self.assertEqual(self._files(work, "written"), {"flushed"})
        self.assertEqual(self._files(work, "unmounted"), {"flushed", "written"})

    def _write(self, path, flushes):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.write(file, bytes(2 * BLOCK))
        if flushes:
            os.fsync(file)
        os.close(file)

    def _files(self, work, mark):
        """The files with all their bytes after a power cut at a mark, or behind all of them, that
        drops all unflushed writes."""
        copy_sparsely(work / "base.img", work / "durable.img")
        with closing(Recording(work / "log")) as recording, \
                closing(VolatileDisk(work / "durable.img", recording)) as disk:
            marks = {phase.name: phase.first for phase in crash_points.phases(recording)}
            disk.advance(marks.get(mark, len(recording.events)))
        with machine.mounted(work / "durable.img", work / "files"):
            return {path.name for path in (work / "files").iterdir() if path.stat().st_size == 2 * BLOCK}


if __name__ == "__main__":
    unittest.main()
