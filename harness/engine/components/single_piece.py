"""What the pieces that are asked step by step have in common: model, loss and optimizer.

Each step of a question starts from a made-up state, and nothing in a state follows from anything
else in it: no piece can be right by luck, and none is blamed for another's fault.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from harness.engine.case import Case, UpdateRule
from harness.engine.components.component import (
    ComponentVerdict,
    Fit,
    Matched,
    Question,
    seeded,
)
from harness.engine.components.signature import Signature, close
from harness.engine.forced_run import Forced, forced
from harness.engine.recipe import Convention, Recipe
from harness.engine.seeding import determinism
from harness.engine.trace import Stack

PARTING = 4  # steps of a question that only parts one mistake from another
# rows and steps of the states: full batches, a short one, a single row
LOTS = ((5, 9), (3, 4), (1, 3))
COMMON = 1.0  # what gradients of a training are like


@dataclass(frozen=True)
class ForcedReply:
    """The forced steps by stack; `again` those of a question that is asked `twice`, else none."""

    once: list[Forced]
    again: tuple[Forced, ...] = ()

    @property
    def rounds(self) -> list[Forced]:
        """The steps of all rounds."""
        return [*self.once, *self.again]


class SinglePiece(Matched[ForcedReply]):
    """A piece that answers in `columns` of a forced step, each by itself."""

    columns: ClassVar[tuple[str, ...]]
    reply_type = ForcedReply

    # What is asked.

    def made(
        self, base: Recipe, cases: Sequence[Case], rule: UpdateRule, fit: Fit
    ) -> tuple[Question, ...]:
        """The questions of these cases, the first of them twice, and those that only part."""
        del fit
        first, *others = self.judged(base, cases, rule)
        return (replace(first, twice=True), *others, *self.parting(first, rule))

    def judged(self, base: Recipe, cases: Sequence[Case], rule: UpdateRule) -> list[Question]:
        """The questions by which the piece is judged."""
        del rule
        return [self.question(base, case) for case in cases]

    def parting(self, first: Question, rule: UpdateRule) -> list[Question]:
        """Questions that only part one mistake from another: the first one's few steps, changed."""
        del rule
        return [_turned(replace(first.beginning(PARTING), judged=False))]

    def question(self, base: Recipe, case: Case, size: float = COMMON) -> Question:
        """A question with states, whose gradients are of the given size."""
        generator = seeded(case)
        data = case.pair.asked_data(case, generator)
        stacks = []
        position = 0
        for rows, steps in LOTS:
            positions = range(position, position + steps)
            stacks.append(case.pair.asked_states(case, generator, base, positions, rows, size))
            position += steps
        return Question(self, case, data, tuple(stacks))

    # How it is asked.

    def reply(self, recipe: Recipe, question: Question, seed: int) -> ForcedReply:
        """The forced steps, and once more of a side built anew where that is asked."""
        del seed
        once = self._forced(recipe, question)
        return ForcedReply(once, tuple(self._forced(recipe, question)) if question.twice else ())

    def reply_of_own(self, recipe: Recipe, question: Question) -> ForcedReply:
        """The kit's own pieces keep no state, so that one round is enough."""
        with determinism(question.case.seed):
            once = self._forced(recipe, question)
        return ForcedReply(once, tuple(once) if question.twice else ())

    def glance(self, recipe: Recipe, question: Question, steps: int) -> ForcedReply:
        """The first steps."""
        with determinism(question.case.seed):
            return ForcedReply(self._forced(recipe, question.beginning(steps)))

    def _forced(self, recipe: Recipe, question: Question) -> list[Forced]:
        side = recipe.build(question.case, question.data, lr=question.lr)
        return forced(side, list(question.stacks), recipe.convention, self.columns)

    # What a reply comes to.

    def judge(
        self, question: Question, reply: ForcedReply, subject: Recipe, reference: Recipe
    ) -> ComponentVerdict:
        """Held against the float64 oracle of the reference, on the question's own states."""
        # not loaded where an answer is only asked
        from harness.engine.components.forced_judge import judge_forced

        return judge_forced(self, question, reply, subject, reference)

    def signatures(
        self, question: Question, reply: ForcedReply, convention: Convention
    ) -> Iterator[Signature]:
        """The one signature."""
        del question, convention
        yield self.signature(reply)

    def signature(self, reply: ForcedReply) -> Signature:
        """What was given in each column, in both rounds where it is asked twice."""
        return self._signature(reply.rounds)

    def _signature(self, steps: Sequence[Forced]) -> Signature:
        facts = tuple(_fact(stack, name) for stack in steps for name in self.columns)
        values = tuple(getattr(stack, name) for stack in steps for name in self.columns)
        return Signature(facts, values)

    def steady(self, question: Question, reply: ForcedReply) -> bool:
        """Whether it replies the same, up to rounding, when it is asked the same again.

        True where it is not asked twice.
        """
        once, again = self._signature(reply.once), self._signature(reply.again or reply.once)
        return once.matches(again, question.case.torch_dtype)

    def begins_like(
        self, question: Question, reply: ForcedReply, beginning: ForcedReply, right: Signature
    ) -> bool:
        """As in `Matched`; facts are left out, and NaN stands behind values that may be of a longer
        step later on.
        """
        whole, few = reply.once[0], beginning.once[0]
        for column, size in zip(self.columns, right.values, strict=False):
            first = getattr(few, column)
            values = getattr(whole, column)[: len(first)]
            missing = values.shape[1] - first.shape[1]
            if missing < 0:
                return False
            padded = nn.functional.pad(first.double(), (0, missing), value=torch.nan)
            if not close(values, padded, question.case.torch_dtype, size[: len(first)]):
                return False
        return True


def _turned(question: Question) -> Question:
    """The same with the rows of each batch in the opposite order."""
    return replace(
        question,
        stacks=tuple(
            (_rows_turned(stack), turned_rows(handed, stack.rows))
            for stack, handed in question.stacks
        ),
        turned=True,
    )


def _rows_turned(stack: Stack) -> Stack:
    X, y, prediction = (
        turned_rows(column, stack.rows) for column in (stack.X, stack.y, stack.prediction)
    )
    return replace(stack, X=X, y=y, prediction=prediction)


def turned_rows(column: Tensor, rows: int) -> Tensor:
    """What belongs to so many rows, (K, rows, ...) or (K, rows · width), the last row first."""
    return column.reshape(len(column), rows, -1).flip(1).reshape(column.shape)


def _fact(steps: Forced, column: str) -> Hashable:
    raised = steps.raised.get(column)
    return (
        steps.faults.get(column),
        (raised.kind, raised.message, raised.step) if raised else None,
    )
