"""Copies of a store that is served."""

import subprocess
import threading
import time

from .. import programs, store as stores, writing
from ..results import Figure

CLIENTS = 50
# Of `--rate`, in MB/s.
RATE = 100


def backup(settings):
    """A copy of a store while clients read and write as fast as they can, by turns with none."""
    keys = 20_000 if settings.quick else 500_000
    samples = {None: [], RATE: []}
    with stores.empty(settings.directory, "backed-up") as place:
        store = stores.generate(place.path, keys, writing.VALUE_BYTES, writing.VALUE_BYTES)[0]
        megabytes = keys * (writing.VALUE_BYTES + 72) / 1e6
        with programs.Server(store) as server:
            idle = [copy(store) for _ in range(1 if settings.quick else 3)]
            seconds = max(settings.seconds, 2 * max(idle))
            for number in range(settings.pairs):
                for rate, runs in samples.items():
                    runs.append(pair(server, store, seconds, rate))
                    writing.announce(number, f"rate {rate}: {runs[-1]['during']['requestsPerSecond']:,.0f}/s beside copies, "
                                     f"{runs[-1]['without']['requestsPerSecond']:,.0f}/s without")
    all_figures = [Figure.of(
        "copy of a store that nobody uses", [megabytes / seconds for seconds in idle], "MB/s",
        note=f"{megabytes:,.0f} MB of records")]
    for rate, runs in samples.items():
        all_figures += figures(runs, "as fast as it goes" if rate is None else f"with --rate {rate}", megabytes)
    return all_figures, {"runs": [{"rate": rate, "pairs": runs} for rate, runs in samples.items()], "idle": idle}


def pair(server, store, seconds, rate):
    during, durations = beside_copies(server, store, seconds, rate)
    return {"during": during, "without": mixed(server, store, seconds).result(), "durations": durations}


def mixed(server, store, seconds):
    words = ["mixed", "--path", store.path, "--modified", "--read-ratio", 0.5]
    return programs.BenchRun(server, words, clients=CLIENTS, seconds=seconds, warmup=0.5)


def beside_copies(server, store, seconds, rate):
    """The load's result, and how long the copies took that were made one after the other meanwhile."""
    load = mixed(server, store, seconds)
    durations = []

    def copies():
        while load.process.poll() is None:
            durations.append(copy(store, rate))

    thread = threading.Thread(target=copies)
    time.sleep(0.5)
    thread.start()
    result = load.result()
    thread.join()
    if not durations:
        raise programs.MeasurementError("no copy was made")
    return result, durations


def copy(store, rate=None):
    """Makes a copy and removes it. Returns the seconds that the copy took."""
    target = store.path.with_name(store.path.name + "-copy")
    stores.remove(target)
    start = time.monotonic()
    words = [programs.RUN, "backup", "--path", store.path, "--to", target, *(["--rate", rate] if rate else [])]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    seconds = time.monotonic() - start
    stores.remove(target)
    if done.returncode != 0:
        raise programs.MeasurementError(f"run backup failed:\n{done.stdout}{done.stderr}")
    return seconds


def figures(samples, how, megabytes):
    def pairs(value):
        return [(value(sample["during"]), value(sample["without"])) for sample in samples]

    sides = ("beside copies", "without")
    return [
        Figure.of(f"copy beside the load, {how}", [megabytes / max(sample["durations"]) for sample in samples], "MB/s",
                  note="of the records that were there at first; the log of the load is copied, too"),
        Figure.ratio(f"operations/s beside copies over without, {how}", pairs(lambda run: run["requestsPerSecond"]), sides=sides),
        Figure.ratio(
            f"read p99.9 beside copies over without, {how}", pairs(lambda run: run["reads"]["latencyMicroseconds"]["p99_9"]),
            sides=sides, unit=" us"),
    ]
