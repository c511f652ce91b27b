"""How many reads of the device a GET costs."""

from .. import machine, programs
from ..results import Figure


def exact_reads(server, store, settings, misses=0.0, protocol="native"):
    """Reads of the whole device over a run without warm-up: all requests are counted,
    but for at most one per connection at the end. Other programs' reads count, too."""
    device = machine.BlockDevice(store.path)
    if not device.name:
        return {"per_request": None, "note": "the directory's device is not in /proc/diskstats"}
    before = device.counters()
    result = programs.load(
        server, store, clients=8, inflight=1, seconds=settings.seconds, warmup=0, misses=misses, protocol=protocol)
    done = device.counters() - before
    return {
        "per_request": done.reads / result["requests"], "reads": done.reads, "requests": result["requests"],
        "note": f"{done.reads:,} reads of {device.name} for {result['requests']:,} requests",
    }


def misses(settings):
    """Disk reads per GET of a key that is not there, and of one that is."""
    store = settings.store()
    figures, samples = [], []
    with programs.Server(store) as server:
        for what, ratio, goal in (("miss", 1.0, "<= 0.01"), ("hit", 0.0, "<= 1.005")):
            runs = [exact_reads(server, store, settings, misses=ratio) for _ in range(settings.pairs)]
            samples += runs
            if runs[0]["per_request"] is None:
                figures.append(Figure(f"disk reads per {what}", None, note=runs[0]["note"]))
            else:
                figures.append(Figure.of(
                    f"disk reads per {what}", [run["per_request"] for run in runs], goal=goal, note=runs[-1]["note"]))
    return figures, samples
