"""`python3 -m Benchmarks`: runs measurements, keeps their results, shows them."""

import argparse
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from . import machine, programs, results, store
from .experiments import EXPERIMENTS


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
        epilog="experiments:\n" + "\n".join(f"  {name:<12} {run.__doc__}" for name, run in EXPERIMENTS.items()))
    parser.add_argument(
        "experiments", nargs="*", default=["all"], metavar="experiment", choices=[*EXPERIMENTS, "all", "report"],
        help="names from the list below, all of them, or report: the latest results as Markdown")
    parser.add_argument("--seconds", type=float, default=20, help="length of each run (default %(default)s)")
    parser.add_argument("--pairs", type=int, default=5, help="how often each side is measured (default %(default)s)")
    parser.add_argument("--keys", type=int, default=1_000_000, help="size of the store (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="everything once and small: shows that it works")
    parser.add_argument("--keep", action="store_true", help="leave the stores there, for the next run")
    parser.add_argument(
        "--dir", type=Path, default=Path(parent) / "protostore-bench", help="where stores go (default %(default)s)")
    parser.add_argument(
        "--results", type=Path, default=Path(".bench/results.jsonl"), help="appended to (default %(default)s)")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    if "report" in arguments.experiments:
        report(arguments.results)
        return
    settings = Settings(
        arguments.dir, 20_000 if arguments.quick else arguments.keys, 1 if arguments.quick else arguments.seconds,
        1 if arguments.quick else arguments.pairs, arguments.quick)
    settings.directory.mkdir(parents=True, exist_ok=True)
    description = machine.describe(settings.directory)
    print(machine.describe_in_words(description), flush=True)
    names = list(EXPERIMENTS) if "all" in arguments.experiments else arguments.experiments
    try:
        for name in names:
            print(f"\n## {name}: {EXPERIMENTS[name].__doc__}\n", flush=True)
            figures, samples = EXPERIMENTS[name](settings)
            print(results.table(figures), flush=True)
            results.append(arguments.results, name, description, command(name, settings), figures, samples)
    finally:
        if not arguments.keep:
            for generated in settings.generated:
                store.remove(generated.path)


def command(name, settings):
    """What runs this experiment again with the same settings."""
    return f'make bench ARGS="{name} --seconds {settings.seconds:g} --pairs {settings.pairs} --keys {settings.keys}"'


def report(path):
    for record in results.latest(path):
        print(f"\n### {record['experiment']}\n\n{EXPERIMENTS[record['experiment']].__doc__}\n")
        print(results.table(record["figures"]))
        print(f"\n`{record['command']}`, {record['time']}: {machine.describe_in_words(record['machine'])}")


if __name__ == "__main__":
    try:
        main()
    except programs.MeasurementError as error:
        sys.exit(f"benchmark: {error}")
