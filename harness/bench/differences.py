"""Two benchmarks held against each other: how every ratio moved."""

from __future__ import annotations

from collections import Counter
from typing import Any

from harness.bench.paired import verdict
from harness.bench.view import MARKS, counted_word, duel_of
from harness.report import files
from harness.report.view import (
    Report,
    one_line,
)

COLUMNS = ("id", "old", "new", "change", "low", "high", "verdict")
MADE_ON = ("processor", "cores", "threads", "platform", "python", "torch", "numpy", "cuda")


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
    sentences = []
    for key in MADE_ON:
        then, now = ({**run["environment"], **_own(run)}.get(key) for run in (old, new))
        if then != now:
            sentences.append(
                f"The environments differ: {key} was {one_line(then)} and is {one_line(now)}; "
                "the ratios may have moved for that alone."
            )
    return sentences


def _own(run: Report) -> dict[str, Any]:
    return {key: run[key] for key in ("threads", "device") if key in run}


def differences_markdown(changes: dict[str, Any]) -> str:
    """The table of two runs as Markdown, which reads well in a terminal too."""
    head = ("row", "old ratio", "new ratio", "new over old [low, high]", "verdict")
    lines = [f"| {' | '.join(head)} |", "| --- | ---: | ---: | ---: | --- |"]
    for row in changes["rows"]:
        change = f"{row['change']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        marked = f"{MARKS[row['verdict']]} {row['verdict']}"
        cells = (one_line(row["id"]), f"{row['old']:.3f}", f"{row['new']:.3f}", change, marked)
        lines.append(f"| {' | '.join(cells)} |")
    counts = Counter[str](row["verdict"] for row in changes["rows"])
    parts = [counted_word(counts[v], v) for v in MARKS if counts[v]]
    lines += ["", f"{len(changes['rows'])} rows in both: {', '.join(parts) or 'none'}."]
    for key, where in (("only_old", "the old"), ("only_new", "the new")):
        if changes[key]:
            lines.append(f"Only in {where} run: {', '.join(map(one_line, changes[key]))}.")
    return "\n".join([*lines, *(f"Warning: {each}" for each in changes["warnings"])]) + "\n"


def differences_csv(changes: dict[str, Any]) -> str:
    """The rows of two runs as CSV."""
    return files.csv_text(COLUMNS, changes["rows"])


RENDERERS: files.Renderers = {
    "json": files.to_json,
    "md": differences_markdown,
    "csv": differences_csv,
}
