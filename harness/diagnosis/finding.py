"""Which known mistake explains what a component did: by value, never by guess.

The component's replies are held against the replies that each known mistake gives to the same
questions. A mistake that replies the same to all of them, within rounding, is the cause, with its
evidence; where several do, all are named. An iterator that draws at random and fresh parameters
cannot be matched number by number: there the facts decide (`tells`), as they do first for a loop.
Where nothing matches there is no cause, only what can be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

from harness.diagnosis import rules, signature
from harness.diagnosis.judge import Ruling, rule
from harness.diagnosis.measure import measured
from harness.diagnosis.questions import (
    COMPONENTS,
    Component,
    Question,
    Reply,
    ask,
    glance,
    own_reply,
    questions,
)
from harness.diagnosis.signature import Signature
from harness.engine import comparison
from harness.engine.case import Case, UpdateRule, devices
from harness.engine.comparison import CaseComparison, Comparison
from harness.engine.recipe import PIECES, Convention, Recipe
from harness.engine.stage import Divergence, Level, worst
from harness.engine.trace import Raised
from harness.mistakes.catalogue import of
from harness.mistakes.mistake import Form as Written
from harness.mistakes.mistake import Mistake
from harness.pairs.catalogue import named
from harness.pairs.linear import BUILTIN, Form, footing

GLANCE = 2  # steps that are looked at first


@dataclass(frozen=True)
class Cause:
    """The mistake that explains a component, and the evidence in one sentence.

    `also` are the mistakes that cannot be told from it by any question.
    """

    id: str
    evidence: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One component judged on all its questions, and why it is wrong, where that is known.

    `measured` says what can be said of a fault in numbers; `mistake` is the catalogue's entry.
    """

    component: Component
    rulings: tuple[Ruling, ...]
    cause: Cause | None = None
    mistake: Mistake | None = None
    measured: tuple[str, ...] = ()

    @property
    def level(self) -> Level:
        """The worst of all questions."""
        return worst(ruling.level for ruling in self.rulings)

    @property
    def passed(self) -> bool:
        """Whether every question was answered right; False where none was asked."""
        return bool(self.rulings) and all(ruling.passed for ruling in self.rulings)

    @property
    def failed(self) -> tuple[Ruling, ...]:
        """The rulings that were not passed."""
        return tuple(ruling for ruling in self.rulings if not ruling.passed)

    @property
    def first(self) -> Divergence | None:
        """The first divergence of the first question that shows one."""
        return next((ruling.first for ruling in self.failed if ruling.first), None)

    @property
    def raised(self) -> Raised | None:
        """The first exception."""
        return next((ruling.raised for ruling in self.failed if ruling.raised), None)

    def to_dict(self) -> dict[str, object]:
        """What a report says of it, as plain values."""
        first = self.first.message if self.first else None
        raised = f"raises {self.raised.kind}: {self.raised.message}" if self.raised else None
        return {
            "component": self.component,
            "level": self.level,
            "message": first or raised,
            "cause": {"id": self.cause.id, "evidence": self.cause.evidence} if self.cause else None,
            "also": list(self.cause.also) if self.cause else [],
            "what": self.mistake.what if self.mistake else None,
            "measured": list(self.measured),
        }

    @property
    def stages(self) -> tuple[str, ...]:
        """The stage at which each failed question first went wrong."""
        return tuple(ruling.stage for ruling in self.failed if ruling.stage)


Replies = Sequence[tuple[Question, Reply]]


def find(component: Component, replies: Replies, subject: Recipe, reference: Recipe) -> Finding:
    """Judge a component by its replies and name the cause of a fault.

    `subject` gives the convention; `reference` is right, and what mistakes are built on.
    """
    replies = [(_as_run(question, reply), reply) for question, reply in replies]
    rulings = tuple(
        rule(question, reply, subject, reference) for question, reply in replies if question.judged
    )
    finding = Finding(component, rulings)
    if finding.passed or finding.level == "inconclusive":
        return finding
    found = list(_causes(finding, replies, subject, reference))
    if found:
        first, *others = found
        also = tuple(mistake.id for mistake, _ in others)
        cause = Cause(first[0].id, first[1], also)
        return replace(finding, cause=cause, mistake=first[0])
    return replace(finding, measured=tuple(measured(component, replies, reference)))


def _as_run(question: Question, reply: Reply) -> Question:
    """A loop's question with the micro-batches that the loop really made."""
    if reply.run is None or reply.run.chunk is None:
        return question
    sizes = {part.shape[1] for lane in reply.run.chunk.lanes for part in lane.columns()[1][:1]}
    parts = {len(lane.columns()[1]) for lane in reply.run.chunk.lanes}
    whole = parts <= {0, 1} or question.case.form == "functional" or not sizes
    return _with_micro_batches(question, None if whole else max(sizes))


@lru_cache(maxsize=512)
def _with_micro_batches(question: Question, rows: int | None) -> Question:
    if question.case.micro_batch_size == rows:
        return question
    return replace(question, case=replace(question.case, micro_batch_size=rows))


def diagnose(
    subject: Recipe,
    reference: Recipe | None = None,
    *,
    form: Form = "mse",
    seed: int = 0,
    rule: UpdateRule = UpdateRule(),  # noqa: B008 - it is frozen
    components: Sequence[Component] = COMPONENTS,
) -> list[Finding]:
    """Put components of a recipe into the reference, each by itself, and judge them.

    `reference` is the built-in recipe of this form where none is given; `rule` is the optimizer
    that the update is to be.
    """
    reference = reference or BUILTIN[form]
    reference = replace(reference, optimizer=reference.optimizer_for(rule))
    findings = []
    for component in components:
        piece = PIECES[component]
        alone = replace(reference, name=subject.name, **{piece: getattr(subject, piece)})
        asked = questions(component, reference, form, seed, rule)
        replies = [(question, ask(alone, question)) for question in asked]
        findings.append(find(component, replies, alone, reference))
    return findings


def compare(
    subject: Recipe | None = None,
    reference: Recipe | None = None,
    cases: Sequence[Case] | None = None,
    *,
    name: str = "comparison",
    forced_pass: bool = True,
    progress: Callable[[Case, int], None] | None = None,
) -> Comparison:
    """As `comparison.compare`; where a subject differs, its components are asked which is at fault.

    Those at fault stand in `findings`, with the known mistake that explains them, where there is
    one, or what can be measured.
    """
    if cases is None:
        cases = [case.on(device) for device in devices() for case in named()]
    found = comparison.compare(
        subject, reference, cases, name=name, forced_pass=forced_pass, progress=progress
    )
    wrong = next((case for case in found.cases if case.verdict in ("different", "error")), None)
    if wrong is not None and wrong.case.pair.is_bounded(wrong.case):
        found.findings = [finding.to_dict() for finding in _at_fault(wrong)]
    return found


def _at_fault(wrong: CaseComparison) -> list[Finding]:
    """The components of a case's subject that are wrong by themselves; the kit's own are right."""
    subject = wrong.subject
    base = footing(subject.convention)
    same = wrong.reference.convention == subject.convention
    reference = wrong.reference if same else base.builtin
    kit = (*base.both, BUILTIN[base.form])
    own = [
        component
        for component, piece in PIECES.items()
        if all(getattr(subject, piece) is not getattr(side, piece) for side in kit)
    ]
    findings = diagnose(
        subject,
        reference,
        form=cast("Form", base.form),
        rule=wrong.case.optimizer,
        components=[component for component in COMPONENTS if component in own],
    )
    return [finding for finding in findings if not finding.passed]


def _causes(
    finding: Finding, replies: Replies, subject: Recipe, reference: Recipe
) -> Iterator[tuple[Mistake, str]]:
    """The mistakes that explain the replies, with the evidence, each id once."""
    catalogue = {mistake.id: mistake for mistake in of(finding.component)}
    told = (
        (catalogue[name], evidence)
        for name, evidence in rules.told(finding.component, replies, finding.rulings, reference)
    )
    if finding.component in rules.DECIDED:
        yield from told
        return
    matched = _matched(finding, replies, subject, reference)
    # of a loop the facts first: they are soon read, and say more than whose values it has
    for way in (told, matched) if finding.component == "train" else (matched, told):
        found = list(way)
        if found:
            yield from found
            return


def _matched(
    finding: Finding, replies: Replies, subject: Recipe, reference: Recipe
) -> Iterator[tuple[Mistake, str]]:
    """The mistakes that reply the same to every question."""
    shown = [_shown(question, reply, subject, reference) for question, reply in replies]
    for mistake in of(finding.component):
        for form in mistake.forms:
            if _same(form, shown, reference):
                yield mistake, _evidence(finding, form, shown)
                break


@dataclass(frozen=True)
class _Shown:
    """What the subject replied to a question, in each of its readings, and the right reply."""

    question: Question
    reply: Reply
    mine: list[Signature]
    right: Signature


def _shown(question: Question, reply: Reply, subject: Recipe, reference: Recipe) -> _Shown:
    right = next(_signatures(question, own_reply(reference, question), reference.convention))
    return _Shown(question, reply, list(_signatures(question, reply, subject.convention)), right)


def _same(form: Written, shown: list[_Shown], reference: Recipe) -> bool:
    """Whether a form replies as the subject does to every question; the short ones come first."""
    return form.make(reference) is not None and all(
        _may_be(form, one, reference) and _is(form, one, reference)
        for one in sorted(shown, key=lambda one: one.question.case.total_steps)
    )


def _may_be(form: Written, shown: _Shown, reference: Recipe) -> bool:
    """Whether a form begins as the subject does: few steps rule most mistakes out."""
    begun = _beginning(form, shown.question, reference)
    return signature.begins_like(shown.question, shown.reply, begun, shown.right)


def _is(form: Written, shown: _Shown, reference: Recipe) -> bool:
    """Whether a form's whole reply is the subject's in one of its readings."""
    question = shown.question
    theirs = _replied(form, question, reference)
    dtype = question.case.torch_dtype
    return any(mine.matches(wrong, dtype, shown.right) for wrong in theirs for mine in shown.mine)


# What a mistake replies to a question is the same for every answer of a class.


@lru_cache(maxsize=4096)
def _beginning(form: Written, question: Question, reference: Recipe) -> Reply:
    return glance(_made(form, reference), question, GLANCE)


@lru_cache(maxsize=1024)
def _replied(form: Written, question: Question, reference: Recipe) -> tuple[Signature, ...]:
    reply = ask(_made(form, reference), question)
    return tuple(_signatures(question, reply, reference.convention))


def _made(form: Written, reference: Recipe) -> Recipe:
    """A new recipe of a form that this reference can have: it may keep a state."""
    made = form.make(reference)
    assert made is not None
    return made


def _signatures(question: Question, reply: Reply, convention: Convention) -> Iterator[Signature]:
    """The reply's signature; of a loop in each convention that it may follow."""
    if reply.run is None:
        yield signature.of_pieces(question, reply)
        return
    yield signature.of_run(reply.run, convention)
    if convention.reduction == "none":
        yield signature.of_run(reply.run, replace(convention, reduction="mean"))


def _evidence(finding: Finding, form: Written, shown: list[_Shown]) -> str:
    """What was seen, and how far the reference is from it."""
    gap = max(one.mine[0].distance(one.right) for one in shown)
    steps = sum(ruling.steps or ruling.question.steps for ruling in finding.rulings)
    apart = f"; the right one differs by up to {gap:.3g}" if gap else ""
    asked = f"all {steps} steps asked" if steps else "everything asked"
    return f"replies as \u201c{form.name}\u201d does on {asked}{apart}"
