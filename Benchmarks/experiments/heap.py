"""Heap allocations on the path of a GET."""

import mmap
import os
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from .. import programs
from ..results import Figure
from .throughput import LOADS

COUNTER_SOURCE = Path(__file__).with_name("malloc_counter.c")


class AllocationCounter:
    """A library that counts a process's calls of malloc and its kin in a file."""

    def __init__(self):
        self._directory = tempfile.TemporaryDirectory()
        library, counts = Path(self._directory.name) / "counter.so", Path(self._directory.name) / "counts"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, COUNTER_SOURCE, "-ldl"], check=True)
        counts.write_bytes(bytes(mmap.PAGESIZE))
        self.environment = os.environ | {"LD_PRELOAD": str(library), "ALLOCATION_COUNTS": str(counts)}
        with open(counts, "rb") as file:
            self._counts = mmap.mmap(file.fileno(), mmap.PAGESIZE, prot=mmap.PROT_READ)

    def total(self):
        return struct.unpack_from("<Q", self._counts)[0]


def allocations(settings):
    """Heap allocations per GET of the server under load, counted inside its process."""
    store = settings.store()
    counter = AllocationCounter()
    figures, samples = [], []
    # No statistics lines: those allocate, once a second.
    with programs.Server(store, environment=counter.environment) as server:
        at_start = counter.total()
        if at_start == 0:
            raise programs.MeasurementError("the counter counts nothing: is malloc linked statically?")
        for name, clients, inflight, _ in LOADS:
            per_get, notes = [], ""
            for _ in range(settings.pairs):
                running = programs.Load(
                    server, store, clients=clients, inflight=inflight, seconds=max(settings.seconds, 2), warmup=1)
                # Behind the warm-up, when all connections stand, until shortly before the end.
                time.sleep(1.3)
                before, began = counter.total(), time.monotonic()
                time.sleep(running.seconds - 0.6)
                counted, elapsed = counter.total() - before, time.monotonic() - began
                gets = running.result()["requestsPerSecond"] * elapsed
                per_get.append(counted / gets)
                notes = f"{counted:,} allocations in about {gets:,.0f} GETs"
                samples.append({"load": name, "allocations": counted, "gets": gets})
            figures.append(Figure.of(
                f"heap allocations per GET, {clients} x {inflight}", per_get, goal="<= 0", note=notes))
        figures.append(Figure("allocations before the first connection", at_start, note="shows that the counter counts"))
    return figures, samples
