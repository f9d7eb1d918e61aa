"""Checked answers as pages, Markdown and HTML: of a class, and of each answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from harness.grading.classroom import Record
from harness.grading.marks import (
    GLYPHS,
    Cluster,
    Roll,
    clusters,
    marks_of,
    parts,
    said,
    tally,
    total,
)
from harness.grading.result import Judged
from harness.grading.terminal import (
    DETAILED,
    error_lines_of,
    glyph,
    headline,
    helps_of,
    in_short,
    sentence,
    warning_texts,
)
from harness.report.files import templates
from harness.report.view import one_line


def to_markdown(roll: Roll) -> str:
    """The class, or the answers, as GitHub-flavoured Markdown."""
    return templates(html=False).get_template("check.md.j2").render(_view(roll))


def to_html(roll: Roll, environment: Mapping[str, object] | None = None) -> str:
    """One page that needs no network and no script: of the class, or of the only answer."""
    if len(roll.records) == 1:
        return answer_html(roll, roll.records[0], environment, alone=True)
    view = _view(roll) | {"environment": _environment(roll, environment)}
    return templates(html=True).get_template("check.html.j2").render(view)


def answer_html(
    roll: Roll,
    record: Record,
    environment: Mapping[str, object] | None = None,
    *,
    alone: bool = False,
) -> str:
    """The page of one answer: every part, its code, what it printed."""
    view = {
        "answer": _answer(record, roll),
        "code": _code(record),
        "output": _output(record),
        "alone": alone,
        "environment": _environment(roll, environment),
    }
    return templates(html=True).get_template("check_answer.html.j2").render(view)


def _environment(roll: Roll, environment: Mapping[str, object] | None) -> list[tuple[str, str]]:
    held, lacking = (" ".join(map(one_line, sentences)) for sentences in roll.isolation)
    rows = [("seed", str(roll.seed)), ("isolation in force", held), ("not in force", lacking)]
    rows += [
        (one_line(key), one_line(value)) for key, value in (environment or {}).items() if value
    ]
    return [(key, text) for key, text in rows if text]


def _view(roll: Roll) -> dict[str, Any]:
    heads, rows = tally(roll.records)
    count = len(roll.records)
    return {
        "sentence": sentence(roll.check),
        "status": roll.check.exit_status,
        "seed": roll.seed,
        "heads": [(head, glyph(head)) for head in heads],
        "heads_of_parts": [(part, re.findall(r"[A-Z]?[^A-Z_-]+[_-]?|.", part)) for part in rows],
        "parts": [(part, list(zip(heads, counts, strict=True))) for part, counts in rows.items()],
        "clusters": [_cluster(cluster, count) for cluster in clusters(roll.records)],
        "answers": [_answer(record, roll) for record in roll.records],
        "total": count,
        "detailed": count <= DETAILED,
    }


def _cluster(cluster: Cluster, count: int) -> dict[str, Any]:
    members = [(said(r.student), address(r)) for r in cluster.members]
    return {"title": cluster.title(count), "what": cluster.what, "members": members}


def _answer(record: Record, roll: Roll) -> dict[str, Any]:
    checked = record.checked
    score, most = total(marks_of(roll, record))
    statuses = parts(record)
    return {
        "path": said(checked.path),
        "student": said(record.student),
        "headline": headline(record),
        "address": address(record),
        "verdict": checked.verdict,
        "glyph": glyph(checked.verdict),
        "score": f"{score:g} of {most:g}",
        "parts": {part: (status, GLYPHS[status]) for part, status in statuses.items()},
        "short": in_short(record),
        "error": [line.text for line in error_lines_of(record)],
        "error_line": (checked.error or {}).get("line"),
        "components": [_component(record, c, roll.hints) for c in checked.components],
        "warnings": warning_texts(record),
        "notes": [said(note) for note in checked.notes],
        "seconds": f"{checked.seconds:.2f}",
        "seed": record.seed,
    }


def _component(record: Record, component: Judged, hints: int) -> dict[str, Any]:
    wrong = component.status in {"fail", "error"}
    shown = not wrong or hints > 0
    return {
        "name": component.name,
        "status": component.status,
        "glyph": glyph(component.status),
        "line": component.line if shown else None,
        "where": record.where(component.line) if component.line and shown else "",
        "wrong": wrong,
        "message": said(component.message) if shown else "",
        "told": helps_of(component, hints) if wrong and shown else [],
    }


def _code(record: Record) -> list[dict[str, Any]]:
    """The answer's lines; the first of a notebook's cell is headed by its number."""
    wrong = {c.line: c.status for c in record.checked.components if c.status in {"fail", "error"}}
    if record.checked.error:
        wrong[record.checked.error["line"]] = "error"
    begun = {first: f"cell {number}" for number, first in record.cells}
    return [
        {"number": n, "text": _printable(line), "mark": wrong.get(n, ""), "head": begun.get(n, "")}
        for n, line in enumerate(record.code, 1)
    ]


def _output(record: Record) -> str:
    return "\n".join(map(_printable, record.checked.output.splitlines())).strip("\n")


def _printable(line: str) -> str:
    """A line with its blanks at the front, otherwise as `one_line` makes it."""
    text = line.expandtabs(4)
    blanks = len(text) - len(text.lstrip(" "))
    return " " * blanks + one_line(text) if text.strip() else ""


def address(record: Record) -> str:
    """The folder of an answer's own page: words of its name, and what tells it from all others."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", record.student).strip("-")[:40] or "answer"
    return f"{words}-{hashlib.sha256(record.checked.path.encode(errors='replace')).hexdigest()[:8]}"
