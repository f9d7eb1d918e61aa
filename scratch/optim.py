"""Optimizers and gradient clipping, by hand: steps against the gradient, and what they remember.

SGD with momentum, Adagrad, RMSprop, Adadelta, Adam and AdamW. What an optimizer remembers stands
in plain lists, one entry per parameter. Parameters change in place, of any shape and floating
dtype, on any device. On the CPU every step is torch's to the bit: the operations are those of
torch.optim's plain loop (foreach=False). Elsewhere torch fuses operations, and rounding differs.

Leaves out: AMSGrad, maximising, sparse and complex gradients, groups with settings of their own.

Source: d2l 0.7 `sgd`; d2l 3.4.3 `SGD`; d2l 9.5.3 (clipping); d2l 12.6-12.10; torch.optim.
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


class _Optimizer:
    """What all optimizers share: the parameters, the walk over them, and weight decay."""

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        """Keep the parameters as a list: an iterator would be used up by the first step."""
        self.params = list(params)
        self.lr = lr
        self.weight_decay = weight_decay
        if not self.params:
            raise ValueError("params must hold at least one parameter, but is empty.")
        _refuse_negative(lr=lr, weight_decay=weight_decay)

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        with torch.no_grad():  # the update is not part of the model: autograd must not record it
            for i, param in enumerate(self.params):
                if param.grad is not None:
                    self._move(i, param, self._decayed(param, param.grad))

    def zero_grad(self) -> None:
        """Forget the gradients, so that the next backward starts afresh.

        backward *adds* to .grad. None instead of zeros costs nothing, and a parameter that
        takes no part in the next loss is then skipped rather than moved by nothing.
        Source: torch.optim.Optimizer.zero_grad(set_to_none=True), the default.
        """
        for param in self.params:
            param.grad = None

    def _decayed(self, param: Tensor, grad: Tensor) -> Tensor:
        """Return the gradient of the loss plus weight_decay / 2 · ‖p‖²."""
        if self.weight_decay == 0:
            return grad
        return grad.add(param, alpha=self.weight_decay)  # grad + weight_decay * p

    def _move(self, i: int, param: Tensor, grad: Tensor) -> None:
        """Move the i-th parameter, in place."""
        raise NotImplementedError

    def _zeros(self) -> list[Tensor]:
        """Return a zero for each entry of each parameter: what is remembered at the start."""
        return [torch.zeros_like(param) for param in self.params]


class SGD(_Optimizer):
    """Steps against gradients that are already *averaged* over the batch: p <- p - lr · grad.

    With momentum, against a velocity that remembers earlier gradients:
    v <- momentum · v + (1 - dampening) · grad,  p <- p - lr · v.
    The first velocity is the first gradient, undamped. nesterov looks one step ahead:
    p <- p - lr · (grad + momentum · v). weight_decay adds weight_decay · p to each gradient.

    params is any iterable of leaf tensors; they change in place.

    Raises ValueError for negative settings (a negative dampening is let pass, as in torch), no
    parameters, or nesterov without momentum or with dampening.
    Source: d2l 3.4.3 `SGD`; d2l 12.6 (momentum); mirrors torch.optim.SGD.
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
        """Keep the settings; nothing is remembered yet."""
        super().__init__(params, lr, weight_decay)
        _refuse_negative(momentum=momentum)
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError(
                "nesterov needs a momentum and zero dampening, "
                f"but they are {momentum} and {dampening}."
            )
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov
        self.velocities: list[Tensor | None] = [None] * len(self.params)

    def _move(self, i: int, param: Tensor, grad: Tensor) -> None:
        if self.momentum:
            velocity = self._velocity(i, grad)
            grad = grad.add(velocity, alpha=self.momentum) if self.nesterov else velocity
        param.sub_(grad, alpha=self.lr)  # p -= lr * grad, rounded once

    def _velocity(self, i: int, grad: Tensor) -> Tensor:
        """Return the i-th velocity, with this gradient in it."""
        velocity = self.velocities[i]
        if velocity is None:
            velocity = self.velocities[i] = grad.clone()  # not damped: nothing to average yet
        else:
            velocity.mul_(self.momentum).add_(grad, alpha=1 - self.dampening)
        return velocity


class Adagrad(_Optimizer):
    """Divides each entry's step by the root of all its squared gradients so far.

    s <- s + grad²,  p <- p - lr · grad / (√s + eps).
    With lr_decay, the n-th step is taken at lr / (1 + (n - 1) · lr_decay).

    Raises ValueError for negative settings, or no parameters.
    Source: d2l 12.7, which has eps inside the root: √(s + eps); mirrors torch.optim.Adagrad.
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
        """Start the sums of squares, at zero unless told otherwise."""
        super().__init__(params, lr, weight_decay)
        _refuse_negative(
            lr_decay=lr_decay, initial_accumulator_value=initial_accumulator_value, eps=eps
        )
        self.lr_decay = lr_decay
        self.eps = eps
        self.square_sums = [zeros + initial_accumulator_value for zeros in self._zeros()]
        self.steps = [0] * len(self.params)

    def _move(self, i: int, param: Tensor, grad: Tensor) -> None:
        lr = self.lr / (1 + self.steps[i] * self.lr_decay)
        self.steps[i] += 1
        square_sum = self.square_sums[i].addcmul_(grad, grad)  # s += grad * grad
        param.addcdiv_(grad, square_sum.sqrt() + self.eps, value=-lr)


class RMSprop(_Optimizer):
    """Divides each entry's step by the root of a running average of its squared gradients.

    s <- alpha · s + (1 - alpha) · grad²,  p <- p - lr · grad / (√s + eps).
    centered takes the variance, s less the square of an average gradient, in place of s. With
    momentum the quotients are gathered in a velocity: v <- momentum · v + grad / (√s + eps),
    p <- p - lr · v.

    Raises ValueError for negative settings, or no parameters.
    Source: d2l 12.8, which has eps inside the root: √(s + eps); mirrors torch.optim.RMSprop.
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
        """Start all averages at zero."""
        super().__init__(params, lr, weight_decay)
        _refuse_negative(alpha=alpha, eps=eps, momentum=momentum)
        self.alpha = alpha
        self.eps = eps
        self.momentum = momentum
        self.centered = centered
        self.square_averages = self._zeros()
        self.averages = self._zeros()  # of the gradients; for centered only
        self.velocities = self._zeros()  # for momentum only

    def _move(self, i: int, param: Tensor, grad: Tensor) -> None:
        size = self._size(i, grad) + self.eps
        if self.momentum:
            velocity = self.velocities[i].mul_(self.momentum).addcdiv_(grad, size)
            param.sub_(velocity, alpha=self.lr)
        else:
            param.addcdiv_(grad, size, value=-self.lr)

    def _size(self, i: int, grad: Tensor) -> Tensor:
        """Return the root of the average square, or of the variance."""
        square_average = self.square_averages[i]
        square_average.mul_(self.alpha).addcmul_(grad, grad, value=1 - self.alpha)
        if not self.centered:
            return square_average.sqrt()
        average = self.averages[i].lerp_(grad, 1 - self.alpha)  # alpha * average + (1-alpha) * grad
        return square_average.addcmul(average, average, value=-1).sqrt()


class Adadelta(_Optimizer):
    """Sizes each entry's step by its own earlier steps, so that lr may stay at 1.

    s <- rho · s + (1 - rho) · grad²,  delta = √(d + eps) / √(s + eps) · grad,
    d <- rho · d + (1 - rho) · delta²,  p <- p - lr · delta.

    Raises ValueError for a rho outside 0 to 1, negative settings, or no parameters.
    Source: d2l 12.9 (with eps 1e-5); mirrors torch.optim.Adadelta.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        """Start both averages at zero."""
        super().__init__(params, lr, weight_decay)
        _refuse_negative(eps=eps)
        if not 0 <= rho <= 1:
            raise ValueError(f"rho must lie between 0 and 1, but is {rho}.")
        self.rho = rho
        self.eps = eps
        self.square_averages = self._zeros()
        self.delta_square_averages = self._zeros()

    def _move(self, i: int, param: Tensor, grad: Tensor) -> None:
        square_average, delta_average = self.square_averages[i], self.delta_square_averages[i]
        square_average.mul_(self.rho).addcmul_(grad, grad, value=1 - self.rho)
        size = (square_average + self.eps).sqrt()
        delta = (delta_average + self.eps).sqrt() / size * grad
        delta_average.mul_(self.rho).addcmul_(delta, delta, value=1 - self.rho)
        param.sub_(delta, alpha=self.lr)


class Adam(_Optimizer):
    """Momentum and RMSprop in one, both averages corrected for having started at zero.

    m <- beta1 · m + (1 - beta1) · grad,    m̂ = m / (1 - beta1ⁿ),
    s <- beta2 · s + (1 - beta2) · grad²,   ŝ = s / (1 - beta2ⁿ),
    p <- p - lr · m̂ / (√ŝ + eps) in the n-th step, counted from 1.
    weight_decay adds weight_decay · p to each gradient, and so to both averages.

    Raises ValueError for a beta outside 0 to 1 (1 itself excluded), negative settings, or no
    parameters.
    Source: Kingma and Ba (2015); d2l 12.10 (with eps 1e-6); mirrors torch.optim.Adam.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        """Start both averages, and the count of steps, at zero."""
        super().__init__(params, lr, weight_decay)
        _refuse_negative(eps=eps)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be at least 0 and below 1, but are {betas}.")
        self.betas = betas
        self.eps = eps
        self.averages = self._zeros()
        self.square_averages = self._zeros()
        self.steps = [0] * len(self.params)

    def _move(self, i: int, param: Tensor, grad: Tensor) -> None:
        beta1, beta2 = self.betas
        self.steps[i] += 1
        average, square_average = self.averages[i], self.square_averages[i]
        average.lerp_(grad, 1 - beta1)  # beta1 * average + (1 - beta1) * grad
        square_average.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        weight = 1 - beta1 ** self.steps[i]  # what the gradients so far weigh together
        square_weight = 1 - beta2 ** self.steps[i]
        size = square_average.sqrt() / square_weight**0.5 + self.eps
        param.addcdiv_(average, size, value=-self.lr / weight)


class AdamW(Adam):
    """Adam with the weight decay beside it: p <- (1 - lr · weight_decay) · p, then Adam's step.

    The decay enters neither average, so every weight shrinks at the same rate, however large its
    gradients are.

    Raises ValueError as Adam does.
    Source: Loshchilov and Hutter (2019); mirrors torch.optim.AdamW.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        """Start as Adam does; only the default weight decay differs."""
        super().__init__(params, lr, betas, eps, weight_decay)

    def _decayed(self, param: Tensor, grad: Tensor) -> Tensor:
        """Shrink the parameter itself; return the gradient as it is."""
        param.mul_(1 - self.lr * self.weight_decay)
        return grad


def _refuse_negative(**settings: float) -> None:
    for name, value in settings.items():
        if value < 0:
            raise ValueError(f"{name} must not be negative, but is {value}.")


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
