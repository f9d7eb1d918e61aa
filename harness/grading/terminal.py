"""Checked answers as lines for a terminal: few of them in full, a class as a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.grading.classroom import Record
from harness.grading.marks import (
    GLYPHS,
    Cluster,
    Roll,
    causes_of,
    clusters,
    expected,
    is_there,
    mistakes_of,
    parts,
    said,
    status_of,
    tally,
)
from harness.grading.result import Check, Judged
from harness.report.view import one_line

COLOURS = {
    "pass": "green",
    "fail": "bold red",
    "error": "red",
    "incomplete": "yellow",
    "inconclusive": "yellow",
}


DETAILED = 3  # so many answers are printed in full, more as a class


FREQUENT = 10  # mistakes of a class that a terminal shows


LISTED = 40  # answers of a class that get a line in a terminal


NAMED = 6  # answers that are named with a mistake


@dataclass(frozen=True)
class Line:
    """A line for a terminal: how far it is indented, its text, and its style."""

    indent: int
    text: str
    style: str = ""


def lines(roll: Roll) -> list[Line]:
    """Everything for a terminal: few answers in full, a class as a summary."""
    if len(roll.records) > DETAILED:
        return [*_class_lines(roll), *_ending(roll)]
    shown: list[Line] = []
    for record in roll.records:
        shown += [*answer_lines(record, roll.hints), Line(0, "")]
    return [*shown, *_ending(roll)]


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
    shown = [Line(0, headline(record), COLOURS[checked.verdict])]
    if checked.error:
        shown += error_lines(record)
    width = max((len(component.name) for component in checked.components), default=0)
    if any(component.status != "missing" for component in checked.components):
        for component in checked.components:
            shown += component_lines(record, component, hints, width)
    shown += [Line(2, text, "yellow") for text in warning_texts(record)]
    return [*shown, *(Line(2, f"note: {said(note)}", "dim") for note in checked.notes)]


def warning_texts(record: Record) -> list[str]:
    """What is said beside the verdict, with the line that it is about."""
    checked = record.checked
    warnings = [*checked.warnings, *(w for each in checked.components for w in each.warnings)]
    return [
        f"warning: {said(warning.message)}"
        + ("" if warning.line is None else f" ({record.where(warning.line)})")
        for warning in warnings
    ]


def headline(record: Record) -> str:
    """The verdict, the file, and how many parts are right."""
    right = _right(record)
    shown = said(record.checked.path)
    return f"{glyph(record.checked.verdict)}  {shown}{right and ': '}{right}"


def _right(record: Record) -> str:
    """Such as "4 of 5 right"; where all that is there is, "3 of 5 parts, all right"."""
    components = [c.status for c in record.checked.components if is_there(c.status)]
    if not components:
        return ""
    statuses = parts(record)
    asked = record.asked or expected(statuses)
    there = [part for part in asked if is_there(status_of(part, statuses))]
    if set(components) == {"pass"} and len(there) < len(asked):
        return f"{len(there)} of {len(asked)} parts, all right"
    return f"{components.count('pass')} of {len(components)} right"


def glyph(status: str) -> str:
    """A status, and the sign that it is known by."""
    return f"{GLYPHS[status]} {status}"


def error_lines(record: Record) -> list[Line]:
    """What ended an answer's file, and where."""
    error = record.checked.error
    assert error is not None
    kind = f"{said(error['type'])}: " if str(error["type"])[:1].isupper() else ""
    shown = [Line(2, f"{kind}{said(error['message'])}", "red")]
    return shown + _own_line(record, error["line"], 2)


def _own_line(record: Record, line: int | None, indent: int) -> list[Line]:
    """Where it is in the learner's file, and what stands there."""
    if line is None:
        return []
    text = said(record.line(line))
    return [Line(indent, f"{record.where(line)}: {text}" if text else record.where(line))]


def component_lines(record: Record, component: Judged, hints: int, width: int) -> list[Line]:
    """One component: what it comes to, where it is written, and what helps."""
    head = f"{glyph(component.status):14}{component.name:{width}}"
    colour = COLOURS.get(component.status, "dim")
    if component.status not in {"fail", "error"}:
        return [Line(2, f"{head}  {said(component.message)}", colour)]
    if hints == 0:
        return [Line(2, head.rstrip(), colour)]
    help_lines = [Line(6, said(component.message))]
    help_lines += [Line(6, f"{label}: {text}") for label, text in helps_of(component, hints)]
    return [Line(2, head.rstrip(), colour), *_own_line(record, component.line, 6), *help_lines]


def helps_of(component: Judged, hints: int) -> list[tuple[str, str]]:
    """What a component that is wrong is told beside its message, more of it with every level."""
    helps = (("hint", component.hint), ("what it does", component.what), ("fix", component.fix))
    texts = [(label, one_line(text)) for label, text in helps[:hints] if text]
    if not component.cause:
        return texts
    evidence = said(component.cause["evidence"])
    more = "" if evidence in said(component.message) else f", {evidence}"
    return [("cause", f"{causes_of(component)}{more}"), *texts]


def sentence(check: Check) -> str:
    """How many answers, and what they come to."""
    total = len(check.answers)
    counts = [f"{count} {verdict}" for verdict, count in check.summary.items() if count]
    return f"{total} answer{'s' * (total != 1)}: {', '.join(counts) or 'none was judged'}"


def _class_lines(roll: Roll) -> list[Line]:
    count, mistakes = len(roll.records), clusters(roll.records)
    shown = [Line(0, sentence(roll.check), "bold"), Line(0, "")]
    shown += [Line(0, text) for text in _table(roll.records)]
    for cluster in mistakes[:FREQUENT]:
        shown += [Line(0, ""), Line(0, cluster.title(count), "bold")]
        shown += [Line(2, text) for text in (cluster.what, _members(cluster)) if text]
    rest = len(mistakes) - FREQUENT
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


def _members(cluster: Cluster) -> str:
    names = [said(record.student) for record in cluster.members[:NAMED]]
    rest = len(cluster.members) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")


def _listed(records: Sequence[Record]) -> list[Line]:
    """A line for each answer that does not pass, as far as they can be read."""
    open_ones = [record for record in records if record.checked.verdict != "pass"]
    several = {s for s, count in Counter(r.student for r in records).items() if count > 1}
    listed = []
    for record in open_ones[:LISTED]:
        verdict, name = record.checked.verdict, record.student
        shown = said(record.checked.path if name in several else name)
        text = f"{glyph(verdict) + '  ':14}{shown}: {in_short(record)}"
        listed.append(Line(0, text, COLOURS[verdict]))
    rest = len(open_ones) - len(listed)
    if rest > 0:
        listed.append(Line(0, f"and {rest} more; --out DIR writes them all", "dim"))
    return listed


def in_short(record: Record) -> str:
    """Where an answer fails, and by which mistake; what is missing; or what it is instead."""
    shown = [f"{part} ({cause})" if part else cause for part, cause, _ in mistakes_of(record)]
    other = record.checked.chapter or record.checked.framework
    if record.checked.verdict == "inconclusive" and other:
        shown.append(f"not judged: {said(other)}")
    if record.checked.verdict == "incomplete":
        statuses = parts(record)
        missing = [part for part in record.asked if status_of(part, statuses) == "missing"]
        shown.append(f"missing: {', '.join(missing)}")
    return ", ".join(shown)


def plain(shown: Iterable[Line]) -> str:
    """Lines as plain text, none of them broken."""
    return "".join(f"{' ' * line.indent}{line.text}".rstrip() + "\n" for line in shown)


def error_lines_of(record: Record) -> list[Line]:
    """The same where there is an error, else nothing."""
    return error_lines(record) if record.checked.error else []
