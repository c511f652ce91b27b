"""Stores to measure on, and what a server's reads of them look like to the disk."""

import os
import shutil
import struct
import subprocess
import time
from array import array
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import programs

KEY_BYTES = 16
# A record's header and its key stand in front of the value (Storage/Record.swift).
VALUE_OFFSET = 56 + KEY_BYTES
SECTOR_BYTES = 512


@dataclass(frozen=True)
class Store:
    """A directory that mk_data filled."""

    path: Path
    keys: int
    min_size: int
    max_size: int

    @property
    def datafile(self):
        return self.path / "protostore.data"

    def key(self, index):
        with open(self.path / "protostore.toc.uuids", "rb") as file:
            return os.pread(file.fileno(), KEY_BYTES, index * KEY_BYTES)

    def value(self, index):
        """The value as it stands in the datafile."""
        with open(self.path / "protostore.toc.offsets", "rb") as file:
            (offset,) = struct.unpack("<Q", os.pread(file.fileno(), 8, index * 8))
        with open(self.path / "protostore.toc.lengths", "rb") as file:
            (length,) = struct.unpack("<H", os.pread(file.fileno(), 2, index * 2))
        with open(self.datafile, "rb") as file:
            return os.pread(file.fileno(), length, offset)

    def forget_cached_pages(self):
        """Makes the next open read from the disk, not from memory."""
        # A server that was killed has left its socket.
        for file_path in filter(Path.is_file, self.path.iterdir()):
            with open(file_path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def generate(path, keys, min_size, max_size):
    """Runs mk_data anew. Returns the store, and the seconds that it took."""
    remove(path)
    command = [
        programs.MK_DATA, "--num-cookies", keys, "--path", path, "--min-size", min_size, "--max-size", max_size,
        "--seed", 1,
    ]
    start = time.monotonic()
    subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    return Store(Path(path), keys, min_size, max_size), time.monotonic() - start


def remove(path):
    """Removes a store, if it is there."""
    shutil.rmtree(path, ignore_errors=True)


def prepared(directory, keys, min_size, max_size):
    """The store of these sizes in `directory`, and whether it was generated now."""
    path = Path(directory) / f"store-{keys}-{min_size}-{max_size}"
    if (path / "protostore.toc.lengths").exists() and not (path / "protostore.unfinished").exists():
        return Store(path, keys, min_size, max_size), False
    print(f"generating {keys:,} values of {min_size:,} to {max_size:,} bytes", flush=True)
    return generate(path, keys, min_size, max_size)[0], True


# --- Empty stores, and directories for other programs


@dataclass(frozen=True)
class Empty:
    """An empty directory, which the server makes a store of."""

    path: Path


@contextmanager
def empty(directory, name):
    """An empty directory of this name as a place for a store; it goes at the end."""
    path = Path(directory) / name
    remove(path)
    path.mkdir(parents=True)
    try:
        yield Empty(path)
    finally:
        remove(path)


# --- Read sizes


def size_class(byte_count):
    """What one read covers, at least `byte_count` (Index/SizeClass.swift)."""
    if byte_count <= 4096:
        return -(-byte_count // SECTOR_BYTES) * SECTOR_BYTES
    size = 4096
    while True:
        for candidate in (size * 3 // 2, size * 2):
            if byte_count <= candidate:
                return candidate
        size *= 2


def read_sizes(store):
    """How often the server reads how many bytes, over all keys (Storage/ReadExtent.swift)."""
    offsets, lengths = array("Q"), array("H")
    with open(store.path / "protostore.toc.offsets", "rb") as file:
        offsets.frombytes(file.read())
    with open(store.path / "protostore.toc.lengths", "rb") as file:
        lengths.frombytes(file.read())
    covered = Counter()
    for offset, length in zip(offsets, lengths):
        covered[(offset - VALUE_OFFSET) % SECTOR_BYTES + VALUE_OFFSET + length] += 1
    sizes = Counter()
    for byte_count, count in covered.items():
        sizes[size_class(byte_count)] += count
    return dict(sorted(sizes.items()))


def mean_size(sizes):
    return sum(size * count for size, count in sizes.items()) / sum(sizes.values())


def in_percent(sizes):
    """The same distribution in whole percents, which is all that fio takes, with
    the mean kept as near as they allow."""
    total = sum(sizes.values())
    exact = {size: 100 * count / total for size, count in sizes.items()}
    percents = {size: int(share) for size, share in exact.items()}
    by_remainder = sorted(exact, key=lambda size: percents[size] - exact[size])
    for size in by_remainder[: 100 - sum(percents.values())]:
        percents[size] += 1
    percents = {size: share for size, share in percents.items() if share > 0}
    target = mean_size(sizes)
    while True:
        # Moves one percent from one size to another while that helps.
        moved = [
            {**percents, a: percents[a] - 1, b: percents[b] + 1}
            for a in percents for b in percents
            if a != b and percents[a] > 1 and abs(percents[a] - 1 - exact[a]) < 1 and abs(percents[b] + 1 - exact[b]) < 1
        ]
        best = min([percents, *moved], key=lambda candidate: abs(mean_size(candidate) - target))
        if best is percents:
            return percents
        percents = best
