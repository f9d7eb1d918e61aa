"""Judging two sides: each stage broken in turn is found where it broke, right variants pass."""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import harness
from harness.engine.case_comparison import CaseComparison
from harness.engine.comparison import Comparison, compare
from harness.engine.pieces import Functional
from harness.engine.recipe import Recipe
from harness.engine.stage import SEVERITY
from harness.engine.trace import STAGES
from harness.pairs.linear import BUILTIN, LINEAR, SCRATCH, LinearCase, LinearData
from harness.pairs.table import Table
from harness.report.view import finite
from scratch import init_params

GRAMMAR = re.compile(
    r"^(prediction|loss|gradient|parameter)\[epoch \d+ step \d+\] = \S+, but should be \S+ "
    r"\(gap \d\.\de[+-]\d+, allowed \d\.\de[+-]\d+\)$"
)
# 63 rows in tens: seven steps an epoch, the last of three rows
SMALL = LinearCase("small", "a tail, two epochs", num_examples=63, epochs=2)
OBJECT = dataclasses.replace(SMALL, form="object")
FUNCTIONAL = dataclasses.replace(SMALL, form="functional")
ACCUMULATED = dataclasses.replace(SMALL, micro_batch_size=4)


def judged(
    case: LinearCase, subject: Recipe | None = None, reference: Recipe | None = None, **settings
):
    """Return one case judged."""
    return compare(subject, reference, [case], **settings).cases[0]


def broken(name, case=SMALL, **pieces) -> Recipe:
    """Return the scratch recipe of the case's form with some pieces replaced."""
    return dataclasses.replace(SCRATCH[case.form], name=name, **pieces)


def levels(result: CaseComparison) -> dict[str, object]:
    """Return the level of every stage."""
    return {name: stage["level"] for name, stage in result.stages.items()}


def faulty(result: CaseComparison) -> set[str]:
    """Return the stages that differ."""
    return {name for name, level in levels(result).items() if level == "different"}


# Pieces, right and wrong.


def with_forward(forward: Callable[..., torch.Tensor]):
    """Return a model factory whose forward is forward(X, w, b)."""
    return lambda d: Functional(forward, init_params(d))


class Optimizer:
    """An optimizer whose step is step(parameter, gradient, lr, batch_length)."""

    def __init__(self, parameters, lr, step):
        self.parameters, self.lr, self._step = parameters, lr, step
        self.done = 0

    def step(self, batch_length):
        """Update every parameter."""
        with torch.no_grad():
            for parameter in self.parameters:
                self._step(parameter, parameter.grad, self.lr, batch_length)
        self.done += 1

    def zero_grad(self):
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None


def with_step(step):
    """Return an optimizer factory around one rule."""
    return lambda parameters, lr: Optimizer(parameters, lr, step)


class WrongBackward(torch.autograd.Function):
    """Xw + b, whose gradient for w[0] is a thousandth too large."""

    @staticmethod
    def forward(ctx, X, w, b):
        """Return the right value."""
        ctx.save_for_backward(X)
        return X @ w + b

    @staticmethod
    def backward(ctx, *grads):
        """Return a wrong gradient."""
        (X,) = ctx.saved_tensors
        gradient = X.T @ grads[0]
        gradient[0] *= 1.001
        return None, gradient, grads[0].sum(0)


def looped(each_batch, epochs=None):
    """Return a loop that calls each_batch(side, batch, epoch, index)."""

    def loop(side):
        for epoch in range(epochs or side.case.epochs):
            for index, batch in enumerate(side.loader):
                each_batch(side, batch, epoch, index)

    return loop


def right_step(side, batch, *_place):
    """Do one update as it should be done."""
    side.zero_grad()
    side.training_step(batch).backward()
    side.step()


def never_clears(side, batch, *_place):
    """Leave the gradients to pile up."""
    side.training_step(batch).backward()
    side.step()


def steps_twice(side, batch, *_place):
    """Update two times with one gradient."""
    right_step(side, batch)
    side.step()


def reinitialises(side, batch, epoch, index):
    """Start every epoch from the initial parameters."""
    if index == 0:
        side.load(side.data.initial)
    right_step(side, batch)


def unweighted(side, batch, *_place):
    """Accumulate micro-batches as if all were of equal weight 1."""
    side.zero_grad()
    for piece in zip(*(part.split(side.case.micro_batch_size) for part in batch), strict=True):
        side.training_step(piece).backward()
    side.step()


def evenly_weighted(side, batch, *_place):
    """Accumulate micro-batches by their number, though the last is short."""
    side.zero_grad()
    X, y = batch
    size = side.case.micro_batch_size
    pieces = list(zip(X.split(size), y.split(size), strict=True))
    for piece in pieces:
        (side.training_step(piece) / len(pieces)).backward()
    side.step()


def decayed(side, batch, epoch, index):
    """Train one epoch at the full learning rate, and a hair slower from then on."""
    right_step(side, batch)
    if epoch and index == 2:
        with torch.no_grad():
            side.parameters()[0].mul_(1.001)


def scaled_value(factor):
    """Return an mse whose value is wrong, and whose slope is right."""

    def loss(y_hat, y):
        value = SCRATCH["mse"].loss(y_hat, y)
        return value + (value * (factor - 1)).detach()

    return loss


def scaled_slope(factor):
    """Return an mse whose slope is wrong, and whose value is right."""

    def loss(y_hat, y):
        value = SCRATCH["mse"].loss(y_hat, y)
        return value.detach() + factor * (value - value.detach())

    return loss


def late_loss(y_hat, y):
    """Return an mse that is off by 1e-4 once it is small."""
    value = SCRATCH["mse"].loss(y_hat, y)
    return value + (value * 1e-4).detach() * (value < 1)


class Unpaired:
    """Batches whose labels slip by one row in epoch 1 step 2."""

    def __init__(self, served):
        self.served, self.epoch = served, -1

    def __iter__(self):
        self.epoch += 1
        for index, (X, y) in enumerate(self.served):
            yield X, y.roll(1, 0) if (self.epoch, index) == (1, 2) else y


class LateWrong(Optimizer):
    """Right updates, but for the tenth."""

    def step(self, batch_length):
        """Update; the tenth time too far."""
        self.lr = 0.03 * 1.01 if self.done == 9 else 0.03
        super().step(batch_length)


def plain(p, g, lr, _length):
    """Move a parameter."""
    p.sub_(g, alpha=lr)


def nominal(p, g, lr, _length):
    """Divide by the nominal batch size, also in the tail."""
    p.sub_(g, alpha=lr / 10)


FAULTS: dict[str, tuple[LinearCase, dict[str, Any], str, int, int]] = {
    "data unpaired": (
        SMALL,
        {"batches": lambda *given: Unpaired(SCRATCH["mse"].batches(*given))},
        "batch",
        1,
        2,
    ),
    "model value": (
        SMALL,
        {"model": with_forward(lambda X, w, b: (X @ w + b) * 1.0001)},
        "prediction",
        0,
        0,
    ),
    "model adds": (
        SMALL,
        {"model": with_forward(lambda X, w, b: X @ w + b + 1e-3)},
        "prediction",
        0,
        0,
    ),
    "model forgets the bias": (
        SMALL,
        {"model": with_forward(lambda X, w, _b: X @ w)},
        "gradient",
        0,
        0,
    ),
    "model detached bias": (
        SMALL,
        {"model": with_forward(lambda X, w, b: X @ w + b.detach())},
        "gradient",
        0,
        0,
    ),
    "model gradient only": (SMALL, {"model": with_forward(WrongBackward.apply)}, "gradient", 0, 0),
    "loss value only": (SMALL, {"loss": scaled_value(1.0001)}, "loss", 0, 0),
    "loss half": (SMALL, {"loss": SCRATCH["object"].loss}, "loss", 0, 0),
    "loss late": (dataclasses.replace(SMALL, lr=0.1, epochs=4), {"loss": late_loss}, "loss", 1, 1),
    "loss slope only": (SMALL, {"loss": scaled_slope(1.0001)}, "gradient", 0, 0),
    "update lr": (
        SMALL,
        {"optimizer": with_step(lambda p, g, lr, _n: p.sub_(g, alpha=lr * 1.0001))},
        "parameter",
        0,
        0,
    ),
    "update sign": (
        SMALL,
        {"optimizer": with_step(lambda p, g, lr, _n: p.add_(g, alpha=lr))},
        "parameter",
        0,
        0,
    ),
    "update late": (SMALL, {"optimizer": lambda p, lr: LateWrong(p, lr, plain)}, "parameter", 1, 2),
    "update not in place": (
        SMALL,
        {"optimizer": with_step(lambda p, g, lr, _n: p - lr * g)},
        "parameter",
        0,
        0,
    ),
    "update nominal length": (FUNCTIONAL, {"optimizer": with_step(nominal)}, "parameter", 0, 6),
    "loop clears never": (SMALL, {"loop": looped(never_clears)}, "gradient", 0, 1),
    "loop reinitialises": (SMALL, {"loop": looped(reinitialises)}, "prediction", 1, 0),
    "loop writes parameters": (SMALL, {"loop": looped(decayed)}, "prediction", 1, 3),
    "loop one epoch less": (SMALL, {"loop": looped(right_step, 1)}, "batch", 1, 0),
    "loop extra epoch": (SMALL, {"loop": looped(right_step, 3)}, "batch", 2, 0),
    "loop forgets weights": (ACCUMULATED, {"loop": looped(unweighted)}, "gradient", 0, 0),
    "loop weighs evenly": (ACCUMULATED, {"loop": looped(evenly_weighted)}, "gradient", 0, 0),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_where_it_is(name):
    """Different, exit status 1, and the first divergence at the fault's stage, epoch and step."""
    case, pieces, stage, epoch, step = FAULTS[name]
    assert judged(case, broken("right", case)).verdict == "identical"  # the control
    whole = compare(broken(name, case, **pieces), None, [case])
    result = whole.cases[0]
    assert (result.verdict, whole.verdict, whole.exit_status) == ("different", "different", 1)
    first = result.first_divergence
    assert first is not None
    assert (first.stage, first.epoch, first.step) == (stage, epoch, step), first.message
    assert first.message.startswith(f"{stage}[epoch {epoch} step {step}] ")
    assert result.why == first.message == first.to_dict()["message"]
    if first.text is None:
        assert GRAMMAR.match(first.message), first.message
    assert whole.first_divergence == first


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("model value", {"prediction", "gradient"}),
        ("model gradient only", {"gradient"}),
        ("loss value only", {"loss"}),
        ("loss slope only", {"gradient"}),
        ("update lr", {"parameter"}),
        ("update late", {"parameter"}),
        ("update nominal length", {"parameter"}),
        ("loop clears never", {"gradient"}),
        ("loop forgets weights", {"gradient"}),
        ("loop one epoch less", {"batch"}),
        ("data unpaired", {"batch"}),
    ],
)
def test_a_fault_is_blamed_on_its_own_stage_only(name, stages):
    """What is right stays right in the report, though its inputs went wrong."""
    case, pieces, *_ = FAULTS[name]
    assert faulty(judged(case, broken(name, case, **pieces))) == stages


def test_the_message_shows_the_numbers():
    """The values in the sentence are those of the record, as the grammar shows them."""
    result = judged(SMALL, broken("half", loss=SCRATCH["object"].loss))
    first = result.first_divergence
    assert first is not None
    assert None not in (first.got, first.expected, first.gap, first.allowed)
    assert f"= {first.got:.6g}, but should be {first.expected:.6g}" in first.message
    assert first.got == pytest.approx(first.expected / 2)
    assert first.gap == pytest.approx(abs(first.got - first.expected))


def test_a_loop_that_steps_twice_is_different():
    """An update without a prediction of its own is no training step."""
    result = judged(SMALL, broken("twice", loop=looped(steps_twice)))
    assert result.verdict == "different"
    first = result.first_divergence
    assert first is not None
    assert (first.epoch, first.step) == (0, 0)


def test_a_loop_that_steps_twice_leaves_the_batches_right():
    """The iterator served every row once: the loop alone is to blame."""
    result = judged(SMALL, broken("twice", loop=looped(steps_twice)))
    assert levels(result)["batch"] == "identical"


def test_two_independent_faults_are_both_found():
    """The forced pass starts each piece from the reference's state: one fault hides no other."""
    pieces = {**FAULTS["loss value only"][1], **FAULTS["update lr"][1]}
    result = judged(SMALL, broken("both", **pieces))
    forced = result.runs["forced"]
    assert {stage for stage, record in forced.items() if record.first} == {"loss", "parameter"}
    one = judged(SMALL, broken("one", **FAULTS["update lr"][1])).runs["forced"]
    assert {stage for stage, record in one.items() if record.first} == {"parameter"}


@pytest.mark.parametrize("chunk", [1, 5, 512])
def test_places_do_not_depend_on_the_chunks(chunk, monkeypatch):
    """A fault is reported at the same place whatever the memory granted to a chunk."""
    monkeypatch.setattr("harness.engine.lockstep.chunk_steps", lambda *_: chunk)
    for name in ("loop reinitialises", "loop clears never", "loss late", "update nominal length"):
        case, pieces, stage, epoch, step = FAULTS[name]
        first = judged(case, broken(name, case, **pieces)).first_divergence
        assert first is not None
        assert (first.stage, first.epoch, first.step) == (stage, epoch, step)
    assert judged(SMALL).verdict == "identical"


class Counting(Optimizer):
    """Right updates that note how long the gradient was given for."""

    def step(self, batch_length):
        """Update, and keep the first gradient entry."""
        self.seen = [*getattr(self, "seen", []), float(self.parameters[1].grad)]
        super().step(batch_length)


def test_the_forced_pass_runs_in_the_order_of_the_steps():
    """A piece with a state of its own (momentum, a counter) has to see the steps as they came."""
    made = []

    def counted(parameters, lr):
        made.append(Counting(parameters, lr, plain))
        return made[-1]

    judged(SMALL, broken("counted", optimizer=counted))
    forced, free = (optimizer.seen for optimizer in made)
    assert forced == free


# Optimizers with a state, and features of unequal size: the reference must not hide the subject.


class Wrapped:
    """One of torch's optimizers, told the batch length."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def step(self, _batch_length):
        """Update."""
        self.optimizer.step()

    def zero_grad(self):
        """Forget the gradients."""
        self.optimizer.zero_grad()


def momentum(parameters, lr):
    """Return SGD with momentum."""
    return Wrapped(torch.optim.SGD(parameters, lr=lr, momentum=0.9))


def test_a_reference_with_a_state_does_not_hide_a_subject_without():
    """Plain SGD against SGD with momentum is never a pass."""
    reference = dataclasses.replace(BUILTIN["mse"], name="builtin (momentum)", optimizer=momentum)
    assert compare(None, reference, [SMALL]).exit_status != 0


def table(features, labels) -> Table:
    """Return a data set of these values."""
    names = tuple(f"x{i}" for i in range(features.shape[1]))
    return Table("made", names, features, labels.reshape(-1, 1), "y", "none")


def scales_gradient(column, factor):
    """Return a forward whose gradient by w[column] is wrong, and whose value is right."""

    def forward(X, w, b):
        off = X[:, column : column + 1] * w[column] * (factor - 1)
        return X @ w + b + off - off.detach()

    return forward


@pytest.mark.parametrize("column", [0, 1])
def test_a_wrong_gradient_is_found_beside_one_a_million_times_larger(column):
    """Real features have units: a fault in the small one counts as much as in the large one."""
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 2)) * np.array([1e4, 1e-2])
    labels = features @ np.array([1e-4, 1e2]) + 1
    case = LinearCase("unscaled", "units", table=table(features, labels), lr=1e-9, epochs=2)
    wrong = broken("wrong", model=with_forward(scales_gradient(column, 0.999)))
    assert judged(case).verdict in ("identical", "rounding")
    assert judged(case, wrong).verdict == "different"


# Nothing compared, nothing passed.


def vacuous_cases() -> dict[str, tuple[LinearCase, dict[str, Any], str]]:
    """Return settings under which nothing is really compared, and a word of the reason."""
    random = np.random.default_rng(0)
    features = random.normal(size=(20, 2))
    nothing = LinearCase(
        "zeros", "label 0 from 0", table=table(features, np.zeros(20)), initial_std=0.0
    )
    lost = LinearCase("nan", "labels NaN", table=table(features, np.full(20, math.nan)))
    return {
        "all zeros": (nothing, {}, "0 on both sides"),
        "NaN on both sides": (lost, {}, "not finite"),
    }


@pytest.mark.parametrize("name", vacuous_cases())
def test_nothing_compared_is_inconclusive(name):
    """Equal zeros, NaN and standstill prove nothing: exit status 3, and the reason."""
    case, pieces, word = vacuous_cases()[name]
    whole = compare(broken(name, case, **pieces), None, [case])
    assert (whole.verdict, whole.exit_status) == ("inconclusive", 3)
    assert word in (whole.cases[0].why or "")
    assert compare(cases=[SMALL]).exit_status == 0  # the control


def test_an_update_that_never_moves_is_inconclusive():
    """Standing still on both sides says nothing about the update; on one side it is wrong."""
    still = with_step(lambda p, g, lr, _n: None)
    reference = dataclasses.replace(BUILTIN["mse"], name="still", optimizer=still)
    both = compare(broken("still", optimizer=still), reference, [SMALL])
    assert (both.verdict, both.exit_status) == ("inconclusive", 3)
    assert "parameter" in (both.cases[0].why or "")
    assert judged(SMALL, broken("still", optimizer=still)).verdict == "different"
    assert judged(SMALL, None, reference).verdict == "different"


def empty_loop(_side):
    """Train nothing."""


def test_no_step_at_all_is_never_a_pass():
    """A loop that does nothing differs from the reference; both idle, nothing is known."""
    reference = dataclasses.replace(BUILTIN["mse"], name="idle", batches=lambda *_: [])
    idle = broken("idle", batches=lambda *_: [])
    both = compare(idle, reference, [SMALL])
    assert (both.verdict, both.exit_status) == ("inconclusive", 3)
    assert "no step was trained" in (both.cases[0].why or "")
    assert compare(broken("idle", loop=empty_loop), None, [SMALL]).exit_status == 1


def test_no_case_is_inconclusive():
    """A comparison of nothing is no pass."""
    whole = compare(cases=[])
    assert (whole.verdict, whole.exit_status, whole.first_divergence) == ("inconclusive", 3, None)


def test_nan_on_one_side_only_is_different():
    """NaN is no wildcard."""
    result = judged(SMALL, broken("nan", loss=lambda a, b: SCRATCH["mse"].loss(a, b) * math.nan))
    assert result.verdict == "different"
    first = result.first_divergence
    assert first is not None
    assert first.stage == "loss"


def test_overflow_on_one_side_only_is_different():
    """Both sides may overflow alike; one alone may not."""
    diverging = dataclasses.replace(SMALL, name="diverges", lr=3.0, epochs=8)

    def early(y_hat, y):
        value = SCRATCH["mse"].loss(y_hat, y)
        return value * math.inf if value > 1e30 else value

    alike = judged(diverging)
    assert alike.verdict == "identical"
    assert any("on both sides alike" in note for note in alike.notes)
    result = judged(diverging, broken("early", loss=early))
    assert result.verdict == "different"
    assert "loss[" in (result.why or "")
    assert "inf, but should be" in (result.why or "")
    assert not any("alike" in note for note in result.notes)


# What cannot run.


def raising(*_given, **_named):
    """Raise."""
    raise RuntimeError("as asked")


def nothing(*_given, **_named) -> Any:
    """Return None."""
    return None


@pytest.mark.parametrize("piece", ["batches", "model", "loss", "optimizer", "loop"])
def test_a_piece_that_raises_is_an_error(piece):
    """Could not run is neither a pass nor a difference: exit status 3, and who said what."""
    whole = compare(broken("broken", **{piece: raising}), None, [SMALL])
    assert (whole.verdict, whole.exit_status) == ("error", 3)
    assert whole.cases[0].why == "broken raised RuntimeError: as asked"


@pytest.mark.parametrize("piece", ["batches", "model", "loss", "optimizer"])
def test_a_piece_that_returns_nothing_is_an_error(piece):
    """None in the place of a piece or a value is said to be just that."""
    whole = compare(broken("empty", **{piece: nothing}), None, [SMALL])
    assert (whole.verdict, whole.exit_status) == ("error", 3)
    assert "None" in (whole.cases[0].why or "")


def test_a_model_that_returns_nothing_is_an_error():
    """The forward pass too has to return a tensor."""
    result = judged(SMALL, broken("empty", model=with_forward(nothing)))
    assert result.verdict == "error"
    assert "the model returned NoneType" in (result.why or "")


def test_a_difference_found_before_a_crash_counts():
    """A side that differs and then raises is different."""

    def crashing(side, batch, epoch, index):
        right_step(side, batch)
        if (epoch, index) == (1, 3):
            raise RuntimeError("late")

    late = broken("late", loop=looped(crashing))
    assert judged(SMALL, late).verdict == "error"
    wrong = dataclasses.replace(late, loss=scaled_value(1.01))
    assert judged(SMALL, wrong).verdict == "different"


@pytest.mark.parametrize(
    ("shaped", "words"),
    [
        (lambda X, w, b: (X @ w + b).reshape(-1), "prediction[epoch 0 step 0] has shape (10,)"),
        (lambda X, w, b: (X @ w + b).T, "prediction[epoch 0 step 0] has shape (1, 10)"),
        (lambda X, w, b: (X @ w + b)[:3], "prediction[epoch 0 step 0] has shape (3, 1)"),
    ],
)
def test_a_prediction_of_the_wrong_shape_is_different(shaped, words):
    """The shape is named, and what it should have been."""

    def forgiving(y_hat, y):
        return ((y_hat.reshape(-1) - y.reshape(-1)[: y_hat.numel()]) ** 2).mean()

    result = judged(SMALL, broken("shaped", model=with_forward(shaped), loss=forgiving))
    assert result.verdict == "different"
    assert (result.why or "").startswith(words)
    assert "but should have (10, 1)" in (result.why or "")


@pytest.mark.parametrize("changed", ["features", "labels"])
def test_writing_to_the_callers_data_is_different(changed):
    """The reference is served the same tensors: a data set scaled in place must not go unseen."""

    def scaling(features, labels, size, generator):
        (features if changed == "features" else labels).mul_(2.0)
        return SCRATCH["mse"].batches(features, labels, size, generator)

    result = judged(SMALL, broken("scaling", batches=scaling))
    assert faulty(result) == {"batch"}
    assert "written to" in (result.why or "")


def test_a_loss_that_writes_to_its_prediction_is_right():
    """Value and slope of the loss are right: so is the prediction that it was given."""

    def writing(y_hat, y):
        y_hat = y_hat.sub_(y.reshape(y_hat.shape))
        return (y_hat * y_hat).mean()

    result = judged(SMALL, broken("writing", loss=writing))
    assert faulty(result) == set()
    assert result.verdict in ("identical", "rounding"), result.why


# Right variants.


def loop_of_gradients(gradients):
    """Return a loop that writes .grad by hand: gradients(side, X, y, y_hat, loss)."""

    def each(side, batch, *_place):
        X, y = batch
        y_hat = side.forward(X)
        loss = side.loss(y_hat, y)
        for p, g in zip(side.parameters(), gradients(side, X, y, y_hat, loss), strict=True):
            p.grad = g.reshape(p.shape)
        side.step()

    return looped(each)


def closed_form(_side, X, y, y_hat, _loss):
    """Return the gradient of the mean squared error by formula."""
    error = (y_hat - y.reshape(y_hat.shape)).detach()
    return 2 * X.T @ error / len(X), 2 * error.mean(0)


def by_autograd(side, _X, _y, _y_hat, loss):
    """Return what autograd.grad gives."""
    return torch.autograd.grad(loss, side.parameters())


def accumulating(side, batch, *_place):
    """Add up weighted micro-batches of 3 rows, which the case knows nothing of."""
    side.zero_grad()
    X, y = batch
    for piece in zip(X.split(3), y.split(3), strict=True):
        (side.training_step(piece) * (len(piece[0]) / len(X))).backward()
    side.step()


def zeroing(side, batch, *_place):
    """Clear with zero_() after the step instead of None before it."""
    side.training_step(batch).backward()
    side.step()
    for p in side.parameters():
        p.grad.zero_()


def by_rows(y_hat, y):
    """Sum up the loss of one example after the other."""
    total = y_hat.new_zeros(())
    for mine, its in zip(y_hat, y.reshape(y_hat.shape), strict=True):
        total = total + ((mine - its) ** 2).sum()
    return total / len(y_hat)


def assign_data(p, g, lr, _n):
    """Rebind the storage."""
    p.data = p.data - lr * g


def with_foreach(parameters, lr):
    """Return an optimizer that updates all parameters in one call."""

    class All(Optimizer):
        def step(self, batch_length):
            with torch.no_grad():
                torch._foreach_add_(self.parameters, [p.grad for p in self.parameters], alpha=-lr)

    return All(parameters, lr, None)


class PermutedThenSplit:
    """A fresh permutation of the whole data set each epoch, cut into batches."""

    def __init__(self, features, labels, size, _generator):
        self.features, self.labels, self.size = features, labels, size

    def __iter__(self):
        order = torch.randperm(len(self.features))
        X, y = self.features[order], self.labels[order]
        yield from zip(X.split(self.size), y.split(self.size), strict=True)


class PythonOrder(PermutedThenSplit):
    """The order of d2l: random.shuffle of a list of row numbers."""

    def __iter__(self):
        import random

        rows = list(range(len(self.features)))
        random.shuffle(rows)
        for start in range(0, len(rows), self.size):
            at = torch.tensor(rows[start : start + self.size])
            yield self.features[at], self.labels[at]


def error_of(y_hat, y):
    """Return ŷ - y in one shape."""
    return y_hat - y.reshape(y_hat.shape)


VALID: dict[str, dict[str, Any]] = {
    "mm": {"model": with_forward(lambda X, w, b: torch.mm(X, w) + b)},
    "addmm": {"model": with_forward(lambda X, w, b: torch.addmm(b, X, w))},
    "mv": {"model": with_forward(lambda X, w, b: (torch.mv(X, w[:, 0]) + b).unsqueeze(1))},
    "einsum": {"model": with_forward(lambda X, w, b: torch.einsum("md,do->mo", X, w) + b)},
    "tensordot": {"model": with_forward(lambda X, w, b: torch.tensordot(X, w, 1) + b)},
    "sum of products": {
        "model": with_forward(lambda X, w, b: (X * w.reshape(-1)).sum(1, keepdim=True) + b)
    },
    "column by column": {
        "model": with_forward(
            lambda X, w, b: b + sum(X[:, j : j + 1] * w[j] for j in range(len(w)))
        )
    },
    "bias first": {"model": with_forward(lambda X, w, b: b + X @ w)},
    "transposed": {"model": with_forward(lambda X, w, b: (w.T @ X.T).T + b)},
    "linear": {"model": with_forward(lambda X, w, b: torch.nn.functional.linear(X, w.T, b))},
    "bias column": {
        "model": with_forward(
            lambda X, w, b: (
                torch.cat((X, torch.ones_like(X[:, :1])), 1) @ torch.cat((w, b.reshape(1, 1)))
            )
        )
    },
    "pow": {"loss": lambda a, b: error_of(a, b).pow(2).mean()},
    "square": {"loss": lambda a, b: error_of(a, b).square().mean()},
    "product": {"loss": lambda a, b: (error_of(a, b) * error_of(a, b)).mean()},
    "y - y_hat": {"loss": lambda a, b: ((b.reshape(a.shape) - a) ** 2).mean()},
    "sum over length": {"loss": lambda a, b: (error_of(a, b) ** 2).sum() / len(a)},
    "by rows": {"loss": by_rows},
    "dot": {"loss": lambda a, b: error_of(a, b).reshape(-1) @ error_of(a, b).reshape(-1) / len(a)},
    "doubled half": {"loss": lambda a, b: 2 * (error_of(a, b) ** 2 / 2).mean()},
    "closed form": {"loop": loop_of_gradients(closed_form)},
    "autograd.grad": {"loop": loop_of_gradients(by_autograd)},
    "accumulating": {"loop": looped(accumulating)},
    "zero_": {"loop": looped(zeroing)},
    "plain loop": {"loop": looped(right_step)},
    "p.data.sub_": {"optimizer": with_step(lambda p, g, lr, _n: p.data.sub_(lr * g))},
    "p.data =": {"optimizer": with_step(assign_data)},
    "copy_": {"optimizer": with_step(lambda p, g, lr, _n: p.copy_(p - lr * g))},
    "slice": {"optimizer": with_step(lambda p, g, lr, _n: p.__setitem__(slice(None), p - lr * g))},
    "add_ negative": {"optimizer": with_step(lambda p, g, lr, _n: p.add_(-lr * g))},
    "addcmul": {
        "optimizer": with_step(lambda p, g, lr, _n: p.addcmul_(g, torch.full_like(g, lr), value=-1))
    },
    "foreach": {"optimizer": with_foreach},
    "permuted then split": {"batches": PermutedThenSplit},
    "python order": {"batches": PythonOrder},
}


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", VALID)
def test_a_right_variant_passes(name, dtype):
    """Another way to write it is identical or rounding, in a tail and over two epochs as well."""
    case = dataclasses.replace(SMALL, dtype=dtype)
    whole = compare(broken(name, **VALID[name]), None, [case])
    assert whole.verdict in ("identical", "rounding"), whole.cases[0].why
    assert whole.exit_status == 0


@pytest.mark.parametrize("name", ["mm", "by rows", "pow", "closed form", "copy_", "python order"])
def test_a_right_variant_passes_far_from_home(name):
    """The same with large residuals, five features, and a batch of all the data."""
    case = LinearCase(
        "far",
        "large",
        num_examples=64,
        weight=(1.0, 2.0, 3.0, 4.0, 5.0),
        initial_std=1000.0,
        batch_size=64,
        epochs=5,
    )
    assert judged(case, broken(name, **VALID[name])).verdict in ("identical", "rounding")


@pytest.mark.parametrize("case", [OBJECT, FUNCTIONAL], ids=lambda case: case.form)
def test_a_named_factor_is_a_convention(case):
    """½ and sums are reconciled against MSELoss, and the stages that needed it say so."""
    result = judged(dataclasses.replace(case, against="mse"))
    assert result.verdict == "convention"
    assert levels(result)["loss"] == levels(result)["gradient"] == "convention"
    assert levels(result)["prediction"] in ("identical", "rounding")
    assert result.to_dict()["convention"]
    unnamed = broken("unnamed", case, convention=SCRATCH["mse"].convention)
    assert judged(dataclasses.replace(case, against="mse"), unnamed).verdict == "different"


def test_all_six_verdicts_are_reached():
    """Each of the six has a comparison that comes to it."""
    random = np.random.default_rng(0)
    zeros = LinearCase(
        "z", "zeros", initial_std=0.0, table=table(random.normal(size=(20, 2)), np.zeros(20))
    )
    reached = [
        judged(SMALL).verdict,
        judged(SMALL, broken("mv", **VALID["by rows"])).verdict,
        judged(dataclasses.replace(OBJECT, against="mse")).verdict,
        judged(zeros).verdict,
        judged(SMALL, broken("raises", loss=raising)).verdict,
        judged(SMALL, broken("wrong", loss=scaled_value(2.0))).verdict,
    ]
    assert reached == list(SEVERITY)


def test_all_default_cases_agree():
    """The product's first promise: scratch is the built-in, on every case of the table."""
    whole = compare(cases=LINEAR.cases)
    verdicts = {c.case.name: (c.verdict, c.why) for c in whole.cases}
    assert all(v in ("identical", "rounding", "convention") for v, _ in verdicts.values()), verdicts
    assert whole.exit_status == 0
    assert all(c.steps for c in whole.cases)


def test_a_case_that_differs_decides_over_those_that_agree():
    """One difference among many is exit status 1; an error does not hide it."""
    good, bad = judged(SMALL), judged(SMALL, broken("wrong", loss=scaled_value(2.0)))
    failed = judged(SMALL, broken("raises", loss=raising))
    assert Comparison("x", [good, bad, failed]).exit_status == 1
    assert Comparison("x", [good, failed]).exit_status == 3
    assert Comparison("x", [good, good]).exit_status == 0


# The record.


@pytest.fixture(scope="module")
def whole():
    """One comparison of two cases, one of which differs."""
    good = judged(SMALL, name="unused")
    bad = judged(
        dataclasses.replace(OBJECT, against="mse"), broken("wrong", loss=scaled_value(2.0))
    )
    return Comparison("two", [good, bad])


def test_the_record_follows_the_contract(whole):
    """`svb.compare/1`: the names that CONTRACT promises, in plain values that JSON can hold."""
    import json

    record = whole.to_dict()
    assert record["schema"] == "svb.compare/1"
    assert record["verdict"] == "different"
    assert {"cases", "environment", "summary"} <= record.keys()
    assert record["summary"]["identical"] == 1
    for case in record["cases"]:
        assert {"name", "device", "dtype", "verdict", "stages", "final"} <= case.keys()
        assert tuple(case["stages"]) == STAGES
        for stage in case["stages"].values():
            assert {"level", "first_divergence", "max_gap", "allowed"} <= stage.keys()
        assert {"scratch", "builtin", "truth", "least_squares"} <= case["final"].keys() or (
            case["subject"] == "wrong"
        )
    divergence = record["cases"][1]["stages"]["loss"]["first_divergence"]
    assert {"stage", "epoch", "step", "got", "expected", "gap", "allowed"} <= divergence.keys()
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_the_record_of_a_failed_case_is_whole(whole):
    """A case in which nothing ran has every key that one has that ran."""
    failed = judged(SMALL, broken("raises", loss=raising)).to_dict()
    assert failed.keys() == whole.cases[0].to_dict().keys()
    assert failed["steps"] == 0
    assert {stage["level"] for stage in failed["stages"].values()} == {"inconclusive"}


def test_a_frame_has_a_row_for_each_case_and_stage(whole):
    """pandas: two cases of five stages."""
    frame = whole.to_frame()
    assert len(frame) == 2 * len(STAGES)
    assert set(STAGES) <= set(frame.astype(str).to_numpy().ravel())


def test_a_notebook_shows_html(whole):
    """The names and the verdict stand in it, and what the reader named is escaped."""
    html = whole._repr_html_()
    assert "small" in html
    assert "different" in html
    evil = dataclasses.replace(SMALL, name="<script>x")
    assert "<script>x" not in compare(cases=[evil])._repr_html_()


def test_infinities_become_strings():
    """JSON knows no infinity; a finite number stays one."""
    assert finite({"a": [math.inf, 1.0, (math.nan,)]}) == {"a": ["inf", 1.0, ["nan"]]}


def test_the_packages_own_compare_names_the_fault():
    """`from harness import compare` also says which component is at fault, where one is."""

    def absolute(y_hat, y):
        return (y_hat - y.reshape(y_hat.shape)).abs().mean()

    wrong = dataclasses.replace(SCRATCH["mse"], name="mine", loss=absolute)
    named: Any = harness.compare
    (finding,) = named(wrong, cases=[SMALL]).to_dict()["findings"]
    assert (finding["component"], finding["cause"]["id"]) == ("squared_loss", "loss.absolute")
    assert "findings" not in named(cases=[SMALL]).to_dict()


@pytest.mark.parametrize("name", VALID)
def test_a_right_variant_passes_what_it_is_asked(name):
    """The questions that every piece of one's own is asked by itself call nothing different."""
    asked = harness.compare(broken(name, **VALID[name]), None, [SMALL])  # type: ignore[operator]
    assert asked.verdict in ("identical", "rounding"), asked.reason
    assert (asked.findings, asked.notes) == ([], [])


def test_what_a_loop_leaves_must_be_what_it_trained():
    """A loop that trains and then puts the initial parameters back has trained nothing."""

    def forgetful(side):
        SCRATCH["mse"].loop(side)
        side.load(side.data.initial)

    lost = compare(dataclasses.replace(SCRATCH["mse"], loop=forgetful), cases=[SMALL])
    assert lost.verdict == "different"
    assert lost.first_divergence
    assert "left by the loop" in lost.first_divergence.message
    assert compare(cases=[SMALL]).exit_status == 0


def test_progress_is_told_of_each_case():
    """Before it begins and after each chunk, in order, up to its last step."""
    seen: list[tuple[str, int]] = []
    other = dataclasses.replace(SMALL, name="other")
    compare(cases=[SMALL, other], progress=lambda case, done: seen.append((case.name, done)))
    assert [name for name, done in seen if done == 0] == ["small", "other"]
    assert [name for name, done in seen if done == SMALL.total_steps] == ["small", "other"]
    assert seen == sorted(seen, key=lambda at: (at[0] == "other", at[1]))


def test_without_the_forced_pass_it_is_said():
    """A pass that was not run is not reported as one that agreed."""
    free = judged(SMALL, forced_pass=False)
    assert set(free.to_dict()["runs"]) == {"free"}
    assert set(judged(SMALL).to_dict()["runs"]) == {"free", "forced"}


def test_judging_leaves_the_generators_alone():
    """A comparison draws from no global generator of the caller."""
    import random

    states = random.getstate(), torch.get_rng_state()
    judged(SMALL, broken("python order", **VALID["python order"]))
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])


def test_the_same_comparison_twice_is_the_same():
    """Equal seeds, equal numbers: what is not a time does not change."""
    first, second = (judged(SMALL, broken("by rows", **VALID["by rows"])).to_dict() for _ in "12")
    first.pop("seconds")
    second.pop("seconds")
    assert first == second


def test_the_data_of_a_case_is_not_shared():
    """Each judgement draws its own data."""
    first, second = judged(SMALL), judged(SMALL)
    assert isinstance(first.data, LinearData)
    assert first.data.features.data_ptr() != second.data.features.data_ptr()


def test_what_was_asked_counts_beside_what_was_called():
    """A clip that no case calls is unseen until it was asked, and then as good as its answers."""
    clip = dataclasses.replace(SCRATCH["mse"], clip=lambda *_: None)
    whole = Comparison("x", [judged(SMALL, clip)])
    never = "clip was given and never called"
    seen: list[Any] = [(whole.unseen, whole.verdict, whole.reason)]
    for level in ("identical", "different"):
        whole.asked["clip"] = level
        seen.append((whole.unseen, whole.verdict, whole.reason))
    agrees, differs = ((), "identical", None), ((), "different", None)
    assert seen == [(("clip",), "inconclusive", never), agrees, differs]


def test_the_reason_is_that_of_the_first_case_with_the_verdict():
    """Not of one that agrees, nor of a later one; else of a piece that was asked by itself."""
    good, bad = judged(SMALL), judged(SMALL, broken("wrong", loss=scaled_value(2.0)))
    later = judged(SMALL, broken("later", **FAULTS["update lr"][1]))
    assert bad.why
    assert bad.why != later.why
    assert Comparison("x", [good, bad, later]).reason == bad.why
    assert Comparison("x", [good]).reason is None
    whole = Comparison("x", [good])
    whole.asked["loss"] = "different"
    whole.findings = [
        {"component": "sgd", "level": "error", "message": "raises"},
        {"component": "squared_loss", "level": "different", "message": "is off"},
    ]
    assert whole.reason == "squared_loss by itself: is off"


def test_a_reference_of_ones_own_is_run_once_for_itself():
    """Progress is told of the run that is reported, once: the subject's, or its own."""
    own = dataclasses.replace(BUILTIN["mse"], name="own", loss=torch.nn.HuberLoss())
    for subject in (own, broken("other", loss=torch.nn.HuberLoss())):
        seen: list[int] = []

        def progress(_case, done, seen=seen):
            seen.append(done)

        whole = compare(subject, own, [SMALL], progress=progress)
        assert whole.verdict in ("identical", "rounding")
        assert seen == [0, SMALL.total_steps]


@pytest.mark.parametrize("settings", [{}, {"clip": 0.1}, {"clear_gradients": False}], ids=str)
def test_a_gradient_that_is_not_the_steps_own_is_no_measure_of_the_pieces(settings, monkeypatch):
    """The reference shows it clipped or summed up: then it grants the forced pass nothing."""
    standards = []
    monkeypatch.setattr(CaseComparison, "_judge_forced", lambda _, given: standards.extend(given))
    judged(dataclasses.replace(SMALL, **settings))
    assert standards
    assert any(bool(standard.gaps["prediction"].any()) for standard in standards)
    measured = any(bool(standard.gaps["gradient"].any()) for standard in standards)
    assert measured == (not settings)
