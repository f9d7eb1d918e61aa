"""What the pieces of a comparison's subject are asked by themselves, and within which recipe.

Each piece that is none of the pair's own is put into the reference that it was compared with, one
at a time, and asked under the rules, the micro-batches and the labels of the cases. A reference
that is somebody's own answers first: what it cannot answer right itself is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.engine.case import UpdateRule
from harness.engine.case_comparison import CaseComparison
from harness.engine.components import (
    INITIALISATION,
    LOSS,
    MODEL,
    OPTIMIZER,
    RECIPE_COMPONENTS,
    Component,
    Question,
)
from harness.engine.raised import kind_of
from harness.engine.recipe import Recipe


@dataclass(frozen=True)
class Asking:
    """One component `alone` within a reference, and what it is asked; `notes` say what is not."""

    component: Component[Any]
    alone: Recipe
    reference: Recipe
    questions: tuple[Question, ...]
    notes: list[str] = field(default_factory=list)


def pieces(cases: Sequence[CaseComparison]) -> Iterator[tuple[Component[Any], str]]:
    """The components of the subject's own, with the field of the recipe that holds each."""
    given = {name for case in cases for name in case.case.pair.replaced(case.subject)}
    for component in RECIPE_COMPONENTS:
        if component.piece in given:
            yield component, component.piece


def not_handed(cases: Sequence[CaseComparison]) -> list[str]:
    """That the settings of a case's rule are not handed to an optimizer of one's own."""
    rules = {
        str(case.case.optimizer)
        for case in cases
        if case.case.optimizer.settings
        and "optimizer" in case.case.pair.replaced(case.subject)
        and case.verdict in ("different", "error")
    }
    return [
        f"the case's rule is {rule}, but its settings are not handed to the subject's optimizer, "
        "which is called with the parameters and lr only: give it the same ones, such as by "
        "functools.partial"
        for rule in sorted(rules)
    ]


def askings(component: Component[Any], cases: Sequence[CaseComparison]) -> list[Asking]:
    """What the component of these cases' subject is asked, once under each rule and reference."""
    distinct: dict[object, tuple[CaseComparison, Recipe]] = {}
    for case in cases:
        pair = case.case.pair
        if not pair.forms or component.piece not in pair.replaced(case.subject):
            continue  # a pair of which both sides are given has no questions
        if component in (MODEL, INITIALISATION) and not pair.is_bounded(case.case):
            continue  # such as a hidden layer, of which no question is made
        base = _base(component, case)
        rule = case.case.optimizer if component is OPTIMIZER else UpdateRule()
        if base is not None:
            distinct.setdefault((case.subject, base, rule), (case, base))
    labels = {case.case.pair.shapes(case.case).labels for case in cases}
    return [_asking(component, *context, labels) for context in distinct.values()]


def _base(component: Component[Any], case: CaseComparison) -> Recipe | None:
    """The reference that a piece is put into; None where it was made for another update.

    The pair's own in the subject's convention, or the reference that the caller brought.
    """
    pair, subject, reference = case.case.pair, case.subject, case.reference
    if not pair.replaced(reference):
        return pair.follows(subject.convention).builtin
    divided = [side.convention.reduction == "none" for side in (subject, reference)]
    if component.piece in ("optimizer", "loop") and divided[0] != divided[1]:
        return None
    return replace(reference, pair=pair)


def _asking(
    component: Component[Any],
    case: CaseComparison,
    base: Recipe,
    labels: set[tuple[int, ...]],
) -> Asking:
    pair, subject = case.case.pair, case.subject
    rule = case.case.optimizer if component is OPTIMIZER else UpdateRule()
    base = replace(base, optimizer=base.optimizer_for(rule))
    others: dict[str, Any] = {"name": subject.name}
    if component in (LOSS, MODEL):
        others["reading"] = subject.reading
    if component is LOSS:
        others["convention"] = subject.convention
    alone = component.put_into(base, component.of(subject), **others)
    notes: list[str] = []
    questions = component.questions(base, pair.follows(base.convention).form, rule=rule)
    if component is LOSS:
        questions = tuple(_with_labels_of(labels, question) for question in questions)
    if pair.replaced(base):
        questions = tuple(_answerable(component, questions, base, notes))
    return Asking(component, alone, base, questions, notes)


def _with_labels_of(labels: set[tuple[int, ...]], question: Question) -> Question:
    """Judged only on labels of such shapes as the cases have; others still part the mistakes."""
    shapes = question.case.pair.shapes(question.case)
    if shapes.labels in labels or not question.judged:
        return question
    return replace(question, judged=False)


def _answerable(
    component: Component[Any], questions: Sequence[Question], reference: Recipe, notes: list[str]
) -> Iterator[Question]:
    """The questions that the reference answers right itself, without single rows where it must."""
    for question in questions:
        if not question.judged:
            continue  # what parts the known mistakes is made for the pair's own
        reasons = []
        for form in _forms(question):
            reason = _unanswered(component, form, reference)
            if reason is None:
                yield form
                break
            reasons.append(reason)
        else:
            notes.append(
                f"{component.piece}: the reference does not answer {question.case.name!r} right "
                f"itself, so that it was not asked: {reasons[0]}"
            )


def _forms(question: Question) -> Iterator[Question]:
    """The question, and without the batches of a single row, of which some layers make nothing."""
    yield question
    several = tuple(both for both in question.stacks if both[0].rows > 1)
    if question.stacks and several != question.stacks:
        yield replace(question, stacks=several)


def _unanswered(component: Component[Any], question: Question, reference: Recipe) -> str | None:
    """Why the reference's own reply does not count as right; None where it does."""
    try:
        reply = component.ask(reference, question)
        asked = component.as_replied(question, reply)
        verdict = component.judge(asked, reply, reference, reference)
    except Exception as error:  # noqa: BLE001 - somebody's own reference, asked what it was not made for
        return f"{kind_of(error)}: {error}"
    if verdict.passed:
        return None
    if verdict.raised:
        return f"{verdict.raised.kind}: {verdict.raised.message}"
    return verdict.first.message if verdict.first else verdict.reason or verdict.level
