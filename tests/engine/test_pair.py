"""What a pair says where it says nothing of its own, and which pieces count as its own."""

import dataclasses
import functools
from typing import Any

import pytest
import torch
from torch import nn

from harness.engine.case import Case, Data, UpdateRule
from harness.engine.pair import PIECES, Pair, Shapes
from harness.pairs.linear import BUILTIN, LINEAR, SCRATCH, LinearCase
from harness.pairs.softmax import SOFTMAX

CASE = LinearCase("small", "for a test", num_examples=9)


class Bare(Pair):
    """A pair that says no more than it has to."""

    name, title, source = "bare", "a pair", "nowhere"
    forms = LINEAR.forms
    cases = ()

    def widths(self, case: Case) -> tuple[int, ...]:
        """One feature."""
        return (1,)

    def layout(self, case: Case) -> dict[str, tuple[int, ...]]:
        """A weight."""
        return {"w": (1,)}

    def data(self, case: Case, generator: torch.Generator) -> Data:
        """Two rows."""
        return Data(torch.ones(2, 1), torch.ones(2, 1), (torch.zeros(1),))

    def shapes(self, case: Case) -> Shapes:
        """Of a row."""
        return Shapes((1,), (1,), (2, 3), ())

    def follows(self, convention):
        """Always the same."""
        return LINEAR.forms["mse"]


def test_a_pair_that_says_nothing_shows_and_asks_nothing():
    """Nothing stands beside the final parameters, no metric, no question, no name of its own."""
    bare = Bare()
    data = bare.data(CASE, torch.Generator())
    assert bare.landmarks(CASE, data) == {}
    assert bare.observations(CASE, data) == ()
    assert bare.metrics == {}
    assert bare.asked_cases("model", "mse") == ()
    assert bare.public_names() == []
    assert bare.is_bounded(CASE)


def test_the_width_is_all_that_is_predicted_for_a_row():
    """Over all axes of a prediction."""
    assert Bare().shapes(CASE).width == 6
    assert Shapes((4,), (), (), ()).width == 1


@pytest.mark.parametrize("form", LINEAR.forms)
def test_a_case_names_the_sides_that_are_compared(form):
    """The form for both, or another one for the reference."""
    case = dataclasses.replace(CASE, form=form)
    assert LINEAR.subject(case) is SCRATCH[form]
    assert LINEAR.reference(case) is BUILTIN[form]
    against = dataclasses.replace(case, against="object")
    assert LINEAR.subject(against) is SCRATCH[form]
    assert LINEAR.reference(against) is BUILTIN["object"]
    assert LINEAR.forms[form].both == (SCRATCH[form], BUILTIN[form])


def test_pieces_of_ones_own_are_replaced_and_those_of_any_side_of_the_pair_are_not():
    """Of either package, in any form and under any rule; what only does the same is another."""
    mixed = dataclasses.replace(
        SCRATCH["mse"],
        loss=BUILTIN["object"].loss,
        optimizer=BUILTIN["mse"].optimizer_for(UpdateRule.of("adam")),
    )
    assert LINEAR.replaced(mixed) == ()
    metric = nn.MSELoss()
    given: dict[str, Any] = {
        name: functools.partial(getattr(mixed, name) or metric) for name in PIECES
    }
    assert LINEAR.replaced(dataclasses.replace(mixed, **given)) == PIECES
    for name in PIECES:
        assert LINEAR.replaced(dataclasses.replace(mixed, **{name: given[name]})) == (name,)
    other = SOFTMAX.forms["object"].builtin.loss
    assert LINEAR.replaced(dataclasses.replace(mixed, loss=other)) == ("loss",)
