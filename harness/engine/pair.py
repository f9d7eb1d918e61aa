"""One thing that can be written by hand and taken built in: the noun that the engine is general by.

A pair says what is trained: its data, its parameters and how they lie, how predictions are read,
what its two sides are and on which cases they are held against each other. It knows nothing of how
anything is run or judged; the engine knows no pair. The pairs themselves stand in `harness.pairs`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from harness.engine.case import Case, Data
from harness.engine.pieces import Optimizers
from harness.engine.recipe import Convention, Recipe

if TYPE_CHECKING:
    from harness.engine.trace import Stack

# From predictions (m, ...) and labels (m, ...) to one number.
Metric = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Shapes:
    """The shapes of what passes in a training, without the first axis, which is the rows.

    `example_loss` is that of a loss per example; a loss may also be a single number.
    """

    features: tuple[int, ...]
    labels: tuple[int, ...]
    prediction: tuple[int, ...]
    example_loss: tuple[int, ...]

    @property
    def width(self) -> int:
        """Numbers that are predicted for a row."""
        return prod(self.prediction)


# The pieces of a recipe that somebody may have replaced; `stepper` is only a reference's.
PIECES = ("batches", "init", "model", "loss", "optimizer", "clip", "loop", "metric")


@dataclass(frozen=True)
class Sides:
    """The two sides of one form: written by hand, and built in."""

    form: str
    scratch: Recipe
    builtin: Recipe

    @property
    def both(self) -> tuple[Recipe, Recipe]:
        """Both."""
        return self.scratch, self.builtin


class Pair(ABC):
    """What can be written by hand and taken built in.

    `name` is what `svb compare --pair` takes, `title` says what it is, `source` where it is from.
    `scalars` are parameters of one entry that are shown as a number, not as a list of one; `names`
    are what its components are called, by the field of a recipe, where the contract's names are not
    theirs.
    """

    name: str
    title: str
    source: str
    scalars: frozenset[str] = frozenset()
    names: Mapping[str, str] = MappingProxyType({})

    @cached_property
    @abstractmethod
    def forms(self) -> dict[str, Sides]:
        """The ways in which both sides are written, by name, the plainest first."""

    @property
    @abstractmethod
    def cases(self) -> tuple[Case, ...]:
        """What `svb compare` runs by default."""

    @abstractmethod
    def widths(self, case: Case) -> tuple[int, ...]:
        """What the piece `model` of a recipe is called with."""

    @abstractmethod
    def layout(self, case: Case) -> dict[str, tuple[int, ...]]:
        """The parameters' names and shapes, in the order and layout of the built-in side."""

    @abstractmethod
    def data(self, case: Case, generator: torch.Generator) -> Data:
        """Draw the data and where the parameters start."""

    @abstractmethod
    def shapes(self, case: Case) -> Shapes:
        """The shapes of features, labels, predictions and losses."""

    @abstractmethod
    def follows(self, convention: Convention) -> Sides:
        """The two sides for answers that follow this convention."""

    def is_bounded(self, case: Case) -> bool:
        """Whether the sides' own models are sums of products in this case, without kinks."""
        del case
        return True

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What a report shows beside the loss, of predictions and labels; by name."""
        return {}

    def subject(self, case: Case) -> Recipe:
        """The side that is compared where nobody brings one."""
        return self.forms[case.form].scratch

    def reference(self, case: Case) -> Recipe:
        """The side that it is held against."""
        return self.forms[case.against or case.form].builtin

    def replaced(self, recipe: Recipe) -> tuple[str, ...]:
        """The fields of a recipe whose pieces are none of the pair's own."""
        of_forms = (side for sides in self.forms.values() for side in sides.both)
        own = (*of_forms, *self.follows(recipe.convention).both)
        return tuple(name for name in PIECES if not _is_among(name, recipe, own))

    def landmarks(self, case: Case, data: Data) -> dict[str, Tensor]:
        """Parameters (P,), float64, that stand beside the final ones: the truth, a minimiser."""
        del case, data
        return {}

    def observations(self, case: Case, data: Data) -> Sequence[str]:
        """What a reader of this case may wonder at."""
        del case, data
        return ()

    # What components are asked (`components`).

    def asked_cases(self, piece: str, form: str) -> Sequence[Case]:
        """The cases in which a piece of a recipe is asked, by its field there; none by default."""
        del piece, form
        return ()

    def asked_data(self, case: Case, generator: torch.Generator) -> Data:
        """The data of a question, and where it starts from."""
        del generator
        return case.data()

    def asked_states(
        self,
        case: Case,
        generator: torch.Generator,
        base: Recipe,
        positions: range,
        rows: int,
        size: float,
    ) -> tuple[Stack, Tensor]:
        """Made-up states of as many steps, in which nothing follows from anything else.

        Gradients, and parameters with them, are of the given size, in the units of `base`. Beside
        them the derivative (K, m · width) by the predictions.
        """
        raise NotImplementedError

    def widened(self, case: Case, features: int) -> Case:
        """The case with so many features."""
        raise NotImplementedError

    def public_names(self) -> list[dict[str, Any]]:
        """The names that both packages have for this pair, with what each side follows."""
        return []


def _is_among(name: str, recipe: Recipe, sides: Sequence[Recipe]) -> bool:
    """Whether a piece is one of these sides' own; an optimizer may be so under any rule."""
    piece = getattr(recipe, name)
    others = [getattr(side, name) for side in sides]
    if isinstance(piece, Optimizers):
        packages = [other.package for other in others if isinstance(other, Optimizers)]
        return piece.package in packages
    return any(piece is other for other in others)
