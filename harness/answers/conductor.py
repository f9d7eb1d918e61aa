"""One run of a learner's loop on the pieces of another side.

While it runs, the file's own iterator, model, loss and update, under whatever names, are replaced
by those of the side, so that the loop is judged for itself alone. The loop trains tensors of its
own in the file's shapes; the side's parameters follow them, step by step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.autograd import grad as gradients  # itself, whatever stands in its place for a loop

from harness.answers import doubles
from harness.answers.batches import Cuts, Loader
from harness.answers.component import Piece, codes, reads_of
from harness.answers.fakes import class_names, fakes
from harness.answers.fit_class import FitData
from harness.answers.handed import handed_to
from harness.answers.loop_side import (
    EnoughError,
    Feed,
    Pair,
    Stepper,
    copy_into,
    gradient_of,
    plain,
    predicted,
)
from harness.answers.parameter_names import by_kind, found_in, pair_of, states
from harness.answers.record import Record
from harness.answers.style import File, Habits
from harness.engine.components import (
    COMPONENTS,
    DATA_ITERATOR,
    LOSS,
    MODEL,
    OPTIMIZER,
    Component,
)
from harness.engine.components.role import OPTIMIZER_CLASS, Role
from harness.engine.recipe import Side


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
        self.theta, self.passed = self._leaves()
        copy_into(self.passed, side.data.initial)
        self.live: Pair = self.passed
        self.moved, self.steps = False, 0
        taken = {*(piece.arguments or {}).values(), *piece.names.values()}
        self.starts_itself = not {"w", "params", "theta"} & taken
        self.owns_start = isinstance(piece.function, FitData)
        self.record = Record(self)
        self.pending = self.looking = False
        self.captured: list[Tensor | None] | None = None
        self.model = doubles.Model(self, class_names(self), side.lr, self.passed)
        replaced = fakes(self)
        reads = reads_of(piece.function, file.namespace)
        self.fakes = {name: fake for name, (_, fake) in replaced.items()}
        called = {component for name, (component, _) in replaced.items() if name in reads}
        called |= {component for component in COMPONENTS if taken & {*component.handed_as}}
        objects = {self.model, self.make_model} & {self.fakes[n] for n in reads & {*self.fakes}}
        if objects or "model" in taken:
            called |= {MODEL, LOSS}
        self.calls: set[Component[Any]] = called
        self.cuts_itself = DATA_ITERATOR not in called
        self.once = self.manner.once
        self.where: Callable[[Any], Pair | None] = self._by_kind
        self.frame: FrameType | None = None

    def _leaves(self) -> tuple[Tensor | None, Pair]:
        """What the loop is handed to train, and the weight and bias in it."""
        case, features = self.side.case, self.side.data.features
        if self.manner.theta:
            theta = self.manner.theta.leaf(case.d, features.dtype)
            return theta, self.manner.theta.parts(theta)
        w, b = self.manner.leaves(case.d, features)
        return None, (w.requires_grad_(), b.requires_grad_())

    # The run.

    def run(self) -> None:
        """Run the loop to its end, and take over what it returns."""
        self.values = handed_to(self)
        with self._in_place():
            try:
                returned = pair_of(self._trained())
            except (Exception, SystemExit):
                self.record.abandon()
                raise
            same = returned is None or returned[0] is self.passed[0]
            self.settle(self._by_name() if same else returned)
            final = returned or self._left()
        self.frame = None  # it holds all that the loop has held
        self.record.close()
        self.side.load([plain(value).detach() for value in final])

    def _trained(self) -> Any:
        """What the loop returns, having trained."""
        fit = self.piece.function
        if not (isinstance(fit, FitData) and fit.numpy):
            return self.piece(**self.values)
        side = self.side
        for pair in fit.counted(self.values, side.case.epochs, side.case.d):
            if self.record.unseen or self.moved:
                self.settle(pair)
            else:
                self.start_over()
            self.live = pair
            self.record.cuts = [(side.data.features, side.data.labels)]
        self.record.cuts = []
        return None

    def _left(self) -> Pair:
        """The parameters that a loop leaves behind that returns none."""
        if self.piece.names:
            return self._by_kind(self.file.namespace) or self.live
        return self.live if self.starts_itself else self.passed

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

    # What a loop of the object form calls, through its doubles.

    def make_model(self, *args: Any, **kwargs: Any) -> doubles.Model:
        """Stands for the model class: the case's own model at first, then drawn anew."""
        if not self.moved:
            return self.model
        pair = self.init(*args, **kwargs)
        return doubles.Model(self, class_names(self), self.side.lr, pair)

    def make_optimizer(self, *args: Any, **kwargs: Any) -> doubles.Optimizer:
        """Stands for the optimizer class."""
        values = self._called((OPTIMIZER_CLASS,), args, kwargs)
        pair = pair_of(list(values.get("params", ()))) or self.passed
        return doubles.Optimizer(self, float(values.get("lr", self.side.lr)), pair)

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
        copy_into((w, b), list(self.side.recipe.init(self.side.case.d)))
        return w.requires_grad_(), b.requires_grad_()

    def net(self, *args: Any, **kwargs: Any) -> Tensor:
        """Stands for the file's `linreg`."""
        values = self._called(MODEL.roles, args, kwargs)
        X = values["X"]
        pair = pair_of(values.get("params")) or pair_of((values.get("w"), values.get("b")))
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
            if clears and (gradient := gradient_of(parameter)) is not None:
                gradient.zero_()
        return list(pair) if self.manner.returns else None

    def _update(self, pair: Pair, grads: Sequence[Tensor] | None, length: int) -> None:
        """A step of the side from the loop's parameters and gradients, and back."""
        self.live = pair
        copy_into(self.side.parameters(), [plain(p) for p in pair])
        self._set_gradients([*map(gradient_of, pair)] if grads is None else list(grads))
        self._step(length)
        copy_into(pair, self.side.parameters())

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
        if self.manner.theta and len(pair) == 1 and isinstance(pair[0], Tensor):
            return self.manner.theta.parts(pair[0])
        found = pair_of(pair)
        if found is None:
            raise TypeError(f"the update got {len(pair)} parameters, but should get w and b")
        return found

    # What the loop does, seen from outside.

    def _backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def backward(*args: Any, **kwargs: Any) -> None:
            self._settle_between()
            pairs = self._candidates()
            before = [states(pair) for pair in pairs]
            original(*args, **kwargs)
            for pair, state in zip(pairs, before, strict=True):
                if states(pair) != state:
                    self.live = pair
                    self._differentiated([*map(gradient_of, pair)])
                    return

        return backward

    def _grad(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if self.looking:  # a mode of torch finds the function by its name, which is patched
                return original(outputs, inputs, *args, **kwargs)
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

    def start_over(self) -> None:
        """Follow a class to where it starts from, before it has trained anything."""
        pair = self._by_name()
        if self.owns_start and not self.moved and pair is not None:
            self.side.restart([plain(p).detach() for p in pair])
            self.live = pair

    def _differentiated(self, found: list[Tensor | None]) -> None:
        self.start_over()
        self.captured = [None if g is None else g.detach().clone() for g in found]
        self.pending = True

    def _adopt(self, pair: Pair, named: Pair) -> None:
        """The loop predicts with these tensors: settle what came before, and follow them.

        `named` are the same as the loop has them, under whatever names.
        """
        if self.starts_itself and not self.moved and pair[0] is not self.passed[0]:
            copy_into([plain(p) for p in pair], self.side.data.initial)
            self._follow(pair)
        self.settle(pair)
        self.live = pair
        self._follow(pair)
        self._locate(named)

    def _follow(self, pair: Pair) -> None:
        copy_into(self.side.parameters(), [plain(p) for p in pair])

    def _locate(self, pair: Pair) -> None:
        """Note which names the loop has for these tensors, where it does not call them w and b."""
        names = self._names_now()
        by_kind = self._by_kind(names)
        if by_kind is not None and all(a is b for a, b in zip(by_kind, pair, strict=True)):
            self.where = self._by_kind
        elif names is not None:
            self.where = found_in(names, pair)

    def settle(self, pair: Pair | None = None) -> None:
        """Take note of an update that the loop has made by itself since the last step."""
        if not self.pending and not self.record.unseen:
            return
        now = [plain(v).detach() for v in pair or self._by_name() or self.live]
        shadows = self.side.parameters()
        if all(
            torch.equal(n.reshape(-1), s.reshape(-1)) for n, s in zip(now, shadows, strict=True)
        ) and not self._stands_still(shadows):
            return
        if self.captured is None and not self.record.waits:  # no update: others to start from
            self.pending = False
            return
        self.habits.inlined.add("update")
        self._set_gradients(self.captured)
        self.stepper.values = [value.clone() for value in now]
        self._step(self.side.recipe.convention.divisor(self.record.rows))

    def _stands_still(self, leaves: Sequence[Tensor]) -> bool:
        """Whether the gradients are too small for an update to move anything."""
        if self.captured is None or not self.pending:
            return False
        pairs = [(p, g) for p, g in zip(leaves, self.captured, strict=True) if g is not None]
        return bool(pairs) and all(
            torch.equal((p - self.side.lr * g.reshape(p.shape)).detach(), p.detach())
            for p, g in pairs
        )

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
            return self._gradients(loss, leaves)

    def _gradients(self, loss: Tensor, leaves: list[Tensor]) -> Sequence[Tensor]:
        """Gradients that are ours, not the loop's."""
        self.looking = True
        try:
            return gradients(loss, leaves)
        finally:
            self.looking = False

    def _measure(self, length: int) -> None:
        """How the first gradient compares to that of the mean squared error."""
        batch, leaves = self.record.batch(), self.side.parameters()
        grads = [leaf.grad for leaf in leaves if leaf.grad is not None]
        if self.habits.rows or batch is None or len(grads) < len(leaves):
            return
        X, y = batch
        self.habits.rows, self.habits.length = len(X), length
        told = {*(self.piece.arguments or {}).values(), *self.piece.names.values()}
        whole = self.cuts_itself and len(X) == self.side.case.n
        self.habits.whole = whole and not {"batch_size", "loader"} & told
        if "gradient" in self.habits.inlined:  # by hand: as the update shows it
            if self.stepper.values is None or not self.side.lr:
                return
            moved = zip(leaves, self.stepper.values, strict=True)
            grads = [(p.detach() - v.reshape(p.shape)) / self.side.lr for p, v in moved]
        with torch.enable_grad():
            error = predicted(X, *leaves) - y.reshape(-1, 1)
            of_squares = self._gradients(error.square().mean(), leaves)
        mine, theirs = (
            torch.cat([g.double().reshape(-1) for g in gs]) for gs in (grads, of_squares)
        )
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
        if self.owns_start:
            pair: Pair | None = self.piece.function.pair(self.side.case.d)
            return pair
        return by_kind(names, self.piece, self.manner.theta)
