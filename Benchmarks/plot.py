"""Plots for docs/, drawn by gnuplot."""

import subprocess
from pathlib import Path

from . import programs

# Colours that stand out from white and from black alike; no background.
STYLE = """
set terminal svg size 760,420 dynamic font "sans-serif,14"
set output "{output}"
grey = "#808890"
set border 3 lc rgb grey
set tics nomirror textcolor rgb grey
set grid lc rgb grey lw 0.3
set key left top textcolor rgb grey
$points << END
{points}
END
"""
BLUE, ORANGE, GREEN = "#2f80ed", "#e07b39", "#27a567"


def curve(column, title, colour, axes="x1y1"):
    """One column of the points over the first, for `plot`."""
    return (
        f'$points using 1:{column} axes {axes} title "{title}" with linespoints lw 2 pt 7 ps 0.6 lc rgb "{colour}"')


def draw(name, points, script, settings):
    """Draws docs/`name` from rows of numbers; a quick run draws beside its stores."""
    output = (Path(settings.directory) if settings.quick else programs.PACKAGE / "docs") / name
    output.parent.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(" ".join(str(number) for number in row) for row in points)
    subprocess.run(["gnuplot"], input=STYLE.format(output=output, points=rows) + script, text=True, check=True)
    print(f"drew {output}", flush=True)
