"""The optimizer: parameters and their gradients to new parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from harness.engine.case import Case, UpdateRule
from harness.engine.components.component import Question
from harness.engine.components.role import OPTIMIZER_CLASS, Role
from harness.engine.components.single_piece import COMMON, PARTING, SinglePiece
from harness.engine.recipe import Recipe

TINY = 1e-7  # gradients so small that an optimizer's eps shows


class Optimizer(SinglePiece):
    """What updates in place; by plain SGD, or by a rule that may keep a state."""

    name = "sgd"
    piece = "optimizer"
    heading = "The update: `sgd`, and optimizers that remember"
    roles = (
        Role(
            (
                *("sgd", "sgd_step", "minibatch_sgd", "update", "update_params", "step"),
                *("optimize", "gradient_descent", "optimizer", "update_parameters"),
                *("sgd_update", "my_sgd"),
            ),
            r"sgd|descent|update|optim",
            ("params", "lr", "batch_size"),
            ("w", "b", "grads"),
        ),
    )
    handed_as: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "update": ("updater", "optimizer", "sgd", "update", "opt", "trainer", "optim", "optimiser")
    }
    methods = ((OPTIMIZER_CLASS, ""),)
    replaces = ("update",)
    columns = ("parameter",)

    def judged(self, base: Recipe, cases: Sequence[Case], rule: UpdateRule) -> list[Question]:
        """A rule that may keep a state also in float64, and with gradients of the size of eps."""
        if rule.is_plain:
            return super().judged(base, cases, rule)
        first, *_, wide = (replace(case, optimizer=rule, lr=0.01) for case in cases)
        exact = replace(wide, dtype="float64", name=f"{wide.name}, float64")
        tiny = replace(exact, seed=exact.seed + 1, name=f"{wide.name}, tiny gradients")
        sizes = ((first, COMMON), (wide, COMMON), (exact, COMMON), (tiny, TINY))
        return [self.question(base, case, size) for case, size in sizes]

    def parting(self, first: Question, rule: UpdateRule) -> list[Question]:
        """Whether it writes at all.

        NaN times a gradient that was cleared is NaN; where nothing is written, nothing changes.
        """
        if not rule.is_plain:
            return []
        return [replace(first.beginning(PARTING), judged=False, lr=math.nan)]
