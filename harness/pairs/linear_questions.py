"""What components are asked about linear regression: cases that bring out mistakes, made-up states.

One, two and five features, labels of both shapes, short batches, a bias that is 0 and one that is
not, negative predictions and large residuals. Nothing here asks or judges.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from harness.engine.recipe import Recipe
from harness.engine.trace import Stack
from harness.pairs.linear import LinearCase, LinearData

FAR = 1e3  # how many times as large a residual is now and then

BASE = LinearCase("asked", "a question", num_examples=23, batch_size=5, initial_std=1.0)
_PIECES = (
    replace(BASE, lr=0.1),
    replace(BASE, weight=(2.0,), lr=0.5, flat_labels=True),
    replace(BASE, weight=(1.0, 2.0, -3.4, 4.0, -5.0), lr=0.03),
)
# By the field of a recipe: the data iterator with a tail, without, with fewer rows than a batch has
# and with batches of one row; the loop with a tail, for one epoch of many batches, and of few.
CASES: dict[str, tuple[LinearCase, ...]] = {
    "batches": (
        replace(BASE, epochs=4),
        replace(BASE, num_examples=20, epochs=2),
        replace(BASE, num_examples=3, epochs=2),
        replace(BASE, num_examples=9, batch_size=1, weight=(2.0,), epochs=2),
    ),
    "init": (BASE, replace(BASE, weight=(2.0,))),
    "model": (*_PIECES, replace(BASE, bias=0.0)),
    "loss": _PIECES[:2],  # knows nothing of features
    "optimizer": _PIECES,
    "loop": (
        replace(BASE, num_examples=13, batch_size=5, epochs=3, lr=0.05),
        # seven batches: once an epoch is not every second or third batch
        replace(BASE, num_examples=28, batch_size=4, epochs=1, lr=0.1, weight=(2.0,)),
        replace(BASE, num_examples=7, batch_size=3, epochs=1, lr=0.1, weight=(2.0, -3.4, 5.6)),
    ),
}
MICRO_BATCHES = replace(BASE, num_examples=13, batch_size=5, epochs=2, micro_batch_size=2)


def data(case: LinearCase, generator: torch.Generator) -> LinearData:
    """A case's data, with a bias that is far from 0 to start from."""
    drawn = case.data()
    w, b = drawn.initial
    return replace(drawn, initial=(w, torch.randn(1, generator=generator).to(b) + 4))


def states(
    case: LinearCase,
    generator: torch.Generator,
    base: Recipe,
    positions: range,
    rows: int,
    size: float,
) -> tuple[Stack, Tensor]:
    """States of as many steps: X (K, m, d), labels (K, m) or (K, m, 1), one prediction a row.

    Beside them the derivative (K, m) by the predictions.
    """
    steps, width = len(positions), sum(p.numel() for p in base.model(case.d).parameters())

    def drawn(*shape: int, scale: float = 1.0) -> Tensor:
        values = scale * torch.randn(steps, *shape, generator=generator, dtype=torch.float64)
        return values.to(case.torch_dtype)

    prediction = drawn(rows, scale=3.0)
    prediction[::3, 0] *= FAR
    before = drawn(width, scale=2.0 * size)
    before[:, -1] *= case.bias != 0  # a bias of 0 hides its sign from the prediction
    gradient = drawn(width, scale=size * base.convention.gradient_factor(rows))
    X, y = drawn(rows, case.d), drawn(rows, scale=3.0)
    stack = Stack(
        positions=list(positions),
        places=[(0, k) for k in positions],
        X=X,
        y=y if case.flat_labels else y.unsqueeze(-1),
        micros=(rows,),
        prediction=prediction,
        loss=torch.zeros_like(prediction),
        gradient=gradient,
        gradient_before=torch.zeros_like(gradient),
        before=before,
        after=before,
    )
    return stack, drawn(rows, scale=1 / rows).double()
