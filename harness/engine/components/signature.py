"""What a reply comes to when it is held against another one: hard facts and values.

Two replies to the same question are the same where their facts are equal (shapes, exceptions, the
course of a loop) and their values equal up to rounding. Which replies are worth holding against
each other is not decided here.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.engine.tolerance import unit_roundoff

# Rounding feeds back within a few steps; known mistakes are further apart than this by far.
ROUNDINGS = 512


@dataclass(frozen=True)
class Signature:
    """The facts and the values (steps, width) of a reply."""

    facts: tuple[Hashable, ...]
    values: tuple[Tensor, ...]

    def matches(self, other: Signature, dtype: torch.dtype, right: Signature | None = None) -> bool:
        """Whether both are the same up to rounding in this dtype.

        `right` gives the size that values have there: what is small beside it, because something
        cancels or saturates, is not known any better.
        """
        if self.facts != other.facts or len(self.values) != len(other.values):
            return False
        sizes = [*(right.values if right else ()), *[None] * len(self.values)]
        columns = zip(self.values, other.values, sizes, strict=False)
        return all(close(values, others, dtype, size) for values, others, size in columns)

    def distance(self, other: Signature) -> float:
        """The largest gap between values that both have."""
        gaps = [
            (values - others).abs().nan_to_num().max().item()
            for values, others in zip(self.values, other.values, strict=False)
            if values.shape == others.shape and values.numel()
        ]
        return max(gaps, default=0.0)


def close(values: Tensor, others: Tensor, dtype: torch.dtype, right: Tensor | None = None) -> bool:
    """Equal up to rounding, relative to the largest value of each step; NaN equals NaN only."""
    if values.shape != others.shape:
        return False
    if not values.numel():
        return True
    values, others = (part.double().reshape(len(part), -1) for part in (values, others))
    same = (values == others) | (values.isnan() & others.isnan())
    size = torch.maximum(_finite(values), _finite(others)).amax(1, keepdim=True)
    if right is not None and len(right) == len(values):
        largest = _finite(right.double().reshape(len(right), -1)).amax(1, keepdim=True)
        size = torch.maximum(size, largest)
    near = (values - others).abs() <= ROUNDINGS * unit_roundoff(dtype) * size
    return bool((same | near).all())


def _finite(values: Tensor) -> Tensor:
    return values.abs().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
