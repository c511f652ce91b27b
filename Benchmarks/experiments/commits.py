"""Group commit: how writes share flushes as clients grow."""

from .. import plot, programs, store as stores, writing
from ..results import Figure, show

CLIENTS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
SCRIPT = f"""
set logscale xy 2
set key left bottom
set xlabel "clients, one write in flight each" textcolor rgb grey
set ylabel "per acknowledged write" textcolor rgb grey
set y2label "p50 latency, us" textcolor rgb grey
set y2tics textcolor rgb grey
set logscale y2 2
set xrange [1:256]
plot {plot.curve(2, "flushes", plot.BLUE)}, \\
     {plot.curve(3, "log writes", plot.ORANGE)}, \\
     {plot.curve(4, "p50 latency (right)", plot.GREEN, "x1y2")}
"""
COLUMNS = ("clients", "flushes_per_write", "log_writes_per_write", "p50")


def commits(settings):
    """Flushes and log writes per acknowledged write with 1 to 256 clients."""
    samples = []
    with stores.empty(settings.directory, "commits") as store, programs.Server(store, stats_interval=0.25) as server:
        # All numbers of clients in turn, so that drift of the disk meets all.
        for number in range(settings.pairs):
            for clients in CLIENTS:
                first_line = server.log_line_count()
                # Enough for statistics lines that cover nothing else.
                result = writing.insert(server, clients, max(settings.seconds * 0.75, 1), warmup=0.2).result()
                samples.append({
                    "clients": clients, "rate": result["requestsPerSecond"],
                    "p50": result["latencyMicroseconds"]["p50"], "p99": result["latencyMicroseconds"]["p99"],
                    **writing.per_write(server.statistics(first_line)),
                })
            writing.announce(number, ", ".join(
                f"{sample['clients']}: {sample['flushes_per_write']:.3f}" for sample in samples[-len(CLIENTS):]))
    points = [
        {name: writing.median_of([s for s in samples if s["clients"] == clients], name) for name in samples[0]}
        for clients in CLIENTS
    ]
    plot.draw("commits.svg", [[point[name] for name in COLUMNS] for point in points], SCRIPT, settings)
    return [figure(point, samples) for point in points], samples


def figure(point, samples):
    clients = point["clients"]
    return Figure.of(
        f"flushes per write, {clients} client{'s' if clients > 1 else ''}",
        [sample["flushes_per_write"] for sample in samples if sample["clients"] == clients],
        note=f"{show(point['log_writes_per_write'])} log writes of {show(point['records_per_commit'])} records; "
        f"{point['rate']:,.0f} writes/s, p50 {point['p50']:,.0f} us, p99 {point['p99']:,.0f} us")
