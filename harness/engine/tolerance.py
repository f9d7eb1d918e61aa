"""How far apart two numbers may be: units of rounding, and the one table of tolerances.

    allowed = MULTIPLE × (the reference's own distance to the float64 oracle)
              + u × (BASE + GROWTH × √length) × scale

`u` is half the machine epsilon of the dtype, `length` the number of terms that the value sums up,
and `scale` the size of what is summed, without the cancellation (Higham, Accuracy and Stability of
Numerical Algorithms, chapter 3; the square root is his rule of thumb for rounding errors that do
not conspire). Nothing here knows of traces or stages.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MULTIPLE = 4.0
BASE = 4.0
GROWTH = 2.0


def unit_roundoff(dtype: torch.dtype) -> float:
    """The largest relative error of one rounding to nearest: 2⁻²⁴ for float32."""
    eps: float = torch.finfo(dtype).eps
    return eps / 2


def rounding_units(length: float) -> float:
    """Units of rounding granted to a value that is a sum of `length` terms."""
    return BASE + GROWTH * math.sqrt(length)


def allowance(scale: Tensor, reference_gap: Tensor, dtype: torch.dtype, length: float) -> Tensor:
    """How far each value may be from the oracle; shape of `scale`, float64.

    `scale` (steps, width) is the size without cancellation, `reference_gap` the
    reference's own distance, (steps, width) or (steps, 1). A scale below the normal
    numbers counts as the smallest of them, whose rounding is all that subnormal numbers can hold.
    """
    # errors below the normal numbers are absolute, so that equal terms add theirs up one for one
    underflow = (BASE + GROWTH * length) * torch.finfo(dtype).tiny
    floor = unit_roundoff(dtype) * (rounding_units(length) * scale + underflow)
    return MULTIPLE * reference_gap + floor


def in_ulps(gap: Tensor, size: Tensor, dtype: torch.dtype) -> Tensor:
    """A gap in units in the last place of values of this size; 0/0 counts as 0."""
    info = torch.finfo(dtype)
    return gap / (info.eps * size.abs().clamp(min=info.tiny))
