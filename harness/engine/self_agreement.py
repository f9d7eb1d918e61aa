"""Whether a reference that somebody brings is a measure: held against itself, it has to agree.

No number is said to be what should be where the reference does not give it itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.engine.seeding import determinism

if TYPE_CHECKING:
    from harness.engine.case_comparison import CaseComparison


def disagreement(itself: CaseComparison) -> str | None:
    """How a reference differs from itself; None where it agrees."""
    if not _steady(itself):
        return "the reference does not agree with itself: asked twice, it gives something else"
    sound = all(record.sound for record in itself.runs["free"].values())
    if sound and itself.verdict not in ("different", "error"):
        return None
    first, why = itself.first_divergence, itself.why
    if first is not None and first.gap is not None:
        place = f"{first.stage}[epoch {first.epoch} step {first.step}]"
        why = (
            f"{place} is {first.gap:.1e} away from its run in float64, where rounding explains "
            f"{first.allowed:.1e}"
        )
    return f"the reference does not agree with itself: {why}"


def _steady(itself: CaseComparison) -> bool:
    """Whether model and loss of a reference give the same twice, up to rounding.

    What draws numbers of its own would have them counted as what rounding can do.
    """
    X, y = (part[: itself.case.batch_size] for part in (itself.data.features, itself.data.labels))
    with determinism(itself.case.seed), torch.no_grad():
        try:
            side = itself.reference.build(itself.case, itself.data)
            y_hat = side.forward(X.clone())
            pairs = (
                (y_hat, side.forward(X.clone())),
                (side.loss(y_hat.clone(), y.clone()), side.loss(y_hat.clone(), y.clone())),
            )
        except Exception:  # noqa: BLE001 - what it raises, the run says
            return True
    return all(_alike(*pair) for pair in pairs)


def _alike(values: Tensor, others: Tensor) -> bool:
    most = 64 * torch.finfo(values.dtype).eps
    size = float(values.abs().nan_to_num().max())
    return torch.allclose(values, others, rtol=0.0, atol=most * size, equal_nan=True)
