"""Softmax regression built in: nn.Linear and nn.CrossEntropyLoss, under the names of `scratch`.

Two conventions, as for the squared loss:
- functional: `softmax_regression` predicts probabilities, `cross_entropy` is a loss per example;
- object: `SoftmaxRegression` predicts logits, `CrossEntropy` turns them into the mean loss.
Logits are any real numbers; their softmax are the probabilities. The object convention is the
safer one: it never has to take the logarithm of a probability that was rounded to 0.

Source: d2l 4.5 `SoftmaxRegression`; torch.nn.CrossEntropyLoss.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everyone knows

from builtin.model import Module


def softmax(X: Tensor) -> Tensor:
    """Return exp(x) over the sum of exp(x) along each row: logits (m, q) -> probabilities (m, q).

    Rows are positive and add up to 1, in the dtype of X, however large the logits are.
    Source: torch.softmax.
    """
    return torch.softmax(X, dim=1)


def log_softmax(X: Tensor) -> Tensor:
    """Return the logarithms of `softmax(X)`: logits (m, q) -> (m, q), exact where softmax is 0.

    Source: torch.nn.functional.log_softmax.
    """
    return F.log_softmax(X, dim=1)


def init_softmax_params(
    num_inputs: int, num_outputs: int, sigma: float = 0.01
) -> tuple[Tensor, Tensor]:
    """Return fresh parameters: W (num_inputs, num_outputs) ~ N(0, sigma²), b (num_outputs,) zero.

    Both are leaves that require gradients, of the default dtype, on the default device.
    Source: torch.nn.init.normal_, torch.nn.init.zeros_.
    """
    W = nn.init.normal_(torch.empty(num_inputs, num_outputs), 0.0, sigma).requires_grad_()
    b = nn.init.zeros_(torch.empty(num_outputs)).requires_grad_()
    return W, b


def softmax_regression(X: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """Return the probabilities of each class: X (m, ...) of d features, W (d, q), b (q,) -> (m, q).

    Axes of X beyond the first are flattened: an image (m, height, width) counts as (m, d).
    Raises RuntimeError, by torch, when the shapes or dtypes do not fit.
    Source: torch.nn.functional.linear, whose weight is W transposed, and torch.softmax.
    """
    return softmax(F.linear(X.flatten(start_dim=1), W.T, b))  # (m, d), (q, d), (q,) -> (m, q)


def cross_entropy(y_hat: Tensor, y: Tensor) -> Tensor:
    """Return -log(y_hat[i, y_i]) per example: probabilities (m, q), y (m,) -> (m,).

    y holds class numbers from 0 to q - 1, int64; torch takes -100 for "no label" and makes it 0.
    A probability of 0 costs infinity, from where no gradient comes back: `CrossEntropy` takes
    logits and does not run into that.
    Raises ValueError when y has another shape or dtype.
    Source: torch.nn.functional.nll_loss.
    """
    _check_labels(y_hat, y)
    return F.nll_loss(torch.log(y_hat), y, reduction="none")


class CrossEntropy(nn.CrossEntropyLoss):
    """The mean over the batch of -log(softmax(logits)[y]), computed from the logits directly.

    y_hat (m, q) logits, y (m,) class numbers from 0 to q - 1, int64 -> (). Torch takes -100 for
    "no label" and leaves that row out.

    Raises ValueError when y has another shape or dtype.
    Source: torch.nn.CrossEntropyLoss.
    """

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the mean cross-entropy."""
        _check_labels(y_hat, y)
        return super().forward(y_hat, y)


class SoftmaxRegression(Module):
    """A linear classifier that knows its loss and its optimizer.

    Attributes: net, an nn.Flatten and an nn.Linear with weight (num_outputs, num_inputs) and bias
    (num_outputs,), of the default dtype until moved by `to`. It predicts logits (m, q) of
    X (m, ...); `softmax` of them are the probabilities.

    Source: d2l 4.5.1 `SoftmaxRegression`, with stated initial values in place of a lazy layer's.
    """

    def __init__(self, num_inputs: int, num_outputs: int, lr: float, sigma: float = 0.01) -> None:
        """Draw the weight ~ N(0, sigma²) from the global generator; set the bias to zero."""
        super().__init__(lr)
        self.num_inputs = num_inputs
        self.num_outputs = num_outputs
        self.sigma = sigma
        self.cross_entropy = CrossEntropy()
        linear = nn.Linear(num_inputs, num_outputs)
        nn.init.normal_(linear.weight, 0.0, sigma)
        nn.init.zeros_(linear.bias)
        self.net = nn.Sequential(nn.Flatten(), linear)

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the mean cross-entropy of a batch: logits (m, q), y (m,) int64 -> ().

        Raises ValueError when y has another shape or dtype.
        """
        mean: Tensor = self.cross_entropy(y_hat, y)  # ()
        return mean


def accuracy(y_hat: Tensor, y: Tensor) -> Tensor:
    """Return the share of rows whose largest entry is that of the label, (), float32.

    y_hat (m, q) probabilities or logits, y (m,) int64. Of equal entries the first counts.
    Both packages hold this same code: torch brings no accuracy.

    Raises ValueError when y has another shape or dtype.
    Source: d2l 4.3.2 `accuracy`.
    """
    _check_labels(y_hat, y)
    return (y_hat.argmax(dim=1) == y).float().mean()  # (m,) -> ()


def _check_labels(y_hat: Tensor, y: Tensor) -> None:
    if y_hat.dim() != 2 or y.shape != y_hat.shape[:1]:
        raise ValueError(
            "y must hold one class number for each row of y_hat (m, q), "
            f"but has shape {tuple(y.shape)} against {tuple(y_hat.shape)}."
        )
    if y.dtype != torch.int64:
        raise ValueError(f"y must hold class numbers of dtype torch.int64, but is {y.dtype}.")
