"""Optimizers and gradient clipping, built in: torch.optim's own, under the names of `scratch`.

SGD with momentum, Adagrad, RMSprop, Adadelta, Adam and AdamW. Parameters change in place, of any
shape and floating dtype, on any device. Settings that are not named here keep torch's defaults.

Leaves out: AMSGrad, maximising, sparse and complex gradients, groups with settings of their own.

Source: torch.optim; torch.nn.utils.clip_grad_norm_.
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

    With momentum against a velocity, which starts as the first gradient, undamped. params is any
    iterable of leaf tensors; they change in place. zero_grad sets .grad to None, torch's default:
    a fresh gradient each step.

    Raises ValueError for negative settings, no parameters, or nesterov without momentum or with
    dampening.
    Source: torch.optim.SGD.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        """Hand all on to torch.optim.SGD."""
        super().__init__(params, lr, momentum, dampening, weight_decay, nesterov)


class Adagrad(optim.Adagrad):
    """Divides each entry's step by the root of all its squared gradients so far, plus eps.

    Raises ValueError for negative settings, or no parameters.
    Source: torch.optim.Adagrad.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        """Hand all on to torch.optim.Adagrad."""
        super().__init__(params, lr, lr_decay, weight_decay, initial_accumulator_value, eps)


class RMSprop(optim.RMSprop):
    """Divides each entry's step by the root of a running average of its squares, plus eps.

    Raises ValueError for negative settings, or no parameters.
    Source: torch.optim.RMSprop.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        """Hand all on to torch.optim.RMSprop."""
        super().__init__(params, lr, alpha, eps, weight_decay, momentum, centered)


class Adadelta(optim.Adadelta):
    """Sizes each entry's step by its own earlier steps, so that lr may stay at 1.

    Raises ValueError for a rho outside 0 to 1, negative settings, or no parameters.
    Source: torch.optim.Adadelta.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        """Hand all on to torch.optim.Adadelta."""
        super().__init__(params, lr, rho, eps, weight_decay)


class Adam(optim.Adam):
    """Momentum and RMSprop in one, both averages corrected for having started at zero.

    Raises ValueError for a beta outside 0 to 1 (1 itself excluded), negative settings, or no
    parameters.
    Source: torch.optim.Adam.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        """Hand all on to torch.optim.Adam."""
        super().__init__(params, lr, betas, eps, weight_decay)


class AdamW(optim.AdamW):
    """Adam with the weight decay beside it: p <- (1 - lr · weight_decay) · p, then Adam's step.

    Raises ValueError as Adam does.
    Source: torch.optim.AdamW.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        """Hand all on to torch.optim.AdamW."""
        super().__init__(params, lr, betas, eps, weight_decay)


def clip_gradients(params: Iterable[Tensor], max_norm: float) -> Tensor:
    """Shrink all gradients together, in place, so that their joint norm is at most max_norm.

    Returns the joint norm before clipping, (), of the gradients' dtype; 0 where there are none.
    Directions are kept; gradients that are short enough do not change.
    Source: torch.nn.utils.clip_grad_norm_.
    """
    return nn.utils.clip_grad_norm_(list(params), max_norm)  # it warns of an empty generator
