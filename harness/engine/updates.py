"""What updates should have given: the reference's own optimizer in float64, its state included.

An optimizer that keeps no state and works entry by entry is run on all steps at once. Every other
is run over the steps in their order (`History`): its state is what the recorded gradients make. It
also runs on absolute values, which do not cancel, and on values changed by as little as rounding
changes them: how far that moves the step is a scale of its rounding errors, also where it divides
by a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor

from harness.engine.expected import Expected
from harness.engine.recipe import Convention, Optimizer
from harness.engine.rounding import twisted
from harness.engine.trace import Stack
from harness.errors import InputError

Make = Callable[[list[Tensor], float], Optimizer]

# What rounding gathers in a state, over that of the step itself: each step adds its own to what is
# remembered, and is forgotten as slowly as the state is.
GATHERED = 10.0
# The same where a rule counts its steps. Adam's is the worst in use: where 1 - .999ⁿ is worked out
# in the dtype of the parameters it is off by up to a thousand roundings, its root by half as many,
# and some six are granted to every value.
GATHERED_BY_COUNT = 100.0
_TWISTS = 3  # runs on inputs changed by a single rounding
# Gradients of a single parameter that tell the rules apart: of either sign, and of different sizes.
_PROBES = (1.0, -0.01, 0.25)


class Updates:
    """The optimizer of a reference, by what it does: whether it remembers, counts, mixes entries.

    `lr` is its learning rate, `convention` the units in which its gradients are, `shapes` those of
    its parameters; `unit` is one rounding of the dtype that is judged.
    """

    def __init__(
        self,
        make: Make,
        lr: float,
        convention: Convention,
        shapes: Sequence[tuple[int, ...]],
        unit: float,
    ) -> None:
        self.make, self.lr, self.convention = make, lr, convention
        self.shapes = [tuple(shape) for shape in shapes]
        self.unit = max(unit, 1e-9)  # seen by float64 as well
        try:
            alone = _smallest(make, lr)
            self.by_entry = alone == (1,) and _works_by_entry(make, lr)
            self.keeps_state = not self.by_entry or _keeps_state(make, lr, alone)
            self.gathered = GATHERED_BY_COUNT if _counts_steps(make, lr, alone) else GATHERED
        except Exception as error:
            raise InputError(
                "the reference's optimizer cannot be asked for a single step from a dense "
                f"gradient ({type(error).__name__}: {error}); take one that can, such as SGD."
            ) from error

    @property
    def width(self) -> int:
        """All entries of all parameters."""
        return sum(map(prod, self.shapes))

    def at(self, before: Tensor, gradient: Tensor, rows: int) -> Expected:
        """One update of each step by itself, as the first one: (K, P), from canonical gradients."""
        if not self.by_entry:
            handed = gradient * self.convention.gradient_factor(rows)
            each = zip(before, handed, strict=True)
            steps = [History(self).step(start, slope, rows) for start, slope in each]
            values, scales = (torch.stack(column) for column in zip(*steps, strict=True))
            return Expected(values, scales, 1)
        size = before.abs()
        leaf = torch.stack((before, size)).requires_grad_()
        units = self.convention.gradient_factor(rows)
        leaf.grad = torch.stack((gradient, gradient.abs())) * units
        self.make([leaf], self.lr).step(self.convention.divisor(rows))
        value, unspoilt = leaf.detach()
        return Expected(value, size + (unspoilt - size).abs(), 1)

    def history(self) -> History:
        """An account of one side's steps, for an optimizer that keeps a state."""
        return History(self)


class History:
    """What each update should have given, by the optimizer's state after all steps before it.

    The state is made in float64 from the gradients and parameters that a side recorded, in the
    order of its steps.
    """

    def __init__(self, updates: Updates) -> None:
        self._updates = updates
        self._generator = torch.Generator().manual_seed(0)
        self._optimizers: list[Optimizer] = []
        self._leaves: list[list[Tensor]] = []

    def follow(self, stacks: Sequence[Stack], convention: Convention) -> list[Expected | None]:
        """The next steps, of which each stack holds some; None where no state is kept."""
        if not self._updates.keeps_state:
            return [None] * len(stacks)
        order = sorted(
            (position, at, k)
            for at, stack in enumerate(stacks)
            for k, position in enumerate(stack.positions)
        )
        columns = [self._columns(stack, convention) for stack in stacks]
        results = [(torch.empty_like(before), torch.empty_like(before)) for before, _ in columns]
        for _, at, k in order:
            before, gradient = columns[at]
            value, scale = results[at]
            value[k], scale[k] = self.step(before[k], gradient[k], stacks[at].rows)
        return [
            Expected(value.to(stack.before.device), scale.to(stack.before.device), 1)
            for stack, (value, scale) in zip(stacks, results, strict=True)
        ]

    def _columns(self, stack: Stack, convention: Convention) -> tuple[Tensor, Tensor]:
        """Parameters and gradients (K, P) in the reference's units, on the CPU."""
        units = self._updates.convention.gradient_factor(stack.rows)
        factor = units / convention.gradient_factor(stack.rows)
        before = stack.before[:, : self._updates.width].double().cpu()
        return before, stack.gradient.double().cpu() * factor

    def step(self, before: Tensor, gradient: Tensor, rows: int) -> tuple[Tensor, Tensor]:
        """One update (P,) from a gradient in the reference's units, and its scale."""
        start, slope = self._variants(before), self._variants(gradient)
        after = self._moved(start, slope, self._updates.convention.divisor(rows))
        change = after - start
        spread = (change[2:] - change[0]).abs().amax(0) / self._updates.unit
        scale = before.abs() + self._updates.gathered * (change[1].abs() + spread)
        return after[0], scale

    def _moved(self, start: Tensor, slope: Tensor, divisor: int) -> Tensor:
        """All variants (V, P) after one more step of their optimizers."""
        updates = self._updates
        alone: list[slice | int] = [*range(len(start))]
        together = [slice(None)] if updates.by_entry else alone
        if not self._optimizers:
            for variants in together:
                leaves = self._as_leaves(torch.zeros_like(start[variants]))
                self._leaves.append([leaf.requires_grad_() for leaf in leaves])
                self._optimizers.append(updates.make(self._leaves[-1], updates.lr))
        after = torch.empty_like(start)
        for variants, leaves, optimizer in zip(
            together, self._leaves, self._optimizers, strict=True
        ):
            values = self._as_leaves(start[variants].clone()), self._as_leaves(slope[variants])
            for leaf, value, gradient in zip(leaves, *values, strict=True):
                leaf.data, leaf.grad = value, gradient
            optimizer.step(divisor)
            after[variants] = self._joined(leaves)
        return after

    def _as_leaves(self, values: Tensor) -> list[Tensor]:
        """Variants (V, P) that work entry by entry as they are; a single one (P,) by its shapes."""
        if values.ndim > 1:
            return [values]
        shapes = self._updates.shapes
        return [
            part.reshape(shape).clone()
            for part, shape in zip(values.split([prod(s) for s in shapes]), shapes, strict=True)
        ]

    def _joined(self, leaves: Sequence[Tensor]) -> Tensor:
        if self._updates.by_entry:
            return leaves[0].detach()
        return torch.cat([leaf.detach().reshape(-1) for leaf in leaves])

    def _variants(self, values: Tensor) -> Tensor:
        """The values, their sizes, and the values changed by a rounding each: (2 + twists, P)."""
        shaken = twisted(values.expand(_TWISTS, -1), self._updates.unit, self._generator)
        return torch.cat((torch.stack((values, values.abs())), shaken))


def _after(
    make: Make,
    lr: float,
    shape: tuple[int, ...],
    gradients: Sequence[Tensor | float],
    start: Tensor | float = 0.0,
) -> Tensor:
    """A parameter after a step with each of these gradients, held at its start in between."""
    held = torch.zeros(shape, dtype=torch.float64) + start
    leaf = held.clone().requires_grad_()
    optimizer = make([leaf], lr)
    for gradient in gradients:
        leaf.data = held.clone()
        leaf.grad = torch.zeros_like(leaf) + gradient
        optimizer.step(1)
    return leaf.detach()


def _smallest(make: Make, lr: float) -> tuple[int, ...]:
    """The shape of a parameter of one entry that the optimizer takes: some take only matrices."""
    try:
        _after(make, lr, (1,), _PROBES[:1])
    except ValueError:
        return (1, 1)
    return (1,)


def _keeps_state(make: Make, lr: float, shape: tuple[int, ...]) -> bool:
    """Whether an optimizer's later steps depend on its earlier ones."""
    return any(
        not torch.equal(
            _after(make, lr, shape, _PROBES[: at + 1]), _after(make, lr, shape, [_PROBES[at]])
        )
        for at in range(1, len(_PROBES))
    )


def _counts_steps(make: Make, lr: float, shape: tuple[int, ...]) -> bool:
    """Whether a step is another one after some in which nothing could be remembered."""
    fresh = _after(make, lr, shape, [1.0])
    return not torch.equal(_after(make, lr, shape, [0.0, 0.0, 0.0, 1.0]), fresh)


def _works_by_entry(make: Make, lr: float) -> bool:
    """Whether an entry is moved alike whatever stands beside it, in whatever shape.

    Asked at 0, where a step is not rounded against its parameter, and away from it: a step by the
    norm of its parameter (LAMB's) may have no norm to go by at 0.
    """
    gradients = [torch.tensor([[g, -3 * g, 0.1], [0.5 * g, 2.0, -g]]) for g in _PROBES]
    starts = torch.tensor([[1.0, -2.0, 0.5], [-0.25, 3.0, -1.5]])
    return all(_moves_alike(make, lr, gradients, start) for start in (0 * starts, starts))


def _moves_alike(make: Make, lr: float, gradients: Sequence[Tensor], starts: Tensor) -> bool:
    together = _after(make, lr, (2, 3), gradients, starts)
    alone = [
        _after(make, lr, (1,), [gradient[i, j] for gradient in gradients], starts[i, j])
        for i in range(2)
        for j in range(3)
    ]
    return torch.allclose(together.reshape(-1), torch.cat(alone), rtol=1e-9, atol=0)
