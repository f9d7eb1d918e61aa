"""The course of a file: its statements in the order in which they run, with what each could see.

What stands under `if __name__ == "__main__"` runs after the rest. A call of a function without
arguments that holds a training loop of its own, such as `main()`, stands for the function's body,
so that its loop is one of the top level like any other. Nothing is executed here.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.answers.definitions import Traits, is_main_guard

STARTS = ("main", "_main", "cli", "demo", "run")  # names of functions that run a file


@dataclass(frozen=True)
class Step:
    """One statement; `guarded` where it stands under the main guard, or in what is called there."""

    node: ast.stmt
    guarded: bool = False


@dataclass(frozen=True)
class Course:
    """The statements of a file as they run; `inlined` are functions whose bodies stand for them."""

    steps: tuple[Step, ...]
    inlined: frozenset[str]

    @property
    def statements(self) -> list[ast.stmt]:
        """All of them, in order."""
        return [step.node for step in self.steps]

    @classmethod
    def of(cls, statements: Sequence[ast.stmt]) -> Course:
        """The course of the top level of a file."""
        functions = {s.name: s for s in statements if isinstance(s, ast.FunctionDef)}
        own = {
            name: node
            for name, node in functions.items()
            if _stands_alone(node, name in STARTS, _assigned(statements))
        }
        plain = [Step(s) for s in statements if not is_main_guard(s)]
        guards = [s for s in statements if is_main_guard(s)]
        plain += [Step(s, guarded=True) for g in guards for s in getattr(g, "body", [])]
        steps: list[Step] = []
        inlined: set[str] = set()
        for step in plain:
            name = _called_alone(step.node)
            if name in own:
                inlined.add(name)
                steps += [Step(s, step.guarded) for s in _body(own[name])]
            else:
                steps.append(step)
        return cls(tuple(steps), frozenset(inlined))


def _called_alone(node: ast.stmt) -> str:
    """The function that a statement calls without arguments, and nothing else; "" for others."""
    match node:
        case ast.Expr(ast.Call(ast.Name(name), [], [])):
            return name
        case ast.Assign(value=ast.Call(ast.Name(name), [], [])):
            return name
    return ""


def _stands_alone(node: ast.FunctionDef, starts: bool, globals_: set[str]) -> bool:
    """Whether a function can be called with nothing, and trains what it has made itself."""
    arguments = node.args
    needed = len(arguments.args) + len(arguments.posonlyargs) - len(arguments.defaults)
    if needed or any(default is None for default in arguments.kw_defaults):
        return False
    loops = [s for s in node.body if isinstance(s, ast.For | ast.While | ast.With)]
    trains = any(Traits.of(loop).differentiates for loop in loops)
    inner = [n for s in node.body for n in ast.walk(s)]
    leaves = sum(isinstance(n, ast.Return) for n in inner)
    at_end = isinstance(node.body[-1], ast.Return)
    odd = node.decorator_list or any(isinstance(n, ast.Yield | ast.YieldFrom) for n in inner)
    if not trains or odd or leaves > at_end:
        return False
    read = {n.id for loop in loops for n in ast.walk(loop) if isinstance(n, ast.Name)}
    return starts or not read & globals_


def _assigned(statements: Sequence[ast.stmt]) -> set[str]:
    """What the top level gives values to, functions and classes left out."""
    return {
        n.id
        for s in statements
        if not isinstance(s, ast.FunctionDef | ast.ClassDef)
        for n in ast.walk(s)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def _body(node: ast.FunctionDef) -> Iterator[ast.stmt]:
    """The body as statements of the top level, its arguments given their defaults first."""
    arguments = [*node.args.posonlyargs, *node.args.args]
    given = zip(arguments[::-1], node.args.defaults[::-1], strict=False)
    for argument, default in (
        *given,
        *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True),
    ):
        if default is not None:
            target = ast.Name(argument.arg, ast.Store())
            yield ast.fix_missing_locations(
                ast.copy_location(ast.Assign([target], copy.deepcopy(default)), node)
            )
    for statement in node.body:
        match statement:
            case ast.Global() | ast.Nonlocal() | ast.Return(None):
                continue
            case ast.Return(value) if value is not None:
                yield ast.copy_location(ast.Expr(value), statement)
            case _:
                yield statement
