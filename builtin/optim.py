"""Stochastic gradient descent and gradient clipping, built in: torch.optim.SGD.

Plain SGD only: no momentum, no weight decay. Parameters change in place, of any shape and
floating dtype, on any device.

Source: torch.optim.SGD; torch.nn.utils.clip_grad_norm_.
"""

from collections.abc import Iterable

from torch import Tensor, nn, optim


def sgd(params: Iterable[Tensor], lr: float, batch_size: int) -> None:
    """Step once, for gradients *summed* over the batch: p <- p - lr · grad / batch_size.

    Parameters change in place; one whose gradient is None is skipped. Gradients are left as
    they are: clearing them is the loop's work.
    Source: torch.optim.SGD, made anew at every call: it keeps no state.
    """
    optim.SGD(params, lr=lr / batch_size).step()


class SGD(optim.SGD):
    """Steps against gradients that are already *averaged* over the batch: p <- p - lr · grad.

    params is any iterable of leaf tensors; they change in place. zero_grad sets .grad to None,
    torch's default: a fresh gradient each step.

    Raises ValueError for a negative lr, or no parameters.
    Source: torch.optim.SGD.
    """

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        """Hand both on to torch.optim.SGD, and leave its other settings alone."""
        super().__init__(params, lr=lr)


def clip_gradients(params: Iterable[Tensor], max_norm: float) -> Tensor:
    """Shrink all gradients together, in place, so that their joint norm is at most max_norm.

    Returns the joint norm before clipping, (), of the gradients' dtype; 0 where there are none.
    Directions are kept; gradients that are short enough do not change.
    Source: torch.nn.utils.clip_grad_norm_.
    """
    return nn.utils.clip_grad_norm_(list(params), max_norm)  # it warns of an empty generator
