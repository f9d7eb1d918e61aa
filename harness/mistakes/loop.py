"""Mistakes in the training loop: gradients kept or lost, steps skipped, doubled or misplaced.

All are small changes to `right_loop.Loop`, which is right in every convention.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from harness.engine.components import LOOP
from harness.engine.recipe import Batch, Recipe, Side
from harness.mistakes.mistake import (
    SEVERAL_EPOCHS,
    TAIL,
    UNEVEN_MICRO_BATCHES,
    Form,
    Mistake,
    form,
)
from harness.mistakes.right_loop import Loop


class _NeverClears(Loop):
    def step(self, batch: Batch) -> None:
        self.backward(batch)
        self.update(len(batch[1]))


def _clears_only(index: int) -> type[Loop]:
    class ClearsOne(Loop):
        def step(self, batch: Batch) -> None:
            self.side.parameters()[index].grad = None
            self.backward(batch)
            self.update(len(batch[1]))

    return ClearsOne


class _ForgetsTooEarly(Loop):
    def step(self, batch: Batch) -> None:
        self.backward(batch)
        self.side.zero_grad()
        self.update(len(batch[1]))


class _ZeroesTooEarly(Loop):
    def step(self, batch: Batch) -> None:
        self.backward(batch)
        for parameter in self.side.parameters():
            if parameter.grad is not None:
                parameter.grad.zero_()
        self.update(len(batch[1]))


class _OneIterator(Loop):
    def fit(self) -> None:
        self.batches = iter(self.side.loader)
        super().fit()

    def epoch(self, number: int) -> None:
        del number
        for batch in self.batches:
            self.step(batch)


class _UpdatesOnceAnEpoch(Loop):
    def epoch(self, number: int) -> None:
        del number
        rows = 0
        for batch in self.side.loader:
            self.before_backward()
            self.backward(batch)
            rows = len(batch[1])
        self.update(rows)
        self.side.zero_grad()

    def before_backward(self) -> None:
        """Let the gradients add up."""


class _UpdatesOnceWithTheLast(_UpdatesOnceAnEpoch):
    def before_backward(self) -> None:
        self.side.zero_grad()


class _BreaksAfterFirst(Loop):
    def epoch(self, number: int) -> None:
        del number
        for batch in self.side.loader:
            self.step(batch)
            break


class _BreaksBeforeLast(Loop):
    def epoch(self, number: int) -> None:
        del number
        batches = iter(self.side.loader)
        for _ in range(self.side.case.total_steps // self.side.case.epochs - 1):
            self.step(next(batches))


class _ReturnsInFirstEpoch(_BreaksAfterFirst):
    def fit(self) -> None:
        self.epoch(0)


class _WholeData(Loop):
    def step(self, batch: Batch) -> None:
        del batch
        data = self.side.data
        super().step((data.features, data.labels))


class _WholeDataBatchLength(Loop):
    def step(self, batch: Batch) -> None:
        self.side.zero_grad()
        self.backward((self.side.data.features, self.side.data.labels))
        self.update(len(batch[1]))


class _AsksForTheFirst(Loop):
    def fit(self) -> None:
        for _ in range(self.side.case.total_steps):
            self.step(next(iter(self.side.loader)))


class _KeepsTheFirst(Loop):
    def epoch(self, number: int) -> None:
        del number
        first: Batch | None = None
        for batch in self.side.loader:
            first = first or batch
            self.step(first)


class _DrawsAnew(Loop):
    def epoch(self, number: int) -> None:
        self.side.load(self.side.recipe.init(self.side.case.d))
        super().epoch(number)


class _DrawsAnewLater(_DrawsAnew):
    def epoch(self, number: int) -> None:
        (super().epoch if number else super(_DrawsAnew, self).epoch)(number)


class _StartsAgain(Loop):
    def epoch(self, number: int) -> None:
        self.side.load(self.side.data.initial)
        super().epoch(number)


class _NominalDivisor(Loop):
    def update(self, rows: int) -> None:
        del rows
        super().update(self.side.case.batch_size)


class _TrainsCopy(Loop):
    def fit(self) -> None:
        super().fit()
        self.side.load(self.side.data.initial)


def _epochs(more: int) -> type[Loop]:
    class Miscounted(Loop):
        def fit(self) -> None:
            for epoch in range(self.side.case.epochs + more):
                self.epoch(epoch)

    return Miscounted


def _leaking(reduce: Callable[[Tensor], Tensor]) -> type[Loop]:
    class Leaking(Loop):
        def step(self, batch: Batch) -> None:
            self.backward(batch)
            self.update(len(batch[1]))
            self.side.zero_grad()

        def epoch(self, number: int) -> None:
            super().epoch(number)
            data = self.side.data
            reduce(self.side.loss(self.side.forward(data.features), data.labels)).backward()

    return Leaking


class _AveragesFirst(Loop):
    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) / len(batch[1])


class _UpdatesTwice(Loop):
    def step(self, batch: Batch) -> None:
        super().step(batch)
        self.update(len(batch[1]))


class _UpdatesFirst(Loop):
    def step(self, batch: Batch) -> None:
        self.update(len(batch[1]))
        self.side.zero_grad()
        self.backward(batch)


class _OneForwardPass(Loop):
    def epoch(self, number: int) -> None:
        del number
        loss: Tensor | None = None
        for batch in self.side.loader:
            loss = self.loss(batch) if loss is None else loss
            self.side.zero_grad()
            loss.backward()
            self.update(len(batch[1]))


class _Unscaled(Loop):
    def share(self, rows: int, of: int) -> float:
        del rows, of
        return 1.0


class _EqualShares(Loop):
    def share(self, rows: int, of: int) -> float:
        del rows
        size = self.side.case.micro_batch_size or of
        return 1 / -(-of // size)


class _NothingRecorded(Loop):
    def fit(self) -> None:
        with torch.no_grad():
            super().fit()


def _form(name: str, loop: type[Loop], *, reduction: str | None = None) -> Form:
    """A wrong loop; `reduction` says that only bases of this kind can have it."""

    def piece(base: Recipe) -> Callable[[Side], None] | None:
        if reduction not in (None, base.convention.reduction):
            return None
        return lambda side: loop(side).fit()

    return form(LOOP, name, piece)


_mistake = partial(Mistake, component=LOOP, pair=None)


MISTAKES = (
    _mistake(
        id="train.no-zero-grad",
        first_stage="gradient",
        what="Nobody clears the gradients, so each backward pass adds to those of all steps "
        "before.",
        hint="Print `w.grad` before each backward pass: what should it be there?",
        fix="Clear the gradients once a step: `optimizer.zero_grad()` before `backward()`, or "
        "`p.grad.zero_()` after the update.",
        tell="the gradient is the running sum of the gradients of all steps so far",
        forms=(_form("never cleared", _NeverClears),),
    ),
    _mistake(
        id="train.partial-zero-grad",
        first_stage="gradient",
        what="Only some of the gradients are cleared.",
        hint="Print the gradient of every parameter before each backward pass.",
        fix="Clear the gradients of all parameters.",
        tell="the gradient of one parameter is a running sum, that of the other is right",
        forms=(
            _form("only the weight's", _clears_only(0)),
            _form("only the bias's", _clears_only(1)),
        ),
    ),
    _mistake(
        id="train.zero-grad-after-backward",
        first_stage="parameter",
        what="The gradients are cleared between the backward pass and the update.",
        hint="Print `w.grad` right before the update.",
        fix="Clear the gradients before `backward()` or after the update.",
        tell="no parameter ever changes",
        forms=(
            _form("forgotten before the update", _ForgetsTooEarly),
            _form("set to zero before the update", _ZeroesTooEarly),
        ),
    ),
    _mistake(
        id="train.iterator-exhausted",
        first_stage="batch",
        what="The data iterator is made once and is used up after the first epoch.",
        hint="Count the batches of each epoch.",
        fix="Call `data_iter(...)` inside the loop over epochs.",
        tell="no step is done after the first epoch",
        forms=(_form("one iterator for all epochs", _OneIterator),),
        where=SEVERAL_EPOCHS,
    ),
    _mistake(
        id="train.step-outside-loop",
        first_stage="parameter",
        what="The parameters are updated once an epoch, not once a batch.",
        hint="Count how often the update is called in one epoch. How far is it indented?",
        fix="Move the update into the loop over batches.",
        tell="the parameters change once an epoch",
        forms=(
            _form("with the sum of all batches", _UpdatesOnceAnEpoch),
            _form("with the last batch", _UpdatesOnceWithTheLast),
        ),
    ),
    _mistake(
        id="train.stops-early",
        first_stage="batch",
        what="An epoch ends before all of its batches were used.",
        hint="Count the steps of one epoch, and compare with the number of batches.",
        fix="Go through all batches: no `break` or `return` inside the loop over them.",
        tell="an epoch has fewer steps than batches",
        forms=(
            _form("after the first batch", _BreaksAfterFirst),
            _form("before the last batch", _BreaksBeforeLast),
            _form("returns in the first epoch", _ReturnsInFirstEpoch),
        ),
    ),
    _mistake(
        id="train.full-batch",
        first_stage="prediction",
        what="Every step uses the whole data set and leaves the batch unused.",
        hint="Print the shape of the predictions inside the loop.",
        fix="Predict for the batch: `net(X, w, b)` with the X that the iterator served.",
        tell="the prediction has n rows",
        forms=(
            _form("divided by its own length", _WholeData),
            _form("divided by the batch's length", _WholeDataBatchLength, reduction="none"),
        ),
    ),
    _mistake(
        id="train.same-batch",
        first_stage="batch",
        what="Every step takes a first batch again, and the others are never used.",
        hint="Count the different rows that one epoch trains on.",
        fix="Loop over the iterator: `for X, y in data_iter(...)`.",
        tell="an epoch uses no more rows than one batch has",
        forms=(
            _form("next(iter(...)) at every step", _AsksForTheFirst),
            _form("the first batch kept", _KeepsTheFirst),
        ),
    ),
    _mistake(
        id="train.reinitialises",
        first_stage="parameter",
        what="The parameters are set to initial values again in every epoch.",
        hint="Does the loss at the start of the second epoch go on from the end of the first?",
        fix="Make the parameters once, before the loop over epochs.",
        tell="the parameters jump at the border of two epochs",
        forms=(
            _form("drawn anew in every epoch", _DrawsAnew),
            _form("drawn anew from the second epoch on", _DrawsAnewLater),
            _form("set back to the same values", _StartsAgain),
        ),
        where=SEVERAL_EPOCHS,
    ),
    _mistake(
        id="train.fixed-divisor",
        first_stage="parameter",
        what="The summed gradient of the short last batch is divided by batch_size, not by the "
        "batch's own length.",
        hint="How many examples are in the last batch of an epoch?",
        fix="Tell the update the true length: `sgd([w, b], lr, len(y))`.",
        tell="only the steps on the short batch differ, by the ratio of the two lengths",
        forms=(_form("divided by batch_size", _NominalDivisor, reduction="none"),),
        where=TAIL,
    ),
    _mistake(
        id="train.trains-a-copy",
        first_stage="parameter",
        what="A copy is trained, and the parameters asked for stay at their initial values.",
        hint="Compare the parameters you return with those you started from.",
        fix="Train the parameters themselves, or return the trained copies.",
        tell="the parameters at the end equal those at the start",
        forms=(_form("the originals at the end", _TrainsCopy),),
    ),
    _mistake(
        id="train.epoch-count",
        first_stage="batch",
        what="There is an epoch too few or too many.",
        hint="Print a line at the start of every epoch and count the lines.",
        fix="Run num_epochs epochs: `for epoch in range(num_epochs)`.",
        tell="the number of epochs",
        forms=(
            _form("one too few", _epochs(-1)),
            _form("one too many", _epochs(1)),
        ),
        where=SEVERAL_EPOCHS,
    ),
    _mistake(
        id="train.evaluation-leaks",
        first_stage="gradient",
        what="The loss that is only to be printed after an epoch is differentiated too, and its "
        "gradient stays behind.",
        hint="Print `w.grad` before the first backward pass of the second epoch.",
        fix="Compute the loss to print under `torch.no_grad()`, without `backward()`.",
        tell="the first gradient of each later epoch has one term too many",
        forms=(
            _form("mean of the loss", _leaking(torch.mean)),
            _form("sum of the loss", _leaking(torch.sum)),
        ),
        where=SEVERAL_EPOCHS,
    ),
    _mistake(
        id="train.divides-twice",
        first_stage="parameter",
        what="The loop averages the loss, and the update divides by the batch length once more.",
        hint="Count every place between the examples and the update that divides.",
        fix="Differentiate the sum, `loss.sum().backward()`, if the update divides; else let the "
        "update divide by 1.",
        tell="the change is too small by the length of the batch",
        forms=(_form("mean, then divided", _AveragesFirst, reduction="none"),),
    ),
    _mistake(
        id="train.double-step",
        first_stage="parameter",
        what="The update is called twice for each batch.",
        hint="Count the calls of the update in one epoch, and compare with the number of batches.",
        fix="Call the update once a batch.",
        tell="a second change follows with the same gradient",
        forms=(_form("updated twice", _UpdatesTwice),),
    ),
    _mistake(
        id="train.step-before-backward",
        first_stage="parameter",
        what="The update comes before the backward pass and uses the gradient of the batch before.",
        hint="Which gradient is there when the very first update is made?",
        fix="Call `backward()` first, then the update.",
        tell="every update lags a step behind; the first does nothing",
        forms=(_form("update, clear, backward", _UpdatesFirst),),
    ),
    _mistake(
        id="train.stale-forward",
        first_stage="gradient",
        what="The prediction is made once, outside the loop, and differentiated again and again.",
        hint="Which lines have to be done anew for each batch?",
        fix="Move the prediction and the loss into the loop over batches.",
        tell="RuntimeError: backward a second time through a graph that is gone",
        forms=(_form("one forward pass an epoch", _OneForwardPass),),
    ),
    _mistake(
        id="train.accumulation-unscaled",
        first_stage="gradient",
        what="The mean losses of k micro-batches are added up as they are.",
        hint="Compare the gradient of one batch with that of the same batch in two halves.",
        fix="Weigh each micro-batch by its part of the batch: `loss * len(piece) / len(batch)`.",
        tell="the gradient is k times too large",
        forms=(_form("means added", _Unscaled, reduction="mean"),),
        where=UNEVEN_MICRO_BATCHES,
    ),
    _mistake(
        id="train.accumulation-uneven",
        first_stage="gradient",
        what="All micro-batches count the same, although the last one is shorter.",
        hint="Split 10 examples into 4, 4 and 2: how much should one example of each part count?",
        fix="Weigh each micro-batch by its part of the batch: `loss * len(piece) / len(batch)`.",
        tell="only batches that do not split evenly differ",
        forms=(_form("mean of means", _EqualShares, reduction="mean"),),
        where=UNEVEN_MICRO_BATCHES,
    ),
    _mistake(
        id="train.no-grad-loop",
        first_stage="gradient",
        what="The whole loop runs while autograd is told not to record.",
        hint="Which lines need gradients, and which must not be recorded?",
        fix="Put only the update under `torch.no_grad()`; in MXNet, compute the loss within "
        "`autograd.record()`.",
        tell="RuntimeError: the loss does not require gradients",
        forms=(_form("all under no_grad", _NothingRecorded),),
    ),
)
