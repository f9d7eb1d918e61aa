"""What another framework changes in how a file runs, and in how its pieces are called.

A file for MXNet runs on a stand-in over torch (`stubs.mxnet`). Nothing is recorded but within
`autograd.record()`, so that its statements, updates and loops run without torch's; a model or a
loss is asked as if it were called within. What its pieces are handed are arrays of MXNet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from harness.answers.component import Piece
from harness.answers.stubs.mxnet.array import handed, tensors_in
from harness.engine.components import LOSS, MODEL
from harness.engine.components.contract import component_of
from harness.engine.components.role import MODEL_CLASS, ClassRole

MXNET = "mxnet"


def as_it_runs(
    stand_ins: Collection[str], namespace: Mapping[str, Any]
) -> AbstractContextManager[object]:
    """The grad mode in which the next statement of a file runs."""
    return torch.no_grad() if _is_of_mxnet(stand_ins, namespace) else nullcontext()


def in_its_arrays(
    pieces: Mapping[str, Piece], stand_ins: Collection[str], namespace: Mapping[str, Any]
) -> dict[str, Piece]:
    """The pieces of a file, called with the arrays of its framework and in its grad mode."""
    if MXNET not in stand_ins:
        return dict(pieces)
    alone = _is_of_mxnet(stand_ins, namespace)
    adds = any(
        getattr(array, "grad_req", "") == "add"
        for value in namespace.values()
        for array in tensors_in(value)
    )
    hand = partial(handed, grad_req="add" if adds else "write")
    return {
        name: replace(
            piece, hand=hand, no_grad=piece.no_grad or (alone and not _is_recorded(piece))
        )
        for name, piece in pieces.items()
    }


def _is_of_mxnet(stand_ins: Collection[str], namespace: Mapping[str, Any]) -> bool:
    """Whether a file is written for MXNet; one that has torch too goes by torch's grad mode."""
    return MXNET in stand_ins and all(value is not torch for value in namespace.values())


def _is_recorded(piece: Piece) -> bool:
    """Whether a loop calls this within `autograd.record()`."""
    if isinstance(piece.role, ClassRole):
        return piece.role is MODEL_CLASS
    return component_of(piece.role) in (MODEL, LOSS)
