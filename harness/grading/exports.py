"""Checked answers for programs: JSON, CSV, marks, JUnit XML, Gradescope's results.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from harness.engine.components.contract import part_of
from harness.grading.classroom import Record
from harness.grading.marks import Mark, Roll, causes_of, is_there, marks_of, said, total
from harness.grading.result import Judged
from harness.grading.terminal import (
    Line,
    answer_lines,
    component_lines,
    error_lines,
    error_lines_of,
    headline,
    plain,
    sentence,
)
from harness.report.files import csv_text
from harness.report.view import finite


def to_json(roll: Roll) -> str:
    """The object `svb.check/1`; beside its lines, where they are in a notebook."""
    report = roll.check.to_dict(roll.hints)
    for answer, record in zip(report["answers"], roll.records, strict=True):
        answer["student"] = record.student
        for component in answer["components"]:
            line = component["line"]
            component["where"] = None if line is None else record.where(line)
    report["isolation"] = dict(zip(("in_force", "not_in_force"), roll.isolation, strict=True))
    return json.dumps(finite(report), indent=1, allow_nan=False) + "\n"


COLUMNS = (
    *("path", "student", "verdict", "component", "status", "level", "stage", "epoch", "step"),
    *("gap", "allowed", "cause", "evidence", "line", "message", "hint", "seconds"),
)


def to_csv(roll: Roll) -> str:
    """A row for each component of each answer; for a file that could not be run one row."""
    rows = (row for record in roll.records for row in _rows(record, roll.hints))
    return csv_text(COLUMNS, rows)


def _rows(record: Record, hints: int) -> Iterator[dict[str, object]]:
    checked = record.checked
    head = {
        "path": checked.path,
        "student": record.student,
        "verdict": checked.verdict,
        "seconds": round(checked.seconds, 3),
    }
    if checked.error:
        error = {"status": "error", "cause": checked.error["type"]}
        error |= {name: checked.error[name] for name in ("message", "line")}
        yield head | {"component": "file"} | error
    for component in checked.components:
        first, cause = component.first_divergence or {}, component.cause or {}
        values = component.to_dict(hints)
        names = ("status", "level", "line", "message", "hint")
        places = {name: first.get(name) for name in ("stage", "epoch", "step", "gap", "allowed")}
        causes = {"cause": causes_of(component) or None, "evidence": cause.get("evidence")}
        yield head | {"component": component.name} | {n: values[n] for n in names} | places | causes


def to_grades(roll: Roll) -> str:
    """A row for each student, as nbgrader writes grades.csv; of several answers the best."""
    rows = []
    for record in best_by_student(roll, roll.records):
        score, most = total(marks_of(roll, record))
        rows.append((record.student, score, score, most))
    columns = ("student_id", "raw_score", "score", "max_score")
    return csv_text(columns, (dict(zip(columns, row, strict=True)) for row in rows))


def best_by_student(roll: Roll, records: Sequence[Record]) -> list[Record]:
    """Of each student the answer with the most points: those of several are never added up."""
    best: dict[str, tuple[float, Record]] = {}
    for record in records:
        score = total(marks_of(roll, record))[0]
        if record.student not in best or score > best[record.student][0]:
            best[record.student] = score, record
    return [record for _, record in best.values()]


def to_junit(roll: Roll) -> str:
    """A test suite for each answer, a test case for each component."""
    root = ET.Element("testsuites", name="svb check")
    for record in roll.records:
        cases = [_junit_error(record)] if record.checked.error else []
        cases += [_junit_case(record, c, roll.hints) for c in record.checked.components]
        counts = Counter(child.tag for case in cases for child in case)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=said(record.checked.path),
            tests=str(len(cases)),
            failures=str(counts["failure"]),
            errors=str(counts["error"]),
            skipped=str(counts["skipped"]),
            time=f"{record.checked.seconds:.3f}",
        )
        suite.extend(cases)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _junit_error(record: Record) -> ET.Element:
    case = ET.Element("testcase", classname=said(record.checked.path), name="file")
    texts = [line.text for line in error_lines(record)]
    ET.SubElement(case, "error", message=texts[0]).text = "\n".join(texts)
    return case


_JUNIT = {"fail": "failure", "error": "error", "inconclusive": "error"}


def _junit_case(record: Record, component: Judged, hints: int) -> ET.Element:
    case = ET.Element("testcase", classname=said(record.checked.path), name=component.name)
    tag = _JUNIT.get(component.status, "skipped")
    if component.status != "pass":
        message = said(component.message) if hints else component.status
        child = ET.SubElement(case, tag, message=message)
        lines = component_lines(record, component, hints, 0)
        child.text = "\n".join(line.text for line in lines)
    return case


def to_gradescope(roll: Roll) -> str:
    """Gradescope's results.json: of one answer a test for each part, of several one for each."""
    if len(roll.records) == 1:
        return gradescope_of(roll, roll.records[0])
    tests = [_answer_test(record, roll, i) for i, record in enumerate(roll.records, 1)]
    return _results(tests, roll.records, sentence(roll.check), roll)


def gradescope_of(roll: Roll, record: Record) -> str:
    """Gradescope's results.json of one answer among others: a test for each part."""
    tests = [_part_test(record, m, roll.hints, i) for i, m in enumerate(marks_of(roll, record), 1)]
    output = plain([Line(0, headline(record)), *error_lines_of(record)])
    return _results(tests, [record], output, roll)


def _results(
    tests: list[dict[str, object]], records: Sequence[Record], output: str, roll: Roll
) -> str:
    students = best_by_student(roll, records)
    results = {
        "score": sum(total(marks_of(roll, record))[0] for record in students),
        "execution_time": round(sum(record.checked.seconds for record in records), 3),
        "output": output,
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {"schema": "svb.check/1", "seed": roll.seed},
        "tests": tests,
    }
    return json.dumps(results, indent=1, allow_nan=False) + "\n"


def _test(number: int, name: str, score: float, most: float, output: str) -> dict[str, object]:
    return {
        "number": str(number),
        "name": name,
        "score": score,
        "max_score": most,
        "status": "passed" if score == most else "failed",
        "output": output,
        "output_format": "text",
        "visibility": "visible",
    }


def _part_test(record: Record, mark: Mark, hints: int, number: int) -> dict[str, object]:
    components = [
        component
        for component in record.checked.components
        if mark.part in {component.name, part_of(component.name)}
    ]
    there = [c for c in components if is_there(c.status)] or components
    lines = [line for c in there for line in component_lines(record, c, hints, 0)]
    causes = [said(cause) for component in there for cause in component.causes]
    output = plain(lines) or plain(error_lines_of(record))
    test = _test(number, mark.part, mark.score, mark.most, output)
    return test | {"status": "passed" if mark.status == "pass" else "failed", "tags": causes}


def _answer_test(record: Record, roll: Roll, number: int) -> dict[str, object]:
    score, most = total(marks_of(roll, record))
    output = plain(answer_lines(record, roll.hints))
    return _test(number, said(record.student), score, most, output)
