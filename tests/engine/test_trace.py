"""The record of a run: what a loop written by hand would note, in columns."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch

from harness.engine.pieces import Functional
from harness.engine.recipe import Recipe
from harness.engine.recorder import (
    CHUNK_BYTES,
    MAX_CHUNK_STEPS,
    OverwrittenError,
    Recorder,
    chunk_steps,
)
from harness.engine.trace import STAGES, Chunk, Lane, Stack
from harness.pairs.linear import ROW_SHAPES, SCRATCH, LinearCase
from scratch import init_params

# 23 rows in fives: five steps an epoch, the last of three rows
CASE = LinearCase("made", "for a test", num_examples=23, batch_size=5, epochs=2, initial_std=1.0)
COLUMNS = ("X", "y", "prediction", "loss", "gradient", "gradient_before", "before", "after")


def copied(stack: Stack) -> Stack:
    """Return a stack that outlives its chunk."""
    return dataclasses.replace(stack, **{name: getattr(stack, name).clone() for name in COLUMNS})


def record(recipe: Recipe, case: LinearCase = CASE, steps=64, *, copy=False):
    """Run a recipe under a recorder; return its steps by place, and the recorder."""
    rows: dict[tuple[int, int], dict[str, torch.Tensor]] = {}

    def keep(chunk: Chunk) -> None:
        assert 0 < len(chunk) <= steps
        for stack in map(copied, chunk.stacks()):
            for k, place in enumerate(stack.places):
                assert place not in rows
                rows[place] = {name: getattr(stack, name)[k] for name in COLUMNS}
        batches = list(chunk.batches())
        assert len(batches) == len(chunk)
        for place, (X, _) in zip(chunk.places, batches, strict=True):
            assert torch.equal(X, rows[place]["X"])

    recorder = Recorder(steps, keep, ROW_SHAPES, copy=copy)
    recipe.build(case, case.data(), recorder).fit()
    recorder.close()
    return rows, recorder


def by_hand(case: LinearCase, recipe: Recipe):
    """Train with a loop that notes everything; one dict a step."""
    side = recipe.build(case, case.data())
    w, b = side.parameters()
    rows, previous = {}, torch.zeros(case.d + 1, dtype=case.torch_dtype)
    size = case.micro_batch_size or case.batch_size
    summed = recipe.convention.reduction == "none"
    for epoch in range(case.epochs):
        for index, (X, y) in enumerate(side.loader):
            before = torch.cat([p.detach().reshape(-1) for p in (w, b)]).clone()
            w.grad = b.grad = None
            predictions, losses = [], []
            for part, labels in zip(X.split(size), y.split(size), strict=True):
                y_hat = side.forward(part)
                loss = side.loss(y_hat, labels)
                share = 1.0 if len(part) == len(X) else len(part) / len(X)
                (loss.sum() if summed else loss * share).backward()
                predictions.append(y_hat.detach().reshape(-1))
                losses.append(loss.detach().reshape(-1))
            gradient = torch.cat([p.grad.reshape(-1) for p in (w, b) if p.grad is not None])
            side.update(len(X) if summed else 1)
            after = torch.cat([p.detach().reshape(-1) for p in (w, b)]).clone()
            rows[epoch, index] = {
                "X": X, "y": y, "prediction": torch.cat(predictions),
                "loss": torch.cat(losses), "gradient": gradient.clone(),
                "gradient_before": previous, "before": before, "after": after,
            }  # fmt: skip
            previous = gradient.clone()
    return rows


def assert_same(mine, theirs):
    """Hold two records against each other, bit for bit."""
    assert mine.keys() == theirs.keys()
    for place, row in mine.items():
        for name in COLUMNS:
            assert torch.equal(row[name], theirs[place][name]), (place, name)


SETTINGS = {
    "mse": CASE,
    "functional": dataclasses.replace(CASE, form="functional"),
    "object": dataclasses.replace(CASE, form="object"),
    "micro-batches": dataclasses.replace(CASE, micro_batch_size=2),
    "double": dataclasses.replace(CASE, dtype="float64"),
    "flat": dataclasses.replace(CASE, flat_labels=True),
    "strided": dataclasses.replace(CASE, strided_features=True),
    "single rows": dataclasses.replace(CASE, batch_size=1),
    "one batch": dataclasses.replace(CASE, batch_size=100),
}


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_columns_are_what_a_loop_by_hand_notes(name, copy):
    """Every column of every step, the tail and micro-batches included."""
    case = SETTINGS[name]
    recipe = SCRATCH[case.form]
    rows, recorder = record(recipe, case, copy=copy)
    assert_same(rows, by_hand(case, recipe))
    assert sum(recorder.epoch_steps) == len(rows) == case.total_steps
    other = by_hand(dataclasses.replace(case, lr=0.031), recipe)  # the control
    assert not torch.equal(rows[0, 0]["after"], other[0, 0]["after"])


@pytest.mark.parametrize("steps", [1, 2, 7, 64, 512])
def test_the_border_of_chunks_does_not_show(steps):
    """The same trace whatever a chunk holds."""
    case = dataclasses.replace(CASE, epochs=30)
    whole, _ = record(SCRATCH["mse"], case, 1000)
    assert_same(record(SCRATCH["mse"], case, steps)[0], whole)


def test_the_stages_have_names():
    """In the order in which a step goes through them."""
    assert STAGES == ("batch", "prediction", "loss", "gradient", "parameter")


def test_micro_batches_are_named():
    """Their lengths, the short one last; the loss has one column for each."""
    case = dataclasses.replace(CASE, micro_batch_size=2)
    seen: set[tuple[tuple[int, ...], int]] = set()

    def look(chunk):
        seen.update((stack.micros, stack.loss.shape[1]) for stack in chunk.stacks())

    recorder = Recorder(64, look, ROW_SHAPES)
    SCRATCH["mse"].build(case, case.data(), recorder).fit()
    recorder.close()
    assert seen == {((2, 2, 1), 3), ((2, 1), 2)}


# Tensors that are written to after they passed.


def writing_update(parameters, lr):
    """Return an optimizer that scales the gradient in place."""

    class Scaling:
        def step(self, _length):
            with torch.no_grad():
                for p in parameters:
                    p.sub_(p.grad.mul_(lr))

        def zero_grad(self):
            for p in parameters:
                p.grad = None

    return Scaling()


def never_clears(side):
    """Let the gradients pile up, in the same tensor."""
    for _ in range(side.case.epochs):
        for batch in side.loader:
            side.training_step(batch).backward()
            side.step()


class TorchBuffer:
    """Batches in one buffer of torch."""

    def __init__(self, features, labels, size, _generator):
        self.features, self.labels, self.size = features, labels, size
        self.X, self.y = torch.empty(size, 2), torch.empty(size, 1)

    def __iter__(self):
        for rows in torch.arange(20).split(self.size):
            self.X.copy_(self.features[rows])
            self.y.copy_(self.labels[rows])
            yield self.X, self.y


class NumpyBuffer(TorchBuffer):
    """Batches in memory of NumPy, of whose writes torch knows nothing."""

    def __iter__(self):
        X, y = np.empty((self.size, 2), np.float32), np.empty((self.size, 1), np.float32)
        for rows in np.arange(20).reshape(-1, self.size):
            X[:], y[:] = self.features.numpy()[rows], self.labels.numpy()[rows]
            yield torch.from_numpy(X), torch.from_numpy(y)


def writing_late(side):
    """Write to each batch after the update."""
    for _ in range(side.case.epochs):
        for X, y in side.loader:
            side.zero_grad()
            side.training_step((X, y)).backward()
            side.step()
            X.zero_()


def clearing_late(side):
    """Clear with zero_() after the update."""
    never_with_zero = side.parameters()
    for _ in range(side.case.epochs):
        for batch in side.loader:
            side.training_step(batch).backward()
            side.step()
            for p in never_with_zero:
                p.grad.zero_()


OVERWRITTEN: dict[str, dict[str, Any]] = {
    "gradient scaled": {"optimizer": writing_update},
    "gradient never cleared": {"loop": never_clears},
    "gradient zeroed": {"loop": clearing_late},
    "buffer of torch": {"batches": TorchBuffer},
    "buffer of NumPy": {"batches": NumpyBuffer},
    "batch zeroed": {"loop": writing_late},
}


@pytest.mark.parametrize("name", OVERWRITTEN)
def test_a_tensor_that_was_written_to_is_not_believed(name):
    """An error without copies, the right record with them."""
    recipe = dataclasses.replace(SCRATCH["mse"], **OVERWRITTEN[name])
    with pytest.raises(OverwrittenError):
        record(recipe)
    rows, _ = record(recipe, copy=True)
    for row in rows.values():
        error = row["X"] @ row["before"][:2] + row["before"][2] - row["y"].flatten()
        torch.testing.assert_close(
            row["prediction"] - row["y"].flatten(), error, rtol=1e-4, atol=1e-4
        )
        assert float(row["loss"]) == pytest.approx(float((error**2).mean()), rel=1e-4)
        moved = row["before"] - 0.03 * row["gradient"]
        torch.testing.assert_close(row["after"], moved, rtol=1e-5, atol=1e-6)
    record(SCRATCH["mse"])  # the control raises nothing


def writing_loss(y_hat, y):
    """Return an mse, and leave the error where the prediction was."""
    y_hat = y_hat.sub_(y.reshape(y_hat.shape))
    return (y_hat * y_hat).mean()


@pytest.mark.parametrize("copy", [False, True])
def test_a_loss_that_writes_to_its_prediction_is_not_believed(copy):
    """An error without copies, the prediction as the model gave it with them."""
    recipe = dataclasses.replace(SCRATCH["mse"], loss=writing_loss)
    if not copy:
        with pytest.raises(OverwrittenError):
            record(recipe)
        return
    rows, _ = record(recipe, copy=True)
    first = rows[0, 0]
    wanted = first["X"] @ first["before"][:2] + first["before"][2]
    torch.testing.assert_close(first["prediction"], wanted)


def test_a_single_step_whose_gradient_is_zeroed_unseen_is_not_believed():
    """`param.grad.data.zero_()` inside sgd, in a chunk of one step."""

    class Zeroing:
        def __init__(self, parameters, lr):
            self.parameters, self.lr = parameters, lr

        def step(self, _length):
            for p in self.parameters:
                p.data.sub_(self.lr * p.grad)
                p.grad.data.zero_()

        def zero_grad(self):
            """Leave it: step does it."""

    recipe = dataclasses.replace(SCRATCH["mse"], optimizer=Zeroing)
    case = dataclasses.replace(CASE, batch_size=23, epochs=1)
    try:
        rows, _ = record(recipe, case)
    except OverwrittenError:
        rows, _ = record(recipe, case, copy=True)
    assert rows[0, 0]["gradient"].any()


# What is missing or has the wrong shape.


def with_forward(forward):
    """Return a model factory whose forward is forward(X, w, b)."""
    return lambda d: Functional(forward, init_params(d))


def test_no_gradient_is_nan():
    """A parameter that the loss does not depend on has none; the others have theirs."""
    recipe = dataclasses.replace(SCRATCH["mse"], model=with_forward(lambda X, w, _b: X @ w))
    rows, _ = record(recipe)
    for row in rows.values():
        assert row["gradient"].isnan().tolist() == [False, False, True]
    assert all(row["gradient"].isfinite().all() for row in record(SCRATCH["mse"])[0].values())


def forgiving(y_hat, y):
    """Return a mean of squares whatever the shapes."""
    return ((y_hat.reshape(-1)[: y.numel()] - y.reshape(-1)[: y_hat.numel()]) ** 2).mean()


def faults(case=CASE, **pieces):
    """Return the faults of all stacks."""
    found: set[tuple[str, str] | None] = set()
    recorder = Recorder(64, lambda chunk: found.update(s.fault for s in chunk.stacks()), ROW_SHAPES)
    recipe = dataclasses.replace(SCRATCH["mse"], **pieces)
    recipe.build(case, case.data(), recorder).fit()
    recorder.close()
    return found


def test_right_shapes_are_no_fault():
    """The control."""
    assert faults() == {None}
    assert faults(dataclasses.replace(CASE, micro_batch_size=2)) == {None}
    assert faults(dataclasses.replace(CASE, flat_labels=True)) == {None}


@pytest.mark.parametrize(
    ("pieces", "stage", "words"),
    [
        (
            {"model": with_forward(lambda X, w, b: (X @ w + b)[:, 0])},
            "prediction",
            "has shape (5,)",
        ),
        ({"model": with_forward(lambda X, w, b: (X @ w + b).T)}, "prediction", "has shape (1, 5)"),
        ({"model": with_forward(lambda X, w, b: (X @ w + b).sum())}, "prediction", "has shape ()"),
    ],
)
def test_a_wrong_prediction_shape_names_its_stage(pieces, stage, words):
    """With the shape it should have."""
    found = faults(dataclasses.replace(CASE, num_examples=20), loss=forgiving, **pieces)
    assert found == {(stage, f"{words}, but should have (5, 1)")}


def test_a_wrong_loss_shape_names_its_stage():
    """A loss that is neither one number nor one for each row."""
    case = dataclasses.replace(CASE, num_examples=20)

    def loop(side):
        for batch in side.loader:
            side.zero_grad()
            side.training_step(batch).mean().backward()
            side.step()

    found = faults(case, loss=lambda a, b: (a - b.reshape(1, -1)) ** 2, loop=loop)
    assert found == {("loss", "has shape (5, 5), but should have () or (5, 1)")}


def test_a_loss_not_computed_names_its_stage():
    """As many losses as predictions."""

    def loop(side):
        for X, _ in side.loader:
            side.zero_grad()
            side.forward(X).mean().backward()
            side.step()

    assert {"loss"} == {fault[0] for fault in faults(loop=loop) if fault}


def test_an_update_outside_any_batch_names_the_batch():
    """Nothing was served, so there is nothing to hold the step against."""

    def loop(side):
        for p in side.parameters():
            p.grad = torch.zeros_like(p)
        side.step()

    (fault,) = faults(loop=loop)
    assert fault is not None
    assert fault[0] == "batch"


def test_what_is_no_tensor_is_refused():
    """In words that name the piece."""
    with pytest.raises(TypeError, match="the loss returned float, but should return a tensor"):
        faults(loss=lambda a, b: a.detach().sum().item())
    with pytest.raises(TypeError, match="the model returned NoneType"):
        faults(model=with_forward(lambda *_: None))


def test_a_look_between_two_batches_is_not_recorded():
    """A loop may print its loss after the update: the next batch voids it."""

    def loop(side):
        for _ in range(side.case.epochs):
            for batch in side.loader:
                side.zero_grad()
                side.training_step(batch).backward()
                side.step()
                with torch.no_grad():
                    side.training_step((side.data.features, side.data.labels))

    recipe = dataclasses.replace(SCRATCH["mse"], loop=loop)
    assert_same(record(recipe)[0], record(SCRATCH["mse"])[0])


def test_until_cuts_a_stack():
    """The steps before a position, as views; all of them where it lies behind."""

    def look(chunk):
        for stack in chunk.stacks():
            assert stack.until(10**9) is stack
            cut = stack.until(3)
            assert cut.positions == [p for p in stack.positions if p < 3]
            assert len(cut.X) == len(cut.after) == len(cut.places) == len(cut)

    recorder = Recorder(64, look, ROW_SHAPES)
    SCRATCH["mse"].build(CASE, CASE.data(), recorder).fit()
    recorder.close()


@pytest.mark.parametrize(
    ("rows", "width"), list(itertools.product((1, 10, 1000, 10**6), (1, 10, 1000)))
)
def test_the_memory_of_a_chunk_is_bounded(rows, width):
    """At least one step, and no more than the memory granted to it or the most steps."""
    steps = chunk_steps(rows, width, width)
    assert 1 <= steps <= MAX_CHUNK_STEPS
    assert steps == 1 or steps * 8 * rows * width <= CHUNK_BYTES
    assert chunk_steps(1, 1, 1) == MAX_CHUNK_STEPS


def test_a_chunk_takes_six_mebibytes_and_at_most_1024_steps():
    """Eight bytes for each number: of a row its width and three more, of a state two of each."""
    step = 8 * (1000 * (7 + 3) + 2 * 500)
    assert chunk_steps(1000, 7, 500) == 6 * 2**20 // step == 71
    assert chunk_steps(1, 7, 1) == 1024


def test_updates_before_any_batch_are_no_sign_of_a_tensor_written_to():
    """What was predicted before the first of them is not looked for at the second."""

    def loop(side):
        side.forward(side.data.features).mean().backward()
        side.step()
        side.zero_grad()
        side.step()

    assert {stage for stage, _ in filter(None, faults(loop=loop))} == {"batch"}


def test_a_run_may_start_from_other_values_until_it_has_trained():
    """They are what the first step is recorded from; a later jump is seen in no step's start."""

    def jumping(at):
        def loop(side):
            for index, batch in enumerate(side.loader):
                if index == at:
                    side.restart([p.detach() + 0.5 for p in side.parameters()])
                side.zero_grad()
                side.training_step(batch).backward()
                side.step()

        return record(dataclasses.replace(SCRATCH["mse"], loop=loop))[0]

    given = torch.cat(CASE.data().initial)
    assert torch.equal(jumping(0)[0, 0]["before"], given + 0.5)
    rows = jumping(1)
    assert torch.equal(rows[0, 0]["before"], given)
    assert torch.equal(rows[0, 1]["before"], rows[0, 0]["after"])
    assert not torch.equal(rows[0, 1]["prediction"], jumping(9)[0, 1]["prediction"])


def test_steps_of_equal_shapes_and_dtypes_share_a_lane():
    """The full batches, and the short ones; anything else does not fit."""
    kept: list[Chunk] = []
    recorder = Recorder(64, kept.append, ROW_SHAPES)
    SCRATCH["mse"].build(CASE, CASE.data(), recorder).fit()
    recorder.close()
    (chunk,) = kept
    assert [lane.positions for lane in chunk.lanes] == [[0, 1, 2, 3, 5, 6, 7, 8], [4, 9]]
    row = [torch.zeros(5, 2), torch.zeros(5, 1), torch.zeros(2)]
    lane = Lane(3, row, (2, 0, 0))
    assert lane.fits(row, (2, 0, 0))
    assert not lane.fits(row, (2, 1, 0))
    for at in range(3):
        for other in (torch.zeros(4, 2), row[at].double()):
            assert not lane.fits([*row[:at], other, *row[at + 1 :]], (2, 0, 0))


@pytest.mark.parametrize(
    ("broken", "stage"),
    [
        ("serve", "batch"),
        ("forward", "prediction"),
        ("loss", "loss"),
        ("backward", "gradient"),
        ("update", "parameter"),
    ],
)
def test_where_an_exception_came_from_is_known(broken, stage):
    """By the piece that raised it; what no piece raised was raised between them."""
    recorder = Recorder(8, lambda chunk: None, ROW_SHAPES, copy=True)
    leaf = torch.zeros(1, requires_grad=True)

    def fail_at(name):
        if name == broken:
            raise KeyError(name)

    def forward(X):
        fail_at("forward")
        return X * leaf

    def loss(y_hat, y):
        fail_at("loss")
        return (y_hat - y).square().mean()

    def batches():
        yield torch.ones(2, 1), torch.ones(2, 1)
        fail_at("serve")
        yield torch.ones(2, 1), torch.ones(2, 1)

    update = recorder.update(lambda _: fail_at("update"), [leaf])
    predict, cost = recorder.forward(forward), recorder.loss(loss)

    def train():
        for X, y in recorder.batches(batches()):
            value = cost(predict(X), y)
            fail_at("backward")
            value.backward()
            update(1)

    with pytest.raises(KeyError):
        train()
    at = (0, 1 if broken == "serve" else 0)
    assert recorder.raising == (stage, at)


def test_what_a_step_starts_with_is_noted_where_it_is_copied():
    """The parameters at its first prediction, and the features that the model is given."""
    recorder = Recorder(8, lambda chunk: None, ROW_SHAPES, copy=True)
    leaf = torch.zeros(1, requires_grad=True)
    predict = recorder.forward(lambda X: X * leaf)
    update = recorder.update(lambda _: None, [leaf])
    given = [torch.full((2, 1), float(k)) for k in range(3)]
    for X in recorder.batches([(X, X) for X in given]):
        predict(X[0]).sum().backward()
        update(1)
        with torch.no_grad():
            leaf.add_(1)  # written to behind the update's back
    assert [float(value) for value, _ in recorder.entered.values()] == [0, 1, 2]
    assert all(
        torch.equal(seen[0], X)
        for (_, seen), X in zip(recorder.entered.values(), given, strict=True)
    )
