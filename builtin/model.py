"""Linear regression built in: nn.Linear, and y_hat = Xw + b.

Does not cover training: `trainer` holds the loops.

Source: d2l 3.5 `LinearRegression`; d2l 0.8 (concise form).
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


class LinearRegression(nn.Module):
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
        super().__init__()
        self.num_inputs = num_inputs
        self.lr = lr
        self.sigma = sigma
        self.halved = half  # nn.Module.half is a method: it must stay one
        self.mse = MSE()
        self.net = nn.Linear(num_inputs, 1)
        nn.init.normal_(self.net.weight, 0.0, sigma)
        nn.init.zeros_(self.net.bias)

    def forward(self, X: Tensor) -> Tensor:
        """Return the predictions: X (m, d) -> (m, 1)."""
        y_hat: Tensor = self.net(X)
        return y_hat

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss of a batch, halved when half is True.

        y_hat (m, 1), y (m, 1) or (m,) -> (); y is reshaped to y_hat.
        Raises ValueError when their numbers of elements differ.
        """
        mean: Tensor = self.mse(y_hat, y)  # ()
        return mean / 2 if self.halved else mean

    def configure_optimizers(self) -> SGD:
        """Return an SGD over the parameters."""
        return SGD(self.parameters(), self.lr)

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Return the loss of one batch: (X (m, d), y (m, 1) or (m,)) -> ()."""
        X, y = batch
        return self.loss(self.forward(X), y)

    def validation_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Return the loss of one held-out batch: (X (m, d), y (m, 1) or (m,)) -> ()."""
        X, y = batch
        return self.loss(self.forward(X), y)
