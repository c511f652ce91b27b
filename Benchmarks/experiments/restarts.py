"""Restarts of a store that was written to, and how its index is rebuilt."""

import subprocess
import time
from pathlib import Path

from .. import programs, store as stores, writing
from ..results import Figure
from .startup import KEYS, VALUE_BYTES, verified_get

WAYS = {
    "clean stop": "after a clean stop", "kill": "after a kill under load, in the same boot",
    "index gone": "after a kill under load, without the index",
}


def restart(settings):
    """Restart to first verified reply with 10 M keys, in three ways; rebuilding the index."""
    keys = 200_000 if settings.quick else KEYS
    seconds, samples = {way: [] for way in WAYS}, []
    with stores.empty(settings.directory, "restart") as place, \
            stores.empty("/dev/shm", "protostore-bench-restart") as shared:
        print(f"generating {keys:,} values", flush=True)
        store = stores.generate(place.path, keys, VALUE_BYTES, VALUE_BYTES)[0]
        arguments = ("--index-path", str(shared.path))
        for number in range(settings.pairs):
            for way in WAYS:
                write_and_end(store, arguments, is_kill=way != "clean stop", seed=len(samples) + 1)
                if way == "index gone":
                    forget_index(store, shared)
                seconds[way].append(first_reply(store, arguments))
                samples.append({"way": way, "seconds": seconds[way][-1]})
            writing.announce(number, ", ".join(f"{way} {runs[-1]:.3f} s" for way, runs in seconds.items()))
        rebuilt = rebuild(store, shared, settings)
    samples.append({"rebuild": rebuilt})
    rates = [keys / spent / 1e6 for spent in seconds["index gone"]]
    return [
        *(Figure.of(f"{text}, {keys:,} keys", seconds[way], "s") for way, text in WAYS.items()),
        Figure.of("keys per second of the restart without the index", rates, "M/s"),
        Figure.of("keys rebuilt from summaries", [row["keys/s"] / 1e6 for row in rebuilt], "M/s", note="bench rebuild"),
        Figure(
            "peak memory over the index while rebuilding", rebuilt[0]["peak/index"],
            note=f"{rebuilt[0]['peak MB']:,.0f} MB over {rebuilt[0]['index MB']:,.0f} MB"),
    ], samples


def write_and_end(store, arguments, is_kill, seed):
    """Starts the server, writes new keys, and ends it: killed while writes are on their way."""
    with programs.Server(store, arguments=arguments) as server:
        words = ["durability", "run", "--ledger", store.path / "ledger", "--keys", 100_000, "--seed", seed]
        words += ["--until-killed"] if is_kill else []
        writer = programs.BenchRun(server, words, clients=50, seconds=30 if is_kill else 1.5, warmup=0)
        if is_kill:
            time.sleep(2)
            server.kill()
        writer.result()


def forget_index(store, shared):
    """The index's shared memory, and what a clean stop saved."""
    for file in [*shared.path.iterdir(), store.path / "protostore.index"]:
        file.unlink(missing_ok=True)


def first_reply(store, arguments):
    """Seconds from exec to the first reply, whose bytes are compared; then what was
    acknowledged before is looked for."""
    store.forget_cached_pages()
    with programs.Server(store, arguments=arguments) as server:
        replied, is_right = verified_get(server, store, store.keys // 2)
        words = ["durability", "verify", "--ledger", store.path / "ledger"]
        programs.BenchRun(server, words, clients=50, seconds=60, warmup=0).result()
    if not is_right:
        raise programs.MeasurementError("the first reply was wrong")
    return replied - server.started


def rebuild(store, shared, settings):
    """`bench rebuild`: a row of numbers for each time, by its headings."""
    command = [
        programs.BENCH, "rebuild", "--path", store.path, "--repeats", settings.pairs, "--index-path",
        Path(shared.path) / "rebuilt",
    ]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise programs.MeasurementError(f"bench rebuild failed:\n{done.stdout}{done.stderr}")
    print(done.stdout, flush=True)
    headings = ["keys", "entries", "seconds", "CPU seconds", "keys/s", "index MB", "peak MB", "peak/index"]
    return [
        dict(zip(headings, (float(cell.replace(",", "")) for cell in line.split())))
        for line in done.stdout.splitlines()[1:]
    ]
