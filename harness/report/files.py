"""A report as a plain dict, and as files: JSON (the source), Markdown, CSV and one HTML page.

What is shown is read from the dict alone, so a saved report.json can be rendered again without
running anything, and gives the same bytes. Does not compare, judge or time; knows neither torch
nor recipes.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from harness.errors import InputError
from harness.report.view import (
    ABSENT,
    GLYPHS,
    URGENT,
    Report,
    as_dict,
    as_list,
    as_number,
    by_urgency,
    figures_of,
    finite,
    gap_text,
    one_line,
    stage_texts,
    stages_of,
    view_of,
)

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

Renderers = Mapping[str, Callable[[Report], str]]  # by the suffix of the file that it makes

SCHEMA = "svb.compare/1"
WIDE = 118  # columns of a terminal in which the table shows what was allowed as well
NARROW = 76  # columns under which a name may be broken
SHORT_STAGES = {
    "prediction": "pred",
    "gradient": "grad",
    "parameter": "param",
    "evaluation": "eval",
}
COLUMNS = (
    *("case", "device", "dtype", "case_verdict", "stage", "level", "max_gap", "allowed"),
    *("max_gap_ulps", "allowed_ulps", "first_divergence", "steps"),
)
REPORT_KEYS: dict[str, type] = {
    "schema": str,
    "name": str,
    "verdict": str,
    "summary": dict,
    "cases": list,
    "environment": dict,
}
CASE_KEYS: dict[str, type] = {
    "name": str,
    "device": str,
    "dtype": str,
    "verdict": str,
    "stages": dict,
}
KINDS: dict[type, str] = {str: "text", dict: "an object", list: "a list"}


# -- reading and writing -------------------------------------------------------


def read(path: str | Path) -> Report:
    """The report saved at `path`; `InputError` in one sentence where it is no report."""
    report = load(path)
    _validate(report, str(path))
    return report  # type: ignore[no-any-return]


def load(path: str | Path) -> Any:
    """The JSON saved at `path`, of whatever schema; `InputError` where it cannot be read."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory: name the report.json inside it.")
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"), parse_constant=_no_constant)
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist: `svb compare --out DIR` writes DIR/report.json."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start}): is it a report.json?"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {one_line(str(error))}.") from None


def write(report: Report, out: str | Path) -> dict[str, Path]:
    """Writes report.json, .md, .csv and .html into the folder `out`; returns them by suffix.

    Everything is rendered before the first file is touched; `InputError` where `out` is no folder.
    """
    _validate(report, "the report")
    return write_rendered("report", report, RENDERERS, out)


def write_rendered(
    stem: str, report: Report, renderers: Renderers, out: str | Path
) -> dict[str, Path]:
    """Writes what every renderer makes of a report into `out`; returns the paths by suffix."""
    return write_all(
        {f"{stem}.{suffix}": render(report) for suffix, render in renderers.items()}, out
    )


def write_all(texts: dict[str, str], out: str | Path) -> dict[str, Path]:
    """Writes all texts into the folder `out` by their names; returns the paths by suffix."""
    out = Path(out)
    rendered = {name: text.encode() for name, text in texts.items()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        _replace_all(out, rendered)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{out} is not a folder: name one to write the report into.") from None
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}.") from None
    return {name.rpartition(".")[2]: out / name for name in rendered}


def check_writable(out: str | Path) -> None:
    """Find out before a long run that its report could not be written; `InputError` if so."""
    out = Path(out)
    nearest = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise InputError(f"{nearest} is not a folder: name one to write the report into.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{nearest} cannot be written: name another folder with --out.")


def _replace_all(out: Path, rendered: dict[str, bytes]) -> None:
    """Writes every file under a temporary name first, then moves each into place."""
    blocked = next((out / name for name in rendered if (out / name).is_dir()), None)
    if blocked:
        raise InputError(f"{blocked} is a folder: the report cannot take its place.")
    temporary = {name: out / f".{name}.{uuid.uuid4().hex}.tmp" for name in rendered}
    try:
        for name, data in rendered.items():
            temporary[name].write_bytes(data)
        for name, path in temporary.items():
            path.replace(out / name)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)


def _no_constant(name: str) -> None:
    raise ValueError(
        f'{name} stands bare, but a number that is not finite is written as a string ("inf")'
    )


def _validate(report: object, where: str) -> None:
    """Raises `InputError` unless the keys that every report has are there, each of its kind."""
    if not isinstance(report, dict):
        raise InputError(f"{where} holds no report: its JSON is not an object.")
    if report.get("schema") != SCHEMA:
        shown = one_line(json.dumps(report.get("schema"), default=str))[:60]
        raise InputError(f'{where} has the schema {shown}, but should have "{SCHEMA}".')
    require(report, REPORT_KEYS, where)
    for i, case in enumerate(report["cases"]):
        require(case, CASE_KEYS, f"{where}: cases[{i}]")
    for verdict in [report["verdict"], *(case["verdict"] for case in report["cases"])]:
        if verdict not in GLYPHS:
            known, shown = ", ".join(GLYPHS), one_line(verdict)[:60]
            raise InputError(f"{where} has the verdict {shown!r}, but should have one of {known}.")


def require(value: object, keys: dict[str, type], where: str) -> None:
    """Raises `InputError` unless the object has these keys, each of its kind."""
    if not isinstance(value, dict):
        raise InputError(f"{where} should be an object.")
    for key, kind in keys.items():
        if key not in value:
            raise InputError(f"{where} lacks the key {key!r}.")
        if not isinstance(value[key], kind):
            noun = KINDS[kind]
            raise InputError(f"{where}: {key!r} should be {noun}.")


# -- renderers -----------------------------------------------------------------


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    """One row per case and stage."""
    for case in report["cases"]:
        head = dict(
            zip(
                COLUMNS[:4],
                (case[key] for key in ("name", "device", "dtype", "verdict")),
                strict=True,
            )
        )
        for name in stages_of([case]):
            stage = as_dict(case["stages"].get(name))
            numbers = {key: as_number(stage.get(key)) for key in COLUMNS[6:10]}
            message = stage_texts(stage)["message"] or None
            steps = as_number(stage.get("steps", case.get("steps")))
            count = int(steps) if steps is not None and math.isfinite(steps) else None
            level = stage.get("level") or "not judged"
            yield {
                **head,
                "stage": name,
                "level": level,
                **numbers,
                "first_divergence": message,
                "steps": count,
            }


def to_frame(report: Report) -> pd.DataFrame:
    """One row per case and stage, with the columns of `COLUMNS`."""
    import pandas as pd

    numbers = dict.fromkeys(COLUMNS[6:10], "float64") | {"steps": "Int64"}
    return pd.DataFrame(list(_rows(report)), columns=list(COLUMNS)).astype(numbers)


def to_json(report: Mapping[str, object]) -> str:
    """A report of any schema itself, with numbers that are not finite as strings."""
    return json.dumps(finite(report), indent=1, allow_nan=False) + "\n"


def to_csv(report: Report) -> str:
    """The rows of `to_frame`."""
    return csv_text(COLUMNS, _rows(report))


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Rows as CSV under a line of heads; what a row lacks is empty, what has no column left out.

    Text that a spreadsheet would run as a formula is quoted with '.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(row.get(key)) for key in columns} for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def to_markdown(report: Report) -> str:
    """The report as GitHub-flavoured Markdown."""
    return templates(html=False).get_template("report.md.j2").render(view_of(report))


def to_html(report: Report) -> str:
    """The report as one page that needs no network and no script."""
    view = view_of(report)
    for case, shown in zip(by_urgency(report), view["cases"], strict=True):
        shown["figures"] = figures_of(case, shown["id"])
    return templates(html=True).get_template("report.html.j2").render(view)


def notebook_html(report: Report) -> str:
    """The table of cases as a fragment of HTML, for `_repr_html_`."""
    return (
        templates(html=True).get_template("summary.html.j2").render(view_of(report), linked=False)
    )


def to_table(report: Report, width: int = 120) -> Table:
    """The table of cases for a terminal of this width; a narrow one leaves out what was allowed."""
    from rich.table import Table
    from rich.text import Text

    view = view_of(report)
    title = Text(f"{view['name']}: {view['sentence']}")
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    varying = [key for key in ("device", "dtype") if len({case[key] for case in view["cases"]}) > 1]
    for name in ["case", *varying, "verdict", *view["stages"]]:
        heading = SHORT_STAGES.get(name, name) if width < WIDE else name
        table.add_column(heading, overflow="fold", no_wrap=width >= NARROW)
    table.add_column("steps", justify="right", no_wrap=True)
    for case in view["cases"]:
        table.add_row(*_table_row(case, varying, allowed=width >= WIDE))
    return table


def summary_lines(report: Report) -> list[str]:
    """What the table of cases leaves out: why one does not agree, notes, the printed figures."""
    lines = [
        f"{GLYPHS[case['verdict']]} {case['name']}: {one_line(case.get('reason'))}"
        for case in by_urgency(report)
        if case["verdict"] in URGENT and case.get("reason")
    ]
    lines += [_finding_line(finding) for finding in as_list(report.get("findings"))]
    lines += [
        f"· {one_line(case['name'])}: {one_line(note)}"
        for case in by_urgency(report)
        for note in as_list(case.get("notes"))
    ]
    published = as_dict(report.get("published"))
    bound = [row for row in as_list(published.get("rows")) if row.get("ok") is not None]
    if bound:
        kept = sum(bool(row["ok"]) for row in bound)
        lines.append(
            f"figures that the sources print, over {published.get('seeds')} seeds: {kept} of "
            f"{len(bound)} bounds kept"
        )
        lines += [
            f"✗ {row.get('source')}, {row.get('quantity')}: {gap_text(row.get('low'))} to "
            f"{gap_text(row.get('high'))}, but should be {row.get('bound')}"
            for row in bound
            if not row["ok"]
        ]
    return lines


def _finding_line(finding: dict[str, Any]) -> str:
    """A component at fault: the known mistake with its evidence, or what can be measured."""
    cause = as_dict(finding.get("cause"))
    parts = [f"{cause['id']}: {finding.get('what')} It {cause['evidence']}."] if cause else []
    parts += as_list(finding.get("also")) and [f"or {', '.join(as_list(finding.get('also')))}"]
    parts += as_list(finding.get("measured")) or ([] if cause else [str(finding.get("message"))])
    return one_line(f"→ {finding.get('component')}: {'; '.join(map(str, parts))}")


def _table_row(case: dict[str, Any], varying: list[str], *, allowed: bool) -> list[Any]:
    from rich.text import Text

    colour = {"different": "bold red", "error": "red", "inconclusive": "yellow"}.get(
        case["verdict"], "green"
    )
    verdict = Text(f"{GLYPHS[case['verdict']]} {case['verdict']}", style=colour)
    stages = [Text(_short(row["all"], allowed=allowed)) for row in case["stages"]]
    return [
        Text(case["name"]),
        *(Text(case[key]) for key in varying),
        verdict,
        *stages,
        Text(case["steps"]),
    ]


def _short(stage: dict[str, str], *, allowed: bool) -> str:
    """A stage in a few characters: =, or ≈ 2e-6 of 7e-6, or ≈2e-6 where there is no room."""
    if stage["level"] in ("", "identical"):
        return GLYPHS.get(stage["level"], ABSENT)
    glyph = GLYPHS.get(stage["level"], "?")
    return f"{glyph} {stage['short']}" if allowed else glyph + stage["short_gap"]


def _markdown(value: object) -> str:
    """Text in which Markdown and HTML find nothing to interpret."""
    text = re.sub(
        r"[\\`*<>&|~]|(?<!\w)_|_(?!\w)|\](?=[(:\[])", lambda m: "\\" + m[0], one_line(value)
    )
    return re.sub(r"^(\d*)(#{1,6}(?=\s|$)|[.)+-](?=\s|$)|[-=]+$)", r"\1\\\2", text)


def _glyph(level: str) -> str:
    return f"{GLYPHS[level]} {level}" if level in GLYPHS else level or ABSENT


@cache
def templates(*, html: bool) -> Environment:
    """The templates; what they print is escaped for HTML, or for Markdown, without being asked."""
    environment = Environment(
        loader=PackageLoader("harness.report", "templates"),
        autoescape=select_autoescape(("html.j2",)),
        finalize=None if html else _markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["glyph"] = _glyph
    return environment


RENDERERS: Renderers = {"json": to_json, "md": to_markdown, "csv": to_csv, "html": to_html}
