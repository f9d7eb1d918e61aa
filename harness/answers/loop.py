"""Runs a learner's training loop on the pieces of another side, and lets a recorder see it.

The loop is a function `train(...)`, or a loop that stands at the top level of the file; `conductor`
runs it.

What a loop does without calling a piece is seen from outside: a gradient when `backward` or
`autograd.grad` returns, an update when the parameters have changed by the next batch, the rows of a
batch in what the model and the loss are called with. The prediction and the loss of such a step are
those of the base; a gradient that autograd never computed is too. `Habits` tells which these were.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from harness.answers.budget import TRIAL_SECONDS, OutOfTimeError, limited
from harness.answers.component import Piece
from harness.answers.conductor import Conductor
from harness.answers.loop_side import EnoughError, Feed, RightModel, Stepper
from harness.answers.style import File, Habits
from harness.engine.recipe import Recipe, Side
from harness.pairs.linear import LinearCase

_MANY = 2000  # steps


def recipe(
    file: File,
    piece: Piece,
    base: Recipe,
    prepare: Callable[[Conductor], None] = lambda _: None,
) -> Recipe:
    """The base trained by the answer's own loop; `prepare` gets each run before it starts."""
    feeds: list[Feed] = []
    steppers: list[Stepper] = []

    def optimizer(parameters: list[Tensor], lr: float) -> Stepper:
        steppers.append(Stepper(parameters, lr, base.optimizer))
        return steppers[-1]

    def batches(features: Tensor, labels: Tensor, size: int, generator: torch.Generator) -> Feed:
        served = base.batches(features, labels, size, generator)
        feeds.append(Feed(lambda: iter(served), generator))
        return feeds[-1]

    def loop(side: Side) -> None:
        feed = next(feed for feed in feeds if feed.generator is side.generator)
        stepper = next(s for s in steppers if s.leaves[0] is side.parameters()[0])
        conductor = Conductor(file, piece, side, stepper, feed)
        prepare(conductor)
        conductor.run()

    return replace(base, model=RightModel, optimizer=optimizer, batches=batches, loop=loop)


def trial(settings: dict[str, Any]) -> LinearCase:
    """A small case to try a loop on, with the settings that it has for itself."""
    epochs, batch_size = settings.get("num_epochs", 1), settings.get("batch_size", 7)
    return LinearCase(
        "trial",
        "one step of a loop",
        num_examples=settings.get("n", 2 * 7),
        weight=(1.0,) * settings.get("d", 3),
        batch_size=max(int(batch_size), 1),
        lr=0.01,
        epochs=max(int(epochs), 1),
    )


def habits(file: File, piece: Piece, base: Recipe, case: LinearCase) -> Habits | None:
    """What a loop does in the first step of a case; None where it does none."""
    seen: list[Conductor] = []

    def first_step(conductor: Conductor) -> None:
        seen.append(conductor)
        conductor.first_only = True

    # what it raises shows again when judged
    with suppress(Exception, SystemExit, EnoughError, OutOfTimeError), limited(TRIAL_SECONDS):
        recipe(file, piece, base, first_step).build(case, case.data()).fit()
    return seen[0].habits if seen and seen[0].habits.rows else None


def epochs(file: File, piece: Piece, base: Recipe, case: LinearCase) -> int:
    """In how many epochs a loop trains that nothing tells of; 1 where it goes on and on."""
    seen: list[Conductor] = []

    def some_steps(conductor: Conductor) -> None:
        seen.append(conductor)
        conductor.most = _MANY

    # what it raises shows again when judged
    with suppress(Exception, SystemExit, EnoughError, OutOfTimeError), limited(TRIAL_SECONDS):
        recipe(file, piece, base, some_steps).build(case, case.data()).fit()
        return max(1, len(seen[0].record.trained))
    return 1
