"""The loss: predictions and labels to a number, or one for each example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.engine.components.role import MODEL_CLASS, Role
from harness.engine.components.single_piece import SinglePiece

HALF_SQUARES = Role(
    (
        *("squared_loss", "loss", "loss_fn", "squared_error", "square_loss", "sq_loss"),
        *("half_squared_loss", "criterion", "loss_function", "loss_func", "compute_loss"),
    ),
    r"loss|error|cost|criterion",
    ("y_hat", "y"),
)
SQUARES = Role(
    (
        *("mse_loss", "mse", "mean_squared_error", "mseloss", "my_mse", "mymse"),
        *("mean_square_loss",),
    ),
    r"mse|mean_squared",
    ("y_hat", "y"),
)


class Loss(SinglePiece):
    """What is minimised: half squares, or whole ones under its other name, and the slope by ŷ."""

    name = "squared_loss"
    piece = "loss"
    heading = "The loss: `squared_loss`"
    roles = (HALF_SQUARES, SQUARES)
    handed_as: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "loss": ("loss", "loss_fn", "criterion", "loss_func", "squared_loss", "loss_function")
    }
    methods = ((MODEL_CLASS, "loss"),)
    replaces = ("loss",)
    columns = ("loss", "upstream")
