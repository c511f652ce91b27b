"""From exec to the first reply."""

import socket
import struct
import time

from .. import programs
from ..results import Figure

KEYS = 10_000_000
VALUE_BYTES = 100


def verified_get(server, store, index):
    """GETs one key over the native protocol and compares the value with the datafile."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(struct.pack(">IB16sI", 21, ord("R"), store.key(index), 7))
        with connection.makefile("rb") as replies:
            identifier, length = struct.unpack(">IH", replies.read(6))
            value = replies.read(length)
    return time.monotonic(), identifier == 7 and value == store.value(index)


def start(settings):
    """Start to first verified reply with 10 M keys, and with the index file deleted."""
    keys = 200_000 if settings.quick else KEYS
    store = settings.store(keys, VALUE_BYTES, VALUE_BYTES)
    index_file, set_aside = store.path / "protostore.index", store.path / "set-aside.index"
    seconds, samples = {"clean": [], "rebuild": []}, []
    for number in range(settings.pairs):
        for kind in ("clean", "rebuild"):
            has_index = index_file.exists()
            if kind == "rebuild" and has_index:
                index_file.rename(set_aside)
            store.forget_cached_pages()
            try:
                with programs.Server(store) as server:
                    replied, is_right = verified_get(server, store, keys // 2)
                    seconds[kind].append(replied - server.started)
            finally:
                if set_aside.exists():
                    set_aside.replace(index_file)
            if not is_right:
                raise programs.MeasurementError("the first reply was wrong")
            samples.append({"kind": kind, "seconds": seconds[kind][-1], "had_index_file": has_index})
            print(f"{kind} {number + 1}: {seconds[kind][-1]:.3f} s", flush=True)
    rates = [keys / spent / 1e6 for spent in seconds["rebuild"]]
    return [
        Figure.of(f"start to first GET, {keys:,} keys", seconds["clean"], "s", "<= 1"),
        Figure.of("the same without the index file", seconds["rebuild"], "s"),
        Figure.of("keys rebuilt, whole start counted", rates, "M/s", ">= 5"),
    ], samples
