"""Finds the training loop at the top level of a file, and makes a piece of it that runs again.

The loop is compiled by itself. What it reads under global names, features, parameters, learning
rate and so on, is set before it runs; what stands in it as a literal stays, and is told as `fixed`.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from harness.answers.arguments import KINDS
from harness.answers.component import Piece
from harness.answers.definitions import Traits, called_name, is_main_guard
from harness.engine.components import LOOP, OPTIMIZER

_GLOBAL = ("features", "labels", "w", "b", "params", "lr", "num_epochs", "batch_size")
_PLAIN = (int, float, str, list, dict)
_COUNTS = ("n", "N", "num_examples", "n_examples", "num_samples", "n_samples")


class State:
    """The plain values that a statement may change, as they are before it has run.

    A counter, or a list of losses, has to be put back before a loop can run again.
    """

    def __init__(self, node: ast.stmt, namespace: dict[str, Any]) -> None:
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & namespace.keys()
        plain = {n: v for n in names if isinstance(v := namespace[n], _PLAIN)}
        self.values: dict[str, tuple[Any, Any]] = {n: (v, copy.copy(v)) for n, v in plain.items()}

    def restore(self, namespace: dict[str, Any], but: Container[str]) -> None:
        """Put them back, lists and dictionaries as the objects that they were."""
        for name, (value, kept) in self.values.items():
            if name not in but:
                if isinstance(value, list):
                    value[:] = kept
                elif isinstance(value, dict):
                    value.clear()
                    value.update(kept)
                namespace[name] = value


class Script:
    """A statement of a file as something to call; `names` are set by who calls it."""

    def __init__(
        self,
        node: ast.stmt,
        filename: str,
        namespace: dict[str, Any],
        state: State | None = None,
        names: Container[str] = (),
    ) -> None:
        module = ast.Module([node], [])
        self.__code__ = compile(module, filename, "exec", dont_inherit=True)
        self.__globals__ = namespace
        self.state, self.names = state, names

    def __call__(self) -> None:
        """Run it in the namespace of the file."""
        if self.state:
            self.state.restore(self.__globals__, self.names)
        exec(self.__code__, self.__globals__)  # noqa: S102 - in the child, as the rest of the file


@dataclass(frozen=True)
class Loop:
    """A top-level loop: its piece, and the settings it ran with.

    `settings` hold lr, batch_size, num_epochs, n and d as far as they are known; `fixed` names
    those that stand in the loop as literals, so that a case has to have the same.
    """

    piece: Piece
    line: int
    settings: dict[str, Any] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    flat_labels: bool = False


def find(
    statements: Sequence[ast.stmt],
    pieces: dict[str, Piece],
    namespace: dict[str, Any],
    name: str,
    states: Mapping[int, State] | None = None,
) -> Loop | None:
    """The loop of a file that trains by hand; None where there is none.

    `states` are those before the statements had run, by the line that a statement begins at.
    """
    loops = [s for s in _loops(statements) if _trains(s, pieces, namespace)]
    by_hand = (s for s in loops if not _has_optimizer(s, namespace))
    node = next(by_hand, loops[0] if loops else None)
    if node is None:
        return None
    within = next(s for s in statements if any(n is node for n in ast.walk(s)))
    state = (states or {}).get(within.lineno)
    reading = _Reading(node, pieces, namespace, state)
    if reading.undefined():
        return None
    piece = Piece(
        LOOP.role,
        f"the loop at line {node.lineno}",
        Script(node, name, namespace, state, reading.names),
        node.lineno,
        arguments={},
        names=reading.names,
    )
    return Loop(
        piece, node.lineno, reading.settings(), tuple(sorted(reading.fixed)), reading.flat_labels()
    )


def _loops(statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        if isinstance(statement, ast.For | ast.While | ast.With):
            yield statement
        elif isinstance(statement, ast.If | ast.Try) and not is_main_guard(statement):
            for block in ("body", "orelse", "finalbody"):
                yield from _loops(getattr(statement, block, []))


def _trains(node: ast.stmt, pieces: dict[str, Piece], namespace: dict[str, Any]) -> bool:
    called = {c for c, _ in _calls(node, pieces, namespace)}
    return Traits.of(node).differentiates or OPTIMIZER.name in called


def _has_optimizer(node: ast.stmt, namespace: dict[str, Any]) -> bool:
    """Whether a loop steps an optimizer of torch: it is there to be compared with."""
    return any(
        isinstance(n, ast.Name) and isinstance(namespace.get(n.id), torch.optim.Optimizer)
        for n in ast.walk(node)
    )


def _calls(
    node: ast.AST, pieces: dict[str, Piece], namespace: dict[str, Any]
) -> Iterator[tuple[str, ast.Call]]:
    """The calls of the file's own pieces, under whatever names."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            value = namespace.get(call.func.id)
            for component, piece in pieces.items():
                if value is not None and value is piece.function:
                    yield component, call


class _Reading:
    """What a loop reads: which global name is what, and which literals it has."""

    def __init__(
        self,
        node: ast.stmt,
        pieces: dict[str, Piece],
        namespace: dict[str, Any],
        state: State | None,
    ) -> None:
        self.namespace, self.state = namespace, state
        self.names: dict[str, str] = {}
        self.fixed: dict[str, Any] = {}
        loaded = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
        self.stored = {n.id for n in loaded if isinstance(n.ctx, ast.Store)}
        self.loaded = {n.id for n in loaded if isinstance(n.ctx, ast.Load)}
        calls = [(pieces[component], call) for component, call in _calls(node, pieces, namespace)]
        for piece, call in calls:
            self._arguments(piece, call)
        outer = next((n for n in ast.walk(node) if isinstance(n, ast.For | ast.While)), None)
        if isinstance(outer, ast.For):
            self._epochs(outer.iter)
        elif outer:
            self._counted(outer)
        for inner in ast.walk(node):
            if isinstance(inner, ast.For):
                self._iterated(inner.iter)
        self._by_vocabulary()
        self._by_shape()
        self._one_batch(calls)
        if "lr" not in self.names.values():
            self._literal_rate(node)

    def undefined(self) -> set[str]:
        """Names that the loop needs and that nothing has defined: it cannot run."""
        return {
            name
            for name in self.loaded - self.stored
            if name not in self.namespace and not hasattr(builtins, name)
        }

    def _arguments(self, piece: Piece, call: ast.Call) -> None:
        """The arguments of a call of a piece, by what they mean there."""
        for argument, value in _bound(piece, call).items():
            kind = (piece.arguments or {}).get(argument)
            if kind in _GLOBAL:
                self._is(value, kind)

    def _is(self, value: ast.expr, kind: str) -> None:
        if isinstance(value, ast.Name) and self._is_global(value.id, kind):
            self.names.setdefault(value.id, kind)
        elif isinstance(value, ast.Constant):
            self.fixed.setdefault(kind, value.value)

    def _is_global(self, name: str, kind: str) -> bool:
        taken = kind in self.names.values() and self.names.get(name) != kind
        return name in self.namespace and not taken and (name not in self.stored or kind in "wb")

    def _epochs(self, iterated: ast.expr) -> None:
        """`range(num_epochs)`, also within `tqdm`; a range or a list of literals by its length."""
        if isinstance(iterated, ast.Tuple | ast.List):
            self.fixed.setdefault("num_epochs", len(iterated.elts))
        for node in ast.walk(iterated):
            arguments = node.args if isinstance(node, ast.Call) else []
            ranges = isinstance(node, ast.Call) and called_name(node) in ("range", "trange")
            if ranges and 0 < len(arguments) < 3:  # a step means rows, not epochs
                values = [v for a in arguments if isinstance(v := getattr(a, "value", None), int)]
                if len(values) == len(arguments):
                    self.fixed.setdefault("num_epochs", len(range(*values)))
                else:
                    self._is(arguments[-1], "num_epochs")

    def _counted(self, loop: ast.While) -> None:
        """`while epoch < 3`, where the counter has begun with a known number."""
        match loop.test:
            case ast.Compare(ast.Name(counter), [ast.Lt() | ast.LtE()], [ast.Constant(int(most))]):
                begun = self._before(counter)
                if isinstance(begun, int):
                    inclusive = isinstance(loop.test.ops[0], ast.LtE)
                    self.fixed.setdefault("num_epochs", most - begun + inclusive)

    def _before(self, name: str) -> Any:
        """A plain value as the loop finds it, where that is known."""
        return self.state.values.get(name, (None, None))[1] if self.state else None

    def _iterated(self, iterated: ast.expr) -> None:
        """An iterator that was made before the loop."""
        for node in ast.walk(iterated):
            value = self.namespace.get(node.id) if isinstance(node, ast.Name) else None
            plain = (Tensor, range, int, float, str, dict)
            if hasattr(value, "__iter__") and not isinstance(value, plain) and not callable(value):
                assert isinstance(node, ast.Name)
                unknown = isinstance(value, list) and not _holds_batches(value)
                if not unknown and node.id not in self.stored:
                    self.names.setdefault(node.id, "loader")

    def _by_vocabulary(self) -> None:
        """What no call tells is taken by its name and value."""
        read = self.loaded & self.namespace.keys()
        for name in sorted(read, key=lambda name: (-_rows(self.namespace[name]), name)):
            value = self.namespace[name]
            for kind in _GLOBAL:
                if name in self.names or name not in KINDS[kind] or not _could_be(value, kind):
                    continue
                if self._is_global(name, kind):
                    self.names[name] = kind
            if name in _COUNTS and isinstance(value, int):
                self.names.setdefault(name, "num_examples")

    def _literal_rate(self, node: ast.stmt) -> None:
        """`0.03 * w.grad`: a learning rate that has no name."""
        for product in ast.walk(node):
            if isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult):
                left, right = product.left, ast.unparse(product.right)
                if isinstance(left, ast.Constant) and ".grad" in right:
                    self.fixed.setdefault("lr", left.value)

    def _by_shape(self) -> None:
        """Features and labels by any names: a matrix as wide as w is long, and its rows' labels."""
        unknown = sorted((self.loaded - self.names.keys()) & self.namespace.keys())
        values = {name: self.namespace[name] for name in unknown}
        tensors = {n: v for n, v in values.items() if isinstance(v, Tensor) and not v.requires_grad}
        d = getattr(self.value("w"), "numel", lambda: None)()
        for name, value in tensors.items():
            if value.ndim == 2 and value.shape[1] == d and self._is_global(name, "features"):
                self.names[name] = "features"
        n = len(self.value("features")) if self.value("features") is not None else None
        for name, value in tensors.items():
            if value.ndim and value.numel() == n and self._is_global(name, "labels"):
                self.names.setdefault(name, "labels")

    def _one_batch(self, calls: Sequence[tuple[Piece, ast.Call]]) -> None:
        """Rows that were taken before the loop, and that it trains on in every step."""
        whole = _rows(self.value("features"))
        for piece, call in calls:
            for argument, value in _bound(piece, call).items():
                kind = (piece.arguments or {}).get(argument)
                if isinstance(value, ast.Name) and kind in ("X", "y"):
                    part = _rows(self.namespace.get(value.id))
                    if 0 < part < whole and self._is_global(value.id, kind):
                        self.names[value.id] = kind

    def value(self, kind: str) -> Any:
        """What a kind was when the file ran, None where nothing tells."""
        name = next((n for n, k in self.names.items() if k == kind), None)
        return self.fixed.get(kind) if name is None else self.namespace.get(name)

    def settings(self) -> dict[str, Any]:
        """The numbers that the loop ran with, as far as they are known."""
        found = {kind: self.value(kind) for kind in ("lr", "batch_size", "num_epochs")}
        known = {k: v for k, v in found.items() if isinstance(v, int | float)}
        shape = getattr(self.value("features"), "shape", ())
        if len(shape) == 2:
            known |= dict(zip(("n", "d"), map(int, shape), strict=True))
        return self._of_objects() | known

    def _of_objects(self) -> dict[str, Any]:
        """What else tells: a rate that changes, or an optimizer, parameters and batches."""
        read = [self.namespace.get(name) for name in sorted(self.loaded)]
        rates = [getattr(value, "lr", None) for value in read if not isinstance(value, type)]
        rates += [self._before(name) for name in KINDS["lr"] if name in self.loaded]
        found: dict[str, Any] = {"lr": next((r for r in rates if isinstance(r, float)), None)}
        weight = self.value("w")
        if isinstance(weight, Tensor):
            found["d"] = weight.numel()
        if rows := _rows(self.value("X")):
            found["batch_size"] = rows
        batches = self.value("loader")
        if isinstance(batches, list) and _holds_batches(batches):
            found |= {"batch_size": _rows(batches[0][0]), "n": sum(_rows(X) for X, _ in batches)}
        return {kind: value for kind, value in found.items() if value}

    def flat_labels(self) -> bool:
        """Whether the labels of the file are (n,)."""
        return getattr(self.value("labels"), "ndim", 2) == 1


def _bound(piece: Piece, call: ast.Call) -> dict[str, Any]:
    """The expressions that a call passes, by the names of the arguments."""
    named = {k.arg: k.value for k in call.keywords if k.arg}
    try:
        return inspect.signature(piece.function).bind(*call.args, **named).arguments
    except (TypeError, ValueError):
        return {}


def _rows(value: Any) -> int:
    return len(value) if isinstance(value, Tensor) and value.ndim else 0


def _holds_batches(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], tuple | list) and len(value[0]) == 2


def _could_be(value: Any, kind: str) -> bool:
    if kind in ("w", "b"):
        return isinstance(value, Tensor)
    if kind in ("features", "labels"):
        return hasattr(value, "ndim") and value.ndim in (1, 2)
    if kind == "params":
        return isinstance(value, list | tuple) and len(value) == 2
    return isinstance(value, int | float)
