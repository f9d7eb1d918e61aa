"""The settings of one run of a pair. Nothing here trains or judges, and nothing knows of recipes.

A case says what is trained on, from where, and how long; an edge case is just another case. What
its data and parameters are is its pair's affair (`pair`): every pair has a class of cases of its
own, with the settings that only its data have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.engine.pair import Pair

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
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_ROWS = 65536  # rows looked at at once, to bound the memory


def bits_of(values: Tensor) -> Tensor:
    """The bits of numbers as integers of the same width: NaN equals NaN, 0 does not equal -0."""
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
    """What a run is given: features (n, ...), labels (n, ...), and where the parameters start.

    `initial` is what every side starts from, in the shapes of `Case.layout`.
    """

    features: Tensor
    labels: Tensor
    initial: tuple[Tensor, ...]

    def is_finite(self) -> bool:
        """Whether every feature and label is a finite number."""
        return bool(self.features.isfinite().all() and self.labels.isfinite().all())

    def fingerprint(self) -> int:
        """A number that changes when a value or the order of the rows does (not of the columns)."""
        total = 0
        for values in (self.features, self.labels):
            for first, rows in enumerate(values.reshape(len(values), -1).split(_ROWS)):
                sums = bits_of(rows).sum(1, dtype=torch.int64)
                place = torch.arange(len(rows), device=rows.device) + first * _ROWS
                total += int((sums * (2 * place + 1)).sum())
        return total

    def blocks(self) -> Sequence[tuple[Tensor, Tensor]]:
        """Features and labels some thousand rows at a time, in order."""
        return list(zip(self.features.split(_ROWS), self.labels.split(_ROWS), strict=True))


@dataclass(frozen=True)
class Case:
    """One run's data and hyperparameters; `purpose` says in one line what the case is for.

    `form` is how the subject is written, `against` how the reference is, by the names of the pair's
    forms. `num_examples` are the rows trained on; `optimizer` is the rule that both sides update
    by.
    """

    pair: ClassVar[Pair]

    name: str
    purpose: str
    form: str = ""
    against: str | None = None
    num_examples: int = 1000
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
    one_pass_iterator: bool = False
    optimizer: UpdateRule = UpdateRule()

    def __post_init__(self) -> None:
        """Refuse settings under which nothing could be trained."""
        for name, least in {"num_examples": 1, "batch_size": 1, "epochs": 1, "seed": 0}.items():
            self._at_least(name, least)
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
                f"the trainer; take {self._other_forms()}."
            )
        if self.optimizer.name not in OPTIMIZERS:
            raise InputError(
                f"case {self.name!r}: optimizer {self.optimizer.name!r} is not known; take one of "
                f"{', '.join(OPTIMIZERS)}."
            )

    def _at_least(self, name: str, least: int) -> None:
        if getattr(self, name) < least:
            raise InputError(
                f"case {self.name!r}: {name} is {getattr(self, name)}; it must be at least {least}."
            )

    def _other_forms(self) -> str:
        """The forms that have a trainer, in words."""
        others = [repr(form) for form in self.pair.forms if form != "functional"]
        return f"the form {' or '.join(others)}"

    @property
    def n(self) -> int:
        """Number of examples."""
        return self.num_examples

    @property
    def d(self) -> int:
        """Numbers in the features of a row."""
        return math.prod(self.pair.shapes(self).features)

    @property
    def widths(self) -> tuple[int, ...]:
        """What a recipe's model is made for: the arguments of the piece `model`."""
        return self.pair.widths(self)

    @property
    def layout(self) -> dict[str, tuple[int, ...]]:
        """The parameters' names and shapes, as the built-in has them."""
        return self.pair.layout(self)

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

    def on(self, device: str) -> Self:
        """The same case on another device."""
        return replace(self, device=device)

    def settings(self) -> dict[str, object]:
        """What a reader needs to run the case again, as plain values."""
        shown: dict[str, object] = {
            "n": self.n,
            **self._sizes(),
            "batch_size": self.batch_size,
            "lr": self.lr,
            "epochs": self.epochs,
            "seed": self.seed,
            "initial_std": self.initial_std,
            **self._of_the_data(),
        }
        optional = ("micro_batch_size", "clip", *self._optional(), "one_pass_iterator")
        shown |= {name: getattr(self, name) for name in optional if getattr(self, name)}
        if not self.clear_gradients:
            shown["clear_gradients"] = False
        if not self.optimizer.is_plain:
            shown["optimizer"] = str(self.optimizer)
        return shown

    def _sizes(self) -> dict[str, object]:
        """Sizes of the data besides the rows."""
        return {}

    def _of_the_data(self) -> dict[str, object]:
        """Where the data come from."""
        return {}

    def _optional(self) -> tuple[str, ...]:
        """Names of a pair's own settings that are shown where they are set."""
        return ()

    def data(self) -> Data:
        """Draw (or read) the data and the initial parameters.

        Everything is drawn in float64 on the CPU from a generator seeded by `seed`, then rounded
        to the case's dtype and moved, so that every dtype and device sees the same problem. No
        global generator is touched.
        """
        return self.pair.data(self, torch.Generator().manual_seed(self.seed))

    def placed(self, values: Tensor) -> Tensor:
        """Floats on the case's device in its dtype; whole numbers, such as classes, stay whole."""
        dtype = self.torch_dtype if values.is_floating_point() else values.dtype
        return values.to(device=self.device, dtype=dtype)


def devices() -> list[str]:
    """Where the cases run: the CPU, and CUDA where there is one."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
