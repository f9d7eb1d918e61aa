"""One part of a training, and all that is known of it: what it is asked, and what a reply comes to.

A run shows a piece only what the run happens to pass by. A question is made up instead: inputs of
both label shapes, short last batches, a bias that is not 0, negative predictions, large residuals,
one, two and five features, gradients without a pattern. Everything is drawn from a seed; a
question holds inputs only, and no right value can be read off it. To ask runs the component, within
a recipe whose other pieces may be anybody's; to judge holds its reply against the reference's.
Why a component is wrong is not decided here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from harness.engine.case import Case, Data, UpdateRule
from harness.engine.components.role import BuiltIn, ClassRole, Role
from harness.engine.components.signature import Signature
from harness.engine.pair import Pair
from harness.engine.raised import Raised
from harness.engine.recipe import Convention, Recipe
from harness.engine.seeding import determinism
from harness.engine.stage import Divergence, Level
from harness.engine.trace import Stack

R = TypeVar("R")
PLAIN = UpdateRule()


@dataclass(frozen=True, eq=False)
class Question:
    """What a component is asked: a case with its data and, for a single piece, states.

    Each state in `stacks` comes with the derivative by its predictions that the model is handed.
    A question that is only there to part one mistake from another is not `judged`; `lr` then is
    what the optimizer is told instead of the case's. A loop need not have its rows `shuffled`
    where it cuts the batches itself, which is no affair of its own, and may have an `own_start`.
    `turned` is the beginning of the first question with the rows of its batches in the opposite
    order. `twice` asks a single piece for the same again, of a side built anew.
    """

    component: Component[Any]
    case: Case
    data: Data
    stacks: tuple[tuple[Stack, Tensor], ...] = ()
    judged: bool = True
    turned: bool = False
    twice: bool = False
    lr: float | None = None
    shuffled: bool = True
    own_start: bool = False

    @property
    def steps(self) -> int:
        """Single steps that the stacks ask for."""
        return sum(len(stack) for stack, _ in self.stacks)

    def beginning(self, steps: int) -> Question:
        """The first of the steps of a single piece only: enough to rule most mistakes out."""
        (stack, upstream), *_ = self.stacks
        few = stack.until(steps)
        return replace(self, stacks=((few, upstream[: len(few)]),))


@dataclass(frozen=True)
class Fit:
    """The settings that a loop needs its questions to have; None where it takes what it is given.

    A loop at the top level of a file has its settings all over it: it is asked a `single` question.
    `cuts` says that a loop cuts its batches itself, `whole` that it takes all rows as one,
    `own_start` that it makes the parameters that it trains.
    """

    lr: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    num_examples: int | None = None
    width: int | None = None
    single: bool = False
    cuts: bool = False
    whole: bool = False
    own_start: bool = False

    def cases(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        """The cases as such a loop can be asked them."""
        return tuple(map(self._case, cases[:1] if self.single else cases))

    def _case(self, case: Case) -> Case:
        """A case with these settings, cut to as many steps as are enough to judge a loop by."""
        width = None if self.width is None else min(self.width, WIDEST)
        made = replace(
            case if width is None else case.pair.widened(case, width),
            lr=self.lr or case.lr,
            epochs=self.epochs or case.epochs,
            batch_size=self.batch_size or case.batch_size,
            num_examples=self.num_examples or case.num_examples,
        )
        size, rows = made.n if self.whole else made.batch_size, made.n
        full = min(MOST_ROWS // size, MOST_BATCHES)
        rows = min(rows, full * size + rows % size if full else MOST_ROWS)  # as short at the end
        epochs = min(made.epochs, max(2, MOST_STEPS // math.ceil(rows / size)))
        if self.own_start:  # from zeros, the first step predicts nothing that could be compared
            epochs = max(2, epochs)
        return replace(
            made, num_examples=rows, epochs=epochs, batch_size=rows if self.whole else size
        )


ANY_FIT = Fit()
# Larger numbers of a file's own loop are cut: a step costs as much as some dozen bare ones.
WIDEST, MOST_ROWS, MOST_BATCHES, MOST_STEPS = 100, 2000, 200, 400


@dataclass(frozen=True)
class ComponentVerdict:
    """What a component comes to on one question.

    `first` is its first divergence, `raised` what it raised; `convention` the one it was found to
    follow; `reason` says why nothing was really compared.
    """

    question: Question
    level: Level
    first: Divergence | None = None
    raised: Raised | None = None
    steps: int = 0
    convention: Convention | None = None
    reason: str | None = None

    @property
    def passed(self) -> bool:
        """Whether everything that was compared agrees."""
        return self.level in ("identical", "rounding", "convention")

    @property
    def stage(self) -> str | None:
        """The stage that the first fault lies in; None where there is none."""
        if self.first:
            return self.first.stage
        return self.raised.stage if self.raised else None


class Component(ABC, Generic[R]):
    """One part of a training, whose replies are of one type R.

    `name` is the contract's, `piece` the field of a `Recipe` that it replaces, `heading` that of
    its mistakes in the docs. An answer defines it as a function in one of the `roles`, or as a
    method of a class (`methods`; "" is the whole class), hands it to its loop in arguments of some
    kinds (`handed_as`, with what these are called), and should do without the built-ins that it
    `replaces`. Which cases it is asked, and what is drawn for them, its pair says.
    """

    name: ClassVar[str]
    piece: ClassVar[str]
    heading: ClassVar[str]
    roles: ClassVar[tuple[Role, ...]]
    methods: ClassVar[tuple[tuple[ClassRole, str], ...]] = ()
    handed_as: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    replaces: ClassVar[tuple[BuiltIn, ...]]
    reply_type: ClassVar[type]

    def __str__(self) -> str:
        return self.name

    def name_in(self, pair: Pair) -> str:
        """What it is called in a pair."""
        return pair.names.get(self.piece, self.name)

    @property
    def role(self) -> Role:
        """The role of its own name."""
        return self.roles[0]

    # The piece of a recipe.

    def of(self, recipe: Recipe) -> Any:
        """The piece that a recipe has in its place."""
        return getattr(recipe, self.piece)

    def put_into(self, recipe: Recipe, piece: Any, **others: Any) -> Recipe:
        """The recipe with its piece replaced, and with `others` of its fields."""
        return replace(recipe, **{self.piece: piece}, **others)

    # What is asked.

    def questions(
        self,
        base: Recipe,
        form: str,
        seed: int = 0,
        rule: UpdateRule = PLAIN,
        fit: Fit = ANY_FIT,
    ) -> tuple[Question, ...]:
        """All questions, with inputs drawn from `seed`; the same objects for the same arguments.

        `base` gives the number of parameters and the convention in which gradients are handed over;
        `rule` is the optimizer that an update is to be, `fit` what a loop can be asked.
        """
        return _questions(self, base, form, seed, rule, fit)

    def made(
        self, base: Recipe, cases: Sequence[Case], rule: UpdateRule, fit: Fit
    ) -> tuple[Question, ...]:
        """The questions of these cases."""
        del base, rule
        return tuple(
            Question(
                self,
                case,
                case.pair.asked_data(case, seeded(case)),
                shuffled=not fit.cuts,
                own_start=fit.own_start,
            )
            for case in cases
        )

    def cases(self, pair: Pair, form: str, fit: Fit) -> tuple[Case, ...]:
        """The cases of a pair that bring out mistakes; none where it asks nothing of this piece."""
        del fit
        return tuple(pair.asked_cases(self.piece, form))

    # How it is asked.

    def ask(self, recipe: Recipe, question: Question, shift: int = 0) -> R:
        """Put a question to it within a recipe; whatever it raises is part of the reply.

        `shift` moves the seeds of all generators; the question stays the same.
        """
        seed = question.case.seed + shift
        with determinism(seed):
            return self.reply(recipe, question, seed)

    @abstractmethod
    def reply(self, recipe: Recipe, question: Question, seed: int) -> R:
        """What it does with a question, under generators that are seeded already."""

    def own_reply(self, recipe: Recipe, question: Question) -> R:
        """What one of the kit's own sides replies; kept, as the same is asked of every answer."""
        return _own_reply(self, recipe, question)  # type: ignore[no-any-return]

    def reply_of_own(self, recipe: Recipe, question: Question) -> R:
        """The same, asked now."""
        return self.ask(recipe, question)

    # What a reply comes to.

    @abstractmethod
    def judge(
        self, question: Question, reply: R, subject: Recipe, reference: Recipe
    ) -> ComponentVerdict:
        """The verdict on a reply: `subject` gives the convention, `reference` is right."""

    def as_replied(self, question: Question, reply: R) -> Question:
        """The question that was really answered."""
        del reply
        return question


class Matched(Component[R]):
    """A component whose replies are held, by value, against those of known mistakes.

    What draws at random has no such values: there the facts decide alone. `facts_first` says that
    facts are looked at before values.
    """

    facts_first: ClassVar[bool] = False

    @abstractmethod
    def glance(self, recipe: Recipe, question: Question, steps: int) -> R:
        """What it does with the first steps of a question, asked once."""

    @abstractmethod
    def signatures(
        self, question: Question, reply: R, convention: Convention
    ) -> Iterator[Signature]:
        """The reply's signature, in each convention that it may follow."""

    @abstractmethod
    def begins_like(self, question: Question, reply: R, beginning: R, right: Signature) -> bool:
        """Whether a reply began, up to rounding, with these steps; `right` as in `matches`.

        False only where the signatures cannot match either.
        """


@lru_cache(maxsize=128)
def _questions(
    component: Component[Any], base: Recipe, form: str, seed: int, rule: UpdateRule, fit: Fit
) -> tuple[Question, ...]:
    if base.pair is None:
        return ()
    cases = [
        replace(case, form=form, seed=101 * seed + at, name=f"{component.name} {at + 1}")
        for at, case in enumerate(component.cases(base.pair, form, fit))
    ]
    return component.made(base, cases, rule, fit) if cases else ()


@lru_cache(maxsize=256)
def _own_reply(component: Component[Any], recipe: Recipe, question: Question) -> Any:
    return component.reply_of_own(recipe, question)


def seeded(case: Case) -> torch.Generator:
    """The generator that a question's inputs are drawn from."""
    return torch.Generator().manual_seed(case.seed)
