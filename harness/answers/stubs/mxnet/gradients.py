"""How MXNet differentiates, over torch's autograd.

Gradients are those of what ran within `autograd.record()`. A backward pass sums over the elements
of what it starts from, and writes: what a gradient was before is gone, unless `attach_grad("add")`
asked for a sum. Recording is torch's grad mode, which is off while a file runs (`border`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


class MXNetError(RuntimeError):
    """What MXNet raises."""


@dataclass
class Scope:
    """What the code that runs now stands within."""

    recording: bool = False
    training: bool = False


SCOPE = Scope()
NOT_RECORDED = (
    "Cannot differentiate node because it is not in a computational graph. You need to set "
    "is_recording to true or use autograd.record() to save computational graphs for backward."
)
IN_PLACE = "Inplace operations (+=, -=, x[:]=, etc) are not supported when recording with autograd."


@contextmanager
def scope(*, recording: bool | None, training: bool | None) -> Iterator[None]:
    """Record or not, train or not; None leaves it as it is."""
    before = SCOPE.recording, SCOPE.training
    enabled = torch.is_grad_enabled() if recording is None else recording
    SCOPE.recording = SCOPE.recording if recording is None else recording
    SCOPE.training = SCOPE.training if training is None else training
    try:
        with torch.set_grad_enabled(enabled):
            yield
    finally:
        SCOPE.recording, SCOPE.training = before


def differentiate(
    heads: Sequence[Tensor], out_grads: Sequence[Tensor | None] | None, *, retain_graph: bool
) -> None:
    """Write the gradients of the sum of the heads, each times its `out_grad`."""
    if not any(head.requires_grad for head in heads):
        raise MXNetError(NOT_RECORDED)
    buffers = {leaf: leaf.grad for leaf in _leaves(heads) if _is_written(leaf)}
    for leaf in buffers:
        leaf.grad = None
    # called by its name there: who observes a loop stands in its place
    torch.autograd.backward(list(heads), slopes(heads, out_grads), retain_graph=retain_graph)
    for leaf, buffer in buffers.items():
        if buffer is not None and leaf.grad is not None and buffer.shape == leaf.grad.shape:
            with torch.no_grad():
                buffer.copy_(leaf.grad)
            leaf.grad = buffer


def slopes(heads: Sequence[Tensor], out_grads: Sequence[Tensor | None] | None) -> list[Tensor]:
    """What each head is multiplied by before the sum: ones where nothing is given."""
    given = out_grads or [None] * len(heads)
    return [
        torch.ones_like(head) if slope is None else slope
        for head, slope in zip(heads, given, strict=True)
    ]


def _is_written(leaf: Tensor) -> bool:
    return getattr(leaf, "grad_req", "write") == "write"


def _leaves(heads: Sequence[Tensor]) -> Iterator[Tensor]:
    """The tensors that a backward pass from these would give a gradient."""
    yield from (head for head in heads if head.is_leaf and head.requires_grad)
    waiting = [head.grad_fn for head in heads if head.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if isinstance(leaf := getattr(node, "variable", None), Tensor):
            yield leaf
        following = {before for before, _ in node.next_functions if before is not None} - seen
        seen |= following
        waiting += following
