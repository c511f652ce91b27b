"""Threads: which numbers serve best, and what a request costs them."""

from .. import programs
from ..results import Figure
from .throughput import LOADS


def threads(settings):
    """Throughput and p99 by --num-tcp-threads and --num-aio-threads."""
    store = settings.store()
    choices = [(1, 0), (2, 1)] if settings.quick else [(tcp, aio) for tcp in (1, 2) for aio in (0, 1, 2)]
    runs = {(choice, load[0]): [] for choice in choices for load in LOADS}
    for number in range(settings.pairs):
        # A server at a time: each locks the store. All in turn, so that drift meets all.
        for tcp, aio in choices:
            with programs.Server(store, tcp_threads=tcp, aio_threads=aio) as server:
                for name, clients, inflight, _ in LOADS:
                    result = programs.load(server, store, clients=clients, inflight=inflight, seconds=settings.seconds)
                    runs[(tcp, aio), name].append(result)
                    print(
                        f"{number + 1}: {tcp} TCP, {aio} AIO, {name}: {result['requestsPerSecond']:,.0f} GET/s, "
                        f"p99 {result['latencyMicroseconds']['p99']:,.0f} us", flush=True)
    figures = []
    for ((tcp, aio), name), results in runs.items():
        figures.append(Figure.of(
            f"{tcp} TCP, {aio} AIO, {name}", [run["requestsPerSecond"] for run in results], "GET/s",
            note="p99 " + Figure.of("", [run["latencyMicroseconds"]["p99"] for run in results]).show() + " us"))
    samples = [{"tcp": tcp, "aio": aio, "load": name, "bench": results} for ((tcp, aio), name), results in runs.items()]
    return figures, samples


def cpu(settings):
    """CPU time and system calls per GET at saturation, of the server and of the client."""
    store = settings.store()
    figures, samples = [], []
    with programs.Server(store, stats_interval=1) as server:
        for name, clients, inflight, _ in LOADS:
            servers, users, systems, clients_cpu, calls = [], [], [], [], []
            for number in range(settings.pairs):
                first_line = server.log_line_count()
                result, rates = programs.load_with_rates(
                    server, store, clients=clients, inflight=inflight, seconds=max(settings.seconds, 3))
                gets = result["requestsPerSecond"]
                client = result["clientPerRequest"]
                servers.append(1e6 * sum(rates["server_cpu"].values()) / gets)
                users.append(1e6 * rates["server_user"] / gets)
                systems.append(1e6 * rates["server_system"] / gets)
                clients_cpu.append(client["userMicroseconds"] + client["systemMicroseconds"])
                calls.append(calls_per_request(server.statistics(first_line)))
                samples.append({"load": name, "bench": result, "rates": rates, "calls": calls[-1]})
                print(f"{name} {number + 1}: server {servers[-1]:.2f} us/GET, client {clients_cpu[-1]:.2f}", flush=True)
            split = f"user {Figure.of('', users).show()}, system {Figure.of('', systems).show()}; threads " + ", ".join(
                f"{thread} {100 * share:.0f} %" for thread, share in rates["server_cpu"].items())
            load = f"{clients} x {inflight}"
            figures += [
                Figure.of(f"server's CPU per GET, {load}", servers, "us", note=split),
                Figure.of(f"client's CPU per GET, {load}", clients_cpu, "us"),
                Figure.of(
                    f"server's system calls per GET, {load}", calls, goal="<= 0.25" if inflight > 1 else None,
                    note="by its own count"),
            ]
        traced = strace_calls_per_request(server, store)
        samples.append({"strace": traced})
        figures.append(Figure("system calls per GET under strace, 50 x 16", traced["per_request"], note=traced["note"]))
    return figures, samples


def calls_per_request(lines):
    """From statistics lines of loops that were busy, weighted by their requests. The
    first and the last line of a run cover idle time as well: they are left out."""
    per_loop = {}
    for line in lines:
        if line["requests/s"] > 0:
            per_loop.setdefault(line["loop"], []).append(line)
    inner = [line for loop in per_loop.values() for line in (loop[1:-1] or loop)]
    # Shards that have loops of their own answer the front ends' requests, not more.
    requests = sum(line["requests/s"] for line in inner if line["loop"].startswith("tcp"))
    return sum(line["syscalls/request"] * line["requests/s"] for line in inner) / max(requests, 1)


def strace_calls_per_request(server, store):
    """Counts the server's calls from outside. strace slows it down and so changes the
    batches: this checks the server's own count, it does not replace it."""
    first_line = server.log_line_count()
    with programs.strace_counts(server) as counts:
        result = programs.load(server, store, clients=50, inflight=16, seconds=4, warmup=0)
    if not counts:
        return {"per_request": None, "note": "strace may not attach to processes here"}
    own = calls_per_request(server.statistics(first_line))
    total = sum(counts.values())
    by_name = ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1])[:5])
    return {
        "per_request": total / result["requests"], "own": own, "counts": counts,
        "note": f"the server's own count in that run {own:.3f}; {by_name}",
    }
