"""Figures: how they are condensed from pairs of runs, kept, and shown."""

import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass
class Figure:
    """One row of docs/benchmarks.md. `goal` as "<= 25" or ">= 0.95"; None without one."""

    what: str
    value: float | None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    goal: str | None = None
    note: str = ""

    @classmethod
    def of(cls, what, samples, unit="", goal=None, note=""):
        """The median of some runs and what lies between the outermost two."""
        return cls(what, statistics.median(samples), unit, min(samples), max(samples), goal, note)

    @classmethod
    def ratio(cls, what, pairs, goal=None, sides=("a", "b"), unit="/s"):
        """The median of first over second. Each pair was measured one after the
        other, so that what drifts on the machine drifts for both."""
        firsts, seconds = zip(*pairs)
        note = f"{sides[0]} {show(statistics.median(firsts))}{unit}, {sides[1]} {show(statistics.median(seconds))}{unit}"
        return cls.of(what, [a / b for a, b in pairs], goal=goal, note=note)

    @classmethod
    def difference(cls, what, pairs, unit, goal=None, sides=("a", "b")):
        """The median of first minus second, pair by pair."""
        firsts, seconds = zip(*pairs)
        note = f"{sides[0]} {show(statistics.median(firsts))}, {sides[1]} {show(statistics.median(seconds))}"
        return cls.of(what, [a - b for a, b in pairs], unit, goal, note)

    def show(self):
        """The value and its unit."""
        return f"{show(self.value)} {self.unit}".strip()

    @property
    def is_met(self):
        """Whether the goal is reached, or None without one."""
        if not self.goal or self.value is None:
            return None
        relation, limit = self.goal.split()
        return self.value <= float(limit) if relation == "<=" else self.value >= float(limit)


def show(value):
    """A number with as many digits as it deserves."""
    if value is None:
        return "?"
    magnitude = abs(value)
    digits = 0 if magnitude >= 1000 else 1 if magnitude >= 100 else 2 if magnitude >= 10 else 3
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


HEADINGS = ["what", "median", "spread", "goal", "beside it"]


def rows(figures):
    for figure in figures:
        spread = "" if figure.low is None or figure.low == figure.high else f"{show(figure.low)} .. {show(figure.high)}"
        verdict = {None: "", True: " (met)", False: " (missed)"}[figure.is_met]
        yield [
            figure.what, figure.show(), spread, (figure.goal or "") + verdict, figure.note,
        ]


def table(figures):
    """A table in Markdown."""
    cells = [HEADINGS, *rows(figures)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


# --- The results file: a JSON object a line, appended to, never rewritten


def append(path, experiment, machine, command, figures, samples):
    record = {
        "experiment": experiment, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": machine,
        "command": command, "figures": [asdict(figure) for figure in figures], "samples": samples,
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        file.write(json.dumps(record) + "\n")


def latest(path):
    """The last record of each experiment, in the order of their first appearance."""
    records = {}
    with open(path) as file:
        for line in file:
            record = json.loads(line)
            record["figures"] = [Figure(**figure) for figure in record["figures"]]
            records[record["experiment"]] = record
    return list(records.values())
