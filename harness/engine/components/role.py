"""The names under which an answer may define a component, and what its arguments are.

A role is one name of the contract: a function, or a class whose methods are components. What an
argument means is its kind (`answers.roles.KINDS`), whatever it is called and wherever it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# What a built-in does; "package" is this project and d2l, which no component may use.
BuiltIn = Literal["model", "loss", "update", "data", "package"]


@dataclass(frozen=True)
class Role:
    """A part of an answer: its names, the contract's first, a pattern of others, its arguments.

    `takes` are the kinds of the arguments that it needs, `other` of those that it may have.
    """

    names: tuple[str, ...]
    pattern: str
    takes: tuple[str, ...]
    other: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The contract's name."""
        return self.names[0]


@dataclass(frozen=True)
class ClassRole(Role):
    """A class of the object form: each of its `methods` is a component, or else all of it."""

    methods: tuple[str, ...] = ()


MODEL_CLASS = ClassRole(
    ("LinearRegressionScratch",),
    "",
    ("num_inputs", "lr"),
    ("sigma",),
    methods=("__init__", "forward", "loss"),
)
OPTIMIZER_CLASS = ClassRole(("SGD",), "", ("params", "lr"), ("batch_size",))
CLASSES = (MODEL_CLASS, OPTIMIZER_CLASS)
