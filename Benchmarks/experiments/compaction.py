"""What compaction costs: on a disk of fixed service times, and on the real one."""

import json
import statistics
import subprocess
import tempfile
from pathlib import Path

from .. import plot, programs, store as stores, writing
from ..results import Figure, show

SEGMENTS = 1000
SHARES = (0.5, 0.7, 0.8)
GOALS = {("uniform", 0.8): "<= 2.7"}
CLIENTS = 128
SEGMENT_BYTES = 1 << 20
# So that a thousand segments hold few enough records for a run of a minute.
TIMED_VALUE_BYTES = 4000
READ_SHARE = 0.5


# --- The timed disk


def compaction(settings):
    """Write amplification, the worst second and latencies on a disk of fixed service times; usable space."""
    stored = ["--segments", 100 if settings.quick else SEGMENTS, "--segment-bytes", SEGMENT_BYTES >> 2 * settings.quick]
    size = [*stored, "--clients", CLIENTS, "--value-bytes", TIMED_VALUE_BYTES]
    rounds = ["--overwrites", 1 if settings.quick else 4]
    figures, samples = [], []
    for distribution in ("uniform", "zipfian"):
        for share in SHARES[-1:] if settings.quick else SHARES:
            report = run([*size, *rounds, "--live", share, "--distribution", distribution])
            samples.append(report)
            figures.append(amplification_figure(report, distribution, share))
    churned = run([*size, *rounds, "--live", 0.8, "--deletes", 0.1, "--expiry", 0.2])
    samples.append(churned)
    figures.append(Figure(
        "write amplification, uniform, 10 % deletes, 20 % expire, keys for 80 % live", churned["writeAmplification"],
        note=f"{churned['deletesDropped']:,} deletes dropped"))
    # Time is what counts here: as many seconds as a second can be the worst of.
    steady = ["--overwrites", 1 if settings.quick else 4]
    with_it = run([*size, *steady, "--live", 0.8])
    without = run([*size, *steady, "--live", 0.8, "--control"])
    samples += [with_it, without]
    figures += timed_figures(with_it, without)
    series_plot(with_it, without, settings)
    figures.append(fill_figure([*stored, "--clients", 256, "--reads", 0]))
    return figures, samples


def amplification_figure(report, distribution, share):
    model = f"first in, first out: {show(report['firstInFirstOutModel'])}"
    return Figure(
        f"write amplification, {distribution}, {100 * share:.0f} % live", report["writeAmplification"],
        goal=GOALS.get((distribution, share)),
        note=f"records alone {show(report['recordAmplification'])}, with padding {show(report['bytesAmplification'])}; {model}")


def timed_figures(with_it, without):
    def latency(report):
        return report["readLatency"]["p99_9"]

    return [
        Figure(
            "worst second over mean, timed disk, 80 % live", with_it["worstOverMean"], goal=">= 0.9",
            note=f"{with_it['writesPerSecond']:,.0f} writes/s over {with_it['measuredSeconds']:.0f} s; without compaction "
            f"{without['writesPerSecond']:,.0f}/s, worst {show(without['worstOverMean'])}"),
        Figure(
            "read p99.9, timed disk", latency(with_it), "us",
            note=f"without compaction {latency(without):,.0f} us; {CLIENTS} clients, a read in ten operations"),
        Figure("share of the time that writes wait for segments", with_it["urgentShare"]),
    ]


def fill_figure(words):
    output = bench(["compaction", "--fill", *words])
    share = float(output.split("writes: ")[1].split(" %")[0])
    return Figure("of the size is live at the first refusal", share, "%", goal=">= 90", note="values of 1,000 bytes")


def run(words):
    """One `bench compaction`, whose answers were all right."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        print(bench(["compaction", *words, "--json", file.name]), flush=True)
        return json.loads(Path(file.name).read_text())


def bench(words):
    command = [str(word) for word in [programs.BENCH, *words]]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise programs.MeasurementError(f"{programs.command_line(command)}:\n{result.stdout}{result.stderr}")
    return result.stdout


def series_plot(with_it, without, settings):
    """Writes per second of the disk's clock, with what was copied meanwhile."""
    count = min(len(with_it["series"]), len(without["series"]))
    points = [
        (second["atSeconds"], second["writes"] / 1000, other["writes"] / 1000, second["copiedBytes"] / 1e6)
        for second, other in list(zip(with_it["series"], without["series"]))[:count]]
    if not points:
        return
    plot.draw("compaction.svg", points, f"""
set xlabel "seconds" textcolor rgb grey
set ylabel "thousand writes/s" textcolor rgb grey
set y2label "MB/s copied" textcolor rgb grey
set y2tics textcolor rgb grey
set yrange [0:*]
set y2range [0:*]
plot {plot.curve(2, "with compaction", plot.BLUE)}, {plot.curve(3, "without", plot.GREEN)}, \\
  {plot.curve(4, "copied", plot.ORANGE, axes="x1y2")}
""", settings)


# --- The real disk


def compaction_disk(settings):
    """The server on a full store beside one that has room: worst second, read p99.9, by turns."""
    segments = 40 if settings.quick else SEGMENTS
    keys = int(0.8 * segments * (SEGMENT_BYTES - 8192) / 1136)
    size = (1 << 20) + segments * SEGMENT_BYTES
    seconds = max(settings.seconds, 1 if settings.quick else 20)
    samples = {"with": [], "without": []}
    with stores.empty(settings.directory, "compaction") as full, stores.empty(settings.directory, "room") as room:
        arguments = ["--segment-bytes", str(SEGMENT_BYTES)]
        with programs.Server(full, arguments=[*arguments, "--max-size", str(size)]) as limited, \
                programs.Server(room, arguments=arguments) as free:
            for server in (limited, free):
                load(server, keys)
            # Until the first segments have been freed.
            churn(limited, keys, seconds)
            for number in range(settings.pairs):
                for name, server in (("with", limited), ("without", free)):
                    samples[name].append(churn(server, keys, seconds))
                writing.announce(number, ", ".join(
                    f"{name} {runs[-1]['requestsPerSecond']:,.0f}/s, worst second {worst(runs[-1]):.2f}, "
                    f"read p99.9 {read_latency(runs[-1]):,.0f} us" for name, runs in samples.items()))
    disk_plot(samples, settings)
    return disk_figures(samples), samples


def load(server, keys):
    """Writes every key, the first second of which says how long that takes."""
    words = ["insert", "--new-keys", keys, "--value-bytes", writing.VALUE_BYTES, "--modified", "--distribution", "sequential"]
    rate = programs.BenchRun(server, words, clients=64, seconds=1, warmup=0).result()["requestsPerSecond"]
    programs.BenchRun(server, words, clients=64, seconds=min(120, 1 + 1.2 * keys / rate), warmup=0).result()


def churn(server, keys, seconds):
    words = [
        "mixed", "--new-keys", keys, "--value-bytes", writing.VALUE_BYTES, "--modified", "--read-ratio", READ_SHARE,
    ]
    return programs.BenchRun(server, words, clients=64, seconds=seconds, warmup=1).result()


def worst(result):
    """The worst whole second's writes over their mean."""
    rates = [second["writes"]["requestsPerSecond"] for second in result["seconds"][:-1] if second.get("writes")]
    # A run of a moment has none.
    return min(rates) / statistics.mean(rates) if rates else 1


def disk_plot(samples, settings):
    """Writes per second of all runs, one after another as if each pair had run side by side."""
    def rates(runs):
        return [second["writes"]["requestsPerSecond"] / 1000 for run in runs for second in run["seconds"][:-1]
                if second.get("writes")]

    points = [(second, *pair) for second, pair in enumerate(zip(rates(samples["with"]), rates(samples["without"])))]
    if not points:
        return
    plot.draw("compaction-disk.svg", points, f"""
set xlabel "seconds of all runs" textcolor rgb grey
set ylabel "thousand writes/s" textcolor rgb grey
set yrange [0:*]
plot {plot.curve(2, "with compaction", plot.BLUE)}, {plot.curve(3, "without", plot.GREEN)}
""", settings)


def read_latency(result):
    return result["reads"]["latencyMicroseconds"]["p99_9"]


def disk_figures(samples):
    def pairs(value):
        return [(value(a), value(b)) for a, b in zip(samples["with"], samples["without"])]

    sides = ("with compaction", "without")
    return [
        Figure.ratio("operations/s with compaction over without", pairs(lambda run: run["requestsPerSecond"]), sides=sides),
        Figure.ratio("worst second over mean, over that without", pairs(worst), goal=">= 0.9", sides=sides, unit=""),
        Figure.ratio("read p99.9 over that without", pairs(read_latency), sides=sides, unit=" us"),
    ]
