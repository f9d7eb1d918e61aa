"""What components are asked about softmax regression: cases and made-up states.

Wide and square weights, short batches, logits that are common and logits that all
of a row lie far above or below 0, ties, and double precision, where a small number under a
logarithm shows. Nothing here asks or judges.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from harness.engine.case import Data
from harness.engine.recipe import Recipe
from harness.engine.trace import Stack
from harness.pairs.softmax import SoftmaxCase

# All logits of a row moved so far that exp overflows in float32, or vanishes.
FAR = (0.0, 120.0, -200.0)
SPREAD = 3.0  # of logits around each other
UNLIKELY = 30.0  # how far below the others a label's logit is now and then

BASE = SoftmaxCase(
    "asked", "a question", num_examples=23, batch_size=5, pixels=3, classes=4, initial_std=1.0
)
_PIECES = (
    BASE,
    replace(BASE, pixels=4, lr=0.5),  # square: a weight fits as it lies
    replace(BASE, pixels=5, classes=3, lr=0.03, dtype="float64"),
)
# By the field of a recipe; the data iterator with a tail, without, with fewer rows than a batch has
# and with batches of one row.
CASES: dict[str, tuple[SoftmaxCase, ...]] = {
    "batches": (
        replace(BASE, epochs=4),
        replace(BASE, num_examples=20, epochs=2),
        replace(BASE, num_examples=3, epochs=2),
        replace(BASE, num_examples=9, batch_size=1, epochs=2),
    ),
    "model": _PIECES,
    "loss": (BASE, _PIECES[2]),  # knows nothing of features
    "optimizer": (*_PIECES[:2], replace(BASE, pixels=5, classes=3, lr=0.03)),
    "metric": (BASE, replace(BASE, classes=5)),  # as many classes as a full batch has rows
}


def data(case: SoftmaxCase, generator: torch.Generator) -> Data:
    """Normal features (n, d), labels (n,) of all classes, and a bias that is not 0."""

    def drawn(*shape: int) -> Tensor:
        return case.placed(torch.randn(shape, generator=generator, dtype=torch.float64))

    labels = torch.randperm(case.n, generator=generator) % case.classes
    layout = case.layout
    return Data(
        drawn(case.n, case.pixels),
        case.placed(labels),
        (drawn(*layout["W"]), drawn(*layout["b"]) + 1),
    )


def states(
    case: SoftmaxCase,
    generator: torch.Generator,
    base: Recipe,
    positions: range,
    rows: int,
    size: float,
) -> tuple[Stack, Tensor]:
    """States of as many steps: X (K, m, d), labels (K, m), predictions (K, m · q).

    Beside them the derivative (K, m · q) by the predictions. Predictions are logits, of which every
    side that reads probabilities is given the softmax.
    """
    steps, q = len(positions), case.classes
    width = q * (case.pixels + 1)

    def drawn(*shape: int, scale: float = 1.0) -> Tensor:
        values = scale * torch.randn(steps, *shape, generator=generator, dtype=torch.float64)
        return values.to(case.torch_dtype)

    shift = torch.tensor(FAR, dtype=case.torch_dtype)[torch.tensor(positions) % len(FAR)]
    logits = drawn(rows, q, scale=SPREAD)
    logits[::4, 0] = 0.0  # a tie
    y = torch.randint(q, (steps, rows), generator=generator)
    logits[1::3, 0] -= UNLIKELY * one_hot(y[1::3, 0], q)
    logits[:, -1] += shift.unsqueeze(1)
    before = drawn(width, scale=size)
    before[:, -q:] += shift.unsqueeze(1)
    gradient = drawn(width, scale=size * base.convention.gradient_factor(rows))
    stack = Stack(
        positions=list(positions),
        places=[(0, k) for k in positions],
        X=drawn(rows, case.pixels),
        y=y,
        micros=(rows,),
        prediction=logits.flatten(1),
        loss=logits.new_zeros(steps, rows),
        gradient=gradient,
        gradient_before=torch.zeros_like(gradient),
        before=before,
        after=before,
    )
    return stack, drawn(rows * q, scale=1 / rows).double()
