"""Weight and bias among the variables of a learner's loop, under whatever names it has for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from harness.answers.arguments import KINDS
from harness.answers.component import Piece
from harness.answers.loop_side import Pair
from harness.answers.theta import Theta


def by_kind(names: Any, piece: Piece, theta: Theta | None) -> Pair | None:
    """The parameters of a loop by what w and b are mostly called, or by its arguments' names.

    Where one parameter stands for both, its parts.
    """
    if names is None:
        return None
    kinds = {**(piece.arguments or {}), **piece.names}
    called = {kind: name for name, kind in kinds.items()}
    if theta:
        whole = names.get(called.get("theta"))
        return None if whole is None else theta.parts(whole)
    if piece.names:  # at the top level, a name may mean anything
        called = {"w": "", "b": "", **called}
    if "params" in called:
        return pair_of(names.get(called["params"]))
    return pair_of(tuple(_named(names, kind, called.get(kind)) for kind in ("w", "b")))


def _named(names: Any, kind: str, name: str | None) -> Any:
    candidates = KINDS[kind] if name is None else [name]
    return next((names[n] for n in candidates if isinstance(names.get(n), Tensor)), None)


def pair_of(value: Any) -> Pair | None:
    """Two tensors, from a tuple, a list or a dictionary; None where it is anything else."""
    values = list(value.values()) if isinstance(value, dict) else value
    if isinstance(values, tuple | list) and len(values) == 2:
        w, b = values
        if isinstance(w, Tensor) and isinstance(b, Tensor):
            return w, b
    return None


def found_in(names: Any, pair: Pair) -> Callable[[Any], Pair | None]:
    """How to find tensors again: under the names, or in the container, that hold them now."""
    values = dict(names)
    for name, value in values.items():
        held = pair_of(value)
        if held and held[0] is pair[0] and held[1] is pair[1]:
            return lambda names: pair_of(names.get(name))
    called = [next((n for n, value in values.items() if value is p), "") for p in pair]
    return lambda names: pair_of(tuple(names.get(name) for name in called)) if names else None


def states(pair: Pair) -> list[tuple[int, int]]:
    """What tells whether a backward pass has written to the gradients."""
    owners = [getattr(p, "part_of", (p, None))[0] for p in pair]
    return [(id(p.grad), -1 if p.grad is None else p.grad._version) for p in owners]  # noqa: SLF001
