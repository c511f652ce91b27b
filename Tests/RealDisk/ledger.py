"""The ledger of `bench durability`, as of a moment; LedgerFile.swift has its format.

It is 4,096 bytes of header and an entry per key: u32 floor, the oldest version that the
store may have; u32 sent, the newest.
"""

import os
import struct

HEADER_BYTES = 4096
ENTRY_BYTES = 8


def read(path):
    """(header, table); a table without keys where there is no ledger yet."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        data = b""
    return data[:HEADER_BYTES], data[HEADER_BYTES:]


def composed(required, possible):
    """The table of a store that must have what one table says, and may have what a later one
    says. Versions sent in between cannot be told from those sent before: they may be there."""
    required = required.ljust(len(possible), b"\0")
    return b"".join(
        required[place:place + 4] + possible[place + 4:place + 8] for place in range(0, len(possible), ENTRY_BYTES))


def write(path, header, table):
    """Replaces a ledger, or makes one."""
    draft = f"{path}.new"
    with open(draft, "wb") as file:
        file.write(header + table)
    os.replace(draft, path)


def floors(table):
    return [floor for floor, _ in struct.iter_unpack("<II", table)]


def certain_count(table):
    """Keys with a version that must be there."""
    return sum(floor > 0 for floor in floors(table))


def version_count(table):
    """Versions that were acknowledged, or are older than one that was."""
    return sum(floors(table))
