"""How long a lone durable write takes."""

from .. import programs, store as stores, writing
from ..results import Figure

FILE_BYTES = 64 << 20
BLOCK_BYTES = 4096


def write_latency(settings):
    """One client's durable writes beside fio's durable writes of as many bytes."""
    pairs, samples = {"p50": [], "p99": []}, []
    with stores.empty(settings.directory, "write-latency") as store:
        plain = store.path.parent / "plain-writes"
        try:
            fill(plain)
            with programs.Server(store, stats_interval=0.25) as server:
                block_bytes = commit_bytes(server)
                for number in range(settings.pairs):
                    latency = writing.insert(server, 1, settings.seconds, warmup=0.3).result()["latencyMicroseconds"]
                    fio = programs.fio_durable_writes(plain, block_bytes, settings.seconds)
                    for name, percentile in (("p50", 50), ("p99", 99)):
                        pairs[name].append((latency[name], programs.fio_latency_microseconds(fio, percentile)))
                    samples.append({"bench": latency, "fio": fio["clat_ns"], "block_bytes": block_bytes})
                    writing.announce(number, "p50 {:,.0f} us, fio {:,.0f} us".format(*pairs["p50"][-1]))
        finally:
            plain.unlink(missing_ok=True)
    figures = []
    for name in pairs:
        figures += [
            Figure.ratio(f"durable write {name} over fio's", pairs[name], sides=("write", "fio"), unit=" us"),
            Figure.difference(f"durable write {name} minus fio's", pairs[name], "us", sides=("write", "fio")),
        ]
    figures.append(Figure("bytes of a lone commit", block_bytes, "bytes", note="fio's block is as large"))
    return figures, samples


def fill(path):
    """A file that has all its blocks: writes into it change nothing else."""
    zeros = bytes(1 << 20)
    with open(path, "wb") as file:
        for _ in range(FILE_BYTES // len(zeros)):
            file.write(zeros)


def commit_bytes(server):
    """What the server writes for one client's write, in whole blocks; also a warm-up."""
    first_line = server.log_line_count()
    writing.insert(server, 1, 1, warmup=0).result()
    costs = writing.per_write(server.statistics(first_line))
    return max(1, round(costs["log_bytes_per_write"] / BLOCK_BYTES)) * BLOCK_BYTES
