"""Durable writes beside redis-server, which flushes its log before each reply, too."""

from contextlib import ExitStack
from dataclasses import dataclass

from .. import programs, redis, store as stores, writing
from ..results import Figure, show


@dataclass(frozen=True)
class Kind:
    """A load that both sides get."""

    name: str
    clients: int
    hot_key: bool = False
    goal: str | None = None


KINDS = [
    Kind("1 client", 1), Kind("50 clients", 50, goal=">= 2"), Kind("200 clients", 200),
    Kind("one hot key, 50 clients", 50, hot_key=True, goal=">= 1"),
]


def durable(settings):
    """Durable writes of 1,000 bytes beside redis-server with appendfsync always."""
    figures, samples = [], {"runs": []}
    with ExitStack() as stack:
        ours = stack.enter_context(programs.Server(
            stack.enter_context(stores.empty(settings.directory, "durable")), stats_interval=0.25))
        redis_directory = stack.enter_context(stores.empty(settings.directory, "redis")).path
        theirs = stack.enter_context(redis.RedisServer(redis_directory))
        samples["configurations"] = configurations(ours, theirs)
        print("\n".join(samples["configurations"]), flush=True)
        for kind in KINDS:
            runs = measure(kind, ours, theirs, settings)
            samples["runs"] += runs
            figures += condense(kind, runs)
        traced = traced_flushes(theirs, settings)
        samples["strace"] = traced
        figures.append(Figure("redis: fdatasync per SET, 50 clients, by strace", traced["per_write"], note=traced["note"]))
    return figures, samples


def configurations(ours, theirs):
    """Both servers and both loads as commands, for 50 clients."""
    load = ["bench", *(str(word) for word in writing.insert_words()), "--clients", "50"]
    return [
        programs.command_line(words) for words in (
            ours.command, load, theirs.command, redis.benchmark_command(theirs, 50, writing.VALUE_BYTES, False))
    ] + [redis.version()]


def insert_run(ours, kind, seconds, verify=False):
    """No warm-up: costs are counted over all of the run, as with redis-benchmark."""
    return writing.insert(ours, kind.clients, seconds, hot_key=kind.hot_key, warmup=0, verify=verify).result()


def measure(kind, ours, theirs, settings):
    """Pairs of runs of the same length, after one of each that does not count: ours
    reads back every byte, redis's shows how many SETs fill the time."""
    verified = insert_run(ours, kind, min(settings.seconds, 1), verify=True)
    print(f"{kind.name}: read back {verified['readBack']['keys']:,} keys", flush=True)
    trial = redis.benchmark(theirs, kind.clients, writing.VALUE_BYTES, 100 * kind.clients, kind.hot_key)
    count = max(200, int(trial["requests_per_second"] * settings.seconds))
    runs = []
    for number in range(settings.pairs):
        run = {"kind": kind.name, "ours": our_side(ours, kind, settings), "redis": redis_side(theirs, kind, count)}
        runs.append(run)
        writing.announce(
            number, f"{kind.name}: {run['ours']['rate']:,.0f} writes/s, redis {run['redis']['rate']:,.0f}")
    return runs


def our_side(ours, kind, settings):
    first_line = ours.log_line_count()
    costs = writing.Costs(ours.pid, settings.directory)
    result = insert_run(ours, kind, settings.seconds)
    latency = result["latencyMicroseconds"]
    return {
        "rate": result["requestsPerSecond"], "p50": latency["p50"], "p99": latency["p99"],
        **costs.per_write(result["requests"]), **writing.per_write(ours.statistics(first_line)),
    }


def redis_side(theirs, kind, count):
    costs = writing.Costs(theirs.pid, theirs.directory)
    result = redis.benchmark(theirs, kind.clients, writing.VALUE_BYTES, count, kind.hot_key)
    return {
        "rate": result["requests_per_second"], "p50": result["p50"], "p99": result["p99"], **costs.per_write(count),
    }


def condense(kind, runs):
    """The rows of one load."""
    ours, theirs = [run["ours"] for run in runs], [run["redis"] for run in runs]

    def beside(name, what="redis "):
        return what + show(writing.median_of(theirs, name))

    figures = [
        Figure.ratio(
            f"SET/s over redis, {kind.name}", [(run["ours"]["rate"], run["redis"]["rate"]) for run in runs], kind.goal,
            sides=("ours", "redis")),
        Figure.of(
            f"p50, {kind.name}", [run["p50"] for run in ours], "us",
            note=f"p99 {show(writing.median_of(ours, 'p99'))}; {beside('p50')}, p99 {beside('p99', '')}"),
        Figure.of(
            f"flushes per write, {kind.name}", [run["flushes_per_write"] for run in ours],
            note="by the server's own count"),
        Figure.of(
            f"server's CPU per write, {kind.name}", [run["cpu_us"] for run in ours], "us", note=beside("cpu_us")),
    ]
    if ours[0].get("disk_flushes") is not None:
        figures.insert(3, Figure.of(
            f"flushes at the disk per write, {kind.name}", [run["disk_flushes"] for run in ours],
            note=f"{beside('disk_flushes')}; writes at the disk {show(writing.median_of(ours, 'disk_writes'))}, "
            f"{beside('disk_writes')}"))
    return figures


def traced_flushes(theirs, settings):
    """How often redis flushes, counted from outside: strace slows it down, so the
    time of this run does not count."""
    count = 500 if settings.quick else 5_000
    with programs.strace_counts(theirs) as counts:
        redis.benchmark(theirs, 50, writing.VALUE_BYTES, count)
    if not counts:
        return {"per_write": None, "note": "strace may not attach to processes here"}
    calls = counts.get("fdatasync", 0) + counts.get("fsync", 0)
    return {"per_write": calls / count, "note": f"{calls:,} for {count:,} SETs", "counts": counts}
