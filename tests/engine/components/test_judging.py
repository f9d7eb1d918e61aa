"""One component judged: right ones written oddly pass, wrong and empty ones never do."""

import dataclasses
import math
import sys
from typing import Any

import numpy as np
import pytest
import torch

from harness.engine.components import (
    COMPONENTS,
    DATA_ITERATOR,
    INITIALISATION,
    LOOP,
    LOSS,
    MODEL,
    OPTIMIZER,
    Fit,
    ForcedReply,
    Served,
    forced_judge,
    loop_judge,
)
from harness.engine.forced import examine
from harness.engine.forced_run import Forced
from harness.engine.pieces import Functional
from harness.mistakes import loop as mistaken_loops
from harness.mistakes.data import Batches
from harness.mistakes.right_loop import Loop
from harness.pairs.linear import BUILTIN, SCRATCH

FORMS = ("functional", "object", "mse")
MSE = SCRATCH["mse"]


def verdicts(component, piece, form="mse", seed=0):
    """Return the verdicts on scratch with one piece replaced."""
    subject = component.put_into(SCRATCH[form], piece, name="subject")
    asked = [q for q in component.questions(BUILTIN[form], form, seed) if q.judged]
    return [component.judge(q, component.ask(subject, q), subject, BUILTIN[form]) for q in asked]


# -- valid ways to write it ----------------------------------------------------


def per_column(X, w, b):
    """Add up one column after the other."""
    total = torch.zeros(len(X), 1)
    for j in range(X.shape[1]):
        total = total + X[:, j : j + 1] * w[j]
    return total + b


NETS = {
    "mm": lambda X, w, b: torch.mm(X, w) + b,
    "addmm": lambda X, w, b: torch.addmm(b, X, w),
    "mv": lambda X, w, b: (torch.mv(X, w[:, 0]) + b).unsqueeze(1),
    "transposed": lambda X, w, b: (w.T @ X.T).T + b,
    "tensordot": lambda X, w, b: torch.tensordot(X, w, dims=1) + b,
    "einsum": lambda X, w, b: torch.einsum("ij,jk->ik", X, w) + b,
    "bmm": lambda X, w, b: torch.bmm(X[:, None], w.expand(len(X), -1, 1))[:, 0] + b,
    "sum of products": lambda X, w, b: (X * w.reshape(-1)).sum(1, keepdim=True) + b,
    "per row": lambda X, w, b: torch.stack([row @ w + b for row in X]),
    "per column": per_column,
    "ones column": lambda X, w, b: (
        torch.cat((X, torch.ones(len(X), 1)), 1) @ torch.cat((w, b[None]))
    ),
    "writes to its input": lambda X, w, b: X.mul_(1.0) @ w + b,
}
SQUARES = {
    "pow": lambda e: e.pow(2),
    "square": torch.square,
    "product": lambda e: e * e,
    "other order": lambda e: (-e) ** 2,
    "absolute": lambda e: e.abs() ** 2,
    "per row": lambda e: torch.stack([row * row for row in e]),
}


def net(formula):
    """Return a model piece."""
    return lambda d: Functional(formula, (torch.zeros(d, 1), torch.zeros(1)))


def loss(square, form):
    """Return a loss piece in the convention of a form."""

    def squared(y_hat, y):
        values = square(y_hat - y.reshape(y_hat.shape))
        if form == "functional":
            return values / 2
        return values.sum() / len(y_hat) / (2 if form == "object" else 1)

    return squared


def foreach(parameters, steps):
    """Update all at once."""
    torch._foreach_add_(parameters, [-step for step in steps])


def each(update):
    """Return an update of all parameters, one after the other."""

    def updated(parameters, steps):
        for p, step in zip(parameters, steps, strict=True):
            update(p, step)

    return updated


UPDATES = {
    "-=": each(lambda p, step: p.__isub__(step)),
    "data.sub_": each(lambda p, step: p.data.sub_(step)),
    "copy_": each(lambda p, step: p.copy_(p - step)),
    "slice": each(lambda p, step: p.__setitem__(slice(None), p - step)),
    "foreach": foreach,
    "rebinding data": each(lambda p, step: setattr(p, "data", p.data - step)),
    "set_": each(lambda p, step: p.set_((p - step).detach())),
}


def optimizer(update, form, *, clears=False):
    """Return an optimizer piece; one may also clear the gradients itself."""

    class Written:
        def __init__(self, parameters, lr):
            self.parameters, self.lr = parameters, lr

        @torch.no_grad()
        def step(self, length):
            length = length if form == "functional" else 1
            update(self.parameters, [self.lr * p.grad / length for p in self.parameters])
            if clears:
                self.zero_grad()

        def zero_grad(self):
            for p in self.parameters:
                p.grad = None

    return Written


class Clears(Loop):
    """Zeroes the gradients after the step, not before."""

    def step(self, batch):
        """One step."""
        self.backward(batch)
        self.update(len(batch[1]))
        for p in self.side.parameters():
            assert p.grad is not None
            p.grad.zero_()


class Averages(Loop):
    """Averages a loss per example itself and tells the update to divide by 1."""

    def loss(self, batch):
        """The mean."""
        X, y = batch
        return self.side.loss(self.side.forward(X), y).mean()

    def update(self, rows):
        """Nothing is left to divide by."""
        del rows
        self.side.update(1)

    def share(self, rows, of):
        """The part of a mean."""
        return rows / of


class Evaluates(Loop):
    """Looks at the loss over all the batches and all the data between two epochs."""

    def epoch(self, number):
        """One epoch, then an evaluation."""
        super().epoch(number)
        with torch.no_grad():
            for X, y in self.side.loader:
                self.side.loss(self.side.forward(X), y)
            data = self.side.data
            self.side.loss(self.side.forward(data.features), data.labels)


class Graph(Loop):
    """Computes gradients with torch.autograd.grad."""

    def backward(self, batch):
        """Set what was found."""
        X, y = batch
        size = self.side.case.micro_batch_size or len(y)
        parts = zip(X.split(size), y.split(size), strict=True)
        losses = [self.loss(part) * self.share(len(part[1]), len(y)) for part in parts]
        total = torch.stack(losses).sum()
        parameters = self.side.parameters()
        for p, g in zip(parameters, torch.autograd.grad(total, parameters), strict=True):
            p.grad = g


class Listed(Batches):
    """Picks rows by a Python list."""

    def pick(self, rows):
        """By a list."""
        rows = rows.tolist()
        return self.features[rows], self.labels[rows]


class Selected(Batches):
    """Picks rows with index_select."""

    def pick(self, rows):
        """By index."""
        return self.features.index_select(0, rows), self.labels.index_select(0, rows)


class Stacked(Batches):
    """Stacks single rows."""

    def pick(self, rows):
        """One by one."""
        return (
            torch.stack([self.features[k] for k in rows]),
            torch.stack([self.labels[k] for k in rows]),
        )


class Numpy(Batches):
    """Draws the order with NumPy."""

    def order(self):
        """From the global generator of NumPy."""
        return torch.from_numpy(np.random.permutation(self.n))


class Permuted(Batches):
    """Permutes everything, then splits."""

    def __iter__(self):
        order = self.order()
        parts = (values[order].split(self.size) for values in (self.features, self.labels))
        return zip(*parts, strict=True)


class AsList(Batches):
    """Makes a list of all the batches first."""

    def __iter__(self):
        return iter(list(super().__iter__()))


ITERATORS = (Batches, Listed, Selected, Stacked, Numpy, Permuted, AsList)


def variants(form):
    """Return every valid way to write a piece: name, component, piece."""
    found: list[tuple[str, Any, Any]] = []
    found += [(name, MODEL, net(formula)) for name, formula in NETS.items()]
    found += [(name, LOSS, loss(square, form)) for name, square in SQUARES.items()]
    found += [(name, OPTIMIZER, optimizer(update, form)) for name, update in UPDATES.items()]
    found += [("clears", OPTIMIZER, optimizer(foreach, form, clears=True))]
    loops = [Loop, Clears, Evaluates, Graph, *([Averages] if form == "functional" else [])]
    found += [(kind.__name__, LOOP, lambda side, kind=kind: kind(side).fit()) for kind in loops]
    found += [(kind.__name__, DATA_ITERATOR, kind) for kind in ITERATORS]
    return found


VARIANTS = [(form, *variant) for form in FORMS for variant in variants(form)]
IDS = [f"{form}-{component}-{name}" for form, name, component, _ in VARIANTS]


def holds(form, component, piece, seed):
    """Assert that every question is passed."""
    found = verdicts(component, piece, form, seed)
    assert len(found) > 1
    for verdict in found:
        assert verdict.passed, (verdict.first, verdict.raised, verdict.reason)
        assert (verdict.first, verdict.raised, verdict.reason, verdict.stage) == (None,) * 4
        assert verdict.steps


@pytest.mark.parametrize(("name", "component", "piece"), variants("functional"))
def test_valid_ways_to_write_it_pass(name, component, piece):
    """With one seed, in the form that has most of them."""
    holds("functional", component, piece, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("form", "name", "component", "piece"), VARIANTS, ids=IDS)
def test_valid_ways_to_write_it_pass_whatever_is_asked(form, name, component, piece, seed):
    """With ten seeds, in all forms."""
    holds(form, component, piece, seed)


def test_there_are_many_ways():
    """Every component but the initial parameters, in every form."""
    assert len({(name, component) for _, name, component, _ in VARIANTS}) >= 36
    assert {component for *_, component, _ in VARIANTS} == set(COMPONENTS) - {INITIALISATION}


def initial(sigma=0.01, shape=None, bias=0.0):
    """Return an init piece."""
    return lambda d: (
        torch.normal(0, sigma, shape or (d, 1)).requires_grad_(),
        torch.full((1,), bias).requires_grad_(),
    )


@pytest.mark.parametrize("seed", range(10))
def test_right_initial_parameters_pass(seed):
    """As a column or as a vector, with or without a shape for the bias."""
    column, vector, scalar = (
        initial(),
        lambda d: initial(shape=(d,))(d),
        lambda d: (initial()(d)[0], torch.zeros((), requires_grad=True)),
    )
    for piece in (column, vector, scalar):
        assert all(verdict.passed for verdict in verdicts(INITIALISATION, piece, seed=seed))


@pytest.mark.parametrize(
    ("piece", "said"),
    [
        (initial(sigma=0.02), "deviation of w"),
        (initial(sigma=0.0), "deviation of w"),
        (initial(bias=0.5), "(b) = 0.5, but should be 0"),
        (lambda d: (initial()(d)[0] + 0.01, initial()(d)[1]), "no leaf"),
        (lambda d: (torch.full((d, 1), math.nan, requires_grad=True), initial()(d)[1]), "nan"),
        (initial(shape=(1, 3)), "has shapes (1, 3) and (1,)"),
        (lambda d: (initial()(d)[0], torch.zeros(2, requires_grad=True)), "and (2,), but should"),
        (lambda d: (initial()(d)[0], torch.zeros(1)), "of b is none: it does not require"),
        (
            lambda d: tuple(p.detach().double().requires_grad_() for p in initial()(d)),
            "is of float64 and float64, but should be of float32",
        ),
    ],
)
def test_wrong_initial_parameters_are_said(piece, said):
    """With a sentence for each."""
    found = verdicts(INITIALISATION, piece)
    assert {verdict.level for verdict in found} == {"different"}
    assert said in found[0].first.message


# -- nothing passes because there was nothing ----------------------------------

NOTHING = {
    "no batches": (DATA_ITERATOR, lambda *_: []),
    "empty batches": (DATA_ITERATOR, lambda X, y, *_: [(X[:0], y[:0])] * 5),
    "batches of no shape": (DATA_ITERATOR, lambda *_: [(torch.tensor(1.0), torch.tensor(1.0))]),
    "batches of many shapes": (
        DATA_ITERATOR,
        lambda X, y, *_: [(X[:5], y[:5]), (X[:5, :1], y[:5]), (X[0], y[0])],
    ),
    "no gradient": (MODEL, net(lambda X, w, b: (X @ w + b).detach())),
    "constant prediction": (MODEL, net(lambda X, w, b: torch.ones(len(X), 1))),
    "zero prediction": (MODEL, net(lambda X, w, b: 0 * (X @ w + b))),
    "NaN prediction": (MODEL, net(lambda X, w, b: (X @ w + b) * math.nan)),
    "empty prediction": (MODEL, net(lambda X, w, b: (X @ w + b)[:0])),
    "zero loss": (LOSS, lambda y_hat, y: 0 * y_hat.sum()),
    "constant loss": (LOSS, lambda y_hat, y: torch.tensor(1.0)),
    "NaN loss": (LOSS, lambda y_hat, y: y_hat.sum() * math.nan),
    "infinite loss": (LOSS, lambda y_hat, y: y_hat.sum() * math.inf),
    "empty loss": (LOSS, lambda y_hat, y: y_hat[:0]),
    "no loss": (LOSS, lambda y_hat, y: None),
    "no update": (OPTIMIZER, optimizer(lambda *_: None, "mse")),
    "NaN update": (OPTIMIZER, optimizer(each(lambda p, step: p.fill_(math.nan)), "mse")),
    "no training": (LOOP, lambda side: None),
    "only served": (LOOP, lambda side: [list(side.loader) for _ in range(side.case.epochs)]),
    "leaves": (LOOP, lambda side: sys.exit()),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_no_pass(name):
    """Each is different or an error on every question, with a reason."""
    component, piece = NOTHING[name]
    for verdict in verdicts(component, piece):
        assert verdict.level in ("different", "error"), verdict
        assert not verdict.passed
        assert verdict.stage
        assert verdict.first or verdict.raised


def zeroed(question, *names):
    """Return a question whose states hold nothing but zeros in some columns."""
    stacks = tuple(
        (
            dataclasses.replace(s, **{n: torch.zeros_like(getattr(s, n)) for n in names}),
            torch.zeros_like(upstream),
        )
        for s, upstream in question.stacks
    )
    return dataclasses.replace(question, stacks=stacks)


@pytest.mark.parametrize(
    ("component", "names"),
    [
        (MODEL, ("X", "before")),
        (LOSS, ("prediction", "y")),
        (OPTIMIZER, ("before", "gradient")),
    ],
)
def test_zeros_on_both_sides_are_inconclusive(component, names):
    """Nothing was compared, and the reason says so; with other states the same piece passes."""
    question = component.questions(BUILTIN["mse"], "mse")[0]
    empty = zeroed(question, *names)
    found = [
        component.judge(q, component.ask(MSE, q), MSE, BUILTIN["mse"]) for q in (empty, question)
    ]
    assert (found[0].level, found[0].passed) == ("inconclusive", False)
    assert found[0].reason == "every value is 0 on both sides"
    assert found[1].passed


@pytest.mark.parametrize("component", [MODEL, LOSS, OPTIMIZER])
def test_no_steps_are_inconclusive(component):
    """A question without states."""
    question = dataclasses.replace(component.questions(BUILTIN["mse"], "mse")[0], stacks=())
    found = component.judge(question, component.ask(MSE, question), MSE, BUILTIN["mse"])
    assert (found.level, found.steps, found.reason) == ("inconclusive", 0, "no step was asked")


def test_nan_on_both_sides_is_no_pass():
    """States of NaN: the reference replies NaN as well."""
    question = LOSS.questions(BUILTIN["mse"], "mse")[0]
    stacks = tuple(
        (dataclasses.replace(s, y=torch.full_like(s.y, math.nan)), upstream)
        for s, upstream in question.stacks
    )
    question = dataclasses.replace(question, stacks=stacks)
    assert not LOSS.judge(question, LOSS.ask(MSE, question), MSE, BUILTIN["mse"]).passed


def test_a_reply_of_nan_alone_is_different():
    """Columns of the right shape that hold nothing."""
    question = OPTIMIZER.questions(BUILTIN["mse"], "mse")[0]
    right = OPTIMIZER.ask(MSE, question)

    def blank(got: Forced) -> Forced:
        return dataclasses.replace(got, parameter=torch.full_like(got.parameter, math.nan))

    reply = ForcedReply(list(map(blank, right.once)), right.again)
    assert OPTIMIZER.judge(question, reply, MSE, BUILTIN["mse"]).level == "different"
    late = ForcedReply(right.once, tuple(map(blank, right.again)))
    verdict = OPTIMIZER.judge(question, late, MSE, BUILTIN["mse"])
    assert verdict.level == "different"
    assert "when it is asked the same again" in str(verdict.first)
    assert OPTIMIZER.judge(question, right, MSE, BUILTIN["mse"]).passed


def test_an_endless_iterator_is_different():
    """With the place where the epoch should have ended."""

    def endless(features, labels, size, _generator):
        while True:
            yield features[:size], labels[:size]

    found = verdicts(DATA_ITERATOR, endless)
    assert {verdict.level for verdict in found} == {"different"}
    assert "comes after the epoch should have ended" in found[0].first.message


def test_an_epoch_that_was_never_served_is_different():
    """A reply without epochs, as a worker could send it."""
    question = DATA_ITERATOR.questions(BUILTIN["mse"], "mse")[0]
    data = question.data
    served = Served([], [], data.features, data.labels, None, endless=False)
    found = DATA_ITERATOR.judge(question, served, MSE, BUILTIN["mse"])
    assert (found.level, found.steps) == ("different", 0)


@pytest.mark.parametrize("by", [1, -1])
def test_epochs_too_many_or_too_few_are_told_where_the_shorter_course_ends(by):
    """The first epoch that one of the two does not have."""

    class Miscounts(Loop):
        def fit(self):
            for number in range(self.side.case.epochs + by):
                self.epoch(number)

    verdict = verdicts(LOOP, lambda side: Miscounts(side).fit())[0]
    epochs = verdict.question.case.epochs
    assert verdict.first.text == f"makes {epochs + by} epochs of {epochs}"
    assert verdict.first.epoch == min(epochs, epochs + by)


def test_a_run_that_is_right_to_the_bit_needs_no_second_look(monkeypatch):
    """One that is right but for a bit is followed, step by step."""
    question = LOOP.questions(BUILTIN["mse"], "mse")[0]

    def judged(run):
        return LOOP.judge(question, run, BUILTIN["mse"], BUILTIN["mse"])

    assert judged(LOOP.own_reply(BUILTIN["mse"], question)).passed
    looks = []

    def noted(*given):
        looks.append(given)
        return follow(*given)

    follow = loop_judge._follow
    monkeypatch.setattr(loop_judge, "_follow", noted)
    same = LOOP.ask(BUILTIN["mse"], question)
    assert judged(same).passed
    assert not looks
    assert same.chunk is not None
    after = same.chunk.after.clone()
    after[-1, 0] = torch.nextafter(after[-1, 0], after.new_tensor(math.inf))
    chunk = dataclasses.replace(same.chunk, after=after)
    other = dataclasses.replace(same, chunk=chunk, final=after[-1])
    assert (judged(other).level, bool(looks)) == ("rounding", True)


def test_a_loop_that_starts_from_other_values_is_told_so():
    """Where it is the first step that does; a later one does not go on from the update before."""

    def starting(at):
        class Jumps(Loop):
            steps = 0

            def step(self, batch):
                if self.steps == at:
                    self.side.load([p.detach() + 0.5 for p in self.side.parameters()])
                self.steps += 1
                super().step(batch)

        return verdicts(LOOP, lambda side: Jumps(side).fit())[0].first

    for at, said in ((0, "starts from other values"), (1, "is not what the last update left")):
        assert (starting(at).step, starting(at).text) == (at, said)


@pytest.mark.parametrize("own_start", [True, False])
def test_only_a_loop_that_makes_its_parameters_may_start_from_its_own(own_start):
    """Which is told by what it is asked."""

    class Makes(Loop):
        def fit(self):
            self.side.restart([p.detach() + 0.5 for p in self.side.parameters()])
            super().fit()

    subject = dataclasses.replace(MSE, loop=lambda side: Makes(side).fit())
    for question in LOOP.questions(BUILTIN["mse"], "mse", fit=Fit(own_start=own_start)):
        verdict = LOOP.judge(question, LOOP.ask(subject, question), subject, BUILTIN["mse"])
        assert verdict.passed is own_start
        if not own_start:
            assert verdict.first is not None
            assert verdict.first.text == "starts from other values"


def test_batches_that_no_reference_could_train_on_are_different():
    """Of another dtype, under a model that casts them: said with their shapes and dtypes."""

    def doubled(X, y, size, _generator):
        return list(zip(X.double().split(size), y.split(size), strict=True))

    subject = dataclasses.replace(
        MSE, batches=doubled, model=net(lambda X, w, b: X.to(w.dtype) @ w + b)
    )
    question = LOOP.questions(BUILTIN["mse"], "mse")[0]
    verdict = LOOP.judge(question, LOOP.ask(subject, question), subject, BUILTIN["mse"])
    assert (verdict.level, verdict.stage, verdict.passed) == ("different", "batch", False)
    assert verdict.first is not None
    assert (verdict.first.epoch, verdict.first.step) == (0, 0)
    assert verdict.first.text == (
        "serves features (5, 2) torch.float64 with labels (5, 1) torch.float32"
    )


def test_a_loop_that_updates_nothing_has_no_steps():
    """Whether it serves nothing or all of it, or raises at once."""

    def raising(side):
        raise LookupError

    serving = lambda side: [list(side.loader) for _ in range(side.case.epochs)]  # noqa: E731
    for loop in (lambda side: None, serving, raising):
        assert {verdict.steps for verdict in verdicts(LOOP, loop)} == {0}


@pytest.mark.parametrize("component", [MODEL, LOSS, OPTIMIZER])
def test_a_reply_that_is_right_to_the_bit_needs_no_second_look(component, monkeypatch):
    """One that is right but for a bit is looked at."""
    question = component.questions(BUILTIN["mse"], "mse")[1]  # is not asked twice
    own = component.own_reply(BUILTIN["mse"], question)
    assert component.judge(question, own, BUILTIN["mse"], BUILTIN["mse"]).passed
    looks = []

    def noted(*given):
        looks.append(given)
        examine(*given)

    monkeypatch.setattr(forced_judge, "examine", noted)
    same = component.ask(BUILTIN["mse"], question)
    assert component.judge(question, same, BUILTIN["mse"], BUILTIN["mse"]).passed
    assert not looks
    name = component.columns[0]
    values = getattr(same.once[0], name).clone()
    values[0, 0] = torch.nextafter(values[0, 0], values.new_tensor(math.inf))
    once = [dataclasses.replace(same.once[0], **{name: values}), *same.once[1:]]
    reply = dataclasses.replace(same, once=once)
    verdict = component.judge(question, reply, BUILTIN["mse"], BUILTIN["mse"])
    assert (verdict.level, bool(looks)) == ("rounding", True)


@pytest.mark.parametrize(
    ("loop", "stage", "said"),
    [
        ("_UpdatesTwice", "parameter", "updated twice"),
        ("_TrainsCopy", "parameter", "the initial ones, not those that were trained"),
        ("_StartsAgain", "parameter", "is not what the last update left"),
        ("_KeepsTheFirst", "batch", "is not the one that the model is given"),
        ("_ZeroesTooEarly", "parameter", "the update finds no gradient"),
        ("_UpdatesOnceAnEpoch", "parameter", "is not updated on this batch"),
        ("_BreaksBeforeLast", "batch", "ends the epoch after"),
    ],
)
def test_the_course_of_a_loop_is_judged(loop, stage, said):
    """Batches, updates and starts, whatever the values; the first in time is told."""
    kind = getattr(mistaken_loops, loop)
    found = verdicts(LOOP, lambda side: kind(side).fit())
    assert found[0].level == "different"
    assert found[0].stage == stage
    assert said in found[0].first.message


def test_a_loop_that_fails_late_is_found():
    """Only the last step of the last epoch is wrong."""

    class Late(Loop):
        steps = 0

        def update(self, rows):
            self.steps += 1
            if self.steps == self.side.case.total_steps:
                gradient = self.side.parameters()[0].grad
                assert gradient is not None
                gradient.mul_(1.01)
            super().update(rows)

    for verdict in verdicts(LOOP, lambda side: Late(side).fit()):
        case = verdict.question.case
        last = case.total_steps // case.epochs - 1
        assert (verdict.first.epoch, verdict.first.step) == (case.epochs - 1, last)
        assert verdict.stage == "gradient"
