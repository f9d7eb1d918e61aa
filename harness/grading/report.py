"""Checked answers as text, JSON, CSV, Markdown, JUnit XML, Gradescope's results.json, HTML, marks.

Shows records as they are kept: nothing is judged, run or read here. Whatever stems from an answer
(its name too) is put on one line, stripped of what could steer a terminal, and escaped.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import InputError
from harness.grading.child import ASKED
from harness.grading.classroom import Record
from harness.grading.grade import Check, Judged
from harness.report.files import csv_text, templates, write_all
from harness.report.files import to_json as as_json
from harness.report.view import one_line

GLYPHS = {
    "pass": "✓",
    "fail": "✗",
    "error": "!",
    "inconclusive": "?",
    "missing": "·",
    "skipped": "–",
}
COLOURS = {"pass": "green", "fail": "bold red", "error": "red", "inconclusive": "yellow"}
MODEL = "LinearRegressionScratch"
IN_MODEL = ("linreg", "squared_loss", "init_params")  # what the class has inside
PARTS = ("data_iter", "linreg", "squared_loss", "sgd", "init_params", "train", MODEL)
DETAILED = 3  # so many answers are printed in full, more as a class
FREQUENT = 10  # mistakes of a class that a terminal shows
LISTED = 40  # answers of a class that get a line in a terminal
NAMED = 6  # answers that are named with a mistake
LONGEST = 400  # characters of what an answer says


@dataclass(frozen=True)
class Line:
    """A line for a terminal: how far it is indented, its text, and its style."""

    indent: int
    text: str
    style: str = ""


@dataclass(frozen=True)
class Roll:
    """All that a report of checked answers shows.

    `weights` are the points of each part, None where nobody said; `isolation` are the sentences
    about what held and what did not.
    """

    records: Sequence[Record]
    seed: int
    hints: int = 1
    weights: Mapping[str, float] | None = None
    isolation: tuple[Sequence[str], Sequence[str]] = ((), ())

    @property
    def check(self) -> Check:
        """The answers as `grade` knows them."""
        return Check([record.checked for record in self.records], self.seed)


def said(text: object) -> str:
    """Text of an answer on one line, no longer than a reader wants."""
    line = one_line(text)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


# -- parts, clusters, marks ----------------------------------------------------


def parts(record: Record) -> dict[str, str]:
    """The status of each part of an answer: of its components that stand for it, the worst."""
    found: dict[str, list[str]] = {}
    for component in record.checked.components:
        found.setdefault(ASKED.get(component.name, component.name), []).append(component.status)
    order = ("fail", "error", "inconclusive", "pass", "skipped", "missing")
    return {part: min(statuses, key=order.index) for part, statuses in found.items()}


@dataclass
class Cluster:
    """Answers that make the same mistake: where, which, in words, and who."""

    part: str
    cause: str
    what: str
    members: list[Record] = field(default_factory=list)

    def title(self, total: int) -> str:
        """Such as "14 of 60 diverge at sgd: sgd.ignores-batch-size"."""
        count = len(self.members)
        verb = "diverges" if count == 1 else "diverge"
        if not self.part:
            return f"{count} of {total} could not be judged in full: {self.cause}"
        return f"{count} of {total} {verb} at {self.part}: {self.cause}"


def clusters(records: Iterable[Record]) -> list[Cluster]:
    """The mistakes of a class, the most frequent first."""
    found: dict[tuple[str, str, str], Cluster] = {}
    for record in records:
        for part, cause, what in dict.fromkeys(_mistakes(record)):
            # the same words too: one exception may come of several mistakes
            cluster = found.setdefault((part, cause, what), Cluster(part, cause, what))
            if not any(member is record for member in cluster.members[-1:]):
                cluster.members.append(record)
    return sorted(found.values(), key=lambda cluster: (-len(cluster.members), cluster.part))


def _mistakes(record: Record) -> Iterator[tuple[str, str, str]]:
    """Part, cause and words of each fault of an answer; no part where the file is at fault."""
    for component in record.checked.components:
        if component.status in {"fail", "error"}:
            part = ASKED.get(component.name, component.name)
            yield part, _cause(component), said(component.what)
    if record.checked.error:
        yield "", said(record.checked.error["type"]), said(record.checked.error["message"])


def _cause(component: Judged) -> str:
    """The cause by its id, or else what was seen: the exception, or the stage."""
    if component.cause:
        return _named(component)
    raised = re.search(r"raises \w+", component.message)
    if component.status == "error":
        return raised[0] if raised else said(component.message)
    stage = (component.first_divergence or {}).get("stage")
    return f"first at the {stage}, by no known mistake" if stage else "by no known mistake"


def _named(component: Judged) -> str:
    """The mistake by its id; "a or b" where nothing tells which of them it is."""
    return said(" or ".join(component.causes))


def read_weights(path: Path) -> dict[str, float]:
    """The points of each part from a TOML file with a table `weights`; InputError where it is not.

    [weights]
    squared_loss = 2
    train = 3
    """
    try:
        found = tomllib.loads(path.read_text("utf-8")).get("weights")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {one_line(error)}.") from None
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path} has no table [weights]; write lines such as `sgd = 2` below one.")
    for name, points in found.items():
        if isinstance(points, bool) or not isinstance(points, (int, float)) or not points >= 0:
            raise InputError(f"{path}: {one_line(name)} should be points, a number from 0 on.")
        if name not in PARTS:
            known = ", ".join(PARTS)
            raise InputError(f"{path}: there is no part {one_line(name)}; take some of {known}.")
    return {name: float(points) for name, points in found.items()}


@dataclass(frozen=True)
class Mark:
    """The points of one part of an answer."""

    part: str
    status: str
    score: float
    most: float


def marks(record: Record, weights: Mapping[str, float] | None) -> list[Mark]:
    """Points by part: all of them for one that passes, none for any other.

    Without weights each part counts 1: those of the book's functional or object form, whichever an
    answer has, and what else there is. With them, the class stands for the parts inside it.
    """
    statuses = parts(record)
    if weights is None:
        weights = dict.fromkeys(_expected(statuses), 1.0)
    found = {part: _status(part, statuses) for part in weights}
    return [
        Mark(part, found[part], points if found[part] == "pass" else 0.0, points)
        for part, points in weights.items()
    ]


def _expected(statuses: Mapping[str, str]) -> list[str]:
    """The parts that an answer is marked by where nobody said which."""
    unknown = [part for part in statuses if part not in PARTS]
    if unknown:
        return unknown
    functional = ("data_iter", "linreg", "squared_loss", "sgd", "train")
    form = (MODEL, "sgd") if _there(statuses.get(MODEL)) else functional
    return [part for part in PARTS if part in form or _there(statuses.get(part))]


def _status(part: str, statuses: Mapping[str, str]) -> str:
    part = ASKED.get(part, part)
    status = statuses.get(part, "missing")
    if part in IN_MODEL and not _there(status):
        return statuses.get(MODEL, status)
    return status


def _there(status: str | None) -> bool:
    return status not in {None, "missing", "skipped"}


# -- a terminal ----------------------------------------------------------------


def lines(roll: Roll) -> list[Line]:
    """Everything for a terminal: few answers in full, a class as a summary."""
    if len(roll.records) > DETAILED:
        return [*_class_lines(roll), *_ending(roll)]
    found: list[Line] = []
    for record in roll.records:
        found += [*answer_lines(record, roll.hints), Line(0, "")]
    return [*found, *_ending(roll)]


def _ending(roll: Roll) -> list[Line]:
    seeds = {record.seed for record in roll.records} or {roll.seed}
    if len(seeds) > 1:
        text = f"seeds: {', '.join(map(str, sorted(seeds)))} (results of earlier runs among them)"
    else:
        text = f"seed {min(seeds)}; --seed {min(seeds)} asks the same questions again"
    return [Line(0, text, "dim")]


def answer_lines(record: Record, hints: int) -> list[Line]:
    """One answer in full."""
    checked = record.checked
    found = [Line(0, _headline(record), COLOURS[checked.verdict])]
    if checked.error:
        found += _error_lines(record)
    width = max((len(component.name) for component in checked.components), default=0)
    if any(component.status != "missing" for component in checked.components):
        for component in checked.components:
            found += _component_lines(record, component, hints, width)
    return [*found, *(Line(2, f"note: {said(note)}", "dim") for note in checked.notes)]


def _headline(record: Record) -> str:
    """The verdict, the file, and how many parts are right."""
    statuses = [c.status for c in record.checked.components if _there(c.status)]
    right = f": {statuses.count('pass')} of {len(statuses)} right" if statuses else ""
    return f"{_glyph(record.checked.verdict)}  {said(record.checked.path)}{right}"


def _glyph(status: str) -> str:
    return f"{GLYPHS[status]} {status}"


def _error_lines(record: Record) -> list[Line]:
    error = record.checked.error
    assert error is not None
    kind = f"{said(error['type'])}: " if str(error["type"])[:1].isupper() else ""
    found = [Line(2, f"{kind}{said(error['message'])}", "red")]
    return found + _own_line(record, error["line"], 2)


def _own_line(record: Record, line: int | None, indent: int) -> list[Line]:
    """Where it is in the learner's file, and what stands there."""
    if line is None:
        return []
    text = said(record.line(line))
    return [Line(indent, f"{record.where(line)}: {text}" if text else record.where(line))]


def _component_lines(record: Record, found: Judged, hints: int, width: int) -> list[Line]:
    head = f"{_glyph(found.status):14}{found.name:{width}}"
    colour = COLOURS.get(found.status, "dim")
    if found.status not in {"fail", "error"}:
        return [Line(2, f"{head}  {said(found.message)}", colour)]
    if hints == 0:
        return [Line(2, head.rstrip(), colour)]
    told = [Line(6, said(found.message))]
    told += [Line(6, f"{label}: {text}") for label, text in _told(found, hints)]
    return [Line(2, head.rstrip(), colour), *_own_line(record, found.line, 6), *told]


def _told(found: Judged, hints: int) -> list[tuple[str, str]]:
    """What a component that is wrong is told beside its message, more of it with every level."""
    helps = (("hint", found.hint), ("what it does", found.what), ("fix", found.fix))
    texts = [(label, one_line(text)) for label, text in helps[:hints] if text]
    if not found.cause:
        return texts
    evidence = said(found.cause["evidence"])
    more = "" if evidence in said(found.message) else f", {evidence}"
    return [("cause", f"{_named(found)}{more}"), *texts]


def sentence(check: Check) -> str:
    """How many answers, and what they come to."""
    total = len(check.answers)
    counts = [f"{count} {verdict}" for verdict, count in check.summary.items() if count]
    return f"{total} answer{'s' * (total != 1)}: {', '.join(counts) or 'none was judged'}"


def _class_lines(roll: Roll) -> list[Line]:
    count, found = len(roll.records), clusters(roll.records)
    shown = [Line(0, sentence(roll.check), "bold"), Line(0, "")]
    shown += [Line(0, text) for text in _table(roll.records)]
    for cluster in found[:FREQUENT]:
        shown += [Line(0, ""), Line(0, cluster.title(count), "bold")]
        shown += [Line(2, text) for text in (cluster.what, _members(cluster)) if text]
    rest = len(found) - FREQUENT
    if rest > 0:
        shown += [Line(0, ""), Line(0, f"and {rest} less frequent", "dim")]
    return [*shown, Line(0, ""), *_listed(roll.records), Line(0, "")]


def _table(records: Iterable[Record]) -> list[str]:
    """How many answers come to what, part by part."""
    heads, rows = tally(records)
    width = max(len("part"), *(len(part) for part in rows)) if rows else 4
    texts = [f"{'part':{width}}" + "".join(f"{head:>14}" for head in heads)]
    for part, counts in rows.items():
        texts.append(f"{part:{width}}" + "".join(f"{count or '·':>14}" for count in counts))
    return texts


def tally(records: Iterable[Record]) -> tuple[list[str], dict[str, list[int]]]:
    """Statuses that occur, and for each part how many answers have each of them."""
    found: dict[str, Counter[str]] = {}
    for record in records:
        for part, status in parts(record).items():
            found.setdefault(part, Counter())[status] += 1
    heads = [status for status in GLYPHS if any(counts[status] for counts in found.values())]
    return heads, {part: [counts[head] for head in heads] for part, counts in found.items()}


def _members(cluster: Cluster) -> str:
    names = [said(record.student) for record in cluster.members[:NAMED]]
    rest = len(cluster.members) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")


def _listed(records: Sequence[Record]) -> list[Line]:
    """A line for each answer that does not pass, as far as they can be read."""
    open_ones = [record for record in records if record.checked.verdict != "pass"]
    several = {s for s, count in Counter(r.student for r in records).items() if count > 1}
    found = []
    for record in open_ones[:LISTED]:
        verdict, name = record.checked.verdict, record.student
        shown = said(record.checked.path if name in several else name)
        text = f"{_glyph(verdict):14}{shown}: {_in_short(record)}"
        found.append(Line(0, text, COLOURS[verdict]))
    rest = len(open_ones) - len(found)
    if rest > 0:
        found.append(Line(0, f"and {rest} more; --out DIR writes them all", "dim"))
    return found


def _in_short(record: Record) -> str:
    """Where an answer fails, and by which mistake."""
    found = _mistakes(record)
    return ", ".join(f"{part} ({cause})" if part else cause for part, cause, _ in found)


def plain(found: Iterable[Line]) -> str:
    """Lines as plain text, none of them broken."""
    return "".join(f"{' ' * line.indent}{line.text}".rstrip() + "\n" for line in found)


# -- files ---------------------------------------------------------------------


def to_json(roll: Roll) -> str:
    """The object `svb.check/1`; beside its lines, where they are in a notebook."""
    found = roll.check.to_dict(roll.hints)
    for told, record in zip(found["answers"], roll.records, strict=True):
        told["student"] = record.student
        for component in told["components"]:
            line = component["line"]
            component["where"] = None if line is None else record.where(line)
    found["isolation"] = dict(zip(("in_force", "not_in_force"), roll.isolation, strict=True))
    return as_json(found)


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
        told = component.to_dict(hints)
        names = ("status", "level", "line", "message", "hint")
        places = {name: first.get(name) for name in ("stage", "epoch", "step", "gap", "allowed")}
        causes = {"cause": _named(component) or None, "evidence": cause.get("evidence")}
        yield head | {"component": component.name} | {n: told[n] for n in names} | places | causes


def to_grades(roll: Roll) -> str:
    """A row for each student, as nbgrader writes grades.csv; several files of one are added up."""
    found: dict[str, list[float]] = {}
    for record in roll.records:
        score, most = total(marks(record, roll.weights))
        row = found.setdefault(record.student, [0.0, 0.0])
        row[:] = [row[0] + score, row[1] + most]
    columns = ("student_id", "raw_score", "score", "max_score")
    rows = ((student, score, score, most) for student, (score, most) in found.items())
    return csv_text(columns, (dict(zip(columns, row, strict=True)) for row in rows))


def total(found: Iterable[Mark]) -> tuple[float, float]:
    """Points that were earned, and that could have been."""
    scores = [(mark.score, mark.most) for mark in found]
    return sum(score for score, _ in scores), sum(most for _, most in scores)


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
    texts = [line.text for line in _error_lines(record)]
    ET.SubElement(case, "error", message=texts[0]).text = "\n".join(texts)
    return case


_JUNIT = {"fail": "failure", "error": "error", "inconclusive": "error"}


def _junit_case(record: Record, component: Judged, hints: int) -> ET.Element:
    case = ET.Element("testcase", classname=said(record.checked.path), name=component.name)
    tag = _JUNIT.get(component.status, "skipped")
    if component.status != "pass":
        message = said(component.message) if hints else component.status
        child = ET.SubElement(case, tag, message=message)
        told = _component_lines(record, component, hints, 0)
        child.text = "\n".join(line.text for line in told)
    return case


# -- Gradescope ----------------------------------------------------------------


def to_gradescope(roll: Roll) -> str:
    """Gradescope's results.json: of one answer a test for each part, of several one for each."""
    if len(roll.records) == 1:
        return _gradescope(roll, roll.records[0])
    tests = [_answer_test(record, roll, i) for i, record in enumerate(roll.records, 1)]
    return _results(tests, roll.records, sentence(roll.check), roll)


def _gradescope(roll: Roll, record: Record) -> str:
    tests = [_part_test(record, m, roll.hints, i) for i, m in enumerate(_marks(roll, record), 1)]
    output = plain([Line(0, _headline(record)), *_error_lines_if(record)])
    return _results(tests, [record], output, roll)


def _marks(roll: Roll, record: Record) -> list[Mark]:
    return marks(record, roll.weights)


def _error_lines_if(record: Record) -> list[Line]:
    return _error_lines(record) if record.checked.error else []


def _results(
    tests: list[dict[str, object]], records: Sequence[Record], output: str, roll: Roll
) -> str:
    found = {
        "score": sum(total(_marks(roll, record))[0] for record in records),
        "execution_time": round(sum(record.checked.seconds for record in records), 3),
        "output": output,
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {"schema": "svb.check/1", "seed": roll.seed},
        "tests": tests,
    }
    return as_json(found)


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
        if mark.part in {component.name, ASKED.get(component.name)}
    ]
    there = [c for c in components if _there(c.status)] or components
    found = [line for c in there for line in _component_lines(record, c, hints, 0)]
    causes = [said(cause) for component in there for cause in component.causes]
    output = plain(found) or plain(_error_lines_if(record))
    test = _test(number, mark.part, mark.score, mark.most, output)
    return test | {"status": "passed" if mark.status == "pass" else "failed", "tags": causes}


def _answer_test(record: Record, roll: Roll, number: int) -> dict[str, object]:
    score, most = total(_marks(roll, record))
    output = plain(answer_lines(record, roll.hints))
    return _test(number, said(record.student), score, most, output)


# -- pages ---------------------------------------------------------------------


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


def _environment(roll: Roll, found: Mapping[str, object] | None) -> list[tuple[str, str]]:
    held, lacking = (" ".join(map(one_line, sentences)) for sentences in roll.isolation)
    rows = [("seed", str(roll.seed)), ("isolation in force", held), ("not in force", lacking)]
    rows += [(one_line(key), one_line(value)) for key, value in (found or {}).items() if value]
    return [(key, text) for key, text in rows if text]


def _view(roll: Roll) -> dict[str, Any]:
    heads, rows = tally(roll.records)
    count = len(roll.records)
    return {
        "sentence": sentence(roll.check),
        "status": roll.check.exit_status,
        "seed": roll.seed,
        "heads": [(head, _glyph(head)) for head in heads],
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
    score, most = total(_marks(roll, record))
    statuses = parts(record)
    return {
        "path": said(checked.path),
        "student": said(record.student),
        "headline": _headline(record),
        "address": address(record),
        "verdict": checked.verdict,
        "glyph": _glyph(checked.verdict),
        "score": f"{score:g} of {most:g}",
        "parts": {part: (status, GLYPHS[status]) for part, status in statuses.items()},
        "short": _in_short(record),
        "error": [line.text for line in _error_lines_if(record)],
        "error_line": (checked.error or {}).get("line"),
        "components": [_component(record, c, roll.hints) for c in checked.components],
        "notes": [said(note) for note in checked.notes],
        "seconds": f"{checked.seconds:.2f}",
        "seed": record.seed,
    }


def _component(record: Record, found: Judged, hints: int) -> dict[str, Any]:
    wrong = found.status in {"fail", "error"}
    shown = not wrong or hints > 0
    return {
        "name": found.name,
        "status": found.status,
        "glyph": _glyph(found.status),
        "line": found.line if shown else None,
        "where": record.where(found.line) if found.line and shown else "",
        "wrong": wrong,
        "message": said(found.message) if shown else "",
        "told": _told(found, hints) if wrong and shown else [],
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
