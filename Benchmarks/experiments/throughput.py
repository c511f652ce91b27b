"""Throughput against the disk's own."""

from .. import machine, programs, store as stores
from ..results import Figure
from .reads import exact_reads

# Clients, requests in flight on each, the goal for GET/s over fio's IOPS.
LOADS = [("pipelined", 50, 16, ">= 0.95"), ("unpipelined", 128, 1, ">= 0.80")]
IO_DEPTH = 128


def fio_at_its_best(store, percents, settings):
    """The depth and batch at which fio gets most out of the disk."""
    choices = [(depth, batch) for depth in (64, 128, 256) for batch in (1, 16)]
    tried = {
        choice: programs.fio_random_reads(store, percents, choice[0], min(settings.seconds, 5), batch=choice[1])["iops"]
        for choice in (choices[2:3] if settings.quick else choices)
    }
    for (depth, batch), reads in tried.items():
        print(f"fio at depth {depth}, {batch} submitted at a time: {reads:,.0f} reads/s", flush=True)
    return max(tried, key=tried.get)


def check_sizes(store, percents, device):
    """Compares the mean read of the server with that of fio's instructions, as the disk sees it."""
    asked, told = stores.mean_size(stores.read_sizes(store)), stores.mean_size(percents)
    print(f"mean read: {asked:,.1f} bytes from the table of contents, {told:,.1f} by fio's percents", flush=True)
    if abs(asked / told - 1) > 0.005:
        raise programs.MeasurementError("fio would read other sizes than the server")
    return {"read_bytes": asked, "fio_read_bytes": told, "disk": device.name}


def iops(settings):
    """GET/s of the server over fio's random reads of the same sizes on the same file."""
    return gets_over_fio(settings, "native")


def gets_over_fio(settings, protocol):
    store = settings.store()
    percents = stores.in_percent(stores.read_sizes(store))
    device = machine.BlockDevice(store.path)
    samples = {"sizes": check_sizes(store, percents, device), "runs": []}
    depth, batch = fio_at_its_best(store, percents, settings)
    figures = []
    with programs.Server(store, io_depth=IO_DEPTH) as server:
        verified = programs.load(server, store, clients=50, inflight=16, seconds=settings.seconds, protocol=protocol, verify=True)
        print(f"verified every byte of {verified['requests']:,} replies", flush=True)
        for name, clients, inflight, goal in LOADS:
            best_pairs, same_pairs, rates = [], [], []
            same_depth = min(clients * inflight, IO_DEPTH)
            for number in range(settings.pairs):
                best = programs.fio_random_reads(store, percents, depth, settings.seconds, batch)
                result, rate = programs.load_with_rates(
                    server, store, clients=clients, inflight=inflight, seconds=settings.seconds, protocol=protocol)
                same = programs.fio_random_reads(store, percents, same_depth, settings.seconds)
                gets = result["requestsPerSecond"]
                best_pairs.append((gets, best["iops"]))
                same_pairs.append((gets, same["iops"]))
                rates.append(rate)
                samples["runs"].append({"load": name, "bench": result, "rates": rate, "fio_best": best["iops"], "fio_same": same["iops"]})
                print(
                    f"{name} {number + 1}: server {gets:,.0f} GET/s, fio {best['iops']:,.0f} at its best, "
                    f"{same['iops']:,.0f} at depth {same_depth}", flush=True)
            figures += [
                Figure.ratio(
                    f"GET/s over fio's best (depth {depth}, batch {batch}), {clients} x {inflight}", best_pairs, goal,
                    sides=("server", "fio")),
                Figure.ratio(f"GET/s over fio at depth {same_depth}, {clients} x {inflight}", same_pairs, sides=("server", "fio")),
                Figure.of(
                    f"server's busiest thread, {clients} x {inflight}", [max(r["server_cpu"].values()) for r in rates],
                    "processors"),
            ]
            if device.name:
                figures.append(Figure.of(
                    f"bytes per disk read, {clients} x {inflight}", [r["disk_bytes_per_read"] for r in rates], "bytes",
                    note=f"from the table of contents {samples['sizes']['read_bytes']:,.1f}"))
        reads = exact_reads(server, store, settings, protocol=protocol)
        samples["exact"] = reads
        figures.append(Figure("disk reads per GET", reads["per_request"], goal="<= 1.005", note=reads["note"]))
    return figures, samples
