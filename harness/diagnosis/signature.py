"""What a reply comes to when it is held against another one: hard facts and values.

Two replies to the same question are the same where their facts are equal (shapes, exceptions, the
course of a loop) and their values equal up to rounding. Which replies are worth holding against
each other is not decided here.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.diagnosis.questions import COLUMNS_OF, Question, Reply, Run
from harness.engine.lockstep import Forced
from harness.engine.recipe import Convention
from harness.engine.tolerance import unit_roundoff

# Rounding feeds back within a few steps; known mistakes are further apart than this by far.
ROUNDINGS = 512


@dataclass(frozen=True)
class Signature:
    """The facts and the values (steps, width) of a reply."""

    facts: tuple[Hashable, ...]
    values: tuple[Tensor, ...]

    def matches(self, other: Signature, dtype: torch.dtype, right: Signature | None = None) -> bool:
        """Whether both are the same up to rounding in this dtype.

        `right` gives the size that values have there: what is small beside it, because something
        cancels or saturates, is not known any better.
        """
        if self.facts != other.facts or len(self.values) != len(other.values):
            return False
        sizes = [*(right.values if right else ()), *[None] * len(self.values)]
        values = zip(self.values, other.values, sizes, strict=False)
        return all(_close(mine, theirs, dtype, size) for mine, theirs, size in values)

    def distance(self, other: Signature) -> float:
        """The largest gap between values that both have."""
        gaps = [
            (mine - theirs).abs().nan_to_num().max().item()
            for mine, theirs in zip(self.values, other.values, strict=False)
            if mine.shape == theirs.shape and mine.numel()
        ]
        return max(gaps, default=0.0)


def _close(mine: Tensor, theirs: Tensor, dtype: torch.dtype, right: Tensor | None = None) -> bool:
    """Equal up to rounding, relative to the largest value of each step; NaN equals NaN only."""
    if mine.shape != theirs.shape:
        return False
    if not mine.numel():
        return True
    mine, theirs = (values.double().reshape(len(values), -1) for values in (mine, theirs))
    same = (mine == theirs) | (mine.isnan() & theirs.isnan())
    size = torch.maximum(_finite(mine), _finite(theirs)).amax(1, keepdim=True)
    if right is not None and len(right) == len(mine):
        largest = _finite(right.double().reshape(len(right), -1)).amax(1, keepdim=True)
        size = torch.maximum(size, largest)
    near = (mine - theirs).abs() <= ROUNDINGS * unit_roundoff(dtype) * size
    return bool((same | near).all())


def _finite(values: Tensor) -> Tensor:
    return values.abs().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def of_pieces(question: Question, reply: Reply) -> Signature:
    """The signature of a single piece, of both rounds where it is asked twice."""
    assert reply.forced is not None
    columns = COLUMNS_OF[question.component]
    rounds = [*reply.forced, *(reply.again or ())]
    facts = tuple(_fact(got, name) for got in rounds for name in columns)
    values = tuple(getattr(got, name) for got in rounds for name in columns)
    return Signature(facts, values)


def steady(question: Question, reply: Reply) -> bool:
    """Whether a single piece replies the same, up to rounding, when it is asked the same again.

    True where it is not asked twice.
    """
    assert reply.forced is not None
    once, again = (
        of_pieces(question, Reply(forced=r)) for r in (reply.forced, reply.again or reply.forced)
    )
    return once.matches(again, question.case.torch_dtype)


def begins_like(question: Question, reply: Reply, beginning: Reply, right: Signature) -> bool:
    """Whether a piece or a loop began, up to rounding, with these steps; `right` as in `matches`.

    False only where the signatures cannot match either.
    """
    if reply.run and beginning.run:
        return _run_begins_like(question, reply.run, beginning.run, right)
    assert reply.forced is not None
    assert beginning.forced is not None
    return _pieces_begin_like(question, reply.forced[0], beginning.forced[0], right)


def _run_begins_like(question: Question, run: Run, beginning: Run, right: Signature) -> bool:
    if run.chunk is None or beginning.chunk is None:
        return (run.chunk is None) == (beginning.chunk is None)
    steps = len(beginning.chunk)
    if run.chunk.places[:steps] != beginning.chunk.places:
        return False
    size, after = right.values[0][:steps], run.chunk.after[:steps]
    return _close(after, beginning.chunk.after, question.case.torch_dtype, size)


def _pieces_begin_like(
    question: Question, reply: Forced, beginning: Forced, right: Signature
) -> bool:
    """Facts are left out, and NaN stands behind values that may be of a longer step later on."""
    columns = COLUMNS_OF[question.component]
    for column, size in zip(columns, right.values, strict=False):
        first = getattr(beginning, column)
        mine = getattr(reply, column)[: len(first)]
        missing = mine.shape[1] - first.shape[1]
        if missing < 0:
            return False
        padded = nn.functional.pad(first.double(), (0, missing), value=torch.nan)
        if not _close(mine, padded, question.case.torch_dtype, size[: len(first)]):
            return False
    return True


def _fact(got: Forced, column: str) -> Hashable:
    raised = got.raised.get(column)
    return (
        got.faults.get(column),
        (raised.kind, raised.message, raised.step) if raised else None,
    )


def of_run(run: Run, convention: Convention) -> Signature:
    """The signature of a loop: what was updated when, from which values to which.

    Gradients are taken in units of the mean squared error, as `convention` says.
    """
    raised = run.raised
    failure = (raised.kind, raised.message, raised.epoch, raised.step) if raised else None
    facts: list[Hashable] = [tuple(run.epochs), failure]
    if run.chunk is None:
        return Signature(tuple(facts), (run.final.reshape(1, -1),))
    chunk = run.chunk
    values = [chunk.after, run.final.reshape(1, -1)]
    facts.append(tuple(chunk.places))
    for lane in chunk.lanes:
        batch, predictions, losses, _ = lane.columns()
        facts.append((len(predictions), len(losses), tuple(lane.positions)))
        factor = convention.gradient_factor(batch[0].shape[1]) if batch[0].numel() else 1.0
        values += [*predictions, *losses, chunk.gradient[lane.positions] / factor]
    entered = [value for k, (value, _) in sorted(run.entered.items()) if k < len(chunk)]
    if entered:
        values.append(torch.stack(entered))
    return Signature(tuple(facts), tuple(values))
