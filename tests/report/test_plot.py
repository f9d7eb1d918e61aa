"""The plots: round ticks, honest gaps, lines and bands that can be drawn whatever the numbers."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import pytest

from harness.report import plot
from harness.report.plot import Plot, Series


def draw(**changes: Any) -> ET.Element:
    """A plot with one line, parsed."""
    line = Series("a", changes.pop("y", (1.0, 2.0, 3.0)), label="a")
    return ET.fromstring(
        plot.svg(Plot("t", "d", changes.pop("x", (0, 1, 2)), (line,), **changes), "p")
    )


def ticks(svg: ET.Element) -> list[str]:
    """The texts of the y axis."""
    return [text.text or "" for text in svg.iter("text") if text.get("text-anchor") == "end"]


def lines(svg: ET.Element, css: str) -> list[str]:
    """The paths of a class."""
    return [path.get("d", "") for path in svg.iter("path") if css in path.get("class", "").split()]


def points(path: str) -> list[tuple[float, float]]:
    """The corners of a path, from its start and its steps."""
    start, steps = path.removesuffix("z").partition("L")[0].split("l")
    at = [float(v) for v in start[1:].split()]
    numbers = [float(v) for v in re.findall(r"-?[\d.]+", steps)]
    corners = [(at[0], at[1])]
    for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
        corners.append((corners[-1][0] + dx, corners[-1][1] + dy))
    return corners


def test_linear_ticks_are_round_and_apart() -> None:
    assert ticks(draw(y=(0.0, 0.5, 1.0))) == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    close = ticks(draw(y=(4.19999, 4.2, 4.20001)))
    assert len(close) == len(set(close)) > 1


def test_log_ticks_are_decades_with_zero_on_the_floor() -> None:
    assert ticks(draw(y=(0.5, 16.0, 900.0), log=True)) == ["0.1", "1", "10", "100", "1000"]
    assert ticks(draw(y=(0.0, 16.0, 900.0), log=True)) == ["0", "10", "100", "1000"]


def test_what_is_not_finite_breaks_the_line() -> None:
    assert lines(draw(x=range(5), y=(1.0, 2.0, None, 3.0, 1.0)), "solid")[0].count("M") == 2
    assert lines(draw(x=range(5), y=(1.0, 2.0, math.inf, 3.0, 1.0)), "solid")[0].count("M") == 2
    assert len(list(draw(x=range(3), y=(1.0, math.nan, 3.0)).iter("circle"))) == 2


def test_a_straight_line_needs_two_points_and_a_bent_one_keeps_its_bend() -> None:
    bent = (0.0,) * 100 + (9.0,) + (0.0,) * 99
    assert len(points(lines(draw(x=range(200), y=tuple(range(200))), "solid")[0])) == 2
    assert len(points(lines(draw(x=range(200), y=bent), "solid")[0])) == 5


def test_the_steps_of_a_long_path_add_up_to_its_end() -> None:
    jagged = tuple(i % 7 / 3 for i in range(200))
    straight = points(lines(draw(x=(0, 199), y=(0.0, 2.0)), "solid")[0])
    assert points(lines(draw(x=range(200), y=jagged), "solid")[0])[-1][0] == pytest.approx(
        straight[-1][0]
    )


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "y",
    [(1e308, -1e308, 0.0), (5e-324, 0.0, 0.0), (7.0, 7.0, 7.0), (0.0,) * 3, (1e-300, 1e300, 1.0)],
)
def test_extreme_values_can_be_drawn(y: tuple[float, ...], log: bool) -> None:
    assert not re.search("inf|nan", lines(draw(y=y, log=log), "solid")[0])


def test_the_band_reaches_from_the_floor_to_what_is_allowed() -> None:
    svg = draw(y=(2.0, 3.0, 4.0), allowed=(16.0,) * 3, log=True)
    (band,), (line,) = lines(svg, "band"), lines(svg, "solid")
    floor = float(band.removesuffix("z").rpartition(" ")[2])
    assert max(y for _, y in points(band)) < min(y for _, y in points(line))
    assert max(y for _, y in points(line)) < floor


def test_labels_at_the_ends_do_not_overlap() -> None:
    several = tuple(Series(f"s{i}", (0.0, 1.0 + i * 1e-3), hue=i, label=f"s{i}") for i in range(6))
    svg = ET.fromstring(plot.svg(Plot("t", "d", (0, 1), several), "p"))
    at = sorted(
        float(text.get("y", "")) for text in svg.iter("text") if "end" in text.get("class", "")
    )
    assert len(at) == 6
    assert min(b - a for a, b in pairwise(at)) >= 12
    assert 0 < at[0] < at[-1] < plot.HEIGHT


def test_the_table_keeps_first_and_last_of_many_points() -> None:
    heads, rows = plot.table(Plot("t", "d", range(200), (Series("a", range(200)),), allowed=(1.0,)))
    assert heads == ["step", "a", "allowed"]
    assert len(rows) == plot.TABLE_ROWS
    assert (rows[0], rows[-1]) == ([0, 0, 1.0], [199, 199, None])
