"""How batches grow with the load: the reason for having no timers."""

import statistics

from .. import plot, programs
from ..results import Figure

CLIENTS = [1, 2, 4, 8, 16, 32, 64, 128, 256]


def batching(settings):
    """Requests per poll, system calls per request and latency with 1 to 256 clients."""
    store = settings.store()
    samples, points = [], []
    numbers = CLIENTS[::4] if settings.quick else CLIENTS
    with programs.Server(store, stats_interval=0.5) as server:
        # All numbers of clients in turn, so that drift of the disk meets all.
        for _ in range(settings.pairs):
            for clients in numbers:
                first_line = server.log_line_count()
                result = programs.load(server, store, clients=clients, inflight=1, seconds=max(settings.seconds, 2))
                lines = [line for line in server.statistics(first_line) if line["requests/s"] > 0]
                # The outer ones cover idle time, too.
                lines = lines[1:-1] or lines
                samples.append({
                    "clients": clients, "requests_per_second": result["requestsPerSecond"],
                    "p50": result["latencyMicroseconds"]["p50"], "p99": result["latencyMicroseconds"]["p99"],
                    **{
                        name: statistics.mean(line[field] for line in lines)
                        for name, field in (
                            ("requests_per_poll", "requests/poll"), ("calls_per_request", "syscalls/request"),
                            ("batch_p50", "batch p50"), ("batch_p99", "batch p99"),
                        )
                    },
                })
    figures = []
    for clients in numbers:
        of_clients = [sample for sample in samples if sample["clients"] == clients]
        point = {name: statistics.median(sample[name] for sample in of_clients) for name in of_clients[0]}
        points.append(point)
        figures.append(Figure.of(
            f"requests per poll, {clients} client{'s' if clients > 1 else ''}", [sample["requests_per_poll"] for sample in of_clients],
            note=f"{point['requests_per_second']:,.0f} GET/s, {point['calls_per_request']:.2f} system calls per GET, "
            f"p50 {point['p50']:,.0f} us, p99 {point['p99']:,.0f} us"))
    rows = [[point[name] for name in ("clients", "requests_per_poll", "calls_per_request", "p50")] for point in points]
    plot.draw("batching.svg", rows, SCRIPT, settings)
    return figures, samples


SCRIPT = f"""
set logscale xy 2
set xlabel "clients, one request in flight each" textcolor rgb grey
set ylabel "requests, system calls" textcolor rgb grey
set y2label "p50 latency, us" textcolor rgb grey
set y2tics textcolor rgb grey
set logscale y2 2
set xrange [1:256]
plot {plot.curve(2, "requests per poll", plot.BLUE)}, \\
     {plot.curve(3, "system calls per request", plot.ORANGE)}, \\
     {plot.curve(4, "p50 latency (right)", plot.GREEN, "x1y2")}
"""
