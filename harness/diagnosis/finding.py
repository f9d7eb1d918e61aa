"""Which known mistake explains what a component did: by value, never by guess.

The component's replies are held against the replies that each known mistake gives to the same
questions. A mistake that replies the same to all of them, within rounding, is the cause, with its
evidence; where several do, all are named. An iterator that draws at random and fresh parameters
cannot be matched number by number: there the facts decide (`rules`), as they do first for a loop.
Where nothing matches there is no cause, only what can be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Unpack

import torch
from torch import Tensor

from harness.diagnosis import asked, rules
from harness.diagnosis.asked import Asking
from harness.diagnosis.measure import measured
from harness.engine import comparison
from harness.engine.case import Case, UpdateRule, devices
from harness.engine.comparison import Comparison
from harness.engine.components import (
    Component,
    ComponentVerdict,
    Matched,
    Question,
    Reply,
    Signature,
    of_pair,
)
from harness.engine.pair import Pair
from harness.engine.raised import Raised, kind_of
from harness.engine.recipe import Recipe
from harness.engine.seeding import determinism
from harness.engine.stage import Divergence, Level, worst
from harness.errors import InputError
from harness.mistakes.catalogue import MISTAKES, of
from harness.mistakes.mistake import Form as Written
from harness.mistakes.mistake import Mistake
from harness.pairs import own
from harness.pairs.catalogue import named
from harness.pairs.linear import LINEAR

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

    `measured` says what can be said of a fault in numbers; `mistake` is the catalogue's entry;
    `name` is what the component is called in its pair.
    """

    component: Component[Any]
    verdicts: tuple[ComponentVerdict, ...]
    cause: Cause | None = None
    mistake: Mistake | None = None
    measured: tuple[str, ...] = ()
    name: str = ""

    @property
    def level(self) -> Level:
        """The worst of all questions."""
        return worst(verdict.level for verdict in self.verdicts)

    @property
    def passed(self) -> bool:
        """Whether every question was answered right; False where none was asked."""
        return bool(self.verdicts) and all(verdict.passed for verdict in self.verdicts)

    @property
    def failed(self) -> tuple[ComponentVerdict, ...]:
        """The verdicts that are no pass."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)

    @property
    def first(self) -> Divergence | None:
        """The first divergence of the first question that shows one."""
        return next((verdict.first for verdict in self.failed if verdict.first), None)

    @property
    def raised(self) -> Raised | None:
        """The first exception."""
        return next((verdict.raised for verdict in self.failed if verdict.raised), None)

    def to_dict(self) -> dict[str, object]:
        """What a report says of it, as plain values."""
        first = self.first.message if self.first else None
        raised = f"raises {self.raised.kind}: {self.raised.message}" if self.raised else None
        return {
            "component": self.name or self.component.name,
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
        return tuple(verdict.stage for verdict in self.failed if verdict.stage)


Replies = Sequence[tuple[Question, Reply]]


def find(
    component: Component[Any], replies: Replies, subject: Recipe, reference: Recipe
) -> Finding:
    """Judge a component by its replies and name the cause of a fault.

    `subject` gives the convention; `reference` is right, and what mistakes are built on.
    """
    replies = [(component.as_replied(question, reply), reply) for question, reply in replies]
    verdicts = tuple(
        component.judge(question, reply, subject, reference)
        for question, reply in replies
        if question.judged
    )
    finding = Finding(component, verdicts, name=component.name_in(_pair_of(reference)))
    if finding.passed or finding.level == "inconclusive":
        return finding
    causes = list(_causes(finding, replies, subject, reference))
    if causes:
        (mistake, evidence), *others = causes
        also = tuple(other.id for other, _ in others)
        return replace(finding, cause=Cause(mistake.id, evidence, also), mistake=mistake)
    return replace(finding, measured=tuple(measured(component, replies, reference)))


def diagnose(
    subject: Recipe,
    reference: Recipe | None = None,
    *,
    form: str = "mse",
    seed: int = 0,
    rule: UpdateRule = UpdateRule(),  # noqa: B008 - it is frozen
    components: Sequence[Component[Any]] | None = None,
) -> list[Finding]:
    """Put components of a recipe into the reference, each by itself, and judge them.

    `reference` is the built-in recipe of this form where none is given; `rule` is the optimizer
    that the update is to be. Without `components` they are all that the pair has questions for.
    """
    pair = _pair_of(subject)
    reference = reference or pair.forms[form].builtin
    if components is None:
        components = of_pair(pair)
    reference = replace(reference, optimizer=reference.optimizer_for(rule))
    findings = []
    for component in components:
        alone = component.put_into(reference, component.of(subject), name=subject.name)
        asked = component.questions(reference, form, seed, rule)
        if not asked:  # the pair asks nothing of it
            continue
        replies = [(question, component.ask(alone, question)) for question in asked]
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
    data: tuple[Tensor, Tensor] | None = None,
    **settings: Unpack[own.Settings],
) -> Comparison:
    """As `comparison.compare`; then each piece of the subject's own is asked by itself.

    A run shows a piece only what it happens to pass by. What is wrong on a question is a difference
    as well, and stands in `findings`, with the known mistake that explains it, where there is one,
    or what can be measured. A fault in asking is a note: it changes no verdict. With `data`,
    features X (n, ...) and labels y (n, ...), two recipes of one's own (`own.recipe`) are trained
    on them; `settings` are for these alone.
    """
    if data is not None:
        subject, reference, case = own.prepared(subject, reference, data, **settings)
        cases = [case]
    elif settings:
        raise InputError(
            f"{', '.join(settings)}= goes with data=(X, y) only; cases have their own."
        )
    if cases is None:
        cases = [case.on(device) for device in devices() for case in named()]
    compared = comparison.compare(
        subject, reference, cases, name=name, forced_pass=forced_pass, progress=progress
    )
    compared.notes += asked.not_handed(compared.cases)
    findings: list[Finding] = []
    for component, piece in asked.pieces(compared.cases):
        try:
            askings = asked.askings(component, compared.cases)
            piece_findings = [_answered(asking) for asking in askings if asking.questions]
            compared.notes += [note for asking in askings for note in asking.notes]
        except Exception as error:  # noqa: BLE001 - whatever it is, the verdict stands
            compared.notes.append(
                f"{piece} could not be asked by itself: {kind_of(error)}: {error}"
            )
            continue
        levels = [finding.level for finding in piece_findings if finding.level != "inconclusive"]
        if levels:
            failed = [level for level in levels if level in ("different", "error")]
            compared.asked[piece] = worst([*failed, "identical"])
        findings += [finding for finding in piece_findings if not finding.passed]
    compared.findings = _distinct(findings)
    return compared


def _answered(asking: Asking) -> Finding:
    """What a piece comes to on its questions; what it raises before it can answer counts too."""
    replies = []
    for question in asking.questions:
        try:
            replies.append((question, _reply(asking, question)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a piece may raise what it likes
            if not question.judged:  # such as a rate that is no number, which may be refused
                continue
            raised = Raised.by(error, "parameter", (0, 0))
            verdict = ComponentVerdict(question, "error", raised=raised)
            return Finding(asking.component, (verdict,))
    return find(asking.component, replies, asking.alone, asking.reference)


def _reply(asking: Asking, question: Question) -> Reply:
    """The reply, with numbers made in double precision by default where that is asked.

    A piece that was compared in single precision may leave the dtype of its own numbers, such as
    the base of a power, to torch.
    """
    with determinism(question.case.seed):  # which puts the default back
        if question.case.torch_dtype is torch.float64:
            torch.set_default_dtype(torch.float64)
        reply: Reply = asking.component.reply(asking.alone, question, question.case.seed)
        return reply


def _distinct(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """Findings as plain values; one of each component and cause."""
    shown: dict[tuple[str, str | None], dict[str, object]] = {}
    for finding in findings:
        cause = finding.cause.id if finding.cause else None
        shown.setdefault((finding.component.name, cause), finding.to_dict())
    return list(shown.values())


def _causes(
    finding: Finding, replies: Replies, subject: Recipe, reference: Recipe
) -> Iterator[tuple[Mistake, str]]:
    """The mistakes that explain the replies, with the evidence, each id once."""
    component = finding.component
    pair = _pair_of(reference).name  # a loop may make the mistake of a piece that it does itself
    by_facts = (
        (MISTAKES[name], evidence)
        for name, evidence in rules.told(component, replies, finding.verdicts, reference)
        if MISTAKES[name].pair in (None, pair)
    )
    if not isinstance(component, Matched):
        yield from by_facts
        return
    matched = _matched(component, finding, replies, subject, reference)
    for way in (by_facts, matched) if component.facts_first else (matched, by_facts):
        causes = list(way)
        if causes:
            yield from causes
            return


def _matched(
    component: Matched[Any], finding: Finding, replies: Replies, subject: Recipe, reference: Recipe
) -> Iterator[tuple[Mistake, str]]:
    """The mistakes that reply the same to every question."""
    shown = [_shown(component, *pair, subject, reference) for pair in replies]
    for mistake in of(component, _pair_of(reference).name):
        for form in mistake.forms:
            if _same(component, form, shown, reference):
                yield mistake, _evidence(finding, form, shown)
                break


@dataclass(frozen=True)
class _Shown:
    """What the subject replied to a question, in each of its readings, and the right reply."""

    question: Question
    reply: Reply
    readings: list[Signature]
    right: Signature


def _shown(
    component: Matched[Any], question: Question, reply: Reply, subject: Recipe, reference: Recipe
) -> _Shown:
    own = component.own_reply(reference, question)
    right = next(component.signatures(question, own, reference.convention))
    readings = list(component.signatures(question, reply, subject.convention))
    return _Shown(question, reply, readings, right)


def _same(component: Matched[Any], form: Written, shown: list[_Shown], reference: Recipe) -> bool:
    """Whether a form replies as the subject does to every question; the short ones come first."""
    return form.make(reference) is not None and all(
        _may_be(component, form, reply, reference) and _is(component, form, reply, reference)
        for reply in sorted(shown, key=lambda reply: reply.question.case.total_steps)
    )


def _may_be(component: Matched[Any], form: Written, shown: _Shown, reference: Recipe) -> bool:
    """Whether a form begins as the subject does: few steps rule most mistakes out."""
    begun = _beginning(component, form, shown.question, reference)
    return component.begins_like(shown.question, shown.reply, begun, shown.right)


def _is(component: Matched[Any], form: Written, shown: _Shown, reference: Recipe) -> bool:
    """Whether a form's whole reply is the subject's in one of its readings."""
    wrong = _replied(component, form, shown.question, reference)
    dtype = shown.question.case.torch_dtype
    return any(
        reading.matches(signature, dtype, shown.right)
        for signature in wrong
        for reading in shown.readings
    )


def _pair_of(recipe: Recipe) -> Pair:
    """The pair whose questions are asked."""
    return recipe.pair or LINEAR


# What a mistake replies to a question is the same for every answer of a class.


@lru_cache(maxsize=4096)
def _beginning(
    component: Matched[Any], form: Written, question: Question, reference: Recipe
) -> Reply:
    begun: Reply = component.glance(_made(form, reference), question, GLANCE)
    return begun


@lru_cache(maxsize=1024)
def _replied(
    component: Matched[Any], form: Written, question: Question, reference: Recipe
) -> tuple[Signature, ...]:
    reply = component.ask(_made(form, reference), question)
    return tuple(component.signatures(question, reply, reference.convention))


def _made(form: Written, reference: Recipe) -> Recipe:
    """A new recipe of a form that this reference can have: it may keep a state."""
    made = form.make(reference)
    assert made is not None
    return made


def _evidence(finding: Finding, form: Written, shown: list[_Shown]) -> str:
    """What was seen, and how far the reference is from it."""
    gap = max(reply.readings[0].distance(reply.right) for reply in shown)
    steps = sum(verdict.steps or verdict.question.steps for verdict in finding.verdicts)
    apart = f"; the right one differs by up to {gap:.3g}" if gap else ""
    asked = f"all {steps} steps asked" if steps else "everything asked"
    return f"replies as \u201c{form.name}\u201d does on {asked}{apart}"
