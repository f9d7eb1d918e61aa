"""A benchmark's files, Markdown, CSV and HTML from one JSON, and its table for a terminal.

Reads `svb.bench/1` alone, as a plain dict in which texts may be hostile, so that a saved report can
be rendered again without running anything. Does not time or compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.report import files
from harness.report.view import (
    GLYPHS,
    Report,
    as_number,
    one_line,
)

if TYPE_CHECKING:
    from rich.text import Text
from harness.bench.figures import anatomy_figure, forest_of, pair_figure, sweep_figures
from harness.bench.view import duel_of, view_of

SCHEMA = "svb.bench/1"
COLOURS = {"faster": "green", "slower": "dark_orange", "unclear": "yellow"}
BROKEN = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
WIDE = 110  # columns of a terminal in which memory and pairs are shown too
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


def validate(report: object, where: str) -> Report:
    """The same report; `InputError` where a key that every report has is not there."""
    files.require(report, REQUIRED, where)
    bench: Report = dict(report)  # type: ignore[call-overload]
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


def to_markdown(report: Report) -> str:
    """The report as GitHub-flavoured Markdown."""
    return files.templates(html=False).get_template("bench.md.j2").render(view_of(report))


def to_html(report: Report) -> str:
    """The report as one page that needs no network and no script."""
    view = view_of(report)
    margin = as_number(report.get("margin")) or 0.03
    for i, section in enumerate(view["sections"]):
        section["forest"] = forest_of(section, margin, f"forest-{i}")
        for group in section["groups"]:
            for row in group["rows"]:
                row["figure"] = pair_figure(row["found"], row["id"]) if row["found"] else None
    for i, part in enumerate(view["anatomy"]):
        part["figure"] = anatomy_figure(part, f"anatomy-{i}")
    for i, (shown, sweep) in enumerate(zip(view["sweeps"], report["sweeps"], strict=True)):
        shown["figures"] = sweep_figures(sweep, f"sweep-{i}")
    return files.templates(html=True).get_template("bench.html.j2").render(view)


def to_csv(report: Report) -> str:
    """One row per row of the report, points of sweeps included."""
    points = [
        {**point, "id": f"{point['id']}/{sweep['over']}={point['x']}"}
        for sweep in report["sweeps"]
        for point in sweep["points"]
    ]
    return files.csv_text(CSV_COLUMNS, map(_cells, [*report["rows"], *points]))


def _cells(row: dict[str, Any]) -> dict[str, object]:
    match = duel_of(row) if row.get("duel") else None
    measured = ("verdict", "ratio", "low", "high", "coverage", "margin")
    sides = {
        "seconds": match.seconds if match else (None, None),
        "memory": row["memory"],
        "device_seconds": row.get("device_seconds") or (None, None),
    }
    return {
        **{key: row[key] for key in CSV_COLUMNS[:7]},
        **{key: getattr(match, key, None) for key in measured},
        **{
            f"{side}_{name}": value
            for name, values in sides.items()
            for side, value in zip(("first", "second"), values, strict=True)
        },
        "pairs": len(match.pairs) if match else 0,
        "why": row.get("why"),
        "note": row.get("note"),
    }


RENDERERS: files.Renderers = {
    "json": files.to_json,
    "md": to_markdown,
    "csv": to_csv,
    "html": to_html,
}


def write(report: Report, out: str | Path) -> dict[str, Path]:
    """Writes bench.json, .md, .csv and .html into the folder `out`; returns them by suffix."""
    validate(report, "the report")
    return files.write_rendered("bench", report, RENDERERS, out)


def to_table(report: Report, width: int = 120) -> Text:
    """The rows for a terminal of this width; a narrow one leaves out interval and memory."""
    from rich.text import Text

    view, wide = view_of(report), width >= WIDE
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


def summary_lines(report: Report) -> list[str]:
    """What stands above and below the table: the sentence, and whatever needs saying."""
    view = view_of(report)
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
