"""The definitions of a file, what their bodies do, and how their names are used: by its syntax.

Nothing is executed here, and nothing decided.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.answers.arguments import Signature
from harness.engine.components import (
    DATA_ITERATOR,
    INITIALISATION,
    LOOP,
    LOSS,
    MODEL,
    OPTIMIZER,
    Component,
)
from harness.engine.components.role import Role

NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


PRODUCTS = {"matmul", "mm", "mv", "dot", "einsum", "tensordot", "linear", "bmm", "addmm", "inner"}


_DRAWS = {"randn", "normal", "zeros", "rand", "normal_", "ones", "empty", "zeros_like", "Parameter"}


_SHUFFLES = {"shuffle", "randperm", "permutation", "DataLoader", "sample", "argsort"}


_SQUARES = {"square", "pow", "square_", "pow_", "mse_loss", "MSELoss", "abs", "dot", "norm"}


_ARITHMETIC = {"sub", "sub_", "add", "add_", "mul", "mul_", "div", "div_", "copy_", "step"}


@dataclass(frozen=True)
class Found:
    """A definition at the top level of an answer: its name there and its syntax."""

    name: str
    node: Definition
    line: int

    @cached_property
    def signature(self) -> Signature:
        """What it is called with; for a class, what its constructor is called with."""
        if isinstance(self.node, ast.ClassDef):
            constructor = self.methods.get("__init__")
            return Signature.of(constructor.args, method=True) if constructor else Signature((), ())
        return Signature.of(self.node.args)

    @cached_property
    def methods(self) -> dict[str, ast.FunctionDef]:
        """The methods written in the body of a class."""
        body = self.node.body if isinstance(self.node, ast.ClassDef) else []
        return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}

    @cached_property
    def traits(self) -> Traits:
        """What its body does."""
        return Traits.of(self.node)

    @property
    def stub(self) -> bool:
        """Whether there is nothing in it yet."""
        return is_stub(self.node)


def is_stub(node: Definition) -> bool:
    """Whether a body is only a docstring, `pass`, `...` or `raise NotImplementedError`."""
    if isinstance(node, ast.Lambda):
        return isinstance(node.body, ast.Constant) and node.body.value is ...
    if isinstance(node, ast.ClassDef):
        methods = [m for m in node.body if isinstance(m, ast.FunctionDef)]
        own = [m for m in methods if m.name != "__init__"] or methods
        return all(map(is_stub, own)) and all(
            isinstance(s, ast.FunctionDef) or _empty(s) for s in node.body
        )
    return all(map(_empty, node.body))


def _empty(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise) and statement.exc is not None:
        raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return statement.value.value is ... or isinstance(statement.value.value, str)
    return isinstance(statement, ast.Pass)


@dataclass(frozen=True)
class Traits:
    """What a body does, as far as its syntax tells."""

    yields: bool
    computes: bool
    differentiates: bool
    reads_grad: bool
    multiplies: bool
    squares: bool
    draws: bool
    shuffles: bool
    loops: bool
    returns_pair: bool

    @property
    def trains(self) -> bool:
        """Whether it serves, differentiates or updates: what neither model nor loss does."""
        return self.differentiates or self.yields or self.reads_grad

    @classmethod
    def of(cls, node: ast.AST) -> Traits:
        """The traits of a definition."""
        nodes = list(ast.walk(node))
        called = {name for n in nodes if isinstance(n, ast.Call) and (name := called_name(n))}
        powers = [n for n in nodes if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow)]
        return cls(
            yields=any(isinstance(n, ast.Yield | ast.YieldFrom) for n in nodes),
            computes=bool(called & _ARITHMETIC)
            or any(isinstance(n, ast.BinOp | ast.AugAssign) for n in nodes),
            differentiates="backward" in called or _calls_autograd(nodes),
            reads_grad=any(isinstance(n, ast.Attribute) and n.attr == "grad" for n in nodes)
            and not _calls_autograd(nodes),
            multiplies=any(isinstance(n, ast.MatMult) for n in nodes) or bool(called & PRODUCTS),
            squares=bool(powers) or bool(called & _SQUARES),
            draws=bool(called & _DRAWS),
            shuffles=bool(called & _SHUFFLES),
            loops=any(isinstance(n, ast.For | ast.While) for n in nodes),
            returns_pair=any(
                isinstance(n, ast.Return)
                and isinstance(n.value, ast.Tuple | ast.List)
                and len(n.value.elts) == 2
                for n in nodes
            ),
        )


def called_name(call: ast.Call) -> str | None:
    """The last part of the name that is called: `backward` for `l.sum().backward()`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else None


def _innermost(call: ast.Call, *, through_methods: bool = False) -> list[ast.Call]:
    """The call, and those that it is wrapped around: `enumerate(f(x))`, `f(x).mean()`."""
    calls, inner = [call], call.args[0] if call.args and not through_methods else None
    if through_methods and isinstance(call.func, ast.Attribute):
        inner = call.func.value
    if isinstance(inner, ast.Call):
        calls += _innermost(inner, through_methods=through_methods)
    return calls


def _calls_autograd(nodes: Sequence[ast.AST]) -> bool:
    return any(
        isinstance(n, ast.Attribute)
        and n.attr == "grad"
        and isinstance(n.value, ast.Name | ast.Attribute)
        and (n.value.id if isinstance(n.value, ast.Name) else n.value.attr) in {"autograd", "func"}
        for n in nodes
    )


def definitions(statements: Sequence[ast.stmt]) -> Iterator[Found]:
    """The functions, classes and named lambdas of the top level, in order.

    Those within an `if`, `try`, `with` or loop count; methods that `add_to_class` registers and
    whatever stands under `if __name__ == "__main__"` do not.
    """
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if added_to(statement) is None:
                yield Found(statement.name, statement, statement.lineno)
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield Found(target.id, statement.value, statement.lineno)
        elif not is_main_guard(statement):
            for block in ("body", "orelse", "handlers", "finalbody"):
                yield from definitions(getattr(statement, block, []))


def added_to(statement: ast.stmt) -> str | None:
    """The class that a function is registered with by `add_to_class(Class)`, as it is written."""
    for decorator in getattr(statement, "decorator_list", []):
        if isinstance(decorator, ast.Call) and called_name(decorator) == "add_to_class":
            return ast.unparse(decorator.args[0]) if decorator.args else None
    return None


def is_main_guard(statement: ast.stmt) -> bool:
    """Whether this is `if __name__ == "__main__":`."""
    return isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)


@dataclass
class Uses:
    """How the names of a file are used: what is iterated, differentiated, or called as what.

    `made_by` are the calls whose results a name has been given, in whatever function; `pairs` the
    names of two results unpacked at once, with that call. `predicted` are the arguments of a loss
    that come from a model, by place or keyword, one for each of its calls.
    """

    roles: dict[str, set[Role]] = field(default_factory=dict)
    constants: dict[str, dict[str, object]] = field(default_factory=dict)
    assigned: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)
    under_no_grad: set[str] = field(default_factory=set)
    made_by: dict[str, list[ast.Call]] = field(default_factory=dict)
    pairs: list[tuple[set[str], ast.Call]] = field(default_factory=list)
    updated: set[str] = field(default_factory=set)
    predicted: dict[str, set[int | str]] = field(default_factory=dict)

    @classmethod
    def of(cls, statements: Sequence[ast.stmt]) -> Uses:
        """Read the uses off all statements."""
        uses = cls()
        nodes = [node for statement in statements for node in ast.walk(statement)]
        for node in nodes:
            uses.see(node)
        for node in nodes:
            if isinstance(node, ast.Call) and called_name(node) == "backward":
                uses._see_backward(node)
        for names, call in uses.pairs:
            if names <= uses.updated:
                uses._seen(call, INITIALISATION)
        uses._see_training(statements)
        return uses

    def see(self, node: ast.AST) -> None:
        """Take in one node."""
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Call):
            for call in _innermost(node.iter):
                self._seen(call, DATA_ITERATOR)
        elif isinstance(node, ast.Assign):
            self._see_assignment(node)
        elif isinstance(node, ast.Call):
            self._see_call(node)
        elif isinstance(node, ast.Attribute) and node.attr == "grad":
            self.updated |= {node.value.id} if isinstance(node.value, ast.Name) else set()
        elif isinstance(node, ast.With) and "no_grad" in " ".join(map(ast.unparse, node.items)):
            calls = (n for n in ast.walk(node) if isinstance(n, ast.Call))
            self.under_no_grad |= {name for call in calls if (name := called_name(call))}

    def _see_assignment(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Name):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self.aliases[target.id] = node.value.id
        if not isinstance(node.value, ast.Call):
            return
        if isinstance(node.value.func, ast.Name):
            self.assigned.add(node.value.func.id)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.made_by.setdefault(target.id, []).append(node.value)
            elif isinstance(target, ast.Tuple | ast.List) and len(target.elts) == 2:
                names = {e.id for e in target.elts if isinstance(e, ast.Name)}
                self.pairs += [(names, node.value)] if len(names) == 2 else []

    def _see_call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            for keyword in node.keywords:
                if keyword.arg is not None and isinstance(keyword.value, ast.Constant):
                    fixed = self.constants.setdefault(node.func.id, {})
                    fixed.setdefault(keyword.arg, keyword.value.value)
            for argument in node.args:
                if isinstance(argument, ast.List | ast.Tuple) and len(argument.elts) == 2:
                    self._seen(node, OPTIMIZER)
                    self.updated |= {e.id for e in argument.elts if isinstance(e, ast.Name)}

    def _see_backward(self, node: ast.Call) -> None:
        """What is differentiated is a loss, and what the loss is given is predicted."""
        if not isinstance(node.func, ast.Attribute):
            return
        for loss in self._calls_behind(node.func.value):
            self._seen(loss, LOSS)
            given: list[tuple[int | str, ast.expr]] = [*enumerate(loss.args)]
            given += [(k.arg or "", k.value) for k in loss.keywords]
            for place, argument in given:
                for call in self._calls_behind(argument):
                    self._seen(call, MODEL)
                    if isinstance(loss.func, ast.Name):
                        self.predicted.setdefault(loss.func.id, set()).add(place)

    def _calls_behind(self, value: ast.expr) -> list[ast.Call]:
        """The calls of plain names that a value comes from: `f(x).mean()`, or `l` made so."""
        while True:
            match value:
                case ast.Call(func=ast.Name()):
                    return [value]
                case ast.Call(func=ast.Attribute(value=inner)) | ast.Attribute(value=inner):
                    value = inner
                case ast.BinOp(left=inner, right=ast.Constant() | ast.Name()):
                    value = inner
                case ast.Name(name):
                    calls = self.made_by.get(name, [])
                    behind = [c for call in calls for c in _innermost(call, through_methods=True)]
                    return [call for call in behind if isinstance(call.func, ast.Name)]
                case _:
                    return []

    def _see_training(self, statements: Sequence[ast.stmt]) -> None:
        """A function that differentiates in a loop and is called from the top level trains."""
        trainers = {
            node.name
            for node in statements
            if isinstance(node, ast.FunctionDef)
            and (traits := Traits.of(node)).differentiates
            and traits.loops
        }
        for statement in statements:
            if not isinstance(statement, NAMED):
                for call in (n for n in ast.walk(statement) if isinstance(n, ast.Call)):
                    if isinstance(call.func, ast.Name) and call.func.id in trainers:
                        self._seen(call, LOOP)

    def _seen(self, call: ast.Call, component: Component[Any]) -> None:
        if isinstance(call.func, ast.Name):
            self.roles.setdefault(call.func.id, set()).add(component.role)

    def of_name(self, name: str) -> set[Role]:
        """The roles in which a name or one of its aliases is used."""
        names = {name} | {alias for alias, target in self.aliases.items() if target == name}
        return set().union(*(self.roles.get(n, set()) for n in names))

    def predicted_of(self, name: str) -> int | str | None:
        """Which argument of a loss is the prediction; None where its calls do not tell."""
        names = [name, *(alias for alias, target in self.aliases.items() if target == name)]
        places = set().union(*(self.predicted.get(n, set()) for n in names))
        return places.pop() if len(places) == 1 else None

    def constants_of(self, name: str) -> dict[str, object]:
        """Keyword arguments that the file always gives a function as constants."""
        names = [name, *(alias for alias, target in self.aliases.items() if target == name)]
        return {k: v for n in names for k, v in self.constants.get(n, {}).items()}
