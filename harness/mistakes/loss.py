"""Mistakes in the squared loss: wrong shapes, factors, formulas, and a broken graph.

Every form is written in the base's convention: per example or its mean, with the ½ or without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from harness.engine.components import LOSS
from harness.engine.recipe import Convention, Loss, Recipe
from harness.mistakes.mistake import FLAT_LABELS, TAIL, Form, Mistake, form

_Wrong = Callable[[Tensor, Tensor, Convention], Tensor]


def _form(name: str, wrong: _Wrong, *, half: bool | None = None) -> Form:
    """A loss `wrong(y_hat, y, convention)`; `half` says that only such bases can have it."""

    def piece(base: Recipe) -> Loss | None:
        if half is not None and base.convention.half != half:
            return None
        return lambda y_hat, y: wrong(y_hat, y, base.convention)

    return form(LOSS, name, piece)


def _reduced(values: Tensor, convention: Convention) -> Tensor:
    """The mean where the convention asks for it, else all of them."""
    return values.mean() if convention.reduction == "mean" else values


def _error(y_hat: Tensor, y: Tensor) -> Tensor:
    return y_hat - y.reshape(y_hat.shape)


def _of_error(formula: Callable[[Tensor], Tensor], name: str, *, half: bool | None = None) -> Form:
    """A loss that is another function of the error, reduced as the base does it."""
    return _form(name, lambda y_hat, y, c: _reduced(formula(_error(y_hat, y)), c), half=half)


def _without_reshape(y_hat: Tensor, y: Tensor, convention: Convention) -> Tensor:
    return _reduced((y_hat - y) ** 2 * convention.factor, convention)


def _row_labels(y_hat: Tensor, y: Tensor, convention: Convention) -> Tensor:
    return _without_reshape(y_hat, y.reshape(1, -1), convention)


def _summed_by_hand(wrong: _Wrong) -> Form:
    """The same where the mean is written as a sum over the number of rows: m times as large."""

    def piece(base: Recipe) -> Loss | None:
        if base.convention.reduction != "mean":
            return None
        each = replace(base.convention, reduction="none")
        return lambda y_hat, y: wrong(y_hat, y, each).sum() / len(y_hat)

    return form(LOSS, "summed and divided by the rows", piece)


def _summed(y_hat: Tensor, y: Tensor, convention: Convention) -> Tensor:
    return (_error(y_hat, y) ** 2 * convention.factor).sum()


def _divided_by(number: int) -> Form:
    def wrong(y_hat: Tensor, y: Tensor, convention: Convention) -> Tensor:
        squares = _error(y_hat, y) ** 2 * convention.factor / number
        return squares.sum() if convention.reduction == "mean" else squares

    return _form(f"divided by {number}", wrong)


def _divided_by_full_batch(base: Recipe) -> Loss:
    """Divides by the length of the longest batch so far, as `/ batch_size` does on the tail."""
    longest = 0

    def wrong(y_hat: Tensor, y: Tensor) -> Tensor:
        nonlocal longest
        longest = max(longest, len(y_hat))
        squares = _error(y_hat, y) ** 2 * base.convention.factor / longest
        return squares.sum() if base.convention.reduction == "mean" else squares

    return wrong


def _precedence(y_hat: Tensor, y: Tensor, convention: Convention) -> Tensor:
    return _reduced(y_hat - y.reshape(y_hat.shape) ** 2 * convention.factor, convention)


def _precedence_in_brackets(y_hat: Tensor, y: Tensor, convention: Convention) -> Tensor:
    return _reduced((y_hat - y.reshape(y_hat.shape) ** 2) * convention.factor, convention)


def _root(inside: float, outside: float) -> _Wrong:
    def wrong(y_hat: Tensor, y: Tensor, _: Convention) -> Tensor:
        return (_error(y_hat, y) ** 2 * inside).mean().sqrt() * outside

    return wrong


def _added(y_hat: Tensor, y: Tensor, convention: Convention) -> Tensor:
    return _reduced((y_hat + y.reshape(y_hat.shape)) ** 2 * convention.factor, convention)


def _detached(y_hat: Tensor, y: Tensor, convention: Convention) -> Tensor:
    return _reduced(_error(y_hat.detach(), y) ** 2 * convention.factor, convention)


def _new_leaf(y_hat: Tensor, y: Tensor, convention: Convention) -> Tensor:
    return _detached(y_hat, y, convention).clone().requires_grad_()


_mistake = partial(Mistake, component=LOSS)

MISTAKES = (
    _mistake(
        id="loss.no-reshape",
        first_stage="loss",
        what="Labels of shape (m,) are subtracted from predictions of shape (m, 1), so every "
        "prediction is compared with every label.",
        hint="Print the shape of the difference when the labels are a plain vector: how many "
        "numbers should it have for m examples?",
        fix="Give the labels the predictions' shape first: `y_hat - y.reshape(y_hat.shape)`.",
        tell="the loss has m² entries, or is their mean; training ends at the mean of the labels",
        forms=(
            _form("subtracted as they are", _without_reshape),
            _summed_by_hand(_without_reshape),
        ),
        where=FLAT_LABELS,
    ),
    _mistake(
        id="loss.row-labels",
        first_stage="loss",
        what="The labels are made a row (1, m) while the predictions are a column (m, 1), so "
        "every prediction is compared with every label.",
        hint="Write both shapes next to each other: does each prediction stand opposite its own "
        "label?",
        fix="Make the labels a column like the predictions: `y.reshape(y_hat.shape)`.",
        tell="the loss has m² entries, or is their mean, for labels of any shape",
        forms=(_form("reshaped to (1, m)", _row_labels), _summed_by_hand(_row_labels)),
    ),
    _mistake(
        id="loss.no-half",
        first_stage="loss",
        what="The factor ½ in front of the square is missing.",
        hint="Compare your loss for a single error of 1 with the formula in the text.",
        fix="Halve the square: `(y_hat - y) ** 2 / 2`.",
        tell="the loss is exactly 2 times what it should be, at every step",
        forms=(_of_error(lambda e: e**2, "squares without ½", half=True),),
    ),
    _mistake(
        id="loss.extra-half",
        first_stage="loss",
        what="The loss is halved once more than asked.",
        hint="Compare your loss for a single error of 1 with the formula in the text, and look "
        "for every place that scales it.",
        fix="Keep only the factor that the formula has; drop the other `/ 2`.",
        tell="the loss is exactly ½ of what it should be, at every step",
        forms=(
            _of_error(lambda e: e**2 / 4, "halved twice", half=True),
            _of_error(lambda e: e**2 / 2, "halved where no ½ is asked", half=False),
        ),
    ),
    _mistake(
        id="loss.sum-for-mean",
        first_stage="loss",
        what="The loss is the sum over the batch where its mean is asked.",
        hint="Does your loss grow when the same example stands in the batch twice?",
        fix="Average over the batch: `.mean()` in place of `.sum()`.",
        tell="the loss is too large by the length of the batch",
        forms=(_form("sum over the batch", _summed),),
    ),
    _mistake(
        id="loss.divided-by-constant",
        first_stage="loss",
        what="The loss is divided by a fixed number, such as the size of the data set or the "
        "nominal batch size, and not by the length of this batch.",
        hint="Feed a batch of another length, such as the last one of an epoch: what should the "
        "loss be divided by then?",
        fix="Divide by the true length of the batch, `len(y)`, or take `.mean()`.",
        tell="the ratio to the right loss is constant on full batches and another on the last",
        forms=(
            *map(_divided_by, (10, 32, 64, 100, 256, 1000)),
            form(LOSS, "divided by the full batch size", _divided_by_full_batch),
        ),
        where=TAIL,
    ),
    _mistake(
        id="loss.precedence",
        first_stage="loss",
        what="Only the label is squared: `**` binds tighter than `-`.",
        hint="Which of the two operations does Python do first in your line?",
        fix="Put the difference in brackets: `(y_hat - y) ** 2`.",
        tell="the loss is linear in the prediction, and often negative",
        forms=(
            _form("y_hat - y ** 2 / 2", _precedence),
            _form("(y_hat - y ** 2) / 2", _precedence_in_brackets),
        ),
    ),
    _mistake(
        id="loss.absolute",
        first_stage="loss",
        what="The loss is the absolute error, not its square.",
        hint="An error twice as large should cost how many times as much?",
        fix="Square the difference: `(y_hat - y) ** 2` in place of `abs(...)`.",
        tell="the gradient by each prediction is a sign: it does not grow with the error",
        forms=(
            _of_error(torch.abs, "absolute error"),
            _of_error(lambda e: e.abs() / 2, "half the absolute error", half=True),
        ),
    ),
    _mistake(
        id="loss.root",
        first_stage="loss",
        what="The square root of the mean square is taken.",
        hint="In which unit is the loss if the labels are in metres, and in which is yours?",
        fix="Leave the mean of the squares as it is, without `sqrt`.",
        tell="the gradient keeps its length while the error shrinks",
        forms=(
            _form("root of the mean square", _root(1, 1)),
            _form("root of half the mean square", _root(0.5, 1), half=True),
            _form("half the root of the mean square", _root(1, 0.5), half=True),
        ),
    ),
    _mistake(
        id="loss.sign",
        first_stage="loss",
        what="Prediction and label are added where they should be subtracted.",
        hint="What should the loss be when the prediction equals the label?",
        fix="Take the difference: `y_hat - y`.",
        tell="training ends at the true parameters with the opposite sign",
        forms=(_form("(y_hat + y) ** 2", _added),),
    ),
    _mistake(
        id="loss.no-square",
        first_stage="loss",
        what="The difference is not squared.",
        hint="Can your loss be negative? Should it?",
        fix="Square the difference: `(y_hat - y) ** 2`.",
        tell="the loss runs down without end",
        forms=(
            _of_error(lambda e: e, "the difference"),
            _of_error(lambda e: e / 2, "half the difference", half=True),
            _of_error(lambda e: -e, "the difference the other way round"),
            _of_error(lambda e: -e / 2, "half the difference the other way round", half=True),
        ),
    ),
    _mistake(
        id="loss.detached",
        first_stage="gradient",
        what="The value is right, but it no longer knows how it was computed, so no gradient "
        "reaches the parameters.",
        hint="Print `loss.grad_fn`: what does autograd know about your loss?",
        fix="Compute on the tensors themselves, without `.detach()`, `.data`, `.item()` or a new "
        "`torch.tensor(...)`.",
        tell="the loss is right, the gradient is missing",
        forms=(
            _form("detached predictions", _detached),
            _form("a new tensor that requires gradients", _new_leaf),
        ),
    ),
)
