"""`mxnet.autograd`: what is recorded, and gradients of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from harness.answers.stubs.mxnet.array import array_of, of
from harness.answers.stubs.mxnet.gradients import (
    NOT_RECORDED,
    SCOPE,
    MXNetError,
    differentiate,
    scope,
    slopes,
)

__all__ = [
    "backward",
    "grad",
    "is_recording",
    "is_training",
    "mark_variables",
    "pause",
    "predict_mode",
    "record",
    "train_mode",
]

Arrays = Tensor | Sequence[Tensor]


def record(train_mode: bool = True) -> AbstractContextManager[None]:
    """Keep what is computed within for a backward pass."""
    return scope(recording=True, training=train_mode)


def pause(train_mode: bool = False) -> AbstractContextManager[None]:
    """Keep nothing of what is computed within."""
    return scope(recording=False, training=train_mode)


def train_mode() -> AbstractContextManager[None]:
    """Layers behave as in training; says nothing of recording."""
    return scope(recording=None, training=True)


def predict_mode() -> AbstractContextManager[None]:
    """Layers behave as in prediction."""
    return scope(recording=None, training=False)


def is_recording() -> bool:
    """Whether this runs within `record()`."""
    return SCOPE.recording


def is_training() -> bool:
    """Whether layers behave as in training."""
    return SCOPE.training


def backward(
    heads: Arrays,
    head_grads: Any = None,
    retain_graph: bool = False,
    train_mode: bool = True,
) -> None:
    """Write the gradients of the sum of all heads."""
    del train_mode
    differentiate(_listed(heads), head_grads and _listed(head_grads), retain_graph=retain_graph)


def grad(
    heads: Arrays,
    variables: Arrays,
    head_grads: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    train_mode: bool = True,
) -> Any:
    """The gradients of the sum of all heads by the variables, which keep theirs."""
    del train_mode
    starts = _listed(heads)
    if not any(head.requires_grad for head in starts):
        raise MXNetError(NOT_RECORDED)
    found = torch.autograd.grad(
        starts,
        _listed(variables),
        slopes(starts, head_grads and _listed(head_grads)),
        retain_graph=retain_graph,
        create_graph=create_graph,
    )
    return of(found[0] if isinstance(variables, Tensor) else list(found))


def mark_variables(variables: Arrays, gradients: Arrays, grad_reqs: Any = "write") -> None:
    """Attach these arrays as the gradients of those."""
    marked = _listed(variables)
    kinds = [grad_reqs] * len(marked) if isinstance(grad_reqs, str) else grad_reqs
    for variable, gradient, kind in zip(marked, _listed(gradients), kinds, strict=True):
        array_of(variable).attach_grad(kind)
        variable.grad = gradient


def _listed(arrays: Arrays) -> list[Tensor]:
    return [arrays] if isinstance(arrays, Tensor) else list(arrays)
