"""Latency: of a lone request, and at half of the throughput."""

from .. import programs, store as stores
from ..results import Figure


def qd1(settings):
    """One connection with one request: median of GET minus fio's at depth 1."""
    store = settings.store()
    percents = stores.in_percent(stores.read_sizes(store))
    pairs, samples = [], []
    with programs.Server(store) as server:
        for number in range(settings.pairs):
            fio = programs.fio_random_reads(store, percents, 1, settings.seconds)
            result = programs.load(server, store, clients=1, inflight=1, seconds=settings.seconds)
            pair = (result["latencyMicroseconds"]["p50"], programs.fio_latency_microseconds(fio, 50))
            pairs.append(pair)
            samples.append({"bench": result, "fio_p50_us": pair[1], "fio_iops": fio["iops"]})
            print(f"pair {number + 1}: GET {pair[0]:.1f} us, fio {pair[1]:.1f} us", flush=True)
    figure = Figure.difference("GET p50 minus fio p50 at depth 1", pairs, "us", "<= 25", sides=("GET", "fio"))
    return [figure], samples


def share_under_one_millisecond(job):
    """Of fio's reads, by its own buckets."""
    below = sum(job["latency_ns"].values()) + sum(job["latency_us"].values())
    return below / 100


def halfload(settings):
    """Open loop at half of the measured maximum: share of replies under 1 ms."""
    store = settings.store()
    percents = stores.in_percent(stores.read_sizes(store))
    shares, fio_shares, p99s, samples = [], [], [], []
    with programs.Server(store) as server:
        maximum = programs.load(server, store, clients=50, inflight=16, seconds=settings.seconds)["requestsPerSecond"]
        rate = round(maximum / 2)
        print(f"maximum {maximum:,.0f} GET/s; from here on {rate:,} GET/s", flush=True)
        for number in range(settings.pairs):
            fio = programs.fio_random_reads_job(store, percents, 256, settings.seconds, rate=rate)
            result = programs.load(server, store, clients=50, inflight=16, seconds=settings.seconds, rate=rate)
            shares.append(100 * result["shareUnderOneMillisecond"])
            fio_shares.append(100 * share_under_one_millisecond(fio))
            p99s.append(result["latencyMicroseconds"]["p99"])
            samples.append({"bench": result, "fio_share": fio_shares[-1], "rate": rate, "maximum": maximum})
            print(
                f"pair {number + 1}: under 1 ms: server {shares[-1]:.2f} %, fio at the same rate {fio_shares[-1]:.2f} %; "
                f"unsent arrivals {result['unsentArrivals']}", flush=True)
    return [
        Figure.of(f"replies under 1 ms at {rate:,} GET/s", shares, "%", note=f"half of {maximum:,.0f} GET/s"),
        Figure.of("fio's reads under 1 ms at the same rate", fio_shares, "%"),
        Figure.of("p99 at half load", p99s, "us", note="from the time that a request was due"),
    ], samples
