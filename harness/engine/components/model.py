"""The model: features and parameters to predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from harness.engine.case import Case, Form
from harness.engine.components.component import BASE, Fit
from harness.engine.components.role import MODEL_CLASS, Role
from harness.engine.components.single_piece import CASES, SinglePiece


class Model(SinglePiece):
    """What predicts: X (m, d), w and b to (m, 1), and the gradient by both."""

    name = "linreg"
    piece = "model"
    heading = "The model: `linreg`"
    roles = (
        Role(
            (
                *("linreg", "linear_reg", "linear_regression", "model", "net", "forward"),
                *("predict", "linear", "linear_model", "lin_reg", "hypothesis"),
            ),
            r"lin|model|predict|forward|net\b|regress",
            ("X", "w", "b"),
            ("params",),
        ),
    )
    handed_as: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "net": ("net", "model", "linreg", "forward", "predict", "f")
    }
    methods = ((MODEL_CLASS, "forward"),)
    replaces = ("model",)
    columns = ("prediction", "gradient")

    def cases(self, form: Form, fit: Fit) -> tuple[Case, ...]:
        """One, two and five features; a bias that is 0."""
        del form, fit
        return (*CASES, replace(BASE, bias=0.0))
