"""What one stage should have been: values in float64, what rounding is relative to, and how long.

Nothing here computes either; `model_twin`, `loss_twin` and `updates` do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

# From steps to the scale of each, worked out for just these: (len, width).
Refine = Callable[[Sequence[int]], Tensor]


@dataclass(frozen=True)
class Expected:
    """One stage's values by the oracle (K, width), their scale, and the terms each sums up.

    The scale is the size of a value without cancellation. Where it was sampled at some of the steps
    only, `refine` works it out for others.
    """

    value: Tensor
    scale: Tensor
    length: float
    refine: Refine | None = None

    def refined(self, steps: Sequence[int]) -> Expected:
        """The same with the scale of these steps worked out, which never gets smaller by it."""
        if self.refine is None:
            return self
        scale = self.scale.clone()
        scale[list(steps)] = torch.maximum(scale[list(steps)], self.refine(steps).to(scale))
        return replace(self, scale=scale)


def joined(first: Expected, second: Expected) -> Expected:
    """Two stages side by side: (K, a) and (K, b) -> (K, a + b)."""

    def refine(steps: Sequence[int]) -> Tensor:
        scales = [e.refine(steps) if e.refine else e.scale[list(steps)] for e in (first, second)]
        return torch.cat(scales, 1)

    return Expected(
        torch.cat((first.value, second.value), 1),
        torch.cat((first.scale, second.scale), 1),
        max(first.length, second.length),
        refine if first.refine or second.refine else None,
    )


def shared(moves: Tensor, sizes: Sequence[int]) -> Tensor:
    """The largest of each tensor's moves for all its entries: (S, width), tensors of these sizes.

    Where something cancels inside one fused operation, an entry's own move says too little.
    """
    parts = moves.split(list(sizes), 1)
    return torch.cat([part.amax(1, keepdim=True).expand_as(part) for part in parts], 1)


def between(samples: Sequence[int], scales: Tensor, steps: int) -> Tensor:
    """Scales (S, width) of sampled steps for all (steps, width): the larger of both neighbours'."""
    places = torch.as_tensor(samples)
    every = torch.arange(steps)
    right = torch.searchsorted(places, every).clamp_(max=len(samples) - 1)
    left = torch.searchsorted(places, every, right=True).sub_(1).clamp_(min=0)
    return torch.maximum(scales[left.to(scales.device)], scales[right.to(scales.device)])


def sampled(steps: int, at_most: int) -> list[int]:
    """So many of the steps at even distances, the first and the last among them."""
    count = min(steps, at_most)
    if count == 1:
        return [0]
    return sorted({round(i * (steps - 1) / (count - 1)) for i in range(count)})
