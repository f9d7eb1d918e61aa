"""Run two sides side by side: start reading here.

The subject trains with its own loop, free; whenever a chunk of its steps is full, the reference
does the same number of steps on the same rows. Both chunks are handed on, together with a forced
pass: the subject's pieces, one by one, each started from the reference's state, so that a fault in
one stage does not spread to the next. Nothing here judges.

    subject.fit() ──chunk──► reference.stepper() ──chunk──► forced(subject) ──► Pair
"""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import torch
from torch import Tensor, nn

from harness.engine.case import Case, Data
from harness.engine.recipe import Batch, Convention, Recipe, Side
from harness.engine.trace import (
    STAGED_STEPS,
    Chunk,
    Raised,
    Recorder,
    Stack,
    chunk_steps,
    plain_tensor,
    shape_fault,
)


@dataclass(frozen=True)
class Pair:
    """The same steps of both sides.

    `own_lengths` are the rows of the batches that the reference served itself; `reproduced` says
    that the subject served just these, bit for bit. Where it did not, the reference was given the
    subject's. Both chunks are valid only while they are being judged.
    """

    subject: Chunk
    reference: Chunk
    own_lengths: list[int]
    reproduced: bool


@dataclass(frozen=True)
class Ending:
    """How the runs ended: batches per epoch of both sides.

    `generators_agree` compares the states in which both data generators were left; `kept` says that
    the subject's loop left the parameters as its last update made them.
    """

    subject_epochs: list[int]
    reference_epochs: list[int]
    generators_agree: bool
    kept: bool = True


class UntrainableError(Exception):
    """The subject served a batch that no reference could do a step on."""

    def __init__(self, place: tuple[int, int], batch: Batch) -> None:
        X, y = batch
        super().__init__(
            f"serves features {tuple(X.shape)} {X.dtype} with labels {tuple(y.shape)} {y.dtype}"
        )
        self.place = place


class Reference:
    """The reference's side, advanced a chunk at a time on whatever batches it is given."""

    def __init__(
        self, recipe: Recipe, case: Case, data: Data, lr: float, steps: int, *, copy: bool
    ) -> None:
        self.chunks: list[Chunk] = []
        self.recorder = Recorder(steps, self.chunks.append, copy=copy)
        self.side = recipe.build(case, data, self.recorder, lr=lr)
        self.step = self.side.stepper()
        self.own = self._own(recipe.build(case, data, lr=lr))
        self.epochs: list[int] = []
        self.place: tuple[int, int] | None = None
        self.current: Batch | None = None

    def _own(self, unobserved: Side) -> Iterator[Batch]:
        """The batches that the reference serves itself, epoch after epoch."""
        self.generator = unobserved.generator
        for _ in range(unobserved.case.epochs):
            self.epochs.append(0)
            for batch in unobserved.loader:
                self.epochs[-1] += 1
                yield batch

    def follow(self, chunk: Chunk) -> Pair:
        """Do the steps of the subject's chunk, on the reference's own batches where equal."""
        self.recorder.follow(chunk)
        lengths: list[int] = []
        reproduced = True
        for X, y in chunk.runs(STAGED_STEPS):
            places = chunk.places[len(lengths) : len(lengths) + len(X)]
            batches = [self._next(place) for place in places]
            lengths += [len(own[0]) if own else 0 for own in batches]
            if not _equal(batches, X, y):
                reproduced = False
                if not _trainable((X[0], y[0]), self.side.case):
                    raise UntrainableError(places[0], (X[0], y[0]))
                # copies, so that a reference that writes to its batch does not write to the record
                batches = list(zip(X.clone(), y.clone(), strict=True))
            for place, batch in zip(places, batches, strict=True):
                assert batch is not None
                self.recorder.serve(batch, place)
                self.step(batch)
        self.recorder.close()  # no-op where the chunk was full
        return Pair(chunk, self.chunks.pop(), lengths, reproduced)

    def _next(self, place: tuple[int, int]) -> Batch | None:
        """The reference's own batch for this place; the same again where a step is repeated."""
        if place != self.place:
            self.place, self.current = place, next(self.own, None)
        return self.current

    def drain(self) -> None:
        """Serve what is left, to know how many batches the reference would have trained on."""
        for _ in self.own:
            pass


def _equal(batches: list[Batch | None], X: Tensor, y: Tensor) -> bool:
    """Whether these batches are the stacked ones, in shape, dtype and every bit."""
    there = [batch for batch in batches if batch is not None]
    kinds = {tuple(map(_kind, batch)) for batch in there}
    return (
        len(there) == len(X)
        and kinds == {(_kind(X[0]), _kind(y[0]))}
        and all(
            torch.equal(torch.stack(column), stacked)
            for column, stacked in zip(zip(*there, strict=True), (X, y), strict=True)
        )
    )


_kind = attrgetter("shape", "dtype")


def _trainable(batch: Batch, case: Case) -> bool:
    """Whether the reference can do a step on this batch at all."""
    X, y = batch
    like = (case.torch_dtype, case.torch_dtype)
    return (
        X.ndim == 2
        and X.shape[1] == case.d
        and 0 < len(X) == y.numel()
        and (X.dtype, y.dtype) == like
    )


def run(
    subject: Recipe,
    reference: Recipe,
    case: Case,
    data: Data,
    judge: Callable[[Pair], None],
    *,
    copy: bool = False,
) -> Ending:
    """Train both sides; `judge` is called with each chunk of steps as it gets full.

    Raises `OverwrittenError` where a recorded tensor was written to: repeat it with `copy`.
    Whatever the subject's own pieces raise passes through.
    """
    steps = chunk_steps(min(case.batch_size, case.n), case.num_parameters - 1)
    lr = reference_lr(subject, reference, case)
    follower = Reference(reference, case, data, lr, steps, copy=copy)

    @torch.enable_grad()  # the chunk may fill up while the subject's loop computes without
    def full(chunk: Chunk) -> None:
        judge(follower.follow(chunk))

    recorder = Recorder(steps, full, copy=copy)
    side = subject.build(case, data, recorder)
    with old_objects_left_alone():
        try:
            side.fit()
        finally:
            recorder.close()
    follower.drain()
    return Ending(
        recorder.epoch_steps,
        follower.epochs,
        torch.equal(side.generator.get_state(), follower.generator.get_state()),
        recorder.is_last(side.parameters()),
    )


def replay(
    chunk: Chunk,
    subject: Recipe,
    reference: Recipe,
    case: Case,
    data: Data,
    judge: Callable[[Pair], None],
) -> list[int]:
    """Have the reference follow steps that were recorded before, all in one chunk.

    Returns the batches that the reference would have trained on in each epoch.
    """
    lr = reference_lr(subject, reference, case)
    follower = Reference(reference, case, data, lr, len(chunk), copy=False)
    judge(follower.follow(chunk))
    follower.drain()
    return follower.epochs


def reference_lr(subject: Recipe, reference: Recipe, case: Case) -> float:
    """The reference's learning rate that makes its path the subject's: ½ squares ↔ lr / 2."""
    return case.lr * subject.convention.factor / reference.convention.factor


@dataclass(frozen=True)
class Forced:
    """What the subject's pieces gave when each was started from a given state.

    prediction (K, m), loss as recorded, upstream (K, m), gradient (K, P) before any clipping, both
    in units of the mean squared error, parameters (K, P) after the update. NaN where there was
    nothing. A column whose values are too many or too few to be right has them all, with NaN behind
    those of a shorter step. `faults` are the first wrong shape by column: the step and the words;
    `raised` the first exception by column.
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

    Each stack comes with the derivative (K, m) of the mean squared error by its predictions, which
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
        self.leaves = side.parameters()
        self.shapes = [leaf.shape for leaf in self.leaves]
        sizes = [leaf.numel() for leaf in self.leaves]
        y = stack.y if side.case.flat_labels else stack.y.unsqueeze(-1)
        columns = (stack.X, y, stack.prediction, upstream.to(stack.prediction))
        # split once, along the steps: a step then only takes its row of each
        self.micros = list(
            zip(*(column.split(stack.micros, dim=1) for column in columns), strict=True)
        )
        self.before = stack.before.split(sizes, dim=1)
        self.handed = _handed(side, stack, reference).split(sizes, dim=1)
        self.rows: dict[str, list[Tensor]] = {name: [] for name in COLUMNS}
        self.faults: dict[str, tuple[int, str]] = {}
        self.raised: dict[str, Raised] = {}

    def columns(self) -> Forced:
        """All steps, stacked."""
        stacked = {name: _stacked(self.rows[name]) for name in COLUMNS}
        return Forced(**stacked, faults=self.faults, raised=self.raised)

    def step(self, k: int) -> None:
        """Ask each piece for one step."""
        # every piece gets tensors of its own, which it may write to
        micros = [[part[k] for part in parts] for parts in self.micros]
        if self.asked & {"prediction", "gradient"}:
            self._keep("prediction", "gradient", [self._model(k, *m) for m in micros])
        if self.asked & {"loss", "upstream"}:
            self._keep("loss", "upstream", [self._loss(k, *m) for m in micros])
        if "parameter" in self.asked:
            self._update(k)

    def _update(self, k: int) -> None:
        """Parameters (P,) after the update with the gradient handed over."""
        stack, side = self.stack, self.side
        with self._noting("parameter", k):
            self._load(k)
            for leaf, value in zip(self.leaves, self.handed, strict=True):
                leaf.grad = value[k].reshape(leaf.shape).clone()
            side.update(side.recipe.convention.divisor(stack.rows))
        self._reshape(k)
        after = torch.cat([leaf.detach().reshape(-1) for leaf in self.leaves])
        self.rows["parameter"].append(
            torch.full_like(after, torch.nan) if "parameter" in self.raised else after
        )

    def _reshape(self, k: int) -> None:
        """Note a parameter that the update gave another shape; the next step finds its own."""
        for leaf, shape in zip(self.leaves, self.shapes, strict=True):
            if leaf.shape != shape:
                text = f"has shape {tuple(leaf.shape)}, but should have {tuple(shape)}"
                self.faults.setdefault("parameter", (k, text))
                leaf.data = leaf.new_full(shape, torch.nan)

    def _load(self, k: int) -> None:
        self.side.load([value[k] for value in self.before])

    def _keep(
        self, value: str, slope: str, found: list[tuple[Tensor | None, Tensor | None]]
    ) -> None:
        """Join the micro-batches: values and the loss's slopes side by side, gradients summed."""
        values = [v for v, _ in found if v is not None]
        slopes = [s for _, s in found if s is not None]
        whole = len(values) == len(found)
        self.rows[value].append(torch.cat(values) if whole else self._nothing(self.stack.rows))
        if len(slopes) < len(found):
            width = self.stack.rows if slope == "upstream" else self.stack.before.shape[1]
            self.rows[slope].append(self._nothing(width))
        elif slope == "upstream":
            self.rows[slope].append(torch.cat(slopes))
        else:
            self.rows[slope].append(torch.stack(slopes).sum(0))

    def _nothing(self, width: int) -> Tensor:
        return self.stack.prediction.new_full((width,), torch.nan)

    def _model(
        self, k: int, X: Tensor, _y: Tensor, _given: Tensor, upstream: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        """Prediction (m,) and gradient (P,) of one micro-batch."""
        y_hat = gradient = None
        with self._noting("prediction", k):
            self._load(k)
            y_hat = plain_tensor(self.side.forward(X.clone()), "the model")
        if y_hat is None:
            return None, None
        fitting = self._shaped("prediction", k, [y_hat.shape], [y_hat.shape], len(X))
        with self._noting("gradient", k):
            if fitting or y_hat.numel() == len(X):
                parts = _grad(y_hat, self.leaves, upstream.to(y_hat).reshape(y_hat.shape))
                gradient = torch.cat([g.reshape(-1) for g in parts])
        return y_hat.detach().reshape(-1), gradient

    def _loss(
        self, k: int, X: Tensor, y: Tensor, given: Tensor, _upstream: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        """Loss (m,) or (1,) and its slope (m,) by the predictions for one micro-batch."""
        leaf = given.reshape(-1, 1).clone().requires_grad_()
        loss = slope = None
        with self._noting("loss", k):
            loss = plain_tensor(self.side.loss(leaf.clone(), y.clone()), "the loss")
        if loss is None:
            return None, None
        self._shaped("loss", k, [leaf.shape], [loss.shape], len(X))
        share = len(X) / self.stack.rows / self.side.recipe.convention.gradient_factor(len(X))
        with self._noting("upstream", k):
            (found,) = _grad(loss, [leaf])
            slope = found.double().reshape(-1) * share
        return loss.detach().reshape(-1), slope

    def _shaped(
        self, name: str, k: int, predictions: list[torch.Size], losses: list[torch.Size], rows: int
    ) -> bool:
        """Whether the shapes are right; notes the first that are not."""
        like = [torch.Size((rows, 1)), torch.Size((rows,))]
        fault = shape_fault(like, predictions, losses)
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


def _grad(output: Tensor, inputs: list[Tensor], upstream: Tensor | float = 1.0) -> list[Tensor]:
    """Gradients of a piece's sum, weighted by `upstream`.

    NaN for what it does not depend on, so that nothing passes by it.
    """
    if not output.requires_grad:
        return [torch.full_like(leaf, torch.nan) for leaf in inputs]
    # a product, not `grad_outputs`: for these torch imports symbolic shapes, and sympy with them
    found: Sequence[Tensor | None] = torch.autograd.grad(
        (output * upstream).sum(), inputs, allow_unused=True
    )
    return [
        torch.full_like(leaf, torch.nan) if g is None else g
        for g, leaf in zip(found, inputs, strict=True)
    ]


@contextmanager
def old_objects_left_alone() -> Iterator[None]:
    """Keep the garbage collector from scanning all of torch again whenever much is held."""
    if gc.get_freeze_count():  # within another of these: what is new since is still collected
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def seed_all(seed: int) -> None:
    """Seed the global generators of random, NumPy and torch, on the CPU and on CUDA.

    Not by `torch.manual_seed`, which without CUDA keeps a trace of its caller for later, each time.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)


@contextmanager
def determinism(seed: int) -> Iterator[None]:
    """Seed every global generator and ask for deterministic kernels; put all back at the end.

    Restored: the global generators of torch (CPU and CUDA), NumPy and random, the default dtype,
    the grad mode, TF32, deterministic algorithms and the number of threads.
    """
    saved = (random.getstate(), np.random.get_state(), torch.get_rng_state())
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    dtype, threads, grad = (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
    )
    precision = torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn.allow_tf32
    strict = torch.get_deterministic_debug_mode()
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    try:
        seed_all(seed)
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # as use_deterministic_algorithms(True, warn_only=True), which imports the compiler first
        torch.set_deterministic_debug_mode("warn")
        yield
    finally:
        random.setstate(saved[0])
        np.random.set_state(saved[1])
        torch.set_rng_state(saved[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = cudnn
        torch.set_deterministic_debug_mode(strict)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if workspace is None:
            os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
