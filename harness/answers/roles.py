"""Recognises the components of an answer in its syntax tree: by name, signature, body and use.

A role is a name of the contract. Nothing is executed here: what only running can tell (which of two
arguments is the label, whether a loss is halved) is `answer`'s to find out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from harness.answers.arguments import arguments
from harness.answers.definitions import Found, Traits, Uses
from harness.engine.components import (
    Component,
    DataIterator,
    Initialisation,
    Loop,
    Loss,
    Model,
    Optimizer,
)
from harness.engine.components.contract import BY_ROLE, ROLES, component_of
from harness.engine.components.role import Role

_NAME, _ALIAS, _PATTERN, _ENOUGH = 30, 6, 3, 6


_NEVER = ("main", "_main", "cli", "demo")  # run the file, whatever is in them


def score(role: Role, found: Found, uses: Uses) -> int:
    """How much speaks for a definition having a role.

    A name or a use makes a component: a body alone never does, and a likely name alone neither.
    """
    name, body = _by_name(role, found.name), _by_body(role, found)
    use = 3 * (role in uses.of_name(found.name))
    if found.name in _NEVER or not (name or use):
        return -1
    if name < _ALIAS and not found.stub and body + use <= 0:
        return -1
    return name + _by_signature(role, found) + body + use


def _by_name(role: Role, name: str) -> int:
    lowered = name.lower().strip("_")
    if lowered == role.names[0]:
        return _NAME
    if lowered in role.names:
        return _ALIAS
    return _PATTERN if re.search(role.pattern, lowered) else 0


def _by_signature(role: Role, found: Found) -> int:
    kinds, guessed = arguments(role, found.signature)
    if any(name not in kinds for name in found.signature.required):
        return -5
    by_name = [k for name, k in kinds.items() if name not in guessed]
    return round(5 * len(by_name) / len(role.takes)) - len(guessed)


def _by_body(role: Role, found: Found) -> int:
    return 0 if found.stub else _does(component_of(role), found.traits)


@singledispatch
def _does(component: Component[Any], t: Traits) -> int:
    """How much a body does what such a component does, less what it never does."""
    raise TypeError(f"{component}, {t}")


@_does.register
def _serves(_: DataIterator, t: Traits) -> int:
    return 5 * t.yields + 2 * t.shuffles - 8 * (t.differentiates or t.reads_grad)


@_does.register
def _predicts(_: Model, t: Traits) -> int:
    return 3 * t.multiplies - 2 * t.loops - 8 * t.trains


@_does.register
def _measures(_: Loss, t: Traits) -> int:
    return 3 * t.squares - 8 * t.trains


@_does.register
def _updates(_: Optimizer, t: Traits) -> int:
    # one that only clears gradients computes nothing
    return 4 * t.reads_grad - 12 * (t.differentiates or t.yields or not t.computes)


@_does.register
def _draws(_: Initialisation, t: Traits) -> int:
    return 2 * t.draws + 2 * t.returns_pair - 6 * t.multiplies - 8 * t.trains


@_does.register
def _trains(_: Loop, t: Traits) -> int:
    return 5 * t.differentiates + 2 * t.loops - 8 * t.yields


@dataclass(frozen=True)
class Assigned:
    """A definition given a role, with the kinds of its arguments and which are guessed."""

    role: Role
    found: Found
    kinds: dict[str, str]
    guessed: list[str]


def assign(
    found: Sequence[Found], uses: Uses, mapped: dict[str, str]
) -> tuple[dict[str, Assigned], list[str]]:
    """The definition of each component, and notes on what was not clear.

    Of equal names the last counts, as in Python. `mapped` gives components their names.
    """
    last = {f.name: f for f in found}
    functions = [f for f in last.values() if not isinstance(f.node, ast.ClassDef) or _iterates(f)]
    taken = set(mapped.values())
    roles: dict[str, Assigned] = {}
    notes: list[str] = []
    for component, name in mapped.items():
        if name in last and component in BY_ROLE:
            roles[component] = _assigned(BY_ROLE[component], last[name])
    ranked = sorted(
        (
            (points, -order, role, f)
            for role in ROLES
            if role.name not in roles
            for order, f in enumerate(functions)
            if f.name not in taken and (points := score(role, f, uses)) >= _ENOUGH
        ),
        key=lambda entry: entry[:2],
        reverse=True,
    )
    best: dict[str, int] = {}
    for points, _, role, f in ranked:
        if f.name in taken:
            continue
        if role.name not in roles:
            roles[role.name] = _assigned(role, f)
            taken.add(f.name)
            best[role.name] = points
        elif points == best.get(role.name):
            chosen = roles[role.name].found.name
            notes.append(
                f"both {chosen} and {f.name} could be {role.name}: took {chosen}; "
                f"--map {role.name}={f.name} takes the other"
            )
    return roles, notes


def _iterates(found: Found) -> bool:
    return "__iter__" in found.methods or "__getitem__" in found.methods


def _assigned(role: Role, found: Found) -> Assigned:
    kinds, guessed = arguments(role, found.signature)
    return Assigned(role, found, kinds, guessed)
