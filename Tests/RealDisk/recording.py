"""What `recording_disk` has logged, and what a disk may hold after a power cut.

A disk with a volatile cache promises one thing: what was written before a flush was
asked for is there when the flush is done. Everything else that was written may be there
or not, in any order and in parts. So at a point of the log

    durable     writes that a flush covers which is completed: they were completed before it was begun
    unflushed   all other writes that were begun, those that nobody was told are completed included

and an image of the disk is the durable writes with any part of the unflushed ones, in steps
of a sector. Where two of them overlap the later one is on top: that one is kept and
the one below lost is a reordering, too.

The first block is there whole or not at all: ext4 writes its superblock in place and has no
current copy of it, so it relies on that itself.
"""

import os
import struct
from dataclasses import dataclass
from typing import NamedTuple

WRITE_BEGUN, WRITE_COMPLETED, FLUSH_BEGUN, FLUSH_COMPLETED, MARK = range(1, 6)
HEADER = struct.Struct("<IIQQQ")
SECTOR = 512
SUPERBLOCK_SECTORS = 8


class Event(NamedTuple):
    kind: int
    number: int
    offset: int
    nanoseconds: int
    # Where the payload is in the log.
    place: int
    byte_count: int


class Recording:
    """A log. Payloads stay in the file until they are asked for."""

    def __init__(self, path):
        self._file = open(path, "rb")
        self.events = list(self._read())

    def _read(self):
        place = 0
        while header := self._file.read(HEADER.size):
            kind, byte_count, number, offset, nanoseconds = HEADER.unpack(header)
            place += HEADER.size
            yield Event(kind, number, offset, nanoseconds, place, byte_count)
            place += byte_count
            self._file.seek(place)

    def payload(self, event):
        self._file.seek(event.place)
        return self._file.read(event.byte_count)

    def close(self):
        self._file.close()


@dataclass
class Damage:
    """What a power cut did to the unflushed writes."""

    name: str
    unflushed: int
    # How many of them are there to the last sector, and how many in part.
    kept: int = 0
    torn: int = 0

    def __str__(self):
        return f"{self.name}: of {self.unflushed} unflushed writes {self.kept} kept, {self.torn} torn"


class VolatileDisk:
    """The disk at one point of a recording after the other.

    `image` is a file with what the disk held when the recording began; it becomes what
    is durable."""

    def __init__(self, image, recording):
        self._path = image
        self._image = open(image, "r+b")
        self._recording = recording
        self.position = 0
        # By number, in the order in which they were begun.
        self._unflushed = {}
        self._completed = set()
        self._covered = {}

    @property
    def unflushed_count(self):
        return len(self._unflushed)

    def advance(self, position):
        """Goes on to where `position` events have happened."""
        for event in self._recording.events[self.position:position]:
            if event.kind == WRITE_BEGUN:
                self._unflushed[event.number] = event
            elif event.kind == WRITE_COMPLETED:
                self._completed.add(event.number)
            elif event.kind == FLUSH_BEGUN:
                self._covered[event.number] = set(self._completed)
            elif event.kind == FLUSH_COMPLETED:
                self._make_durable(self._covered.pop(event.number))
        self.position = max(self.position, position)

    def _make_durable(self, numbers):
        for number in [number for number in self._unflushed if number in numbers]:
            event = self._unflushed.pop(number)
            self._image.seek(event.offset)
            self._image.write(self._recording.payload(event))
        # The flushes that are still going on cover nothing more by them.
        self._completed -= numbers

    def cut_power(self, path, random):
        """Writes an image of the disk as it may be after a power cut here.

        `random` decides what became of the unflushed writes. Returns what did."""
        self._image.flush()
        copy_sparsely(self._path, path)
        damage = Damage(random.choice(list(DAMAGES)), self.unflushed_count)
        keep = DAMAGES[damage.name](self.unflushed_count, random)
        with open(path, "r+b") as image:
            for index, event in enumerate(self._unflushed.values()):
                sectors = with_superblock_whole(event, keep(index, event.byte_count // SECTOR))
                damage.kept += len(sectors) * SECTOR == event.byte_count
                damage.torn += 0 < len(sectors) * SECTOR < event.byte_count
                self._write_sectors(image, event, sectors)
        return damage

    def _write_sectors(self, image, event, sectors):
        payload = self._recording.payload(event) if sectors else b""
        for sector in sectors:
            image.seek(event.offset + sector * SECTOR)
            image.write(payload[sector * SECTOR:(sector + 1) * SECTOR])

    def close(self):
        self._image.close()


def copy_sparsely(source, target):
    """Copies a file without its holes, and where the file system can share blocks, without its data."""
    # A new file: ext4 hurries to write out one that was truncated.
    if os.path.exists(target):
        os.remove(target)
    with open(source, "rb") as source, open(target, "wb") as target:
        byte_count = os.fstat(source.fileno()).st_size
        target.truncate(byte_count)
        place = 0
        while place < byte_count:
            try:
                place = os.lseek(source.fileno(), place, os.SEEK_DATA)
            except OSError:
                return  # Nothing but a hole until the end.
            end = os.lseek(source.fileno(), place, os.SEEK_HOLE)
            while place < end:
                place += os.copy_file_range(source.fileno(), target.fileno(), end - place, place, place)


def with_superblock_whole(event, sectors):
    """`sectors` of a write without a part of the disk's first block."""
    count = min(SUPERBLOCK_SECTORS - event.offset // SECTOR, event.byte_count // SECTOR)
    if sum(sector < count for sector in sectors) in (0, count):
        return sectors
    return [sector for sector in sectors if sector >= count]


# --- What becomes of unflushed writes: which sectors of a write are kept, by its index
# among them and its number of sectors


def _all_dropped(_count, _random):
    return lambda index, sectors: range(0)


def _all_kept(_count, _random):
    return lambda index, sectors: range(sectors)


def _some_kept(_count, random):
    share = random.choice((0.2, 0.5, 0.8))
    return lambda index, sectors: range(sectors if random.random() < share else 0)


def _later_kept(count, random):
    """As if the disk had begun with the last."""
    first = random.randrange(count + 1)
    return lambda index, sectors: range(sectors if index >= first else 0)


def _torn(_count, random):
    def keep(_index, sectors):
        cut = random.randrange(sectors + 1)
        return random.choice((range(cut), range(cut, sectors), _some(range(sectors)), range(0), range(sectors)))

    def _some(sectors):
        return [sector for sector in sectors if random.random() < 0.5]

    return keep


def _last_torn(count, random):
    """All kept but for the last two, of which some sectors are."""
    torn = _torn(count, random)
    return lambda index, sectors: torn(index, sectors) if index >= count - 2 else range(sectors)


DAMAGES = {
    "dropped": _all_dropped,
    "kept": _all_kept,
    "some kept": _some_kept,
    "later kept": _later_kept,
    "torn": _torn,
    "last torn": _last_torn,
}
