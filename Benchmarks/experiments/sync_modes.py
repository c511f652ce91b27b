"""What durability costs."""

from contextlib import ExitStack

from .. import programs, store as stores, writing
from ..results import Figure, show

MODES = ("always", "everysec", "never")
CLIENTS = 50


def sync_modes(settings):
    """Writes per second with --sync always, everysec and never, 50 clients."""
    samples = []
    with ExitStack() as stack:
        servers = {
            mode: stack.enter_context(programs.Server(
                stack.enter_context(stores.empty(settings.directory, f"sync-{mode}")), arguments=("--sync", mode)))
            for mode in MODES
        }
        for number in range(settings.pairs):
            for mode, server in servers.items():
                result = writing.insert(server, CLIENTS, settings.seconds, warmup=0.3).result()
                latency = result["latencyMicroseconds"]
                samples.append({
                    "mode": mode, "pair": number, "rate": result["requestsPerSecond"], "p50": latency["p50"],
                    "p99": latency["p99"],
                })
            writing.announce(number, ", ".join(f"{s['mode']} {s['rate']:,.0f}/s" for s in samples[-len(MODES):]))
    by_mode = {mode: [sample for sample in samples if sample["mode"] == mode] for mode in MODES}
    figures = [
        Figure.of(
            f"--sync {mode}", [sample["rate"] for sample in runs], "writes/s",
            note=f"p50 {show(writing.median_of(runs, 'p50'))} us, p99 {show(writing.median_of(runs, 'p99'))} us")
        for mode, runs in by_mode.items()
    ]
    figures += [
        Figure.ratio(
            f"{mode} over always", [(a["rate"], b["rate"]) for a, b in zip(by_mode[mode], by_mode["always"])],
            sides=(mode, "always"))
        for mode in MODES[1:]
    ]
    return figures, samples
