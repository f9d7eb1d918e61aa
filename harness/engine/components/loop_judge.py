"""A training loop judged: its course, and its steps replayed by the reference on the same rows.

Loaded where replies are judged, not where an answer is asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from harness.engine.case_comparison import CaseComparison
from harness.engine.components.component import ComponentVerdict, Question
from harness.engine.components.loop import trained
from harness.engine.lockstep import UntrainableError
from harness.engine.recipe import Recipe
from harness.engine.stage import Divergence
from harness.engine.trace import STAGES, Chunk, Run


def judge_run(
    question: Question, reply: Run, subject: Recipe, reference: Recipe
) -> ComponentVerdict:
    """The verdict on a loop; `subject` gives the convention, `reference` is right."""
    run = trained(reply)
    steps = len(run.chunk) if run.chunk else 0
    if run.raised:
        return ComponentVerdict(question, "error", None, run.raised, steps)
    amiss = _structure(question, run)
    if amiss is None:
        for side in (reference, *question.case.pair.follows(reference.convention).both):
            if _is_own(run, question.component.own_reply(side, question)):
                judged = _own_verdict(question, side, reference)
                if judged.passed:  # by the float64 twin of the reference
                    return judged
    if run.chunk and (amiss is None or amiss.stage != "batch"):
        followed = _followed(question, run, subject, reference)
        if amiss is None or (followed.first and _when(followed.first) < _when(amiss)):
            return followed
    return ComponentVerdict(question, "different", amiss, steps=steps)


@lru_cache(maxsize=64)
def _own_verdict(question: Question, side: Recipe, reference: Recipe) -> ComponentVerdict:
    """What the run of one of the kit's own sides comes to."""
    return _follow(question, question.component.own_reply(side, question), side, reference)


def _is_own(run: Run, own: Run) -> bool:
    """Whether a run is the kit's own to the bit: then it needs no second look."""
    if own.chunk is None or run.chunk is None:
        return False
    chunk, right = run.chunk, own.chunk
    same = run.epochs == own.epochs and chunk.places == right.places
    columns = [(chunk.after, right.after), (chunk.gradient, right.gradient)]
    for a, b in zip(chunk.stacks(), right.stacks(), strict=False):
        columns += [(a.X, b.X), (a.y, b.y), (a.prediction, b.prediction), (a.loss, b.loss)]
    return same and len(chunk.lanes) == len(right.lanes) and all(_same(*pair) for pair in columns)


def _same(values: Tensor, others: Tensor) -> bool:
    return values.dtype == others.dtype and torch.equal(values, others)


def _followed(question: Question, run: Run, subject: Recipe, reference: Recipe) -> ComponentVerdict:
    """The run judged step by step, in the convention in which it comes furthest."""
    verdicts = []
    for reading in _readings(subject):
        verdicts.append(_follow(question, run, reading, reference))
        if verdicts[-1].passed:
            break
    return max(verdicts, key=_lateness)


def _when(divergence: Divergence) -> tuple[int, int]:
    return (divergence.epoch, divergence.step)


def _readings(subject: Recipe) -> list[Recipe]:
    """The conventions that a loop may follow: it may average a loss per example itself."""
    convention = subject.convention
    if convention.reduction == "mean":
        return [subject]
    return [subject, replace(subject, convention=replace(convention, reduction="mean"))]


def _follow(question: Question, run: Run, subject: Recipe, reference: Recipe) -> ComponentVerdict:
    """The recorded steps, judged one by one."""
    comparison = CaseComparison(question.case, subject, reference)
    try:
        judged = comparison.judge_recorded(run, question.data, shuffled=question.shuffled)
    except UntrainableError as fault:
        return ComponentVerdict(
            question, "different", Divergence("batch", *fault.place, text=str(fault))
        )
    return ComponentVerdict(
        question,
        judged.verdict,
        judged.first_divergence,
        steps=judged.steps,
        convention=subject.convention,
        reason=judged.why if judged.verdict == "inconclusive" else None,
    )


def _lateness(verdict: ComponentVerdict) -> tuple[bool, int, int, int]:
    """How far a reading came before it failed."""
    first = verdict.first
    if first is None:
        return (verdict.passed, 0, 0, 0)
    return (False, *_when(first), STAGES.index(first.stage))


def _structure(question: Question, run: Run) -> Divergence | None:
    """What is amiss with the course of a loop, whatever the values: batches, updates, starts."""
    case = question.case
    whole = [math.ceil(case.n / case.batch_size)] * case.epochs
    if len(run.epochs) != len(whole):
        at = min(len(run.epochs), len(whole))
        return Divergence("batch", at, 0, text=f"makes {len(run.epochs)} epochs of {len(whole)}")
    for epoch, (made, due) in enumerate(zip(run.epochs, whole, strict=True)):
        if made != due:
            text = f"ends the epoch after {made} batches of {due}"
            return Divergence("batch", epoch, min(made, due), text=text)
    if not run.chunk:
        return Divergence("parameter", 0, 0, text="is never updated")
    return min(filter(None, _amiss(question, run, run.chunk)), key=_when, default=None)


def _amiss(question: Question, run: Run, chunk: Chunk) -> Iterator[Divergence | None]:
    """The first of each kind of fault in the updates."""
    expected = [(e, k) for e, count in enumerate(run.epochs) for k in range(count)]
    missing = [place for place in expected if place not in set(chunk.places)]
    yield _parameter(missing, "is not updated on this batch")
    twice = [a for a, b in pairwise(chunk.places) if a == b]
    yield _parameter(twice, "is updated twice on this batch")
    given = torch.cat([value.reshape(-1) for value in question.data.initial])
    given = chunk.before if question.own_start else given
    starts = torch.cat((given.reshape(1, -1).to(chunk.after), chunk.after[:-1]))
    entered = {k: value for k, value in run.entered.items() if k < len(chunk)}
    jumps = [k for k, (value, _) in entered.items() if not torch.equal(value, starts[k])]
    text = "is not what the last update left" if jumps[:1] != [0] else "starts from other values"
    yield _parameter([chunk.places[k] for k in jumps], text)
    served = enumerate(chunk.batches())
    others = [k for k, (X, _) in served if k in entered and _another(X, entered[k][1])]
    if others:
        place = chunk.places[others[0]]
        yield Divergence("batch", *place, text="is not the one that the model is given")
    nothing = ~(chunk.gradient.nan_to_num() != 0).any(1) & (chunk.after == starts).all(1)
    idle = [chunk.places[int(k)] for k in nothing.nonzero()]
    yield _parameter(idle, "does not change: the update finds no gradient")
    last = chunk.places[-1]
    if not torch.equal(run.final, chunk.after[-1]):
        back = torch.equal(run.final, starts[0])
        kept = "the initial ones, not those that were trained" if back else "not what was trained"
        yield Divergence("parameter", last[0], last[1] + 1, text=f"returned at the end is {kept}")


def _another(X: Tensor, given: list[Tensor]) -> bool:
    """Whether a model was given as many rows as were served, but other ones."""
    if any(part.shape[1:] != X.shape[1:] for part in given):
        return False
    rows = torch.cat(given)
    return rows.shape == X.shape and not torch.equal(rows, X)


def _parameter(places: Sequence[tuple[int, int]], text: str) -> Divergence | None:
    return Divergence("parameter", *places[0], text=text) if places else None
