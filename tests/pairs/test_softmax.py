"""Softmax regression: its cases agree, its readings go there and back, wrong sides are named."""

import dataclasses

import pytest
import torch
from torch import nn

from harness.diagnosis.finding import compare, diagnose, find
from harness.engine.components import LOSS, METRIC, MODEL, of_pair
from harness.errors import InputError
from harness.mistakes.catalogue import of
from harness.mistakes.softmax import MISTAKES
from harness.pairs.softmax import CASES, LOGITS, PROBABILITIES, SOFTMAX, SoftmaxCase

QUICK = ("softmax-functional-against-object", "softmax-zero-init", "softmax-batch-over-n")
SMALL = SoftmaxCase("small", "a tail, two epochs", num_examples=23, batch_size=5, epochs=2)
WRONG = [
    (form, mistake, at)
    for form, sides in SOFTMAX.forms.items()
    for mistake in MISTAKES
    for at, written in enumerate(mistake.forms)
    if written.make(sides.scratch) is not None
]
# the first form of each in one convention
ONE_EACH = list({mistake.id: (form, mistake, at) for form, mistake, at in WRONG[::-1]}.values())


def told(value):
    """Return what a parameter is called in the name of a test."""
    return getattr(value, "id", str(value))


def named(name):
    """Return the case of this name."""
    return next(case for case in CASES if case.name == name)


def verdicts(case, subject=None):
    """Return the comparison of one case."""
    (found,) = compare(subject, None, [case]).cases
    return found


def logits(rows=5, classes=4, dtype=torch.float64):
    """Return logits with a tie and a row far above 0."""
    drawn = 3 * torch.randn(rows, classes, generator=torch.Generator().manual_seed(0), dtype=dtype)
    drawn[0] = 0
    drawn[1] += 120
    return drawn


@pytest.mark.parametrize("name", QUICK)
def test_cases_agree(name):
    """By hand and built in, every stage and the evaluation."""
    found = verdicts(named(name))
    assert found.verdict in ("identical", "rounding", "convention")
    assert found.stages["evaluation"]["level"] in ("identical", "rounding")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_agrees(case):
    """All sixteen."""
    assert verdicts(case).verdict in ("identical", "rounding", "convention")


def test_there_are_sixteen_cases():
    assert len({case.name for case in CASES}) == len(CASES) == 16


@pytest.mark.parametrize("reading", [LOGITS, PROBABILITIES], ids=lambda reading: reading.name)
def test_readings_go_there_and_back(reading):
    """What is common, written as a side has it and read again, is the same."""
    common = torch.log_softmax(logits(), dim=1)
    assert torch.allclose(reading.common(reading.own(common)), common, rtol=1e-12)


def test_both_readings_mean_the_same():
    """Logits and their softmax are read alike; logits of other rows are not."""
    y_hat = logits()
    right = LOGITS.common(y_hat)
    assert torch.allclose(PROBABILITIES.common(torch.softmax(y_hat, dim=1)), right, rtol=1e-12)
    assert not torch.allclose(PROBABILITIES.common(torch.softmax(y_hat, dim=0)), right)


def test_what_is_projected_is_what_can_be_predicted():
    """Rows of probabilities add up to 1 whatever was given, and stay where they do already."""
    given = logits()
    probabilities = PROBABILITIES.own(PROBABILITIES.project(given))
    assert torch.allclose(probabilities.sum(1), torch.ones(5, dtype=torch.float64))
    again = PROBABILITIES.project(PROBABILITIES.project(given))
    assert torch.allclose(again, PROBABILITIES.project(given))
    assert not torch.allclose(PROBABILITIES.own(given).sum(1), torch.ones(5).double())  # control


def test_probabilities_of_0_are_read_as_finite():
    """None is told from another below the normal numbers."""
    read = PROBABILITIES.common(torch.tensor([[0.0, 1.0]]))
    assert read.isfinite().all()


@pytest.mark.parametrize("form", SOFTMAX.forms)
def test_both_sides_pass_in_every_component(form):
    """The control: nothing is found in what is right; what has no questions is not asked."""
    for side in SOFTMAX.forms[form].both:
        findings = diagnose(side, form=form)
        asked = {finding.component.piece for finding in findings}
        assert asked == {"batches", "model", "loss", "optimizer", "metric"}
        assert all(finding.passed for finding in findings)
        assert [finding.cause for finding in findings] == [None] * len(findings)


def caught(form, mistake, at, seed):
    """Assert that a form of a mistake is caught at its stage and named, and nothing beside it."""
    sides = SOFTMAX.forms[form]
    subject = mistake.forms[at].make(sides.scratch)
    questions = mistake.component.questions(sides.builtin, form, seed)
    replies = [(q, mistake.component.ask(subject, q)) for q in questions]
    found = find(mistake.component, replies, subject, sides.builtin)
    assert found.level in ("different", "error")
    assert mistake.first_stage in found.stages
    assert found.cause is not None
    assert (found.cause.id, found.cause.also) == (mistake.id, ())


@pytest.mark.parametrize(("form", "mistake", "at"), ONE_EACH, ids=told)
def test_each_mistake_is_named(form, mistake, at):
    caught(form, mistake, at, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize(("form", "mistake", "at"), WRONG, ids=told)
def test_each_form_is_named_in_each_convention(form, mistake, at):
    """With other questions than the quick test asks."""
    caught(form, mistake, at, seed=1)


@pytest.mark.parametrize(
    ("id_", "component"),
    [
        ("softmax.twice", "softmax_regression"),
        ("softmax.sign", "cross_entropy"),
        ("softmax.accuracy-axis", "accuracy"),
    ],
)
def test_a_wrong_side_is_different_and_explained(id_, component):
    """Trained from end to end: at its stage, with the component and the cause."""
    mistake = next(mistake for mistake in MISTAKES if mistake.id == id_)
    subject = mistake.forms[0].make(SOFTMAX.forms["object"].scratch)
    found = compare(subject, SOFTMAX.forms["object"].builtin, [SMALL])
    (case,) = found.cases
    assert case.verdict in ("different", "error")
    assert case.stages[mistake.first_stage]["level"] in ("different", "error")
    (finding,) = found.to_dict()["findings"]
    assert (finding["component"], finding["cause"]["id"]) == (component, id_)


def test_an_unknown_fault_is_measured_not_named():
    """Twice the loss is no known mistake; what is said of it is a ratio."""
    sides = SOFTMAX.forms["object"]
    twice = dataclasses.replace(
        sides.scratch, loss=lambda y_hat, y: 2 * nn.functional.cross_entropy(y_hat, y)
    )
    (found,) = diagnose(twice, form="object", components=[LOSS])
    assert (found.passed, found.cause) == (False, None)
    assert "loss: ratio constant = 2" in found.measured
    assert not any("negative" in sentence for sentence in found.measured)


def test_only_its_own_mistakes_are_named():
    """A model of another pair's is none of its mistakes, and the other way round."""
    for component in (MODEL, LOSS, METRIC):
        names = {mistake.id.partition(".")[0] for mistake in of(component, "softmax")}
        assert names == {"softmax"}
        assert not any(m.id.startswith("softmax") for m in of(component, "linear"))
    assert METRIC in of_pair(SOFTMAX)


@pytest.mark.parametrize(
    "settings",
    [{"pixels": 65}, {"classes": 11}, {"pixels": 0}, {"num_examples": 1798}],
    ids=str,
)
def test_more_than_the_digits_have_is_refused(settings):
    with pytest.raises(InputError, match=f"'small': {next(iter(settings))} is"):
        dataclasses.replace(SMALL, **settings)


def test_fewer_pixels_and_classes_are_drawn():
    """As the layout says; with all of them the data are as ever."""
    data = dataclasses.replace(SMALL, pixels=5, classes=3).data()
    assert data.features.shape == (23, 5)
    assert set(data.labels.tolist()) == {0, 1, 2}
    assert [start.shape for start in data.initial] == [(3, 5), (3,)]
    assert SMALL.data().features.shape == (23, 64)
