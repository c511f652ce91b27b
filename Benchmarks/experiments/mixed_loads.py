"""Reads beside writes, and YCSB's mixtures of both."""

from .. import programs, store as stores, writing
from ..results import Figure, show

READS_PER_SECOND = 1_000
WRITERS = 50
SHARES = (0, 0.25, 0.5, 1)
WORKLOADS = ("a", "b", "c", "d", "f")


def read_while_write(settings):
    """Latency of 1,000 reads/s beside writes; reads and writes mixed; YCSB."""
    figures, samples = [], {}
    keys = 20_000 if settings.quick else 500_000
    with stores.empty(settings.directory, "mixed") as place:
        store = stores.generate(place.path, keys, writing.VALUE_BYTES, writing.VALUE_BYTES)[0]
        with programs.Server(store) as server:
            for name, part in (("beside", reads_beside_writes), ("mixed", half_and_half)):
                part_figures, samples[name] = part(server, store, settings)
                figures += part_figures
    with stores.empty(settings.directory, "ycsb") as place, programs.Server(place) as server:
        part_figures, samples["ycsb"] = ycsb(server, 10_000 if settings.quick else 200_000, settings)
        figures += part_figures
    return figures, samples


# --- Reads at a fixed rate


def reads_beside_writes(server, store, settings):
    """At 100 % the writers form a closed loop, which is what the maximum is."""
    maximum = writing.overwrite(server, store, WRITERS, settings.seconds, warmup=0.3).result()["requestsPerSecond"]
    print(f"maximum {maximum:,.0f} writes/s", flush=True)
    samples = []
    for number in range(settings.pairs):
        for share in SHARES:
            writer = None
            if share:
                writer = writing.overwrite(
                    server, store, WRITERS, settings.seconds + 0.5, warmup=0,
                    rate=None if share == 1 else max(1, round(share * maximum)))
            reads = programs.load(
                server, store, clients=4, inflight=4, seconds=settings.seconds, warmup=0.3, rate=READS_PER_SECOND,
                modified=True)
            writes = writer.result()["requestsPerSecond"] if writer else 0
            samples.append({"share": share, "writes": writes, **reads["latencyMicroseconds"]})
        writing.announce(number, "read p99 " + ", ".join(
            f"{100 * s['share']:.0f} %: {s['p99']:,.0f} us" for s in samples[-len(SHARES):]))
    return [beside_figure(share, [s for s in samples if s["share"] == share]) for share in SHARES], samples


def beside_figure(share, runs):
    notes = ", ".join(
        f"{name} {show(writing.median_of(runs, field))} us" for name, field in (("p50", "p50"), ("p99.9", "p99_9")))
    return Figure.of(
        f"p99 of {READS_PER_SECOND:,} reads/s, writes at {100 * share:.0f} %", [run["p99"] for run in runs], "us",
        note=f"{notes}; {writing.median_of(runs, 'writes'):,.0f} writes/s")


# --- Half reads, half writes


def half_and_half(server, store, settings):
    """Every byte of every read is compared."""
    words = ["mixed", "--path", store.path, "--modified", "--read-ratio", 0.5]
    results = []
    for number in range(settings.pairs):
        results.append(programs.BenchRun(
            server, words, clients=WRITERS, seconds=settings.seconds, warmup=0.3).result())
        writing.announce(number, f"mixed 50/50: {results[-1]['requestsPerSecond']:,.0f}/s")
    return [throughput_figure(f"mixed 50/50, {WRITERS} clients", results)], results


def throughput_figure(name, results):
    def latency(kind):
        of_kind = [result[kind]["latencyMicroseconds"] for result in results if result.get(kind)]
        if not of_kind:
            return None
        return f"p50 {show(writing.median_of(of_kind, 'p50'))} us, p99 {show(writing.median_of(of_kind, 'p99'))} us"

    kinds = {"reads": "reads", "writes": "writes", "readModifyWrites": "read-modify-writes"}
    parts = [f"{text} {latency(kind)}" for kind, text in kinds.items() if latency(kind)]
    return Figure.of(name, [result["requestsPerSecond"] for result in results], "/s", note="; ".join(parts))


# --- YCSB


def ycsb(server, records, settings):
    """Each workload once with every byte checked, which does not count, then all in turn."""
    def run(workload, seconds, *more, **options):
        words = ["ycsb", workload, "--records", records, *more]
        return programs.BenchRun(server, words, clients=WRITERS, seconds=seconds, **options).result()

    loaded = run("a", 600, "--load", warmup=0)
    print(f"loaded {loaded['requests']:,} records, {loaded['requestsPerSecond']:,.0f}/s", flush=True)
    results = {workload: [] for workload in WORKLOADS}
    for workload in WORKLOADS:
        run(workload, min(settings.seconds, 1), "--modified", warmup=0, verify=True)
    print("verified every byte of a run of each workload", flush=True)
    for number in range(settings.pairs):
        for workload in WORKLOADS:
            results[workload].append(run(workload, settings.seconds, "--modified", warmup=0.3))
        writing.announce(number, "ycsb " + ", ".join(
            f"{workload} {results[workload][-1]['requestsPerSecond']:,.0f}/s" for workload in WORKLOADS))
    figures = [Figure("YCSB load phase, 50 clients", loaded["requestsPerSecond"], "/s", note=f"{records:,} records")]
    figures += [
        throughput_figure(f"YCSB {workload.upper()}, {WRITERS} clients", runs) for workload, runs in results.items()]
    return figures, results
