"""The Redis protocol beside redis-server: the same client, one server after the other."""

import csv
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass

from .. import machine, programs, redis, store as stores, writing
from ..results import Figure, show


@dataclass(frozen=True)
class Kind:
    """A load of redis-benchmark that both servers get."""

    name: str
    words: tuple
    pipeline: int = 1
    clients: int = 50
    cpu_goal: str | None = None
    rate_goal: str | None = ">= 1"
    # Every request is a GET of a key that is not there.
    misses: bool = False


SPREAD = ("-r", "1000000000")
IN_MEMORY = [
    Kind("PING", ("-t", "ping_mbulk"), cpu_goal="<= 1"),
    Kind("PING, pipeline 16", ("-t", "ping_mbulk"), 16, cpu_goal="<= 0.9"),
    Kind("GET of a missing key", ("-t", "get", *SPREAD), cpu_goal="<= 1", misses=True),
    Kind("GET of a missing key, pipeline 16", ("-t", "get", *SPREAD), 16, cpu_goal="<= 0.9", misses=True),
]
VALUE = ("-t", "set", "-d", "1000")
DURABLE = [
    Kind("durable SET", (*VALUE, *SPREAD), rate_goal=">= 2"),
    Kind("durable SET of one hot key", VALUE, rate_goal=">= 1"),
]
EVERYSEC = [Kind("SET of new keys, everysec", (*VALUE, *SPREAD))]


def redis_protocol(settings):
    """PING, GET of missing keys and SET through the Redis protocol, beside redis-server with the same client."""
    figures, samples = [], {"runs": [], "configurations": []}
    for kinds, ours, theirs in (
        (IN_MEMORY, (), ("--appendonly", "no")),
        (DURABLE, ("--sync", "always"), ("--appendonly", "yes", "--appendfsync", "always")),
        (EVERYSEC, ("--sync", "everysec"), ("--appendonly", "yes", "--appendfsync", "everysec")),
    ):
        measure(kinds, ours, theirs, settings, figures, samples)
    return figures, samples


def measure(kinds, our_options, their_options, settings, figures, samples):
    with ExitStack() as stack:
        ours = stack.enter_context(programs.Server(
            stack.enter_context(stores.empty(settings.directory, "redis-protocol")), arguments=our_options))
        theirs_directory = stack.enter_context(stores.empty(settings.directory, "redis")).path
        theirs = stack.enter_context(redis.RedisServer(theirs_directory, their_options))
        samples["configurations"] += [programs.command_line(ours.command), programs.command_line(theirs.command)]
        for kind in kinds:
            counts = [requests_that_fill(settings.seconds, server, kind) for server in (ours, theirs)]
            runs = []
            for number in range(settings.pairs):
                pair = [run(server, kind, count) for server, count in zip((ours, theirs), counts)]
                runs.append(pair)
                writing.announce(number, f"{kind.name}: " + ", ".join(
                    f"{side} {result['rate']:,.0f}/s at {result['cpu_us']:.2f} us" for side, result in zip(("ours", "redis"), pair)))
            samples["runs"].append({"kind": kind.name, "pairs": runs})
            figures += condense(kind, runs)
        samples["configurations"] += [" ".join(command(ours, kind, 1)) for kind in kinds]


# Each record is 1,072 bytes at a multiple of 64: one read of three sectors, wherever it starts.
READ_BYTES = 1536
FROM_DISK = [("GET from the disk, 50 x 16", 50, 16, ">= 0.95"), ("GET from the disk, 128 x 1", 128, 1, ">= 0.80")]


def redis_disk(settings):
    """GET/s from the disk through the Redis protocol, over fio's random reads of the same size on the same file."""
    keys = settings.keys
    figures, samples = [], {"runs": [], "configurations": []}
    with ExitStack() as stack:
        store = stack.enter_context(stores.empty(settings.directory, "redis-disk"))
        server = stack.enter_context(programs.Server(store))
        redis.fill(server.port, keys, b"x" * 1000)
        datafile = stores.Store(store.path, keys, 1000, 1000)
        depths = [(128, 1)] if settings.quick else [(64, 16), (128, 1), (128, 16), (256, 16)]
        tried = {choice: fio(datafile, choice, settings) for choice in depths}
        best = max(tried, key=tried.get)
        for name, clients, pipeline, goal in FROM_DISK:
            kind = Kind(name, ("-t", "get", "-r", str(keys)), pipeline, clients)
            count = requests_that_fill(settings.seconds, server, kind)
            pairs, costs = [], []
            for number in range(settings.pairs):
                reads = fio(datafile, best, settings)
                hits = int(redis.information(server.port, "stats")["keyspace_hits"])
                result = run(server, kind, count)
                if int(redis.information(server.port, "stats")["keyspace_hits"]) - hits < count:
                    raise programs.MeasurementError("a key was missing")
                pairs.append((result["rate"], reads))
                costs.append(result["cpu_us"])
                writing.announce(number, f"{name}: {result['rate']:,.0f} GET/s, fio {reads:,.0f}")
            samples["runs"].append({"load": name, "pairs": pairs, "cpu_us": costs})
            figures += [
                Figure.ratio(
                    f"{name}: GET/s over fio's best (depth {best[0]}, batch {best[1]})", pairs, goal, sides=("ours", "fio")),
                Figure.of(f"{name}: server's CPU per GET", costs, "us"),
            ]
            samples["configurations"].append(" ".join(command(server, kind, count)))
    return figures, samples


def redis_latency(settings):
    """GET from the disk through the Redis protocol in an open loop at 70 % of the most, beside fio's reads at that rate."""
    store = settings.store()
    percents = stores.in_percent(stores.read_sizes(store))
    own, theirs, samples = [], [], []
    with programs.Server(store) as server:
        def load(**options):
            return programs.load(
                server, store, protocol="redis", clients=50, inflight=16, seconds=settings.seconds, **options)

        most = load()["requestsPerSecond"]
        rate = round(0.7 * most)
        print(f"at most {most:,.0f} GET/s; from here on {rate:,} GET/s", flush=True)
        for number in range(settings.pairs):
            job = programs.fio_random_reads_job(store, percents, 256, settings.seconds, rate=rate)
            result = load(rate=rate, verify=True)
            own.append(result["latencyMicroseconds"])
            theirs.append({f"p{text}": programs.fio_latency_microseconds(job["read"], text) for text in PERCENTILES})
            samples.append({"bench": result, "fio": theirs[-1], "rate": rate, "most": most})
            writing.announce(number, ", ".join(
                f"p{text} {own[-1][NAMES[text]]:,.0f} us, fio {theirs[-1][f'p{text}']:,.0f}" for text in PERCENTILES))
    return [
        Figure.of(
            f"GET at {rate:,}/s: p{text}", [sample[NAMES[text]] for sample in own], "us",
            note=f"fio at the same rate {show(writing.median_of(theirs, f'p{text}'))}")
        for text in PERCENTILES
    ], samples


PERCENTILES = (50, 99, 99.9)
NAMES = {50: "p50", 99: "p99", 99.9: "p99_9"}


def redis_memory(settings):
    """Memory for each key with 100 bytes of value: what both servers have more of, full and empty."""
    keys = 4 * settings.keys
    samples = []
    with ExitStack() as stack:
        ours = stack.enter_context(programs.Server(stack.enter_context(stores.empty(settings.directory, "redis-memory"))))
        theirs_directory = stack.enter_context(stores.empty(settings.directory, "redis")).path
        theirs = stack.enter_context(redis.RedisServer(theirs_directory, ("--appendonly", "no")))
        per_key = []
        for server in (ours, theirs):
            before = sum(memory(server))
            redis.fill(server.port, keys, b"x" * 100)
            after = memory(server)
            per_key.append((sum(after) - before) / keys)
            samples.append({"before": before, "after": after, "keys": keys})
        own, other = per_key
        return [
            Figure.ratio(
                f"memory for each of {keys:,} keys, redis over ours", [(other, own)], ">= 10", sides=("redis", "ours"),
                unit=" bytes"),
            Figure("of ours the index, in shared memory", samples[0]["after"][1] / keys, "bytes"),
        ], samples


def memory(server):
    """Bytes of a process: its own, and those of shared memory."""
    kinds = machine.memory_bytes(server.pid)
    return kinds["RssAnon"], kinds["RssShmem"]


def fio(store, choice, settings):
    return programs.fio_random_reads(store, {READ_BYTES: 100}, choice[0], min(settings.seconds, 5), batch=choice[1])["iops"]


def command(server, kind, count):
    return [
        redis.BENCHMARK, "-h", "127.0.0.1", "-p", str(server.port), "-c", str(kind.clients), "-P", str(kind.pipeline),
        *kind.words, "-n", str(count), "--csv",
    ]


def requests_that_fill(seconds, server, kind):
    trial = run(server, kind, 200 * kind.clients * kind.pipeline)
    return max(100 * kind.clients, int(trial["rate"] * seconds))


def run(server, kind, count):
    """Requests a second, and the server's processor time for each."""
    misses = redis.information(server.port, "stats")["keyspace_misses"] if kind.misses else 0
    before = machine.cpu_seconds(server.pid)
    done = subprocess.run(command(server, kind, count), capture_output=True, text=True, timeout=600)
    cpu = machine.cpu_seconds(server.pid) - before
    if done.returncode != 0 or "rror" in done.stdout + done.stderr.replace("WARNING: Could not fetch server CONFIG", ""):
        raise programs.MeasurementError(f"redis-benchmark failed: {done.stdout}{done.stderr}")
    if kind.misses:
        missed = int(redis.information(server.port, "stats")["keyspace_misses"]) - int(misses)
        if missed < count:
            raise programs.MeasurementError(f"{missed} of {count} keys were missing")
    row = next(csv.DictReader(done.stdout[done.stdout.index('"test"'):].splitlines()))
    return {"rate": float(row["rps"]), "p50": 1000 * float(row["p50_latency_ms"]), "cpu_us": 1e6 * cpu / count}


def condense(kind, runs):
    ours, theirs = [[pair[side] for pair in runs] for side in (0, 1)]
    return [
        Figure.ratio(
            f"{kind.name}: requests/s over redis", [(a["rate"], b["rate"]) for a, b in runs], kind.rate_goal,
            sides=("ours", "redis")),
        Figure.ratio(
            f"{kind.name}: server's CPU per request over redis", [(a["cpu_us"], b["cpu_us"]) for a, b in runs],
            kind.cpu_goal, sides=("ours", "redis"), unit=" us"),
        Figure.of(
            f"{kind.name}: p50", [result["p50"] for result in ours], "us",
            note=f"redis {show(writing.median_of(theirs, 'p50'))}"),
    ]
