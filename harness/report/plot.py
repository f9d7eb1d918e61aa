"""Plots as static SVG text: lines over steps or sizes, intervals on a row each, stacked bars.

Every plot has a title and a description, and a line plot its numbers as a table.

One `Plot` in, one string out; the same plot gives the same bytes. Colours come from the CSS of the
page (classes `h0` to `h5`), and no series is told by colour alone: dash pattern, thickness and text
say it too.
Does not read reports, choose what is shown, or write files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

Values = Sequence[float | None]
Point = tuple[float, float]

WIDTH, HEIGHT = 460.0, 250.0
LEFT, RIGHT, BOTTOM, ROW = 58.0, 14.0, 40.0, 16.0
HUES = 6
TABLE_ROWS = 25
CHAR = 6.6  # width of one character of the 12 px text, about
TOLERANCE = 0.25  # px that a simplified line may be off
LARGEST, SMALLEST = 1e300, 1e-300  # beyond these the span of an axis would overflow or vanish


@dataclass(frozen=True)
class Series:
    """One line: `thick` is pale and below, `thin` is dashed and on top, `dotted` is a level."""

    name: str
    y: Values
    style: Literal["thick", "thin", "dotted", "solid"] = "solid"
    hue: int = 0
    label: str = ""  # written at the end of the line


@dataclass(frozen=True)
class Plot:
    """What to draw; `y` of each series and `allowed` have the length of `x`."""

    title: str
    desc: str
    x: Values
    series: tuple[Series, ...]
    allowed: Values = ()  # the band from the floor up to here is shaded
    key: tuple[tuple[str, str], ...] = ()  # the legend: (classes, text); the class band is a box
    log: bool = False
    x_label: str = "step"
    y_label: str = ""
    log_x: bool = False
    marks: tuple[tuple[float, str], ...] = ()  # upright lines at these x, with their texts

    @property
    def empty(self) -> bool:
        """Whether there is no finite number to draw."""
        return not any(_finite(line.y[: len(self.x)]) for line in self.series)


@dataclass(frozen=True)
class Axis:
    """A map from values to pixels; a log axis puts what is not positive on its floor."""

    low: float
    high: float
    start: float
    stop: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value."""
        if self.log:
            value = math.log10(value) if value > 0 else self.low
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.stop - self.start)


def svg(plot: Plot, ident: str) -> Markup:
    """The plot as an `<svg>` element; `ident` makes the ids of its title and description unique."""
    key, top = _key(plot)
    right = RIGHT * (1 + plot.log_x) + CHAR * max(
        (len(line.label) + 1 for line in plot.series if line.label), default=0
    )
    x = _x_axis(plot, LEFT, WIDTH - right)
    y = _y_axis(plot, HEIGHT - BOTTOM, top)
    parts = [_grid(x, y), _names(plot, x, y), _band(plot, x, y), _marks(plot, x, y)]
    order = {"thick": 0, "solid": 1, "dotted": 2, "thin": 3}
    parts += [
        _line(line, plot.x, x, y)
        for line in sorted(plot.series, key=lambda line: order[line.style])
    ]
    parts += [_labels(plot, x, y), key]
    return _figure(WIDTH, HEIGHT, plot.title, plot.desc, ident, parts)


def _figure(
    width: float, height: float, title: str, desc: str, ident: str, parts: list[Markup]
) -> Markup:
    head = Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-labelledby="{}-t {}-d">'
        '<title id="{}-t">{}</title><desc id="{}-d">{}</desc>'
    ).format(_px(width), _px(height), ident, ident, ident, title, ident, desc)
    return head + Markup("").join(parts) + Markup("</svg>")


def table(plot: Plot) -> tuple[list[str], list[list[float | None]]]:
    """The numbers of the plot: headings, and at most `TABLE_ROWS` rows from first to last."""
    columns = [(plot.x_label, plot.x), *((line.name, line.y) for line in plot.series)]
    if plot.allowed:
        columns.append(("allowed", plot.allowed))
    last = len(plot.x) - 1
    count = min(len(plot.x), TABLE_ROWS)
    rows = sorted({round(i * last / max(count - 1, 1)) for i in range(count)})
    return [name for name, _ in columns], [[_get(y, i) for _, y in columns] for i in rows]


def compact(text: str) -> str:
    """An exponent as people write it: 1.2e-06 becomes 1.2e-6, and 3e+00 becomes 3e0."""
    return re.sub(r"e([+-])0*(\d)", lambda m: "e" + m[1].replace("+", "") + m[2], text)


def _get(values: Values, i: int) -> float | None:
    return values[i] if i < len(values) else None


def _finite(values: Iterable[float | None]) -> list[float]:
    """The numbers that can be drawn."""
    drawn = [max(-LARGEST, min(v, LARGEST)) for v in values if v is not None and math.isfinite(v)]
    return [v if abs(v) >= SMALLEST else 0.0 for v in drawn]


def _px(value: float) -> str:
    """A coordinate with one decimal at most."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _x_axis(plot: Plot, start: float, stop: float) -> Axis:
    values = _finite(plot.x)
    if plot.log_x and values and min(values) > 0:
        return _fitted(_log_axis(values, start, stop), values)
    low, high = _span(values)
    whole = [v for v, _ in _nice(low, high, 5) if v == round(v)]
    return Axis(low, high, start, stop, tuple((v, f"{v:.0f}") for v in whole))


def _y_axis(plot: Plot, start: float, stop: float) -> Axis:
    """The y axis over every line and the band."""
    values = _finite([*(v for line in plot.series for v in line.y), *plot.allowed])
    if plot.log and any(v > 0 for v in values):
        return _log_axis(values, start, stop)
    low, high = _span(values)
    pad = (high - low) * 0.05
    return Axis(low - pad, high + pad, start, stop, tuple(_nice(low - pad, high + pad, 6)))


def _log_axis(values: list[float], start: float, stop: float) -> Axis:
    """Decades; where a value is zero, one more row at the floor that is marked 0."""
    positive = [v for v in values if v > 0]
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    high = max(high, low + 1)
    stride = math.ceil((high - low) / 6)
    ticks = [(10.0**k, _tick_text(10.0**k)) for k in range(low, high + 1, stride)]
    if high - low == 1:
        ticks += [(m * 10.0**low, _tick_text(m * 10.0**low)) for m in (2, 5)]
    if len(positive) < len(values):
        low -= stride
        ticks.append((0.0, "0"))
    return Axis(low, high, start, stop, tuple(sorted(ticks)), log=True)


def _fitted(axis: Axis, values: list[float]) -> Axis:
    """A log axis that ends where the values do, not at whole decades."""
    low, high = _span([math.log10(v) for v in values])
    ticks = tuple((v, text) for v, text in axis.ticks if low <= math.log10(v) <= high)
    return Axis(low, high, axis.start, axis.stop, ticks, log=True)


def _tick_text(value: float) -> str:
    return f"{value:g}" if 1e-3 <= value < 1e5 else compact(f"{value:.0e}")


def _span(values: list[float]) -> Point:
    """The lowest and highest value, apart even where they are equal or absent."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if high - low > 1e-12 * max(abs(low), abs(high)):
        return low, high
    pad = abs(low) * 0.1 or 1.0
    return low - pad, high + pad


def _nice(low: float, high: float, count: int) -> list[tuple[float, str]]:
    """About `count` round values between low and high, with their texts."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 5) if m * power >= raw), 10 * power)
    values = [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    largest = max(abs(low), abs(high))
    if largest >= 1e5 or step < 1e-4:
        digits = max(0, math.floor(math.log10(largest)) - math.floor(math.log10(step)))
        return [(v, compact(f"{v:.{digits}e}") if v else "0") for v in values]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(v, f"{v:.{digits}f}") for v in values]


def _text(x: float, y: float, text: str, css: str = "", anchor: str = "start") -> Markup:
    place = Markup('<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>')
    return place.format(_px(x), _px(y), css, anchor, text)


def _stroke(css: str, path: str) -> Markup:
    return Markup('<path class="{}" d="{}"/>').format(css, path) if path else Markup("")


def _grid(x: Axis, y: Axis) -> Markup:
    """Ticks with their lines and texts."""
    rows = [y.at(v) for v, _ in y.ticks]
    path = "".join(f"M{_px(x.start)} {_px(row)}H{_px(x.stop)}" for row in rows)
    path += "".join(f"M{_px(x.at(v))} {_px(y.start)}v4" for v, _ in x.ticks)
    texts = [_text(x.start - 6, y.at(v) + 4, t, "tick", "end") for v, t in y.ticks]
    texts += [_text(x.at(v), y.start + 17, t, "tick", "middle") for v, t in x.ticks]
    base = f"M{_px(x.start)} {_px(y.start)}H{_px(x.stop)}"
    return _stroke("grid", path) + _stroke("axis", base) + Markup("").join(texts)


def _names(plot: Plot, x: Axis, y: Axis) -> Markup:
    middle = _text((x.start + x.stop) / 2, HEIGHT - 6, plot.x_label, "tick", "middle")
    if not plot.y_label:
        return middle
    place = Markup(
        '<text transform="translate(11 {})rotate(-90)" class="tick" text-anchor="middle">{}</text>'
    )
    return middle + place.format(_px((y.start + y.stop) / 2), plot.y_label)


def _key(plot: Plot) -> tuple[Markup, float]:
    """The legend, wrapped into rows, and where the plot may start below it."""
    parts, x, y = [], LEFT, 12.0
    for css, text in plot.key:
        shown = text if len(text) <= 46 else text[:45] + "…"
        width = 32 + CHAR * len(shown) + 14
        if x > LEFT and x + width > WIDTH:
            x, y = LEFT, y + ROW
        if css == "band":
            sample = Markup('<rect class="band" x="{}" y="{}" width="24" height="10"/>').format(
                _px(x), _px(y - 8)
            )
        else:
            sample = _stroke(css, f"M{_px(x)} {_px(y - 4)}h24")
        parts += [sample, _text(x + 30, y, shown)]
        x += width
    return Markup("").join(parts), (y + 12 if plot.key else 10.0)


def _runs(xs: Values, ys: Values, place: Callable[[float, float], Point]) -> list[list[Point]]:
    """The drawable points in unbroken runs: what is absent or not finite breaks the line."""
    runs: list[list[Point]] = [[]]
    for x, y in zip(xs, ys, strict=False):
        drawable = _finite([x, y])
        if len(drawable) == 2:
            runs[-1].append(place(*drawable))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _simplify(points: list[Point]) -> list[Point]:
    """Fewer points for the same line, at most `TOLERANCE` px off (Douglas and Peucker)."""
    keep, stack = {0, len(points) - 1}, [(0, len(points) - 1)]
    while stack:
        a, b = stack.pop()
        far = max(
            range(a + 1, b), key=lambda i: _off(points[i], points[a], points[b]), default=None
        )
        if far is not None and _off(points[far], points[a], points[b]) > TOLERANCE:
            keep.add(far)
            stack += [(a, far), (far, b)]
    return [points[i] for i in sorted(keep)]


def _off(p: Point, a: Point, b: Point) -> float:
    """The distance of a point from the line through two others."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy)
    if length == 0:
        return math.hypot(p[0] - a[0], p[1] - a[1])
    return abs(dx * (p[1] - a[1]) - dy * (p[0] - a[0])) / length


def _path(points: list[Point]) -> str:
    """An SVG path, in steps from point to point; exact in tenths, so no error adds up."""
    tenths = [(round(px * 10), round(py * 10)) for px, py in _simplify(points)]
    steps = [v / 10 for a, b in pairwise(tenths) for v in (b[0] - a[0], b[1] - a[1])]
    start = " ".join(_px(v / 10) for v in tenths[0])
    return f"M{start}l" + " ".join(map(_px, steps)).replace(" -", "-")


def _line(line: Series, xs: Values, x: Axis, y: Axis) -> Markup:
    """A series; a point that stands alone becomes a dot."""
    runs = _runs(xs, line.y, lambda a, b: (x.at(a), y.at(b)))
    hue = f"h{line.hue % HUES}"
    path = "".join(_path(run) for run in runs if len(run) > 1)
    dot = Markup('<circle class="dot {} {}" cx="{}" cy="{}" r="{}"/>')
    radius = "4.5" if line.style == "thick" else "2"
    dots = [dot.format(line.style, hue, *map(_px, run[0]), radius) for run in runs if len(run) == 1]
    return _stroke(f"{line.style} {hue}", path) + Markup("").join(dots)


def _band(plot: Plot, x: Axis, y: Axis) -> Markup:
    """The allowed region, from the floor to the limit; a single step is widened to be seen."""
    path = ""
    for run in _runs(plot.x, plot.allowed, lambda a, b: (x.at(a), y.at(b))):
        wide = run if len(run) > 1 else [(run[0][0] - 12, run[0][1]), (run[0][0] + 12, run[0][1])]
        floor = _px(y.start)
        path += f"{_path(wide)}L{_px(wide[-1][0])} {floor}L{_px(wide[0][0])} {floor}z"
    return _stroke("band", path)


def _marks(plot: Plot, x: Axis, y: Axis) -> Markup:
    """Upright lines across the plot, named on the side where there is more room."""
    parts = []
    for value, text in plot.marks:
        at = x.at(value)
        left = at > (x.start + x.stop) / 2
        parts.append(_stroke("mark", f"M{_px(at)} {_px(y.start)}V{_px(y.stop)}"))
        place = (at - 5, y.stop + 12) if left else (at + 5, y.stop + 12)
        parts.append(_text(*place, text, "end", "end" if left else "start"))
    return Markup("").join(parts)


def _labels(plot: Plot, x: Axis, y: Axis) -> Markup:
    """Names at the ends of the lines, moved apart where they would overlap."""
    ends = []
    for line in plot.series:
        runs = _runs(plot.x, line.y, lambda a, b: (x.at(a), y.at(b)))
        if line.label and runs:
            ends.append((runs[-1][-1][1], line.hue, line.label))
    ends.sort()
    parts, lowest = [], y.stop - ROW
    room = y.start - 13.0 * (len(ends) - 1)
    for i, (at, hue, label) in enumerate(ends):
        lowest = max(lowest + 13.0, min(at, room + 13.0 * i))
        parts.append(_text(x.stop + 5, lowest + 4, label, f"end t{hue % HUES}"))
    return Markup("").join(parts)


# -- intervals and bars ----------------------------------------------------------

BROAD, NAMES, LINE = 760.0, 250.0, 21.0  # width, room for the names, height of a row


@dataclass(frozen=True)
class Interval:
    """A row of a forest plot: a ratio with its interval, and the hue and word of its verdict."""

    name: str
    ratio: float
    low: float
    high: float
    hue: int
    word: str


def forest(
    title: str, desc: str, intervals: Sequence[Interval], margin: float, ident: str
) -> Markup:
    """Ratios on a log axis, a row each; the band around 1 is what counts as a tie."""
    values = [v for row in intervals for v in (row.low, row.high)] + [1 / (1 + margin), 1 + margin]
    bottom = 26 + LINE * len(intervals)
    low, high = _span([math.log10(max(v, SMALLEST)) for v in values])
    pad = 0.03 * (high - low)
    ticks = _ratio_ticks(low, high)
    x = Axis(low - pad, high + pad, NAMES, BROAD - 118, ticks, log=True)
    band = Markup('<rect class="band" x="{}" y="18" width="{}" height="{}"/>').format(
        _px(x.at(1 / (1 + margin))),
        _px(max(1.0, x.at(1 + margin) - x.at(1 / (1 + margin)))),
        _px(bottom - 18),
    )
    grid = "".join(f"M{_px(x.at(v))} 18V{_px(bottom)}" for v, _ in ticks)
    parts = [band, _stroke("grid", grid), _stroke("axis", f"M{_px(x.at(1))} 18V{_px(bottom)}")]
    parts += [_text(x.at(v), bottom + 15, text, "tick", "middle") for v, text in ticks]
    parts += [
        _text(x.at(1) - 8, 12, "◀ faster", "tick", "end"),
        _text(x.at(1) + 8, 12, "slower ▶", "tick"),
    ]
    for i, row in enumerate(intervals):
        parts.append(_interval(row, x, 32 + LINE * i))
    return _figure(BROAD, bottom + 22, title, desc, ident, parts)


def _interval(row: Interval, x: Axis, y: float) -> Markup:
    low, at, high = (x.at(max(v, SMALLEST)) for v in (row.low, row.ratio, row.high))
    name = row.name if len(row.name) <= 34 else row.name[:33] + "…"
    dot = Markup('<circle class="dot h{}" cx="{}" cy="{}" r="4"/>').format(row.hue, _px(at), _px(y))
    whisker = (
        f"M{_px(low)} {_px(y)}H{_px(high)}M{_px(low)} {_px(y - 4)}v8M{_px(high)} {_px(y - 4)}v8"
    )
    return Markup("").join(
        [
            _text(NAMES - 12, y + 4, name, "", "end"),
            _stroke(f"whisker h{row.hue}", whisker),
            dot,
            _text(x.stop + 10, y + 4, row.word, f"end t{row.hue}"),
        ]
    )


def _ratio_ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """Round ratios between two powers of ten: all of 1, 2, 5 where there is room, else decades."""
    steps = (1, 2, 5) if high - low < 3.2 else (1,)
    values = [m * 10.0**k for k in range(math.floor(low), math.ceil(high) + 1) for m in steps]
    if high - low < 0.4:
        values += [0.7, 0.8, 0.9, 1.1, 1.2, 1.3]
    return tuple((v, _tick_text(v)) for v in sorted(values) if low <= math.log10(v) <= high)


def bars(
    title: str,
    desc: str,
    rows: Sequence[tuple[str, Sequence[float], str]],
    names: Sequence[str],
    ident: str,
) -> Markup:
    """Stacked bars on one scale: (name, parts, text at the end); `names` are those of the parts."""
    largest = max((sum(max(v, 0.0) for v in parts) for _, parts, _ in rows), default=0) or 1.0
    start, room = 120.0, BROAD - 120.0 - 80.0
    key, top = _swatches(names)
    parts = [key]
    for i, (name, values, text) in enumerate(rows):
        y, x = top + 34 * i, start
        parts.append(_text(start - 10, y + 15, name, "", "end"))
        for k, value in enumerate(values):
            width = room * max(value, 0.0) / largest
            box = Markup('<rect class="part f{}" x="{}" y="{}" width="{}" height="22"/>')
            parts.append(box.format(k % HUES, _px(x), _px(y), _px(width)))
            x += width
        parts.append(_text(x + 8, y + 15, text, "tick"))
    return _figure(BROAD, top + 34 * len(rows), title, desc, ident, parts)


def _swatches(names: Sequence[str]) -> tuple[Markup, float]:
    """The legend of a bar, and where the bars may start below it."""
    parts, x, y = [], 0.0, 12.0
    for k, name in enumerate(names):
        width = 20 + CHAR * len(name) + 18
        if x and x + width > BROAD:
            x, y = 0.0, y + ROW
        box = Markup('<rect class="part f{}" x="{}" y="{}" width="13" height="13"/>')
        parts += [box.format(k % HUES, _px(x), _px(y - 11)), _text(x + 19, y, name)]
        x += width
    return Markup("").join(parts), y + 14
