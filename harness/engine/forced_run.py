"""The forced pass: the subject's pieces, one by one, each started from the reference's state.

So a fault in one stage does not spread to the next. What a piece raises is kept, and the others
run all the same. Nothing here judges; `forced` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from harness.engine.raised import Raised, plain_tensor
from harness.engine.recipe import PLAIN, Convention, Side
from harness.engine.trace import Stack, shape_fault


@dataclass(frozen=True)
class Forced:
    """What the subject's pieces gave when each was started from a given state.

    prediction (K, m · width) as the pair reads it, loss as recorded, upstream likewise, gradient
    (K, P) before any clipping, both in units of the mean of the pair's own loss, and the state
    (K, P + C) after the update. NaN where there was nothing. A column whose values are too many or
    too few to be right has them all, with NaN behind those of a shorter step. `faults` are the
    first wrong shape by column: the step and the words; `raised` the first exception by column.
    """

    prediction: Tensor
    loss: Tensor
    upstream: Tensor
    gradient: Tensor
    parameter: Tensor
    faults: dict[str, tuple[int, str]]
    raised: dict[str, Raised]


COLUMNS = ("prediction", "loss", "upstream", "gradient", "parameter")


def forced(
    side: Side,
    stacks: list[tuple[Stack, Tensor]],
    reference: Convention,
    asked: Sequence[str] = COLUMNS,
) -> list[Forced]:
    """Run each piece of the subject by itself on the states of the reference's steps.

    Each stack comes with the derivative (K, m · width) of the loss by its predictions, which
    is handed to the subject's model so that its gradient does not depend on the subject's loss.
    The steps are run in the order of their positions, for pieces that keep a state. What a piece
    raises is kept, and the other pieces run all the same. Only pieces that give a column that is
    `asked` are run; the columns of the others are empty.
    """
    order = sorted(
        (position, at, k)
        for at, (stack, _) in enumerate(stacks)
        for k, position in enumerate(stack.positions)
    )
    done = [_ForcedSteps(side, stack, upstream, reference, asked) for stack, upstream in stacks]
    for _, at, k in order:
        done[at].step(k)
    return [steps.columns() for steps in done]


def _handed(side: Side, stack: Stack, reference: Convention) -> Tensor:
    """The reference's gradients (K, P) in the subject's convention."""
    mine, theirs = (
        convention.gradient_factor(stack.rows) for convention in (side.recipe.convention, reference)
    )
    return (stack.gradient.double() * (mine / theirs)).to(stack.gradient)


class _ForcedSteps:
    """The forced steps of one stack: values by column, and what went wrong."""

    def __init__(
        self,
        side: Side,
        stack: Stack,
        upstream: Tensor,
        reference: Convention,
        asked: Sequence[str],
    ) -> None:
        self.side, self.stack, self.asked = side, stack, set(asked)
        self.shapes = side.case.pair.shapes(side.case)
        self.leaves = side.parameters()
        self.carries = len(side.state()) > len(self.leaves)
        self.leaf_shapes = [leaf.shape for leaf in self.leaves]
        # split once, along the steps: a step then only takes its row of each
        columns = [stack.X, stack.y]
        columns += [self._by_row(column) for column in (stack.prediction, upstream)]
        self.micros = list(
            zip(*(column.split(stack.micros, dim=1) for column in columns), strict=True)
        )
        self.before = stack.before.split([value.numel() for value in side.state()], dim=1)
        sizes = [leaf.numel() for leaf in self.leaves]
        self.handed = _handed(side, stack, reference).split(sizes, dim=1)
        self.rows: dict[str, list[Tensor]] = {name: [] for name in COLUMNS}
        self.faults: dict[str, tuple[int, str]] = {}
        self.raised: dict[str, Raised] = {}

    def _by_row(self, column: Tensor) -> Tensor:
        """Predictions (K, m · width), or what belongs to them, in their own shape (K, m, ...)."""
        rows = (len(column), self.stack.rows, *self.shapes.prediction)
        return column.to(self.stack.gradient).reshape(rows)

    def columns(self) -> Forced:
        """All steps, stacked."""
        stacked = {name: _stacked(self.rows[name]) for name in COLUMNS}
        return Forced(**stacked, faults=self.faults, raised=self.raised)

    def step(self, k: int) -> None:
        """Ask each piece for one step."""
        # every piece gets tensors of its own, which it may write to
        micros = [[part[k] for part in parts] for parts in self.micros]
        carried: list[Tensor] = []
        if self.asked & {"prediction", "gradient"}:
            if self.carries:  # each micro-batch loads the leaves for itself
                self._load(k, carried=True)
            self._keep("prediction", "gradient", [self._model(k, *m) for m in micros])
            carried = [value.detach().clone().reshape(-1) for value in self.side.carried()]
        if self.asked & {"loss", "upstream"}:
            self._keep("loss", "upstream", [self._loss(k, *m) for m in micros])
        if "parameter" in self.asked:
            self._update(k, carried)

    def _update(self, k: int, carried: list[Tensor]) -> None:
        """State (P + C,) after the update with the gradient handed over."""
        stack, side = self.stack, self.side
        with self._noting("parameter", k):
            self._load(k)
            for leaf, value in zip(self.leaves, self.handed, strict=True):
                leaf.grad = value[k].reshape(leaf.shape).clone()
            side.update(side.recipe.convention.divisor(stack.rows))
        self._reshape(k)
        after = torch.cat([*(leaf.detach().reshape(-1) for leaf in self.leaves), *carried])
        self.rows["parameter"].append(
            torch.full_like(after, torch.nan) if "parameter" in self.raised else after
        )

    def _reshape(self, k: int) -> None:
        """Note a parameter that the update gave another shape; the next step finds its own."""
        for leaf, shape in zip(self.leaves, self.leaf_shapes, strict=True):
            if leaf.shape != shape:
                text = f"has shape {tuple(leaf.shape)}, but should have {tuple(shape)}"
                self.faults.setdefault("parameter", (k, text))
                leaf.data = leaf.new_full(shape, torch.nan)

    def _load(self, k: int, *, carried: bool = False) -> None:
        """The leaves as the step found them, and what is carried beside them where asked."""
        values = [value[k] for value in self.before]
        self.side.load(values if carried else values[: len(self.leaves)])

    def _keep(
        self, value: str, slope: str, answers: list[tuple[Tensor | None, Tensor | None]]
    ) -> None:
        """Join the micro-batches: values and the loss's slopes side by side, gradients summed."""
        values = [v for v, _ in answers if v is not None]
        slopes = [s for _, s in answers if s is not None]
        width = self.stack.prediction.shape[1]
        whole = len(values) == len(answers)
        self.rows[value].append(torch.cat(values) if whole else self._nothing(width))
        if len(slopes) < len(answers):
            missing = width if slope == "upstream" else self.stack.gradient.shape[1]
            self.rows[slope].append(self._nothing(missing))
        elif slope == "upstream":
            self.rows[slope].append(torch.cat(slopes))
        else:
            self.rows[slope].append(torch.stack(slopes).sum(0))

    def _nothing(self, width: int) -> Tensor:
        return self.stack.prediction.new_full((width,), torch.nan)

    def _model(
        self, k: int, X: Tensor, _y: Tensor, _given: Tensor, upstream: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        """Prediction (m · width,), as the pair reads it, and gradient (P,) of one micro-batch."""
        reading = self.side.recipe.reading
        y_hat = gradient = None
        with self._noting("prediction", k):
            self._load(k)
            y_hat = plain_tensor(self.side.forward(X.clone()), "the model")
        if y_hat is None:
            return None, None
        fitting = self._shaped("prediction", k, [y_hat.shape], [torch.Size()], len(X))
        common = y_hat
        with self._noting("gradient", k):
            if fitting and reading is not PLAIN:
                common = reading.common(y_hat.double())
            if fitting or y_hat.numel() == upstream.numel():
                parts = _grad(common, self.leaves, upstream.to(common).reshape(common.shape))
                gradient = torch.cat([g.reshape(-1) for g in parts])
        return common.detach().reshape(-1), gradient

    def _loss(
        self, k: int, X: Tensor, y: Tensor, given: Tensor, _upstream: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        """Loss (m · ...,) or (1,) and its slope (m · width,) by the predictions.

        The slope is that of the loss times numbers handed to its backward pass, which are divided
        out again: powers of two, so that nothing is rounded by it.
        """
        reading = self.side.recipe.reading
        leaf = given.clone().requires_grad_()
        y_hat = leaf.clone() if reading is PLAIN else reading.own(reading.project(leaf))
        loss = slope = None
        with self._noting("loss", k):
            loss = plain_tensor(self.side.loss(y_hat, y.clone()), "the loss")
        if loss is None:
            return None, None
        self._shaped("loss", k, [leaf.shape], [loss.shape], len(X))
        share = len(X) / self.stack.rows / self.side.recipe.convention.gradient_factor(len(X))
        with self._noting("upstream", k):
            weights = _weights(k, loss, len(X))
            (weighted,) = _grad(loss, [leaf], weights)
            by_row = weights.reshape(len(weights) if weights.ndim else 1, -1)[:, :1]
            slope = (weighted.double().reshape(len(X), -1) / by_row).reshape(-1) * share
        return loss.detach().reshape(-1), slope

    def _shaped(
        self, name: str, k: int, predictions: list[torch.Size], losses: list[torch.Size], rows: int
    ) -> bool:
        """Whether the shapes are right; notes the first that are not."""
        like = [torch.Size((rows, *row)) for row in (self.shapes.features, self.shapes.labels)]
        fault = shape_fault(self.shapes, like, predictions, losses)
        if fault:
            self.faults.setdefault(name, (k, fault[1]))
        return not fault

    def _noting(self, name: str, k: int) -> _Noting:
        return _Noting(self.raised, name, self.stack.places[k])


@dataclass(frozen=True)
class _Noting:
    """Keeps the first exception of a piece instead of letting it end the run."""

    raised: dict[str, Raised]
    name: str
    place: tuple[int, int]

    def __enter__(self) -> None:
        """Watch the piece."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Keep what it raised, except what is meant for the process."""
        if not isinstance(error, (Exception, SystemExit)):
            return False
        stage = "gradient" if self.name == "upstream" else self.name
        self.raised.setdefault(self.name, Raised.by(error, stage, self.place))
        return True


def _stacked(rows: list[Tensor]) -> Tensor:
    """Rows side by side, NaN behind the shorter ones, in the widest of their dtypes."""
    if not rows:
        return torch.empty(0, 0)
    if len({(row.shape, row.dtype) for row in rows}) == 1:
        return torch.stack(rows)
    return nn.utils.rnn.pad_sequence(
        [row.double() for row in rows], batch_first=True, padding_value=torch.nan
    )


_POWERS = (1.0, -0.5, 2.0, 0.5, -2.0, -1.0)


def _weights(k: int, loss: Tensor, rows: int) -> Tensor:
    """What the backward pass of a loss is handed in step k: a power of two, another for each row.

    One for all where the loss is not by row.
    """
    turn = k % len(_POWERS)
    if loss.ndim == 0 or len(loss) != rows:
        return loss.new_full((), _POWERS[turn])
    return _by_row(turn, rows, loss.ndim, loss.dtype, loss.device).expand_as(loss)


@lru_cache(maxsize=512)
def _by_row(turn: int, rows: int, ndim: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The powers over and over, turned by so many places: (rows, 1, ...)."""
    powers = torch.tensor(_POWERS, dtype=dtype, device=device).roll(turn)
    return powers.repeat(rows // len(_POWERS) + 1)[:rows].reshape(-1, *[1] * (ndim - 1))


def _grad(output: Tensor, inputs: list[Tensor], upstream: Tensor | float = 1.0) -> list[Tensor]:
    """Gradients of a piece's sum, weighted by `upstream`.

    NaN for what it does not depend on, so that nothing passes by it.
    """
    if not output.requires_grad:
        return [torch.full_like(leaf, torch.nan) for leaf in inputs]
    # a product, not `grad_outputs`: for these torch imports symbolic shapes, and sympy with them
    gradients: Sequence[Tensor | None] = torch.autograd.grad(
        (output * upstream).sum(), inputs, allow_unused=True
    )
    return [
        torch.full_like(leaf, torch.nan) if g is None else g
        for g, leaf in zip(gradients, inputs, strict=True)
    ]
