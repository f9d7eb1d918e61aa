"""Recognises the classes of the object form: by their names and their methods."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from harness.answers.arguments import Signature
from harness.answers.definitions import Found, added_to
from harness.answers.fit_class import takes_data
from harness.engine.components import (
    LOOP,
)
from harness.engine.components.role import MODEL_CLASS, OPTIMIZER_CLASS, Role


def added_methods(statements: Sequence[ast.stmt]) -> dict[str, dict[str, ast.FunctionDef]]:
    """The methods that `add_to_class` registers, by class; of equal names the last counts."""
    added: dict[str, dict[str, ast.FunctionDef]] = {}
    for statement in statements:
        owner = added_to(statement)
        if owner and isinstance(statement, ast.FunctionDef):
            added.setdefault(owner, {})[statement.name] = statement
    return added


def methods_of(
    found: Found, added: dict[str, dict[str, ast.FunctionDef]], all_found: Sequence[Found]
) -> dict[str, ast.FunctionDef]:
    """The methods of a class: those of its bases in the file, its own, and those added."""
    bases = {ast.unparse(base) for base in getattr(found.node, "bases", [])}
    methods: dict[str, ast.FunctionDef] = {}
    for other in all_found:
        if other.name in bases and other is not found:
            methods |= methods_of(other, added, all_found)
    methods |= found.methods
    if "__post_init__" in methods:
        methods["__init__"] = methods["__post_init__"]
    if "__call__" in methods:
        methods.setdefault("forward", methods["__call__"])
    return methods | added.get(found.name, {})


TRAINER = Role(("Trainer",), "", ("num_epochs",), ("lr",))


def models(
    found: Sequence[Found], added: dict[str, dict[str, ast.FunctionDef]]
) -> dict[str, Found]:
    """The classes of the object form by their roles' names: a model, an optimizer, a `TRAINER`."""
    chosen: dict[str, tuple[int, Found]] = {}
    for f in found:
        if not isinstance(f.node, ast.ClassDef):
            continue
        for component, points in _class_points(f.name, methods_of(f, added, found)).items():
            if points > 4 and points >= chosen.get(component, (0,))[0]:
                chosen[component] = (points, f)
    return {component: f for component, (_, f) in chosen.items()}


def _class_points(name: str, methods: dict[str, ast.FunctionDef]) -> dict[str, int]:
    lowered, names = name.lower(), methods.keys()
    linear = bool(re.search(r"linear|linreg|regress", lowered))
    other = bool(names & {"fit_epoch", "step", "__iter__", "get_dataloader"})
    # a class that is given the data trains itself: its loss is not the book's
    other |= "fit" in names and takes_data(methods["fit"])
    holds = _holds_parameters(methods)
    return {
        MODEL_CLASS.name: 10 * (name == MODEL_CLASS.name)
        + (4 * linear + 3 + 2 * ("loss" in names)) * holds
        - 9 * other,
        OPTIMIZER_CLASS.name: 10 * (name == OPTIMIZER_CLASS.name)
        + (4 * bool(re.search(r"sgd|optim|descent", lowered)) + 3) * ("step" in names),
        TRAINER.name: 4 * (LOOP.name in lowered) + 5 * bool(names & {"fit", "fit_epoch"}),
    }


def _holds_parameters(methods: dict[str, ast.FunctionDef]) -> bool:
    """Whether a class predicts from its features alone: the parameters are its own."""
    if "__init__" not in methods or "forward" not in methods:
        return False
    return len(Signature.of(methods["forward"].args, method=True).required) == 1
