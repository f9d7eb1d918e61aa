"""The judge judged: break the engine, and the suite's own checks have to notice.

`CHECKS` are a few verdicts that must come out, wrong subjects above all. All hold on the engine
as it is; on each mutated engine at least the named ones fail.
"""

import dataclasses
import math
import sys
from typing import Any

import pytest
import torch

from harness.engine import case_comparison, comparison, stage, tolerance
from harness.engine.case_comparison import CaseComparison
from harness.engine.comparison import compare
from harness.engine.expected import Expected
from harness.engine.lockstep import PairedChunks
from harness.engine.oracle import Oracle
from harness.engine.rows import RowJudge
from harness.engine.stage import StageRecord
from harness.pairs.linear import SCRATCH, LinearCase

SMALL = LinearCase("small", "a tail, two epochs", num_examples=63, epochs=2)
DOUBLE = dataclasses.replace(SMALL, dtype="float64")
MSE = SCRATCH["mse"]


def model_times(factor):
    """Return a model whose values are scaled and whose gradients are right."""

    def model(d):
        made = MSE.model(d)
        w, b = made.parameters()

        def forward(X):
            y_hat = X @ w + b
            return y_hat + ((factor - 1) * y_hat).detach()

        made.forward = forward  # type: ignore[method-assign]
        return made

    return model


def model_gradient_times(factor):
    """Return a model whose values are right and whose gradients are scaled."""

    def model(d):
        made = MSE.model(d)
        w, b = made.parameters()

        def forward(X):
            y_hat = X @ w + b
            return y_hat.detach() + factor * (y_hat - y_hat.detach())

        made.forward = forward  # type: ignore[method-assign]
        return made

    return model


def loss_times(factor):
    """Return a loss whose value is scaled and whose slope is right."""

    def loss(y_hat, y):
        value = MSE.loss(y_hat, y)
        return value + ((factor - 1) * value).detach()

    return loss


class Update:
    """SGD whose learning rate is scaled from some step on."""

    def __init__(self, parameters, lr, factor, since):
        self.parameters, self.lr, self.factor, self.since = parameters, lr, factor, since

    def step(self, _length):
        """Update."""
        self.since -= 1
        with torch.no_grad():
            for p in self.parameters:
                p.sub_(p.grad, alpha=self.lr * (self.factor if self.since < 0 else 1))

    def zero_grad(self):
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None


def update_times(factor, since=0):
    """Return an optimizer whose learning rate is off from some step on."""
    return lambda parameters, lr: Update(parameters, lr, factor, since)


class Unpaired:
    """Features with the labels of other rows."""

    def __init__(self, served):
        self.served = served

    def __iter__(self):
        for X, y in self.served:
            yield X, y.flip(0)


def verdict(case=SMALL, **pieces):
    """Return the verdict on scratch with some pieces replaced."""
    return compare(dataclasses.replace(MSE, name="subject", **pieces), None, [case]).verdict


def zeros():
    """Return a case of one step from zero, in which every prediction is 0."""
    return LinearCase("zeros", "nothing", num_examples=7, batch_size=16, epochs=1, initial_std=0.0)


def both_faults():
    """Return whether the forced pass finds both of two faults, and them alone."""
    subject = dataclasses.replace(
        MSE, name="subject", loss=loss_times(1.01), optimizer=update_times(1.01)
    )
    runs = compare(subject, None, [SMALL]).cases[0].runs
    return {name for name, record in runs["forced"].items() if record.first} == {
        "loss",
        "parameter",
    }


CHECKS = {
    "right": lambda: verdict() == "identical",
    "data": lambda: verdict(batches=lambda *a: Unpaired(MSE.batches(*a))) == "different",
    "prediction": lambda: verdict(model=model_times(1.0001)) == "different",
    "gradient": lambda: verdict(model=model_gradient_times(1.0001)) == "different",
    "loss": lambda: verdict(loss=loss_times(1.0001)) == "different",
    "update": lambda: verdict(optimizer=update_times(1.001)) == "different",
    "late": lambda: verdict(optimizer=update_times(1.001, since=9)) == "different",
    "right in double": lambda: verdict(DOUBLE) == "identical",
    "double": lambda: verdict(DOUBLE, loss=loss_times(1 + 1e-10)) == "different",
    "NaN": lambda: verdict(loss=loss_times(math.nan)) == "different",
    "zeros": lambda: verdict(zeros()) == "inconclusive",
    "nothing": lambda: compare(cases=[]).exit_status == 3,
    "raises": lambda: verdict(loss=lambda *_: 1 // 0) == "error",
    "two faults": both_faults,
}


def failing() -> set[str]:
    """Run all checks; return those that do not hold or cannot be run."""
    failed = set()
    for name, check in CHECKS.items():
        try:
            held = check()
        except Exception:  # noqa: BLE001 - a mutated engine may break anywhere
            held = False
        if not held:
            failed.add(name)
    return failed


def generous(monkeypatch):
    """Multiply every tolerance by a million."""

    def allowance(*given):
        return 1e6 * tolerance.allowance(*given)

    monkeypatch.setattr(stage, "allowance", allowance)


def skipping(name):
    """Return a mutation that never looks at one stage."""

    def mutate(monkeypatch):
        if name == "batch":
            monkeypatch.setattr(RowJudge, "add", lambda self, pair: None)
            return
        right = StageRecord.add

        def add(self, stack, value, expected, reference_gap, *, equal_bits):
            if self.stage == name:
                value = expected.value
            return right(self, stack, value, expected, reference_gap, equal_bits=equal_bits)

        monkeypatch.setattr(StageRecord, "add", add)

    return mutate


def itself(monkeypatch):
    """Hold the subject against its own trace, and its own distance to the oracle."""
    right = CaseComparison._judge

    def judge(self, pair):
        right(self, PairedChunks(pair.subject, pair.subject, pair.own_lengths, pair.reproduced))

    monkeypatch.setattr(CaseComparison, "_judge", judge)


def coarse(monkeypatch):
    """Round the oracle to single precision."""
    for name in ("expect", "loss_at"):
        right = getattr(Oracle, name)

        def rounded(self, *given, _right=right):
            found = _right(self, *given)
            if isinstance(found, Expected):
                return dataclasses.replace(found, value=found.value.float().double())
            parts = {f.name: getattr(found, f.name) for f in dataclasses.fields(found)}
            return type(found)(
                **{
                    part: dataclasses.replace(e, value=e.value.float().double())
                    for part, e in parts.items()
                }
            )

        monkeypatch.setattr(Oracle, name, rounded)


def first_epoch_only(monkeypatch):
    """Look at the steps of epoch 0 only."""
    right: Any = CaseComparison._judge_free

    def judge_free(self, subject, reference, *updated):
        later = [
            at for at, place in zip(subject.positions, subject.places, strict=True) if place[0]
        ]
        until = min(later, default=sys.maxsize)
        return right(self, subject.until(until), reference.until(until), *updated)

    monkeypatch.setattr(CaseComparison, "_judge_free", judge_free)


def nan_equal(monkeypatch):
    """Take NaN for whatever was expected."""
    right = StageRecord.add

    def add(self, stack, value, expected, reference_gap, *, equal_bits):
        value = torch.where(value.isnan(), expected.value.to(value), value)
        known = dataclasses.replace(
            expected,
            value=torch.where(expected.value.isnan(), value, expected.value),
            scale=expected.scale.nan_to_num(),
        )
        return right(self, stack, value, known, reference_gap.nan_to_num(), equal_bits=equal_bits)

    monkeypatch.setattr(StageRecord, "add", add)
    monkeypatch.setattr(case_comparison, "_first_broken", lambda *_: sys.maxsize)


def zeros_count(monkeypatch):
    """Take equal zeros for an agreement."""
    right = StageRecord.add

    def add(self, *given, **named):
        self.something = True
        return right(self, *given, **named)

    monkeypatch.setattr(StageRecord, "add", add)


def pass_by_default(monkeypatch):
    """Pass where there is nothing to judge."""
    right = stage.worst
    for module in (case_comparison, comparison):  # an empty list comes to "identical"
        monkeypatch.setattr(module, "worst", lambda found: right(["identical", *found]))


def errors_pass(monkeypatch):
    """Forget that a side raised."""
    right = CaseComparison._attempt

    def attempt(self, **named):
        right(self, **named)
        self.reason = None

    monkeypatch.setattr(CaseComparison, "_attempt", attempt)


def unforced(monkeypatch):
    """Leave the forced pass out."""
    monkeypatch.setattr(CaseComparison, "_judge_forced", lambda *_: None)


MUTATIONS = [
    (generous, {"prediction", "gradient", "loss", "update", "late", "double"}),
    (skipping("batch"), {"data"}),
    (skipping("prediction"), {"prediction"}),
    (skipping("loss"), {"loss", "double", "two faults"}),
    (skipping("gradient"), {"gradient"}),
    (skipping("parameter"), {"update", "late", "two faults"}),
    (itself, {"double"}),
    (coarse, {"right in double"}),
    (first_epoch_only, {"late"}),
    (nan_equal, {"NaN"}),
    (zeros_count, {"zeros"}),
    (pass_by_default, {"nothing"}),
    (errors_pass, {"raises"}),
    (unforced, {"two faults"}),
]
NAMES = [
    "tolerance", "no batch", "no prediction", "no loss", "no gradient", "no parameter", "itself",
    "coarse oracle", "first epoch", "NaN equal", "zeros count", "default pass", "errors pass",
    "unforced",
]  # fmt: skip


def test_all_checks_hold_on_the_engine_as_it_is():
    """The control: nothing fails where nothing is broken."""
    assert failing() == set()


@pytest.mark.mutation
@pytest.mark.parametrize(("mutate", "noticed"), MUTATIONS, ids=NAMES)
def test_a_broken_judge_is_noticed(mutate, noticed, monkeypatch):
    """At least the named checks fail, and the engine is whole again afterwards."""
    with monkeypatch.context() as broken:
        mutate(broken)
        failed = failing()
    assert noticed <= failed, (noticed - failed, failed)
    assert failed, "nobody noticed"
    assert CHECKS["right"]()


def test_every_check_is_there_for_some_mutation():
    """A check that notices nothing is no check; "right" is the control."""
    assert set().union(*(noticed for _, noticed in MUTATIONS)) == set(CHECKS) - {"right"}
