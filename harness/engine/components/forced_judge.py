"""A single piece judged: its forced steps against the float64 oracle of the reference.

Loaded where replies are judged, not where an answer is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from harness.engine.components.component import ComponentVerdict, Question
from harness.engine.components.single_piece import ForcedReply, SinglePiece
from harness.engine.expected import Expected
from harness.engine.forced import STAGE_OF, Standard, by_stage, examine
from harness.engine.forced_run import Forced
from harness.engine.oracle import Oracle
from harness.engine.recipe import Convention, Recipe
from harness.engine.seeding import determinism
from harness.engine.stage import Divergence, StageRecord, worst


def judge_forced(
    component: SinglePiece,
    question: Question,
    reply: ForcedReply,
    subject: Recipe,
    reference: Recipe,
) -> ComponentVerdict:
    """The verdict on a single piece; `subject` gives the convention, `reference` is right."""
    standards = _standards(component, question, reference)
    again = once = standards.records(reply.once, subject.convention)
    if question.twice and not standards.alike(reply.once, reply.again):
        again = standards.records(reply.again, subject.convention)
    levels = [record.level for record in once.values()]
    firsts = [record.first for record in once.values() if record.first]
    raised = [record.raised for record in once.values() if record.raised]
    first = min(firsts, key=lambda d: (d.epoch, d.step), default=None)
    if not firsts and not raised:
        first = _later(again)
        raised = [record.raised for record in again.values() if record.raised]
        levels = [record.level for record in (*once.values(), *again.values())]
    level = worst(levels)
    return ComponentVerdict(
        question,
        level,
        first,
        raised[0] if raised else None,
        question.steps,
        subject.convention,
        _nothing_compared(once) if level == "inconclusive" else None,
    )


def _later(again: dict[str, StageRecord]) -> Divergence | None:
    """The first divergence of a piece that was right when it was first asked."""
    late = next((record.first for record in again.values() if record.first), None)
    if late is None:
        return None
    return replace(late, text=f"{late.words} when it is asked the same again")


def _nothing_compared(records: dict[str, StageRecord]) -> str:
    """Why there is no verdict."""
    if not all(record.steps for record in records.values()):
        return "no step was asked"
    if not all(record.sound for record in records.values()):
        return "the reference itself is further from its float64 run than rounding explains"
    return "every value is 0 on both sides"


@lru_cache(maxsize=64)
def _standards(component: SinglePiece, question: Question, reference: Recipe) -> _Standards:
    """The same question is put to many answers."""
    with determinism(question.case.seed):
        return _Standards(component, question, reference)


class _Standards:
    """What a single piece should have replied to a question, and what the reference replies."""

    def __init__(self, component: SinglePiece, question: Question, reference: Recipe) -> None:
        case, stacks = question.case, question.stacks
        self.dtype, self.asked = case.torch_dtype, component.columns
        lr = case.lr * reference.convention.factor
        self.oracle = Oracle(reference, case, question.data, lr)
        self.own = component.own_reply(reference, question).once
        self.factor = reference.convention.factor
        self.convention = convention = reference.convention
        updates = self.oracle.history().follow([stack for stack, _ in stacks], convention)
        self.standards = [
            self._measured(
                Standard(stack, self.oracle.expect(stack, convention, handed, updated), {}, {}),
                own,
            )
            for (stack, handed), own, updated in zip(stacks, self.own, updates, strict=True)
        ]

    def alike(self, some: Sequence[Forced], others: Sequence[Forced]) -> bool:
        """Whether two rounds of replies are the same to the bit, with nothing amiss in them."""
        return all(
            not (a.faults or b.faults or a.raised or b.raised)
            and all(_same(getattr(a, name), getattr(b, name)) for name in self.asked)
            for a, b in zip(some, others, strict=True)
        )

    @cached_property
    def _own_records(self) -> dict[str, StageRecord]:
        return self._judged(self.own, self.convention)

    def records(self, replies: Sequence[Forced], convention: Convention) -> dict[str, StageRecord]:
        """The stages of the piece, judged on all states; `convention` is the subject's."""
        if convention == self.convention and self.alike(replies, self.own):
            return self._own_records  # to the bit: then it needs no second look
        return self._judged(replies, convention)

    def _judged(self, replies: Sequence[Forced], convention: Convention) -> dict[str, StageRecord]:
        stages = [STAGE_OF[name] for name in self.asked]
        records = {stage: StageRecord(stage, self.dtype) for stage in stages}
        for standard, steps, own in zip(self.standards, replies, self.own, strict=True):
            examine(records, standard, steps, self.oracle, convention, self.asked)
            for stage, (_, expected) in self._columns(own, standard).items():
                records[stage].measure(expected, standard.gaps[stage])
        return records

    def _measured(self, bare: Standard, own: Forced) -> Standard:
        """With the reference's own bits, and its distances to what should have been."""
        columns = self._columns(own, bare)
        gaps = {
            stage: (value.double() / self._unit(stage) - expected.value).abs()
            for stage, (value, expected) in columns.items()
        }
        bits = {stage: value for stage, (value, _) in columns.items()}
        return replace(bare, gaps=gaps, bits=bits)

    def _columns(self, own: Forced, standard: Standard) -> dict[str, tuple[Tensor, Expected]]:
        values = {name: getattr(own, name) for name in self.asked}
        return by_stage(values, standard, self.oracle)

    def _unit(self, stage: str) -> float:
        """What the reference's values are divided by to be those of the mean squared error."""
        return self.factor if stage == "loss" else 1.0


def _same(values: Tensor, others: Tensor) -> bool:
    return values.dtype == others.dtype and torch.equal(values, others)
