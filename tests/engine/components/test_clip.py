"""The clip by itself: what is right below, at and above the norm, and what is not."""

import dataclasses

import pytest
import torch

from harness.engine.components import CLIP, COMPONENTS, METRIC, RECIPE_COMPONENTS
from harness.engine.components.clip import MAX_NORM, NORMS, Clipped
from harness.pairs.linear import BUILTIN, SCRATCH
from harness.pairs.softmax import SOFTMAX

B = BUILTIN["mse"]


def levels(clip, base=B, form="mse"):
    """Return what a clip comes to on each question, the questions being those of a recipe."""
    subject = dataclasses.replace(base, clip=clip)
    return [
        CLIP.judge(question, CLIP.ask(subject, question), subject, base).level
        for question in CLIP.questions(base, form)
    ]


def scaled(parameters, scale):
    """Multiply the gradients in place."""
    for p in parameters:
        p.grad *= scale


def norm_of(parameters):
    """Return the joint norm of all gradients."""
    return torch.sqrt(sum((p.grad**2).sum() for p in parameters))


def joined(parameters, theta):
    """Shrink all gradients together, without an `if`."""
    scaled(parameters, torch.clamp(theta / (norm_of(parameters) + 1e-6), max=1.0))


def rebound(parameters, theta):
    """Put new gradients in place of the old ones, from a norm that is a number of Python's."""
    norm = sum(float(p.grad.double().square().sum()) for p in parameters) ** 0.5
    for p in parameters:
        p.grad = p.grad * min(1.0, theta / (norm + 1e-6))


def per_parameter(parameters, theta):
    for p in parameters:
        joined([p], theta)


def by_value(parameters, theta):
    for p in parameters:
        p.grad.clamp_(-theta, theta)


def nothing(_parameters, _theta):
    pass


def always(parameters, theta):
    scaled(parameters, theta / (norm_of(parameters) + 1e-6))


def without_the_small_number(parameters, theta):
    norm = norm_of(parameters)
    if norm > theta:
        scaled(parameters, theta / norm)


def raises(_parameters, _theta):
    raise RuntimeError("no")


@pytest.mark.parametrize("clip", [SCRATCH["mse"].clip, joined, rebound])
def test_a_right_clip_passes(clip):
    """In single and double precision."""
    assert set(levels(clip)) <= {"identical", "rounding"}
    assert len(levels(clip)) == 2


@pytest.mark.parametrize("clip", [per_parameter, by_value, nothing, always])
def test_a_wrong_clip_is_different(clip):
    """In either precision."""
    assert levels(clip) == ["different", "different"]


def test_what_torch_adds_to_the_norm_shows_in_double_precision():
    """The reference's own is what is right."""
    assert levels(without_the_small_number) == ["rounding", "different"]


def test_what_a_clip_raises_is_an_error():
    """And no divergence."""
    assert levels(raises) == ["error", "error"]


def test_a_gradient_of_another_shape_is_different():
    """It could not be held against anything."""

    def flat(parameters, _theta):
        for p in parameters:
            p.grad = None

    assert levels(flat) == ["different", "different"]


def test_answers_are_not_asked_for_a_clip():
    """Recipes of every pair are."""
    assert CLIP not in COMPONENTS
    assert (*COMPONENTS, CLIP, METRIC) == RECIPE_COMPONENTS
    assert len(CLIP.questions(SOFTMAX.forms["object"].builtin, "object")) == 2


def beginning_at(border):
    """Return a clip that leaves alone what is not larger than this part of the largest norm."""

    def clip(parameters, theta):
        norm = norm_of(parameters)
        if norm > border * theta:
            scaled(parameters, theta / (norm + 1e-6))

    return clip


@pytest.mark.parametrize(
    ("border", "level"), [(0.9985, "different"), (1.0, "rounding"), (1.0015, "different")]
)
def test_a_clip_that_begins_a_hair_too_early_or_too_late_is_different(border, level):
    """Norms a thousandth below and above the largest are asked."""
    assert levels(beginning_at(border))[0] == level


@pytest.mark.parametrize("sign", [1, -1])
def test_rounding_is_relative_to_the_norm_of_its_own_row(sign):
    """An entry may be off by 4 + 2 √16 roundings of itself and of the norm of its 16 entries."""
    question, _ = CLIP.questions(B, "mse")
    right = CLIP.ask(B, question).gradients.double()
    row = NORMS.index(0.5)  # which nothing shrinks, so that the reference is not off at all
    entry = int(right[row].abs().argmin())
    allowed = 12 * 2.0**-24 * float(right[row].norm() + right[row, entry].abs())
    for share, level in ((0.99, "rounding"), (1.01, "different")):
        off = right.clone()
        off[row, entry] += sign * share * allowed
        assert CLIP.judge(question, Clipped(off), B, B).level == level


def test_the_questions_have_norms_on_both_sides_of_the_largest():
    """Zeros too."""
    question, _ = CLIP.questions(B, "mse")
    norms = question.data.features.norm(dim=1)
    assert norms.min() == 0
    assert bool((norms < 0.9 * MAX_NORM).any())
    assert bool((norms > 1.5 * MAX_NORM).any())
