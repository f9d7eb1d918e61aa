"""What a report shows: its values as texts, and its curves as plots, for every format alike.

Takes a report as a plain dict in which anything may be null, "inf" or hostile text. Does not read,
write or lay out anything.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from harness.report import plot
from harness.report.plot import Plot, Series

Report = dict[str, Any]

STAGES = ("batch", "prediction", "loss", "gradient", "parameter")
GLYPHS = {
    "identical": "=",
    "rounding": "≈",
    "convention": "∝",
    "different": "✗",
    "inconclusive": "?",
    "error": "!",
}
PHRASES = {  # the order of the sentence, and of urgency; (one case, several cases)
    "different": ("differs", "differ"),
    "error": ("could not run", "could not run"),
    "inconclusive": ("inconclusive", "inconclusive"),
    "identical": ("identical", "identical"),
    "rounding": ("agrees within rounding", "agree within rounding"),
    "convention": ("agrees up to a named convention", "agree up to a named convention"),
}
URGENT = ("different", "error", "inconclusive")
_SIDES = ("subject", "reference")
SHOWN = 12  # rows of final values, at most
ABSENT = "–"
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


# -- values: null, "inf" and hostile text --------------------------------------


def one_line(text: object) -> str:
    """Text on one line, with what could steer a terminal or break XML made visible as �."""
    return " ".join(UNPRINTABLE.sub("\ufffd", str(text).replace("\r", "\n")).split())


def as_number(value: object) -> float | None:
    """A float from a number or from "inf", "-inf", "nan"; None from anything else."""
    if isinstance(value, bool) or not (
        isinstance(value, (int, float)) or value in ("inf", "-inf", "nan")
    ):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if int(value) > 0 else -math.inf


def as_dict(value: object) -> dict[str, Any]:
    """The value, or nothing where it is of another kind."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value, or nothing where it is of another kind."""
    return value if isinstance(value, list) else []


def numbers(value: object) -> list[float | None]:
    """The numbers of a list, None for what is none; nothing where it is no list."""
    return [as_number(v) for v in as_list(value)]


def finite(value: Any) -> Any:
    """The same JSON with floats that are not finite as strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value


def spaced(count: float) -> str:
    """A whole number in groups of three digits: 10 000 000."""
    return f"{count:,.0f}".replace(",", " ")


def gap_text(value: object, digits: int = 1) -> str:
    """A gap, as 1.9e-6."""
    x = as_number(value)
    if x is None:
        return ABSENT
    return "0" if x == 0 else _scientific(x, digits)


def _scientific(x: float, digits: int) -> str:
    """1.9e-6, without the zeros at the end of 7.0e-6."""
    return re.sub(r"\.?0*e", "e", plot.compact(f"{x:.{digits}e}"))


def _ulps(value: object) -> str:
    """A gap in ulps, as 0.5, 16 or 1.2e6."""
    x = as_number(value)
    return ABSENT if x is None else f"{x:.3g}" if abs(x) < 1000 else plot.compact(f"{x:.1e}")


def _value(value: object) -> str:
    """A value with 7 digits; text and flags as they are."""
    x = as_number(value)
    if x is not None and not isinstance(value, int):
        return _scientific(x, 6) if 0 < abs(x) < 1e-3 else plot.compact(f"{x:.7g}")
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return ABSENT if value is None else one_line(text)


def _flat(value: object, name: str = "") -> Iterator[tuple[str, float | None]]:
    """The numbers in nested lists by name: {"w": [[1], [2]]} gives w[0] and w[1]."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, one_line(key))
    elif isinstance(value, list):
        flat = [v for inner in value for _, v in _flat(inner)]
        yield from ((f"{name}[{i}]", v) for i, v in enumerate(flat))
    else:
        yield name, as_number(value)


# -- the view: what the templates show -----------------------------------------


def by_urgency(report: Report) -> list[dict[str, Any]]:
    """The cases, those that need a reader first."""
    rank = {verdict: i for i, verdict in enumerate(URGENT)}
    return sorted(report["cases"], key=lambda case: rank.get(case["verdict"], len(URGENT)))


def _sentence(report: Report) -> str:
    """One sentence with counts, what is wrong first."""
    counts = Counter(case["verdict"] for case in report["cases"])
    total = sum(counts.values())
    said = [f"{counts[v]} {PHRASES[v][counts[v] > 1]}" for v in PHRASES if counts[v]]
    return f"{total} case{'s' * (total != 1)}: {', '.join(said) or 'nothing was compared'}."


def stage_texts(stage_entry: object, why: object = None) -> dict[str, str]:
    """One stage as texts; a stage that was not judged says why."""
    stage = as_dict(stage_entry)
    first = stage.get("first_divergence")
    message = as_dict(first).get("message") or (json.dumps(first, default=str) if first else "")
    return {
        "level": one_line(stage.get("level") or ""),
        "gap": _of(stage.get("max_gap"), stage.get("allowed"), gap_text),
        "short_gap": gap_text(stage.get("max_gap"), digits=0),
        "short": _of(stage.get("max_gap"), stage.get("allowed"), lambda v: gap_text(v, digits=0)),
        "ulps": _of(stage.get("max_gap_ulps"), stage.get("allowed_ulps"), _ulps),
        "message": one_line(message),
        "why": "" if stage else one_line(why or "not judged"),
    }


def _of(gap: object, allowed: object, text: Callable[[object], str]) -> str:
    """A gap beside what was allowed: 1.9e-6 of 7e-6."""
    if gap is None or allowed is None:
        return text(gap)
    return f"{text(gap)} of {text(allowed)}"


def stages_of(cases: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """The stages of a training, and those that only some of the cases have behind them."""
    others = {name: None for case in cases for name in as_dict(case.get("stages"))}
    return (*STAGES, *(one_line(name) for name in others if name not in STAGES))


def _stage_rows(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The stages: the worse of both runs, then each run."""
    runs, rows = as_dict(case.get("runs")), []
    for name in stages_of([case]):
        row: dict[str, Any] = {"name": name, "runs": []}
        for run_name in ("forced", "free"):
            run = as_dict(runs.get(run_name))
            row["runs"].append(stage_texts(run.get(name), _why(case, run, run_name, name)))
        row["all"] = stage_texts(
            case["stages"].get(name), next((r["why"] for r in row["runs"] if r["why"]), None)
        )
        rows.append(row)
    return rows


def _why(case: dict[str, Any], run: dict[str, Any], run_name: str, stage: str) -> object:
    """Why a stage was not judged: said by the run, or by the case, for one run or for both."""
    of_case = as_dict(case.get("not_judged"))
    places = (as_dict(run.get("not_judged")), as_dict(of_case.get(run_name)), of_case)
    return next((place[stage] for place in places if isinstance(place.get(stage), str)), None)


def _final(case: dict[str, Any]) -> dict[str, Any]:
    """Final values by side, and how far the first side is from each other one."""
    sides = {
        one_line(k).replace("_", " "): dict(_flat(v))
        for k, v in as_dict(case.get("final")).items()
        if v
    }
    names = list(dict.fromkeys(name for values in sides.values() for name in values))
    columns = list(sides.values())
    rows = []
    for name in names[:SHOWN]:
        values = [column.get(name) for column in columns]
        gaps = [None if values[0] is None or v is None else values[0] - v for v in values[1:]]
        rows.append((name, [_value(v) for v in values], [gap_text(g) for g in gaps]))
    heads = list(sides)
    differences = [f"{heads[0]} − {head}" for head in heads[1:]]
    return {
        "heads": heads,
        "differences": differences,
        "rows": rows,
        "more": max(0, len(names) - SHOWN),
    }


def _epochs(case: dict[str, Any]) -> dict[str, Any]:
    """By epoch the loss, and what the pair shows beside it, of both sides."""
    shown = {"loss": as_dict(case.get("epoch_loss"))}
    metrics = as_dict(case.get("epoch_metrics"))
    shown |= {one_line(name): as_dict(values) for name, values in metrics.items()}
    columns = [as_list(sides.get(side)) for sides in shown.values() for side in _SIDES]
    length = max(map(len, columns))
    padded = [[*column, *[None] * (length - len(column))] for column in columns]
    return {
        "names": list(shown),
        "rows": [[_value(value) for value in row] for row in zip(*padded, strict=True)],
    }


def _settings(case: dict[str, Any]) -> list[tuple[str, str]]:
    settings = as_dict(case.get("settings")).items()
    return [
        (one_line(k).replace("_", " "), v if len(v) <= 60 else v[:59] + "…")
        for k, v in texts_of(settings)
    ]


def texts_of(items: Any) -> Iterator[tuple[str, str]]:
    """Pairs of a name and a value as texts."""
    return ((one_line(key), _value(value)) for key, value in items)


def _case(case: dict[str, Any], index: int) -> dict[str, Any]:
    """One case as texts."""
    rows = _stage_rows(case)
    optional = ("purpose", "reason", "convention", "order", "subject", "reference")
    said = {key: one_line(case.get(key) or "") for key in optional}
    messages = list(dict.fromkeys(row["all"]["message"] for row in rows if row["all"]["message"]))
    return said | {
        "id": f"case-{index}",
        "name": one_line(case["name"]),
        "device": one_line(case["device"]),
        "dtype": one_line(case["dtype"]),
        "where": f"{one_line(case['device'])} {one_line(case['dtype'])}",
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
        "notes": [one_line(note) for note in as_list(case.get("notes"))],
        "seconds": _value(case.get("seconds")),
    }


def _published(report: Report) -> dict[str, Any]:
    """The figures that others printed, beside the spread measured here."""
    published = as_dict(report.get("published"))
    rows = []
    for row in map(as_dict, as_list(published.get("rows"))):
        texts = {key: _value(row.get(key)) for key in ("source", "quantity", "printed", "bound")}
        texts["median"] = gap_text(row.get("median"), 2)
        spread = f"{gap_text(row.get('low'), 2)} to {gap_text(row.get('high'), 2)}"
        rows.append(texts | {"spread": spread, "ok": row.get("ok")})
    return {"rows": rows, "seeds": _value(published.get("seeds"))}


def view_of(report: Report) -> dict[str, Any]:
    """Everything that the templates show, as texts."""
    pairs = {(case["device"], case["dtype"]) for case in report["cases"]}
    return {
        "name": one_line(report["name"]),
        "verdict": report["verdict"],
        "sentence": _sentence(report),
        "cases": [_case(case, i) for i, case in enumerate(by_urgency(report), 1)],
        "several": len(pairs) > 1,
        "stages": stages_of(report["cases"]),
        "published": _published(report),
        "environment": list(texts_of(report["environment"].items())),
        "absent": ABSENT,
    }


# -- plots ---------------------------------------------------------------------


def _plots(case: dict[str, Any]) -> list[Plot]:
    """The plots of a case that have something to show."""
    curve = as_dict(case.get("curve"))
    sides = (
        one_line(case.get("subject") or "subject"),
        one_line(case.get("reference") or "reference"),
    )
    plots = [_loss_plot(curve, sides), *_parameter_plots(case, curve, sides), *_gap_plots(curve)]
    return [p for p in [*plots, *_drift_plots(case)] if not p.empty]


def _loss_plot(curve: dict[str, Any], sides: tuple[str, str]) -> Plot:
    ys = numbers(curve.get("subject_loss")), numbers(curve.get("reference_loss"))
    drawn = [v for y in ys for v in y if v is not None and math.isfinite(v)]
    log = bool(drawn) and min(drawn) > 0 and max(drawn) / min(drawn) > 30
    scale = "log axis" if log else "linear axis"
    return Plot(
        title="Loss by step",
        desc=f"The loss of {sides[0]} (thin, dashed) over {sides[1]} (thick, pale); {scale}.",
        x=numbers(curve.get("step")),
        series=(Series(sides[1], ys[1], "thick"), Series(sides[0], ys[0], "thin", hue=1)),
        key=(("thick h0", sides[1]), ("thin h1", sides[0])),
        log=log,
        y_label=f"loss, {scale}",
    )


def _parameter_plots(
    case: dict[str, Any], curve: dict[str, Any], sides: tuple[str, str]
) -> list[Plot]:
    """The path of each parameter on both sides, with the truth where it is known."""
    parameters = as_dict(curve.get("parameters"))
    names = [one_line(name) for name in as_list(parameters.get("names"))][: plot.HUES]
    if not names:
        return []
    steps = numbers(curve.get("step"))
    truth = dict(_flat(as_dict(case.get("final")).get("truth") or {}))
    series = []
    for i, name in enumerate(names):
        ours, theirs = (numbers(_get(parameters.get(side), i)) for side in ("subject", "reference"))
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
    items = as_list(values)
    return items[i] if i < len(items) else None


def _gap_plots(curve: dict[str, Any]) -> list[Plot]:
    """The gap of each stage by step, with the allowed band."""
    gaps, allowed = as_dict(curve.get("gap_ulps")), as_dict(curve.get("allowed_ulps"))
    steps = numbers(curve.get("step"))
    plots = []
    for stage in [*STAGES, *(key for key in gaps if key not in STAGES)]:
        y, band = numbers(gaps.get(stage)), numbers(allowed.get(stage))
        if any(y):
            title = f"Gap of the {one_line(stage)} by step"
            desc = f"{title}, in ulps on a log axis; the shaded band is what was allowed."
            plots.append(_ulps_plot(title, desc, steps, y, band))
    return plots


def _drift_plots(case: dict[str, Any]) -> list[Plot]:
    drift = as_dict(case.get("drift"))
    y = numbers(drift.get("gap_ulps"))
    if not any(y):
        return []
    explained = drift.get("explained")
    end = "not judged" if explained is None else "explained by rounding"
    end = "not " + end if explained is False else end
    desc = f"The gap of the parameters of both free runs in ulps, log axis; the drift is {end}."
    return [_ulps_plot(f"Drift of the free runs ({end})", desc, numbers(drift.get("step")), y, [])]


def _ulps_plot(title: str, desc: str, x: plot.Values, y: plot.Values, allowed: plot.Values) -> Plot:
    key = (("solid h0", "gap"), *([("band", "allowed")] if any(allowed) else []))
    return Plot(
        title, desc, x, (Series("gap", y),), allowed, key, log=True, y_label="ulps, log axis"
    )


def figures_of(case: dict[str, Any], ident: str) -> list[dict[str, Any]]:
    """The plots of a case as SVG, each with its table."""
    return [figure_of(p, f"{ident}-{i}") for i, p in enumerate(_plots(case))]


def figure_of(p: Plot, ident: str) -> dict[str, Any]:
    """A plot as SVG, with its table."""
    heads, rows = plot.table(p)
    texts = [
        [f"{row[0]:g}" if row[0] is not None else ABSENT, *map(_digits, row[1:])] for row in rows
    ]
    svg = plot.svg(p, ident)
    return {"title": p.title, "svg": svg, "heads": heads, "rows": texts, "of": len(p.x)}


def _digits(value: float | None) -> str:
    return ABSENT if value is None else plot.compact(f"{value:.4g}")
