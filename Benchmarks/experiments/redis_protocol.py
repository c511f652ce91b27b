"""The Redis protocol beside redis-server: the same client, one server after the other."""

import csv
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass

from .. import machine, programs, redis, store as stores, writing
from ..results import Figure, show
from .throughput import gets_over_fio


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
    # So many keys are there before.
    keys: int = 0


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
OLD_KEYS = 200_000
OVERWRITES = [Kind("SET of old keys, everysec", (*VALUE, "-r", str(OLD_KEYS)), keys=OLD_KEYS)]
SYNC = {
    "everysec": (("--sync", "everysec"), ("--appendonly", "yes", "--appendfsync", "everysec")),
    "always": (("--sync", "always"), ("--appendonly", "yes", "--appendfsync", "always")),
}


def redis_protocol(settings):
    """PING, GET of missing keys and SET through the Redis protocol, beside redis-server with the same client."""
    figures, samples = [], {"runs": [], "configurations": []}
    for kinds, ours, theirs in (
        (IN_MEMORY, (), ("--appendonly", "no")),
        (DURABLE, *SYNC["always"]),
        (EVERYSEC, *SYNC["everysec"]),
    ):
        measure(kinds[:1] if settings.quick else kinds, ours, theirs, settings, figures, samples)
    return figures, samples


# A record of OVERWRITES is 1,072 bytes at a multiple of 64: one read of three sectors, wherever it starts.
OLD_RECORD_READ_BYTES = 1536


def redis_overwrites(settings):
    """SET over keys that are there, through the Redis protocol with everysec, beside redis-server and fio's reads."""
    figures, samples = [], {"runs": [], "configurations": []}
    measure(OVERWRITES, *SYNC["everysec"], settings, figures, samples)
    rates = [ours["rate"] for ours, _ in samples["runs"][0]["pairs"]]
    with stores.empty(settings.directory, "redis-overwrites") as store, programs.Server(store) as server:
        redis.fill(server.port, OLD_KEYS, b"x" * 1000)
        reads = [
            programs.fio_random_reads(
                stores.Store(store.path, OLD_KEYS, 1000, 1000), {OLD_RECORD_READ_BYTES: 100}, 128, min(settings.seconds, 5),
                batch=16)["iops"]
            for _ in rates]
    # The goal is the lower of this and of redis-server's rate.
    figures.append(Figure.ratio("the same over fio's reads/s of the old records", list(zip(rates, reads)), ">= 0.9", sides=("ours", "fio")))
    return figures, samples


def measure(kinds, our_options, their_options, settings, figures, samples):
    with ExitStack() as stack:
        ours = stack.enter_context(programs.Server(
            stack.enter_context(stores.empty(settings.directory, "redis-protocol")), arguments=our_options))
        theirs_directory = stack.enter_context(stores.empty(settings.directory, "redis")).path
        theirs = stack.enter_context(redis.RedisServer(theirs_directory, their_options))
        samples["configurations"] += [programs.command_line(ours.command), programs.command_line(theirs.command)]
        for kind in kinds:
            for server in (ours, theirs):
                redis.fill(server.port, kind.keys, b"x" * 1000)
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


def redis_disk(settings):
    """GET/s from the disk through the Redis protocol, over fio's random reads of the same sizes on the same file."""
    return gets_over_fio(settings, "redis")


# What a walk reads of each record: its head, with the key.
HEAD_BYTES = 512


def redis_scan(settings):
    """Keys/s of one SCAN through a whole database, over fio's random reads of a sector."""
    store = settings.store(settings.keys // 4)
    figures, samples, pairs = [], [], []
    counts = (1000,) if settings.quick else (10, 1000)
    with programs.Server(store) as server:
        for count in counts:
            pairs = []
            for number in range(settings.pairs):
                reads = programs.fio_random_reads(store, {HEAD_BYTES: 100}, 128, min(settings.seconds, 5), batch=16)["iops"]
                began = time.monotonic()
                found = redis.scan(server.port, count)
                rate = found / (time.monotonic() - began)
                if found != store.keys:
                    raise programs.MeasurementError(f"SCAN found {found:,} of {store.keys:,} keys")
                pairs.append((rate, reads))
                writing.announce(number, f"COUNT {count}: {rate:,.0f} keys/s, fio {reads:,.0f} reads/s")
            samples.append({"count": count, "pairs": pairs})
            figures.append(Figure.ratio(
                f"SCAN with COUNT {count}: keys/s over fio's reads/s", pairs, ">= 0.5" if count == 1000 else None,
                sides=("SCAN", "fio")))
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
