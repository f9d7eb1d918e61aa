"""Every other way to write the training agrees with the built-in one, and a wrong one would not."""

import random
from dataclasses import replace

import pytest
import torch

from harness.bench.variants import (
    BY_HAND,
    FORM,
    ITERATORS,
    OPTIONS,
    PIECES,
    PermutedOnce,
    ShuffledList,
    by_hand,
    by_name,
    closed_gradient,
    short_name,
    swaps,
)
from harness.engine.case_comparison import CaseComparison
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase

CASE = LinearCase(
    "variant", "a short last batch", num_examples=103, weight=(0.5, 1.5, -1.0), epochs=2
)
SIDES = SCRATCH[FORM], BUILTIN[FORM]
QUICK = [v for v in (*swaps(*SIDES), *swaps(*SIDES[::-1]), *BY_HAND, *OPTIONS) if not v.bulky]
BULKY = [v for v in OPTIONS if v.bulky]


def judged(recipe, case=CASE):
    return CaseComparison(case, recipe, BUILTIN[FORM]).judge()


def end(recipe):
    side = recipe.build(CASE, CASE.data())
    side.fit()
    return torch.cat([leaf.detach().flatten() for leaf in side.parameters()])


@pytest.mark.parametrize("variant", QUICK, ids=lambda v: v.name)
def test_agrees_and_what_is_timed_is_what_was_compared(variant):
    comparison = judged(variant.recipe)
    assert comparison.verdict in ("identical", "rounding"), comparison.why
    assert torch.equal(end(variant.recipe), end(variant.timed))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.compile and forked workers warn of their own inside
@pytest.mark.parametrize("variant", BULKY, ids=lambda v: v.name)
def test_bulky_options_agree_or_cannot_be_run(variant):
    assert judged(variant.recipe).verdict in ("identical", "rounding", "error")


def test_a_wrong_gradient_by_hand_is_found():
    """The control: the 2 of the gradient forgotten."""

    def halved(*batch):
        return [gradient / 2 for gradient in closed_gradient(*batch)]

    comparison = judged(by_hand("wrong", halved).recipe)
    assert comparison.verdict == "different"
    assert comparison.first_divergence.stage == "gradient"


def test_a_chunk_may_fill_up_within_the_loop():
    """More steps than are recorded at once: the reference follows while the loop is under way."""
    long = replace(CASE, num_examples=4000, batch_size=2)
    variant = next(v for v in BY_HAND if v.name == "closed-form gradient")
    assert judged(variant.recipe, long).verdict in ("identical", "rounding")


def test_swaps_replace_one_piece_each():
    for variant, (piece, fields) in zip(swaps(*SIDES), PIECES.items(), strict=True):
        changed = {
            name
            for name in vars(variant.recipe)
            if getattr(variant.recipe, name) is not getattr(SCRATCH[FORM], name)
        }
        assert changed == {"name", *fields}
        assert variant.name == f"scratch with builtin's {piece}"
    swapped = {field for fields in PIECES.values() for field in fields}
    kept = set(vars(SCRATCH[FORM])) - swapped
    assert {"name", "convention", "init", "clip"} <= kept  # nothing that a plain epoch would run


@pytest.mark.parametrize("make", [PermutedOnce, ShuffledList], ids=lambda make: make.__name__)
def test_iterators_serve_every_row_once_in_a_new_order(make):
    features, labels = torch.arange(7.0).reshape(-1, 1), torch.arange(7.0).reshape(-1, 1) * 10
    served = make(features, labels, 3, torch.Generator().manual_seed(1))
    epochs = [list(served) for _ in range(3)]
    orders = [torch.cat([X for X, _ in batches]).flatten().tolist() for batches in epochs]
    assert [len(X) for X, _ in epochs[0]] == [3, 3, 1]
    assert all(sorted(order) == features.flatten().tolist() for order in orders)
    assert len(set(map(tuple, orders))) > 1
    assert all(torch.equal(10 * X, y) for batches in epochs for X, y in batches)


def test_iterators_leave_the_global_generators_alone():
    before = random.getstate(), torch.get_rng_state()
    for make in ITERATORS.values():
        list(make(torch.ones(9, 2), torch.ones(9, 1), 4, torch.Generator().manual_seed(0)))
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_names_are_unique_and_found():
    names = [recipe.name for recipe in by_name().values()]
    assert len(set(names)) == len(names) == 2 + 2 * len(PIECES) + len(BY_HAND) + len(OPTIONS)
    assert [short_name(recipe) for recipe in SIDES] == ["scratch", "builtin"]
