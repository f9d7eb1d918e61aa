"""The metric as a component: right ones pass, wrong ones differ or raise, none is not asked."""

import dataclasses
from typing import Any

import pytest
import torch

from harness.engine.components import COMPONENTS, METRIC, by_name, of_pair
from harness.pairs.linear import BUILTIN, LINEAR
from harness.pairs.softmax import SOFTMAX

SIDES = SOFTMAX.forms["object"]
QUESTIONS = METRIC.questions(SIDES.builtin, "object")


def judged(metric):
    """Return the verdicts on a metric, by question."""
    subject = METRIC.put_into(SIDES.builtin, metric)
    return [METRIC.judge(q, METRIC.ask(subject, q), subject, SIDES.builtin) for q in QUESTIONS]


def test_it_is_asked_where_a_pair_has_one():
    """And not of answers, nor of linear regression."""
    assert METRIC in of_pair(SOFTMAX)
    assert METRIC not in COMPONENTS
    assert of_pair(LINEAR) == COMPONENTS
    assert METRIC.questions(BUILTIN["mse"], "mse") == ()
    assert by_name("accuracy") is METRIC


@pytest.mark.parametrize("side", SIDES.both, ids=lambda side: side.name)
def test_right_metrics_pass(side):
    assert {verdict.level for verdict in judged(side.metric)} == {"identical"}


def test_a_right_metric_in_double_precision_passes():
    right = judged(lambda y_hat, y: (y_hat.argmax(1) == y).double().mean())
    assert all(verdict.passed for verdict in right)


@pytest.mark.parametrize(
    ("metric", "level", "words"),
    [
        (lambda y_hat, y: (y_hat.argmin(1) == y).float().mean(), "different", "should be"),
        (lambda y_hat, y: (y_hat.argmax(1) == y).float(), "different", "should tell one number"),
        (lambda y_hat, y: (y_hat.argmax(1) == y).float().mean().item(), "error", "a tensor"),
        (lambda y_hat, y: y_hat @ y, "error", ""),
    ],
    ids=["other number", "by row", "no tensor", "raises"],
)
def test_wrong_metrics_do_not_pass(metric, level, words):
    verdict = judged(metric)[0]
    assert (verdict.level, verdict.passed, verdict.stage) == (level, False, "evaluation")
    said = verdict.first.message if verdict.first else verdict.raised.message
    assert words in said


def test_without_a_metric_nothing_is_shown():
    """Of a reference that tells nothing there is no verdict; of a subject it differs."""
    bare = dataclasses.replace(SIDES.builtin, metric=None)
    (question, *_) = QUESTIONS
    verdict = METRIC.judge(question, METRIC.ask(bare, question), bare, bare)
    assert verdict.level == "inconclusive"
    assert judged(None)[0].first.message.endswith("tells nothing, but should tell one number")


def test_it_may_write_to_what_it_is_given():
    """Every step has tensors of its own."""

    def greedy(y_hat, y):
        share = (y_hat.argmax(1) == y).float().mean()
        y_hat.zero_()
        y.zero_()
        return share

    assert all(verdict.passed for verdict in judged(greedy))
    assert torch.count_nonzero(QUESTIONS[0].stacks[0][0].prediction)


def test_a_metric_begins_like_one_that_tells_the_same_first():
    """And like none that tells something else there."""
    question, *_ = QUESTIONS
    whole, begun = METRIC.ask(SIDES.builtin, question), METRIC.glance(SIDES.builtin, question, 2)
    (right,) = METRIC.signatures(question, whole, SIDES.builtin.convention)
    assert len(begun.values) == 2
    assert METRIC.begins_like(question, whole, begun, right)
    for k in range(2):
        values: list[Any] = list(begun.values)
        values[k] = values[k] + 0.5
        other = dataclasses.replace(begun, values=values)
        assert not METRIC.begins_like(question, whole, other, right)
