"""What a file calls, defines and trains, and whether that is linear regression: by its syntax.

Nothing is executed. What cannot be told from the syntax alone (a loss under a name that is
imported, a model that is built by its settings) is not linear regression here, and nothing else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from harness.answers.definitions import NAMED, Traits, called_name
from harness.answers.expressions import (
    ACTIVATION,
    DECAY,
    Layers,
    factors,
    is_falsy,
    is_product,
    last_name,
    line_of_name,
    plain,
    reads_grad,
    squared_by,
    subtracts,
    weighs,
)
from harness.answers.source import Source
from harness.engine.components import DATA_ITERATOR, LOSS

# Names are compared in lower case and without underscores.
_LINEAR = re.compile(r"lin(?:ear)?(?:reg|model).*")
_SQUARES = re.compile(
    r"(?:half)?squaredloss|(?:my)?mse(?:loss)?|(?:smooth)?l[12]loss|meansquarederror"
    r"|(?:my)?mae(?:loss)?|huber(?:loss)?|meanabsoluteerror|logcosh"
)
_PENALTY = re.compile(r".*penalty.*|.*regulari[sz].*|l[12](?:norm|reg|term)")
_BUILT_IN = "weight_decay"  # an argument of torch's optimizers
# What a line has not, activations among them. exp is none: schedules and plots have it too.
_BENT = re.compile(
    ACTIVATION.pattern + r"|.*softmax.*|dropout.*|.*conv\dd.*|conv(?:layer)?|corr2d.*"
)


@dataclass(frozen=True)
class TakenFor:
    """What a file is taken for; the `evidence` begins on `line`, `where` says it in words."""

    name: str
    title: str
    line: int
    evidence: str
    where: str


class Named(NamedTuple):
    """A name, the line where it first stands so, and how it is compared."""

    name: str
    line: int
    plain: str


@dataclass(frozen=True)
class Body:
    """A function, or a compound statement of the top level, with all that stands in it."""

    name: str
    node: ast.AST
    traits: Traits

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Everything in it."""
        return tuple(ast.walk(self.node))

    @cached_property
    def calls(self) -> set[str]:
        """The names that it calls."""
        return {plain(called_name(n) or "") for n in self.nodes if isinstance(n, ast.Call)}

    @cached_property
    def defaults(self) -> dict[str, ast.expr | None]:
        """Its arguments, with their defaults."""
        if not isinstance(self.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return {}
        given = self.node.args
        placed = [*given.posonlyargs, *given.args]
        defaults = [*[None] * (len(placed) - len(given.defaults)), *given.defaults]
        by_name = {a.arg: d for a, d in zip(placed, defaults, strict=True)}
        return by_name | {
            a.arg: d for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)
        }

    @property
    def differentiates(self) -> bool:
        """Whether a gradient is taken in it, in whatever framework."""
        return self.traits.differentiates or bool(self.calls & {"gradient", "valueandgrad"})

    @property
    def descends(self) -> bool:
        """Whether something is lowered in it, be it by a gradient that is worked out by hand."""
        lowered = (isinstance(n, ast.AugAssign) and isinstance(n.op, ast.Sub) for n in self.nodes)
        return self.differentiates or any(lowered)

    @property
    def multiplies(self) -> bool:
        """Whether it has a product of features and weights."""
        return any(map(is_product, self.nodes))

    @property
    def bends(self) -> bool:
        """Whether it calls what makes more of a product than a line."""
        return any(map(_BENT.fullmatch, self.calls))

    @property
    def decays_built_in(self) -> bool:
        """Whether a built-in optimizer is told to decay the weights: the concise form."""
        keys = (key for n in self.nodes if isinstance(n, ast.Dict) for key in n.keys)
        named = any(isinstance(k, ast.Constant) and k.value == _BUILT_IN for k in keys)
        return named or any(isinstance(n, ast.keyword) and n.arg == _BUILT_IN for n in self.nodes)

    def squares(self) -> bool:
        """Whether it takes the square, or the absolute value, of a difference.

        Not where a gradient is held against another.
        """
        differences = {
            target.id
            for n in self.nodes
            if isinstance(n, ast.Assign) and subtracts(n.value, set())
            for target in n.targets
            if isinstance(target, ast.Name)
        }
        squared = (base for n in self.nodes for base in squared_by(n))
        return any(subtracts(base, differences) and not reads_grad(base) for base in squared)

    def penalises(self, zeros: set[str]) -> bool:
        """Whether it adds a penalty in any case; what is multiplied by one of `zeros` is none."""
        zeros = zeros - {name for name, default in self.defaults.items() if default is None}
        ahead = [*ast.iter_child_nodes(self.node)]
        while ahead:
            n = ahead.pop()
            names = factors(n)
            if names & zeros or isinstance(n, ast.If | ast.IfExp):
                continue
            if any(map(DECAY.fullmatch, map(plain, names))) and any(map(weighs, ast.walk(n))):
                return True
            if isinstance(n, ast.Call) and _PENALTY.fullmatch(plain(called_name(n) or "")):
                return True
            ahead += ast.iter_child_nodes(n)
        return False


class Reading:
    """What stands in a file."""

    def __init__(self, source: Source) -> None:
        self.statements = tuple(source.statements())
        self.nodes, self._named = _walked(self.statements)

    @cached_property
    def calls(self) -> list[Named]:
        """The last part of every name that is called, with the line where it first stands."""
        calls = (n for n in self.nodes if isinstance(n, ast.Call))
        return _by_line((called_name(n) or "", line_of_name(n)) for n in calls)

    @cached_property
    def defined(self) -> list[Named]:
        """The functions, classes and named lambdas, wherever they stand."""
        classes = ((n.name, n.lineno) for n in self.nodes if isinstance(n, ast.ClassDef))
        functions = ((f.name, getattr(f.node, "lineno", 0)) for f in self.functions)
        return _by_line([*classes, *functions])

    @cached_property
    def assigned(self) -> list[Named]:
        """The names and attributes that are given a value."""
        stored = (n for n in self.nodes if isinstance(n, ast.Name | ast.Attribute))
        return _by_line((last_name(n), n.lineno) for n in stored if isinstance(n.ctx, ast.Store))

    @cached_property
    def functions(self) -> tuple[Body, ...]:
        """The functions, methods and named lambdas; those within others as well."""
        named: list[tuple[str, ast.AST]] = [(n.name, n) for n in self._named]
        named += [
            (target.id, n.value)
            for n in self.nodes
            if isinstance(n, ast.Assign) and isinstance(n.value, ast.Lambda)
            for target in n.targets
            if isinstance(target, ast.Name)
        ]
        return tuple(Body(name, node, Traits.of(node)) for name, node in named)

    @cached_property
    def bodies(self) -> tuple[Body, ...]:
        """The functions, and the compound statements of the top level."""
        compound = ast.For | ast.While | ast.With | ast.If
        blocks = (s for s in self.statements if isinstance(s, compound))
        return (*self.functions, *(Body("", block, Traits.of(block)) for block in blocks))

    @cached_property
    def trainings(self) -> tuple[Body, ...]:
        """Where gradients are taken."""
        return tuple(body for body in self.bodies if body.differentiates)

    @cached_property
    def squares(self) -> bool:
        """Whether a difference is squared anywhere, or a squared loss named."""
        if any(_SQUARES.fullmatch(plain(last_name(n))) for n in self.nodes):
            return True
        whole = ast.Module(body=list(self.statements), type_ignores=[])
        return Body("", whole, Traits.of(whole)).squares()

    @cached_property
    def lines(self) -> set[str]:
        """The functions that are a product and no more: models, or the layers of one."""
        return {
            f.name
            for f in self.functions
            if f.multiplies and not (f.bends or f.differentiates or f.traits.draws)
            if not (f.traits.reads_grad or _BENT.fullmatch(plain(f.name)))
        }

    @cached_property
    def linear(self) -> bool:
        """Whether linear regression stands here: by name, by model and loss, or as parts alone."""
        names = {definition.plain for definition in self.defined}
        if any(map(_LINEAR.fullmatch, names)):
            return True
        layers = {plain(name) for name in self.lines} & {
            name for body in self.bodies if body.bends for name in body.calls
        }
        models = {plain(name) for name in self.lines} - layers
        fitted = any(b.descends and b.multiplies and not b.bends for b in self.bodies)
        if self.squares and (models or fitted):
            return True
        parts = {plain(role.name) for part in (LOSS, DATA_ITERATOR) for role in part.roles}
        return bool(parts & names) and not self.trainings and self.hidden_layer is None

    @cached_property
    def penalised(self) -> bool:
        """Whether a penalty is part of all that is trained, or of every loss if nothing is."""
        zeros = self._zeros
        added = {f.name for f in self.functions if f.penalises(zeros)}
        calls = {plain(name) for name in added if not _PENALTY.fullmatch(plain(name))}
        by_hand = tuple(body for body in self.trainings if not body.decays_built_in)
        trained = by_hand or tuple(f for f in self.functions if f.squares())
        return bool(trained) and all(b.penalises(zeros) or b.calls & calls for b in trained)

    @property
    def _zeros(self) -> set[str]:
        """The names that are set to zero, or are arguments for which nothing need be given."""
        assigned = (s for s in self.statements if isinstance(s, ast.Assign) and is_falsy(s.value))
        return {last_name(target) for s in assigned for target in s.targets} | {
            name for f in self.functions for name, value in f.defaults.items() if is_falsy(value)
        }

    @cached_property
    def hidden_layer(self) -> tuple[str, int] | None:
        """The activation between two products, with its line."""
        top = ast.Module([s for s in self.statements if not isinstance(s, NAMED)], [])
        bodies = (*self.functions, Body("", top, Traits.of(top)))
        return next(filter(None, (Layers(self.lines).hidden(b.nodes) for b in bodies)), None)


def _by_line(names: Iterable[tuple[str, int]]) -> list[Named]:
    """Each name once, with its first line, in the order of the lines."""
    first: dict[str, int] = {}
    for name, line in names:
        first[name] = min(line, first.get(name, line))
    return sorted((Named(*item, plain(item[0])) for item in first.items()), key=lambda n: n.line)


_DEEPEST = 4  # functions within functions; each is gone through by itself, so time is limited


def _walked(
    statements: Iterable[ast.stmt],
) -> tuple[tuple[ast.AST, ...], tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]]:
    """Everything in some statements as it is written, and the functions among it."""
    nodes: list[ast.AST] = []
    named: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
    ahead: list[tuple[ast.AST, int]] = []
    ahead += [(statement, 0) for statement in statements][::-1]
    while ahead:
        n, depth = ahead.pop()
        nodes.append(n)
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef):
            named += [n] if depth < _DEEPEST else []
            depth += 1
        ahead += [(child, depth) for child in ast.iter_child_nodes(n)][::-1]
    return tuple(nodes), tuple(named)


@lru_cache(maxsize=4)
def reading_of(source: Source) -> Reading:
    """A source read, once for all that look at it."""
    return Reading(source)
