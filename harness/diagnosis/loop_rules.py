"""Facts that give the mistake of a training loop away: what it trained on, when, and with what.

A loop can be written in so many ways that its values seldom equal those of another wrong loop; but
what it did to the gradients, and which batches it used, can be read off its record. Each rule
states one row of the catalogue, on every step of every question; where no rule holds, nothing is
said.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from harness.engine.components import Question, Run
from harness.engine.components.initialisation import SIGMA
from harness.engine.components.loop import trained
from harness.engine.recipe import Convention
from harness.engine.trace import Chunk, Stack

CLOSE = 1e-4
Told = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Record:
    """One run of a loop, with the gradients that each of its steps should have had.

    Gradients are in units of the mean squared error, as `convention` says.
    """

    question: Question
    run: Run
    convention: Convention

    @property
    def chunk(self) -> Chunk:
        """The recorded steps."""
        assert self.run.chunk is not None
        return self.run.chunk

    @property
    def epochs(self) -> int:
        """Epochs that there should be."""
        return self.question.case.epochs

    @property
    def batches(self) -> int:
        """Batches that each epoch should have."""
        return math.ceil(self.question.case.n / self.question.case.batch_size)

    @cached_property
    def rows(self) -> list[int]:
        """Rows of the batch of each step."""
        return [len(X) for X, _ in self.chunk.batches()]

    @cached_property
    def gradients(self) -> Tensor:
        """Gradients as the updates found them (K, P); 0 where there was none."""
        factors = [self.convention.gradient_factor(rows) for rows in self.rows]
        return self.chunk.gradient.double().nan_to_num() / torch.tensor(factors)[:, None]

    @cached_property
    def fresh(self) -> Tensor:
        """Gradients of each step's own predictions (K, P); NaN where they are not of its batch."""
        values = torch.full((len(self.chunk), self.chunk.after.shape[1]), math.nan).double()
        for stack in self.chunk.stacks():
            if not stack.fault:
                values[stack.positions] = gradients_of_rows(stack).mean(1)
        return values

    @cached_property
    def ratio(self) -> list[float]:
        """Each update over the one that should have been made; NaN where it is no multiple."""
        right = -self.question.case.lr * self.convention.factor * self.fresh
        moved = (self.chunk.after - self.chunk.before_each).double()
        return [_multiple(a, b) for a, b in zip(moved, right, strict=True)]

    def is_found(self, expected: Tensor, steps: Sequence[int] | None = None) -> bool:
        """Whether the gradients found are these (K, P), in all steps or in some."""
        chosen = list(range(len(self.chunk))) if steps is None else list(steps)
        return bool(chosen) and _same(self.gradients[chosen], expected[chosen])

    @property
    def given(self) -> list[Tensor]:
        """The features that the model got in each step, as far as they are known."""
        entered = self.run.entered
        return [torch.cat(entered[k][1]) for k in range(len(self.chunk)) if k in entered]


def gradients_of_rows(stack: Stack) -> Tensor:
    """The gradient of each row's squared error: (steps, rows, d + 1), float64."""
    residual = 2 * (stack.prediction.double() - stack.y.double().flatten(1))
    design = torch.cat((stack.X.double(), torch.ones_like(residual)[..., None]), 2)
    return residual[..., None] * design


def _same(a: Tensor, b: Tensor) -> bool:
    size = b.abs().amax(1, keepdim=True)
    return bool(((a - b).abs() <= CLOSE * size).all())


def _multiple(a: Tensor, b: Tensor) -> float:
    """The number that b is multiplied by to give a, NaN where there is none."""
    ratio = float(a @ b / (b @ b))
    near = (a - ratio * b).abs().max() <= 10 * CLOSE * b.abs().max()
    return ratio if bool(near) else math.nan


def told_loop(runs: Sequence[tuple[Question, Run]], convention: Convention) -> Told:
    """The mistakes that the record of a loop gives away."""
    mistakes = list(_told_by_values(runs, convention))
    yield from mistakes or _told_by_course(runs, convention)


def _told_by_values(runs: Sequence[tuple[Question, Run]], convention: Convention) -> Told:
    """What whole runs give away: where parameters start from, what gradients are made of."""
    whole = [(question, run.chunk, run) for question, run in runs if run.chunk and not run.raised]
    if len(whole) < len(runs):
        return
    clues = list(_starts_again(whole))
    for reading in _readings(convention):
        clues = clues or list(_accumulates([chunk for _, chunk, _ in whole], reading))
    yield from clues


def _told_by_course(runs: Sequence[tuple[Question, Run]], convention: Convention) -> Told:
    """What was trained on when, and with which gradients; first what was raised."""
    runs = [(question, trained(run)) for question, run in runs]
    raised = [run.raised for _, run in runs if run.raised]
    if raised:
        yield from _raised([one.message for one in raised], len(runs))
        return
    for reading in _readings(convention):
        records = [Record(question, run, reading) for question, run in runs if run.chunk]
        if len(records) < len(runs) or not records:
            return
        for rule in _RULES:
            said = rule(records)
            if said:
                yield said
                return


def _readings(convention: Convention) -> tuple[Convention, Convention]:
    """A loop may average a loss per example itself."""
    return convention, replace(convention, reduction="mean")


def _starts_again(runs: list[tuple[Question, Chunk, Run]]) -> Told:
    """Parameters that jump to initial values where every epoch begins, and nowhere else."""
    epochs = 0
    for question, chunk, run in runs:
        jumps = dict(_jumps(run, chunk))
        given = torch.cat([value.reshape(-1) for value in question.data.initial])
        begins = {k for k, (_, step) in enumerate(chunk.places) if k and not step}
        if set(jumps) != begins or not all(_initial(value, given) for value in jumps.values()):
            return
        epochs += len(jumps)
    if epochs:
        said = f"the parameters jump to initial values where {epochs} epochs begin, never elsewhere"
        yield "train.reinitialises", said


def _jumps(run: Run, chunk: Chunk) -> Iterator[tuple[int, Tensor]]:
    """The steps that start from other values than the last update left, and these values."""
    for k, (value, _) in run.entered.items():
        if 0 < k < len(chunk) and not torch.equal(value, chunk.after[k - 1]):
            yield k, value


def _initial(value: Tensor, given: Tensor) -> bool:
    """Whether parameters are the initial ones again, or as small as freshly drawn ones."""
    fresh = bool((value[:-1].abs() <= 10 * SIGMA).all() and value[-1] == 0)
    again: bool = torch.equal(value, given.to(value))
    return fresh or again


def _accumulates(chunks: list[Chunk], convention: Convention) -> Told:
    """Gradients of micro-batches that were put together with the wrong weights, in every step."""
    stacks = [stack for chunk in chunks for stack in chunk.stacks()]
    if any(stack.fault for stack in stacks) or all(len(stack.micros) < 2 for stack in stacks):
        return
    sums, means = True, True
    for stack in stacks:
        gradients = stack.gradient.double() / convention.gradient_factor(stack.rows)
        parts = _gradients_of_parts(stack)
        sums &= bool(torch.allclose(gradients, parts.sum(0), rtol=1e-4, atol=1e-5))
        means &= bool(torch.allclose(gradients, parts.mean(0), rtol=1e-4, atol=1e-5))
    if sums:
        said = "the gradient is the sum of the micro-batches' means, not weighted by their rows"
        yield "train.accumulation-unscaled", said
    elif means:
        said = "the gradient is the mean of the micro-batches' means, whatever their rows"
        yield "train.accumulation-uneven", said


def _gradients_of_parts(stack: Stack) -> Tensor:
    """The gradient of each micro-batch's mean squared error: (parts, steps, d + 1), float64."""
    parts = gradients_of_rows(stack).split(stack.micros, 1)
    return torch.stack([part.mean(1) for part in parts])


def _raised(messages: list[str], runs: int) -> Told:
    """By torch's own words, or MXNet's: the other pieces are the reference's, so the loop it is."""
    nothing = ("does not have a grad_fn", "is not in a computational graph")
    if len(messages) == runs and all(any(n in text for n in nothing) for text in messages):
        yield "train.no-grad-loop", "the backward pass finds nothing that requires gradients"
    if all("backward through the graph a second time" in text for text in messages):
        yield "train.stale-forward", "the backward pass goes through a graph that is gone already"


Rule = Callable[[list[Record]], tuple[str, str] | None]


def _same_batch(records: list[Record]) -> tuple[str, str] | None:
    """Every epoch with several steps takes the same rows in all of them."""
    several = 0
    for record in records:
        places = [epoch for epoch, _ in record.chunk.places]
        for epoch, count in Counter(places).items():
            given = [X for X, e in zip(record.given, places, strict=False) if e == epoch]
            if any(len(X) == record.question.case.n for X in given):
                return None
            if count > 1 and not all(torch.equal(X, given[0]) for X in given):
                return None
            several += count > 1
    calls = all(set(r.run.epochs) == {1} and len(r.run.epochs) > r.epochs for r in records)
    if several or calls:
        return "train.same-batch", "every step of an epoch takes the same rows"
    return None


def _full_batch(records: list[Record]) -> tuple[str, str] | None:
    in_batches = [r for r in records if r.question.case.n > r.question.case.batch_size]
    for record in in_batches:
        if not record.given or any(len(X) != record.question.case.n for X in record.given):
            return None
    if not in_batches:  # a loop that takes all rows as one batch
        return None
    n = in_batches[0].question.case.n
    return "train.full-batch", f"the model is given all {n} rows in every step"


def _step_outside(records: list[Record]) -> tuple[str, str] | None:
    """All batches are served, and one update is made for each epoch."""
    for record in records:
        whole = [record.batches] * record.epochs
        once = Counter(epoch for epoch, _ in record.chunk.places)
        if record.run.epochs != whole or set(once.values()) != {1} or len(once) != record.epochs:
            return None
    if all(record.batches == 1 for record in records):
        return None
    return "train.step-outside-loop", f"one update for {records[0].batches} batches of an epoch"


def _stops_early(records: list[Record]) -> tuple[str, str] | None:
    """Epochs end before their last batch, all after as many, and every batch is trained on."""
    short = []
    for record in records:
        counts = set(record.run.epochs)
        if len(record.run.epochs) != record.epochs or len(counts) != 1:
            return None
        if len(record.chunk) not in (
            sum(record.run.epochs),
            sum(record.run.epochs) - record.epochs,
        ):
            return None
        (count,) = counts
        if count > record.batches:
            return None
        if count < record.batches:
            short.append((count, record.batches))
    if not short:
        return None
    return "train.stops-early", f"an epoch ends after {short[0][0]} of {short[0][1]} batches"


def _exhausted(records: list[Record]) -> tuple[str, str] | None:
    longer = [record for record in records if record.epochs > 2]
    if longer and all(
        record.run.epochs[:1] == [record.batches] and not any(record.run.epochs[1:])
        for record in records
    ):
        return "train.iterator-exhausted", "no batch is served after the first epoch"
    return None


def _epoch_count(records: list[Record]) -> tuple[str, str] | None:
    off = {len(record.run.epochs) - record.epochs for record in records}
    full = all(set(record.run.epochs) <= {record.batches} for record in records)
    if len(off) == 1 and full and off <= {-1, 1} and max(r.epochs for r in records) > 2:
        made, asked = len(records[0].run.epochs), records[0].epochs
        return "train.epoch-count", f"makes {made} epochs of {asked}"
    return None


def _regular(records: list[Record]) -> bool:
    """Whether every batch of every epoch was trained on once."""
    return all(
        record.run.epochs == [record.batches] * record.epochs
        and len(set(record.chunk.places)) == len(record.chunk) == record.batches * record.epochs
        for record in records
    )


def _cleared(records: list[Record]) -> tuple[str, str] | None:
    if _regular(records) and all(not bool(record.gradients.any()) for record in records):
        return "train.zero-grad-after-backward", "no update ever finds a gradient"
    return None


def _lags(records: list[Record]) -> tuple[str, str] | None:
    """Each update finds the gradient of the step before it, the first one none."""
    if not _regular(records):
        return None
    for record in records:
        later = range(1, len(record.chunk))
        before = torch.cat((torch.zeros_like(record.fresh[:1]), record.fresh[:-1]))
        summed = torch.cat((torch.zeros_like(record.fresh[:1]), record.fresh.cumsum(0)[:-1]))
        if bool(record.gradients[0].any()):
            return None
        kept = record.is_found(before, later) or record.is_found(summed, later)
        if not (kept or _entered_late(record)):
            return None
    return "train.step-before-backward", "each update finds the gradient of the step before it"


def _entered_late(record: Record) -> bool:
    """Whether each update but the first follows a forward pass on the batch before its own."""
    entered, served = record.run.entered, [X for X, _ in record.chunk.batches()]
    return len(served) > 1 and all(
        k in entered and torch.equal(torch.cat(entered[k][1]), served[k - 1])
        for k in range(1, len(served))
    )


def _never_cleared(records: list[Record]) -> tuple[str, str] | None:
    if not _regular(records):
        return None
    sums = [(record, record.fresh.cumsum(0)) for record in records]
    if all(record.is_found(total) for record, total in sums):
        return "train.no-zero-grad", "the gradient of a step is the sum of all gradients so far"
    kept = {_kept(record, total) for record, total in sums}
    if len(kept) == 1 and None not in kept:
        return "train.partial-zero-grad", f"only {kept.pop()}'s gradient is summed up"
    return None


def _kept(record: Record, total: Tensor) -> str | None:
    """The one parameter whose gradient is never cleared."""
    for name, columns in (("the weight", slice(None, -1)), ("the bias", slice(-1, None))):
        expected = record.fresh.clone()
        expected[:, columns] = total[:, columns]
        if record.is_found(expected):
            return name
    return None


def _leaks(records: list[Record]) -> tuple[str, str] | None:
    """Only the first gradient of each later epoch is off."""
    if not _regular(records):
        return None
    seen = 0
    for record in records:
        begins = [k for k, (epoch, step) in enumerate(record.chunk.places) if epoch and not step]
        others = [k for k in range(len(record.chunk)) if k not in begins]
        if not record.is_found(record.fresh, others):
            return None
        if any(record.is_found(record.fresh, [k]) for k in begins):
            return None
        seen += len(begins)
    if not seen:
        return None
    return "train.evaluation-leaks", "only the first gradient of each later epoch has a term more"


def _broadcast(records: list[Record]) -> tuple[str, str] | None:
    """Every gradient is that of all predictions minus all labels: the loop's own loss, unshaped."""
    if not _regular(records):
        return None
    apart = 0
    for record in records:
        spread = torch.full_like(record.fresh, math.nan)
        for stack in record.chunk.stacks():
            if not stack.fault:
                labels = stack.y.double().flatten(1)
                every = replace(stack, y=labels.mean(1, keepdim=True).expand_as(labels))
                spread[stack.positions] = gradients_of_rows(every).mean(1)
        # whether such a loop has the factor ½ cannot be told from its gradient
        if not any(record.is_found(factor * spread) for factor in (0.5, 1.0, 2.0)):
            return None
        apart += not record.is_found(record.fresh)
    if not apart:
        return None
    return "loss.no-reshape", "each gradient is that of every prediction minus every label"


def _divides(records: list[Record]) -> tuple[str, str] | None:
    """Updates that are the right ones times a number that depends on the rows alone."""
    if not _regular(records):
        return None
    steps = [
        (record.question.case.batch_size, rows, ratio)
        for record in records
        for rows, ratio in zip(record.rows, record.ratio, strict=True)
    ]
    if any(math.isnan(ratio) for *_, ratio in steps):
        return None
    tails = [(size, rows, ratio) for size, rows, ratio in steps if rows != size]
    right = all(abs(ratio - 1) < CLOSE * 10 for size, rows, ratio in steps if rows == size)
    if right and tails and all(abs(q - rows / size) < CLOSE * 10 for size, rows, q in tails):
        size, rows, _ = tails[0]
        return "train.fixed-divisor", f"the last {rows} rows are divided by {size}"
    if all(abs(ratio * rows - 1) < CLOSE * 10 for _, rows, ratio in steps) or all(
        abs(ratio * size - rows / size) < CLOSE * 10 for size, rows, ratio in steps
    ):
        return "train.divides-twice", "every update is too small by the batch length"
    return None


def _twice(records: list[Record]) -> tuple[str, str] | None:
    """Every batch is followed by two updates."""
    for record in records:
        counts = Counter(record.chunk.places)
        if set(counts.values()) != {2} or len(counts) != record.batches * record.epochs:
            return None
    return "train.double-step", "two updates are made for every batch"


def _copies(records: list[Record]) -> tuple[str, str] | None:
    """Everything is right but for what comes back: the initial parameters."""
    if not _regular(records):
        return None
    for record in records:
        given = torch.cat([value.reshape(-1) for value in record.question.data.initial])
        if not torch.equal(record.run.final, given.to(record.run.final)):
            return None
        if not record.is_found(record.fresh):
            return None
    return "train.trains-a-copy", "the parameters that come back are the initial ones"


_RULES: tuple[Rule, ...] = (
    _same_batch,
    _full_batch,
    _step_outside,
    _exhausted,
    _epoch_count,
    _stops_early,
    _lags,
    _cleared,
    _never_cleared,
    _leaks,
    _copies,
    _broadcast,
    _divides,
    _twice,
)
