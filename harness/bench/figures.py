"""The figures of a benchmark: ratios with their intervals, where an epoch goes, sweeps, pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.bench.paired import Duel
from harness.bench.view import duel_of
from harness.report import plot
from harness.report.plot import Interval, Plot, Series
from harness.report.view import (
    as_number,
    figure_of,
    one_line,
)

HUE = {"faster": 2, "slower": 1, "tie": 0, "unclear": 4}  # of plot.py; the word stands beside it


def forest_of(section: dict[str, Any], margin: float, ident: str) -> Any:
    """The forest plot of a setting; None where nothing was timed."""
    intervals = [
        Interval(
            f"{row['name']}" if group["name"] in ("components", "epoch") else _placed(row),
            *(row["found"].ratio, row["found"].low, row["found"].high),
            HUE[row["verdict"]],
            row["said"],
        )
        for group in section["groups"]
        for row in group["rows"]
        if row["found"]
    ]
    if not intervals:
        return None
    title = f"Ratios of {section['name']}: time of the first side over that of the second"
    desc = (
        "Each row is a ratio with its interval on a log axis; left of 1 is faster. The shaded band "
        f"around 1, ±{margin:.0%}, is a tie. The table below holds the numbers."
    )
    return plot.forest(title, desc, intervals, margin, ident)


def _placed(row: dict[str, Any]) -> str:
    prefix = {"iterators": "serve: ", "engine": "engine: "}.get(row["group"], "")
    return f"{row['group']}: {row['name']}" if row["piece_of"] else prefix + row["name"]


def anatomy_figure(part: dict[str, Any], ident: str) -> Any:
    """The stacked bars of one setting."""
    rows = [(row["side"], row["values"], row["total"]) for row in part["rows"]]
    desc = "; ".join(
        f"{row['side']}: "
        + ", ".join(f"{h} {c}" for h, c in zip(part["heads"], row["cells"], strict=True))
        for row in part["rows"]
    )
    title = f"Where an epoch goes, {part['setting']}"
    return plot.bars(title, desc, rows, part["heads"], ident)


def sweep_figures(sweep: dict[str, Any], ident: str) -> list[dict[str, Any]]:
    """Time, and memory where it was measured, over the size, log-log, with the crossover."""
    points = [point for point in sweep["points"] if point.get("duel")]
    if len(points) < 2:
        return []
    sides = one_line(sweep["first"]), one_line(sweep["second"])
    seconds = [duel_of(point).seconds for point in points]
    cross = as_number(sweep.get("crossover"))
    marks = ((cross, f"crossover {cross:.3g}"),) if cross else ()
    plots = [_scaling_plot(sweep, sides, seconds, ("time", "seconds"), marks)]
    memory = [point["memory"] for point in points]
    if all(as_number(each) for pair in memory for each in pair):
        plots.append(_scaling_plot(sweep, sides, memory, ("peak memory", "bytes"), ()))
    return [figure_of(p, f"{ident}-{i}") for i, p in enumerate(plots)]


def _scaling_plot(
    sweep: dict[str, Any],
    sides: tuple[str, str],
    values: Sequence[Sequence[float]],
    what: tuple[str, str],
    marks: tuple[tuple[float, str], ...],
) -> Plot:
    xs = [float(point["x"]) for point in sweep["points"] if point.get("duel")]
    first, second = zip(*values, strict=True)
    name, over = one_line(sweep["name"]), one_line(sweep["over"])
    desc = f"{name}: {' in '.join(what)} of {sides[0]} (dashed) and {sides[1]} (thick, pale)"
    return Plot(
        title=f"{what[0].capitalize()} by {over}",
        desc=f"{desc}; both axes are logarithmic.",
        x=xs,
        series=(Series(sides[1], second, "thick"), Series(sides[0], first, "thin", hue=1)),
        key=(("thick h0", sides[1]), ("thin h1", sides[0])),
        log=True,
        log_x=True,
        x_label=f"{over}, log axis",
        y_label=f"{what[1]}, log axis",
        marks=marks,
    )


def pair_figure(match: Duel, ident: str) -> dict[str, Any]:
    """The ratio of every pair, with the median over the blocks."""
    xs = [float(i) for i in range(1, len(match.pairs) + 1)]
    series = (
        Series("first over second", [a / max(b, 1e-12) for a, b in match.pairs]),
        Series("ratio", [match.ratio] * len(xs), "dotted", hue=1),
    )
    return figure_of(
        Plot(
            title="Every pair, in the order they were run",
            desc="The ratio of each pair; dotted is the ratio over the blocks' minima.",
            x=xs,
            series=series,
            key=(("solid h0", "each pair"), ("dotted h1", "ratio of the blocks")),
            x_label="pair",
            y_label="first over second",
        ),
        ident,
    )
