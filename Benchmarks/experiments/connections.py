"""Many connections at a time."""

from .. import machine, programs
from ..results import Figure


def limits(settings):
    """10,000 idle and 1,000 active connections: throughput and the server's memory."""
    idle, active = (1_000, 100) if settings.quick else (10_000, 1_000)
    store = settings.store()
    figures, samples = [], []

    def note_memory(when):
        memory = machine.memory_bytes(server.pid)
        samples.append({"when": when, **memory})
        own = (memory["RssAnon"] + memory["RssShmem"]) / 2**20
        figures.append(Figure(
            f"server's memory {when}", own, "MiB", note=f"index and buffers; {memory['VmRSS'] / 2**20:,.0f} MiB with its program"))

    with programs.Server(store) as server:
        note_memory("after start")
        alone = programs.load(server, store, clients=active, inflight=1, seconds=settings.seconds)
        note_memory(f"after {active:,} active connections")
        with programs.idle_connections(server, idle) as connections:
            connections.stdout.readline()  # "opened ...": all of them stand
            note_memory(f"with {idle:,} idle connections")
            beside = programs.load(server, store, clients=active, inflight=1, seconds=settings.seconds)
            note_memory(f"with {idle:,} idle and {active:,} active connections")
    samples += [alone, beside]
    figures.append(Figure(
        f"GET/s of {active:,} clients beside {idle:,} idle ones", beside["requestsPerSecond"],
        note=f"p99 {beside['latencyMicroseconds']['p99']:,.0f} us; without the idle ones "
        f"{alone['requestsPerSecond']:,.0f} GET/s, p99 {alone['latencyMicroseconds']['p99']:,.0f} us"))
    return figures, samples
