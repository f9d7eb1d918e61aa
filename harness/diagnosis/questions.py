"""Questions put to one component of a side, and what it replied: the short form of a trace.

A run shows a piece only what the run happens to pass by. A question is made up instead: inputs of
both label shapes, short last batches, a bias that is not 0, negative predictions, large residuals,
one, two and five features, gradients without a pattern. Everything is drawn from a seed; a
question holds inputs only, and no right value can be read off it. `ask` runs the component, within
a recipe whose other pieces may be anybody's. Nothing here judges.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any, Literal

import torch
from torch import Tensor

from harness.engine.case import Data, UpdateRule
from harness.engine.lockstep import Forced, forced
from harness.engine.recipe import Batch, Recipe
from harness.engine.seeding import determinism, seed_all
from harness.engine.trace import Chunk, Entered, Raised, Recorder, Stack
from harness.pairs.linear import Form, LinearCase

Component = Literal["data_iter", "linreg", "squared_loss", "sgd", "train", "init_params"]
COMPONENTS: tuple[Component, ...] = (
    "data_iter",
    "linreg",
    "squared_loss",
    "sgd",
    "init_params",
    "train",
)
# The columns of a forced step in which a single piece answers.
COLUMNS_OF = {
    "linreg": ("prediction", "gradient"),
    "squared_loss": ("loss", "upstream"),
    "sgd": ("parameter",),
}
PARTING = 4  # steps of a question that only parts one mistake from another
WIDE = 1000  # inputs of the draw whose standard deviation is measured
DRAWS = 4


@dataclass(frozen=True, eq=False)
class Question:
    """What a component is asked: a case with its data and, for a single piece, states.

    Each state in `stacks` comes with the derivative by its predictions that the model is handed.
    A question that is only there to part one mistake from another is not `judged`; `lr` then is
    what the optimizer is told instead of the case's. A loop need not have its rows `shuffled`
    where it cuts the batches itself, which is no affair of its own. `turned` is the beginning of
    the first question with the rows of its batches in the opposite order. `twice` asks a single
    piece for the same again, of a side built anew.
    """

    component: Component
    case: LinearCase
    data: Data
    stacks: tuple[tuple[Stack, Tensor], ...] = ()
    judged: bool = True
    turned: bool = False
    twice: bool = False
    lr: float | None = None
    shuffled: bool = True

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
class Served:
    """The batches of some epochs, in the order of the calls, and the data they left behind.

    `other` is an epoch served when the generators had another seed, in a `fresh` process perhaps,
    where nothing was kept from earlier calls; `raised` names its place.
    """

    epochs: list[list[Batch]]
    other: list[list[Batch]]
    features: Tensor
    labels: Tensor
    raised: Raised | None
    endless: bool
    fresh: bool = False

    @property
    def repeats_itself(self) -> bool:
        """Whether the first epoch is the same whatever the generators are seeded with."""
        mine, theirs = (epochs[0] if epochs else [] for epochs in (self.epochs, self.other))
        if not mine or len(mine) != len(theirs):
            return False
        return all(torch.equal(a, b) for (a, _), (b, _) in zip(mine, theirs, strict=True))


@dataclass(frozen=True)
class Drawn:
    """Parameters as they were drawn, and what a training step with them raised.

    `shapes`, `dtypes`, `requires_grad` and `is_leaf` are those of weight and bias; `weights`
    (r, WIDE) and `biases` (r,) are wide draws; `found` says of each whether it got a gradient.
    """

    shapes: list[tuple[int, ...]]
    dtypes: list[str]
    requires_grad: list[bool]
    is_leaf: list[bool]
    weights: Tensor
    biases: Tensor
    found: list[bool]
    raised: Raised | None


@dataclass(frozen=True)
class Run:
    """A loop that ran to its end: its steps in one chunk, and the parameters (P,) it left.

    `epochs` are the batches served in each; `entered` is by position what a step really started
    with.
    """

    chunk: Chunk | None
    epochs: list[int]
    entered: dict[int, Entered]
    final: Tensor
    raised: Raised | None


@dataclass(frozen=True)
class Reply:
    """What a component did with a question; the part that the question asked for.

    `again` are the forced steps of a question that is asked `twice`.
    """

    forced: list[Forced] | None = None
    again: list[Forced] | None = None
    served: Served | None = None
    drawn: Drawn | None = None
    run: Run | None = None


class RunawayError(Exception):
    """A loop that goes on far beyond the steps it was asked for."""


def ask(recipe: Recipe, question: Question, shift: int = 0) -> Reply:
    """Put a question to the component of a recipe; whatever it raises is part of the reply.

    `shift` moves the seeds of all generators; the question stays the same.
    """
    seed = question.case.seed + shift
    with determinism(seed):
        if question.component == "data_iter":
            return Reply(served=_serve(recipe, question, seed))
        if question.component == "init_params":
            return Reply(drawn=_draw(recipe, question))
        if question.component == "train":
            return Reply(run=_train(recipe, question, 4 * question.case.total_steps + 16))
        once = _force(recipe, question)
        return Reply(forced=once, again=_force(recipe, question) if question.twice else None)


def glance(recipe: Recipe, question: Question, steps: int) -> Reply:
    """What a single piece or a loop does with the first steps of a question, asked once."""
    with determinism(question.case.seed):
        if question.component == "train":
            return Reply(run=_train(recipe, question, steps))
        return Reply(forced=_force(recipe, question.beginning(steps)))


@lru_cache(maxsize=256)
def own_reply(recipe: Recipe, question: Question) -> Reply:
    """What one of the kit's own sides replies: it keeps no state, so that one round is enough."""
    if question.component not in COLUMNS_OF:
        return ask(recipe, question)
    with determinism(question.case.seed):
        once = _force(recipe, question)
    return Reply(forced=once, again=once if question.twice else None)


def _force(recipe: Recipe, question: Question) -> list[Forced]:
    side = recipe.build(question.case, question.data, lr=question.lr)
    asked = COLUMNS_OF[question.component]
    return forced(side, list(question.stacks), recipe.convention, asked)


# The data iterator.


def _serve(recipe: Recipe, question: Question, seed: int) -> Served:
    case, data = replace(question.case, seed=seed), question.data
    features, labels = data.features.clone(), data.labels.clone()
    most = 2 * -(-case.n // case.batch_size) + case.n
    epochs, raised, endless = _epochs(recipe, case, features, labels, most, case.epochs)
    seed_all(seed + 1)
    other_case = replace(case, seed=seed + 1)
    copies = data.features.clone(), data.labels.clone()
    other, *_ = _epochs(recipe, other_case, *copies, most, 1)
    return Served(epochs, other, features, labels, raised, endless)


def _epochs(
    recipe: Recipe, case: LinearCase, features: Tensor, labels: Tensor, most: int, count: int
) -> tuple[list[list[Batch]], Raised | None, bool]:
    epochs: list[list[Batch]] = []
    try:
        generator = torch.Generator().manual_seed(case.seed)
        served = recipe.batches(features, labels, case.batch_size, generator)
        for _ in range(count):
            epochs.append([])
            for X, y in _pairs(islice(served, most)):
                epochs[-1].append((_copied(X), _copied(y)))
            if len(epochs[-1]) == most:
                return epochs, None, True
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an iterator may raise what it likes
        place = (max(0, len(epochs) - 1), len(epochs[-1]) if epochs else 0)
        return epochs, Raised.by(error, "batch", place), False
    return epochs, None, False


def _pairs(served: Iterable[Any]) -> Iterator[Any]:
    """The batches; two bare tensors are one batch that was returned instead of served."""
    single: list[Tensor] = []
    for batch in served:
        if not isinstance(batch, Tensor):
            yield batch
            continue
        single.append(batch)
        if len(single) > 2:
            raise TypeError("the iterator served single tensors, but should serve pairs")
    if single:
        yield single


def _copied(part: object) -> Tensor:
    if not isinstance(part, Tensor):
        raise TypeError(f"the iterator served {type(part).__name__}, but should serve two tensors")
    return part.detach().clone()


# The initial parameters.


def _draw(recipe: Recipe, question: Question) -> Drawn:
    case = question.case
    nothing = torch.empty(0)
    try:
        drawn = _pair(recipe.init(case.d))
        facts = (
            [tuple(p.shape) for p in drawn],
            [str(p.dtype).removeprefix("torch.") for p in drawn],
            [p.requires_grad for p in drawn],
            [p.is_leaf for p in drawn],
        )
        wide = [_pair(recipe.init(WIDE)) for _ in range(DRAWS)]
        weights = torch.stack([w.detach().reshape(-1).double() for w, _ in wide])
        biases = torch.cat([b.detach().reshape(-1).double() for _, b in wide])
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a function may raise what it likes
        return Drawn([], [], [], [], nothing, nothing, [], Raised.by(error, "parameter", (0, 0)))
    found, raised = _one_step(question.data, drawn)
    return Drawn(*facts, weights, biases, found, raised)


def _pair(drawn: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    w, b = drawn
    for part in (w, b):
        if not isinstance(part, Tensor):
            raise TypeError(
                f"init_params returned {type(part).__name__}, but should return tensors"
            )
    return w, b


def _one_step(data: Data, drawn: tuple[Tensor, Tensor]) -> tuple[list[bool], Raised | None]:
    """Whether each parameter gets a gradient from one plain training step."""
    w, b = drawn
    stage = "prediction"
    try:
        y_hat = data.features @ w.reshape(-1, 1) + b
        stage = "gradient"
        (y_hat - data.labels.reshape(y_hat.shape)).square().mean().backward()
    except RuntimeError as error:
        return [False, False], Raised.by(error, stage, (0, 0))
    # a tensor that is no leaf keeps no gradient, and reading it would warn
    return [p.is_leaf and p.grad is not None for p in drawn], None


# The loop.


def _train(recipe: Recipe, question: Question, most: int) -> Run:
    """A loop's run, which ends with an exception where it makes as many updates as `most`."""
    case, data = question.case, question.data
    chunks: list[Chunk] = []

    def full(chunk: Chunk) -> None:
        chunks.append(chunk)
        if len(chunk) == most:
            raise RunawayError(f"the loop goes on after {most} updates, {case.total_steps} asked")

    recorder = Recorder(most, full, case.pair.shapes(case), copy=True)
    side = recipe.build(case, data, recorder)
    raised = None
    try:
        side.fit()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a loop may raise what it likes
        raised = Raised.by(error, *recorder.raising)
    recorder.close()
    final = torch.cat([leaf.detach().reshape(-1) for leaf in side.parameters()])
    return Run(chunks[0] if chunks else None, recorder.epoch_steps, recorder.entered, final, raised)


# What is asked.

_BASE = LinearCase("asked", "a question", num_examples=23, batch_size=5, initial_std=1.0)
_DATA_CASES = (
    replace(_BASE, epochs=4),
    replace(_BASE, num_examples=20, epochs=2),
    replace(_BASE, num_examples=3, epochs=2),
    replace(_BASE, num_examples=9, batch_size=1, weight=(2.0,), epochs=2),
)
_LOOP_CASES = (
    replace(_BASE, num_examples=13, batch_size=5, epochs=3, lr=0.05),
    replace(_BASE, num_examples=12, batch_size=4, epochs=2, lr=0.1, weight=(2.0,)),
    replace(_BASE, num_examples=7, batch_size=3, epochs=1, lr=0.1, weight=(2.0, -3.4, 5.6)),
)
_MICRO_CASE = replace(_BASE, num_examples=13, batch_size=5, epochs=2, micro_batch_size=2)
_PIECE_CASES = (
    replace(_BASE, lr=0.1),
    replace(_BASE, weight=(2.0,), lr=0.5, flat_labels=True),
    replace(_BASE, weight=(1.0, 2.0, -3.4, 4.0, -5.0), lr=0.03),
)
_CASES: dict[Component, tuple[LinearCase, ...]] = {
    "data_iter": _DATA_CASES,
    "init_params": (_BASE, replace(_BASE, weight=(2.0,))),
    "train": _LOOP_CASES,
    "linreg": (*_PIECE_CASES, replace(_BASE, bias=0.0)),
    "squared_loss": _PIECE_CASES[:2],  # knows nothing of features: labels of both shapes
    "sgd": _PIECE_CASES,
}
# rows and steps of the states: full batches, a short one, a single row
_LOTS = ((5, 9), (3, 4), (1, 3))
FAR = 1e3


# Gradients so small that an optimizer's eps shows, and what those of a training are like.
_TINY, _COMMON = 1e-7, 1.0


@dataclass(frozen=True)
class Fit:
    """The settings that a loop needs its questions to have; None where it takes what it is given.

    A loop at the top level of a file has its settings all over it: it is asked a `single` question.
    `cuts` says that a loop cuts its batches itself.
    """

    lr: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    num_examples: int | None = None
    width: int | None = None
    single: bool = False
    cuts: bool = False

    def cases(self, cases: Sequence[LinearCase]) -> tuple[LinearCase, ...]:
        """The cases as such a loop can be asked them."""
        return tuple(map(self._case, cases[:1] if self.single else cases))

    def _case(self, case: LinearCase) -> LinearCase:
        return replace(
            case,
            lr=self.lr or case.lr,
            epochs=self.epochs or case.epochs,
            batch_size=self.batch_size or case.batch_size,
            num_examples=self.num_examples or case.num_examples,
            weight=tuple(2.0 - 3.4 * j for j in range(self.width)) if self.width else case.weight,
        )


@lru_cache(maxsize=128)
def questions(
    component: Component,
    base: Recipe,
    form: Form,
    seed: int = 0,
    rule: UpdateRule = UpdateRule(),  # noqa: B008 - it is frozen
    fit: Fit = Fit(),
) -> tuple[Question, ...]:
    """All questions for a component, with inputs drawn from `seed`.

    `base` gives the number of parameters and the convention in which gradients are handed over;
    `rule` is the optimizer that an update is to be, `fit` what a loop can be asked.
    """
    cases = _CASES[component]
    if component == "train":
        cases = fit.cases(cases if form == "functional" else (*cases, _MICRO_CASE))
    named = [
        replace(case, form=form, seed=101 * seed + at, name=f"{component} {at + 1}")
        for at, case in enumerate(cases)
    ]
    if component == "sgd" and not rule.is_plain:
        asked = _of_rule(base, rule, named)
    else:
        asked = [replace(_question(component, base, case), shuffled=not fit.cuts) for case in named]
    if component not in COLUMNS_OF:
        return tuple(asked)
    first, *others = asked
    return (replace(first, twice=True), *others, *_parting(first, rule))


def _parting(first: Question, rule: UpdateRule) -> list[Question]:
    """Questions that only part one mistake from another: a few steps of the first one, changed."""
    few = replace(first.beginning(PARTING), judged=False)
    if first.component != "sgd":
        return [_turned(few)]
    # NaN times a gradient that was cleared is NaN; where nothing is written, nothing changes
    return [replace(few, lr=math.nan)] if rule.is_plain else []


def _turned(question: Question) -> Question:
    return replace(
        question,
        stacks=tuple((_rows_turned(stack), handed.flip(1)) for stack, handed in question.stacks),
        turned=True,
    )


def _rows_turned(stack: Stack) -> Stack:
    parts = {name: getattr(stack, name).flip(1) for name in ("X", "y", "prediction")}
    return replace(stack, **parts)


def _of_rule(base: Recipe, rule: UpdateRule, cases: Sequence[LinearCase]) -> list[Question]:
    """Updates that may keep a state: also in float64, also with gradients of the size of eps."""
    first, *_, wide = (replace(case, optimizer=rule, lr=0.01) for case in cases)
    exact = replace(wide, dtype="float64", name=f"{wide.name}, float64")
    tiny = replace(exact, seed=exact.seed + 1, name=f"{wide.name}, tiny gradients")
    sizes = ((first, _COMMON), (wide, _COMMON), (exact, _COMMON), (tiny, _TINY))
    return [_question("sgd", base, case, size) for case, size in sizes]


def _question(
    component: Component, base: Recipe, case: LinearCase, size: float = _COMMON
) -> Question:
    generator = torch.Generator().manual_seed(case.seed)
    data = case.data()
    w, b = data.initial
    data = replace(data, initial=(w, torch.randn(1, generator=generator).to(b) + 4))
    if component not in COLUMNS_OF:
        return Question(component, case, data)
    stacks = []
    position = 0
    for rows, steps in _LOTS:
        positions = range(position, position + steps)
        stacks.append(_states(case, generator, base, rows, positions, size))
        position += steps
    return Question(component, case, data, tuple(stacks))


def _states(
    case: LinearCase,
    generator: torch.Generator,
    base: Recipe,
    rows: int,
    positions: range,
    size: float,
) -> tuple[Stack, Tensor]:
    """Made-up states of as many steps: nothing in them follows from anything else in them.

    Gradients, and parameters with them, are of the given size.
    """
    steps, width = len(positions), sum(p.numel() for p in base.model(case.d).parameters())

    def drawn(*shape: int, scale: float = 1.0) -> Tensor:
        values = scale * torch.randn(steps, *shape, generator=generator, dtype=torch.float64)
        return values.to(case.torch_dtype)

    prediction = drawn(rows, scale=3.0)
    prediction[::3, 0] *= FAR  # a large residual now and then
    before = drawn(width, scale=2.0 * size)
    before[:, -1] *= case.bias != 0  # a bias of 0 hides its sign from the prediction
    gradient = drawn(width, scale=size * base.convention.gradient_factor(rows))
    stack = Stack(
        positions=list(positions),
        places=[(0, k) for k in positions],
        X=drawn(rows, case.d),
        y=drawn(rows, scale=3.0),
        micros=(rows,),
        prediction=prediction,
        loss=torch.zeros_like(prediction),
        gradient=gradient,
        gradient_before=torch.zeros_like(gradient),
        before=before,
        after=before,
    )
    return stack, drawn(rows, scale=1 / rows).double()
