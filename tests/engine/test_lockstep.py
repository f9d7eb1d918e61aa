"""Two sides in step: equal orders, the subject's rows for both, pieces forced one by one."""

import contextlib
import dataclasses
import functools
import os
import random
from typing import Any, NoReturn

import numpy as np
import pytest
import torch

import scratch
from harness.engine import lockstep
from harness.engine.comparison import compare
from harness.engine.forced_run import COLUMNS, Forced, forced
from harness.engine.lockstep import Ending, PairedChunks, UntrainableError, run
from harness.engine.oracle import Expectation, Oracle
from harness.engine.pieces import Functional, FunctionalSGD
from harness.engine.recorder import OverwrittenError
from harness.engine.seeding import determinism
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase
from scratch import init_params

CASE = LinearCase("made", "for a test", num_examples=23, batch_size=5, epochs=2, initial_std=1.0)


def pairs_of(subject, case=CASE, *, copy=False) -> tuple[list[dict[str, Any]], Ending]:
    """Run a subject beside the builtin; return what the judge was given, copied, and the end."""
    seen: list[dict[str, Any]] = []

    def judge(pair: PairedChunks) -> None:
        sides = (pair.subject, pair.reference)
        served = [list(map(list, side.places)) for side in sides]
        assert served[0] == served[1]
        batches = [[(X.clone(), y.clone()) for X, y in pair.subject.batches()]]
        theirs: dict[int, torch.Tensor] = {}
        for mine in pair.subject.stacks():
            stack = pair.reference.stack(mine.positions)
            theirs |= {p: X.clone() for p, X in zip(stack.positions, stack.X, strict=True)}
        batches.append([(theirs[k], torch.empty(0)) for k in range(len(pair.subject))])
        seen.append(
            {
                "places": list(pair.subject.places),
                "batches": batches,
                "after": [side.after.clone() for side in sides],
                "reproduced": pair.reproduced,
                "own_lengths": pair.own_lengths,
            }
        )

    with determinism(case.seed):
        ending = run(subject, BUILTIN[case.form], case, case.data(), judge, copy=copy)
    return seen, ending


@pytest.mark.parametrize("form", ["mse", "object", "functional"])
def test_equal_seeds_reproduce_the_order(form):
    """Scratch serves the built-in's own batches, and leaves its generator in the same state."""
    seen, ending = pairs_of(SCRATCH[form], dataclasses.replace(CASE, form=form))
    assert all(pair["reproduced"] for pair in seen)
    assert ending == Ending([5, 5], [5, 5], generators_agree=True)
    assert [n for pair in seen for n in pair["own_lengths"]] == [5, 5, 5, 5, 3] * 2
    assert sum(len(pair["places"]) for pair in seen) == 10


class Shuffled:
    """Batches in an order of their own."""

    def __init__(self, features, labels, size, _generator):
        self.data, self.size = (features, labels), size

    def __iter__(self):
        for rows in torch.randperm(len(self.data[0])).split(self.size):
            yield self.data[0][rows], self.data[1][rows]


def test_another_order_is_observed_and_handed_on():
    """The reference trains on the subject's rows, and comes to the same parameters."""
    seen, ending = pairs_of(dataclasses.replace(SCRATCH["mse"], batches=Shuffled))
    assert not any(pair["reproduced"] for pair in seen)
    assert not ending.generators_agree
    for pair in seen:
        mine, theirs = pair["batches"]
        assert all(torch.equal(a[0], b[0]) for a, b in zip(mine, theirs, strict=True))
        torch.testing.assert_close(*pair["after"])
    own, _ = pairs_of(SCRATCH["mse"])  # the control: another order ends elsewhere
    assert not torch.equal(own[-1]["after"][1], seen[-1]["after"][1])


@pytest.mark.parametrize("steps", [1, 3, 64])
def test_chunks_do_not_change_the_run(steps, monkeypatch):
    """The same parameters and places whatever a chunk holds."""
    whole, _ = pairs_of(SCRATCH["mse"])
    monkeypatch.setattr(lockstep, "chunk_steps", lambda *_: steps)
    parts, _ = pairs_of(SCRATCH["mse"])
    assert len(parts) == -(-10 // steps)
    for side in (0, 1):
        joined = [torch.cat([pair["after"][side] for pair in run]) for run in (whole, parts)]
        assert torch.equal(*joined)
    assert [p for pair in parts for p in pair["places"]] == whole[0]["places"]


def test_what_the_reference_cannot_train_on_is_refused():
    """With the place, the shapes and the dtypes."""

    class Empty(Shuffled):
        def __iter__(self):
            yield from list(super().__iter__())[:2]
            yield self.data[0][:0], self.data[1][:0]

    with pytest.raises(UntrainableError, match=r"\(0, 2\) torch.float32") as caught:
        pairs_of(dataclasses.replace(SCRATCH["mse"], batches=Empty))
    assert caught.value.place == (0, 2)


def dividing(*_given) -> NoReturn:
    """Raise."""
    raise ZeroDivisionError


def test_what_a_piece_raises_passes_through():
    """And so does the news that a tensor was overwritten."""
    with pytest.raises(ZeroDivisionError):
        pairs_of(dataclasses.replace(SCRATCH["mse"], loss=dividing))
    case = dataclasses.replace(CASE, clear_gradients=False)
    with pytest.raises(OverwrittenError):
        pairs_of(SCRATCH["mse"], case)
    assert pairs_of(SCRATCH["mse"], case, copy=True)[1].subject_epochs == [5, 5]


def test_the_rest_of_the_references_batches_is_counted():
    """A subject that stops early: the reference says how many there should have been."""

    def loop(side):
        for batch in side.loader:
            side.zero_grad()
            side.training_step(batch).backward()
            side.step()

    _, ending = pairs_of(dataclasses.replace(SCRATCH["mse"], loop=loop))
    assert (ending.subject_epochs, ending.reference_epochs) == ([5], [5, 5])


# The forced pass.


def forced_columns(subject, case=CASE):
    """Return the forced pass of a subject, with the oracle's expectation and the stack."""
    data = case.data()
    reference = BUILTIN[case.form]
    oracle = Oracle(reference, case, data, case.lr * reference.convention.factor)
    found: list[tuple[Forced, Expectation, torch.Tensor]] = []

    def judge(pair: PairedChunks) -> None:
        side = subject.build(case, data)
        stacks = [pair.reference.stack(mine.positions) for mine in pair.subject.stacks()]
        standards = [oracle.expect(stack, reference.convention) for stack in stacks]
        given = [(s, e.upstream.value) for s, e in zip(stacks, standards, strict=True)]
        ran = forced(side, given, reference.convention)
        losses = [stack.loss.clone() for stack in stacks]
        found.extend(zip(ran, standards, losses, strict=True))

    with determinism(case.seed):
        run(SCRATCH[case.form], reference, case, data, judge)
    return found


def off(ran, standard, loss) -> set[str]:
    """Return the columns of a forced pass that are off by more than rounding."""
    columns = {
        "prediction": (ran.prediction, standard.prediction.value),
        "loss": (ran.loss, loss),
        "upstream": (ran.upstream, standard.upstream.value),
        "gradient": (ran.gradient, standard.fresh.value),
        "parameter": (ran.parameter, standard.parameter.value),
    }
    return {
        name
        for name, (mine, wanted) in columns.items()
        if not torch.allclose(mine.double(), wanted.double(), rtol=1e-4, atol=1e-4)
    }


def with_forward(forward):
    """Return a model factory whose forward is forward(X, w, b)."""
    return lambda d: Functional(forward, init_params(d))


class Far:
    """SGD with twice the learning rate."""

    def __init__(self, parameters, lr):
        self.parameters, self.lr = parameters, lr

    def step(self, _length):
        """Update."""
        with torch.no_grad():
            for p in self.parameters:
                p.sub_(p.grad, alpha=2 * self.lr)

    def zero_grad(self):
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None


def slope_only(y_hat, y):
    """Return an mse of the right value with twice the slope."""
    value = SCRATCH["mse"].loss(y_hat, y)
    return 2 * value - value.detach()


WRONG = {
    "nothing": ({}, set()),
    "loss": ({"loss": lambda a, b: SCRATCH["mse"].loss(a, b) * 3}, {"loss", "upstream"}),
    "slope": ({"loss": slope_only}, {"upstream"}),
    "value of the model": (
        {"model": with_forward(lambda X, w, b: X @ w + b + 1)},
        {"prediction"},
    ),
    "model": ({"model": with_forward(lambda X, w, b: 2 * (X @ w + b))}, {"prediction", "gradient"}),
    "update": ({"optimizer": Far}, {"parameter"}),
    "loss and update": (
        {"loss": lambda a, b: SCRATCH["mse"].loss(a, b) * 3, "optimizer": Far},
        {"loss", "upstream", "parameter"},
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_forced_piece_is_wrong_by_itself(name):
    """A wrong loss leaves prediction, model gradient and parameters right, and so on."""
    pieces, wanted = WRONG[name]
    subject = dataclasses.replace(SCRATCH["mse"], **pieces)
    found: set[str] = set().union(*(off(*columns) for columns in forced_columns(subject)))
    assert found == wanted


@pytest.mark.parametrize(
    "case",
    [
        dataclasses.replace(CASE, form="functional"),
        dataclasses.replace(CASE, form="object"),
        dataclasses.replace(CASE, micro_batch_size=2),
        dataclasses.replace(CASE, flat_labels=True),
        dataclasses.replace(CASE, weight=(1.0, 2.0, 3.0)),
    ],
    ids=["functional", "object", "micro-batches", "flat", "three features"],
)
def test_right_pieces_are_right_when_forced(case):
    """In every form: values in units of the mean squared error, the loss as it is."""
    subject = SCRATCH[case.form]
    for columns in forced_columns(subject, case):
        assert off(*columns) == set()


def test_what_a_piece_does_not_depend_on_is_nan():
    """No gradient is not a gradient of zero."""
    subject = dataclasses.replace(SCRATCH["mse"], model=with_forward(lambda X, w, _b: X @ w))
    ran, *_ = forced_columns(subject)[0]
    assert ran.gradient.isnan().any(0).tolist() == [False, False, True]
    cut = dataclasses.replace(
        SCRATCH["mse"], model=with_forward(lambda X, w, b: (X @ w + b).detach())
    )
    assert forced_columns(cut)[0][0].gradient.isnan().all()


def test_the_forced_update_is_told_what_the_loop_tells_it():
    """The functional sgd behind a mean loss is right: the loop has it divide by 1."""
    subject = dataclasses.replace(
        SCRATCH["mse"], name="mixed", optimizer=lambda p, lr: FunctionalSGD(scratch.sgd, p, lr)
    )
    assert compare(subject, None, [CASE], forced_pass=False).exit_status == 0
    assert compare(subject, None, [CASE]).exit_status == 0


# Determinism.


def state():
    """Return every global state that `determinism` promises to restore."""
    return {
        "random": random.getstate(),
        "numpy": [np.asarray(part).tolist() for part in np.random.get_state()],
        "torch": torch.get_rng_state().tolist(),
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "matmul": torch.get_float32_matmul_precision(),
        "tf32": torch.backends.cudnn.allow_tf32,
        "strict": torch.are_deterministic_algorithms_enabled(),
        "warn": torch.is_deterministic_algorithms_warn_only_enabled(),
        "threads": torch.get_num_threads(),
        "workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    }  # fmt: skip


def disturb():
    """Change every one of them."""
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(2)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":16:8"


@pytest.mark.parametrize("raises", [False, True])
def test_every_global_state_is_restored(raises):
    """Also when the body raises."""
    before = state()
    with contextlib.suppress(KeyError), determinism(7):
        disturb()
        assert all(state()[name] != before[name] for name in ("random", "numpy", "torch", "dtype"))
        if raises:
            raise KeyError
    assert state() == before


def test_equal_seeds_draw_equal_numbers():
    """From every global generator; another seed draws others."""

    def draw(seed):
        with determinism(seed):
            return random.random(), float(np.random.rand()), float(torch.rand(()))

    first = draw(3)
    assert first == draw(3)
    assert all(a != b for a, b in zip(first, draw(4), strict=True))


def test_inside_kernels_are_deterministic_and_precise():
    """What a reader may rely on while a case is judged."""
    with torch.no_grad(), determinism(0):
        found = state()
    assert (found["grad"], found["strict"], found["warn"]) == (True, True, True)
    assert (found["matmul"], found["tf32"]) == ("highest", False)
    assert found["dtype"] == torch.float32
    assert found["workspace"]


def asked_states(case=CASE):
    """Return a side and one stack of its reference's steps, with the slopes to hand on."""
    stacks: list[Any] = []

    def judge(pair: PairedChunks) -> None:
        stacks.extend(
            (stack, torch.ones_like(stack.prediction)) for stack in pair.reference.stacks()
        )

    run(SCRATCH["mse"], BUILTIN["mse"], case, case.data(), judge)
    return stacks


@pytest.mark.parametrize(
    ("asked", "filled"),
    [
        (("prediction", "gradient"), {"prediction", "gradient"}),
        (("loss", "upstream"), {"loss", "upstream"}),
        (("parameter",), {"parameter"}),
        (COLUMNS, set(COLUMNS)),
        ((), set()),
    ],
)
def test_only_the_pieces_that_are_asked_run(asked, filled):
    """The columns of the others are empty, and their pieces are never called."""
    called = []

    def loss(*given):
        called.append("loss")
        return SCRATCH["mse"].loss(*given)

    subject = dataclasses.replace(SCRATCH["mse"], loss=loss)
    side = subject.build(CASE, CASE.data())
    for got in forced(side, asked_states(), BUILTIN["mse"].convention, asked):
        assert {name for name in COLUMNS if len(getattr(got, name))} == filled
    assert bool(called) == ("loss" in filled)


def test_what_a_forced_piece_raises_is_kept_and_the_others_run():
    """The first exception by column, with its place; other columns are whole."""
    subject = dataclasses.replace(SCRATCH["mse"], loss=dividing)
    side = subject.build(CASE, CASE.data())
    stacks = asked_states()
    for (stack, _), got in zip(
        stacks, forced(side, stacks, BUILTIN["mse"].convention), strict=True
    ):
        assert set(got.raised) == {"loss"}
        assert (got.raised["loss"].kind, got.raised["loss"].stage) == ("ZeroDivisionError", "loss")
        assert (got.raised["loss"].epoch, got.raised["loss"].step) == stack.places[0]
        assert got.loss.isnan().all()
        assert got.prediction.isfinite().all()
        assert got.parameter.isfinite().all()


class Replacing:
    """SGD that gives each parameter a new tensor, made of the right values."""

    def __init__(self, made, parameters, lr):
        self.made, self.parameters, self.lr = made, parameters, lr

    def step(self, _length):
        """Update."""
        for p in self.parameters:
            p.data = self.made((p - self.lr * p.grad).detach())

    def zero_grad(self):
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (torch.clone, None),
        (torch.flatten, "has shape (2,), but should have (2, 1)"),
        (torch.sum, "has shape (), but should have (2, 1)"),
        (lambda p: torch.cat([p, p]), "has shape (4, 1), but should have (2, 1)"),
    ],
    ids=["the same", "flat", "one number", "longer"],
)
def test_an_update_that_changes_a_shape_is_told_and_the_others_run(made, said):
    """The shape, and nothing of what would come of it in the next step; the first passes."""
    optimizer = functools.partial(Replacing, made)
    subject = dataclasses.replace(SCRATCH["mse"], name="replacing", optimizer=optimizer)
    side = subject.build(CASE, CASE.data())
    for got in forced(side, asked_states(), BUILTIN["mse"].convention):
        assert not got.raised
        assert {name: text for name, (_, text) in got.faults.items()} == (
            {"parameter": said} if said else {}
        )
        assert got.prediction.isfinite().all()
        assert got.gradient.isfinite().all()
    right, verdict = {"identical", "rounding"}, compare(subject, cases=[CASE]).verdict
    assert verdict in (right if said is None else {"different", "error"})
