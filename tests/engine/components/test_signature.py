"""Two replies are the same where facts are equal and values equal up to rounding, else not."""

import dataclasses
import math

import pytest
import torch

from harness.engine.components import LOOP, LOSS, MODEL, OPTIMIZER, Signature
from harness.mistakes.catalogue import of
from harness.mistakes.right_loop import Loop
from harness.pairs.linear import BUILTIN, SCRATCH

MSE = SCRATCH["mse"]
OF_LOSS = LOSS.questions(BUILTIN["mse"], "mse")[0]
OF_LOOP = LOOP.questions(BUILTIN["mse"], "mse")[0]


def signed(*rows, facts=()):
    """Return a signature of one column."""
    return Signature(facts, (torch.tensor(rows),))


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [
        ([1.0, 2.0], [1.0, 2.0], True),
        ([1.0, 2.0], [1.0, 2.0 * (1 + 1e-6)], True),
        ([1.0, 2.0], [1.0, 2.0 * (1 + 1e-3)], False),
        ([1e-6, 2.0], [2e-6, 2.0], True),  # small beside the largest of the step
        ([0.0, 0.0], [1e-30, 0.0], False),
        ([math.nan, 1.0], [math.nan, 1.0], True),
        ([math.nan, 1.0], [1.0, 1.0], False),
        ([1.0, 1.0], [math.nan, 1.0], False),
        ([math.inf, 1.0], [math.inf, 1.0], True),
        ([math.inf, 1.0], [-math.inf, 1.0], False),
        ([math.inf, 1.0], [1e30, 1.0], False),
        ([math.inf, 1e-9], [math.inf, 2e-9], False),  # what is not finite has no size
        ([-math.inf, 1e-9], [-math.inf, 2e-9], False),
        ([math.nan, 1e-9], [math.nan, 2e-9], False),
        ([], [], True),
        ([1.0], [1.0, 1.0], False),
    ],
)
def test_values_are_equal_up_to_rounding(mine, theirs, same):
    """NaN equals NaN only, infinity its own sign only."""
    pair = signed(mine), signed(theirs)
    assert pair[0].matches(pair[1], torch.float32) == same
    assert pair[1].matches(pair[0], torch.float32) == same


def test_each_step_has_a_size_of_its_own():
    """A large step does not hide a small one; the right values may."""
    mine, theirs = signed([1e6], [1.0]), signed([1e6], [1.01])
    assert not mine.matches(theirs, torch.float32)
    assert mine.matches(theirs, torch.float32, signed([1e6], [1e6]))


def test_single_precision_is_granted_more_than_double():
    """By the ratio of their roundings."""
    mine, theirs = signed([1.0]), signed([1 + 1e-5])
    assert mine.matches(theirs, torch.float32)
    assert not mine.matches(theirs, torch.float64)


def test_facts_and_the_number_of_columns_decide_first():
    """Equal values do not make up for either."""
    assert signed([1.0], facts=("a",)).matches(signed([1.0], facts=("a",)), torch.float32)
    assert not signed([1.0], facts=("a",)).matches(signed([1.0], facts=("b",)), torch.float32)
    two = Signature((), (torch.ones(1, 1), torch.ones(1, 1)))
    assert not signed([1.0]).matches(two, torch.float32)


def test_distance_is_the_largest_gap():
    """Of columns that both have."""
    assert signed([1.0], [5.0]).distance(signed([2.0], [3.0])) == 2
    assert signed([1.0]).distance(signed([1.0])) == 0
    assert signed([1.0]).distance(signed([1.0, 3.0])) == 0


def looped(kind):
    """Return the signature of a loop."""
    subject = dataclasses.replace(MSE, loop=lambda side: kind(side).fit())
    return LOOP.signature(LOOP.ask(subject, OF_LOOP), MSE.convention)


class Slow(Loop):
    """A loop whose last update is a little too small."""

    calls = 0

    def update(self, rows):
        """Update."""
        self.calls += 1
        if self.calls == self.side.case.total_steps:
            for p in self.side.parameters():
                assert p.grad is not None
                p.grad.mul_(0.99)
        super().update(rows)


def test_a_run_is_the_same_as_its_twin_only():
    """Another way to write the loop, and one that differs in the last step only."""
    right = looped(Loop)
    assert right.matches(looped(Loop), torch.float32)
    assert not right.matches(looped(Slow), torch.float32)


def test_a_run_that_does_nothing_is_like_no_other():
    """Its facts say that there were no epochs."""
    nothing = looped(type("Idle", (Loop,), {"fit": lambda self: None}))
    assert not nothing.matches(looped(Loop), torch.float32)


def replied(loss):
    """Return the reply of a loss."""
    return LOSS.ask(dataclasses.replace(MSE, loss=loss), OF_LOSS)


def test_what_is_raised_and_shapes_are_facts():
    """Of both rounds."""

    def raising(text):
        def loss(y_hat, y):
            raise ValueError(text)

        return LOSS.signature(replied(loss))

    assert raising("a").matches(raising("a"), torch.float32)
    assert not raising("a").matches(raising("b"), torch.float32)
    wide = LOSS.signature(replied(lambda y_hat, y: (y_hat - y.T) ** 2))
    assert not wide.matches(LOSS.signature(LOSS.ask(MSE, OF_LOSS)), torch.float32)


def test_steady_is_the_same_twice():
    """The right loss is, and one that counts is not."""
    calls = 0

    def counting(y_hat, y):
        nonlocal calls
        calls += 1
        return MSE.loss(y_hat, y) * calls

    assert LOSS.steady(OF_LOSS, LOSS.ask(MSE, OF_LOSS))
    assert not LOSS.steady(OF_LOSS, replied(counting))


def whole_of(question, reply):
    """Return the signature of a whole reply."""
    return next(question.component.signatures(question, reply, MSE.convention))


@pytest.mark.parametrize("component", [MODEL, LOSS, OPTIMIZER, LOOP], ids=str)
def test_the_glance_rules_out_nothing_that_matches(component):
    """Wherever whole signatures match, the beginnings do; elsewhere it does rule out."""
    made = [m.forms[0].make(MSE) for m in of(component)]
    recipes = [MSE, *(recipe for recipe in made if recipe)]
    ruled_out = 0
    for question in component.questions(BUILTIN["mse"], "mse")[:2]:
        dtype = question.case.torch_dtype
        right = whole_of(question, component.ask(MSE, question))
        replies = [component.ask(recipe, question) for recipe in recipes]
        begun = [component.glance(recipe, question, 2) for recipe in recipes]
        for mine in replies:
            for theirs, beginning in zip(replies, begun, strict=True):
                alike = component.begins_like(question, mine, beginning, right)
                whole = whole_of(question, mine), whole_of(question, theirs)
                assert alike or not whole[0].matches(whole[1], dtype, right)
                ruled_out += not alike
    assert ruled_out > len(recipes)
