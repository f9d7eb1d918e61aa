"""Models by hand: y_hat = Xw + b, and the same with a hidden layer, relu(XW1 + b1)W2 + b2.

Weights are (inputs, outputs), as in the formulas; nn.Linear keeps them the other way round.
Does not cover training: `trainer` holds the loops.

Source: d2l 3.2 `Module`; d2l 3.4 `LinearRegressionScratch`; d2l 0.7 `linreg`; d2l 5.2 `MLPScratch`.
"""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from scratch.loss import MSE
from scratch.optim import SGD


def init_params(num_inputs: int, sigma: float = 0.01) -> tuple[Tensor, Tensor]:
    """Return fresh parameters: w (num_inputs, 1) ~ N(0, sigma²), b (1,) zero.

    Both are leaves that require gradients, of the default dtype, on the default device.
    Source: d2l 0.7, "Initialize Model Parameters".
    """
    w = torch.normal(0.0, sigma, (num_inputs, 1), requires_grad=True)  # (d, 1)
    b = torch.zeros(1, requires_grad=True)  # (1,)
    return w, b


def linreg(X: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Return the predictions Xw + b: X (m, d), w (d, 1), b (1,), of one dtype -> (m, 1).

    Raises RuntimeError, by torch, when the shapes or dtypes do not fit.
    Source: d2l 0.7 `linreg`; mirrors torch.nn.functional.linear(X, w.T, b).
    """
    return X @ w + b  # (m, d) @ (d, 1) + (1,) -> (m, 1)


def relu(X: Tensor) -> Tensor:
    """Return the larger of each entry and 0: any shape and floating dtype, the same back.

    At 0 exactly the gradient is 0, as in torch; the book's `torch.max(X, zeros)` gives ½ there.
    Source: d2l 5.2.1 `relu`; mirrors torch.nn.functional.relu.
    """
    return torch.where(X <= 0, 0, X)  # a choice by X > 0 would turn NaN into 0


class Module:
    """What every model here is: parameters that can be moved, and the steps a Trainer asks for.

    A model says which attributes hold its parameters (`names`), how it predicts (`forward`) and
    what that costs (`loss`). Calling the model is calling `forward`.

    Source: d2l 3.2.2 `Module`.
    """

    names: tuple[str, ...]

    def __init__(self, lr: float) -> None:
        """Keep the learning rate; start in training mode."""
        self.lr = lr
        self.training = True

    def __call__(self, X: Tensor) -> Tensor:
        """Return `forward(X)`."""
        return self.forward(X)

    def parameters(self) -> list[Tensor]:
        """Return weights and biases, layer by layer, each weight before its bias."""
        return [getattr(self, name) for name in self.names]

    def forward(self, X: Tensor) -> Tensor:
        """Return the predictions, a row for each example: X (m, ...) -> (m, outputs)."""
        raise NotImplementedError

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss of a batch: y_hat (m, outputs), y its labels -> ()."""
        raise NotImplementedError

    def configure_optimizers(self) -> SGD:
        """Return an SGD over the parameters as they are now: call again after `to`."""
        return SGD(self.parameters(), self.lr)

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Return the loss of one batch: (X (m, ...), labels of m rows) -> ()."""
        X, y = batch
        return self.loss(self.forward(X), y)

    def validation_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Return the loss of one held-out batch: (X (m, ...), labels of m rows) -> ()."""
        X, y = batch
        return self.loss(self.forward(X), y)

    def train(self, mode: bool = True) -> Self:
        """Set the `training` flag and return self; these models act the same either way."""
        self.training = mode
        return self

    def eval(self) -> Self:
        """Clear the `training` flag and return self."""
        return self.train(mode=False)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Move the parameters to a device and a dtype, None meaning "as it is"; return self.

        They become new leaves, without gradients, so make the optimizer after moving.
        Source: mirrors nn.Module.to.
        """
        for name in self.names:
            setattr(self, name, _fresh_leaf(getattr(self, name), device, dtype))
        return self


class _Regression(Module):
    """What both models share: the squared loss, with or without ½."""

    def __init__(self, lr: float, half: bool) -> None:
        """Keep the settings."""
        super().__init__(lr)
        self.halved = half
        self.mse = MSE()

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss of a batch, halved when half is True.

        y_hat (m, 1), y (m, 1) or (m,) -> (); y is reshaped to y_hat.
        Raises ValueError when their numbers of elements differ.
        """
        mean = self.mse(y_hat, y)  # ()
        return mean / 2 if self.halved else mean


class LinearRegression(_Regression):
    """A linear model that knows its loss and its optimizer.

    Attributes: w (num_inputs, 1), b (1,), of the default dtype until moved by `to`.
    half=True is the book's convention: the loss is ½(ŷ-y)² averaged over the batch, and its
    gradient is half that of nn.MSELoss; half=False is nn.MSELoss.
    Calling the model is calling `forward`.

    Source: d2l 3.4.1 `LinearRegressionScratch`.
    """

    names = ("w", "b")

    def __init__(self, num_inputs: int, lr: float, sigma: float = 0.01, half: bool = True) -> None:
        """Draw w ~ N(0, sigma²) from the global generator; set b to zero."""
        super().__init__(lr, half)
        self.num_inputs = num_inputs
        self.sigma = sigma
        self.w, self.b = init_params(num_inputs, sigma)

    def forward(self, X: Tensor) -> Tensor:
        """Return the predictions: X (m, d) -> (m, 1)."""
        return linreg(X, self.w, self.b)


class MLP(_Regression):
    """A model with one hidden layer of rectified units, that knows its loss and its optimizer.

    Attributes: W1 (num_inputs, num_hiddens), b1 (num_hiddens,), W2 (num_hiddens, 1), b2 (1,), of
    the default dtype until moved by `to`. half as in `LinearRegression`.
    Calling the model is calling `forward`.

    Source: d2l 5.2.1 `MLPScratch`, with one output and the squared loss in place of classes.
    """

    names = ("W1", "b1", "W2", "b2")

    def __init__(
        self,
        num_inputs: int,
        num_hiddens: int,
        lr: float,
        sigma: float = 0.01,
        half: bool = True,
    ) -> None:
        """Draw both weights ~ N(0, sigma²) from the global generator; set both biases to zero."""
        super().__init__(lr, half)
        self.num_inputs = num_inputs
        self.num_hiddens = num_hiddens
        self.sigma = sigma
        self.W1 = torch.normal(0.0, sigma, (num_inputs, num_hiddens), requires_grad=True)
        self.b1 = torch.zeros(num_hiddens, requires_grad=True)
        self.W2 = torch.normal(0.0, sigma, (num_hiddens, 1), requires_grad=True)
        self.b2 = torch.zeros(1, requires_grad=True)

    def forward(self, X: Tensor) -> Tensor:
        """Return the predictions: X (m, d) -> (m, 1)."""
        H = relu(X @ self.W1 + self.b1)  # (m, d) @ (d, h) + (h,) -> (m, h)
        return H @ self.W2 + self.b2  # (m, h) @ (h, 1) + (1,) -> (m, 1)


def _fresh_leaf(
    param: Tensor, device: torch.device | str | None, dtype: torch.dtype | None
) -> Tensor:
    moved = param.detach().to(device=device, dtype=dtype, copy=True)
    return moved.requires_grad_()
