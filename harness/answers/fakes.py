"""What a learner's loop finds under the names of the file's own pieces: those of the side.

Also under the names that a file may have for a piece that is missing, and for the objects that it
has made of its classes.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from harness.answers import doubles
from harness.answers.object_form import parameters
from harness.engine.components import (
    DATA_ITERATOR,
    INITIALISATION,
    LOSS,
    MODEL,
    OPTIMIZER,
    Component,
)
from harness.engine.components.role import MODEL_CLASS, OPTIMIZER_CLASS, Role

if TYPE_CHECKING:
    from harness.answers.conductor import Conductor


def fakes(conductor: Conductor) -> dict[str, tuple[Component[Any], Callable[..., Any]]]:
    """The side's pieces under the names that the file has for its own, or misses."""
    standing: dict[str, tuple[Component[Any], Callable[..., Any]]] = {}
    pieces: tuple[tuple[Component[Any], Callable[..., Any]], ...] = (
        (DATA_ITERATOR, conductor.batches),
        (MODEL, conductor.net),
        (LOSS, conductor.loss),
        (OPTIMIZER, conductor.update),
        (INITIALISATION, conductor.init),
    )
    for component, fake in pieces:
        for role in component.roles:
            standing |= dict.fromkeys(_names_of(conductor, role), (component, fake))
    return standing | _object_fakes(conductor)


def _names_of(conductor: Conductor, role: Role) -> Iterator[str]:
    """What the file calls a piece; where it has none, what it may call one that is missing."""
    piece, namespace = conductor.file.pieces.get(role.name), conductor.file.namespace
    if piece:
        yield from (name for name, value in namespace.items() if value is piece.function)
        return
    for name in role.names:
        if name not in namespace and not hasattr(builtins, name):
            yield name


def _object_fakes(conductor: Conductor) -> dict[str, tuple[Component[Any], Any]]:
    """The same for the object form: the classes, and what has been made of them."""
    standing: dict[str, tuple[Component[Any], Any]] = {}
    optimizer = doubles.Optimizer(conductor, conductor.side.lr, conductor.passed)
    classes: tuple[tuple[Role, Component[Any], Any, Callable[..., Any]], ...] = (
        (MODEL_CLASS, MODEL, conductor.model, conductor.make_model),
        (OPTIMIZER_CLASS, OPTIMIZER, optimizer, conductor.make_optimizer),
    )
    for role, component, double, make in classes:
        piece = conductor.file.pieces.get(role.name)
        for name, value in conductor.file.namespace.items() if piece else ():
            if piece and value is piece.function:
                standing[name] = (component, make)
            elif piece and isinstance(value, piece.function):
                standing[name] = (component, double)
    return standing


def class_names(conductor: Conductor) -> list[str]:
    """What the model class calls its weight and its bias."""
    piece = conductor.file.pieces.get(MODEL_CLASS.name)
    with suppress(Exception, SystemExit):  # a class that cannot be made is judged elsewhere
        if piece:
            return [*parameters(piece(num_inputs=conductor.side.case.d, lr=0.1, sigma=0.01))]
    return ["w", "b"]
