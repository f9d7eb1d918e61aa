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
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from harness import plot
from harness.errors import InputError
from harness.plot import Plot, Series

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

Report = dict[str, Any]

SCHEMA = "svb.compare/1"
STAGES = ("batch", "prediction", "loss", "gradient", "parameter")
GLYPHS = {
    "identical": "=",
    "rounding": "≈",
    "convention": "∝",
    "different": "✗",
    "inconclusive": "?",
    "error": "!",
}
WIDE = 118  # columns of a terminal in which the table shows what was allowed as well
NARROW = 76  # columns under which a name may be broken
SHORT_STAGES = {"prediction": "pred", "gradient": "grad", "parameter": "param"}
PHRASES = {  # the order of the sentence, and of urgency; (one case, several cases)
    "different": ("differs", "differ"),
    "error": ("could not run", "could not run"),
    "inconclusive": ("inconclusive", "inconclusive"),
    "identical": ("identical", "identical"),
    "rounding": ("agrees within rounding", "agree within rounding"),
    "convention": ("agrees up to a named convention", "agree up to a named convention"),
}
URGENT = ("different", "error", "inconclusive")
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
SHOWN = 12  # rows of final values, at most
ABSENT = "–"
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


# -- reading and writing -------------------------------------------------------


def read(path: str | Path) -> Report:
    """The report saved at `path`; `InputError` in one sentence where it is no report."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory: name the report.json inside it.")
    try:
        report = json.loads(path.read_bytes().decode("utf-8-sig"), parse_constant=_no_constant)
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
        raise InputError(f"{path} is not JSON: {_line(str(error))}.") from None
    _validate(report, str(path))
    return report  # type: ignore[no-any-return]


def write(report: Report, out: str | Path) -> dict[str, Path]:
    """Writes report.json, .md, .csv and .html into the folder `out`; returns them by suffix.

    Everything is rendered before the first file is touched; `InputError` where `out` is no folder.
    """
    out = Path(out)
    _validate(report, "the report")
    rendered = {f"report.{suffix}": render(report).encode() for suffix, render in RENDERERS.items()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        _replace_all(out, rendered)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{out} is not a folder: name one to write the report into.") from None
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}.") from None
    return {suffix: out / f"report.{suffix}" for suffix in RENDERERS}


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
        found = _line(json.dumps(report.get("schema"), default=str))[:60]
        raise InputError(f'{where} has the schema {found}, but should have "{SCHEMA}".')
    _keys(report, REPORT_KEYS, where)
    for i, case in enumerate(report["cases"]):
        _keys(case, CASE_KEYS, f"{where}: cases[{i}]")
    for verdict in [report["verdict"], *(case["verdict"] for case in report["cases"])]:
        if verdict not in GLYPHS:
            known, found = ", ".join(GLYPHS), _line(verdict)[:60]
            raise InputError(f"{where} has the verdict {found!r}, but should have one of {known}.")


def _keys(found: object, keys: dict[str, type], where: str) -> None:
    if not isinstance(found, dict):
        raise InputError(f"{where} should be an object.")
    for key, kind in keys.items():
        if key not in found:
            raise InputError(f"{where} lacks the key {key!r}.")
        if not isinstance(found[key], kind):
            noun = KINDS[kind]
            raise InputError(f"{where}: {key!r} should be {noun}.")


# -- values: null, "inf" and hostile text --------------------------------------


def _line(text: object) -> str:
    """Text on one line, with what could steer a terminal or break XML made visible as �."""
    return " ".join(UNPRINTABLE.sub("\ufffd", str(text).replace("\r", "\n")).split())


def _number(value: object) -> float | None:
    """A float from a number or from "inf", "-inf", "nan"; None from anything else."""
    if isinstance(value, bool) or not (
        isinstance(value, (int, float)) or value in ("inf", "-inf", "nan")
    ):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if int(value) > 0 else -math.inf


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _numbers(value: object) -> list[float | None]:
    return [_number(v) for v in _list(value)]


def finite(value: Any) -> Any:
    """The same JSON with floats that are not finite as strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value


def _gap(value: object, digits: int = 1) -> str:
    """A gap, as 1.9e-6."""
    x = _number(value)
    if x is None:
        return ABSENT
    return "0" if x == 0 else _scientific(x, digits)


def _scientific(x: float, digits: int) -> str:
    """1.9e-6, without the zeros at the end of 7.0e-6."""
    return re.sub(r"\.?0*e", "e", plot.compact(f"{x:.{digits}e}"))


def _ulps(value: object) -> str:
    """A gap in ulps, as 0.5, 16 or 1.2e6."""
    x = _number(value)
    return ABSENT if x is None else f"{x:.3g}" if abs(x) < 1000 else plot.compact(f"{x:.1e}")


def _value(value: object) -> str:
    """A value with 7 digits; text and flags as they are."""
    x = _number(value)
    if x is not None and not isinstance(value, int):
        return _scientific(x, 6) if 0 < abs(x) < 1e-3 else plot.compact(f"{x:.7g}")
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return ABSENT if value is None else _line(text)


def _flat(value: object, name: str = "") -> Iterator[tuple[str, float | None]]:
    """The numbers in nested lists by name: {"w": [[1], [2]]} gives w[0] and w[1]."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, _line(key))
    elif isinstance(value, list):
        flat = [v for inner in value for _, v in _flat(inner)]
        yield from ((f"{name}[{i}]", v) for i, v in enumerate(flat))
    else:
        yield name, _number(value)


# -- the view: what the templates show -----------------------------------------


def _ordered(report: Report) -> list[dict[str, Any]]:
    """The cases, those that need a reader first."""
    rank = {verdict: i for i, verdict in enumerate(URGENT)}
    return sorted(report["cases"], key=lambda case: rank.get(case["verdict"], len(URGENT)))


def _sentence(report: Report) -> str:
    """One sentence with counts, what is wrong first."""
    counts = Counter(case["verdict"] for case in report["cases"])
    total = sum(counts.values())
    said = [f"{counts[v]} {PHRASES[v][counts[v] > 1]}" for v in PHRASES if counts[v]]
    return f"{total} case{'s' * (total != 1)}: {', '.join(said) or 'nothing was compared'}."


def _stage(found: object, why: object = None) -> dict[str, str]:
    """One stage as texts; a stage that was not judged says why."""
    stage = _dict(found)
    first = stage.get("first_divergence")
    message = _dict(first).get("message") or (json.dumps(first, default=str) if first else "")
    return {
        "level": _line(stage.get("level") or ""),
        "gap": _of(stage.get("max_gap"), stage.get("allowed"), _gap),
        "short": _of(stage.get("max_gap"), stage.get("allowed"), lambda v: _gap(v, digits=0)),
        "ulps": _of(stage.get("max_gap_ulps"), stage.get("allowed_ulps"), _ulps),
        "message": _line(message),
        "why": "" if stage else _line(why or "not judged"),
    }


def _of(gap: object, allowed: object, text: Callable[[object], str]) -> str:
    """A gap beside what was allowed: 1.9e-6 of 7e-6."""
    if gap is None or allowed is None:
        return text(gap)
    return f"{text(gap)} of {text(allowed)}"


def _stage_rows(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The five stages: the worse of both runs, then each run."""
    runs, rows = _dict(case.get("runs")), []
    for name in STAGES:
        row: dict[str, Any] = {"name": name, "runs": []}
        for run_name in ("forced", "free"):
            run = _dict(runs.get(run_name))
            row["runs"].append(_stage(run.get(name), _why(case, run, run_name, name)))
        row["all"] = _stage(
            case["stages"].get(name), next((r["why"] for r in row["runs"] if r["why"]), None)
        )
        rows.append(row)
    return rows


def _why(case: dict[str, Any], run: dict[str, Any], run_name: str, stage: str) -> object:
    """Why a stage was not judged: said by the run, or by the case, for one run or for both."""
    of_case = _dict(case.get("not_judged"))
    places = (_dict(run.get("not_judged")), _dict(of_case.get(run_name)), of_case)
    return next((place[stage] for place in places if isinstance(place.get(stage), str)), None)


def _final(case: dict[str, Any]) -> dict[str, Any]:
    """Final values by side, and how far the first side is from each other one."""
    sides = {
        _line(k).replace("_", " "): dict(_flat(v)) for k, v in _dict(case.get("final")).items() if v
    }
    names = list(dict.fromkeys(name for values in sides.values() for name in values))
    columns = list(sides.values())
    rows = []
    for name in names[:SHOWN]:
        values = [column.get(name) for column in columns]
        gaps = [None if values[0] is None or v is None else values[0] - v for v in values[1:]]
        rows.append((name, [_value(v) for v in values], [_gap(g) for g in gaps]))
    heads = list(sides)
    differences = [f"{heads[0]} − {head}" for head in heads[1:]]
    return {
        "heads": heads,
        "differences": differences,
        "rows": rows,
        "more": max(0, len(names) - SHOWN),
    }


def _epochs(case: dict[str, Any]) -> list[tuple[str, str]]:
    losses = _dict(case.get("epoch_loss"))
    sides = [_list(losses.get("subject")), _list(losses.get("reference"))]
    length = max(map(len, sides))
    padded = [[*side, *[None] * (length - len(side))] for side in sides]
    return [(_value(a), _value(b)) for a, b in zip(*padded, strict=True)]


def _settings(case: dict[str, Any]) -> list[tuple[str, str]]:
    found = _dict(case.get("settings")).items()
    return [
        (_line(k).replace("_", " "), v if len(v) <= 60 else v[:59] + "…") for k, v in _texts(found)
    ]


def _texts(items: Any) -> Iterator[tuple[str, str]]:
    return ((_line(key), _value(value)) for key, value in items)


def _case(case: dict[str, Any], index: int) -> dict[str, Any]:
    """One case as texts."""
    rows = _stage_rows(case)
    optional = ("purpose", "reason", "convention", "order", "subject", "reference")
    said = {key: _line(case.get(key) or "") for key in optional}
    messages = list(dict.fromkeys(row["all"]["message"] for row in rows if row["all"]["message"]))
    return said | {
        "id": f"case-{index}",
        "name": _line(case["name"]),
        "device": _line(case["device"]),
        "dtype": _line(case["dtype"]),
        "where": f"{_line(case['device'])} {_line(case['dtype'])}",
        "verdict": case["verdict"],
        "urgent": case["verdict"] in URGENT,
        "open": index == 1 or case["verdict"] == "different",
        "stages": rows,
        "judged": any(row["all"]["level"] for row in rows),
        "messages": messages,
        "settings": _settings(case),
        "steps": _value(case.get("steps")),
        "final": _final(case),
        "epochs": _epochs(case),
        "notes": [_line(note) for note in _list(case.get("notes"))],
        "seconds": _value(case.get("seconds")),
    }


def _published(report: Report) -> dict[str, Any]:
    """The figures that others printed, beside the spread measured here."""
    found = _dict(report.get("published"))
    rows = []
    for row in map(_dict, _list(found.get("rows"))):
        texts = {key: _value(row.get(key)) for key in ("source", "quantity", "printed", "bound")}
        texts["median"] = _gap(row.get("median"), 2)
        spread = f"{_gap(row.get('low'), 2)} to {_gap(row.get('high'), 2)}"
        rows.append(texts | {"spread": spread, "ok": row.get("ok")})
    return {"rows": rows, "seeds": _value(found.get("seeds"))}


def _view(report: Report) -> dict[str, Any]:
    """Everything that the templates show, as texts."""
    pairs = {(case["device"], case["dtype"]) for case in report["cases"]}
    return {
        "name": _line(report["name"]),
        "verdict": report["verdict"],
        "sentence": _sentence(report),
        "cases": [_case(case, i) for i, case in enumerate(_ordered(report), 1)],
        "several": len(pairs) > 1,
        "stages": STAGES,
        "published": _published(report),
        "environment": list(_texts(report["environment"].items())),
        "absent": ABSENT,
    }


# -- plots ---------------------------------------------------------------------


def _plots(case: dict[str, Any]) -> list[Plot]:
    """The plots of a case that have something to show."""
    curve = _dict(case.get("curve"))
    sides = _line(case.get("subject") or "subject"), _line(case.get("reference") or "reference")
    plots = [_loss_plot(curve, sides), *_parameter_plots(case, curve, sides), *_gap_plots(curve)]
    return [p for p in [*plots, *_drift_plots(case)] if not p.empty]


def _loss_plot(curve: dict[str, Any], sides: tuple[str, str]) -> Plot:
    ys = _numbers(curve.get("subject_loss")), _numbers(curve.get("reference_loss"))
    drawn = [v for y in ys for v in y if v is not None and math.isfinite(v)]
    log = bool(drawn) and min(drawn) > 0 and max(drawn) / min(drawn) > 30
    scale = "log axis" if log else "linear axis"
    return Plot(
        title="Loss by step",
        desc=f"The loss of {sides[0]} (thin, dashed) over {sides[1]} (thick, pale); {scale}.",
        x=_numbers(curve.get("step")),
        series=(Series(sides[1], ys[1], "thick"), Series(sides[0], ys[0], "thin", hue=1)),
        key=(("thick h0", sides[1]), ("thin h1", sides[0])),
        log=log,
        y_label=f"loss, {scale}",
    )


def _parameter_plots(
    case: dict[str, Any], curve: dict[str, Any], sides: tuple[str, str]
) -> list[Plot]:
    """The path of each parameter on both sides, with the truth where it is known."""
    found = _dict(curve.get("parameters"))
    names = [_line(name) for name in _list(found.get("names"))][: plot.HUES]
    if not names:
        return []
    steps = _numbers(curve.get("step"))
    truth = dict(_flat(_dict(case.get("final")).get("truth") or {}))
    series = []
    for i, name in enumerate(names):
        ours, theirs = (_numbers(_get(found.get(side), i)) for side in ("subject", "reference"))
        series.append(Series(f"{name}, {sides[1]}", theirs, "thick", i, label=name[:10]))
        series.append(Series(f"{name}, {sides[0]}", ours, "thin", i))
        true = truth.get(name, truth.get(f"{name}[0]"))
        if true is not None:
            series.append(Series(f"{name}, truth", [true] * len(steps), "dotted", i))
    known = any(line.style == "dotted" for line in series)
    key = (
        ("thick any", sides[1]),
        ("thin any", sides[0]),
        *([("dotted any", "truth")] if known else []),
    )
    desc = f"{', '.join(names)} of {sides[0]} (thin, dashed) over {sides[1]} (thick, pale)"
    desc += "; dotted lines are the true values." if known else "."
    return [Plot("Parameters by step", desc, steps, tuple(series), key=key, y_label="value")]


def _get(values: object, i: int) -> object:
    found = _list(values)
    return found[i] if i < len(found) else None


def _gap_plots(curve: dict[str, Any]) -> list[Plot]:
    """The gap of each stage by step, with the allowed band."""
    gaps, allowed = _dict(curve.get("gap_ulps")), _dict(curve.get("allowed_ulps"))
    steps = _numbers(curve.get("step"))
    plots = []
    for stage in [*STAGES, *(key for key in gaps if key not in STAGES)]:
        y, band = _numbers(gaps.get(stage)), _numbers(allowed.get(stage))
        if any(y):
            title = f"Gap of the {_line(stage)} by step"
            desc = f"{title}, in ulps on a log axis; the shaded band is what was allowed."
            plots.append(_ulps_plot(title, desc, steps, y, band))
    return plots


def _drift_plots(case: dict[str, Any]) -> list[Plot]:
    drift = _dict(case.get("drift"))
    y = _numbers(drift.get("gap_ulps"))
    if not any(y):
        return []
    explained = drift.get("explained")
    end = "not judged" if explained is None else "explained by rounding"
    end = "not " + end if explained is False else end
    desc = f"The gap of the parameters of both free runs in ulps, log axis; the drift is {end}."
    return [_ulps_plot(f"Drift of the free runs ({end})", desc, _numbers(drift.get("step")), y, [])]


def _ulps_plot(title: str, desc: str, x: plot.Values, y: plot.Values, allowed: plot.Values) -> Plot:
    key = (("solid h0", "gap"), *([("band", "allowed")] if any(allowed) else []))
    return Plot(
        title, desc, x, (Series("gap", y),), allowed, key, log=True, y_label="ulps, log axis"
    )


def _figures(case: dict[str, Any], ident: str) -> list[dict[str, Any]]:
    """The plots of a case as SVG, each with its table."""
    figures = []
    for i, p in enumerate(_plots(case)):
        heads, rows = plot.table(p)
        texts = [
            [f"{row[0]:g}" if row[0] is not None else ABSENT, *map(_digits, row[1:])]
            for row in rows
        ]
        svg = plot.svg(p, f"{ident}-{i}")
        figures.append(
            {"title": p.title, "svg": svg, "heads": heads, "rows": texts, "of": len(p.x)}
        )
    return figures


def _digits(value: float | None) -> str:
    return ABSENT if value is None else plot.compact(f"{value:.4g}")


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
        for name in STAGES:
            stage = _dict(case["stages"].get(name))
            numbers = {key: _number(stage.get(key)) for key in COLUMNS[6:10]}
            message = _stage(stage)["message"] or None
            steps = _number(stage.get("steps", case.get("steps")))
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


def to_json(report: Report) -> str:
    """The report itself, with numbers that are not finite as strings."""
    return json.dumps(finite(report), indent=1, allow_nan=False) + "\n"


def to_csv(report: Report) -> str:
    """The rows of `to_frame`; text that a spreadsheet would run as a formula is quoted with '."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in _rows(report))
    return out.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = _line(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def to_markdown(report: Report) -> str:
    """The report as GitHub-flavoured Markdown."""
    return _templates(html=False).get_template("report.md.j2").render(_view(report))


def to_html(report: Report) -> str:
    """The report as one page that needs no network and no script."""
    view = _view(report)
    for case, shown in zip(_ordered(report), view["cases"], strict=True):
        shown["figures"] = _figures(case, shown["id"])
    return _templates(html=True).get_template("report.html.j2").render(view)


def notebook_html(report: Report) -> str:
    """The table of cases as a fragment of HTML, for `_repr_html_`."""
    return _templates(html=True).get_template("summary.html.j2").render(_view(report), linked=False)


def to_table(report: Report, width: int = 120) -> Table:
    """The table of cases for a terminal of this width; a narrow one leaves out what was allowed."""
    from rich.table import Table
    from rich.text import Text

    view = _view(report)
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
    for name in ["case", *varying, "verdict", *STAGES]:
        heading = SHORT_STAGES.get(name, name) if width < WIDE else name
        table.add_column(heading, overflow="fold", no_wrap=width >= NARROW)
    table.add_column("steps", justify="right", no_wrap=True)
    for case in view["cases"]:
        table.add_row(*_table_row(case, varying, allowed=width >= WIDE))
    return table


def summary_lines(report: Report) -> list[str]:
    """What the table of cases leaves out: why a case is no agreement, and the printed figures."""
    lines = [
        f"{GLYPHS[case['verdict']]} {case['name']}: {_line(case.get('reason'))}"
        for case in _ordered(report)
        if case["verdict"] in URGENT and case.get("reason")
    ]
    published = _dict(report.get("published"))
    bound = [row for row in _list(published.get("rows")) if row.get("ok") is not None]
    if bound:
        kept = sum(row["ok"] for row in bound)
        lines.append(
            f"figures that the sources print, over {published.get('seeds')} seeds: {kept} of "
            f"{len(bound)} bounds kept"
        )
        lines += [
            f"✗ {row['source']}, {row['quantity']}: {_gap(row['low'])} to {_gap(row['high'])}, "
            f"but should be {row['bound']}"
            for row in bound
            if not row["ok"]
        ]
    return lines


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
    return f"{glyph} {stage['short']}" if allowed else glyph + stage["short"].split(" of ")[0]


def _markdown(value: object) -> str:
    """Text in which Markdown and HTML find nothing to interpret."""
    text = re.sub(r"[\\`*<>&|~]|(?<!\w)_|_(?!\w)|\](?=[(:\[])", lambda m: "\\" + m[0], _line(value))
    return re.sub(r"^(\d*)(#{1,6}(?=\s|$)|[.)+-](?=\s|$)|[-=]+$)", r"\1\\\2", text)


def _glyph(level: str) -> str:
    return f"{GLYPHS[level]} {level}" if level in GLYPHS else level or ABSENT


@cache
def _templates(*, html: bool) -> Environment:
    """The templates; what they print is escaped for HTML, or for Markdown, without being asked."""
    environment = Environment(
        loader=PackageLoader("harness", "templates"),
        autoescape=select_autoescape(("html.j2",)),
        finalize=None if html else _markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["glyph"] = _glyph
    return environment


RENDERERS = {"json": to_json, "md": to_markdown, "csv": to_csv, "html": to_html}
