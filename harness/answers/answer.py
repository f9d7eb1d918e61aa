"""Loads a learner's answer: runs its file, finds its components, and makes recipes of them.

This runs code that nobody vouches for: call it in a process that is thrown away. The file is run
statement by statement, so that one that fails does not hide what is defined after it, and not as
`__main__`. Which definition is which component is told by `roles`, how a component is called by
`piece`, in what manner the file writes its tensors by `fitting`, and what it uses that it should
have written by `watch`. What a component does is not judged here.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from unittest.mock import patch

from harness.answers import (
    as_mxnet,
    builtins_used,
    detect,
    fit_class,
    object_form,
    own_run,
    top_level,
)
from harness.answers import component as pieces
from harness.answers.budget import Budget
from harness.answers.builtins_used import Evidence
from harness.answers.calls import as_called
from harness.answers.classes import TRAINER, added_methods, methods_of, models
from harness.answers.component import Piece
from harness.answers.course import Course, Step
from harness.answers.definitions import Found, Uses, definitions, is_stub
from harness.answers.detect import Seen
from harness.answers.fit_class import FitData, takes_data
from harness.answers.own_modules import is_own
from harness.answers.own_run import Losses, Sign
from harness.answers.roles import Assigned, assign
from harness.answers.running import Failure, Run, bound_by, future_flags, prepared
from harness.answers.source import Source
from harness.answers.stubs import d2l
from harness.answers.style import Manner
from harness.answers.top_level import Loop, State
from harness.engine.components import LOOP, LOSS, MODEL, OPTIMIZER
from harness.engine.components.contract import BY_ROLE, ROLES
from harness.engine.components.role import CLASSES, OPTIMIZER_CLASS, ClassRole
from harness.engine.recipe import Convention, Recipe

Unasked = Literal["no-bias", "nothing-told", "numpy-steps", "numpy-batches"]
# what a loop at the top level is given, of which it has to have some
_HANDED = {"features", "labels", "w", "params", "theta", "loader", "X"}


@dataclass
class Answer:
    """What an answer defines, and what happened when its file ran.

    `pieces` by component; those that are stubs have `stub`. `failures` in the order in which they
    happened, without those that only follow from another. `notes` tell what was not clear.
    `reached` are names that meant something else when a component was used; `signs` are what the
    file's own run shows.
    """

    source: Source
    pieces: dict[str, Piece]
    failures: list[Failure]
    stand_ins: list[str]
    notes: list[str]
    namespace: dict[str, Any]
    manner: Manner
    loop: Loop | None = None
    used: frozenset[str] = frozenset()
    methods: dict[str, dict[str, int]] = field(default_factory=dict)
    reached: dict[str, dict[str, Any]] = field(default_factory=dict)
    signs: list[Sign] = field(default_factory=list)

    def as_used(self, component: str) -> AbstractContextManager[object]:
        """The names of the file as they were when a component was used."""
        return patch.dict(self.namespace, self.reached.get(component.partition(".")[0], {}))

    def recipe(self, component: str, base: Recipe) -> Recipe:
        """The base with the one piece of this component replaced by the answer's own.

        Raises KeyError where the answer has no such component, or only a stub of it.
        """
        _, _, part = component.partition(".")
        piece = self.present(component)
        name = f"{piece.name} of {self.source.name}"
        return detect.recipe(self, piece, part, base, name)

    def whole(self, base: Recipe) -> Recipe:
        """The base with every piece replaced that the answer has."""
        for component, piece in self.pieces.items():
            if not piece.stub:
                base = self.recipe(component, base)
        return base

    def present(self, component: str) -> Piece:
        """The piece of a component that is more than a stub."""
        name, _, part = component.partition(".")
        piece = self.pieces[name]
        if piece.stub or (part and part not in self.parts(name)):
            raise KeyError(component)
        return piece

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers that the file's own loop has for itself, by kind; n and d among them."""
        if self.loop or LOOP.name not in self.pieces:
            return self.loop.settings if self.loop else {}
        piece = self.pieces[LOOP.name]
        own = isinstance(piece.function, FitData)
        return piece.function.settings() if own else pieces.closed_over(piece)

    def has(self, component: str) -> bool:
        """Whether there is more than a stub of it."""
        return component in self.pieces and not self.pieces[component].stub

    @property
    def file_name(self) -> str:
        """The name that the code of the file has."""
        return self.source.name

    def unasked(self, component: str) -> Unasked | None:
        """Why a component cannot be asked, None where it can."""
        piece = self.pieces[component.partition(".")[0]]
        role = piece.role
        if role in (*LOOP.roles, *MODEL.roles) and detect.lacks_bias(piece):
            return "no-bias"
        if isinstance(piece.function, FitData):
            return piece.function.unasked()
        if self.loop and piece is self.loop.piece and not _HANDED & {*piece.names.values()}:
            return "nothing-told"
        return None

    def evidence(self, component: str) -> list[Evidence]:
        """The built-ins that a component uses although it should replace them."""
        with self.as_used(component):
            return builtins_used.evidence(self, component, self.settings)

    def parts(self, component: str) -> list[str]:
        """The parts of a class that can be judged each for itself: of the model class, those of
        "__init__", "forward" and "loss" that it has; `recipe` takes "LinearRegressionScratch.loss".
        """
        role = BY_ROLE[component]
        if not isinstance(role, ClassRole) or not self.has(component):
            return []
        return [part for part in role.methods if self.line(f"{component}.{part}")]

    def line(self, component: str) -> int | None:
        """Where a component, or a part of a class, is written; None where the file has none."""
        name, _, part = component.partition(".")
        if not part:
            return self.pieces[name].line
        return self.methods.get(name, {}).get(part)

    def convention(self, component: str = LOSS.name) -> Convention | None:
        """How the file scales its loss; None where it has no such component."""
        name = component.partition(".")[0]
        return detect.convention(self, component) if self.has(name) else None


def load(
    source: Source,
    roles: dict[str, str] | None = None,
    seed: int = 0,
    budget: Budget | None = None,
) -> Answer:
    """Run an answer's file and find its components.

    `roles` settles which name of the file is which component: {"linreg": "predict"}. All global
    generators are seeded before the file runs. A statement that uses up its share of the `budget`
    is ended.
    """
    budget = budget or Budget()
    reading = _Reading.of(source, roles)
    seen = Seen({a.found.name: a.role.name for a in reading.assigned.values()})
    with prepared(source, seed) as (namespace, finder):
        run = Run(source, namespace, flags=future_flags(reading.statements), budget=budget)
        losses = Losses(source.name)
        for step in reading.steps:
            with losses.watched(), as_mxnet.as_it_runs(finder.used, namespace):
                run.statement(step)
            seen.watch(namespace)
        states = [state.reached for state in run.states.values()]
        seen.release(namespace, run.made, *states, *seen.reached.values())
        notes = [*source.notes, *reading.notes]
        answer = Answer(source, {}, run.failures, [*finder.used], notes, namespace, Manner())
        _fill_in(answer, reading, seen, run)
        answer.notes += _built_in_form(answer, reading)
        answer.signs = [*losses.signs(), *_signs_of_loop(answer)]
    return answer


def _built_in_form(answer: Answer, reading: _Reading) -> list[str]:
    """Where a concise chapter begins, below what is written from scratch."""
    last = max((piece.line for piece in answer.pieces.values()), default=None)
    below = [s for s in reading.statements if last is not None and s.lineno > last]
    line = next((s.lineno for s in below if builtins_used.takes_built_ins(s)), None)
    if line is None:
        return []
    where = answer.source.where(line)
    return [f"the built-in form, from {where}: not judged as from scratch"]


def _signs_of_loop(answer: Answer) -> Iterator[Sign]:
    if answer.loop:
        names = {**answer.namespace, **answer.reached.get(LOOP.name, {})}
        piece, settings = answer.loop.piece, answer.loop.settings
        yield from own_run.of_loop(piece, names, settings, answer.manner.habits)


def gathered(
    source: Source, namespace: dict[str, Any], roles: dict[str, str] | None = None
) -> Answer:
    """The answer that definitions make which have run already, such as those of a notebook.

    `source` is their text and `namespace` holds what they defined. The components are tried on a
    few rows, as those of a file are.
    """
    reading = _Reading.of(source, roles)
    answer = Answer(source, {}, [], [], [*source.notes, *reading.notes], namespace, Manner())
    _fill_in(answer, reading, Seen({}), Run(source, namespace))
    return answer


def parts_of(source: Source) -> dict[str, int]:
    """The components that a file has by its text alone, with their lines; stubs are none."""
    reading = _Reading.of(source, None)
    classes = models(reading.found, added_methods(reading.statements))
    parts = {name: definition for name, definition in classes.items() if name in BY_ROLE}
    parts |= {name: given.found for name, given in reading.assigned.items()}
    return {name: parts[name].line for name in BY_ROLE if name in parts and not parts[name].stub}


@dataclass(frozen=True)
class _Reading:
    """What the syntax of a file tells: its definitions and which of them is which component."""

    steps: tuple[Step, ...]
    statements: list[ast.stmt]
    found: list[Found]
    uses: Uses
    mapped: dict[str, str]
    assigned: dict[str, Assigned]
    notes: list[str]

    @classmethod
    def of(cls, source: Source, roles: dict[str, str] | None) -> _Reading:
        """Read it off a source; `roles` settles which name is which component."""
        mapped, course = dict(roles or {}), Course.of(list(source.statements()))
        statements = course.statements
        found = [f for f in definitions(statements) if f.name not in course.inlined]
        uses = Uses.of(statements)
        return cls(course.steps, statements, found, uses, mapped, *assign(found, uses, mapped))


def _fill_in(answer: Answer, reading: _Reading, seen: Seen, run: Run) -> None:
    """Find the pieces of an answer that has run, and its manner."""
    _find_classes(answer, reading.found, reading.statements)
    _find(answer, reading, run.made)
    answer.pieces |= {
        role: as_called(piece, reading.uses, seen.calls.get(role))
        for role, piece in answer.pieces.items()
        if not isinstance(piece.role, ClassRole)
    }
    _find_trainer(answer, reading.found, reading.statements)
    _find_loop(answer, reading.statements, reading.uses, run.states)
    answer.reached = _reached(answer, seen)
    detect.settle_loss(answer)
    answer.pieces = as_mxnet.in_its_arrays(answer.pieces, answer.stand_ins, answer.namespace)
    if answer.loop:
        answer.loop = replace(answer.loop, piece=answer.pieces[LOOP.name])
    answer.manner = detect.manner_of(answer, seen)


def _reached(answer: Answer, seen: Seen) -> dict[str, dict[str, Any]]:
    """By component, the names that meant something else when it was used than they do at the end.

    The loop at the top level is used where it stands, a function where it is first called.
    """
    used = dict(seen.reached)
    state = getattr(answer.pieces[LOOP.name].function, "state", None) if answer.loop else None
    if isinstance(state, State):
        used[LOOP.name] = state.reached
    return {
        component: {
            name: value
            for name, value in names.items()
            if name not in answer.namespace or answer.namespace[name] is not value
        }
        for component, names in used.items()
    }


def _find_classes(answer: Answer, found: Sequence[Found], statements: Sequence[ast.stmt]) -> None:
    """The object form: the model class and the optimizer class, with the lines of their methods."""
    added = added_methods(statements)
    chosen = models(found, added)
    for role in CLASSES:
        definition = chosen.get(role.name)
        value = answer.namespace.get(definition.name) if definition else None
        if definition is None or not isinstance(value, type):
            continue
        methods = methods_of(definition, added, found)
        answer.methods[role.name] = {
            name: node.lineno for name, node in methods.items() if not is_stub(node)
        }
        answer.pieces[role.name] = pieces.made(
            role,
            definition.name,
            value,
            definition.line,
            stub=all(map(is_stub, methods.values())),
            constants={},
            reads=set(),
        )


def _find_trainer(answer: Answer, found: Sequence[Found], statements: Sequence[ast.stmt]) -> None:
    """A Trainer class with a loop of the learner's own, where no function trains."""
    added = added_methods(statements)
    chosen = models(found, added)
    own, line = None, 0
    trainer = chosen.get(TRAINER.name)
    if trainer and not _is_unwritten(trainer):
        own, line = answer.namespace.get(trainer.name), trainer.line
    for name, methods in added.items():
        if name.endswith("Trainer") and {"fit_epoch", "fit"} & methods.keys():
            own = own or getattr(answer.namespace.get(name.partition(".")[0]), "Trainer", None)
            line = min(node.lineno for node in methods.values())
    if LOOP.name in answer.pieces or not isinstance(own, type):
        return
    method = trainer.methods.get("fit") if trainer else None
    if trainer and method and takes_data(method) and isinstance(trainer.node, ast.ClassDef):
        answer.pieces[LOOP.name] = fit_class.piece_of(own, trainer.node, LOOP.role, line)
        return
    made = pieces.made(TRAINER, own.__name__, own, line, stub=False, constants={}, reads=set())
    fit = object_form.Fit(made)
    answer.pieces[LOOP.name] = Piece(
        LOOP.role, own.__name__, fit, line, arguments=object_form.FIT_ARGUMENTS
    )


def _is_unwritten(trainer: Found) -> bool:
    """Whether what trains is not there yet."""
    trains = [node for name, node in trainer.methods.items() if name.startswith("fit")]
    return bool(trains) and all(map(is_stub, trains))


def _find_loop(
    answer: Answer,
    statements: Sequence[ast.stmt],
    uses: Uses,
    states: dict[int, State],
) -> None:
    """The loop at the top level, where no function trains; what is done with results of calls."""
    named = {name for name in uses.assigned if name in answer.namespace}
    answer.used = frozenset(
        component
        for component, piece in answer.pieces.items()
        if any(answer.namespace[name] is piece.function for name in named)
    )
    _find_grad_mode(answer, uses)
    if LOOP.name in answer.pieces:
        return
    answer.loop = top_level.find(
        statements, answer.pieces, answer.namespace, answer.source.name, states
    )
    if answer.loop:
        answer.pieces[LOOP.name] = answer.loop.piece


def _find_grad_mode(answer: Answer, uses: Uses) -> None:
    """Updates that the file, or the book's Trainer, calls under `torch.no_grad()`."""
    for component in (OPTIMIZER.name, OPTIMIZER_CLASS.name):
        piece = answer.pieces.get(component)
        if piece is None:
            continue
        value = piece.function
        called = {n for n in uses.under_no_grad if answer.namespace.get(n) is value}
        stepped = isinstance(value, type) and "step" in uses.under_no_grad
        of_book = isinstance(value, type) and issubclass(value, d2l.HyperParameters)
        if called or stepped or of_book:
            answer.pieces[component] = replace(piece, no_grad=True)


def _find(answer: Answer, reading: _Reading, made: dict[tuple[str, int], Any]) -> None:
    """Fill in the pieces of an answer that has run.

    A function is the object that its `def` made, whatever its name was given to further down.
    """
    namespace, found, mapped = answer.namespace, reading.found, reading.mapped
    for component, given in reading.assigned.items():
        value = made.get((given.found.name, given.found.line), namespace.get(given.found.name))
        if callable(value):
            answer.pieces[component] = _piece(answer, component, given.found, value, reading.uses)
    last = {f.name: f for f in found}
    spoken = _spoken(reading.statements)  # `import *` brings names that nobody uses
    for role in ROLES:
        component = role.name
        for name in [mapped[component]] if component in mapped else role.names:
            value = namespace.get(name)
            # the contract's own name counts, whatever else looks like it
            settled = component in answer.pieces and (name in last or name != role.names[0])
            named = name not in last and (name in spoken or is_own(value))
            if not settled and named and _offers(value, answer):
                line = _line_of(answer.source, name)
                answer.pieces[component] = pieces.made(
                    role, name, value, line, stub=False, constants={}, reads=set()
                )


def _offers(value: Any, answer: Answer) -> bool:
    """Whether a value that was made at run time, not another piece, can be called as one."""
    classes = [p.function for p in answer.pieces.values() if isinstance(p.function, type)]
    return (
        callable(value)
        and not isinstance(value, (type, types.ModuleType, *classes))
        and all(piece.function is not value for piece in answer.pieces.values())
    )


def _line_of(source: Source, name: str) -> int:
    statements = list(source.statements())
    lines = [s.lineno for s in statements if name in bound_by(s)]
    read = (s.lineno for s in statements if name in _spoken([s]))
    return lines[-1] if lines else next(read, 1)


def _spoken(statements: Sequence[ast.stmt]) -> set[str]:
    """The names that statements spell out, read or bind."""
    nodes = (n for s in statements for n in ast.walk(s))
    return {n.id for n in nodes if isinstance(n, ast.Name)}.union(*map(bound_by, statements))


def _piece(answer: Answer, component: str, found: Found, value: Any, uses: Uses) -> Piece:
    reads = pieces.reads_of(value, answer.namespace)
    return pieces.made(
        BY_ROLE[component],
        found.name,
        value,
        found.line,
        stub=found.stub,
        constants=uses.constants_of(found.name),
        reads={name for name in reads if name in answer.namespace},
    )
