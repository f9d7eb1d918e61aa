"""Linear regression with a squared error: the first pair, and the one with the most to it.

Three forms (½ squares per example with a summed gradient, the mean of ½ squares, the mean of
squares), a hidden layer of rectified units where a case asks for one, synthetic data or a table of
one's own, and the exact minimiser beside what was trained.

Source: d2l 3.4 (from scratch), 3.5 (concise); torch.nn.Linear, torch.nn.MSELoss.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import Tensor, nn

from harness.engine.case import Case, Data
from harness.engine.pair import Pair, Shapes, Sides
from harness.engine.pieces import Functional, InputsFirst
from harness.engine.recipe import Convention, Loss, Model, Recipe
from harness.engine.trace import Stack
from harness.errors import InputError
from harness.pairs import sides

if TYPE_CHECKING:
    from harness.pairs.table import Table

Form = Literal["functional", "object", "mse"]


@dataclass(frozen=True)
class LinearData(Data):
    """Features (n, d), labels (n, 1) or (n,), initial parameters, and the truth where it is known.

    `truth` is the weight (d,) and bias that made the labels, None where nobody knows them.
    """

    truth: tuple[Tensor, float] | None = None

    @property
    def is_linear(self) -> bool:
        """Whether the model has no hidden layer, so that there is an exact minimiser."""
        return len(self.initial) == 2

    def mean_squared_error(self, parameters: Tensor) -> float:
        """Mean of squared errors on all the data for all parameters joined (P,), without the ½.

        Computed in float64; `torch.nn.MSELoss` of the whole data set.
        """
        total = 0.0
        for X, y in self.blocks():
            X64 = X.double()
            residual = self._predicted(X64, parameters.to(X64)) - y.reshape(-1)
            total += float(residual.square_().sum())
        return total / len(self.features)

    def _predicted(self, X: Tensor, parameters: Tensor) -> Tensor:
        """Predictions (n,) for all parameters joined (P,)."""
        *hidden, weight, bias = (
            part.reshape(start.shape)
            for part, start in zip(
                parameters.split([start.numel() for start in self.initial]),
                self.initial,
                strict=True,
            )
        )
        if hidden:
            X = torch.addmm(hidden[1], X, hidden[0].T).clamp_(min=0)
        return torch.addmv(bias, X, weight)

    def least_squares(self) -> Tensor:
        """The exact minimiser (d + 1,), bias last, by `torch.linalg.lstsq` in float64.

        Where it is not unique it is the shortest one; where the data is not finite it is NaN.
        """
        features = self.features.double().cpu()
        ones = torch.ones(len(features), 1, dtype=torch.float64)
        labels = self.labels.double().cpu().reshape(-1, 1)
        design = torch.cat((features, ones), 1)
        if not (design.isfinite().all() and labels.isfinite().all()):
            return torch.full((design.shape[1],), math.nan, dtype=torch.float64)
        solution: Tensor = torch.linalg.lstsq(design, labels, driver="gelsd").solution
        return solution[:, 0]


@dataclass(frozen=True)
class LinearCase(Case):
    """A run of linear regression.

    `form` is how the subject is written, `against` how the reference is: "functional" (½ squares
    per example, summed gradient divided in the update), "object" (mean of ½ squares) or "mse"
    (mean of squares). The labels are `features @ weight + bias` plus normal noise, unless `table`
    holds real data. `hidden` is the width of a hidden layer of rectified units, 0 for a linear
    model.
    """

    form: str = "mse"
    weight: tuple[float, ...] = (2.0, -3.4)
    bias: float = 4.2
    noise: float = 0.01
    flat_labels: bool = False
    strided_features: bool = False
    collinear: bool = False
    hidden: int = 0
    table: Table | None = None

    def __post_init__(self) -> None:
        """Refuse settings under which nothing could be trained."""
        super().__post_init__()
        self._at_least("hidden", 0)
        if "functional" in (self.form, self.against) and (
            self.hidden or not self.optimizer.is_plain
        ):
            raise InputError(
                f"case {self.name!r}: the functional form is a linear model with plain sgd; take "
                "the form 'object' or 'mse' for a hidden layer or another optimizer."
            )

    @property
    def n(self) -> int:
        """Number of examples."""
        return self.table.features.shape[0] if self.table else self.num_examples

    @property
    def d(self) -> int:
        """Number of features."""
        return self.table.features.shape[1] if self.table else len(self.weight)

    def data(self) -> LinearData:
        """Draw (or read) the data and the initial parameters, as `Case.data`."""
        return cast("LinearData", super().data())

    def _sizes(self) -> dict[str, object]:
        return {"d": self.d}

    def _of_the_data(self) -> dict[str, object]:
        if not self.table:
            return {"noise": self.noise}
        return {
            "data": f"{self.table.name}, target {self.table.target}",
            "features": ", ".join(self.table.feature_names),
            "scaling": self.table.scaling,
        }

    def _optional(self) -> tuple[str, ...]:
        return ("flat_labels", "strided_features", "collinear", "hidden")


class Linear(Pair):
    """Linear regression: weight (d,) and bias (1,), or those of two layers as nn.Linear's."""

    name = "linear"
    title = "linear regression with a squared error"
    source = "d2l 3.4, 3.5; torch.nn.Linear, torch.nn.MSELoss"
    scalars = frozenset({"b"})

    @cached_property
    def forms(self) -> dict[str, Sides]:
        """The three forms; "mse" first, which needs nothing to be reconciled."""
        return {
            "mse": sides.both(self, "mse", partial(_objects, half=False)),
            "object": sides.both(self, "object", partial(_objects, half=True)),
            "functional": sides.both(self, "functional", _functional),
        }

    @property
    def cases(self) -> tuple[LinearCase, ...]:
        """The table in `linear_cases`."""
        from harness.pairs import linear_cases

        return linear_cases.CASES

    def widths(self, case: Case) -> tuple[int, ...]:
        """Features, and hidden units where there are any."""
        case = cast("LinearCase", case)
        return (case.d, case.hidden) if case.hidden else (case.d,)

    def layout(self, case: Case) -> dict[str, tuple[int, ...]]:
        """Weight matrices as nn.Linear has them: (out, in); those of one output are vectors."""
        case = cast("LinearCase", case)
        if not case.hidden:
            return {"w": (case.d,), "b": (1,)}
        return {
            "W1": (case.hidden, case.d),
            "b1": (case.hidden,),
            "W2": (case.hidden,),
            "b2": (1,),
        }

    def shapes(self, case: Case) -> Shapes:
        """One number a row is predicted."""
        case = cast("LinearCase", case)
        return Shapes((case.d,), () if case.flat_labels else (1,), (1,), (1,))

    def data(self, case: Case, generator: torch.Generator) -> LinearData:
        """Synthetic data, or the case's table."""
        case = cast("LinearCase", case)
        truth = None
        if case.table:
            features = torch.as_tensor(case.table.features, dtype=torch.float64)
            labels = torch.as_tensor(case.table.labels, dtype=torch.float64)
        else:
            features, labels, truth = _synthetic(case, generator)
        initial = [_initial(case, generator, *leaf) for leaf in self.layout(case).items()]
        return LinearData(
            _laid_out(case, case.placed(features)),
            case.placed(labels.reshape(-1) if case.flat_labels else labels),
            tuple(map(case.placed, initial)),
            truth,
        )

    def is_bounded(self, case: Case) -> bool:
        """A hidden layer has kinks, and its values may cancel."""
        return not cast("LinearCase", case).hidden

    def follows(self, convention: Convention) -> Sides:
        """One of the three forms, or squares per example."""
        return _following(convention)

    def landmarks(self, case: Case, data: Data) -> dict[str, Tensor]:
        """The truth that made the labels, and the exact minimiser of a linear model."""
        del case
        data = cast("LinearData", data)
        if not data.is_linear:
            return {}
        landmarks: dict[str, Tensor] = {}
        if data.truth:
            weight, bias = data.truth
            landmarks["truth"] = torch.cat((weight, weight.new_tensor([bias])))
        return landmarks | {"least_squares": data.least_squares()}

    def observations(self, case: Case, data: Data) -> Sequence[str]:
        """What is not shown of a hidden layer; what the bare built-in does to flat labels."""
        case = cast("LinearCase", case)
        if case.hidden:
            text = (
                "Neither the truth nor a least-squares solution stands beside the final "
                "parameters: a hidden layer has many equally good ones, and no formula for them."
            )
            return [text]
        return [_broadcast(case, data)] if case.flat_labels else []

    def asked_cases(self, piece: str, form: str) -> Sequence[Case]:
        """The table in `linear_questions`; a loop with micro-batches where the form has them."""
        from harness.pairs import linear_questions

        cases = linear_questions.CASES.get(piece, ())
        if piece == "loop" and form != "functional":
            return (*cases, linear_questions.MICRO_BATCHES)
        return cases

    def asked_data(self, case: Case, generator: torch.Generator) -> LinearData:
        """With a bias far from 0."""
        from harness.pairs import linear_questions

        return linear_questions.data(cast("LinearCase", case), generator)

    def asked_states(
        self,
        case: Case,
        generator: torch.Generator,
        base: Recipe,
        positions: range,
        rows: int,
        size: float,
    ) -> tuple[Stack, Tensor]:
        """As `linear_questions` draws them."""
        from harness.pairs import linear_questions

        case = cast("LinearCase", case)
        return linear_questions.states(case, generator, base, positions, rows, size)

    def widened(self, case: Case, features: int) -> LinearCase:
        """With weights of either sign."""
        weight = tuple(2.0 - 3.4 * j for j in range(features))
        return replace(cast("LinearCase", case), weight=weight)

    def public_names(self) -> list[dict[str, str]]:
        """What both packages have for regression, with what each side follows."""
        scratch = sides.PACKAGES["scratch"]
        others = "scratch.softmax"
        names = [n for n in scratch.__all__ if getattr(scratch, n).__module__ != others]
        return sides.named_alike(names)


def _synthetic(
    case: LinearCase, generator: torch.Generator
) -> tuple[Tensor, Tensor, tuple[Tensor, float]]:
    weight = torch.tensor(case.weight, dtype=torch.float64)
    features = torch.randn(case.n, case.d, generator=generator, dtype=torch.float64)
    if case.collinear:
        features[:, 1] = 2 * features[:, 0]
    labels = (features @ weight + case.bias).reshape(-1, 1)
    labels += case.noise * torch.randn(labels.shape, generator=generator, dtype=torch.float64)
    return features, labels, (weight, case.bias)


def _initial(
    case: LinearCase, generator: torch.Generator, name: str, shape: tuple[int, ...]
) -> Tensor:
    """A weight is drawn; a bias starts at 0."""
    if name.startswith("b"):
        return torch.zeros(shape, dtype=torch.float64)
    return case.initial_std * torch.randn(shape, generator=generator, dtype=torch.float64)


def _laid_out(case: LinearCase, features: Tensor) -> Tensor:
    """The features as a strided view of a wider, transposed store, where the case asks it."""
    if not case.strided_features:
        return features
    wide = features.new_full((2 * case.d, case.n), math.nan)
    wide[::2] = features.T
    return wide[::2].T


def _broadcast(case: LinearCase, data: Data) -> str:
    """What bare nn.MSELoss does to labels (m,)."""
    X, y = data.features[: case.batch_size], data.labels[: case.batch_size]
    y_hat = torch.zeros(len(X), 1).to(X)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bare = nn.MSELoss(reduction="none")(y_hat, y)
    shaped = nn.MSELoss(reduction="none")(y_hat, y.reshape(-1, 1))
    return (
        f"Bare nn.MSELoss gets {tuple(y_hat.shape)} against {tuple(y.shape)} and broadcasts to "
        f"{tuple(bare.shape)} instead of {tuple(shaped.shape)}"
        + (" with a warning" if caught else " without a warning")
        + "; both packages reshape the labels first."
    )


def _functional(package: ModuleType) -> Recipe:
    return sides.functional(
        package,
        convention=Convention(0.5, "none"),
        init=package.init_params,
        model=lambda d: Functional(package.linreg, package.init_params(d)),
        loss=package.squared_loss,
        bounded=True,
    )


def _objects(package: ModuleType, *, half: bool) -> Recipe:
    def model(d: int, hidden: int = 0) -> Model:
        if not hidden:
            return package.LinearRegression(d, lr=1.0)  # type: ignore[no-any-return]
        made = package.MLP(d, hidden, lr=1.0)
        return made if isinstance(made, nn.Module) else InputsFirst(made)

    return sides.objects(
        package,
        "object" if half else "mse",
        convention=Convention(0.5 if half else 1.0, "mean"),
        init=lambda d: list(package.LinearRegression(d, lr=1.0).parameters()),
        model=model,
        loss=package.LinearRegression(1, lr=1.0).loss if half else package.MSE(),
        bounded=True,
    )


@lru_cache(maxsize=8)
def _following(convention: Convention) -> Sides:
    name = "functional"
    if convention.reduction != "none":
        name = "object" if convention.half else "mse"
    form = LINEAR.forms[name]
    form = replace(form, builtin=sides.quick(form.builtin))
    if name != "functional" or convention.half:
        return form
    twice = [
        replace(side, convention=convention, loss=loss, bounded=(side.model, loss))
        for side in form.both
        for loss in [partial(_twice, side.loss)]
    ]
    return Sides("functional", *twice)


def _twice(half: Loss, y_hat: Tensor, y: Tensor) -> Tensor:
    """Squares per example (m, 1), out of ½ squares."""
    return 2 * half(y_hat, y)


def written_by_hand() -> str:
    """The functional form of `scratch` as one file, as somebody might hand it in."""
    scratch = sides.PACKAGES["scratch"]
    pieces = (
        *(scratch.data_iter, scratch.init_params, scratch.linreg, scratch.squared_loss),
        *(scratch.sgd, scratch.train_batch, scratch.train),
    )
    head = "from __future__ import annotations\nimport math\nimport torch\nfrom torch import Tensor"
    return "\n\n".join([head, *(inspect.getsource(piece) for piece in pieces)])


LINEAR = Linear()
LinearCase.pair = LINEAR
SCRATCH = {form: pair.scratch for form, pair in LINEAR.forms.items()}
BUILTIN = {form: pair.builtin for form, pair in LINEAR.forms.items()}
footing = LINEAR.follows
# of a batch with labels (m, 1) and any number of features
ROW_SHAPES = Shapes((1,), (1,), (1,), (1,))
