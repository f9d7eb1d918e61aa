"""Linear regression by hand: two parameters, and y_hat = Xw + b.

Does not cover training: `trainer` holds the loops.

Source: d2l 3.4 `LinearRegressionScratch`; d2l 0.7 `linreg`.
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


class LinearRegression:
    """A linear model that knows its loss and its optimizer.

    Attributes: w (num_inputs, 1), b (1,), of the default dtype until moved by `to`.
    half=True is the book's convention: the loss is ½(ŷ-y)² averaged over the batch, and its
    gradient is half that of nn.MSELoss; half=False is nn.MSELoss.
    Calling the model is calling `forward`.

    Source: d2l 3.4.1 `LinearRegressionScratch`.
    """

    def __init__(self, num_inputs: int, lr: float, sigma: float = 0.01, half: bool = True) -> None:
        """Draw w ~ N(0, sigma²) from the global generator; set b to zero."""
        self.num_inputs = num_inputs
        self.lr = lr
        self.sigma = sigma
        self.halved = half
        self.training = True
        self.mse = MSE()
        self.w, self.b = init_params(num_inputs, sigma)

    def __call__(self, X: Tensor) -> Tensor:
        """Return `forward(X)`."""
        return self.forward(X)

    def parameters(self) -> list[Tensor]:
        """Return the weight (d, 1) and the bias (1,), in this order."""
        return [self.w, self.b]

    def forward(self, X: Tensor) -> Tensor:
        """Return the predictions: X (m, d) -> (m, 1)."""
        return linreg(X, self.w, self.b)

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss of a batch, halved when half is True.

        y_hat (m, 1), y (m, 1) or (m,) -> (); y is reshaped to y_hat.
        Raises ValueError when their numbers of elements differ.
        """
        mean = self.mse(y_hat, y)  # ()
        return mean / 2 if self.halved else mean

    def configure_optimizers(self) -> SGD:
        """Return an SGD over the parameters as they are now: call again after `to`."""
        return SGD(self.parameters(), self.lr)

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Return the loss of one batch: (X (m, d), y (m, 1) or (m,)) -> ()."""
        X, y = batch
        return self.loss(self.forward(X), y)

    def validation_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Return the loss of one held-out batch: (X (m, d), y (m, 1) or (m,)) -> ()."""
        X, y = batch
        return self.loss(self.forward(X), y)

    def train(self, mode: bool = True) -> Self:
        """Set the `training` flag and return self; a linear model acts the same either way."""
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
        self.w = _fresh_leaf(self.w, device, dtype)
        self.b = _fresh_leaf(self.b, device, dtype)
        return self


def _fresh_leaf(
    param: Tensor, device: torch.device | str | None, dtype: torch.dtype | None
) -> Tensor:
    moved = param.detach().to(device=device, dtype=dtype, copy=True)
    return moved.requires_grad_()
