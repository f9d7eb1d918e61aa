"""Models built in: nn.Linear, and two of them with an nn.ReLU between.

Weights are (outputs, inputs), as nn.Linear keeps them; by hand they are the other way round.
Does not cover training: `trainer` holds the loops.

Source: d2l 3.5 `LinearRegression`; d2l 0.8 (concise form); d2l 5.2 `MLP`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everyone knows

from builtin.loss import MSE
from builtin.optim import SGD


def init_params(num_inputs: int, sigma: float = 0.01) -> tuple[Tensor, Tensor]:
    """Return fresh parameters: w (num_inputs, 1) ~ N(0, sigma²), b (1,) zero.

    Both are leaves that require gradients, of the default dtype, on the default device.
    Source: torch.nn.init.normal_, torch.nn.init.zeros_.
    """
    w = nn.init.normal_(torch.empty(num_inputs, 1), 0.0, sigma).requires_grad_()  # (d, 1)
    b = nn.init.zeros_(torch.empty(1)).requires_grad_()  # (1,)
    return w, b


def linreg(X: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Return the predictions Xw + b: X (m, d), w (d, 1), b (1,), of one dtype -> (m, 1).

    Raises RuntimeError, by torch, when the shapes or dtypes do not fit.
    Source: torch.nn.functional.linear, whose weight is w transposed.
    """
    return F.linear(X, w.T, b)  # (m, d), (1, d), (1,) -> (m, 1)


def relu(X: Tensor) -> Tensor:
    """Return the larger of each entry and 0: any shape and floating dtype, the same back.

    Source: torch.nn.functional.relu.
    """
    return F.relu(X)


class Module(nn.Module):
    """What every model here is: an nn.Module with the steps that a Trainer asks for.

    A model says what predicts (`net`) and what a prediction costs (`loss`).

    Source: torch.nn.Module; d2l 3.2.2 `Module`.
    """

    net: nn.Module

    def __init__(self, lr: float) -> None:
        """Keep the learning rate; start in training mode."""
        super().__init__()
        self.lr = lr

    def forward(self, X: Tensor) -> Tensor:
        """Return the predictions, a row for each example: X (m, ...) -> (m, outputs)."""
        y_hat: Tensor = self.net(X)
        return y_hat

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss of a batch: y_hat (m, outputs), y its labels -> ()."""
        raise NotImplementedError

    def configure_optimizers(self) -> SGD:
        """Return an SGD over the parameters."""
        return SGD(self.parameters(), self.lr)

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Return the loss of one batch: (X (m, ...), labels of m rows) -> ()."""
        X, y = batch
        return self.loss(self.forward(X), y)

    def validation_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Return the loss of one held-out batch: (X (m, ...), labels of m rows) -> ()."""
        X, y = batch
        return self.loss(self.forward(X), y)


class _Regression(Module):
    """What both models share: the squared loss, with or without ½."""

    def __init__(self, lr: float, half: bool) -> None:
        """Keep the settings."""
        super().__init__(lr)
        self.halved = half  # nn.Module.half is a method: it must stay one
        self.mse = MSE()

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss of a batch, halved when half is True.

        y_hat (m, 1), y (m, 1) or (m,) -> (); y is reshaped to y_hat.
        Raises ValueError when their numbers of elements differ.
        """
        mean: Tensor = self.mse(y_hat, y)  # ()
        return mean / 2 if self.halved else mean


class LinearRegression(_Regression):
    """A linear model that knows its loss and its optimizer.

    Attributes: net, an nn.Linear with weight (1, num_inputs) and bias (1,), of the default dtype
    until moved by `to`.
    half=True is the book's convention: the loss is ½(ŷ-y)² averaged over the batch, and its
    gradient is half that of nn.MSELoss; half=False is nn.MSELoss.

    Source: d2l 3.5.1 `LinearRegression`, with its stated initial values really applied: the
    book fills an nn.LazyLinear, which draws its own defaults over them at the first batch.
    """

    def __init__(self, num_inputs: int, lr: float, sigma: float = 0.01, half: bool = True) -> None:
        """Draw the weight ~ N(0, sigma²) from the global generator; set the bias to zero.

        nn.Linear draws defaults first, so equal seeds do not give `scratch` the same weight.
        """
        super().__init__(lr, half)
        self.num_inputs = num_inputs
        self.sigma = sigma
        self.net = _linear(num_inputs, 1, sigma)


class MLP(_Regression):
    """A model with one hidden layer of rectified units, that knows its loss and its optimizer.

    Attributes: net, an nn.Sequential of nn.Linear, nn.ReLU and nn.Linear, with weights
    (num_hiddens, num_inputs) and (1, num_hiddens), of the default dtype until moved by `to`.
    half as in `LinearRegression`.

    Source: d2l 5.2.2 `MLP`, with one output and the squared loss in place of classes, and with
    stated initial values in place of a lazy layer's own.
    """

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
        self.net = nn.Sequential(
            _linear(num_inputs, num_hiddens, sigma), nn.ReLU(), _linear(num_hiddens, 1, sigma)
        )


def _linear(num_inputs: int, num_outputs: int, sigma: float) -> nn.Linear:
    """Return a layer whose weight is ~ N(0, sigma²), and whose bias is zero."""
    layer = nn.Linear(num_inputs, num_outputs)
    nn.init.normal_(layer.weight, 0.0, sigma)
    nn.init.zeros_(layer.bias)
    return layer
