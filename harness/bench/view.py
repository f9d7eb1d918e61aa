"""What a report of a benchmark shows, as texts: rows, sentences, warnings, sweeps.

Reads `svb.bench/1` alone, as a plain dict in which texts may be hostile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from harness.bench.paired import Duel
from harness.report.view import (
    ABSENT,
    Report,
    as_dict,
    as_list,
    as_number,
    one_line,
    spaced,
)
from harness.report.view import texts_of as texts

MARKS = {"faster": "◀", "slower": "▶", "tie": "=", "unclear": "?"}
PLURAL = {"faster": "faster", "slower": "slower", "tie": "ties", "unclear": "unclear"}
UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
NAMED = 6  # rows that a warning names


def duel_of(row: dict[str, Any]) -> Duel:
    """The duel of a row, worked out anew from its pairs."""
    return Duel.from_dict(row["duel"])


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
    numbers = [ABSENT if v is None else f"{v / scale:.3g}" for v in values]
    return f"{' | '.join(numbers)} {unit}"


def _three(value: float) -> str:
    """Three digits, without an exponent: 0.430, 12.8, 150."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


def in_words(match: Duel) -> str:
    """The verdict in words: 2.3 × faster, tie, unclear."""
    word = match.verdict
    if word in ("faster", "slower"):
        factor = match.ratio if word == "slower" else 1 / match.ratio
        return f"{_three(factor)} × {word}"
    return word


def said(match: Duel) -> str:
    """The verdict in words behind its mark: ◀ 2.3 × faster."""
    return f"{MARKS[match.verdict]} {in_words(match)}"


def interval(match: Duel) -> str:
    """The ratio with its interval: 0.434 [0.423, 0.458]."""
    at, low, high = _ends(match)
    return f"{at} [{low}, {high}]"


def _ends(match: Duel) -> list[str]:
    """The ratio and both ends of its interval."""
    digits = 4 if match.high < 0.1 else 3
    values = (match.ratio, match.low, match.high)
    return [f"{v:.{digits}f}" if v < 10 else _three(v) for v in values]


def _row(row: dict[str, Any], index: int) -> dict[str, Any]:
    """One row as texts."""
    match = duel_of(row) if row.get("duel") else None
    device = as_list(row.get("device_seconds"))
    labels = {
        key: one_line(row.get(key) or "")
        for key in ("group", "name", "first", "second", "piece_of")
    }
    return {
        **labels,
        "id": f"row-{index}",
        "ident": one_line(row["id"]),
        "setting": one_line(row["setting"]),
        "agreement": one_line(row["agreement"]),
        "different": row["agreement"] == "different",
        "why": one_line(row.get("why") or ""),
        "note": one_line(row.get("note") or ""),
        "seconds": [duration(s) for s in match.seconds] if match else [ABSENT, ABSENT],
        "device": [duration(as_number(s)) for s in device],
        "interval": interval(match) if match else ABSENT,
        "ratio": _ends(match)[0] if match else ABSENT,
        "verdict": match.verdict if match else "",
        "said": said(match) if match else "not timed",
        "words": in_words(match) if match else "not timed",
        "memory": sizes(row["memory"]),
        "pairs": str(len(match.pairs)) if match else ABSENT,
        "detail": _detail(match) if match else "",
        "disagrees": bool(match and match.disagrees),
        "found": match,
    }


def _detail(match: Duel) -> str:
    """How the row was measured, in a sentence."""
    calls = " and ".join(map(str, match.calls))
    blocks = f"blocks of {match.block}" if match.block > 1 else "no blocks"
    said_load = [f"{load:g}" for load in match.load if load is not None]
    load = f"; load {' before, '.join(said_load)} after" if len(said_load) == 2 else ""
    apart = "; it disagrees with the ratio above" if match.disagrees else ""
    return (
        f"{len(match.pairs)} pairs ({match.order}), {blocks}, {calls} calls a sample; the interval "
        f"covers {match.coverage:.1%}; median of the plain ratios {match.median_of_ratios:.3f}"
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
    if rows[0]["piece_of"]:
        return f"{second} with one piece of {rows[0]['piece_of']}"
    return titles.get(group, group)


def sentence(report: Report) -> str:
    """One sentence with the counts and the noise floor."""
    rows = list(map(as_dict, report["rows"]))
    points = [as_dict(point) for sweep in report["sweeps"] for point in sweep["points"]]
    parts = [_counted(rows, "row")] if rows else []
    parts += [_counted(points, "size")] if points else []
    control = as_dict(report.get("control"))
    if control:
        floor = Duel.from_dict(control)
        parts.append(
            f"noise floor: a side against itself gives {interval(floor)}, and within "
            f"±{as_number(report.get('margin')) or floor.margin:.0%} is a tie"
        )
    return "; ".join(parts) + "."


def _counted(rows: Sequence[dict[str, Any]], noun: str) -> str:
    """27 rows: 14 faster, 2 slower, 10 ties, 1 not timed; what differs comes first."""
    counts = Counter[str](duel_of(row).verdict for row in rows if row.get("duel"))
    differing = sum(row["agreement"] == "different" for row in rows)
    untimed = len(rows) - sum(counts.values()) - differing
    parts = [f"{differing} not timed because the sides differ"] if differing else []
    parts += [counted_word(counts[v], v) for v in MARKS if counts[v]]
    parts += [f"{untimed} not timed"] if untimed else []
    return f"{len(rows)} {noun}{'s' * (len(rows) != 1)}: {', '.join(parts)}"


def counted_word(count: int, word: str) -> str:
    """Such as "2 ties"."""
    return f"{count} {PLURAL[word] if count > 1 else word}"


def headline(rows: Sequence[dict[str, Any]]) -> str:
    """The whole epochs, in words."""
    parts = [f"{row['words']} ({row['setting']})" for row in rows if row["group"] == "epoch"]
    named = next((row for row in rows if row["group"] == "epoch"), None)
    if named is None or not parts:
        return ""
    return f"{named['first']} over {named['second']}, whole epoch: {', '.join(parts)}."


def warnings(report: Report) -> list[str]:
    """What a reader should know before believing the figures."""
    lines = []
    control = as_dict(report.get("control"))
    if control and Duel.from_dict(control).verdict != "tie":
        lines.append(
            "The control is no tie: this machine was too noisy for the usual margin; "
            f"±{report['margin']:.0%} was taken."
        )
    before, cores = as_list(control.get("load"))[:1], report["environment"].get("cores")
    if before and before[0] and cores and before[0] >= cores:
        lines.append(
            f"The machine was busy: load {before[0]:g} on {cores} cores before the first row. The "
            "slower side of a pair is then held up more often than the faster one, which no "
            "control shows."
        )
    apart = [row["id"] for row in report["rows"] if row.get("duel") and duel_of(row).disagrees]
    if apart:
        more = f" and {len(apart) - NAMED} more" if len(apart) > NAMED else ""
        named = ", ".join(map(one_line, apart[:NAMED]))
        lines.append(f"Blocks and plain ratios disagree, so doubt these: {named}{more}.")
    return lines


def experiment_lines(report: Report) -> list[str]:
    """The A/A experiments, a line each."""
    lines = []
    for each in map(as_dict, report["experiments"]):
        count, busy = each["experiments"], each["busy"]
        beside = f"with {busy} busy loops beside" if busy else "with nothing beside"
        lines.append(
            f"A/A {beside}: {count} duels of a side against itself: {each['false']} false "
            f"(faster or slower), {each['tie']} ties ({each['tie'] / count:.0%}), "
            f"{each['unclear']} unclear; SD of the log ratio {each['sd_log_ratio']:.4f}."
        )
    return lines


def streamed_line(report: Report) -> str:
    """The rows streamed from a file, in a line."""
    streamed = as_dict(report.get("streamed"))
    if not streamed:
        return ""
    base = (
        f"{spaced(streamed['rows'])} rows of {streamed['d']} features streamed from a file of "
        f"{sizes([streamed['file']])} within {sizes([streamed['memory']])} of memory"
    )
    if not streamed.get("duel"):
        return f"{base}: {one_line(streamed.get('why') or streamed['agreement'])}."
    match = duel_of(streamed)
    ends = " against ".join(duration(s) for s in match.seconds)
    return f"{base}: {ends} ({in_words(match)}; {streamed['agreement']}, {len(match.pairs)} pairs)."


def view_of(report: Report) -> dict[str, Any]:
    """Everything that the templates show, as texts."""
    rows = [_row(row, i) for i, row in enumerate(report["rows"], 1)]
    purposes = {one_line(s["name"]): one_line(s["purpose"]) for s in report["settings"]}
    return {
        "name": one_line(report["name"]),
        "verdict": {"agree": "identical", "different": "different"}.get(
            report["verdict"], "inconclusive"
        ),
        "agreed": {
            "agree": "every side that was timed agrees",
            "different": "a side differs",
        }.get(report["verdict"], "not everything could be timed"),
        "sentence": sentence(report),
        "headline": headline(rows),
        "warnings": warnings(report),
        "sections": [
            {
                "name": name,
                "purpose": purposes.get(name, ""),
                "groups": list(_groups([row for row in rows if row["setting"] == name])),
            }
            for name in dict.fromkeys(row["setting"] for row in rows)
        ],
        "anatomy": [_anatomy(report["anatomy"], name) for name in _names(report["anatomy"])],
        "sweeps": [_sweep(sweep) for sweep in report["sweeps"]],
        "streamed": streamed_line(report),
        "experiments": experiment_lines(report),
        "environment": list(texts(_made_with(report).items())),
        "absent": ABSENT,
    }


def _made_with(report: Report) -> dict[str, Any]:
    extra = {key: report.get(key) for key in ("device", "threads", "seed", "seconds")}
    load = as_dict(report.get("control")).get("load")
    return {**report["environment"], **extra, "load at the control": load}


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
        match = duel_of(point) if point.get("duel") else None
        rows.append(
            {
                "x": spaced(point["x"]),
                "seconds": [duration(s) for s in match.seconds] if match else [ABSENT] * 2,
                "interval": interval(match) if match else ABSENT,
                "said": said(match) if match else one_line(point.get("why") or "not timed"),
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
