"""The parts of checked answers, the mistakes that a class has in common, and points.

Nothing is judged, run or read here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from harness.engine.components import COMPONENTS, INITIALISATION, OPTIMIZER
from harness.engine.components.contract import part_of
from harness.engine.components.role import MODEL_CLASS
from harness.grading.classroom import Record
from harness.grading.result import Check, Judged
from harness.report.view import one_line

GLYPHS = {
    "pass": "✓",
    "fail": "✗",
    "error": "!",
    "incomplete": "◐",
    "inconclusive": "?",
    "missing": "·",
    "skipped": "–",
}


MODEL = MODEL_CLASS.name


IN_MODEL = frozenset(
    component.name
    for component in COMPONENTS
    for role, _ in component.methods
    if role is MODEL_CLASS
)  # what the class has inside


PARTS = (*(component.name for component in COMPONENTS), MODEL)


# The book's functional form draws its parameters at the top level.
FUNCTIONAL = frozenset(c.name for c in COMPONENTS if c is not INITIALISATION)


OBJECT = frozenset({MODEL, OPTIMIZER.name})


LONGEST = 400  # characters of what an answer says


@dataclass(frozen=True)
class Roll:
    """All that a report of checked answers shows.

    `weights` are the points of each part, None where nobody said; `isolation` are the sentences
    about what held and what did not. With `partial` an answer may be incomplete.
    """

    records: Sequence[Record]
    seed: int
    hints: int = 1
    weights: Mapping[str, float] | None = None
    isolation: tuple[Sequence[str], Sequence[str]] = ((), ())
    partial: bool = False

    @property
    def check(self) -> Check:
        """The answers as `grade` knows them."""
        return Check([record.checked for record in self.records], self.seed, self.partial)

    @cached_property
    def points(self) -> Mapping[str, float] | None:
        """The points of each part: of several answers the same for all."""
        if self.weights is not None or len(self.records) < 2:
            return self.weights
        return dict.fromkeys(common_parts(self.records), 1.0)


def said(text: object) -> str:
    """Text of an answer on one line, no longer than a reader wants."""
    line = one_line(text)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def parts(record: Record) -> dict[str, str]:
    """The status of each part of an answer: of its components that stand for it, the worst; of one
    that another does, that of the other.
    """
    statuses_by_part: dict[str, list[str]] = {}
    by_name = {component.name: component.status for component in record.checked.components}
    for component in record.checked.components:
        status = by_name.get(component.within, component.status)
        statuses_by_part.setdefault(part_of(component.name), []).append(status)
    order = ("fail", "error", "inconclusive", "pass", "skipped", "missing")
    return {part: min(statuses, key=order.index) for part, statuses in statuses_by_part.items()}


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
    by_mistake: dict[tuple[str, str, str], Cluster] = {}
    for record in records:
        for part, cause, what in dict.fromkeys(mistakes_of(record)):
            # the same words too: one exception may come of several mistakes
            cluster = by_mistake.setdefault((part, cause, what), Cluster(part, cause, what))
            if not any(member is record for member in cluster.members[-1:]):
                cluster.members.append(record)
    return sorted(by_mistake.values(), key=lambda cluster: (-len(cluster.members), cluster.part))


def mistakes_of(record: Record) -> Iterator[tuple[str, str, str]]:
    """Part, cause and words of each fault of an answer; no part where the file is at fault."""
    for component in record.checked.components:
        if component.status in {"fail", "error"}:
            yield part_of(component.name), _cause(component), said(component.what)
    if record.checked.error:
        yield "", said(record.checked.error["type"]), said(record.checked.error["message"])


def _cause(component: Judged) -> str:
    """The cause by its id, or else what was seen: the exception, or the stage."""
    if component.cause:
        return causes_of(component)
    if component.status == "error":
        return f"raises {component.raised}" if component.raised else said(component.message)
    stage = (component.first_divergence or {}).get("stage")
    return f"first at the {stage}, by no known mistake" if stage else "by no known mistake"


def causes_of(component: Judged) -> str:
    """The mistake by its id; "a or b" where nothing tells which of them it is."""
    return said(" or ".join(component.causes))


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
        weights = dict.fromkeys(expected(statuses), 1.0)
    by_part = {part: status_of(part, statuses) for part in weights}
    return [
        Mark(part, by_part[part], points if by_part[part] == "pass" else 0.0, points)
        for part, points in weights.items()
    ]


def expected(statuses: Mapping[str, str]) -> list[str]:
    """The parts that an answer is marked by where nobody said which."""
    form = form_of(statuses)
    there = [part for part in PARTS if part in form or is_there(statuses.get(part))]
    return there or form


def form_of(statuses: Mapping[str, str]) -> list[str]:
    """The parts of the book's form that an answer has, functional or object; or its exercise."""
    exercises = [part for part in statuses if part not in PARTS]
    form = OBJECT if is_there(statuses.get(MODEL)) else FUNCTIONAL
    return exercises or [part for part in PARTS if part in form]


def common_parts(records: Iterable[Record]) -> list[str]:
    """The parts that all of a class are marked by where nobody said which: those of the form that
    most have, or the exercise.
    """
    forms = Counter(tuple(form_of(parts(record))) for record in records if parts(record))
    most = max(forms, key=lambda form: (forms[form], len(form)), default=tuple(form_of({})))
    return list(most)


def status_of(part: str, statuses: Mapping[str, str]) -> str:
    """The status of a part; the class stands for the parts inside it, and they stand for it."""
    part = part_of(part)
    status = statuses.get(part, "missing")
    if part in IN_MODEL and not is_there(status):
        return statuses.get(MODEL, status)
    if part == MODEL and not is_there(status):
        inside = [statuses.get(name, "missing") for name in FUNCTIONAL & IN_MODEL]
        return inside[0] if len(set(inside)) == 1 else "missing"
    return status


def is_there(status: str | None) -> bool:
    """Whether an answer has a part that was judged."""
    return status not in {None, "missing", "skipped"}


def tally(records: Iterable[Record]) -> tuple[list[str], dict[str, list[int]]]:
    """Statuses that occur, and for each part how many answers have each of them."""
    by_part: dict[str, Counter[str]] = {}
    for record in records:
        for part, status in parts(record).items():
            by_part.setdefault(part, Counter())[status] += 1
    heads = [status for status in GLYPHS if any(counts[status] for counts in by_part.values())]
    return heads, {part: [counts[head] for head in heads] for part, counts in by_part.items()}


def total(part_marks: Iterable[Mark]) -> tuple[float, float]:
    """Points that were earned, and that could have been."""
    scores = [(mark.score, mark.most) for mark in part_marks]
    return sum(score for score, _ in scores), sum(most for _, most in scores)


def marks_of(roll: Roll, record: Record) -> list[Mark]:
    """The points of an answer by the weights of its report."""
    return marks(record, roll.points)
