"""Exercises about the loss: its shape, the absolute value, Huber's, and the sum for the mean.

Where a loss may be per example or averaged, both are right. Training with a loss is elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from harness.engine.components import LOSS
from harness.engine.recipe import Recipe
from harness.exercises.exercise import Call, Exercise, Wanted
from harness.exercises.rules import Answer, ByValue, by_function
from harness.mistakes.catalogue import of
from harness.pairs.linear import SCRATCH

# A loss by hand: arguments of a call -> per example, and the derivative by the predictions.
Formula = Callable[[Call], tuple[np.ndarray, np.ndarray]]
_DETACHED = {"does not require grad|not have been used in the graph": "detached"}
_DETACHED_HINT = "Can the gradient flow from your loss back to the predictions?"
_EITHER = "the loss per example (m, 1), or its mean over the batch (0-d)"


def _residual(call: Call) -> np.ndarray:
    residual: np.ndarray = call["y_hat"].astype(np.float64) - call["y"].reshape(-1, 1)
    return residual


def _mean(formula: Formula) -> Answer:
    def answer(call: Call) -> tuple[np.ndarray, np.ndarray]:
        values, slope = formula(call)
        return values.mean(), slope / len(slope)

    return answer


def _sum(formula: Formula) -> Answer:
    def answer(call: Call) -> tuple[np.ndarray, np.ndarray]:
        values, slope = formula(call)
        return values.sum(), slope

    return answer


def _either(formula: Formula) -> tuple[Answer, Answer]:
    return formula, _mean(formula)


def _pairs(generator: np.random.Generator, m: int, scale: float = 2.0) -> dict[str, np.ndarray]:
    drawn = scale * generator.standard_normal((2, m, 1))
    return dict(zip(("y_hat", "y"), drawn.astype(np.float32), strict=True))


# The reshape question: the catalogue's mistakes are the wrong answers.


def _ask_reshape(generator: np.random.Generator) -> list[Call]:
    calls = []
    for m, flat in ((7, False), (7, True), (4, True)):
        drawn = _pairs(generator, m)
        labels = drawn["y"].ravel() if flat else drawn["y"]
        arguments = {"y_hat": drawn["y_hat"], "y": labels}
        calls.append(Call(LOSS.name, arguments, observe="gradient"))
    return calls


def _half_square(call: Call) -> tuple[np.ndarray, np.ndarray]:
    residual = _residual(call)
    return residual**2 / 2, residual


def _by_recipe(recipe: Recipe, call: Call) -> tuple[np.ndarray, np.ndarray]:
    y_hat, y = (torch.from_numpy(call[name].astype(np.float64)) for name in ("y_hat", "y"))
    y_hat.requires_grad_()
    loss = recipe.loss(y_hat, y)
    (slope,) = torch.autograd.grad(loss.sum(), y_hat)
    return loss.detach().numpy(), slope.numpy()


def _catalogue() -> dict[str, list[Answer]]:
    answers: dict[str, list[Answer]] = {}
    for mistake in of(LOSS):
        if mistake.id == "loss.detached":
            continue  # raises: told by the exception
        made = (f.make(SCRATCH[base]) for f in mistake.forms for base in ("functional", "object"))
        answers[mistake.id] = [partial(_by_recipe, recipe) for recipe in made if recipe]
    return answers


RESHAPE = Exercise(
    name="reshape-question",
    title="Why the labels are reshaped in the loss",
    source="d2l 3.4, exercise 5",
    task="Write the squared loss so that it is right for labels of shape (m, 1) and (m,) alike. "
    "What happens to the shape without the reshape?",
    contract=(
        Wanted(
            LOSS.name,
            "squared_loss(y_hat, y): predictions (m, 1), labels (m, 1) or (m,), float32",
            f"½(ŷ - y)²: {_EITHER}",
        ),
    ),
    judged="values, shape, and gradient by ŷ, with labels of both shapes",
    ask=_ask_reshape,
    rule=ByValue(_either(_half_square), _catalogue()),
    hints={mistake.id: mistake.hint for mistake in of(LOSS)},
    raised=dict.fromkeys(_DETACHED, "loss.detached"),
)


# The absolute loss.


def _ask_absolute(generator: np.random.Generator) -> list[Call]:
    return [
        Call("absolute_loss", dict(_pairs(generator, m)), observe="gradient") for m in (8, 5, 1)
    ]


def _absolute(call: Call) -> tuple[np.ndarray, np.ndarray]:
    residual = _residual(call)
    return np.abs(residual), np.sign(residual)


def _scaled(formula: Formula, factor: float) -> Formula:
    return lambda call: tuple(factor * part for part in formula(call))  # type: ignore[return-value]


def _signed(call: Call) -> tuple[np.ndarray, np.ndarray]:
    residual = _residual(call)
    return residual, np.ones_like(residual)


ABSOLUTE = Exercise(
    name="absolute-loss",
    title="The absolute value as a loss",
    source="d2l 3.4, exercise 8",
    task="Use the absolute value of the error as the loss in place of its square.",
    contract=(
        Wanted(
            "absolute_loss",
            "absolute_loss(y_hat, y): predictions (m, 1), labels (m, 1), float32",
            f"|ŷ - y|: {_EITHER}",
        ),
    ),
    judged="values, shape, and gradient by ŷ",
    ask=_ask_absolute,
    rule=ByValue(
        _either(_absolute),
        {
            "signed": [*_either(_signed), *_either(_scaled(_signed, -1.0))],
            "square": [*_either(_half_square), *_either(_scaled(_half_square, 2.0))],
            "half": _either(_scaled(_absolute, 0.5)),
            "sum": [_sum(_absolute)],
        },
    ),
    hints={
        "signed": "What is your loss where the prediction is too small?",
        "square": "How much should the loss grow when the error doubles?",
        "half": "By how much should the loss grow when the error grows by 1?",
        "sum": "Double the batch by repeating it: should the loss double?",
        "detached": _DETACHED_HINT,
    },
    raised=_DETACHED,
)


# Huber's loss.


def _ask_huber(generator: np.random.Generator) -> list[Call]:
    return [
        Call(
            "huber_loss",
            {**_pairs(generator, m), "sigma": float(np.round(generator.uniform(low, high), 3))},
            observe="gradient",
        )
        for m, low, high in ((24, 0.3, 0.6), (24, 1.5, 2.5), (9, 0.8, 0.95))
    ]


def _huber(call: Call) -> tuple[np.ndarray, np.ndarray]:
    residual, sigma = _residual(call), call["sigma"]
    inside = np.abs(residual) <= sigma
    values = np.where(inside, residual**2 / (2 * sigma), np.abs(residual) - sigma / 2)
    return values, np.where(inside, residual / sigma, np.sign(residual))


def _huber_delta(call: Call) -> tuple[np.ndarray, np.ndarray]:
    values, slope = _huber(call)
    return call["sigma"] * values, call["sigma"] * slope


def _huber_ignoring(call: Call) -> tuple[np.ndarray, np.ndarray]:
    return _huber(Call("", {**call.arguments, "sigma": 1.0}))


def _huber_swapped(call: Call) -> tuple[np.ndarray, np.ndarray]:
    residual, sigma = _residual(call), call["sigma"]
    outside = np.abs(residual) > sigma
    values = np.where(outside, residual**2 / (2 * sigma), np.abs(residual) - sigma / 2)
    return values, np.where(outside, residual / sigma, np.sign(residual))


def _huber_jump(call: Call) -> tuple[np.ndarray, np.ndarray]:
    residual, sigma = _residual(call), call["sigma"]
    values, slope = _huber(call)
    return np.where(np.abs(residual) <= sigma, values, np.abs(residual)), slope


def _huber_whole(call: Call) -> tuple[np.ndarray, np.ndarray]:
    residual, sigma = _residual(call), call["sigma"]
    values, slope = _huber(call)
    factor = np.where(np.abs(residual) <= sigma, 2.0, 1.0)
    return factor * values, factor * slope


HUBER = Exercise(
    name="huber",
    title="Huber's loss",
    source="d2l 3.5, exercise 2",
    task="Replace the squared loss by Huber's: square near 0, straight beyond sigma.",
    contract=(
        Wanted(
            "huber_loss",
            "huber_loss(y_hat, y, sigma): predictions (m, 1), labels (m, 1), float32; sigma > 0",
            f"|ŷ - y| - σ/2 where |ŷ - y| > σ, else (ŷ - y)²/(2σ): {_EITHER}",
        ),
    ),
    judged="values, shape, and gradient by ŷ for several sigma",
    ask=_ask_huber,
    rule=ByValue(
        _either(_huber),
        {
            "delta-form": _either(_huber_delta),
            "ignores-sigma": _either(_huber_ignoring),
            "branches-swapped": _either(_huber_swapped),
            "jump": _either(_huber_jump),
            "no-half": _either(_huber_whole),
            "absolute": _either(_absolute),
            "square": [*_either(_half_square), *_either(_scaled(_half_square, 2.0))],
            "sum": [_sum(_huber)],
        },
    ),
    hints={
        "delta-form": "Compare the slope far from 0 with the formula's: is it 1, whatever sigma?",
        "ignores-sigma": "Call it twice with different sigma: does anything change?",
        "branches-swapped": "Which of the two formulas is meant for large errors?",
        "jump": "Evaluate just below and just above |ŷ - y| = σ: do the two sides meet?",
        "no-half": "What is the formula's slope just inside |ŷ - y| = σ, and what is yours?",
        "absolute": "What should the loss look like close to 0?",
        "square": "What should the loss look like far from 0?",
        "sum": "Double the batch by repeating it: should the loss double?",
        "detached": _DETACHED_HINT,
    },
    raised=_DETACHED,
)


# The sum in place of the mean.


def _ask_sum(generator: np.random.Generator) -> list[Call]:
    losses = [Call("sum_loss", dict(_pairs(generator, m)), observe="gradient") for m in (6, 12, 3)]
    rates = [
        Call("rate_for_sum", {"lr": float(np.round(lr, 4)), "batch_size": int(size)})
        for lr, size in zip(generator.uniform(0.01, 0.5, 4), (6, 12, 10, 32), strict=True)
    ]
    return losses + rates


_square = _scaled(_half_square, 2.0)


def _rate(power: int) -> Answer:
    return lambda call: np.asarray(call["lr"] * float(call["batch_size"]) ** power)


SUM_FOR_MEAN = Exercise(
    name="sum-for-mean",
    title="The sum in place of the mean",
    source="d2l 3.5, exercise 1",
    task="Sum the loss over the minibatch in place of averaging it. Which learning rate then gives "
    "the same training?",
    contract=(
        Wanted(
            "sum_loss",
            "sum_loss(y_hat, y): predictions (m, 1), labels (m, 1), float32",
            "the squared errors, with the factor ½ or without, summed over the batch (0-d)",
        ),
        Wanted(
            "rate_for_sum",
            "rate_for_sum(lr, batch_size): the learning rate that goes with the mean, and m",
            "the learning rate with which the summed loss takes the same steps, a number",
        ),
    ),
    judged="the loss with its gradient by ŷ, and the rate, for several batch sizes",
    ask=_ask_sum,
    rule=by_function(
        {
            "sum_loss": ByValue(
                (_sum(_half_square), _sum(_square)),
                {
                    "still-mean": [_mean(_half_square), _mean(_square)],
                    "not-summed": [_half_square, _square],
                    "no-square": [_sum(_signed), _sum(_absolute)],
                },
            ),
            "rate_for_sum": ByValue(
                (_rate(-1),), {"rate-unchanged": [_rate(0)], "rate-grows": [_rate(1)]}
            ),
        }
    ),
    hints={
        "still-mean": "Double the batch by repeating it: what should happen to a sum?",
        "not-summed": "How many numbers should a sum over the batch be?",
        "no-square": "Which function of the error is to be summed?",
        "rate-unchanged": "How much longer is the gradient of a sum than that of a mean?",
        "rate-grows": "A gradient of the sum is longer: should the rate grow or shrink with it?",
        "detached": _DETACHED_HINT,
    },
    raised=_DETACHED,
)

EXERCISES = (RESHAPE, ABSOLUTE, HUBER, SUM_FOR_MEAN)
