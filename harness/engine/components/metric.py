"""The metric: predictions and labels to what is told of them after an epoch, such as an accuracy.

Asked with made-up predictions and labels, and held against the reference's own metric. Answers of
learners are not asked for one: it belongs to pairs that have metrics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from harness.engine.case import Case, UpdateRule
from harness.engine.components.component import (
    ComponentVerdict,
    Fit,
    Matched,
    Question,
    seeded,
)
from harness.engine.components.signature import Signature, close
from harness.engine.components.single_piece import LOTS
from harness.engine.raised import Raised, plain_tensor
from harness.engine.recipe import Convention, Recipe
from harness.engine.seeding import determinism
from harness.engine.stage import Divergence, Level
from harness.engine.trace import Stack

STAGE = "evaluation"


@dataclass(frozen=True)
class Told:
    """By step: what was told (...), and what was raised instead, in the order of the questions."""

    values: list[Tensor | None]
    raised: list[Raised | None]


class Metric(Matched[Told]):
    """What is told of predictions, beside the loss."""

    name = "accuracy"
    piece = "metric"
    heading = "The metric: `accuracy`"
    roles = ()
    replaces = ()
    reply_type: ClassVar[type] = Told

    # What is asked.

    def made(
        self, base: Recipe, cases: Sequence[Case], rule: UpdateRule, fit: Fit
    ) -> tuple[Question, ...]:
        """Predictions and labels of full batches, short ones, and single rows."""
        del rule, fit
        return tuple(self._question(base, case) for case in cases)

    def _question(self, base: Recipe, case: Case) -> Question:
        generator = seeded(case)
        data = case.pair.asked_data(case, generator)
        stacks, position = [], 0
        for rows, steps in LOTS:
            positions = range(position, position + steps)
            stacks.append(case.pair.asked_states(case, generator, base, positions, rows, 1.0))
            position += steps
        return Question(self, case, data, tuple(stacks))

    # How it is asked.

    def reply(self, recipe: Recipe, question: Question, seed: int) -> Told:
        """What is told of each step's predictions; a recipe without a metric tells nothing."""
        del seed
        outcomes = Told([], [])
        for stack, _ in question.stacks:
            for k in range(len(stack)):
                self._step(recipe, question, stack, k, outcomes)
        return outcomes

    def glance(self, recipe: Recipe, question: Question, steps: int) -> Told:
        """The first steps."""
        with determinism(question.case.seed):
            return self.reply(recipe, question.beginning(steps), question.case.seed)

    def _step(
        self, recipe: Recipe, question: Question, stack: Stack, k: int, outcomes: Told
    ) -> None:
        value = raised = None
        try:
            if recipe.metric is not None:
                given = _own(recipe, question.case, stack, k)
                value = plain_tensor(recipe.metric(given, stack.y[k].clone()), "the metric")
                value = value.detach().double()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it may raise what it likes
            raised = Raised.by(error, STAGE, stack.places[k])
        outcomes.values.append(value)
        outcomes.raised.append(raised)

    # What a reply comes to.

    def judge(
        self, question: Question, reply: Told, subject: Recipe, reference: Recipe
    ) -> ComponentVerdict:
        """The same number as the reference tells, to the last bits of a division."""
        del subject
        right = self.own_reply(reference, question)
        places = [place for stack, _ in question.stacks for place in stack.places]
        pairs = zip(places, reply.values, right.values, reply.raised, strict=True)
        faults = [
            _fault(place, value, should)
            for place, value, should, raised in pairs
            if should is not None and not raised
        ]
        first = next((fault for fault in faults if fault), None)
        raised = next((error for error in reply.raised if error), None)
        level: Level = "different" if first else "error" if raised else "identical"
        if all(value is None for value in right.values):
            level = "inconclusive"
        return ComponentVerdict(question, level, first, raised, len(places))

    def signatures(
        self, question: Question, reply: Told, convention: Convention
    ) -> Iterator[Signature]:
        """What was told, or raised, in each step."""
        del question, convention
        yield _signature(reply)

    def begins_like(
        self, question: Question, reply: Told, beginning: Told, right: Signature
    ) -> bool:
        """Whether the first steps are told alike."""
        del right
        few = len(beginning.values)
        begun = replace(reply, values=reply.values[:few], raised=reply.raised[:few])
        return _signature(begun).matches(_signature(beginning), question.case.torch_dtype)


def _own(recipe: Recipe, case: Case, stack: Stack, k: int) -> Tensor:
    """The predictions (m, ...) of a step, as this recipe has them."""
    rows = (stack.rows, *case.pair.shapes(case).prediction)
    reading = recipe.reading
    return reading.own(reading.project(stack.prediction[k].reshape(rows).clone()))


def _fault(place: tuple[int, int], value: Tensor | None, right: Tensor) -> Divergence | None:
    """How a value told is not the right one."""
    if value is None or value.shape != right.shape:
        shape = "nothing" if value is None else f"shape {tuple(value.shape)}"
        return Divergence(STAGE, *place, text=f"tells {shape}, but should tell one number")
    if close(value.reshape(1, -1), right.reshape(1, -1), torch.float32):
        return None
    gap = float((value - right).abs().max())
    got, expected = float(value.reshape(-1)[0]), float(right.reshape(-1)[0])
    return Divergence(STAGE, *place, got, expected, gap, 0.0)


def _signature(outcomes: Told) -> Signature:
    facts = tuple(
        (error.kind, error.message) if error else tuple(value.shape) if value is not None else None
        for value, error in zip(outcomes.values, outcomes.raised, strict=True)
    )
    values = tuple(value.reshape(1, -1) for value in outcomes.values if value is not None)
    return Signature(facts, values)
