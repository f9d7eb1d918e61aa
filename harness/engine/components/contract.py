"""The contract's names, and which component answers under each of them.

An answer is asked by targets: a function under one of its names ("mse_loss" is asked as the loss),
a class of the object form ("SGD"), or one of a class's methods ("LinearRegressionScratch.loss").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.engine.components import COMPONENTS, Component
from harness.engine.components.role import CLASSES, BuiltIn, Role

ROLES = tuple(role for component in COMPONENTS for role in component.roles)
BY_ROLE: dict[str, Role] = {role.name: role for role in (*ROLES, *CLASSES)}


@dataclass(frozen=True)
class Target:
    """A role, a `part` of it where it is a class asked method by method, and who answers."""

    role: Role
    component: Component[Any]
    part: str = ""

    @property
    def name(self) -> str:
        """Such as "linreg", or "LinearRegressionScratch.forward"."""
        return f"{self.role.name}.{self.part}" if self.part else self.role.name


def _methods() -> list[Target]:
    of_method = {method: component for component in COMPONENTS for method in component.methods}
    return [
        Target(role, of_method[role, part], part)
        for role in CLASSES
        for part in role.methods or ("",)
    ]


# The components under their own names first (those keep their place), then under the others.
TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *(Target(component.roles[0], component) for component in COMPONENTS),
        *(Target(role, component) for component in COMPONENTS for role in component.roles),
        *_methods(),
    )
}


def targets_of(role: str) -> tuple[Target, ...]:
    """What is asked of a role, by its name: one target, or one for each method of a class."""
    return tuple(target for target in TARGETS.values() if target.role.name == role)


def component_of(role: Role) -> Component[Any]:
    """The component that a function in this role is."""
    return TARGETS[role.name].component


def replaced_by(role: Role) -> tuple[BuiltIn, ...]:
    """The built-ins that whoever has this role should do without."""
    return tuple(kind for target in targets_of(role.name) for kind in target.component.replaces)


def part_of(name: str) -> str:
    """The component that stands for a role or target, by name; any other name stands for itself."""
    return TARGETS[name].component.name if name in TARGETS else name
