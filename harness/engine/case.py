"""The data and settings of one run, and the table of cases that `svb compare` runs by default.

A case knows nothing of recipes: it says what is trained on, from where, and how long. An edge case
is just another case. Nothing here trains or judges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.pairs.table import Table

Form = Literal["functional", "object", "mse"]
Setting = float | tuple[float, float]
OPTIMIZERS = {
    "sgd": "SGD",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "adadelta": "Adadelta",
    "adam": "Adam",
    "adamw": "AdamW",
}
DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
_ROWS = 65536  # rows taken to float64 at once, to bound the memory


def bits_of(values: Tensor) -> Tensor:
    """The bits of floats as integers of the same width: equal for NaN too, unequal for 0 and -0."""
    return values.contiguous().view(_INTEGERS[values.element_size()])


@dataclass(frozen=True)
class UpdateRule:
    """Which optimizer updates the parameters, by its name in `OPTIMIZERS`, and with what settings.

    The settings are those of `scratch.optim` besides lr, as pairs: `UpdateRule.of` makes them.
    """

    name: str = "sgd"
    settings: tuple[tuple[str, Setting], ...] = ()

    @classmethod
    def of(cls, name: str, **settings: Setting) -> UpdateRule:
        """The rule of this name with these settings, the others as they are by default."""
        return cls(name, tuple(sorted(settings.items())))

    @property
    def is_plain(self) -> bool:
        """Whether this is p - lr · gradient and nothing else."""
        return self == UpdateRule()

    @property
    def scales_with_lr(self) -> bool:
        """Whether a gradient twice as large is made up for by half the learning rate."""
        return self.name == "sgd" and not dict(self.settings).get("weight_decay")

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.settings)
        return f"{self.name}({shown})" if shown else self.name


@dataclass(frozen=True)
class Data:
    """What a run is given: features (n, d), labels (n, 1) or (n,), and where the parameters start.

    `truth` is the weight (d,) and bias that made the labels, None where nobody knows them.
    `initial` is what every side starts from, in the shapes of `Case.layout`: the weight (d,) and
    bias (1,), or those of both layers.
    """

    features: Tensor
    labels: Tensor
    initial: tuple[Tensor, ...]
    truth: tuple[Tensor, float] | None

    @property
    def is_linear(self) -> bool:
        """Whether the model has no hidden layer, so that there is an exact minimiser."""
        return len(self.initial) == 2

    def mean_squared_error(self, parameters: Tensor) -> float:
        """Mean of squared errors on all the data for all parameters joined (P,), without the ½.

        Computed in float64; `torch.nn.MSELoss` of the whole data set.
        """
        total = 0.0
        for X, y in zip(self.features.split(_ROWS), self.labels.split(_ROWS), strict=True):
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

    def is_finite(self) -> bool:
        """Whether every feature and label is a finite number."""
        return bool(self.features.isfinite().all() and self.labels.isfinite().all())

    def fingerprint(self) -> int:
        """A number that changes when a value or the order of the rows does (not of the columns)."""
        total = 0
        for values in (self.features, self.labels.reshape(-1, 1)):
            for first, rows in enumerate(values.split(_ROWS)):
                sums = bits_of(rows).sum(1, dtype=torch.int64)
                place = torch.arange(len(rows), device=rows.device) + first * _ROWS
                total += int((sums * (2 * place + 1)).sum())
        return total

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
class Case:
    """One run's data and hyperparameters; `purpose` says in one line what the case is for.

    `form` is how the subject is written, `against` how the reference is: "functional" (½ squares
    per example, summed gradient divided in the update), "object" (mean of ½ squares) or "mse"
    (mean of squares). The labels are `features @ weight + bias` plus normal noise, unless `table`
    holds real data. `hidden` is the width of a hidden layer of rectified units, 0 for a linear
    model; `optimizer` is the rule that both sides update by.
    """

    name: str
    purpose: str
    form: Form = "mse"
    against: Form | None = None
    num_examples: int = 1000
    weight: tuple[float, ...] = (2.0, -3.4)
    bias: float = 4.2
    noise: float = 0.01
    batch_size: int = 10
    lr: float = 0.03
    epochs: int = 3
    seed: int = 0
    initial_std: float = 0.01
    dtype: str = "float32"
    device: str = "cpu"
    micro_batch_size: int | None = None
    clip: float = 0.0
    clear_gradients: bool = True
    flat_labels: bool = False
    strided_features: bool = False
    collinear: bool = False
    one_pass_iterator: bool = False
    hidden: int = 0
    optimizer: UpdateRule = UpdateRule()
    table: Table | None = None

    def __post_init__(self) -> None:
        """Refuse settings under which nothing could be trained."""
        least_values = {"num_examples": 1, "batch_size": 1, "epochs": 1, "seed": 0, "hidden": 0}
        for name, least in least_values.items():
            if getattr(self, name) < least:
                raise InputError(
                    f"case {self.name!r}: {name} is {getattr(self, name)}; it must be at least "
                    f"{least}."
                )
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise InputError(
                f"case {self.name!r}: lr is {self.lr}; it must be a positive finite number."
            )
        if self.dtype not in DTYPES:
            raise InputError(
                f"case {self.name!r}: dtype {self.dtype!r} is not known; take one of "
                f"{', '.join(DTYPES)}."
            )
        if self.form == "functional" and (
            self.clip or self.micro_batch_size or not self.clear_gradients
        ):
            raise InputError(
                f"case {self.name!r}: clipping, micro-batches and uncleared gradients belong to "
                "the trainer; take the form 'object' or 'mse'."
            )
        if self.optimizer.name not in OPTIMIZERS:
            raise InputError(
                f"case {self.name!r}: optimizer {self.optimizer.name!r} is not known; take one of "
                f"{', '.join(OPTIMIZERS)}."
            )
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

    @property
    def widths(self) -> tuple[int, ...]:
        """What a recipe's model is made for: features, and hidden units where there are any."""
        return (self.d, self.hidden) if self.hidden else (self.d,)

    @property
    def layout(self) -> dict[str, tuple[int, ...]]:
        """The parameters' names and shapes, weight matrices as nn.Linear has them: (out, in)."""
        if not self.hidden:
            return {"w": (self.d,), "b": (1,)}
        return {
            "W1": (self.hidden, self.d),
            "b1": (self.hidden,),
            "W2": (self.hidden,),
            "b2": (1,),
        }

    @property
    def num_parameters(self) -> int:
        """All entries of all parameters."""
        return sum(math.prod(shape) for shape in self.layout.values())

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype both sides train in."""
        return DTYPES[self.dtype]

    @property
    def total_steps(self) -> int:
        """Updates in a whole run: epochs times the batches of an epoch, the short last included."""
        return self.epochs * math.ceil(self.n / self.batch_size)

    def on(self, device: str) -> Case:
        """The same case on another device."""
        return replace(self, device=device)

    def settings(self) -> dict[str, object]:
        """What a reader needs to run the case again, as plain values."""
        shown: dict[str, object] = {
            "n": self.n,
            "d": self.d,
            "batch_size": self.batch_size,
            "lr": self.lr,
            "epochs": self.epochs,
            "seed": self.seed,
            "initial_std": self.initial_std,
        }
        if self.table:
            shown["data"] = f"{self.table.name}, target {self.table.target}"
            shown["features"] = ", ".join(self.table.feature_names)
            shown["scaling"] = self.table.scaling
        else:
            shown |= {"noise": self.noise}
        optional = (
            "micro_batch_size",
            "clip",
            "flat_labels",
            "strided_features",
            "collinear",
            "one_pass_iterator",
            "hidden",
        )
        shown |= {name: getattr(self, name) for name in optional if getattr(self, name)}
        if not self.clear_gradients:
            shown["clear_gradients"] = False
        if not self.optimizer.is_plain:
            shown["optimizer"] = str(self.optimizer)
        return shown

    def data(self) -> Data:
        """Draw (or read) the data and the initial parameters.

        Everything is drawn in float64 on the CPU from a generator seeded by `seed`, then rounded
        to the case's dtype and moved, so that every dtype and device sees the same problem. No
        global generator is touched.
        """
        generator = torch.Generator().manual_seed(self.seed)
        if self.table:
            features = torch.as_tensor(self.table.features, dtype=torch.float64)
            labels = torch.as_tensor(self.table.labels, dtype=torch.float64)
            truth = None
        else:
            features, labels, truth = self._synthetic(generator)
        initial = [self._initial(generator, name, shape) for name, shape in self.layout.items()]
        return Data(
            self._laid_out(self._placed(features)),
            self._placed(labels.reshape(-1) if self.flat_labels else labels),
            tuple(map(self._placed, initial)),
            truth,
        )

    def _initial(self, generator: torch.Generator, name: str, shape: tuple[int, ...]) -> Tensor:
        """A weight is drawn; a bias starts at 0."""
        if name.startswith("b"):
            return torch.zeros(shape, dtype=torch.float64)
        return self.initial_std * torch.randn(shape, generator=generator, dtype=torch.float64)

    def _synthetic(self, generator: torch.Generator) -> tuple[Tensor, Tensor, tuple[Tensor, float]]:
        weight = torch.tensor(self.weight, dtype=torch.float64)
        features = torch.randn(self.n, self.d, generator=generator, dtype=torch.float64)
        if self.collinear:
            features[:, 1] = 2 * features[:, 0]
        labels = (features @ weight + self.bias).reshape(-1, 1)
        labels += self.noise * torch.randn(labels.shape, generator=generator, dtype=torch.float64)
        return features, labels, (weight, self.bias)

    def _placed(self, values: Tensor) -> Tensor:
        return values.to(device=self.device, dtype=self.torch_dtype)

    def _laid_out(self, features: Tensor) -> Tensor:
        """The features as a strided view of a wider, transposed store, where the case asks it."""
        if not self.strided_features:
            return features
        wide = features.new_full((2 * self.d, self.n), math.nan)
        wide[::2] = features.T
        return wide[::2].T


_FORM_PURPOSES: dict[Form, str] = {
    "mse": "mean of squares",
    "object": "mean of ½ squares",
    "functional": "½ squares per example, summed gradient",
}
D5 = (2.0, -3.4, 5.6, 3.2, -0.6)

DEFAULT_CASES: tuple[Case, ...] = (
    Case("object-d2", "d2l's object form: mean of ½ squares, the book's setting", form="object"),
    Case(
        "object-against-mse",
        "d2l's published pair: ½ squares by hand against MSELoss, equal only with lr halved",
        form="object",
        against="mse",
    ),
    Case(
        "functional-d2",
        "d2l's functional form: ½ squares per example, summed gradient divided in sgd",
        form="functional",
    ),
    Case(
        "functional-against-mse",
        "the functional form against MSELoss: factors ½ and batch length, named",
        form="functional",
        against="mse",
    ),
    Case("mse-d2", "scratch beside built-in with MSE: nothing to reconcile"),
    Case("mse-d5", "the concise form's setting: five features, MSELoss", weight=D5),
    Case("functional-d5", "five features in the functional form", form="functional", weight=D5),
    Case(
        "tail-batch",
        "a batch size that does not divide n: 1003 rows make 101 batches, the last of 3",
        num_examples=1003,
    ),
    Case(
        "tail-batch-summed",
        "the short last batch in the functional form: the update divides by its true length",
        form="functional",
        num_examples=1003,
    ),
    Case(
        "batch-over-n",
        "a batch larger than the data set: one short batch an epoch",
        num_examples=7,
        batch_size=16,
        epochs=20,
    ),
    Case(
        "batch-1",
        "one example a step: no averaging hides an error",
        num_examples=200,
        batch_size=1,
        lr=0.01,
    ),
    Case("n-1", "a single example: the smallest data set there is", num_examples=1, epochs=20),
    Case("one-feature", "d = 1: where a transpose and a reshape look the same", weight=(2.0,)),
    Case(
        "zero-init",
        "all parameters start at 0: a convex problem trains all the same",
        initial_std=0.0,
    ),
    Case(
        "large-init",
        "weights drawn with standard deviation 1000: far away, large residuals",
        initial_std=1000.0,
    ),
    Case(
        "labels-flat",
        "labels of shape (n,): without a reshape the difference broadcasts to (m, m)",
        flat_labels=True,
    ),
    Case(
        "labels-flat-functional",
        "labels of shape (n,) in the functional form",
        form="functional",
        flat_labels=True,
    ),
    Case(
        "accumulate-even",
        "gradients accumulated over two micro-batches of 5",
        micro_batch_size=5,
    ),
    Case(
        "accumulate-uneven",
        "micro-batches of 4, 4 and 2, and a tail of 3: each weighs by its rows",
        micro_batch_size=4,
        num_examples=1003,
    ),
    Case(
        "clearing-forgotten",
        "nobody clears the gradient: both sides must go wrong in the same way",
        clear_gradients=False,
        lr=0.001,
        epochs=1,
    ),
    Case("clipped", "gradient norm clipped at 1: active early, idle late", clip=1.0),
    Case(
        "iterator-used-twice",
        "one iterator made once for all epochs: used up after the first, on both sides",
        one_pass_iterator=True,
    ),
    Case("float64", "double precision: rounding 5e8 times smaller", dtype="float64"),
    Case("bfloat16", "8 bits of precision: the tolerance follows the dtype", dtype="bfloat16"),
    Case("strided", "features that are a strided view, not contiguous", strided_features=True),
    Case(
        "collinear",
        "one feature is twice another: no unique solution, the paths must still agree",
        weight=(2.0, -3.4, 1.5),
        collinear=True,
    ),
    Case(
        "diverges",
        "a learning rate far too large: both must overflow alike, at the same step",
        lr=3.0,
    ),
    Case(
        "constant-label",
        "every label is 4.2: the weights must go to 0",
        weight=(0.0, 0.0),
        noise=0.0,
        initial_std=1.0,
    ),
    Case("no-noise", "labels without noise: the loss goes down to rounding", noise=0.0),
    Case(
        "momentum",
        "a velocity that remembers: undamped at the first step only",
        num_examples=503,
        optimizer=UpdateRule.of("sgd", momentum=0.9, dampening=0.5),
        lr=0.01,
    ),
    Case(
        "nesterov",
        "momentum that looks one step ahead, and weight decay",
        num_examples=503,
        optimizer=UpdateRule.of("sgd", momentum=0.9, nesterov=True, weight_decay=0.01),
        lr=0.01,
    ),
    Case(
        "adagrad",
        "steps divided by the root of all squared gradients; eps outside the root",
        num_examples=503,
        optimizer=UpdateRule.of("adagrad"),
        lr=0.5,
    ),
    Case(
        "rmsprop",
        "steps divided by a running root mean square, centered, with momentum",
        num_examples=503,
        optimizer=UpdateRule.of("rmsprop", alpha=0.9, momentum=0.5, centered=True),
        lr=0.01,
    ),
    Case(
        "adadelta",
        "steps sized by earlier steps",
        num_examples=503,
        optimizer=UpdateRule.of("adadelta"),
        lr=1.0,
    ),
    Case(
        "adam",
        "both averages corrected for having started at zero; weight decay inside the gradient",
        num_examples=503,
        optimizer=UpdateRule.of("adam", weight_decay=0.01),
        lr=0.1,
    ),
    Case(
        "adamw",
        "Adam with the weight decay beside it, in double precision",
        num_examples=503,
        optimizer=UpdateRule.of("adamw", weight_decay=0.1),
        lr=0.1,
        dtype="float64",
    ),
    Case(
        "hidden-layer",
        "a layer of 8 rectified units: weights that lie transposed, and a gradient with kinks",
        form="object",
        num_examples=503,
        weight=D5,
        hidden=8,
        initial_std=0.5,
    ),
    Case(
        "hidden-layer-adam",
        "as many units as features, where a transpose has the same shape; trained by Adam",
        num_examples=503,
        weight=D5,
        hidden=5,
        initial_std=0.5,
        optimizer=UpdateRule.of("adam"),
        lr=0.01,
    ),
)


def named(names: list[str] | None = None) -> tuple[Case, ...]:
    """The default cases of these names, all where none is given.

    Raises InputError for a name that is not in the table.
    """
    if not names:
        return DEFAULT_CASES
    table = {case.name: case for case in DEFAULT_CASES}
    for name in names:
        if name not in table:
            raise InputError(f"there is no case {name!r}; `svb list cases` shows them all.")
    return tuple(table[name] for name in dict.fromkeys(names))


def on_table(table: Table, cases: Sequence[Case] | None = None) -> list[Case]:
    """Cases that train on a reader's table instead of synthetic data.

    The settings of `cases` where some are given, else each of the three forms once.
    """
    if cases is None:
        return [
            Case(
                f"{table.name}-{form}",
                f"{table.target} of {table.name}, {purpose}",
                form=form,
                table=table,
            )
            for form, purpose in _FORM_PURPOSES.items()
        ]
    return [
        replace(case, name=f"{table.name}-{case.name}", table=table, collinear=False)
        for case in cases
    ]


def devices() -> list[str]:
    """Where the cases run: the CPU, and CUDA where there is one."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
