"""What a single expression does: products, squares, activations, and the names in it.

Names are compared in lower case and without underscores.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.answers.definitions import PRODUCTS, called_name

_SQUARED = {"square", "square_", "pow", "pow_", "abs", "norm"}
DECAY = re.compile(r"lam(?:bda?|da)?|lmb?da?|wd|weightdecay|l[12]lambda|reg(?:lambda|strength)")
_WEIGHTS = re.compile(r"w|weights?|p|params?|parameters?|theta|beta|penalty|l[12]")
_FEATURES = re.compile(r"xs?|x\d|x(?:b|i|t|batch|train|data)|features?|inputs?")
ACTIVATION = re.compile(
    r"(?:my|leaky)?(?:relu|sigmoid|tanh|gelu|elu|maximum|clamp(?:min)?|activation|act)"
    r"(?:_|fn|func|function|\d)?"
)


def plain(name: str) -> str:
    """A name as it is compared: `CrossEntropy` and `cross_entropy` are the same."""
    return name.lower().replace("_", "")


def last_name(node: ast.AST | None) -> str:
    """The last part of a name, or of what is indexed; empty for all else."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def is_falsy(value: ast.expr | None) -> bool:
    """Whether this is written as 0, None, False or nothing."""
    return isinstance(value, ast.Constant) and not value.value


def factors(node: ast.AST) -> set[str]:
    """The names that are multiplied."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return {last_name(node.left), last_name(node.right)} - {""}
    return set()


def reads_grad(node: ast.AST) -> bool:
    """Whether a gradient is read in it."""
    return any(isinstance(n, ast.Attribute) and n.attr == "grad" for n in ast.walk(node))


def weighs(node: ast.AST) -> bool:
    """Whether this is a weight, or a square as a penalty takes it."""
    return bool(_WEIGHTS.fullmatch(plain(last_name(node))) or [*squared_by(node)])


def is_product(node: ast.AST) -> bool:
    """Whether features are multiplied by weights, as matrices or as numbers."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return True
    if isinstance(node, ast.Call):
        return called_name(node) in PRODUCTS
    names = {plain(name) for name in factors(node)}
    return len(names) == 2 and any(map(_FEATURES.fullmatch, names))


def subtracts(node: ast.AST | None, differences: set[str]) -> bool:
    """Whether something is a difference of two values, or a name for one."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        return not isinstance(node.left, ast.Constant)
    if isinstance(node, ast.Call):
        return called_name(node) in {"sub", "subtract"}
    return isinstance(node, ast.Name) and node.id in differences


def squared_by(node: ast.AST) -> Iterator[ast.AST]:
    """What a node squares, or takes the absolute value of."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        yield node.left
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        names = _names(node.left)
        yield from [node.left] if all(names) and names == _names(node.right) else []
    elif isinstance(node, ast.Call) and called_name(node) in _SQUARED:
        yield from node.args
        if isinstance(node.func, ast.Attribute):
            yield node.func.value


def _names(node: ast.expr) -> tuple[str, ...]:
    """A value, or both sides of a difference, by the names in front."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        return *_names_of(node.left), *_names_of(node.right)
    return _names_of(node)


def _names_of(node: ast.expr) -> tuple[str, ...]:
    method = node.func if isinstance(node, ast.Call) else None
    receiver = method.value if isinstance(method, ast.Attribute) else node
    return (last_name(receiver),)


@dataclass
class Layers:
    """Follows products and what is made of them through the names of a body.

    `lines` are the functions that are a product. A difference ends it: what is multiplied then is
    an error, in a gradient by hand.
    """

    lines: set[str]
    products: set[str] = field(default_factory=set)
    activated: dict[str, tuple[str, int]] = field(default_factory=dict)

    def hidden(self, nodes: Iterable[ast.AST]) -> tuple[str, int] | None:
        """The activation whose result is multiplied again, with its line."""
        statements = (n for n in nodes if isinstance(n, ast.Assign | ast.Return))
        for statement in sorted(statements, key=lambda n: n.lineno):
            if statement.value is None:
                continue
            if hidden := self._activation(statement.value, within_product=True):
                return hidden
            if isinstance(statement, ast.Assign):
                self._assign(statement)
                # Once more: a layer in a loop over layers takes what it made the last time.
                if hidden := self._activation(statement.value, within_product=True):
                    return hidden
        return None

    def _assign(self, statement: ast.Assign) -> None:
        names = {last_name(target) for target in statement.targets} - {""}
        if activation := self._activation(statement.value, within_product=False):
            self.activated |= dict.fromkeys(names, activation)
        elif any(map(self._is_multiplied, ast.walk(statement.value))):
            self.products |= names

    def _activation(self, value: ast.AST, *, within_product: bool) -> tuple[str, int] | None:
        """The activation of a product in a value; it may have to stand in a product itself."""
        ahead = [(value, not within_product)]
        while ahead:
            n, counts = ahead.pop()
            if counts and isinstance(n, ast.Name) and n.id in self.activated:
                return self.activated[n.id]
            name = (called_name(n) or "") if counts and isinstance(n, ast.Call) else ""
            if ACTIVATION.fullmatch(plain(name)) and any(map(self._is_multiplied, ast.walk(n))):
                return name, line_of_name(n)
            counts = (counts or self._is_layer(n)) and not subtracts(n, set())
            counts = counts and not _is_of_gradient(n)
            ahead += [(child, counts) for child in ast.iter_child_nodes(n)]
        return None

    def _is_multiplied(self, node: ast.AST) -> bool:
        named = isinstance(node, ast.Name) and node.id in self.products
        return named or self._is_layer(node)

    def _is_layer(self, node: ast.AST) -> bool:
        own = isinstance(node, ast.Call) and called_name(node) in self.lines
        return own or is_product(node)


def _is_of_gradient(node: ast.AST) -> bool:
    """Whether a product begins with a transpose, as those of a gradient by hand do."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return _is_transposed(node.left)
    if isinstance(node, ast.Call) and called_name(node) in PRODUCTS:
        method = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        return any(map(_is_transposed, (method, *node.args[:1])))
    return False


def _is_transposed(node: ast.AST) -> bool:
    name = called_name(node) if isinstance(node, ast.Call) else last_name(node)
    return name in {"T", "t", "mT", "transpose", "permute"}


def line_of_name(node: ast.AST) -> int:
    """The line of the name that is called: a chain of methods goes over several."""
    if isinstance(node, ast.Call):
        return node.func.end_lineno or node.lineno
    return getattr(node, "lineno", 0)
