"""A class that is given all the data, `Model(lr, epochs).fit(X, y)`, as a training function.

Its weights are attributes, of torch or NumPy, and it starts them itself: the run is judged from
wherever they begin. One parameter of d + 1 rows is read as a weight and a bias.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from harness.answers.arguments import KINDS, Signature, arguments
from harness.answers.component import Piece
from harness.answers.loop_side import Pair
from harness.answers.theta import Theta, ones_first
from harness.engine.components.role import Role

_FIT = Role(("fit",), "", ("features", "labels"), ("lr", "num_epochs", "batch_size", "num_inputs"))
_MADE = Role(("class",), "", (), ("lr", "num_epochs", "batch_size", "num_inputs"))
_SETTINGS = ("lr", "num_epochs", "batch_size")
_SHUFFLES = {"permutation", "shuffle", "choice", "randint", "sample"}
_BIASES = (*KINDS["b"], "b_", "bias_", "intercept_")


def takes_data(fit: ast.FunctionDef) -> bool:
    """Whether a method `fit` is given features and labels, and not a model and its data."""
    names = [a.arg for a in fit.args.args[1:]]
    return len(names) >= 2 and names[0] in KINDS["features"] and names[1] in KINDS["labels"]


class FitData:
    """Makes the class and has it fit; `arguments` are the kinds that either of both takes."""

    def __init__(self, kind: type, node: ast.ClassDef) -> None:
        self.kind: Any = kind
        self.instance: Any = None
        self.first = ones_first([node])
        self.made, self.fitted = _kinds(node, "__init__", _MADE), _kinds(node, "fit", _FIT)
        taken = {*self.made.values(), *self.fitted.values()}
        self.arguments = {
            k: k for k in ("features", "labels", *_SETTINGS, "num_inputs") if k in taken
        }
        only = inspect.Parameter.KEYWORD_ONLY
        self.__signature__ = inspect.Signature([inspect.Parameter(k, only) for k in self.arguments])
        words = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        self.numpy = bool(words & {"np", "numpy"}) and "torch" not in words
        self.draws_batches = "batch_size" in taken or bool(
            {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)} & _SHUFFLES
        )

    def __call__(self, **values: Any) -> None:
        """Train on features and labels."""
        values = {k: _as_array(v) if self.numpy else v for k, v in values.items()}
        self.instance = self.kind(**{n: values[k] for n, k in self.made.items() if k in values})
        self.instance.fit(**{n: values[k] for n, k in self.fitted.items() if k in values})

    def unasked(self) -> Literal["numpy-steps", "numpy-batches"] | None:
        """Why a class of NumPy cannot be followed, None where it can: by its steps alone."""
        if not self.numpy:
            return None
        if self.draws_batches:
            return "numpy-batches"
        return None if "num_epochs" in self.arguments else "numpy-steps"

    def counted(self, values: dict[str, Any], epochs: int, d: int) -> Iterator[Pair]:
        """Where a class of NumPy starts, and where it is after each of so many epochs.

        It is made and fits anew each time, for one epoch more and with the same draws: of gradients
        that are worked out by hand nothing else can be seen.
        """
        draws = np.random.get_state()
        flat = False
        for count in range(epochs + 1):
            np.random.set_state(draws)
            labels = values["labels"]
            told = {**values, "labels": labels.reshape(-1) if flat else labels.reshape(-1, 1)}
            self(**{**told, "num_epochs": count})
            pair = self.pair(d)
            if pair is None:
                raise TypeError(f"{self.kind.__name__} has no weight and bias among its attributes")
            flat = pair[0].ndim == 1
            yield pair

    def settings(self) -> dict[str, Any]:
        """The numbers that the class has for itself, where it is not told them."""
        held = self._held()
        return {
            kind: value
            for kind in _SETTINGS
            if kind not in self.arguments
            for name, value in held.items()
            if name in KINDS[kind] and type(value) in (int, float)
        }

    def _held(self) -> dict[str, Any]:
        """The attributes of the instance that was made last."""
        return {} if self.instance is None else dict(vars(self.instance))

    def pair(self, d: int) -> Pair | None:
        """Weight and bias of the instance as they are now; None where it has none yet."""
        held = self._held()
        values = {
            name: tensor
            for name, value in held.items()
            if not _is_setting(name)
            and (tensor := _as_tensor(float(value) if _is_zero(name, value) else value)) is not None
        }
        one = next((t for t in values.values() if t.numel() == d + 1), None)
        bias = next((n for n in _BIASES if n in values and values[n].numel() == 1), "")
        weight = next((n for n, t in values.items() if n != bias and t.numel() == d), "")
        if bias and weight:
            return values[weight], values[bias]
        return None if one is None else Theta(self.first).parts(one)


def _kinds(node: ast.ClassDef, method: str, role: Role) -> dict[str, str]:
    """The kinds of the arguments of a method that are known, by name."""
    methods = {m.name: m for m in node.body if isinstance(m, ast.FunctionDef)}
    if method not in methods:
        return {}
    kinds, guessed = arguments(role, Signature.of(methods[method].args, method=True))
    return {name: kind for name, kind in kinds.items() if name not in guessed}


def _as_array(value: Any) -> Any:
    return value.detach().double().numpy() if isinstance(value, Tensor) else value


def _is_zero(name: str, value: Any) -> bool:
    """Whether a bias begins as a whole number."""
    return name in _BIASES and type(value) is int


def _is_setting(name: str) -> bool:
    return any(name in KINDS[kind] for kind in _SETTINGS)


def _as_tensor(value: Any) -> Tensor | None:
    """A parameter of torch or NumPy as a tensor, sharing its memory; None for anything else."""
    if isinstance(value, Tensor):
        return value if value.is_floating_point() else None
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return torch.from_numpy(value)
    if isinstance(value, (float, np.floating)):
        return torch.tensor([float(value)])
    return None


def piece_of(kind: type, node: ast.ClassDef, role: Role, line: int) -> Piece:
    """The training function that a class is."""
    fit = FitData(kind, node)
    return Piece(role, kind.__name__, fit, line, arguments=fit.arguments)
