"""The training loops over built-in pieces: a functional one, and a Trainer that drives any model.

Two conventions meet here, and give the same steps:
- functional (`train_batch`, `train`): a loss per example (½(ŷ-y)²), the gradient of its *sum*,
  an update that divides by the true length of the batch;
- object (`Trainer`): a loss already averaged over the batch, an update that does not divide.

Does not cover logging, plots, checkpoints or learning rate schedules.

Source: d2l 0.7 (training loop); d2l 3.4.4 `Trainer`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from builtin.data import data_iter
from builtin.loss import squared_loss
from builtin.model import linreg
from builtin.optim import clip_gradients, sgd


def train_batch(
    X: Tensor,
    y: Tensor,
    w: Tensor,
    b: Tensor,
    lr: float,
    *,
    net: Callable[[Tensor, Tensor, Tensor], Tensor] = linreg,
    loss: Callable[[Tensor, Tensor], Tensor] = squared_loss,
    update: Callable[[list[Tensor], float, int], None] = sgd,
) -> None:
    """Take one step on one batch: X (m, d), y (m, 1) or (m,), w (d, 1), b (1,).

    loss is per example, its sum is differentiated, and update divides by m, the true length of
    the batch: a short last batch counts by its own length. w and b change in place; their
    gradients are None afterwards, and should be before.
    Source: d2l 0.7, training.
    """
    y_hat = net(X, w, b)  # (m, 1)
    loss(y_hat, y).sum().backward()  # (m, 1) -> ()
    update([w, b], lr, len(y))
    w.grad = None  # backward adds to what is there: leave nothing behind
    b.grad = None


def train(
    features: Tensor,
    labels: Tensor,
    w: Tensor,
    b: Tensor,
    lr: float,
    num_epochs: int,
    batch_size: int,
    *,
    batches: Callable[[int, Tensor, Tensor], Iterable[Sequence[Tensor]]] = data_iter,
    net: Callable[[Tensor, Tensor, Tensor], Tensor] = linreg,
    loss: Callable[[Tensor, Tensor], Tensor] = squared_loss,
    update: Callable[[list[Tensor], float, int], None] = sgd,
) -> tuple[Tensor, Tensor]:
    """Train w (d, 1) and b (1,) in place on features (n, d), labels (n, 1) or (n,); return both.

    Every epoch takes a fresh `batches(batch_size, features, labels)`, every batch a `train_batch`.
    Raises what `batches` raises: ValueError for a batch_size below 1, say.
    Source: d2l 0.7, training.
    """
    for _ in range(num_epochs):
        for X, y in batches(batch_size, features, labels):
            train_batch(X, y, w, b, lr, net=net, loss=loss, update=update)
    return w, b


class Optimizer(Protocol):
    """What the Trainer asks of an optimizer."""

    def zero_grad(self) -> None:
        """Forget all gradients."""

    def step(self) -> None:
        """Move the parameters."""


class Model(Protocol):
    """What the Trainer asks of a model; `training_step` goes through its forward and loss."""

    def parameters(self) -> Iterable[Tensor]:
        """Return the parameters."""

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Return the mean loss of a batch, ()."""

    def validation_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Return the mean loss of a held-out batch, ()."""

    def configure_optimizers(self) -> Optimizer:
        """Return an optimizer over the parameters."""

    def train(self, mode: bool = True) -> Any:
        """Switch to training."""

    def eval(self) -> Any:
        """Switch to validation."""


class Data(Protocol):
    """What the Trainer asks of a data set: batches that can be gone through again and again."""

    def train_dataloader(self) -> Iterable[Sequence[Tensor]]:
        """Return the batches to train on."""

    def val_dataloader(self) -> Iterable[Sequence[Tensor]] | None:
        """Return the batches to validate on, if any."""


class Trainer:
    """Trains a model on a data set for max_epochs epochs.

    gradient_clip_val above 0 limits the norm of each step's gradient: clip(parameters,
    gradient_clip_val) is then called between the backward pass and the update, to shrink gradients
    in place. micro_batch_size takes each batch in pieces of so many rows and adds up their
    gradients: the step of the whole batch, up to rounding, in less memory.

    Attributes after `prepare`: model, optim, train_dataloader, val_dataloader, epoch,
    train_batch_idx, val_batch_idx (how many are done) and val_losses (a number an epoch).

    Raises ValueError for a micro_batch_size below 1.
    Source: d2l 3.2.4 and 3.4.4 `Trainer`; d2l 9.5.3 (clipping).
    """

    model: Model
    optim: Optimizer
    train_dataloader: Iterable[Sequence[Tensor]]
    val_dataloader: Iterable[Sequence[Tensor]] | None
    epoch: int
    train_batch_idx: int
    val_batch_idx: int
    val_losses: list[float]

    def __init__(
        self,
        max_epochs: int,
        gradient_clip_val: float = 0.0,
        micro_batch_size: int | None = None,
        clip: Callable[[Iterable[Tensor], float], object] = clip_gradients,
    ) -> None:
        """Keep the settings."""
        if micro_batch_size is not None and micro_batch_size < 1:
            raise ValueError(f"micro_batch_size must be at least 1, but is {micro_batch_size}.")
        self.max_epochs = max_epochs
        self.gradient_clip_val = gradient_clip_val
        self.micro_batch_size = micro_batch_size
        self.clip = clip

    def fit(self, model: Model, data: Data) -> None:
        """Train the model, in place, from its present parameters."""
        self.prepare(model, data)
        for _ in range(self.max_epochs):
            self.fit_epoch()

    def prepare(self, model: Model, data: Data) -> None:
        """Take up a model and a data set; make the optimizer; start counting at zero."""
        self.model = model
        self.train_dataloader = data.train_dataloader()
        self.val_dataloader = data.val_dataloader()
        self.optim = model.configure_optimizers()
        self.epoch = 0
        self.train_batch_idx = 0
        self.val_batch_idx = 0
        self.val_losses = []

    def fit_epoch(self) -> None:
        """Train on every batch once, then validate."""
        self.model.train()
        for batch in self.train_dataloader:
            self.fit_batch(batch)
            self.train_batch_idx += 1
        if self.val_dataloader is not None:
            self.val_losses.append(self._validate(self.val_dataloader))
        self.epoch += 1

    def fit_batch(self, batch: Sequence[Tensor]) -> None:
        """Take one step on one batch: (X (m, d), y (m, 1) or (m,))."""
        self.optim.zero_grad()
        self._backward(batch)
        if self.gradient_clip_val > 0:
            self.clip(self.model.parameters(), self.gradient_clip_val)
        self.optim.step()

    def _backward(self, batch: Sequence[Tensor]) -> None:
        """Fill the gradients of the batch's mean loss, in pieces where so wished."""
        X, y = batch
        size = self.micro_batch_size
        if size is None or size >= len(y):
            self.model.training_step(batch).backward()
            return
        for piece in zip(torch.split(X, size), torch.split(y, size), strict=True):
            share = len(piece[1]) / len(y)  # the last piece may be short, and then counts less
            (self.model.training_step(piece) * share).backward()

    def _validate(self, batches: Iterable[Sequence[Tensor]]) -> float:
        """Return the mean loss over all examples: batches count by their lengths."""
        losses, lengths = [], []
        self.model.eval()
        with torch.no_grad():
            for batch in batches:
                losses.append(self.model.validation_step(batch))
                lengths.append(len(batch[-1]))
                self.val_batch_idx += 1
        total = sum(float(loss) * m for loss, m in zip(losses, lengths, strict=True))
        return total / sum(lengths) if lengths else math.nan  # no batches, no loss
