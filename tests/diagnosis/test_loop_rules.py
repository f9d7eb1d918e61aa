"""Facts that name the mistake of a loop: each written as the catalogue has it, and what is near."""

import dataclasses

import pytest
import torch

from harness.diagnosis import rules
from harness.diagnosis.loop_rules import Record, _entered_late, gradients_of_rows
from harness.engine.components import LOOP
from harness.mistakes import loop as mistaken_loops
from harness.mistakes.catalogue import of
from harness.mistakes.right_loop import Loop
from harness.pairs.linear import BUILTIN, SCRATCH, Form

FORMS: tuple[Form, ...] = ("functional", "object")
# what only values show: sums of gradients of several batch lengths, and a run of no step at all
BY_VALUE = {
    ("functional", "train.no-zero-grad", "never cleared"),
    ("functional", "train.partial-zero-grad", "only the weight's"),
    ("functional", "train.partial-zero-grad", "only the bias's"),
    *((form, "train.stops-early", "returns in the first epoch") for form in FORMS),
    *((form, "train.epoch-count", "one too few") for form in FORMS),
}
WRITTEN = [
    pytest.param(form, mistake.id, written, id=f"{form}-{mistake.id}-{at}")
    for form in FORMS
    for mistake in of(LOOP)
    for at, written in enumerate(mistake.forms)
    if written.make(SCRATCH[form]) is not None
]


def answered(subject, form):
    """Return the questions to a loop with their replies, as they were really answered."""
    asked = LOOP.questions(BUILTIN[form], form)
    replies = [(question, LOOP.ask(subject, question)) for question in asked]
    return [(LOOP.as_replied(question, reply), reply) for question, reply in replies]


def said(subject, form="functional"):
    """Return what the facts give away of a recipe's loop: ids with their evidence."""
    return dict(rules.told(LOOP, answered(subject, form), [], BUILTIN[form]))


def looped(kind, form="functional"):
    """Return scratch with another loop."""
    return dataclasses.replace(SCRATCH[form], loop=lambda side: kind(side).fit())


@pytest.mark.parametrize(("form", "name", "written"), WRITTEN)
def test_each_mistake_of_a_loop_is_told_by_facts_alone(form, name, written):
    """By its own name and no other, or not at all; of the right loop nothing is (`test_rules`)."""
    subject = written.make(SCRATCH[form])
    assert subject is not None
    by_value = (form, name, written.name) in BY_VALUE
    assert list(said(subject, form)) == ([] if by_value else [name])


@pytest.mark.parametrize(
    ("kind", "name", "evidence"),
    [
        # the first question has 13 rows in fives, and three epochs
        ("_NominalDivisor", "train.fixed-divisor", "the last 3 rows are divided by 5"),
        ("_BreaksAfterFirst", "train.stops-early", "an epoch ends after 1 of 3 batches"),
        ("_BreaksBeforeLast", "train.stops-early", "an epoch ends after 2 of 3 batches"),
        ("_UpdatesOnceAnEpoch", "train.step-outside-loop", "one update for 3 batches of an epoch"),
        ("_WholeData", "train.full-batch", "the model is given all 13 rows in every step"),
    ],
)
def test_the_evidence_counts(kind, name, evidence):
    """Rows, batches and epochs of the question."""
    assert said(looped(getattr(mistaken_loops, kind)))[name] == evidence


@pytest.mark.parametrize(("by", "told"), [(1, True), (2, False)])
def test_an_epoch_too_many_is_told_and_no_other_number(by, told):
    """On every question."""

    class Miscounts(Loop):
        def fit(self):
            for number in range(self.side.case.epochs + by):
                self.epoch(number)

    assert said(looped(Miscounts)) == ({"train.epoch-count": "makes 4 epochs of 3"} if told else {})


@pytest.mark.parametrize(("epochs", "told"), [(2, False), (3, True)])
def test_what_ends_after_the_first_epoch_is_told_only_where_there_should_be_three(epochs, told):
    """Of two, an epoch too few looks the same; no question has more than these."""
    question, *_ = LOOP.questions(BUILTIN["object"], "object")
    case = dataclasses.replace(question.case, epochs=epochs)
    question = dataclasses.replace(question, case=case)
    for kind, name in (
        (mistaken_loops._OneIterator, "train.iterator-exhausted"),
        (mistaken_loops._epochs(-1), "train.epoch-count"),
    ):
        subject = looped(kind, "object")
        reply = LOOP.ask(subject, question)
        found = dict(rules.told(LOOP, [(question, reply)], [], BUILTIN["object"]))
        assert (name in found) is told


@pytest.mark.parametrize("factor", [0.5, 1.1])
def test_updates_off_by_another_number_are_not_told(factor):
    """Neither divided by the nominal length nor divided twice."""

    class Scales(Loop):
        def update(self, rows):
            for parameter in self.side.parameters():
                assert parameter.grad is not None
                parameter.grad *= factor
            super().update(rows)

    assert said(looped(Scales)) == {}


@pytest.mark.parametrize(
    ("factor", "told"), [(0.25, False), (0.5, True), (1.0, True), (2.0, True), (4.0, False)]
)
def test_a_loss_of_all_predictions_minus_all_labels_is_told_with_or_without_a_half(factor, told):
    """Where the loop writes it itself; of another size it may be anything."""

    class Broadcasts(Loop):
        def loss(self, batch):
            X, y = batch
            y_hat = self.side.forward(X)
            self.side.loss(y_hat, y)
            every = (y_hat.reshape(-1, 1) - y.reshape(1, -1)).square().mean()
            return factor * len(y) * every / 2  # half of a sum, as the update expects it

    assert list(said(looped(Broadcasts))) == (["loss.no-reshape"] if told else [])


def test_the_gradient_of_a_row_is_that_of_its_squared_error():
    """By autograd, for the weight and for the bias behind it."""
    (_, run), *_ = answered(SCRATCH["mse"], "mse")
    stack = next(run.chunk.stacks())
    w = stack.before[0, :2].double().requires_grad_()
    b = stack.before[0, 2:].double().requires_grad_()
    for row in range(stack.rows):
        error = stack.X[0, row].double() @ w + b - stack.y[0, row].double()
        wanted = torch.cat(torch.autograd.grad(error.square().sum(), [w, b]))
        torch.testing.assert_close(gradients_of_rows(stack)[0, row], wanted, rtol=1e-5, atol=1e-5)


def test_an_update_is_late_where_every_one_but_the_first_is():
    """Each after a forward pass on the batch before its own; one that is not makes it no rule."""
    kind = mistaken_loops._UpdatesFirst
    (question, run), *_ = answered(looped(kind), "functional")

    def late(entered):
        changed = dataclasses.replace(run, entered=entered)
        return _entered_late(Record(question, changed, SCRATCH["functional"].convention))

    assert late(run.entered)
    served = [X for X, _ in run.chunk.batches()]
    for k in range(1, len(served)):
        value, _ = run.entered[k]
        assert not late(run.entered | {k: (value, [served[k]])})
        assert not late({at: both for at, both in run.entered.items() if at != k})
