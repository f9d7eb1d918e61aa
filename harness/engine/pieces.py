"""Functions and classes of a package in the shapes that the pieces of a recipe have.

Each adapter stands for one way to write a piece: a function of parameters, an optimizer with or
without the batch length, weights that lie the other way round. Nothing here knows a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from harness.engine.case import OPTIMIZERS, UpdateRule
from harness.engine.torch_import import without_compiler


class Functional(nn.Module):
    """A model made of a function `net(X, w, b)` and freshly drawn parameters.

    It is a module so that `torch.func.functional_call` can run it on other parameters.
    """

    def __init__(
        self, net: Callable[[Tensor, Tensor, Tensor], Tensor], parameters: tuple[Tensor, Tensor]
    ) -> None:
        super().__init__()
        self.net = net
        self.w, self.b = (nn.Parameter(parameter.detach()) for parameter in parameters)

    def forward(self, X: Tensor) -> Tensor:
        """Features (m, d) -> predictions (m, ...)."""
        return self.net(X, self.w, self.b)


class FunctionalInputsFirst(Functional):
    """The same for a weight (inputs, outputs), held as nn.Linear has it: (outputs, inputs)."""

    def __init__(
        self, net: Callable[[Tensor, Tensor, Tensor], Tensor], parameters: tuple[Tensor, Tensor]
    ) -> None:
        w, b = parameters
        super().__init__(net, (w.detach().T.contiguous(), b))

    def forward(self, X: Tensor) -> Tensor:
        """Features (m, ...) -> predictions (m, ...)."""
        return self.net(X, self.w.T, self.b)


class FunctionalSGD:
    """A function `sgd(params, lr, batch_size)` in the shape of an optimizer."""

    def __init__(
        self, sgd: Callable[[list[Tensor], float, int], None], parameters: list[Tensor], lr: float
    ) -> None:
        self.sgd, self._parameters, self.lr = sgd, parameters, lr

    def step(self, batch_length: int) -> None:
        """Divide the summed gradient by the batch length and update."""
        self.sgd(self._parameters, self.lr, batch_length)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None


class InputsFirst:
    """A model by hand, whose weights are (inputs, outputs), trained in nn.Linear's layout.

    The leaves are (outputs, inputs); the model sees them transposed, so that both sides' parameters
    and gradients can be held against each other entry by entry.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        held = list(model.parameters())
        self._names = [
            next(name for name, value in vars(model).items() if value is parameter)
            for parameter in held
        ]
        self._leaves = [
            parameter.detach().t().contiguous().clone().requires_grad_() for parameter in held
        ]

    def parameters(self) -> list[Tensor]:
        """The leaves, in the order of the model's own."""
        return self._leaves

    def forward(self, X: Tensor) -> Tensor:
        """The model's own, on the leaves as they are now."""
        for name, leaf in zip(self._names, self._leaves, strict=True):
            setattr(self._model, name, leaf.t())
        return self._model.forward(X)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Optimizers:
    """The optimizers of `scratch` or `builtin`: the piece that updates by the case's own rule."""

    package: ModuleType
    rule: UpdateRule = UpdateRule()  # noqa: RUF009 - it is frozen
    compiler: bool = True  # whether torch's may import its compiler, as they do by themselves

    def __call__(self, parameters: list[Tensor], lr: float) -> ObjectSGD:
        """The optimizer of this rule over the parameters."""
        kind: Any = getattr(self.package, OPTIMIZERS[self.rule.name])
        if not self.compiler:
            kind = without_compiler(kind)
        return ObjectSGD(partial(kind, **dict(self.rule.settings)), parameters, lr)


class ObjectSGD:
    """An optimizer object whose `step()` takes no batch length."""

    def __init__(self, sgd: Callable[..., Any], parameters: list[Tensor], lr: float) -> None:
        self.sgd = sgd(parameters, lr)

    def step(self, batch_length: int) -> None:
        """Update from a gradient that is a mean already."""
        del batch_length
        self.sgd.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.sgd.zero_grad()


class FreshEachEpoch:
    """Calls the iterator function anew for every epoch, as the functional loop does."""

    def __init__(self, start: Callable[[], Iterator[tuple[Tensor, Tensor]]]) -> None:
        self.start = start

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.start()
