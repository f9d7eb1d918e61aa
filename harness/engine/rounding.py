"""What rounding can do to a computation, found by rounding at random: Monte Carlo arithmetic.

A computation is run in float64 with every leaf, every input and the result of every operation off
by a few units of the coarser dtype, up or down at random. The largest move, over one unit, is the
scale that rounding errors are relative to; no formula of the computation is needed. Views and
copies round nothing and are left alone. What one fused operation rounds inside itself is not seen
by this. Where it cancels there, torch's own decomposition is run instead; for the sums of a product
or a convolution `length` is the longest that was met, for the allowance to grow with its root.

Source: D. S. Parker, Monte Carlo Arithmetic (1997), as in CADNA and Verificarlo.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch._decomp import decomposition_table
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from harness.engine.tolerance import BASE, GROWTH

RUNS = 16  # random runs of which the largest move counts
# A kink is as good as crossed where so many roundings of an input move it across: so far are all
# values moved, and what they move is divided by it again.
AMPLITUDE = BASE
_POOL = 1 << 18

_aten = torch.ops.aten
_PRODUCTS = {  # which operand's last axis is summed over
    _aten.mm: 0,
    _aten.bmm: 0,
    _aten.mv: 0,
    _aten.dot: 0,
    _aten.addmm: 1,
    _aten.addmv: 1,
    _aten.baddbmm: 1,
}
_EXACT = {  # round nothing, though their results are new tensors
    _aten.clone,
    _aten._to_copy,  # noqa: SLF001 - its name among torch's operators
    _aten.copy_,
    _aten.detach,
    _aten.neg,
    _aten.abs,
    _aten.cat,
    _aten.stack,
    _aten.index_select,
    _aten.gather,
    _aten.where,
    _aten.zero_,
    _aten.fill_,
    _aten.zeros_like,
    _aten.ones_like,
    _aten.empty_like,
    _aten.full_like,
    _aten.new_zeros,
    _aten.new_empty,
    _aten.new_full,
    _aten.zeros,
    _aten.ones,
    _aten.full,
    _aten.empty,
    _aten.scalar_tensor,
    _aten.arange,
    _aten.relu,
    _aten.threshold_backward,
}
# A class that is almost certain: its log-probability is tiny, but was rounded as the 1 that it came
# from; its slope p - 1 was rounded as p. Neither shows in what goes in or comes out.
_TAKEN_APART = {_aten._log_softmax, _aten._log_softmax_backward_data}  # noqa: SLF001 - operators


@lru_cache(maxsize=8)
def _pool(by: float, seed: int) -> Tensor:
    """Factors 1 ± `by`, drawn once and read from another place each time: drawing takes longest."""
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (_POOL,), generator=generator, dtype=torch.float64) * 2 - 1
    return 1 + by * signs


class RandomRounding(TorchDispatchMode):
    """While it is on, every floating result of an operation is off by some of these units.

    `length` is the longest sum met so far.
    """

    def __init__(self, unit: float, seed: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.length = 1
        self._factors = _pool(AMPLITUDE * unit, seed)
        self._place = random.Random(seed)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Not to be wrapped for the compiler, which would be imported for it."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and round its result at random."""
        packet = func.overloadpacket
        if packet in _TAKEN_APART:
            with self:
                return decomposition_table[func](*args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
        if packet in _EXACT or func.is_view:
            return result
        self.length = max(self.length, _summed(packet, args, result))
        if func._schema.is_mutable:  # noqa: SLF001 - how torch tells what an operator writes to
            if isinstance(result, Tensor) and result.is_floating_point():
                result.copy_(self.rounded(result))
            return result
        return tree_map_only(Tensor, self.rounded, result)

    @property
    def fused(self) -> float:
        """The length for which an allowance grows by one unit times the root of the longest sum."""
        return self.length / GROWTH**2

    def rounded(self, values: Tensor) -> Tensor:
        """Every value larger or smaller, at random; whole numbers as they are."""
        if not values.is_floating_point() or not values.numel():
            return values
        return values * self._drawn(values.numel()).to(values).reshape(values.shape)

    def _drawn(self, count: int) -> Tensor:
        factors = self._factors
        if count > _POOL // 2:
            factors = factors.repeat(2 * count // _POOL + 1)
        start = self._place.randrange(len(factors) - count)
        return factors[start : start + count]


def _summed(packet: Any, args: Any, result: Any) -> int:
    """Terms that one operation sums up to one value, as far as its operands tell."""
    if packet in _PRODUCTS:
        return int(args[_PRODUCTS[packet]].shape[-1])
    if packet is _aten.convolution:
        return math.prod(args[1].shape[1:])
    largest = max((a.numel() for a in args if isinstance(a, Tensor)), default=1)
    results: Sequence[Any] = result if isinstance(result, (tuple, list)) else (result,)
    sizes = [r.numel() for r in results if isinstance(r, Tensor) and r.numel()]
    # what is summed up to a single number is the way to differentiate, no value of a step
    smallest = min((size for size in sizes if size > 1), default=largest)
    return max(1, largest // smallest)


def twisted(values: Tensor, by: float, generator: torch.Generator) -> Tensor:
    """Every value made larger or smaller by this share of it, at random."""
    signs = torch.randint(0, 2, values.shape, generator=generator, dtype=values.dtype) * 2 - 1
    return values * (1 + by * signs.to(values.device))


def moved(values: Tensor, exact: Tensor, unit: float) -> Tensor:
    """The largest move over the first axis, the random runs, over one unit of rounding."""
    return (values - exact).abs().nan_to_num(nan=0.0).amax(0) / (AMPLITUDE * unit)
