"""Checked answers as text, JSON, CSV, Markdown, JUnit XML, Gradescope's results.json, HTML, marks.

Shows records as they are kept: nothing is judged, run or read here. Whatever stems from an answer
(its name too) is put on one line, stripped of what could steer a terminal, and escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harness.grading.exports import (
    gradescope_of,
    to_csv,
    to_grades,
    to_gradescope,
    to_json,
    to_junit,
)
from harness.grading.marks import Roll
from harness.grading.pages import address, answer_html, to_html, to_markdown
from harness.grading.terminal import lines, plain
from harness.report.files import write_all

RENDERERS: dict[str, Callable[[Roll], str]] = {
    "text": lambda roll: plain(lines(roll)),
    "json": to_json,
    "csv": to_csv,
    "junit": to_junit,
    "gradescope": to_gradescope,
    "markdown": to_markdown,
}


def write(roll: Roll, out: Path, environment: Mapping[str, object]) -> Path:
    """Writes every file of the report into the folder `out`; returns the page to begin with."""
    write_all(
        {
            "check.json": to_json(roll),
            "check.csv": to_csv(roll),
            "check.md": to_markdown(roll),
            "junit.xml": to_junit(roll),
            "results.json": to_gradescope(roll),
            "grades.csv": to_grades(roll),
            "check.html": to_html(roll, environment),
        },
        out,
    )
    for record in roll.records if len(roll.records) > 1 else ():
        texts = {
            "index.html": answer_html(roll, record, environment),
            "results.json": gradescope_of(roll, record),
        }
        write_all(texts, out / "answers" / address(record))
    return out / "check.html"
