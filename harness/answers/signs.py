"""Signs of the other chapters of the book: what a file calls, defines and trains."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from harness.answers.definitions import called_name
from harness.answers.expressions import (
    DECAY,
    last_name,
    line_of_name,
    plain,
    reads_grad,
    subtracts,
)
from harness.answers.reading import Named, Reading
from harness.engine.components.contract import BY_ROLE


@dataclass(frozen=True)
class Hit:
    """A sign that holds: the line, what is done there, and the name that stands there.

    `written` says that the file defines it: that tells more than a call.
    """

    line: int
    verb: str
    name: str
    written: bool = False


Sign = Callable[[Reading], Hit | None]


_CALLS, _HAS = "calls", "has"
# What learners put around the name of a thing that they write.
_BEFORE = r"(?:my|own|custom|manual|simple|vanilla|char|bi|deep|init|get|begin|d2l)?"
_AFTER = (
    r"(?:scratch|fromscratch|byhand|manual|impl|layer|fn|func|function|cell|model|lm|net|module"
    r"|block|state|states|params|step|forward|regression|classifier|optimizer|update|loss|\d|d)*"
)


def _pattern(names: str) -> re.Pattern[str]:
    """For names that are separated by blanks, each with what may stand around it."""
    return re.compile(f"{_BEFORE}(?:{'|'.join(names.split())}){_AFTER}")


def _first(names: Iterable[Named], pattern: re.Pattern[str]) -> Named | None:
    return next((named for named in names if pattern.fullmatch(named.plain)), None)


def calls(names: str) -> Sign:
    """Whether one of these is called."""
    pattern = _pattern(names)

    def sign(reading: Reading) -> Hit | None:
        called = _first(reading.calls, pattern)
        return Hit(called.line, _CALLS, called.name) if called else None

    return sign


def defines(names: str) -> Sign:
    """Whether one of these is written in the file."""
    pattern = _pattern(names)

    def sign(reading: Reading) -> Hit | None:
        defined = _first(reading.defined, pattern)
        return Hit(defined.line, "defines", defined.name, written=True) if defined else None

    return sign


def uses(names: str) -> Sign:
    """Whether one of these is written in the file, or else called."""
    return either(defines(names), calls(names))


def either(*signs: Sign) -> Sign:
    """The first of several signs for the same thing that holds."""
    return lambda reading: next(filter(None, (sign(reading) for sign in signs)), None)


def assigns(names: str) -> Sign:
    """Whether something is kept under one of these names."""
    pattern = re.compile("|".join(names.split()))

    def sign(reading: Reading) -> Hit | None:
        assigned = _first(reading.assigned, pattern)
        return Hit(assigned.line, _HAS, assigned.name) if assigned else None

    return sign


def together(*signs: Sign) -> Sign:
    """Whether several signs hold; the first is told."""
    return lambda reading: signs[0](reading) if all(sign(reading) for sign in signs) else None


def takes(*arguments: str) -> Sign:
    """Whether a function of the file has all these arguments."""

    def sign(reading: Reading) -> Hit | None:
        for f in reading.functions:
            if set(arguments) <= f.defaults.keys():
                verb = f"gives {' and '.join(arguments)} to"
                return Hit(getattr(f.node, "lineno", 0), verb, f.name, written=True)
        return None

    return sign


def pixels(reading: Reading) -> Hit | None:
    """Images of 28 by 28 as rows."""
    for n in reading.nodes:
        if isinstance(n, ast.Constant) and n.value == 784 and type(n.value) is int:
            return Hit(n.lineno, _HAS, "784 inputs")
        if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult):
            sides = [s.value for s in (n.left, n.right) if isinstance(s, ast.Constant)]
            if sides == [28, 28]:
                return Hit(n.lineno, _HAS, "28 * 28 inputs")
    return None


def normalises(reading: Reading) -> Hit | None:
    """Exponentials over their sum: softmax under whatever name."""
    for body in reading.functions:
        divides = any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div) for n in body.nodes)
        called = {called_name(n): n for n in body.nodes if isinstance(n, ast.Call)}
        if divides and "exp" in called and {"sum", "reduce_sum"} & called.keys():
            return Hit(line_of_name(called["exp"]), _CALLS, "exp and sum")
    return None


def picks(reading: Reading) -> Hit | None:
    """The logarithm of the label's probability: cross-entropy under whatever name."""
    for n in reading.nodes:
        if isinstance(n, ast.Call) and called_name(n) == "log":
            indexed = (p.slice for p in ast.walk(n) if isinstance(p, ast.Subscript))
            if any(isinstance(i, ast.Tuple) and all(map(_is_computed, i.elts)) for i in indexed):
                return Hit(line_of_name(n), _CALLS, "log")
    return None


def _is_computed(index: ast.expr) -> bool:
    return isinstance(index, ast.Name | ast.Attribute | ast.Call)


def hidden(reading: Reading) -> Hit | None:
    """An activation between two products."""
    layer = reading.hidden_layer
    return Hit(layer[1], "has a hidden layer of", layer[0]) if layer else None


def stacked(reading: Reading) -> Hit | None:
    """A second layer of the built-in kind."""
    layers = [n for n in reading.nodes if isinstance(n, ast.Call) and called_name(n) in _DENSE]
    if len(layers) < 2:
        return None
    second = sorted(line_of_name(n) for n in layers)[1]
    return Hit(second, "stacks layers by", called_name(layers[1]) or "")


_DENSE = {"Linear", "LazyLinear", "Dense"}


def decays(reading: Reading) -> Hit | None:
    """A penalty that is written into what is trained."""
    if not reading.penalised:
        return None
    if penalty := calls(r"l[12]penalty \w*penalty")(reading):
        return penalty
    factors = (n for n in reading.nodes if DECAY.fullmatch(plain(last_name(n))))
    lines = ((n.lineno, last_name(n)) for n in factors if isinstance(n, ast.expr))
    line, name = min(lines, default=(0, ""))
    return Hit(line, "weighs a penalty by", name) if line else None


_LIKELIHOOD = re.compile(r"log|log2|logsigmoid|logprob|bceloss|bcewithlogitsloss|binarycross\w*")


def likelihood(reading: Reading) -> Hit | None:
    """A logarithm that is descended, and nothing squared: whatever is fitted, it is no line."""
    if reading.squares:
        return None
    for body in reading.trainings:
        callees = [f for f in reading.functions if plain(f.name) in body.calls]
        for n in (n for part in (body, *callees) for n in part.nodes):
            if isinstance(n, ast.Call) and _is_likelihood(n):
                return Hit(line_of_name(n), "squares nothing and minimises", called_name(n) or "")
    return None


def odds(reading: Reading) -> Hit | None:
    """A sigmoid and its logarithm, and nothing squared: two classes, with a gradient by hand."""
    logarithm = (isinstance(n, ast.Call) and _is_likelihood(n) for n in reading.nodes)
    sigmoid = uses("sigmoid logistic expit")(reading)
    if sigmoid is None or reading.squares or not any(logarithm):
        return None
    return replace(sigmoid, verb=f"takes logarithms and {sigmoid.verb}")


def _is_likelihood(call: ast.Call) -> bool:
    """Whether it is a logarithm: not what a program logs, nor the log-cosh of an error."""
    if not _LIKELIHOOD.fullmatch(plain(called_name(call) or "")):
        return False
    message = any(isinstance(a, ast.Dict | ast.JoinedStr) or _is_text(a) for a in call.args)
    error = any(subtracts(n, set()) for n in ast.walk(call))
    return not message and not error and bool(call.args or isinstance(call.func, ast.Attribute))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def alone(sign: Sign) -> Sign:
    """A sign that counts only where nothing of a regression is written or called, nor updated."""

    def nothing_else(reading: Reading) -> Hit | None:
        parts = {plain(name) for role in BY_ROLE.values() for name in role.names}
        names = {named.plain for named in (*reading.defined, *reading.calls)}
        updates = (isinstance(n, ast.AugAssign) and reads_grad(n.value) for n in reading.nodes)
        return None if parts & names or reading.squares or any(updates) else sign(reading)

    return nothing_else


def asks_for_gradients(reading: Reading) -> Hit | None:
    """Whether something is made that gradients are taken by."""
    by_keyword = (
        Hit(n.lineno, _HAS, "requires_grad")
        for n in reading.nodes
        if isinstance(n, ast.keyword) and n.arg == "requires_grad"
    )
    return calls(r"requiresgrad attachgrad gradienttape")(reading) or next(by_keyword, None)
