"""The evaluation: wrong metrics, other predictions and changed statistics are seen."""

import dataclasses

import torch
from torch import nn

from harness.engine.comparison import compare
from harness.pairs.softmax import SOFTMAX, SoftmaxCase

CASE = SoftmaxCase("small", "two epochs", num_examples=40, batch_size=8, epochs=2)
SIDES = SOFTMAX.forms["object"]


class Odd(nn.Linear):
    """A linear model that predicts something else when it evaluates."""

    def forward(self, X):
        """Twice the logits in evaluation mode."""
        return super().forward(X) * (1 if self.training else 2)


class Counting(nn.Linear):
    """A right linear model with a running statistic; `always` also counts while it evaluates."""

    calls: torch.Tensor

    def __init__(self, d, q, always):
        super().__init__(d, q)
        self.always = always
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, X):
        """The logits."""
        if self.always or self.training:
            self.calls += 1
        return super().forward(X)


def judged(subject, reference=SIDES.builtin):
    """Return the comparison of the small case."""
    (found,) = compare(subject, reference, [CASE]).cases
    return found


def evaluation(**pieces):
    """Return verdict and evaluation stage of the built-in side with other pieces."""
    found = judged(dataclasses.replace(SIDES.builtin, name="subject", **pieces))
    return found.verdict, found.stages["evaluation"]


def test_right_sides_pass():
    """Control: every epoch is looked at, and agrees."""
    found = judged(SIDES.scratch)
    stage = found.stages["evaluation"]
    assert stage["level"] in ("identical", "rounding")
    assert stage["first_divergence"] is None
    assert stage["steps"] >= CASE.epochs


def test_a_wrong_metric_is_seen():
    """One that counts the rows that are wrong; what is trained stays right."""
    verdict, stage = evaluation(metric=lambda y_hat, y: (y_hat.argmax(1) != y).float().mean())
    assert (verdict, stage["level"]) == ("different", "different")
    assert "evaluation[epoch 0" in stage["first_divergence"]["message"]


def test_a_metric_by_row_is_seen():
    verdict, stage = evaluation(metric=lambda y_hat, y: (y_hat.argmax(1) == y).float())
    assert verdict == "different"
    assert "metric of shape (1, 40)" in stage["first_divergence"]["message"]


def test_a_metric_that_raises_is_an_error():
    verdict, stage = evaluation(metric=lambda y_hat, y: y_hat @ y)
    assert verdict in ("error", "different")
    assert stage["level"] == "error"


def test_other_predictions_in_evaluation_mode_are_seen():
    """Although every step of the training is right."""
    verdict, stage = evaluation(model=Odd)
    assert verdict == "different"
    assert stage["first_divergence"]["stage"] == "evaluation"


def test_statistics_that_an_evaluation_changes_are_seen():
    """Those that only a training changes are not."""
    for always, level in ((True, "different"), (False, "identical")):
        right = dataclasses.replace(
            SIDES.builtin, name="right", model=lambda d, q: Counting(d, q, always=False)
        )
        subject = dataclasses.replace(
            right, name="subject", model=lambda d, q, a=always: Counting(d, q, always=a)
        )
        stage = judged(subject, right).stages["evaluation"]
        assert stage["level"] == level
        message = (stage["first_divergence"] or {}).get("message", "")
        assert ("changes what the model carries" in message) == always


def test_the_course_tells_the_metric_by_epoch():
    """Beside the loss, of both sides, and of where they end."""
    found = judged(SIDES.scratch).to_dict()
    told = found["epoch_metrics"]["accuracy"]
    assert set(told) == {"subject", "reference"}
    assert all(len(values) == CASE.epochs for values in told.values())
    assert all(0 <= value <= 1 for values in told.values() for value in values)
    assert found["final"]["scratch"]["accuracy"] == told["subject"][-1]


def accuracy(y_hat, y):
    """Return the share of rows that are right."""
    return (y_hat.argmax(1) == y).float().mean()


def test_every_epoch_is_evaluated_where_it_ended():
    """At the reference's state there, which a run of as many epochs ends in."""

    def given(epochs):
        shown = []

        def metric(y_hat, y):
            shown.append(y_hat.clone())
            return accuracy(y_hat, y)

        subject = dataclasses.replace(SIDES.builtin, name="subject", metric=metric)
        compare(subject, SIDES.builtin, [dataclasses.replace(CASE, epochs=epochs)])
        return shown

    runs = [given(epochs) for epochs in (1, 2, 3)]
    assert [len(run) for run in runs] == [1, 2, 3]
    for run in runs[:2]:
        for mine, longest in zip(run, runs[2], strict=False):
            assert torch.equal(mine, longest)
    assert not torch.equal(runs[2][0], runs[2][1])


def test_only_some_rows_are_evaluated():
    """The first 1024, in order."""
    shown = []

    def metric(y_hat, y):
        shown.append(y)
        return accuracy(y_hat, y)

    case = dataclasses.replace(CASE, num_examples=1030, batch_size=515, epochs=1)
    compare(dataclasses.replace(SIDES.builtin, metric=metric), SIDES.builtin, [case])
    (labels,) = shown
    assert torch.equal(labels, case.data().labels[:1024])
