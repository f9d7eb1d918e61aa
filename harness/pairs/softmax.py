"""Softmax regression with a cross-entropy on the digits: the second pair.

By hand a softmax with the shift and the logarithm of the probability at the label's index, or the
same in one by log-sum-exp; built in nn.Linear and nn.CrossEntropyLoss. A functional side predicts
probabilities, an object side logits: both are read as log-probabilities.

Source: d2l 4.4 (from scratch), 4.5 (concise); torch.nn.Linear, torch.nn.CrossEntropyLoss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from importlib import resources
from types import MappingProxyType, ModuleType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from harness.engine.case import Case, Data, UpdateRule
from harness.engine.pair import Metric, Pair, Shapes, Sides
from harness.engine.pieces import FunctionalInputsFirst, InputsFirst
from harness.engine.recipe import Convention, Model, Reading, Recipe
from harness.engine.trace import Stack
from harness.errors import InputError
from harness.pairs import sides

ROWS, PIXELS, CLASSES = 1797, 64, 10
_LARGEST = 16.0  # the darkest a pixel can be
# Probabilities below the normal numbers are not told from them, whoever computed them.
_LEAST = torch.finfo(torch.float32).tiny

_log_softmax = partial(torch.log_softmax, dim=-1)


def _logarithm(probabilities: Tensor) -> Tensor:
    return probabilities.clamp(min=_LEAST).log()


# A loss of logits has the same slope on all that are a shift apart: they need no projection.
LOGITS = Reading("logits", common=_log_softmax)
PROBABILITIES = Reading("probabilities", common=_logarithm, own=torch.exp, project=_log_softmax)


@dataclass(frozen=True)
class SoftmaxCase(Case):
    """A run of softmax regression on the first digits of a drawn order.

    `only` keeps a single class of labels: 3 makes every label a 3. `pixels` are the first of each
    digit, `classes` what its labels are counted modulo: only questions have fewer than all.
    """

    form: str = "object"
    num_examples: int = 500
    batch_size: int = 32
    lr: float = 0.1
    only: int | None = None
    pixels: int = PIXELS
    classes: int = CLASSES

    def __post_init__(self) -> None:
        """Refuse settings under which nothing could be trained."""
        super().__post_init__()
        if self.num_examples > ROWS:
            raise InputError(
                f"case {self.name!r}: num_examples is {self.num_examples}, but the digits have "
                f"{ROWS} rows; take so many at most."
            )
        for name, least, most in (("pixels", 1, PIXELS), ("classes", 1, CLASSES)):
            self._at_least(name, least)
            if getattr(self, name) > most:
                raise InputError(
                    f"case {self.name!r}: {name} is {getattr(self, name)}; the digits have {most}."
                )
        if "functional" in (self.form, self.against) and not self.optimizer.is_plain:
            raise InputError(
                f"case {self.name!r}: the functional form is trained by plain sgd; take the form "
                "'object' for another optimizer."
            )

    def _sizes(self) -> dict[str, object]:
        return {"d": self.pixels, "classes": self.classes}

    def _of_the_data(self) -> dict[str, object]:
        return {"data": "digits, target digit"}

    def _optional(self) -> tuple[str, ...]:
        return ("only",)


class Softmax(Pair):
    """Softmax regression: weight (10, 64) and bias (10,), as nn.Linear has them."""

    name = "softmax"
    title = "softmax regression with a cross-entropy, on the digits"
    source = "d2l 4.4, 4.5; torch.nn.Linear, torch.nn.CrossEntropyLoss"
    names = MappingProxyType({"model": "softmax_regression", "loss": "cross_entropy"})

    @cached_property
    def forms(self) -> dict[str, Sides]:
        """Logits with a mean loss, and the book's probabilities with a loss per example."""
        return {
            "object": sides.both(self, "object", _objects),
            "functional": sides.both(self, "functional", _functional),
        }

    @property
    def cases(self) -> tuple[SoftmaxCase, ...]:
        """The table below."""
        return CASES

    def widths(self, case: Case) -> tuple[int, ...]:
        """Pixels and classes."""
        case = cast("SoftmaxCase", case)
        return (case.pixels, case.classes)

    def layout(self, case: Case) -> dict[str, tuple[int, ...]]:
        """As nn.Linear has them."""
        case = cast("SoftmaxCase", case)
        return {"W": (case.classes, case.pixels), "b": (case.classes,)}

    def shapes(self, case: Case) -> Shapes:
        """A row of log-probabilities is predicted."""
        case = cast("SoftmaxCase", case)
        return Shapes((case.pixels,), (), (case.classes,), ())

    def data(self, case: Case, generator: torch.Generator) -> Data:
        """Digits in a drawn order, between 0 and 1, and a drawn weight; the bias starts at 0."""
        case = cast("SoftmaxCase", case)
        features, labels = digits()
        chosen = torch.randperm(ROWS, generator=generator)[: case.n]
        layout = self.layout(case)
        weight = torch.randn(layout["W"], generator=generator, dtype=torch.float64)
        labels = labels[chosen] % case.classes
        if case.only is not None:
            labels = torch.full_like(labels, case.only)
        initial = (case.initial_std * weight, torch.zeros(layout["b"], dtype=torch.float64))
        return Data(
            case.placed(features[chosen, : case.pixels]),
            case.placed(labels),
            tuple(map(case.placed, initial)),
        )

    def follows(self, convention: Convention) -> Sides:
        """A loss per example is the functional form's."""
        return self.forms["functional" if convention.reduction == "none" else "object"]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The share of rows whose largest probability is that of the label."""
        return {"accuracy": sides.PACKAGES["builtin"].accuracy}

    def asked_cases(self, piece: str, form: str) -> Sequence[Case]:
        """The table in `softmax_questions`."""
        from harness.pairs import softmax_questions

        del form
        return softmax_questions.CASES.get(piece, ())

    def asked_data(self, case: Case, generator: torch.Generator) -> Data:
        """Features of either sign, which are no digits, and every class among the labels."""
        from harness.pairs import softmax_questions

        return softmax_questions.data(cast("SoftmaxCase", case), generator)

    def asked_states(
        self,
        case: Case,
        generator: torch.Generator,
        base: Recipe,
        positions: range,
        rows: int,
        size: float,
    ) -> tuple[Stack, Tensor]:
        """As `softmax_questions` draws them."""
        from harness.pairs import softmax_questions

        case = cast("SoftmaxCase", case)
        return softmax_questions.states(case, generator, base, positions, rows, size)

    def widened(self, case: Case, features: int) -> SoftmaxCase:
        """Of so many pixels; InputError where a digit has fewer."""
        return replace(cast("SoftmaxCase", case), pixels=features)

    def public_names(self) -> list[dict[str, Any]]:
        """What both packages have for softmax regression."""
        return sides.named_alike(_NAMES)


_NAMES = [
    "CrossEntropy",
    "SoftmaxRegression",
    "accuracy",
    "cross_entropy",
    "init_softmax_params",
    "log_softmax",
    "softmax",
    "softmax_regression",
]


@lru_cache(maxsize=1)
def digits() -> tuple[Tensor, Tensor]:
    """All digits: pixels (1797, 64) float64 between 0 and 1, and labels (1797,) int64.

    Source: scikit-learn's copy of the UCI optical digits; see data/README.md.
    """
    with (resources.files("harness.pairs") / "data" / "digits.csv").open("rb") as file:
        table = torch.from_numpy(np.loadtxt(file, delimiter=",", skiprows=1))
    return table[:, :PIXELS] / _LARGEST, table[:, PIXELS].long()


def _functional(package: ModuleType) -> Recipe:
    return sides.functional(
        package,
        convention=Convention(1.0, "none"),
        init=package.init_softmax_params,
        model=lambda d, q: FunctionalInputsFirst(
            package.softmax_regression, package.init_softmax_params(d, q)
        ),
        loss=package.cross_entropy,
        reading=PROBABILITIES,
        metric=package.accuracy,
    )


def _objects(package: ModuleType) -> Recipe:
    def model(d: int, q: int) -> Model:
        made = package.SoftmaxRegression(d, q, lr=1.0)
        return made if isinstance(made, nn.Module) else InputsFirst(made)

    return sides.objects(
        package,
        "object",
        convention=Convention(1.0, "mean"),
        init=lambda d, q: list(package.SoftmaxRegression(d, q, lr=1.0).parameters()),
        model=model,
        loss=package.CrossEntropy(),
        reading=LOGITS,
        metric=package.accuracy,
    )


SOFTMAX = Softmax()
SoftmaxCase.pair = SOFTMAX

CASES: tuple[SoftmaxCase, ...] = (
    SoftmaxCase("softmax", "logits and log-sum-exp by hand beside CrossEntropyLoss"),
    SoftmaxCase(
        "softmax-functional",
        "the book's form: probabilities, and minus the logarithm of that at the label",
        form="functional",
    ),
    SoftmaxCase(
        "softmax-functional-against-object",
        "the book's pair: probabilities by hand against logits, read as log-probabilities",
        form="functional",
        against="object",
    ),
    SoftmaxCase("softmax-tail", "503 rows make 16 batches, the last of 23", num_examples=503),
    SoftmaxCase(
        "softmax-tail-summed",
        "the short last batch in the functional form: the update divides by its true length",
        form="functional",
        num_examples=503,
    ),
    SoftmaxCase("softmax-batch-1", "one example a step", num_examples=100, batch_size=1, lr=0.02),
    SoftmaxCase("softmax-batch-over-n", "a batch larger than the data", num_examples=20, epochs=10),
    SoftmaxCase(
        "softmax-zero-init", "all logits equal at first: a tie in every row", initial_std=0.0
    ),
    SoftmaxCase(
        "softmax-far-logits",
        "logits in the hundreds: without the shift they overflow",
        initial_std=40.0,
    ),
    SoftmaxCase("softmax-one-class", "every label is a 3: the loss goes to 0", only=3, lr=0.5),
    SoftmaxCase("softmax-float64", "double precision", dtype="float64"),
    SoftmaxCase(
        "softmax-functional-float64",
        "probabilities in double precision",
        form="functional",
        dtype="float64",
    ),
    SoftmaxCase("softmax-bfloat16", "8 bits of precision", dtype="bfloat16"),
    SoftmaxCase(
        "softmax-accumulate",
        "micro-batches of 12, 12 and 8, and a tail of 23: each weighs by its rows",
        micro_batch_size=12,
        num_examples=503,
    ),
    SoftmaxCase("softmax-clipped", "gradient norm clipped at .5", clip=0.5),
    SoftmaxCase(
        "softmax-adam",
        "trained by Adam",
        optimizer=UpdateRule.of("adam"),
        lr=0.01,
    ),
)
