"""The squared loss by hand, per example with ½ (the book) and reduced without it (torch).

Labels are always reshaped to the predictions. Without that, (m, 1) minus (m,) broadcasts to
(m, m): every prediction is compared with every label, and the mean looks plausible.

Source: d2l 0.7 `squared_loss`; `MyMSE` of the source document 004; torch.nn.MSELoss.
"""

from torch import Tensor


def squared_loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """Return ½(ŷ-y)² per example: y_hat (m, 1), y (m, 1) or (m,) -> (m, 1).

    Any other shape of y_hat serves as well; y needs as many elements.
    Raises ValueError when the numbers of elements differ.
    Source: d2l 0.7 `squared_loss`.
    """
    return (y_hat - _reshaped(y, y_hat)) ** 2 / 2


class MSE:
    """Squared errors (ŷ-y)², without ½: their "mean", their "sum", or "none" for all of them.

    y_hat (m, 1), y (m, 1) or (m,) -> () for "mean" and "sum", (m, 1) for "none".
    y is reshaped to y_hat; bare nn.MSELoss would broadcast (m, 1) against (m,) to (m, m).
    Calling the loss is calling `forward`.

    Raises ValueError for any other reduction, and when the numbers of elements differ.
    Source: mirrors torch.nn.MSELoss.
    """

    def __init__(self, reduction: str = "mean") -> None:
        """Keep the reduction."""
        _check_reduction(reduction)
        self.reduction = reduction

    def __call__(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return `forward(y_hat, y)`."""
        return self.forward(y_hat, y)

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the reduced squared errors."""
        error = y_hat - _reshaped(y, y_hat)  # (m, 1)
        squares = error * error  # cheaper to differentiate than error ** 2
        if self.reduction == "mean":
            return squares.mean()  # ()
        if self.reduction == "sum":
            return squares.sum()  # ()
        return squares


def _reshaped(y: Tensor, y_hat: Tensor) -> Tensor:
    """Return y in the shape of y_hat."""
    if y.numel() != y_hat.numel():
        raise ValueError(
            "y must have as many elements as y_hat, "
            f"but has shape {tuple(y.shape)} against {tuple(y_hat.shape)}."
        )
    return y.reshape(y_hat.shape)


def _check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction must be "mean", "sum" or "none", but is {reduction!r}.')
