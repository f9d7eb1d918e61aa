"""What a loop of the object form gets instead of the answer's own model, optimizer and data.

They pass every call on to the conductor of the loop (`loop`), which makes it a step of its side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, Self

from torch import Tensor

from harness.answers.stubs.inert import Inert

Pair = tuple[Tensor, Tensor]


class Conductor(Protocol):
    """What is needed of the conductor of a loop."""

    def predict(self, X: Tensor, pair: Pair) -> Tensor:
        """The side's prediction."""

    def computed_loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """The side's loss."""

    def step(self, pair: Pair) -> None:
        """The side's update."""


class Model:
    """Stands for the answer's model; `names` are what it calls its weight and its bias."""

    def __init__(self, conductor: Conductor, names: Sequence[str], lr: float, pair: Pair) -> None:
        self._conductor, self._pair = conductor, pair
        self.lr = lr
        self.board: Any = Inert()
        self.training = True
        for name, value in zip(names, pair, strict=True):
            setattr(self, name, value)

    def __call__(self, X: Tensor) -> Tensor:
        """The prediction."""
        return self.forward(X)

    def forward(self, X: Tensor) -> Tensor:
        """Features (m, d) -> predictions."""
        return self._conductor.predict(X, self._pair)

    predict = forward

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """The loss of a batch."""
        return self._conductor.computed_loss(y_hat, y)

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        """The loss of a batch (X, y)."""
        return self.loss(self(*batch[:-1]), batch[-1])

    validation_step = training_step

    def parameters(self) -> Iterator[Tensor]:
        """The tensors that are trained, weight before bias."""
        return iter(self._pair)

    def configure_optimizers(self) -> Optimizer:
        """The optimizer."""
        return Optimizer(self._conductor, self.lr, self._pair)

    def plot(self, *_: Any, **__: Any) -> None:
        """Draw nothing."""

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.configure_optimizers().zero_grad()

    def train(self, mode: bool = True) -> Self:
        """Set the flag."""
        self.training = mode
        return self

    def eval(self) -> Self:
        """Clear the flag."""
        return self.train(mode=False)


class Optimizer:
    """Stands for the answer's optimizer."""

    def __init__(self, conductor: Conductor, lr: float, pair: Pair) -> None:
        self._conductor, self._pair = conductor, pair
        self.params = list(pair)
        self.lr = lr

    def step(self, *_: Any) -> None:
        """Update."""
        self._conductor.step(self._pair)

    def zero_grad(self, *_: Any, **__: Any) -> None:
        """Forget the gradients."""
        for parameter in self.params:
            parameter.grad = None


class DataModule:
    """Stands for the data that a Trainer is given: nothing to validate on."""

    def __init__(
        self, batches: Callable[[], Any], batch_size: int, lengths: tuple[int, int]
    ) -> None:
        self._batches = batches
        self.batch_size = batch_size
        self.num_train, self.num_val = lengths

    def train_dataloader(self) -> Any:
        """The batches, to be gone through once an epoch."""
        return self._batches()

    def get_dataloader(self, train: bool = True) -> Any:
        """The batches to train on."""
        return self._batches() if train else []

    def val_dataloader(self) -> None:
        """None."""
