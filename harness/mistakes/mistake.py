"""What a known mistake is: words for a learner, and recipes that make it.

A form is the base recipe with one piece replaced, so that a mistake can be trained, traced and
compared like any other side. The mistakes themselves stand in the modules of the components;
`catalogue` is the table of them all.
Which mistake explains a trace is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from harness.engine.case import OPTIMIZERS, Case
from harness.engine.components import Component
from harness.engine.pieces import FunctionalSGD
from harness.engine.recipe import Recipe

Make = Callable[[Recipe], Recipe | None]

# Settings of a case without which some mistakes do not show.
TAIL = {"num_examples": 63, "batch_size": 10}
SEVERAL_EPOCHS = {"epochs": 2}
FLAT_LABELS = {"flat_labels": True}
UNEVEN_MICRO_BATCHES = {"num_examples": 63, "batch_size": 10, "micro_batch_size": 4}


@dataclass(frozen=True)
class Form:
    """One way to write a mistake.

    `make` gives the base recipe with one piece replaced, or None where this base cannot have the
    mistake; the base's optimizer has to be the case's own, see `based`. Pieces may keep a state:
    make a new recipe for every run.
    """

    name: str
    make: Make


@dataclass(frozen=True, eq=False)
class Mistake:
    """A known mistake: what the code does, a hint, the fix, and the numbers that give it away.

    `component` is the one that makes it, None where any may.
    `first_stage` is the first of the five stages that can show it, or the evaluation after an
    epoch; "none" where no number does.
    `where` are settings of a `Case` that it needs to show, for `dataclasses.replace`; `pair` is the
    name of the pair whose pieces it is made of, None where it is made in those of any.
    """

    id: str
    component: Component[Any] | None
    first_stage: str
    what: str
    hint: str
    fix: str
    tell: str
    forms: tuple[Form, ...]
    where: Mapping[str, Any] = field(default_factory=dict)
    pair: str | None = "linear"


def based(base: Recipe, case: Case) -> Recipe:
    """The base with the optimizer that the case asks for: what `Form.make` is to be given."""
    return replace(base, optimizer=base.optimizer_for(case.optimizer))


def form(component: Component[Any], name: str, piece: Callable[[Recipe], Any]) -> Form:
    """A form that replaces the component's piece by `piece(base)`; None stands for "cannot"."""

    def make(base: Recipe) -> Recipe | None:
        made = piece(base)
        return None if made is None else component.put_into(base, made)

    return Form(name, make)


def optimizer_of(base: Recipe) -> tuple[str | None, Mapping[str, Any]]:
    """The family of the base's optimizer, by torch's name, and its settings by torch's names.

    None where it is of no family that a case can ask for.
    """
    made = base.optimizer([torch.zeros(1, requires_grad=True)], 1.0)
    if isinstance(made, FunctionalSGD):
        return "SGD", {}
    own = getattr(made, "sgd", made)
    classes = [kind.__name__ for kind in type(own).__mro__]
    family = next((name for name in classes if name in OPTIMIZERS.values()), None)
    return family, getattr(own, "defaults", getattr(own, "__dict__", {}))
