"""Softmax regression by hand: a linear model whose outputs are the chances of each class.

Two conventions, as for the squared loss:
- functional: `softmax_regression` predicts probabilities, `cross_entropy` is a loss per example;
- object: `SoftmaxRegression` predicts logits, `CrossEntropy` turns them into the mean loss.
Logits are any real numbers; their softmax are the probabilities. The object convention is the
safer one: it never has to take the logarithm of a probability that was rounded to 0.

Source: d2l 4.4 `softmax`, `SoftmaxRegressionScratch`; d2l 4.5.2, the log-sum-exp trick.
"""

import torch
from torch import Tensor

from scratch.model import Module


def softmax(X: Tensor) -> Tensor:
    """Return exp(x) over the sum of exp(x) along each row: logits (m, q) -> probabilities (m, q).

    Rows are positive and add up to 1, in the dtype of X. However large the logits are, nothing
    overflows: each row is shifted so that its largest logit is 0.
    Source: d2l 4.4.1 `softmax`, with the shift of 4.5.2; mirrors torch.softmax(X, dim=1).
    """
    X_exp = torch.exp(_shifted(X))  # (m, q), each at most 1
    return X_exp / X_exp.sum(dim=1, keepdim=True)  # (m, q) / (m, 1), a sum of at least 1


def log_softmax(X: Tensor) -> Tensor:
    """Return the logarithms of `softmax(X)`: logits (m, q) -> (m, q), exact where softmax is 0.

    log(exp(x) / sum) is x - log(sum): nothing is rounded to 0 before the logarithm is taken.
    Source: d2l 4.5.2; mirrors torch.log_softmax(X, dim=1).
    """
    X = _shifted(X)  # (m, q), each at most 0
    return X - torch.log(torch.exp(X).sum(dim=1, keepdim=True))  # (m, q) - (m, 1)


def init_softmax_params(
    num_inputs: int, num_outputs: int, sigma: float = 0.01
) -> tuple[Tensor, Tensor]:
    """Return fresh parameters: W (num_inputs, num_outputs) ~ N(0, sigma²), b (num_outputs,) zero.

    Both are leaves that require gradients, of the default dtype, on the default device.
    Source: d2l 4.4.2 `SoftmaxRegressionScratch`.
    """
    W = torch.normal(0.0, sigma, (num_inputs, num_outputs), requires_grad=True)  # (d, q)
    b = torch.zeros(num_outputs, requires_grad=True)  # (q,)
    return W, b


def softmax_regression(X: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """Return the probabilities of each class: X (m, ...) of d features, W (d, q), b (q,) -> (m, q).

    Axes of X beyond the first are flattened: an image (m, height, width) counts as (m, d).
    Raises RuntimeError, by torch, when the shapes or dtypes do not fit.
    Source: d2l 0.7 `net`; d2l 4.4.2 `forward`.
    """
    return softmax(X.flatten(start_dim=1) @ W + b)  # (m, d) @ (d, q) + (q,) -> (m, q)


def cross_entropy(y_hat: Tensor, y: Tensor) -> Tensor:
    """Return -log(y_hat[i, y_i]) per example: probabilities (m, q), y (m,) -> (m,).

    y holds class numbers from 0 to q - 1, int64. A probability of 0 costs infinity, from
    where no gradient comes back: `CrossEntropy` takes logits and does not run into that.
    Raises ValueError when y has another shape or dtype.
    Source: d2l 4.4.3 `cross_entropy`.
    """
    return -torch.log(_of_label(y_hat, y))


class CrossEntropy:
    """The mean over the batch of -log(softmax(logits)[y]), computed from the logits directly.

    y_hat (m, q) logits, y (m,) class numbers from 0 to q - 1, int64 -> ().
    Calling the loss is calling `forward`.

    Raises ValueError when y has another shape or dtype.
    Source: d2l 4.5.2; mirrors torch.nn.CrossEntropyLoss.
    """

    def __call__(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return `forward(y_hat, y)`."""
        return self.forward(y_hat, y)

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the mean cross-entropy."""
        return -_of_label(log_softmax(y_hat), y).mean()  # (m,) -> ()


class SoftmaxRegression(Module):
    """A linear classifier that knows its loss and its optimizer.

    Attributes: W (num_inputs, num_outputs), b (num_outputs,), of the default dtype until moved by
    `to`. It predicts logits; `softmax` of them are the probabilities.
    Calling the model is calling `forward`.

    Source: d2l 4.4.2 `SoftmaxRegressionScratch`, with logits for predictions as in d2l 4.5.1.
    """

    names = ("W", "b")

    def __init__(self, num_inputs: int, num_outputs: int, lr: float, sigma: float = 0.01) -> None:
        """Draw W ~ N(0, sigma²) from the global generator; set b to zero."""
        super().__init__(lr)
        self.num_inputs = num_inputs
        self.num_outputs = num_outputs
        self.sigma = sigma
        self.cross_entropy = CrossEntropy()
        self.W, self.b = init_softmax_params(num_inputs, num_outputs, sigma)

    def forward(self, X: Tensor) -> Tensor:
        """Return the logits: X (m, ...) of d features -> (m, q); further axes are flattened."""
        return X.flatten(start_dim=1) @ self.W + self.b  # (m, d) @ (d, q) + (q,) -> (m, q)

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the mean cross-entropy of a batch: logits (m, q), y (m,) int64 -> ().

        Raises ValueError when y has another shape or dtype.
        """
        return self.cross_entropy(y_hat, y)


def accuracy(y_hat: Tensor, y: Tensor) -> Tensor:
    """Return the share of rows whose largest entry is that of the label, (), float32.

    y_hat (m, q) probabilities or logits, y (m,) int64. Of equal entries the first counts.
    Both packages hold this same code: torch brings no accuracy.

    Raises ValueError when y has another shape or dtype.
    Source: d2l 4.3.2 `accuracy`.
    """
    _check_labels(y_hat, y)
    return (y_hat.argmax(dim=1) == y).float().mean()  # (m,) -> ()


def _shifted(X: Tensor) -> Tensor:
    """Return X (m, q) less the largest entry of each row: softmax is the same for both.

    exp of 0 or less cannot overflow. As the shift changes nothing, no gradient goes through it.
    """
    return X - X.detach().amax(dim=1, keepdim=True)  # (m, q) - (m, 1)


def _of_label(scores: Tensor, y: Tensor) -> Tensor:
    """Return each row's entry at its label: scores (m, q), y (m,) -> (m,).

    It is scores[range(m), y], but refuses -1, which would pick the last class.
    """
    _check_labels(scores, y)
    return scores.gather(1, y.unsqueeze(1)).squeeze(1)  # (m, 1) -> (m,)


def _check_labels(y_hat: Tensor, y: Tensor) -> None:
    if y_hat.dim() != 2 or y.shape != y_hat.shape[:1]:
        raise ValueError(
            "y must hold one class number for each row of y_hat (m, q), "
            f"but has shape {tuple(y.shape)} against {tuple(y_hat.shape)}."
        )
    if y.dtype != torch.int64:
        raise ValueError(f"y must hold class numbers of dtype torch.int64, but is {y.dtype}.")
