"""The model: features and parameters to predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.engine.components.role import MODEL_CLASS, Role
from harness.engine.components.single_piece import SinglePiece


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
            r"lin(?:ear|reg|mod)|(?:^|_)lin(?:$|_)|model|predict|forward|net\b|regress",
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
