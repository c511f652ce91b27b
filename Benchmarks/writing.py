"""Loads that write, and what a write costs: processor time, writes and flushes."""

import statistics
import time

from . import machine, programs

VALUE_BYTES = 1000
KEYS = 1_000_000


def insert(server, clients, seconds, hot_key=False, **options):
    """A `bench insert` that runs, of the same million keys each time: the first runs
    write them anew, later ones over what is there."""
    return programs.BenchRun(server, insert_words(hot_key), clients=clients, seconds=seconds, **options)


def insert_words(hot_key=False):
    words = ["insert", "--new-keys", KEYS, "--value-bytes", VALUE_BYTES, "--modified"]
    return words + (["--hot-key"] if hot_key else [])


def overwrite(server, store, clients, seconds, **options):
    """A `bench insert` that runs, over the keys of a generated store."""
    words = ["insert", "--path", store.path, "--modified"]
    return programs.BenchRun(server, words, clients=clients, seconds=seconds, **options)


class Costs:
    """What a server and the disk do between two moments, to be divided by the writes
    of that time. The disk counts other programs' writes, too."""

    def __init__(self, pid, directory):
        self._pid = pid
        self._device = machine.BlockDevice(directory)
        self._cpu, self._disk = machine.cpu_seconds(pid), self._device.counters()

    def per_write(self, writes):
        cpu = machine.cpu_seconds(self._pid) - self._cpu
        costs = {"cpu_us": 1e6 * cpu / writes}
        if self._disk:
            disk = self._device.counters() - self._disk
            costs |= {
                "disk_writes": disk.writes / writes, "disk_flushes": disk.flushes / writes,
                "disk_write_bytes": disk.write_bytes / writes,
            }
        return costs


def per_write(lines):
    """Flushes, log writes, log bytes and records by the server's own count, from the
    statistics lines of a run. The first and the last cover idle time, too."""
    busy = [line for line in lines if line["puts/s"] > 0]
    busy = busy[1:-1] or busy
    if not busy:
        raise programs.MeasurementError("the server wrote no statistics line during the run")
    puts = sum(line["puts/s"] for line in busy)
    return {
        "flushes_per_write": sum(line["flushes/s"] for line in busy) / puts,
        "log_writes_per_write": sum(line["writes/s"] for line in busy) / puts,
        "log_bytes_per_write": 1000 * sum(line["log KB/s"] for line in busy) / puts,
        "records_per_commit": statistics.mean(line["records/write"] for line in busy),
    }


def median_of(samples, name):
    """The median of one number over samples that have it, or None."""
    values = [sample[name] for sample in samples if sample.get(name) is not None]
    return statistics.median(values) if values else None


def announce(number, text):
    print(f"{time.strftime('%H:%M:%S')} pair {number + 1}, {text}", flush=True)
