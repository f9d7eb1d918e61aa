"""Runs a learner's training loop on the pieces of another side, and lets a recorder see it.

The loop is a function `train(...)`, or a loop that stands at the top level of the file. While it
runs, the file's own iterator, model, loss and update, under whatever names, are replaced by those
of the side, so that the loop is judged for itself alone. The loop trains tensors of its own in the
file's shapes; the side's parameters follow them, step by step.

What a loop does without calling a piece is seen from outside: a gradient when `backward` or
`autograd.grad` returns, an update when the parameters have changed by the next batch, the rows of a
batch in what the model and the loss are called with. The prediction and the loss of such a step are
those of the base; a gradient that autograd never computed is too. `Habits` tells which these were.
"""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from types import FrameType
from typing import Any, overload
from unittest.mock import patch

import torch
from torch import Tensor
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.autograd import grad as gradients  # itself, whatever stands in its place for a loop
from torch.overrides import TorchFunctionMode

from harness.answers import doubles as understudies
from harness.answers.arguments import KINDS
from harness.answers.component import Piece, codes, reads_of
from harness.answers.object_form import parameters
from harness.answers.style import File, Habits
from harness.engine.case import Case
from harness.engine.components import (
    COMPONENTS,
    DATA_ITERATOR,
    INITIALISATION,
    LOSS,
    MODEL,
    OPTIMIZER,
    Component,
)
from harness.engine.components.role import MODEL_CLASS, OPTIMIZER_CLASS, Role
from harness.engine.recipe import Batch, Optimizer, Recipe, Side

Pair = tuple[Tensor, Tensor]
_MANY = 2000  # steps


class EnoughError(BaseException):
    """Ends a loop that has shown enough; no `except Exception` stops it."""


class RightModel:
    """A linear model in the canonical shapes, for a side whose loop has tensors of its own."""

    def __init__(self, d: int) -> None:
        self.w = torch.zeros(d, 1, requires_grad=True)
        self.b = torch.zeros(1, requires_grad=True)

    def parameters(self) -> list[Tensor]:
        """The leaves, weight before bias."""
        return [self.w, self.b]

    def forward(self, X: Tensor) -> Tensor:
        """Features (m, d) -> predictions (m, 1)."""
        return predicted(X, self.w, self.b)


def predicted(X: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Xw + b for w and b of any shape: X (m, d) -> (m, 1)."""
    return X @ w.reshape(-1, 1) + b.reshape(-1)


class Stepper:
    """The base's update, or values that the loop has computed by itself."""

    def __init__(
        self, parameters: list[Tensor], lr: float, make: Callable[[list[Tensor], float], Optimizer]
    ) -> None:
        self.leaves, self.lr, self.make = parameters, lr, make
        self.inner = make(parameters, lr)
        self.values: Sequence[Tensor] | None = None

    def at(self, lr: float) -> None:
        """Update with this learning rate from now on."""
        if lr != self.lr:
            self.lr, self.inner = lr, self.make(self.leaves, lr)

    def step(self, batch_length: int) -> None:
        """Update, or take over the values of the loop where there are some."""
        if self.values is None:
            self.inner.step(batch_length)
        else:
            _copy(self.leaves, self.values)
            self.values = None

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.inner.zero_grad()


class Feed:
    """Batches that a side is given one by one, as its loop comes to use them."""

    def __init__(self, batches: Callable[[], Iterator[Batch]], generator: torch.Generator) -> None:
        self.epoch, self.generator = batches, generator
        self.batch: Batch | None = None

    def __iter__(self) -> Iterator[Batch]:
        while self.batch is not None:
            yield self.batch


def _copy(into: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(into, values, strict=True):
            tensor.copy_(value.detach().reshape(tensor.shape))


def recipe(
    file: File,
    piece: Piece,
    base: Recipe,
    prepare: Callable[[Conductor], None] = lambda _: None,
) -> Recipe:
    """The base trained by the answer's own loop; `prepare` gets each run before it starts."""
    feeds: list[Feed] = []
    steppers: list[Stepper] = []

    def optimizer(parameters: list[Tensor], lr: float) -> Stepper:
        steppers.append(Stepper(parameters, lr, base.optimizer))
        return steppers[-1]

    def batches(features: Tensor, labels: Tensor, size: int, generator: torch.Generator) -> Feed:
        served = base.batches(features, labels, size, generator)
        feeds.append(Feed(lambda: iter(served), generator))
        return feeds[-1]

    def loop(side: Side) -> None:
        feed = next(feed for feed in feeds if feed.generator is side.generator)
        stepper = next(s for s in steppers if s.leaves[0] is side.parameters()[0])
        conductor = Conductor(file, piece, side, stepper, feed)
        prepare(conductor)
        conductor.run()

    return replace(base, model=RightModel, optimizer=optimizer, batches=batches, loop=loop)


def trial(settings: dict[str, Any]) -> Case:
    """A small case to try a loop on, with the settings that it has for itself."""
    epochs, batch_size = settings.get("num_epochs", 1), settings.get("batch_size", 7)
    return Case(
        "trial",
        "one step of a loop",
        num_examples=settings.get("n", 2 * 7),
        weight=(1.0,) * settings.get("d", 3),
        batch_size=max(int(batch_size), 1),
        lr=0.01,
        epochs=max(int(epochs), 1),
    )


def habits(file: File, piece: Piece, base: Recipe, case: Case) -> Habits | None:
    """What a loop does in the first step of a case; None where it does none."""
    seen: list[Conductor] = []

    def first_step(conductor: Conductor) -> None:
        seen.append(conductor)
        conductor.first_only = True

    with suppress(Exception, SystemExit, EnoughError):  # what it raises shows again when judged
        recipe(file, piece, base, first_step).build(case, case.data()).fit()
    return seen[0].habits if seen and seen[0].habits.rows else None


def epochs(file: File, piece: Piece, base: Recipe, case: Case) -> int:
    """In how many epochs a loop trains that nothing tells of; 1 where it goes on and on."""
    seen: list[Conductor] = []

    def some_steps(conductor: Conductor) -> None:
        seen.append(conductor)
        conductor.most = _MANY

    with suppress(Exception, SystemExit, EnoughError):  # what it raises shows again when judged
        recipe(file, piece, base, some_steps).build(case, case.data()).fit()
        return max(1, len(seen[0].record.trained))
    return 1


def plain(value: Any) -> Any:
    """A tensor without the wrappers of `torch.func`; anything else as it is."""
    functorch = torch._C._functorch  # noqa: SLF001 - torch has no public name for it
    while isinstance(value, Tensor) and functorch.is_functorch_wrapped_tensor(value):
        value = functorch.get_unwrapped(value)
    return value


class Conductor:
    """One run of a learner's loop on a side.

    Batches that the loop has asked for wait in a queue; at each update of the loop, those up to the
    one it was made on are served to the side, which then predicts, computes its loss and updates.
    """

    def __init__(self, file: File, piece: Piece, side: Side, stepper: Stepper, feed: Feed) -> None:
        self.file, self.piece, self.side = file, piece, side
        self.stepper, self.feed = stepper, feed
        self.manner = file.manner
        self.habits = Habits()
        self.first_only = False
        self.most: int | None = None
        w, b = self.manner.leaves(side.case.d, side.data.features)
        self.passed = (w.requires_grad_(), b.requires_grad_())
        _copy(self.passed, side.data.initial)
        self.live: Pair = self.passed
        self.moved, self.steps = False, 0
        taken = {*(piece.arguments or {}).values(), *piece.names.values()}
        self.starts_itself = not {"w", "params"} & taken
        self.record = Record(self)
        self.pending = False
        self.captured: list[Tensor | None] | None = None
        self.model = understudies.Model(self, self._names(), side.lr, self.passed)
        fakes = self._fakes()
        reads = reads_of(piece.function, file.namespace)
        self.fakes = {name: fake for name, (_, fake) in fakes.items()}
        called = {component for name, (component, _) in fakes.items() if name in reads}
        called |= {component for component in COMPONENTS if taken & {*component.handed_as}}
        objects = {self.model, self.make_model} & {self.fakes[n] for n in reads & {*self.fakes}}
        if objects or "model" in taken:
            called |= {MODEL, LOSS}
        self.calls: set[Component[Any]] = called
        self.cuts_itself = DATA_ITERATOR not in called
        self.once = self.manner.once
        self.where: Callable[[Any], Pair | None] = self._by_kind
        self.frame: FrameType | None = None

    # The run.

    def run(self) -> None:
        """Run the loop to its end, and take over what it returns."""
        self.values = self._values()
        with self._in_place():
            try:
                returned = _pair(self.piece(**self.values))
            except (Exception, SystemExit):
                self.record.abandon()
                raise
            same = returned is None or returned[0] is self.passed[0]
            self.settle(self._by_name() if same else returned)
            final = returned or self._left()
        self.frame = None  # it holds all that the loop has held
        self.record.close()
        self.side.load([plain(value).detach() for value in final])

    def _left(self) -> Pair:
        """The parameters that a loop leaves behind that returns none."""
        if self.piece.names:
            return self._by_kind(self.file.namespace) or self.live
        return self.live if self.starts_itself else self.passed

    def _values(self) -> dict[str, Any]:
        """What the loop is called with, by kind."""
        case, data = self.side.case, self.side.data
        w, b = self.passed
        return {
            "features": data.features,
            "labels": self.labels(data.labels),
            "data": (data.features, self.labels(data.labels)),
            "w": w,
            "b": b,
            "params": [w, b],
            "lr": self.side.lr,
            "num_epochs": case.epochs,
            "batch_size": case.batch_size,
            "net": self.net,
            "loss": self.loss,
            "update": self.update,
            "batches": self.batches,
            "X": data.features[: case.batch_size],
            "y": self.labels(data.labels)[: case.batch_size],
            "loader": Loader(self, once=self._once()),
            "model": self.model,
            "data_module": understudies.DataModule(
                lambda: Loader(self, once=False), case.batch_size, (case.n, 0)
            ),
            "sigma": 0.01,
            "num_examples": case.n,
        }

    def _once(self) -> bool:
        """Whether what the loop goes through can be gone through once."""
        name = next((n for n, kind in self.piece.names.items() if kind == "loader"), "")
        made = self.file.namespace.get(name)
        return self.once if made is None else iter(made) is made

    def labels(self, y: Tensor) -> Tensor:
        """Labels in the file's shape: (n,) where its own are."""
        return y.reshape(-1) if self.manner.flat_labels else y

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        """Have the loop find the side's pieces, and autograd tell of its gradients."""
        autograd, namespace = torch.autograd, self.file.namespace
        grad = self._grad(autograd.grad)
        grads = {name: grad for name, value in namespace.items() if value is autograd.grad}
        backward = self._backward(autograd.backward)
        inline = self.cuts_itself and not {MODEL, LOSS} & self.calls
        with (
            Cuts(self) if inline else nullcontext(),
            patch.dict(namespace, self.fakes | grads),
            patch.object(autograd, "backward", backward),
            patch.object(autograd, "grad", grad),
        ):
            yield

    def _fakes(self) -> dict[str, tuple[Component[Any], Callable[..., Any]]]:
        """The side's pieces under the names that the file has for its own, or misses."""
        fakes: dict[str, tuple[Component[Any], Callable[..., Any]]] = {}
        pieces: tuple[tuple[Component[Any], Callable[..., Any]], ...] = (
            (DATA_ITERATOR, self.batches),
            (MODEL, self.net),
            (LOSS, self.loss),
            (OPTIMIZER, self.update),
            (INITIALISATION, self.init),
        )
        for component, fake in pieces:
            for role in component.roles:
                fakes |= dict.fromkeys(self._names_of(role), (component, fake))
        return fakes | self._object_fakes()

    def _names_of(self, role: Role) -> Iterator[str]:
        """What the file calls a piece; where it has none, what it may call one that is missing."""
        piece, namespace = self.file.pieces.get(role.name), self.file.namespace
        if piece:
            yield from (name for name, value in namespace.items() if value is piece.function)
            return
        for name in role.names:
            if name not in namespace and not hasattr(builtins, name):
                yield name

    def _object_fakes(self) -> dict[str, tuple[Component[Any], Any]]:
        """The same for the object form: the classes, and what has been made of them."""
        fakes: dict[str, tuple[Component[Any], Any]] = {}
        optimizer = understudies.Optimizer(self, self.side.lr, self.passed)
        classes: tuple[tuple[Role, Component[Any], Any, Callable[..., Any]], ...] = (
            (MODEL_CLASS, MODEL, self.model, self.make_model),
            (OPTIMIZER_CLASS, OPTIMIZER, optimizer, self.make_optimizer),
        )
        for role, component, understudy, make in classes:
            piece = self.file.pieces.get(role.name)
            for name, value in self.file.namespace.items() if piece else ():
                if piece and value is piece.function:
                    fakes[name] = (component, make)
                elif piece and isinstance(value, piece.function):
                    fakes[name] = (component, understudy)
        return fakes

    def _names(self) -> list[str]:
        """What the model class calls its weight and its bias."""
        piece = self.file.pieces.get(MODEL_CLASS.name)
        with suppress(Exception, SystemExit):  # a class that cannot be made is judged elsewhere
            if piece:
                return [*parameters(piece(num_inputs=self.side.case.d, lr=0.1, sigma=0.01))]
        return ["w", "b"]

    # What a loop of the object form calls, through its understudies.

    def make_model(self, *args: Any, **kwargs: Any) -> understudies.Model:
        """Stands for the model class: the case's own model at first, then drawn anew."""
        if not self.moved:
            return self.model
        pair = self.init(*args, **kwargs)
        return understudies.Model(self, self._names(), self.side.lr, pair)

    def make_optimizer(self, *args: Any, **kwargs: Any) -> understudies.Optimizer:
        """Stands for the optimizer class."""
        values = self._called((OPTIMIZER_CLASS,), args, kwargs)
        pair = _pair(list(values.get("params", ()))) or self.passed
        return understudies.Optimizer(self, float(values.get("lr", self.side.lr)), pair)

    def predict(self, X: Tensor, pair: Pair) -> Tensor:
        """The prediction for a batch."""
        return self._predicted(X, pair, flat=self.manner.flat_class)

    def computed_loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """The loss of a batch."""
        return self._lost(y_hat, y, flat=self.manner.flat_class)

    def step(self, pair: Pair) -> None:
        """An update from a mean gradient."""
        self._update(pair, None, 1)

    # What the loop calls instead of the file's pieces.

    def _called(self, roles: Sequence[Role], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The arguments of a call by kind, in the order of the file's own signature."""
        pieces = (self.file.pieces.get(role.name) for role in roles)
        piece = next(filter(None, pieces), None)
        if piece is not None and piece.arguments is not None:
            return piece.bound(*args, **kwargs)
        return dict(zip(roles[0].takes, args, strict=False)) | kwargs

    def batches(self, *args: Any, **kwargs: Any) -> Loader:
        """Stands for the file's `data_iter`: the side's batches, once or again and again."""
        self._called(DATA_ITERATOR.roles, args, kwargs)
        return Loader(self, once=self.once)

    def init(self, *args: Any, **kwargs: Any) -> Pair:
        """Stands for the file's `init_params`: the case's own at first, then drawn anew."""
        del args, kwargs
        if self.starts_itself and not self.moved:
            return self.passed
        w, b = self.manner.leaves(self.side.case.d, self.side.data.features)
        _copy((w, b), list(self.side.recipe.init(self.side.case.d)))
        return w.requires_grad_(), b.requires_grad_()

    def net(self, *args: Any, **kwargs: Any) -> Tensor:
        """Stands for the file's `linreg`."""
        values = self._called(MODEL.roles, args, kwargs)
        X = values["X"]
        pair = _pair(values.get("params")) or _pair((values.get("w"), values.get("b")))
        return self._predicted(X, pair or self._by_name() or self.live, flat=self.manner.flat)

    def _predicted(self, X: Tensor, pair: Pair, *, flat: bool) -> Tensor:
        w, b = pair
        with temporarily_clear_interpreter_stack():  # within torch.func, as if it were not
            if not self._foreign(pair):
                self._adopt((plain(w), plain(b)), pair)
                self.record.forward(plain(X), trains=self._trains(X))
        y_hat = predicted(X, w, b)
        return y_hat.reshape(y_hat.shape[:-1]) if flat else y_hat

    def _trains(self, tensor: Tensor) -> bool:
        """Whether a call is part of a step, and not only there to be printed."""
        wrapped = any(plain(t) is not t for t in (tensor, *self.live))
        return torch.is_grad_enabled() or wrapped or self.record.serves(tensor)

    def _foreign(self, pair: Pair) -> bool:
        """Whether these tensors are not trained: the true ones perhaps, to compare with."""
        if (
            any(t.requires_grad or plain(t) is not t for t in pair)
            or not self.live[0].requires_grad
        ):
            return False
        known = {t.data_ptr() for p in (self.live, self._by_name() or self.live) for t in p}
        return not {t.data_ptr() for t in pair} & known

    def loss(self, *args: Any, **kwargs: Any) -> Tensor:
        """Stands for the file's loss, per example or its mean, as the file's own gives it."""
        values = self._called(LOSS.roles, args, kwargs)
        return self._lost(values["y_hat"], values["y"], flat=self.manner.flat)

    def _lost(self, y_hat: Tensor, y: Tensor, *, flat: bool) -> Tensor:
        column = y_hat.reshape(*y_hat.shape, 1) if flat else y_hat
        with temporarily_clear_interpreter_stack():
            if self._trains(y_hat):
                self.record.loss(plain(column).detach(), plain(y).detach())
        computed = self.side.recipe.loss(column, y)
        if self.manner.per_example is False:
            return computed
        if computed.ndim == 0:  # equal parts, whose mean is the loss, and its gradient too
            return computed.expand(y_hat.shape)
        return computed.reshape(y_hat.shape) if computed.numel() == y_hat.numel() else computed

    def update(self, *args: Any, **kwargs: Any) -> Any:
        """Stands for the file's `sgd`."""
        values = self._called(OPTIMIZER.roles, args, kwargs)
        pair = self._updated(values)
        self.stepper.at(float(values.get("lr", self.side.lr)))
        self._update(pair, values.get("grads"), int(self._length(values)))
        for parameter, clears in zip(pair, self.manner.clears, strict=True):
            if clears and parameter.grad is not None:
                parameter.grad.zero_()
        return list(pair) if self.manner.returns else None

    def _update(self, pair: Pair, grads: Sequence[Tensor] | None, length: int) -> None:
        """A step of the side from the loop's parameters and gradients, and back."""
        self.live = pair
        _copy(self.side.parameters(), [plain(p) for p in pair])
        self._set_gradients([p.grad for p in pair] if grads is None else list(grads))
        self._step(length)
        _copy(pair, self.side.parameters())

    def _length(self, values: dict[str, Any]) -> Any:
        """What the update divides by: what it is told, a global name, or the rows of the batch."""
        piece = self.file.pieces.get(OPTIMIZER.name)
        names = piece.names if piece else {}
        name = next((n for n, kind in names.items() if kind == "batch_size"), "")
        told = values.get("batch_size", self.file.namespace.get(name))
        return self.record.rows if told is None else told

    def _updated(self, values: dict[str, Any]) -> Pair:
        """The parameters of an update, weight before bias."""
        params = values.get("params")
        pair = [values.get("w"), values.get("b")] if params is None else list(params)
        if len(pair) == 2 and pair[0] is self.live[1] and pair[1] is self.live[0]:
            pair.reverse()
        found = _pair(pair)
        if found is None:
            raise TypeError(f"the update got {len(pair)} parameters, but should get w and b")
        return found

    # What the loop does, seen from outside.

    def _backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def backward(*args: Any, **kwargs: Any) -> None:
            self._settle_between()
            pairs = self._candidates()
            before = [_states(pair) for pair in pairs]
            original(*args, **kwargs)
            for pair, state in zip(pairs, before, strict=True):
                if _states(pair) != state:
                    self.live = pair
                    self._differentiated([p.grad for p in pair])
                    return

        return backward

    def _grad(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            self._settle_between()
            found = original(outputs, inputs, *args, **kwargs)
            asked = [inputs] if isinstance(inputs, Tensor) else list(inputs)
            for pair in self._candidates():
                at = [next((k for k, i in enumerate(asked) if i is p), None) for p in pair]
                if any(k is not None for k in at):
                    self.live = pair
                    self._differentiated([None if k is None else found[k] for k in at])
                    break
            return found

        return grad

    def _settle_between(self) -> None:
        """Before gradients: see an update of a loop that has asked for no batch since."""
        if self.pending and self.captured is not None:
            self.settle()

    def _candidates(self) -> list[Pair]:
        """What the loop may be training: by its names, and what it has last predicted with."""
        named = self._by_name()
        return [self.live] if named is None else [named, self.live]

    def _differentiated(self, found: list[Tensor | None]) -> None:
        self.captured = [None if g is None else g.detach().clone() for g in found]
        self.pending = True

    def _adopt(self, pair: Pair, named: Pair) -> None:
        """The loop predicts with these tensors: settle what came before, and follow them.

        `named` are the same as the loop has them, under whatever names.
        """
        if self.starts_itself and not self.moved and pair[0] is not self.passed[0]:
            _copy([plain(p) for p in pair], self.side.data.initial)
            self._follow(pair)
        self.settle(pair)
        self.live = pair
        self._follow(pair)
        self._locate(named)

    def _follow(self, pair: Pair) -> None:
        _copy(self.side.parameters(), [plain(p) for p in pair])

    def _locate(self, pair: Pair) -> None:
        """Note which names the loop has for these tensors, where it does not call them w and b."""
        names = self._names_now()
        by_kind = self._by_kind(names)
        if by_kind is not None and all(a is b for a, b in zip(by_kind, pair, strict=True)):
            self.where = self._by_kind
        elif names is not None:
            self.where = _found_in(names, pair)

    def settle(self, pair: Pair | None = None) -> None:
        """Take note of an update that the loop has made by itself since the last step."""
        if not self.pending and not self.record.unseen:
            return
        now = [plain(v).detach() for v in pair or self._by_name() or self.live]
        shadows = self.side.parameters()
        if all(
            torch.equal(n.reshape(-1), s.reshape(-1)) for n, s in zip(now, shadows, strict=True)
        ):
            return
        if self.captured is None and not self.record.waits:  # no update: others to start from
            self.pending = False
            return
        self.habits.inlined.add("update")
        self._set_gradients(self.captured)
        self.stepper.values = [value.clone() for value in now]
        self._step(self.side.recipe.convention.divisor(self.record.rows))

    def _step(self, length: int) -> None:
        """One update of the side, on what has been recorded since the last."""
        self._measure(length)
        self.record.replay()
        self.side.update(length)
        self.pending, self.captured, self.moved = False, None, True
        self.steps += 1
        if (self.first_only and self.habits.rows) or self.steps == self.most:
            raise EnoughError

    def _set_gradients(self, found: Sequence[Tensor | None] | None) -> None:
        leaves = self.side.parameters()
        if found is None:
            self.habits.inlined.add("gradient")
            found = self._own_gradient(leaves)
        for leaf, g in zip(leaves, found, strict=True):
            leaf.grad = None if g is None else plain(g).detach().reshape(leaf.shape).clone()

    def _own_gradient(self, leaves: list[Tensor]) -> Sequence[Tensor | None]:
        """The base's gradient, for a loop that computes one without autograd."""
        batch = self.record.batch()
        if batch is None:
            return [None] * len(leaves)
        with torch.enable_grad():
            loss = self.side.recipe.loss(predicted(batch[0], *leaves), batch[1]).sum()
            return gradients(loss, leaves)

    def _measure(self, length: int) -> None:
        """How the first gradient compares to that of the mean squared error."""
        batch, leaves = self.record.batch(), self.side.parameters()
        grads = [leaf.grad for leaf in leaves if leaf.grad is not None]
        if self.habits.rows or batch is None or len(grads) < len(leaves):
            return
        X, y = batch
        self.habits.rows, self.habits.length = len(X), length
        if "gradient" in self.habits.inlined:
            return
        with torch.enable_grad():
            error = predicted(X, *leaves) - y.reshape(-1, 1)
            wanted = gradients(error.square().mean(), leaves)
        mine, theirs = (torch.cat([g.double().reshape(-1) for g in gs]) for gs in (grads, wanted))
        if float(theirs @ theirs) > 0:
            self.habits.scale = float(mine @ theirs / (theirs @ theirs))

    def _by_name(self) -> Pair | None:
        """The parameters by the names that the loop has for them."""
        return self.where(self._names_now())

    def _names_now(self) -> Any:
        """The variables of the loop, also after its end; None where it has none of its own."""
        if self.piece.names:
            return self.file.namespace
        frame: FrameType | None = sys._getframe()  # noqa: SLF001 - its variables are nowhere else
        running = codes(self.piece.function)
        while frame is not None and frame.f_code not in running:
            frame = frame.f_back
        self.frame = frame or self.frame
        return self.frame and self.frame.f_locals

    def _by_kind(self, names: Any) -> Pair | None:
        """The parameters by what w and b are mostly called, or by the names of the arguments."""
        if names is None:
            return None
        kinds = {**(self.piece.arguments or {}), **self.piece.names}
        called = {kind: name for name, kind in kinds.items()}
        if self.piece.names:  # at the top level, a name may mean anything
            called = {"w": "", "b": "", **called}
        if "params" in called:
            return _pair(names.get(called["params"]))
        return _pair(tuple(_named(names, kind, called.get(kind)) for kind in ("w", "b")))


def _named(names: Any, kind: str, name: str | None) -> Any:
    candidates = KINDS[kind] if name is None else [name]
    return next((names[n] for n in candidates if isinstance(names.get(n), Tensor)), None)


def _pair(value: Any) -> Pair | None:
    """Two tensors, from a tuple, a list or a dictionary; None where it is anything else."""
    values = list(value.values()) if isinstance(value, dict) else value
    if isinstance(values, tuple | list) and len(values) == 2:
        w, b = values
        if isinstance(w, Tensor) and isinstance(b, Tensor):
            return w, b
    return None


def _found_in(names: Any, pair: Pair) -> Callable[[Any], Pair | None]:
    """How to find tensors again: under the names, or in the container, that hold them now."""
    values = dict(names)
    for name, value in values.items():
        held = _pair(value)
        if held and held[0] is pair[0] and held[1] is pair[1]:
            return lambda names: _pair(names.get(name))
    called = [next((n for n, value in values.items() if value is p), "") for p in pair]
    return lambda names: _pair(tuple(names.get(name) for name in called)) if names else None


def _states(pair: Pair) -> list[tuple[int, int]]:
    """What tells whether a backward pass has written to the gradients."""
    return [(id(p.grad), -1 if p.grad is None else p.grad._version) for p in pair]  # noqa: SLF001


class Record:
    """What a loop has asked for and computed since the last step of the side."""

    def __init__(self, conductor: Conductor) -> None:
        self.conductor = conductor
        self.queue: list[tuple[bool, Batch]] = []
        self.forwards: list[Tensor] = []
        self.idle: list[Tensor] = []
        self.losses: list[tuple[Tensor, Tensor]] = []
        self.stream: Iterator[Batch] | None = None
        self.last: Batch | None = None
        self.cut = 0
        self.cuts: list[Batch] = []
        self.late = False
        self.ahead = self.begun = False
        self.epoch = -1
        self.trained: set[int] = set()

    def serve(self, batch: Batch, *, first: bool) -> None:
        """The loop gets a batch; what it computed before is no part of the next step."""
        if first and self.ahead:  # it has left some of the last epoch
            self.close()
            self.ahead = False
        self.queue.append((first, batch))
        self.last = batch
        case = self.conductor.side.case
        whole = sum(len(X) for _, (X, _) in self.queue) >= case.n and self.queue[0][0]
        if whole and not self.conductor.pending:
            self.ahead, self.begun = len(self.queue) > 1, False
        self.late = self.conductor.pending  # an update may yet show, at the next forward pass
        if not self.late:
            self.forwards, self.losses = [], []
        self.idle = []

    def serves(self, X: Tensor) -> bool:
        """Whether these are the rows of the batch that the loop has now."""
        case = self.conductor.side.case
        if self.conductor.cuts_itself:
            return len(X) <= case.batch_size < case.n
        waiting = [batch for _, batch in self.queue] if self.ahead else []
        return any(X is batch[0] for batch in (*waiting, self.last) if batch is not None)

    def forward(self, X: Tensor, *, trains: bool) -> None:
        """The loop predicts for these rows."""
        if not trains:
            self.idle.append(X.detach())
            return
        if self.late:
            self.forwards, self.losses, self.late = [], [], False
        self.forwards.append(X.detach())
        self.idle = []
        self.conductor.pending = True

    @property
    def unseen(self) -> bool:
        """Whether a step may have been made of which nothing has shown but new parameters.

        Such a loop has neither asked for gradients nor predicted but under `torch.no_grad()`.
        """
        inline = MODEL not in self.conductor.calls
        return bool(self.queue or self.cuts) and (inline or bool(self.idle))

    @property
    def waits(self) -> bool:
        """Whether there is a batch that the loop has made no step on."""
        return self.conductor.cuts_itself or bool(self.queue)

    def loss(self, y_hat: Tensor, y: Tensor) -> None:
        """The loop computes a loss."""
        self.losses.append((y_hat, y))

    def batch(self) -> Batch | None:
        """The batch of the step that is being made."""
        if not self.conductor.cuts_itself:
            due = self._due()
            return self.queue[due[-1]][1] if due else self.last
        if self.cuts:
            return torch.cat([X for X, _ in self.cuts]), torch.cat([y for _, y in self.cuts])
        pairs = list(zip(self.forwards, (y for _, y in self.losses), strict=False))
        if not pairs:
            return self.last
        X, y = zip(*pairs, strict=True)
        return torch.cat(X), torch.cat(y)

    def _due(self) -> list[int]:
        """Which of the batches that wait belong to the step: all that have been asked for.

        Where an epoch was drawn ahead, they are those that the model was given, or the next.
        """
        waiting = range(len(self.queue))
        if not self.ahead:
            return list(waiting[:-1] if self.late and len(waiting) > 1 else waiting)
        used = [k for k in waiting if any(_within(X, self.queue[k][1][0]) for X in self.forwards)]
        inline = MODEL not in self.conductor.calls
        return used or list(waiting[: bool(inline or self.forwards)])

    @property
    def rows(self) -> int:
        """Rows of that batch."""
        batch = self.batch()
        return len(batch[0]) if batch else 1

    def replay(self) -> None:
        """Let the side see the batch, its predictions and its losses."""
        conductor, batch = self.conductor, self.batch()
        if conductor.cuts_itself and batch is not None:
            self._queue_cut(batch)
        due = self._due()
        taken = [self.queue[k] for k in due]
        if self.ahead and taken:
            taken[0] = (not self.begun, taken[0][1])
            self.begun, self.last = True, taken[-1][1]
        self._push(taken)
        self.queue = [entry for k, entry in enumerate(self.queue) if k not in due]
        self.forwards = self.forwards or self.idle
        self.trained.add(self.epoch)
        self._fill(batch)
        with torch.no_grad():
            for X in self.forwards:
                conductor.side.forward(X)
            for y_hat, y in self.losses:
                conductor.side.loss(y_hat, y)
        self.forwards, self.idle, self.losses, self.cuts, self.late = [], [], [], [], False

    def _queue_cut(self, batch: Batch) -> None:
        """A batch that the loop has cut itself; an epoch ends when it has had n rows."""
        n = self.conductor.side.case.n
        self.queue.append((self.cut % n == 0 or self.cut > n, batch))
        self.cut = self.cut % n + len(batch[0])
        self.conductor.habits.inlined.add("batch")
        self.last = batch

    def _push(self, entries: Sequence[tuple[bool, Batch]]) -> None:
        """Serve batches to the side."""
        for first, batch in entries:
            self.conductor.feed.batch = batch
            if first or self.stream is None:
                self.epoch += 1
                self.stream = iter(self.conductor.side.loader)
            next(self.stream)

    def _fill(self, batch: Batch | None) -> None:
        """What the loop computes itself, without calling a piece, is taken from the base."""
        calls, habits = self.conductor.calls, self.conductor.habits
        if batch is None or {MODEL, LOSS} <= calls:
            return
        X, y = batch
        if MODEL not in calls:
            habits.inlined.add("prediction")
            lengths = [len(y_hat) for y_hat, _ in self.losses]
            self.forwards = list(X.split(lengths if sum(lengths) == len(X) else len(X)))
        if LOSS not in calls:
            habits.inlined.add("loss")
            lengths = [len(part) for part in self.forwards]
            if sum(lengths) == len(y):
                model = self.conductor.side.model
                parts = zip(self.forwards, y.split(lengths), strict=True)
                with torch.no_grad():
                    self.losses = [(model.forward(part), labels) for part, labels in parts]

    def close(self) -> None:
        """Serve what the loop asked for after its last step."""
        if self.ahead and self.queue:
            self.queue[0] = (not self.begun, self.queue[0][1])
        self._push(self.queue)
        self.queue = []

    def abandon(self) -> None:
        """The loop has raised: serve the batch that it was at."""
        due = self._due() if self.forwards else range(len(self.queue))
        self._push([self.queue[k] for k in due])


def _within(part: Tensor, whole: Tensor) -> bool:
    """Whether rows are a batch, or cut from it."""
    return part.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()


class Cuts(TorchFunctionMode):
    """Sees the rows that a loop cuts from features and labels and hands to no piece."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self.conductor = conductor
        data = conductor.side.data
        self.features, self.labels = data.features, conductor.values["labels"]
        self.X: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function, and keep what it picks out of the data."""
        result = func(*args, **(kwargs or {}))
        if func in (Tensor.__getitem__, Tensor.index_select, torch.index_select) and args:
            if args[0] is self.features:
                self.conductor.settle()
                self.X = result
            elif args[0] is self.labels and self.X is not None and len(self.X) == len(result):
                record = self.conductor.record
                record.cuts = [*(record.cuts if self.conductor.pending else []), (self.X, result)]
                self.X = None
        return result


class Loader:
    """The side's batches, as the loop goes through them: once, or anew each time.

    `part` are those of a list that the loop has cut out of it.
    """

    def __init__(
        self, conductor: Conductor, *, once: bool, part: Sequence[Batch] | None = None
    ) -> None:
        self.conductor, self.once, self.part = conductor, once, part
        self.drawn: list[Batch] | None = None
        self.epoch: Iterator[Batch] | None = None
        self.at = -1

    def __len__(self) -> int:
        case = self.conductor.side.case
        return math.ceil(case.n / case.batch_size) if self.part is None else len(self.part)

    def __iter__(self) -> Iterator[Batch]:
        return self if self.once else self._served()

    def __next__(self) -> Batch:
        if self.epoch is None:
            self.epoch = self._served()
        return next(self.epoch)

    @overload
    def __getitem__(self, index: slice) -> Loader: ...
    @overload
    def __getitem__(self, index: int) -> Batch: ...
    def __getitem__(self, index: int | slice) -> Batch | Loader:
        """For loops that number the batches of a list, one after the other, or take some."""
        if isinstance(index, slice):
            if self.drawn is None:
                self.drawn = list(self._drawn())
            return Loader(self.conductor, once=False, part=self.drawn[index])
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        if index != self.at:
            if index == 0:
                self.epoch = self._served()
            self.at, self.current = index, next(self)
        return self.current

    def _drawn(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        if self.part is not None:
            return iter(self.part)
        drawn, self.drawn = self.drawn, None
        return self.conductor.feed.epoch() if drawn is None else iter(drawn)

    def _served(self) -> Iterator[Batch]:
        conductor = self.conductor
        first, batches = True, self._drawn()
        while True:
            conductor.settle()
            batch = next(batches, None)
            if batch is None:
                return
            conductor.record.serve(batch, first=first)
            first = False
            yield batch[0], conductor.labels(batch[1])
