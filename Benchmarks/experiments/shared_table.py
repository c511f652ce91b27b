"""SharedTable: `table bench`, beside LMDB with one process."""

import json
import subprocess
import tempfile
from pathlib import Path

from .. import programs
from ..results import Figure

TABLE = programs.PACKAGE / ".build/release/table"
REFERENCE_SOURCE = Path(__file__).with_name("lmdb_reference.c")
COPY_SOURCE = Path(__file__).with_name("copy_reference.c")
PROCESSES = (1, 2, 4, 16)
# The best that SharedHashFile reached on a machine with 2 cores, in million operations a second.
ORIGINAL = {1: {"PUT": 1.9, "MIX": 2.5, "GET": 2.9}, 2: {"PUT": 1.6, "MIX": 3.2, "GET": 3.5}}


def bench(directory, keys, processes, *more):
    """One run of `table bench`, which fails where an answer was wrong."""
    results = Path(directory) / "table.json"
    command = [str(TABLE), "bench", "--keys", str(keys), "--processes", str(processes), "--json", str(results), *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads(results.read_text())


def rates(result):
    return {phase["name"]: phase["operationsPerSecond"] / 1e6 for phase in result["phases"]}


def lmdb(directory, keys):
    """The same load on LMDB in /dev/shm, or nothing where it is not installed."""
    program = Path(directory) / "lmdb_reference"
    if not program.exists():
        built = subprocess.run(["cc", "-O2", "-o", program, REFERENCE_SOURCE, "-llmdb"], capture_output=True)
        if built.returncode != 0:
            return None
    with tempfile.TemporaryDirectory(dir="/dev/shm") as environment:
        output = subprocess.run(
            [program, environment, str(keys)], check=True, capture_output=True, text=True).stdout
    return {name: float(value) for name, value in (line.split() for line in output.splitlines())}


def copies(directory, values, byte_count):
    """Million copies a second of values, each found by one miss of the cache."""
    program = Path(directory) / "copy_reference"
    if not program.exists():
        subprocess.run(["cc", "-O2", "-o", program, COPY_SOURCE], check=True)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        command = [program, f"{memory}/values", str(values), str(byte_count)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1e6


def shared_table(settings):
    """SharedTable with 1 to 16 processes, keys and values of 4 bytes, every value verified."""
    keys = 200_000 if settings.quick else 5_000_000
    samples, by_processes, ahead, reference, bytes_per_key = [], {count: [] for count in PROCESSES}, [], [], []
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(settings.pairs):
            for count in PROCESSES:
                result = bench(directory, keys, count)
                by_processes[count].append(rates(result))
                bytes_per_key.append(result["bytesPerKey"])
                samples.append(result)
            ahead.append(rates(bench(directory, keys, 1, "--ahead", "8")))
            found = lmdb(directory, keys)
            if found:
                reference.append(found)
                samples.append({"lmdb": found})
        kilobytes = []
        for _ in range(settings.pairs):
            result = bench(directory, keys // 10, 1, "--value-bytes", "1024")
            kilobytes.append((copies(directory, keys // 10, 1024), rates(result)["GET"]))
            samples.append({"kilobyte": kilobytes[-1]})
        growth = bench(directory, keys * (1 if settings.quick else 10), 1, "--times")
        samples.append(growth)
    figures = []
    for count in PROCESSES:
        for phase in ("PUT", "MIX", "GET"):
            original = ORIGINAL.get(count, {}).get(phase)
            figures.append(Figure.of(
                f"{phase}, {count} processes", [run[phase] for run in by_processes[count]], "M/s",
                goal=f">= {2 * original:.1f}" if original else None))
    for phase in ("PUT", "MIX", "GET"):
        figures.append(Figure.of(f"{phase}, 1 process, 8 keys known ahead", [run[phase] for run in ahead], "M/s"))
    for count, goal in ((2, ">= 1.8"), (4, None), (16, None)):
        pairs = [(many["GET"], one["GET"]) for many, one in zip(by_processes[count], by_processes[1])]
        figures.append(Figure.ratio(f"GET, {count} processes over 1", pairs, goal, (f"{count}", "1"), " M/s"))
    for count in (4, 16):
        pairs = [(many["GET"], two["GET"]) for many, two in zip(by_processes[count], by_processes[2])]
        figures.append(Figure.ratio(f"GET, {count} processes over 2", pairs, ">= 1", (f"{count}", "2"), " M/s"))
    figures.append(Figure.ratio(
        "time of a GET of 1 KiB over a miss and memcpy", kilobytes, "<= 1.3", ("copies", "GET"), " M/s"))
    figures.append(Figure.of("memory per key, all in", bytes_per_key, "bytes", "<= 30"))
    longest = growth["phases"][0]["longest"]
    figures.append(Figure(
        f"longest put while growing to {growth['keys']:,} keys, without page faults",
        longest["microsecondsWithoutPageFaults"] / 1000, "ms", goal="<= 1",
        note=f"processor time; {longest['millisecondAndMore']} puts took 1 ms and more"))
    figures.append(Figure(
        "the longest one with its page faults", longest["microseconds"] / 1000, "ms",
        note=f"{longest['pageFaults']} of them, {longest['nanosecondsPerPageFault']} ns each on average; "
        f"{growth['phases'][0]['pageFaults']:,} in all"))
    if reference:
        for phase in ("PUT", "MIX", "GET"):
            pairs = [(run[phase], found[phase] / 1e6) for run, found in zip(by_processes[1], reference)]
            figures.append(Figure.ratio(f"{phase} over LMDB's, 1 process", pairs, None, ("table", "LMDB"), " M/s"))
        figures.append(Figure.of("memory per key of LMDB", [found["bytes"] for found in reference], "bytes"))
    return figures, samples
