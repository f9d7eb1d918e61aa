"""What a report of a benchmark shows, and its files: Markdown, CSV and HTML from one JSON.

Reads `svb.bench/1` alone, as a plain dict in which texts may be hostile, so that a saved report can
be rendered again without running anything. Also holds two reports against each other. Does not
time or compare.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.bench.paired import Duel, verdict
from harness.errors import InputError
from harness.report import files, plot
from harness.report.plot import Interval, Plot, Series
from harness.report.view import (
    ABSENT,
    GLYPHS,
    Report,
    as_dict,
    as_list,
    as_number,
    figure_of,
    one_line,
    spaced,
)
from harness.report.view import texts_of as texts

if TYPE_CHECKING:
    from rich.text import Text

SCHEMA = "svb.bench/1"
MARKS = {"faster": "◀", "slower": "▶", "tie": "=", "unclear": "?"}
PLURAL = {"faster": "faster", "slower": "slower", "tie": "ties", "unclear": "unclear"}
HUE = {"faster": 2, "slower": 1, "tie": 0, "unclear": 4}  # of plot.py; the word stands beside it
COLOURS = {"faster": "green", "slower": "dark_orange", "unclear": "yellow"}
UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
BROKEN = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
NAMED = 6  # rows that a warning names
WIDE = 110  # columns of a terminal in which memory and pairs are shown too
MADE_ON = ("processor", "cores", "threads", "platform", "python", "torch", "numpy", "cuda")
REQUIRED: dict[str, type] = {
    "schema": str,
    "name": str,
    "verdict": str,
    "settings": list,
    "rows": list,
    "anatomy": list,
    "sweeps": list,
    "experiments": list,
    "environment": dict,
}
ROW_KEYS: dict[str, type] = {
    **dict.fromkeys(("id", "setting", "group", "name", "first", "second", "agreement"), str),
    "memory": list,
}
CSV_COLUMNS = (
    *("id", "setting", "group", "name", "first", "second", "agreement", "verdict", "ratio"),
    *("low", "high", "coverage", "margin", "first_seconds", "second_seconds"),
    *("first_memory", "second_memory", "first_device_seconds", "second_device_seconds"),
    *("pairs", "why", "note"),
)


# -- reading -------------------------------------------------------------------


def validate(found: object, where: str) -> Report:
    """The same report; `InputError` where a key that every report has is not there."""
    files.require(found, REQUIRED, where)
    bench: Report = dict(found)  # type: ignore[call-overload]
    if bench["schema"] != SCHEMA:
        raise InputError(f'{where} has not the schema "{SCHEMA}".')
    for i, row in enumerate(bench["rows"]):
        files.require(row, ROW_KEYS, f"{where}: rows[{i}]")
    for i, row in enumerate(bench["rows"]):
        try:
            if row.get("duel"):
                duel_of(row).to_dict()
        except BROKEN:
            raise InputError(f"{where}: the duel of row {i} lacks its pairs or names.") from None
    try:
        view_of(bench)
    except BROKEN as error:
        raise InputError(
            f"{where} is no whole report of a benchmark: {type(error).__name__}, "
            f"{one_line(error)[:80]}."
        ) from None
    return bench


def duel_of(row: dict[str, Any]) -> Duel:
    """The duel of a row, worked out anew from its pairs."""
    return Duel.from_dict(row["duel"])


# -- texts ---------------------------------------------------------------------


def duration(seconds: float | None) -> str:
    """Seconds with three digits: 3.41 µs, 12.8 ms, 1.25 s."""
    if seconds is None:
        return ABSENT
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{_three(seconds / scale)} {unit}"
    return f"{_three(seconds * 1e9)} ns"


def sizes(counts: Sequence[object]) -> str:
    """Bytes side by side in the unit of the largest, decimal: 0.41 | 1.16 MB."""
    values = [as_number(each) for each in counts]
    largest = max((v for v in values if v is not None), default=None)
    if largest is None:
        return ABSENT
    unit, scale = next((u for u in UNITS if largest >= u[1]), ("B", 1.0))
    told = [ABSENT if v is None else f"{v / scale:.3g}" for v in values]
    return f"{' | '.join(told)} {unit}"


def _three(value: float) -> str:
    """Three digits, without an exponent: 0.430, 12.8, 150."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


def said(found: Duel) -> str:
    """The verdict in words: 2.3 × faster, tie, unclear."""
    word = found.verdict
    if word in ("faster", "slower"):
        factor = found.ratio if word == "slower" else 1 / found.ratio
        return f"{MARKS[word]} {_three(factor)} × {word}"
    return f"{MARKS[word]} {word}"


def interval(found: Duel) -> str:
    """The ratio with its interval: 0.434 [0.423, 0.458]."""
    digits = 4 if found.high < 0.1 else 3
    ends = (found.ratio, found.low, found.high)
    at, low, high = (f"{v:.{digits}f}" if v < 10 else _three(v) for v in ends)
    return f"{at} [{low}, {high}]"


def _row(row: dict[str, Any], index: int) -> dict[str, Any]:
    """One row as texts."""
    found = duel_of(row) if row.get("duel") else None
    device = as_list(row.get("device_seconds"))
    told = {key: one_line(row.get(key) or "") for key in ("group", "name", "first", "second")}
    return {
        **told,
        "id": f"row-{index}",
        "ident": one_line(row["id"]),
        "setting": one_line(row["setting"]),
        "agreement": one_line(row["agreement"]),
        "different": row["agreement"] == "different",
        "why": one_line(row.get("why") or ""),
        "note": one_line(row.get("note") or ""),
        "seconds": [duration(s) for s in found.seconds] if found else [ABSENT, ABSENT],
        "device": [duration(as_number(s)) for s in device],
        "interval": interval(found) if found else ABSENT,
        "ratio": interval(found).split(" ")[0] if found else ABSENT,
        "verdict": found.verdict if found else "",
        "said": said(found) if found else "not timed",
        "memory": sizes(row["memory"]),
        "pairs": str(len(found.pairs)) if found else ABSENT,
        "detail": _detail(found) if found else "",
        "disagrees": bool(found and found.disagrees),
        "found": found,
    }


def _detail(found: Duel) -> str:
    """How the row was measured, in a sentence."""
    calls = " and ".join(map(str, found.calls))
    blocks = f"blocks of {found.block}" if found.block > 1 else "no blocks"
    said_load = [f"{load:g}" for load in found.load if load is not None]
    load = f"; load {' before, '.join(said_load)} after" if len(said_load) == 2 else ""
    apart = "; it disagrees with the ratio above" if found.disagrees else ""
    return (
        f"{len(found.pairs)} pairs ({found.order}), {blocks}, {calls} calls a sample; the interval "
        f"covers {found.coverage:.1%}; median of the plain ratios {found.median_of_ratios:.3f}"
        f"{apart}{load}."
    )


def title_of(group: str, rows: Sequence[dict[str, Any]]) -> str:
    """What the rows of a group have in common, and what they are held against."""
    first, second = rows[0]["first"], rows[0]["second"]
    titles = {
        "components": f"Components: {first} over {second}",
        "epoch": f"Whole epoch: {first} over {second}",
        "iterators": f"Iterators, over {second}'s",
        "by hand": f"Epochs by hand, over {second}",
        "options": f"Torch's options, over {second}",
        "engine": f"The engine, over {second}",
    }
    if group.startswith("into "):
        other = first.removeprefix(f"{second} with ").split("'s ")[0]
        return f"{second} with one piece of {other}"
    return titles.get(group, group)


def sentence(found: Report) -> str:
    """One sentence with the counts and the noise floor."""
    rows = list(map(as_dict, found["rows"]))
    points = [as_dict(point) for sweep in found["sweeps"] for point in sweep["points"]]
    parts = [_counted(rows, "row")] if rows else []
    parts += [_counted(points, "size")] if points else []
    control = as_dict(found.get("control"))
    if control:
        floor = Duel.from_dict(control)
        parts.append(
            f"noise floor: a side against itself gives {interval(floor)}, and within "
            f"±{as_number(found.get('margin')) or floor.margin:.0%} is a tie"
        )
    return "; ".join(parts) + "."


def _counted(rows: Sequence[dict[str, Any]], noun: str) -> str:
    """27 rows: 14 faster, 2 slower, 10 ties, 1 not timed; what differs comes first."""
    counts = Counter[str](duel_of(row).verdict for row in rows if row.get("duel"))
    differing = sum(row["agreement"] == "different" for row in rows)
    untimed = len(rows) - sum(counts.values()) - differing
    parts = [f"{differing} not timed because the sides differ"] if differing else []
    parts += [_many(counts[v], v) for v in MARKS if counts[v]]
    parts += [f"{untimed} not timed"] if untimed else []
    return f"{len(rows)} {noun}{'s' * (len(rows) != 1)}: {', '.join(parts)}"


def _many(count: int, word: str) -> str:
    return f"{count} {PLURAL[word] if count > 1 else word}"


def headline(rows: Sequence[dict[str, Any]]) -> str:
    """The whole epochs, in words."""
    parts = [f"{row['said'][2:]} ({row['setting']})" for row in rows if row["group"] == "epoch"]
    named = next((row for row in rows if row["group"] == "epoch"), None)
    if named is None or not parts:
        return ""
    return f"{named['first']} over {named['second']}, whole epoch: {', '.join(parts)}."


def warnings(found: Report) -> list[str]:
    """What a reader should know before believing the figures."""
    lines = []
    control = as_dict(found.get("control"))
    if control and Duel.from_dict(control).verdict != "tie":
        lines.append(
            "The control is no tie: this machine was too noisy for the usual margin; "
            f"±{found['margin']:.0%} was taken."
        )
    before, cores = as_list(control.get("load"))[:1], found["environment"].get("cores")
    if before and before[0] and cores and before[0] >= cores:
        lines.append(
            f"The machine was busy: load {before[0]:g} on {cores} cores before the first row. The "
            "slower side of a pair is then held up more often than the faster one, which no "
            "control shows."
        )
    apart = [row["id"] for row in found["rows"] if row.get("duel") and duel_of(row).disagrees]
    if apart:
        more = f" and {len(apart) - NAMED} more" if len(apart) > NAMED else ""
        named = ", ".join(map(one_line, apart[:NAMED]))
        lines.append(f"Blocks and plain ratios disagree, so doubt these: {named}{more}.")
    return lines


def experiment_lines(found: Report) -> list[str]:
    """The A/A experiments, a line each."""
    lines = []
    for each in map(as_dict, found["experiments"]):
        count, busy = each["experiments"], each["busy"]
        beside = f"with {busy} busy loops beside" if busy else "with nothing beside"
        lines.append(
            f"A/A {beside}: {count} duels of a side against itself: {each['false']} false "
            f"(faster or slower), {each['tie']} ties ({each['tie'] / count:.0%}), "
            f"{each['unclear']} unclear; SD of the log ratio {each['sd_log_ratio']:.4f}."
        )
    return lines


def streamed_line(found: Report) -> str:
    """The rows streamed from a file, in a line."""
    told = as_dict(found.get("streamed"))
    if not told:
        return ""
    base = (
        f"{spaced(told['rows'])} rows of {told['d']} features streamed from a file of "
        f"{sizes([told['file']])} within {sizes([told['memory']])} of memory"
    )
    if not told.get("duel"):
        return f"{base}: {one_line(told.get('why') or told['agreement'])}."
    match = duel_of(told)
    ends = " against ".join(duration(s) for s in match.seconds)
    return f"{base}: {ends} ({said(match)[2:]}; {told['agreement']}, {len(match.pairs)} pairs)."


# -- the view ------------------------------------------------------------------


def view_of(found: Report) -> dict[str, Any]:
    """Everything that the templates show, as texts."""
    rows = [_row(row, i) for i, row in enumerate(found["rows"], 1)]
    purposes = {one_line(s["name"]): one_line(s["purpose"]) for s in found["settings"]}
    return {
        "name": one_line(found["name"]),
        "verdict": {"agree": "identical", "different": "different"}.get(
            found["verdict"], "inconclusive"
        ),
        "agreed": {
            "agree": "every side that was timed agrees",
            "different": "a side differs",
        }.get(found["verdict"], "not everything could be timed"),
        "sentence": sentence(found),
        "headline": headline(rows),
        "warnings": warnings(found),
        "sections": [
            {
                "name": name,
                "purpose": purposes.get(name, ""),
                "groups": list(_groups([row for row in rows if row["setting"] == name])),
            }
            for name in dict.fromkeys(row["setting"] for row in rows)
        ],
        "anatomy": [_anatomy(found["anatomy"], name) for name in _names(found["anatomy"])],
        "sweeps": [_sweep(sweep) for sweep in found["sweeps"]],
        "streamed": streamed_line(found),
        "experiments": experiment_lines(found),
        "environment": list(texts(_made_with(found).items())),
        "absent": ABSENT,
    }


def _made_with(found: Report) -> dict[str, Any]:
    extra = {key: found.get(key) for key in ("device", "threads", "seed", "seconds")}
    load = as_dict(found.get("control")).get("load")
    return {**found["environment"], **extra, "load at the control": load}


def _groups(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for name in dict.fromkeys(row["group"] for row in rows):
        group = [row for row in rows if row["group"] == name]
        yield {"name": name, "title": title_of(name, group), "rows": group}


def _names(anatomy: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(one_line(each["setting"]) for each in anatomy))


def _anatomy(anatomy: Sequence[dict[str, Any]], setting: str) -> dict[str, Any]:
    """Where an epoch of each side goes, in one setting: shares as texts."""
    sides = [each for each in anatomy if one_line(each["setting"]) == setting]
    heads = [one_line(part) for part in sides[0]["parts"]]
    rows = [
        {
            "side": one_line(each["side"]),
            "total": duration(each["seconds"]),
            "values": list(each["parts"].values()),
            "cells": [
                f"{duration(max(v, 0))} ({v / each['seconds']:.0%})" if v > 0 else ABSENT
                for v in each["parts"].values()
            ],
        }
        for each in sides
    ]
    return {"setting": setting, "heads": heads, "rows": rows}


def _sweep(sweep: dict[str, Any]) -> dict[str, Any]:
    """One sweep as texts."""
    rows = []
    for point in sweep["points"]:
        found = duel_of(point) if point.get("duel") else None
        rows.append(
            {
                "x": spaced(point["x"]),
                "seconds": [duration(s) for s in found.seconds] if found else [ABSENT] * 2,
                "interval": interval(found) if found else ABSENT,
                "said": said(found) if found else one_line(point.get("why") or "not timed"),
                "agreement": one_line(point["agreement"]),
                "memory": sizes(point["memory"]),
            }
        )
    cross = as_number(sweep.get("crossover"))
    over = one_line(sweep["over"])
    decided = [row for row in rows if row["seconds"][0] != ABSENT]
    crossing = "No crossover: one side leads at every size that was decided." if decided else ""
    if cross is not None:
        crossing = f"They cross at about {over} = {spaced(cross)}."
    return {
        "name": one_line(sweep["name"]),
        "over": over,
        "first": one_line(sweep["first"]),
        "second": one_line(sweep["second"]),
        "rows": rows,
        "crossing": crossing,
        "memory": any(row["memory"] != ABSENT for row in rows),
    }


# -- figures -------------------------------------------------------------------


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
    return (
        f"{row['group']}: {row['name']}"
        if row["group"].startswith("into")
        else prefix + row["name"]
    )


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


def pair_figure(found: Duel, ident: str) -> dict[str, Any]:
    """The ratio of every pair, with the median over the blocks."""
    xs = [float(i) for i in range(1, len(found.pairs) + 1)]
    series = (
        Series("first over second", [a / max(b, 1e-12) for a, b in found.pairs]),
        Series("ratio", [found.ratio] * len(xs), "dotted", hue=1),
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


# -- renderers -----------------------------------------------------------------


def to_json(found: Report) -> str:
    """The report itself."""
    return files.to_json(found)


def to_markdown(found: Report) -> str:
    """The report as GitHub-flavoured Markdown."""
    return files.templates(html=False).get_template("bench.md.j2").render(view_of(found))


def to_html(found: Report) -> str:
    """The report as one page that needs no network and no script."""
    view = view_of(found)
    margin = as_number(found.get("margin")) or 0.03
    for i, section in enumerate(view["sections"]):
        section["forest"] = forest_of(section, margin, f"forest-{i}")
        for group in section["groups"]:
            for row in group["rows"]:
                row["figure"] = pair_figure(row["found"], row["id"]) if row["found"] else None
    for i, part in enumerate(view["anatomy"]):
        part["figure"] = anatomy_figure(part, f"anatomy-{i}")
    for i, (shown, sweep) in enumerate(zip(view["sweeps"], found["sweeps"], strict=True)):
        shown["figures"] = sweep_figures(sweep, f"sweep-{i}")
    return files.templates(html=True).get_template("bench.html.j2").render(view)


def to_csv(found: Report) -> str:
    """One row per row of the report, points of sweeps included."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    points = [
        {**point, "id": f"{point['id']}/{sweep['over']}={point['x']}"}
        for sweep in found["sweeps"]
        for point in sweep["points"]
    ]
    for row in [*found["rows"], *points]:
        writer.writerow({key: files.cell(value) for key, value in _cells(row).items()})
    return out.getvalue()


def _cells(row: dict[str, Any]) -> dict[str, object]:
    match = duel_of(row) if row.get("duel") else None
    told = ("verdict", "ratio", "low", "high", "coverage", "margin")
    sides = {
        "seconds": match.seconds if match else (None, None),
        "memory": row["memory"],
        "device_seconds": row.get("device_seconds") or (None, None),
    }
    return {
        **{key: row[key] for key in CSV_COLUMNS[:7]},
        **{key: getattr(match, key, None) for key in told},
        **{
            f"{side}_{name}": value
            for name, values in sides.items()
            for side, value in zip(("first", "second"), values, strict=True)
        },
        "pairs": len(match.pairs) if match else 0,
        "why": row.get("why"),
        "note": row.get("note"),
    }


RENDERERS = {"json": to_json, "md": to_markdown, "csv": to_csv, "html": to_html}


def write(found: Report, out: str | Path) -> dict[str, Path]:
    """Writes bench.json, .md, .csv and .html into the folder `out`; returns them by suffix."""
    validate(found, "the report")
    return files.write_all(
        {f"bench.{suffix}": render(found) for suffix, render in RENDERERS.items()}, out
    )


def to_table(found: Report, width: int = 120) -> Text:
    """The rows for a terminal of this width; a narrow one leaves out interval and memory."""
    from rich.text import Text

    view, wide = view_of(found), width >= WIDE
    head = ["component", "first", "second", "ratio [low, high]", "verdict", "agreement"]
    head = [*head, "memory", "pairs"] if wide else [*head[:3], "ratio", "verdict", ""]
    table: list[list[Text] | Text] = [[Text(name, style="bold") for name in head]]
    for section in view["sections"]:
        table.append(Text(f"{section['name']}: {section['purpose']}", style="bold underline"))
        for group in section["groups"]:
            table.append(Text(group["title"], style="bold"))
            table += [_cells_of(row, wide=wide) for row in group["rows"]]
    rows = [line for line in table if isinstance(line, list)]
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    widths[0] = min(widths[0], max(20, width - sum(widths[1:]) - len(widths)))
    lines = [line if isinstance(line, Text) else _aligned(line, widths) for line in table]
    return Text("\n").join(lines)


def _aligned(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    """Cells side by side; all but names, verdicts and agreements stand at the right."""
    from rich.text import Text

    for k, (cell, room) in enumerate(zip(cells, widths, strict=True)):
        cell.truncate(room, overflow="ellipsis")
        cell.align("left" if k in (0, 4, 5) else "right", room)
    return Text(" ").join(cells)


def _cells_of(row: dict[str, Any], *, wide: bool) -> list[Text]:
    from rich.text import Text

    level = row["agreement"]
    glyph = GLYPHS.get(level, "?")
    style = "bold red" if row["different"] else COLOURS.get(row["verdict"], "")
    cells = [
        Text(f"  {row['name']}"),
        *map(Text, row["seconds"]),
        Text(row["interval"] if wide else row["ratio"]),
        Text(row["said"], style=style),
        Text(f"{glyph} {level}" if wide else glyph),
    ]
    return [*cells, Text(row["memory"]), Text(row["pairs"])] if wide else cells


def summary_lines(found: Report) -> list[str]:
    """What stands above and below the table: the sentence, and whatever needs saying."""
    view = view_of(found)
    rows = [row for s in view["sections"] for group in s["groups"] for row in group["rows"]]
    lines = [f"✗ {row['ident']}: {row['why']}" for row in rows if row["why"]]
    lines += [f"· {row['ident']}: {row['note']}" for row in rows if row["note"]]
    for sweep in view["sweeps"]:
        lines.append(f"sweep, {sweep['name']} ({sweep['first']} | {sweep['second']}):")
        lines += [
            f"  {sweep['over']} = {row['x']:>9}: {' | '.join(row['seconds'])}  {row['said']}"
            for row in sweep["rows"]
        ]
        lines += [f"  {sweep['crossing']}"] if sweep["crossing"] else []
    lines += [view["streamed"]] if view["streamed"] else []
    lines += view["experiments"] + view["warnings"]
    lines += [view["headline"]] if view["headline"] else []
    return [*lines, view["sentence"]]


# -- two runs ------------------------------------------------------------------


def differences(old: Report, new: Report) -> dict[str, Any]:
    """Row by row, the ratio then and now, and whether it moved by more than the margin.

    `svb.bench-diff/1`. The interval of the change spans both intervals' ends; rows that only one
    of the runs has are named. `warnings` says what differs between the machines.
    """
    before = {row["id"]: duel_of(row) for row in old["rows"] if row.get("duel")}
    after = {row["id"]: duel_of(row) for row in new["rows"] if row.get("duel")}
    rows = []
    for ident in (ident for ident in before if ident in after):
        then, now = before[ident], after[ident]
        low, high = now.low / then.high, now.high / then.low
        margin = max(then.margin, now.margin)
        rows.append(
            {
                "id": ident,
                "old": then.ratio,
                "new": now.ratio,
                "change": now.ratio / then.ratio,
                "low": low,
                "high": high,
                "verdict": verdict(low, high, margin),
            }
        )
    return {
        "schema": "svb.bench-diff/1",
        "rows": rows,
        "only_old": sorted(before.keys() - after.keys()),
        "only_new": sorted(after.keys() - before.keys()),
        "warnings": _environments(old, new),
    }


def _environments(old: Report, new: Report) -> list[str]:
    found = []
    for key in MADE_ON:
        then, now = ({**run["environment"], **_own(run)}.get(key) for run in (old, new))
        if then != now:
            found.append(
                f"The environments differ: {key} was {one_line(then)} and is {one_line(now)}; "
                "the ratios may have moved for that alone."
            )
    return found


def _own(run: Report) -> dict[str, Any]:
    return {key: run[key] for key in ("threads", "device") if key in run}


def differences_markdown(found: dict[str, Any]) -> str:
    """The table of two runs as Markdown, which reads well in a terminal too."""
    head = ("row", "old ratio", "new ratio", "new over old [low, high]", "verdict")
    lines = [f"| {' | '.join(head)} |", "| --- | ---: | ---: | ---: | --- |"]
    for row in found["rows"]:
        change = f"{row['change']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        told = f"{MARKS[row['verdict']]} {row['verdict']}"
        cells = (one_line(row["id"]), f"{row['old']:.3f}", f"{row['new']:.3f}", change, told)
        lines.append(f"| {' | '.join(cells)} |")
    counts = Counter[str](row["verdict"] for row in found["rows"])
    parts = [_many(counts[v], v) for v in MARKS if counts[v]]
    lines += ["", f"{len(found['rows'])} rows in both: {', '.join(parts) or 'none'}."]
    for key, where in (("only_old", "the old"), ("only_new", "the new")):
        if found[key]:
            lines.append(f"Only in {where} run: {', '.join(map(one_line, found[key]))}.")
    return "\n".join([*lines, *(f"Warning: {each}" for each in found["warnings"])]) + "\n"


def differences_csv(found: dict[str, Any]) -> str:
    """The rows of two runs as CSV."""
    out = io.StringIO()
    columns = ("id", "old", "new", "change", "low", "high", "verdict")
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: files.cell(v) for key, v in row.items()} for row in found["rows"])
    return out.getvalue()


def differences_json(found: dict[str, Any]) -> str:
    """The rows of two runs as JSON."""
    return json.dumps(found, indent=1, allow_nan=False) + "\n"
