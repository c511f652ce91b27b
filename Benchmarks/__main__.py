"""`python3 -m Benchmarks`: runs measurements, keeps their results, shows them."""

import argparse
import os
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from . import machine, programs, report, results, store
from .experiments import EXPERIMENTS, GROUPS, SECONDS


@dataclass
class Settings:
    """What all experiments share."""

    directory: Path
    keys: int
    seconds: float
    pairs: int
    quick: bool
    generated: list = field(default_factory=list)

    def store(self, keys=None, min_size=1024, max_size=4096):
        """A store of that kind, generated if it is not there yet. Most experiments
        read the same one, with values of 1 to 4 KiB."""
        found, is_new = store.prepared(self.directory, keys or self.keys, min_size, max_size)
        if is_new:
            self.generated.append(found)
        return found


def parse_arguments():
    parent = os.environ.get("PROTOSTORE_DIR", "/var/tmp")
    parser = argparse.ArgumentParser(
        prog="python3 -m Benchmarks", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures the release programs in .build/release.",
        epilog="experiments:\n" + "\n".join(f"  {name:<16} {run.__doc__}" for name, run in EXPERIMENTS.items()))
    parser.add_argument(
        "experiments", nargs="*", default=["all"], metavar="experiment", choices=[*EXPERIMENTS, *GROUPS, "report"],
        help="names from the list below; reads, writes or all of them; or report: the latest results as Markdown, "
        "which also go into docs/benchmarks.md where that has a place for them")
    parser.add_argument("--seconds", type=float, help="length of each run (default 20, where it is writes that count 2)")
    parser.add_argument("--pairs", type=int, default=5, help="how often each side is measured (default %(default)s)")
    parser.add_argument("--keys", type=int, default=1_000_000, help="size of the store (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="everything once and small: shows that it works")
    parser.add_argument("--keep", action="store_true", help="leave the stores there, for the next run")
    parser.add_argument(
        "--dir", type=Path, default=Path(parent) / "protostore-bench", help="where stores go (default %(default)s)")
    parser.add_argument(
        "--results", type=Path,
        help="appended to (default .bench/results.jsonl, or .bench/quick.jsonl with --quick)")
    arguments = parser.parse_args()
    arguments.results = arguments.results or Path(".bench") / ("quick.jsonl" if arguments.quick else "results.jsonl")
    return arguments


def main():
    arguments = parse_arguments()
    if "report" in arguments.experiments:
        records = results.latest(arguments.results)
        report.show(records)
        if not arguments.quick:
            report.write(records)
        return
    names = [name for word in arguments.experiments for name in GROUPS.get(word, [word])]
    settings = Settings(
        arguments.dir, 20_000 if arguments.quick else arguments.keys, 0.4, 1 if arguments.quick else arguments.pairs,
        arguments.quick)
    settings.directory.mkdir(parents=True, exist_ok=True)
    description = machine.describe(settings.directory)
    print(machine.describe_in_words(description), flush=True)
    began, failed = time.monotonic(), []
    try:
        for number, name in enumerate(names):
            spent = time.monotonic() - began
            print(f"\n## {name} ({number + 1} of {len(names)}, after {spent:.0f} s): {EXPERIMENTS[name].__doc__}\n", flush=True)
            if not arguments.quick:
                settings.seconds = arguments.seconds or SECONDS[name]
            # In a moment on a busy machine it happens that nothing gets done: then a quick one is tried again.
            if not any(measure(name, settings, description, arguments.results) for _ in range(2 if arguments.quick else 1)):
                failed.append(name)
    finally:
        if not arguments.keep:
            for generated in settings.generated:
                store.remove(generated.path)
    print(f"\nmeasured {len(names) - len(failed)} of {len(names)} in {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        sys.exit(f"benchmark: failed: {', '.join(failed)}")


def measure(name, settings, description, results_path):
    """One experiment from its start to its line in the results file. Its failure is
    told, and is not that of the others.
    - Returns: whether it succeeded."""
    try:
        figures, samples = EXPERIMENTS[name](settings)
    except (programs.MeasurementError, subprocess.SubprocessError, OSError, ValueError, LookupError, ArithmeticError) as error:
        # What a program did or said otherwise than expected.
        if not isinstance(error, programs.MeasurementError):
            traceback.print_exc()
        print(f"benchmark: {name} failed: {error}", file=sys.stderr, flush=True)
        return False
    print(results.table(figures), flush=True)
    results.append(results_path, name, description, command(name, settings), figures, samples)
    return True


def command(name, settings):
    """What runs this experiment again with the same settings."""
    return f'make bench ARGS="{name} --seconds {settings.seconds:g} --pairs {settings.pairs} --keys {settings.keys}"'


if __name__ == "__main__":
    main()
