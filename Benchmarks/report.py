"""Results as sections of docs/benchmarks.md.

The page has a place for the section of an experiment between two lines of its own:

    <!-- measured: durable -->
    <!-- end of durable -->

What stands there is replaced; the rest of the page, and sections of experiments
without a result, stay as they are.
"""

import re

from . import machine, programs, results
from .experiments import EXPERIMENTS

PAGE = programs.PACKAGE / "docs/benchmarks.md"


def section(record):
    """One experiment: heading, table, configurations, and where it was measured."""
    samples = record["samples"]
    configurations = samples.get("configurations", []) if isinstance(samples, dict) else []
    parts = [f"### {record['experiment']}", EXPERIMENTS[record["experiment"]].__doc__, results.table(record["figures"])]
    if configurations:
        parts.append("\n".join(f"    {line}" for line in configurations))
    parts.append(f"`{record['command']}`, {record['time']}: {machine.describe_in_words(record['machine'])}")
    return "\n\n".join(parts)


def show(records):
    for record in records:
        print(f"\n{section(record)}")


def write(records, page=PAGE):
    """Puts the sections into the page, each into its place, if it has one."""
    text = page.read_text()
    changed = placed(text, {record["experiment"]: section(record) for record in records})
    if changed != text:
        page.write_text(changed)
        print(f"\nwrote {page}")


def placed(text, sections):
    """The page's text with sections in the places that are marked for them."""
    def replacement(found):
        body = sections.get(found["name"])
        return f"{found['begin']}\n{body}\n\n{found['end']}" if body else found[0]

    return re.sub(
        r"(?P<begin><!-- measured: (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end of (?P=name) -->)", replacement, text,
        flags=re.DOTALL)
