"""Finds the training loop at the top level of a file, and makes a piece of it that runs again.

The loop is compiled by itself. What it reads under global names, features, parameters, learning
rate and so on, is set before it runs, and so are numbers that stand in it: how many epochs, and
rows and columns where they are too many to ask.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from harness.answers.arguments import KINDS
from harness.answers.component import Piece
from harness.answers.definitions import Traits, called_name
from harness.answers.theta import Theta, theta_of
from harness.engine.components import LOOP, OPTIMIZER

_GLOBAL = ("features", "labels", "w", "b", "params", "lr", "num_epochs", "batch_size")
_PLAIN = (int, float, str, list, dict)
_OWN = "__svb_"  # begins a name that stands for a number of the file
# More than this is asked with less; a loop that has the number all over it is told the smaller one.
_ASKED = {"num_examples": 2000, "num_inputs": 100}
_COUNTS = ("n", "N", "num_examples", "n_examples", "num_samples", "n_samples")


class State:
    """What a statement finds: every name as it is before it has run, plain values copied.

    A counter, or a list of losses, has to be put back before a loop can run again. A chapter
    further down may give the names of a loop to something else: `reached` has them as the loop
    found them.
    """

    def __init__(self, node: ast.stmt, namespace: dict[str, Any]) -> None:
        self.reached = dict(namespace)
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
    """A statement of a file as something to call; `names` are set by who calls it.

    `numbers` are names that stand for numbers of the file, where nobody sets them.
    """

    def __init__(
        self,
        node: ast.stmt,
        filename: str,
        namespace: dict[str, Any],
        state: State | None = None,
        names: Container[str] = (),
        numbers: Mapping[str, Any] | None = None,
    ) -> None:
        module = ast.Module([node], [])
        self.__code__ = compile(module, filename, "exec", dont_inherit=True)
        self.__globals__ = namespace
        self.state, self.names, self.numbers = state, names, dict(numbers or {})

    def __call__(self) -> None:
        """Run it in the namespace of the file."""
        if self.state:
            self.state.restore(self.__globals__, self.names)
        for name, value in self.numbers.items():
            self.__globals__.setdefault(name, value)
        exec(self.__code__, self.__globals__)  # noqa: S102 - in the child, as the rest of the file


@dataclass(frozen=True)
class Loop:
    """A top-level loop: its piece, and the settings it ran with.

    `settings` hold lr, batch_size, num_epochs, n and d as far as they are known.
    """

    piece: Piece
    line: int
    settings: dict[str, Any] = field(default_factory=dict)
    flat_labels: bool = False
    flat_features: bool = False
    theta: Theta | None = None


def find(
    statements: Sequence[ast.stmt],
    pieces: dict[str, Piece],
    namespace: dict[str, Any],
    name: str,
    states: Mapping[int, State] | None = None,
) -> Loop | None:
    """The loop of a file that trains by hand; None where there is none.

    `states` are those before the statements had run, by the line that a statement begins at: a
    loop is read with the names that it found.
    """
    candidates: list[tuple[ast.stmt, State | None, dict[str, Any]]] = []
    for statement in statements:
        state = (states or {}).get(statement.lineno)
        names = state.reached if state else namespace
        candidates += [(s, state, names) for s in _loops([statement]) if _trains(s, pieces, names)]
    by_hand = (entry for entry in candidates if not _has_optimizer(entry[0], entry[2]))
    chosen = next(by_hand, candidates[0] if candidates else None)
    if chosen is None:
        return None
    node, state, names = chosen
    reading = _Reading(node, pieces, names, state, statements)
    if reading.undefined():
        return None
    settings, flat = reading.settings(), (reading.is_flat("labels"), reading.is_flat("features"))
    node = reading.named(node)
    script = Script(node, name, namespace, state, reading.names, reading.numbers)
    words = f"the loop at line {node.lineno}"
    piece = Piece(LOOP.role, words, script, node.lineno, arguments={}, names=reading.names)
    return Loop(piece, node.lineno, settings, *flat, reading.theta)


class _Renamed(ast.NodeTransformer):
    """Puts names in the place of some numbers, known by where they stand."""

    def __init__(self, places: Mapping[tuple[int, int], str]) -> None:
        self.places = places

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """The name that stands for a number."""
        kind = self.places.get((node.lineno, node.col_offset))
        return node if kind is None else ast.copy_location(ast.Name(_OWN + kind, ast.Load()), node)


def _loops(statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        if isinstance(statement, ast.For | ast.While | ast.With):
            yield statement
        elif isinstance(statement, ast.If | ast.Try):
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
        statements: Sequence[ast.stmt],
    ) -> None:
        self.namespace, self.state = namespace, state
        self.names: dict[str, str] = {}
        self.fixed: dict[str, Any] = {}
        self.literals: dict[str, list[ast.expr]] = {}
        self.numbers: dict[str, Any] = {}
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
        self.theta = self._theta(statements)
        if "lr" not in self.names.values():
            self._literal_rate(node)
        self._numbers(node)

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
                    if len(values) == 1 or values[0] == 0:
                        self.literals.setdefault("num_epochs", [arguments[-1]])
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
                    if begun == 0 and not inclusive:
                        self.literals.setdefault("num_epochs", [loop.test.comparators[0]])

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

    def _theta(self, statements: Sequence[ast.stmt]) -> Theta | None:
        """Whether what is trained is one parameter for both, and how it lies."""
        weight, features = self.value("w"), self.value("features")
        if "b" in self.names.values() or not isinstance(features, Tensor):
            return None
        if not isinstance(weight, Tensor) or features.ndim not in (1, 2):
            return None
        theta = theta_of(weight, features, statements)
        if theta:
            self.names |= {name: "theta" for name, kind in self.names.items() if kind == "w"}
        return theta

    def _numbers(self, node: ast.stmt) -> None:
        """Rows and columns that stand in the loop as numbers, where they are too many to ask."""
        shape = getattr(self.value("features"), "shape", ())
        sizes = dict(zip(("num_examples", "num_inputs"), map(int, shape), strict=False))
        for kind, size in sizes.items():
            if size <= _ASKED[kind]:
                continue
            numbers = [n for n in ast.walk(node) if isinstance(n, ast.Constant)]
            if same := [n for n in numbers if _is_number(n.value, size)]:
                self.literals[kind] = [*same]
            for name in sorted(self.loaded & self.namespace.keys()):
                if _is_number(self.namespace[name], size) and name not in self.stored:
                    self.names.setdefault(name, kind)

    def named(self, node: ast.stmt) -> ast.stmt:
        """The loop with names in the place of the numbers that are to be set from outside."""
        places = {(n.lineno, n.col_offset): kind for kind, ns in self.literals.items() for n in ns}
        if not places:
            return node
        for kind, standing in self.literals.items():
            self.names[_OWN + kind] = kind
            self.numbers[_OWN + kind] = getattr(standing[0], "value", None)
        return _Renamed(places).visit(copy.deepcopy(node))  # type: ignore[no-any-return]

    def value(self, kind: str) -> Any:
        """What a kind was when the file ran, None where nothing tells."""
        name = next((n for n, k in self.names.items() if k == kind), None)
        return self.fixed.get(kind) if name is None else self.namespace.get(name)

    def settings(self) -> dict[str, Any]:
        """The numbers that the loop ran with, as far as they are known."""
        found = {kind: self.value(kind) for kind in ("lr", "batch_size", "num_epochs")}
        known = {k: v for k, v in found.items() if isinstance(v, int | float)}
        shape = getattr(self.value("features"), "shape", ())
        if len(shape) in (1, 2):
            known |= {"n": len(self.value("features")), "d": math.prod(shape[1:])}
            if self.theta and self.theta.in_features:
                known["d"] -= 1
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

    def is_flat(self, kind: str) -> bool:
        """Whether the labels of the file, or its only feature, are (n,)."""
        return getattr(self.value(kind), "ndim", 2) == 1


def _bound(piece: Piece, call: ast.Call) -> dict[str, Any]:
    """The expressions that a call passes, by the names of the arguments."""
    named = {k.arg: k.value for k in call.keywords if k.arg}
    try:
        return inspect.signature(piece.function).bind(*call.args, **named).arguments
    except (TypeError, ValueError):
        return {}


def _is_number(value: Any, number: int) -> bool:
    return type(value) is int and value == number


def _rows(value: Any) -> int:
    return len(value) if isinstance(value, Tensor) and value.ndim else 0


def _holds_batches(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], tuple | list) and len(value[0]) == 2


def _could_be(value: Any, kind: str) -> bool:
    if kind in ("w", "b"):
        return isinstance(value, Tensor)
    if kind in ("features", "labels"):
        trained = isinstance(value, Tensor) and value.is_leaf and value.requires_grad
        return hasattr(value, "ndim") and value.ndim in (1, 2) and not trained
    if kind == "params":
        return isinstance(value, list | tuple) and len(value) == 2
    return isinstance(value, int | float)
