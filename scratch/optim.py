"""Stochastic gradient descent and gradient clipping, by hand: a step against the gradient.

Plain SGD only: no momentum, no weight decay. Parameters change in place, of any shape and
floating dtype, on any device.

Source: d2l 0.7 `sgd`; d2l 3.4.3 `SGD`; d2l 9.5.3 (clipping); torch.optim.SGD.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


def sgd(params: Iterable[Tensor], lr: float, batch_size: int) -> None:
    """Step once, for gradients *summed* over the batch: p <- p - lr · grad / batch_size.

    Parameters change in place; one whose gradient is None is skipped. Gradients are left as
    they are: clearing them is the loop's work.
    Source: d2l 0.7 `sgd` (which clears them).
    """
    with torch.no_grad():  # the update is not part of the model: autograd must not record it
        for param in params:
            if param.grad is not None:
                param.sub_(param.grad, alpha=lr / batch_size)  # p -= lr / batch_size * grad


class SGD:
    """Steps against gradients that are already *averaged* over the batch: p <- p - lr · grad.

    params is any iterable of leaf tensors; they change in place.

    Raises ValueError for a negative lr, or no parameters.
    Source: d2l 3.4.3 `SGD`; mirrors torch.optim.SGD.
    """

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        """Keep the parameters as a list: an iterator would be used up by the first step."""
        self.params = list(params)
        self.lr = lr
        if not self.params:
            raise ValueError("params must hold at least one parameter, but is empty.")
        if lr < 0:
            raise ValueError(f"lr must not be negative, but is {lr}.")

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        with torch.no_grad():  # the update is not part of the model: autograd must not record it
            for param in self.params:
                if param.grad is not None:
                    param.sub_(param.grad, alpha=self.lr)  # p -= lr * grad, rounded once

    def zero_grad(self) -> None:
        """Forget the gradients, so that the next backward starts afresh.

        backward *adds* to .grad. None instead of zeros costs nothing, and a parameter that
        takes no part in the next loss is then skipped rather than moved by nothing.
        Source: torch.optim.Optimizer.zero_grad(set_to_none=True), the default.
        """
        for param in self.params:
            param.grad = None


def clip_gradients(params: Iterable[Tensor], max_norm: float) -> Tensor:
    """Shrink all gradients together, in place, so that their joint norm is at most max_norm.

    Returns the joint norm before clipping, (), of the gradients' dtype; 0 where there are none.
    Directions are kept; gradients that are short enough do not change.
    Source: d2l 9.5.3; mirrors torch.nn.utils.clip_grad_norm_, with its 1e-6.
    """
    grads = [param.grad for param in params if param.grad is not None]
    if not grads:
        return torch.tensor(0.0)
    with torch.no_grad():
        norms = torch.stack([torch.linalg.vector_norm(grad) for grad in grads])  # (len(grads),)
        total_norm: Tensor = torch.linalg.vector_norm(norms)  # ()
        scale = (max_norm / (total_norm + 1e-6)).clamp(max=1.0)  # 1e-6: never divides by zero
        for grad in grads:
            grad.mul_(scale)
    return total_norm
