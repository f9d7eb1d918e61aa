"""Recipes: both packages on all forms, observed or not, whole or with one piece replaced."""

import dataclasses
import itertools
import subprocess
import sys
from functools import partial
from typing import Any

import pytest
import torch

import builtin
import scratch
from harness.engine.case import OPTIMIZERS, UpdateRule
from harness.engine.comparison import compare
from harness.engine.pieces import InputsFirst, ObjectSGD
from harness.engine.recipe import Convention, Recipe, Unobserved
from harness.engine.recorder import Recorder
from harness.engine.trace import Chunk
from harness.pairs.linear import BUILTIN, ROW_SHAPES, SCRATCH, Form, LinearCase

FORMS: tuple[Form, ...] = ("functional", "object", "mse")
RECIPES = [sides[form] for sides in (SCRATCH, BUILTIN) for form in FORMS]
CASE = LinearCase("made", "for a test", num_examples=23, epochs=2, initial_std=1.0)


@pytest.fixture(params=RECIPES, ids=lambda recipe: recipe.name)
def recipe(request) -> Recipe:
    """Every recipe there is."""
    chosen: Recipe = request.param
    return chosen


def flat(side) -> torch.Tensor:
    """Return a copy of a side's parameters, weight before bias."""
    return torch.cat([p.detach().reshape(-1) for p in side.parameters()]).clone()


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_side_starts_from_the_initial_values(recipe, dtype):
    """Weight and bias of the case, in its dtype, whatever the model drew."""
    case = dataclasses.replace(CASE, dtype=dtype)
    data = case.data()
    side = recipe.build(case, data)
    assert torch.equal(flat(side), torch.cat(data.initial))
    assert all(p.dtype == case.torch_dtype and p.is_leaf for p in side.parameters())
    side.fit()
    assert not torch.equal(flat(side), torch.cat(data.initial))
    assert torch.equal(data.initial[0], case.data().initial[0])  # the data is not written to


def test_an_optimizer_class_of_torch_is_a_piece():
    """Its `step` takes no batch length, and needs no class of ours around it."""
    subject = dataclasses.replace(BUILTIN["object"], optimizer=torch.optim.SGD)
    data = CASE.data()
    mine, theirs = subject.build(CASE, data), BUILTIN["object"].build(CASE, data)
    mine.fit()
    theirs.fit()
    assert torch.equal(flat(mine), flat(theirs))
    assert compare(subject, BUILTIN["object"], [CASE]).verdict == "identical"


def test_two_sides_of_one_recipe_share_nothing(recipe):
    """Training one leaves the other where it was."""
    data = CASE.data()
    first, second = recipe.build(CASE, data), recipe.build(CASE, data)
    first.fit()
    assert torch.equal(flat(second), torch.cat(data.initial))
    second.fit()
    assert torch.equal(flat(first), flat(second))


def test_a_bare_run_equals_an_observed_one(recipe):
    """Bit for bit: watching changes nothing; with and without copies."""
    data = CASE.data()
    bare = recipe.build(CASE, data, Unobserved())
    bare.fit()
    for copy in (False, True):
        steps: list[int] = []
        recorder = Recorder(
            4,
            lambda chunk, kept=steps: kept.append(len(chunk)),  # type: ignore[misc]
            ROW_SHAPES,
            copy=copy,
        )
        observed = recipe.build(CASE, data, recorder)
        observed.fit()
        recorder.close()
        assert sum(steps) == CASE.total_steps
        assert torch.equal(flat(bare), flat(observed))
        assert torch.equal(bare.generator.get_state(), observed.generator.get_state())


def test_the_stepper_does_what_the_loop_does(recipe):
    """One batch after the other comes to the same parameters."""
    data = CASE.data()
    whole, single = recipe.build(CASE, data), recipe.build(CASE, data)
    whole.fit()
    step = single.stepper()
    for _ in range(CASE.epochs):
        for batch in single.loader:
            step(batch)
    assert torch.equal(flat(whole), flat(single))


def test_scratch_and_builtin_agree_on_all_forms():
    """Each form on its own, close in float64; forms of other conventions do not agree."""
    case = dataclasses.replace(CASE, dtype="float64")
    ends = {}
    for recipe in RECIPES:
        side = recipe.build(case, case.data())
        side.fit()
        ends[recipe.name] = flat(side)
    for form in FORMS:
        mine, theirs = (ends[sides[form].name] for sides in (SCRATCH, BUILTIN))
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(ends[SCRATCH["mse"].name], ends[SCRATCH["object"].name])


def test_the_learning_rate_can_be_given():
    """Half the rate on squares without ½ is the path of the rate on ½ squares."""
    case = dataclasses.replace(CASE, dtype="float64")
    half, full = (
        SCRATCH["object"].build(case, case.data()),
        BUILTIN["mse"].build(case, case.data(), lr=case.lr / 2),
    )
    half.fit()
    full.fit()
    torch.testing.assert_close(flat(half), flat(full), rtol=1e-12, atol=1e-12)


HALF_NONE, HALF_MEAN = (
    Convention(0.5, reduction="none"),
    Convention(0.5, reduction="mean"),
)
FULL_NONE, FULL_MEAN = (
    Convention(1.0, reduction="none"),
    Convention(1.0, reduction="mean"),
)
CONVENTIONS = [HALF_NONE, HALF_MEAN, FULL_NONE, FULL_MEAN]


def test_the_factors_of_a_convention():
    """½ for the loss; ½ and the batch length for the gradient."""
    assert [c.factor for c in CONVENTIONS] == [0.5, 0.5, 1.0, 1.0]
    assert [c.gradient_factor(10) for c in CONVENTIONS] == [5.0, 0.5, 10.0, 1.0]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(CONVENTIONS, repeat=2)))
def test_conventions_are_reconciled_in_words(first, second):
    """Nothing to say of equals; otherwise each factor, in both directions."""
    words = first.against(second)
    assert (words is None) == (first == second)
    if words is None:
        return
    assert ("½" in words) == (first.half and not second.half)
    assert ("× 2" in words) == (second.half and not first.half)
    assert ("× batch length" in words) == (first.reduction == "none" != second.reduction)
    assert ("÷ batch length" in words) == (first.reduction == "mean" != second.reduction)
    assert ("learning rate" in words) == (first.half != second.half)


@pytest.mark.parametrize(
    ("sides", "form"),
    [
        pytest.param(sides, form, id=sides[form].name)
        for sides in (SCRATCH, BUILTIN)
        for form in FORMS
    ],
)
def test_the_convention_is_what_the_loss_does(sides, form):
    """Value and gradient of each recipe's loss are its factors times MSELoss."""
    recipe = sides[form]
    y_hat = torch.tensor([[1.0], [2.0], [4.0]], dtype=torch.float64, requires_grad=True)
    y = torch.zeros(3, 1, dtype=torch.float64)
    loss = recipe.loss(y_hat, y)
    (slope,) = torch.autograd.grad(loss.sum(), y_hat)
    squares = y_hat.detach() ** 2
    wanted = squares if recipe.convention.reduction == "none" else squares.mean()
    torch.testing.assert_close(loss.detach(), wanted * recipe.convention.factor)
    upstream = 2 * y_hat.detach() / 3
    torch.testing.assert_close(slope, upstream * recipe.convention.gradient_factor(3))


PIECES = ("batches", "model", "loss", "optimizer", "loop")


@pytest.mark.parametrize("piece", PIECES)
def test_a_replaced_piece_really_runs(recipe, piece):
    """Of each recipe, each piece; and the others stay what they were."""
    called: list[str] = []
    right: Any = getattr(recipe, piece)

    def noted(*given):
        called.append(piece)
        return right(*given)

    changed = dataclasses.replace(recipe, **{piece: noted})
    side = changed.build(CASE, CASE.data())
    side.fit()
    control = recipe.build(CASE, CASE.data())
    count = len(called)
    control.fit()
    assert count
    assert len(called) == count
    assert torch.equal(flat(side), flat(control))


def test_a_replaced_clip_really_runs():
    """It belongs to the trainer of the package, not to the recipe: only the oracle asks for it."""
    case = dataclasses.replace(CASE, clip=0.1)
    side = SCRATCH["mse"].build(case, case.data())
    free = SCRATCH["mse"].build(CASE, CASE.data())
    side.fit()
    free.fit()
    assert not torch.equal(flat(side), flat(free))


def test_gradients_pile_up_where_the_case_says_so():
    """`clear_gradients` is off: zero_grad does nothing."""
    case = dataclasses.replace(CASE, clear_gradients=False)
    kept: list[Chunk] = []
    recorder = Recorder(64, kept.append, ROW_SHAPES, copy=True)
    side = SCRATCH["mse"].build(case, case.data(), recorder)
    side.fit()
    side.zero_grad()
    assert all(p.grad is not None for p in side.parameters())
    for sides, form in itertools.product((SCRATCH, BUILTIN), FORMS):
        plain = sides[form].build(CASE, CASE.data())
        for p in plain.parameters():
            p.grad = torch.ones_like(p)
        plain.zero_grad()
        assert all(p.grad is None for p in plain.parameters())


def test_an_iterator_for_one_pass_is_made_once():
    """The loader is used up after an epoch; else it starts again."""
    once = dataclasses.replace(CASE, one_pass_iterator=True)
    for case, second in ((once, 0), (CASE, 3)):
        loader = SCRATCH["functional"].build(case, case.data()).loader
        assert len(list(loader)) == 3
        assert len(list(loader)) == second


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_cases_rule_is_the_optimizer_of_the_package(name):
    """Each name is a class of both packages, made with the settings of the case."""
    case = dataclasses.replace(CASE, optimizer=UpdateRule.of(name, weight_decay=0.25))
    for package, recipe in ((scratch, SCRATCH["mse"]), (builtin, BUILTIN["mse"])):
        made: Any = recipe.build(case, case.data())._optimizer
        assert type(made.sgd) is getattr(package, OPTIMIZERS[name])
    by_hand: Any = SCRATCH["mse"].build(case, case.data())._optimizer
    assert (by_hand.sgd.lr, by_hand.sgd.weight_decay) == (case.lr, 0.25)


def test_a_piece_of_ones_own_stays_whatever_the_case():
    """Only the packages' own optimizers follow the case."""
    own = dataclasses.replace(SCRATCH["mse"], optimizer=partial(ObjectSGD, scratch.SGD))
    adam = UpdateRule.of("adam")
    assert own.optimizer_for(adam) is own.optimizer
    assert SCRATCH["mse"].optimizer_for(adam) != SCRATCH["mse"].optimizer


def test_a_model_by_hand_is_trained_in_the_layout_of_linear():
    """The leaves are (out, in) and contiguous; the model sees them transposed, rebound or not."""
    made = scratch.MLP(3, 3, lr=0.1, sigma=1.0)
    X = torch.randn(5, 3)
    wanted = made(X).detach()
    W1 = made.W1.detach().clone()
    model = InputsFirst(made)
    leaves = model.parameters()
    assert [tuple(leaf.shape) for leaf in leaves] == [(3, 3), (3,), (1, 3), (1,)]
    assert all(leaf.is_leaf and leaf.requires_grad and leaf.is_contiguous() for leaf in leaves)
    assert torch.equal(leaves[0].detach(), W1.T)
    assert not torch.equal(leaves[0].detach(), W1)
    assert torch.allclose(model.forward(X), wanted)
    leaves[2].data = 2 * leaves[2].data
    assert torch.allclose(model.forward(X) - leaves[3], 2 * (wanted - leaves[3]), rtol=1e-4)


@pytest.mark.parametrize("sides", [SCRATCH, BUILTIN], ids=["scratch", "builtin"])
def test_a_hidden_layer_starts_from_the_initial_values(sides):
    """In canonical order on both sides; training moves every parameter."""
    case = dataclasses.replace(CASE, hidden=2, form="object")
    data = case.data()
    side = sides["object"].build(case, data)
    start = torch.cat([value.reshape(-1) for value in data.initial])
    assert torch.equal(flat(side), start)
    side.fit()
    assert not torch.equal(flat(side)[:4], start[:4])
    with pytest.raises(TypeError):
        sides["functional"].build(dataclasses.replace(case, form="mse"), data)


def test_an_import_draws_nothing():
    """A program's own random numbers stay what they were; the control draws one."""
    program = (
        "import sys, torch; before = torch.get_rng_state(); {}; "
        "sys.exit(not torch.equal(before, torch.get_rng_state()))"
    )
    ended = [
        subprocess.run([sys.executable, "-c", program.format(deed)], check=False).returncode
        for deed in ("import harness.engine.recipe", "torch.rand(1)")
    ]
    assert ended == [0, 1]


def test_recipes_are_equal_where_their_pieces_are_the_same_objects():
    """A piece may be anything, also what is equal to nothing or cannot be hashed."""
    recipe = SCRATCH["mse"]
    assert recipe == dataclasses.replace(recipe)
    assert hash(recipe) == hash(dataclasses.replace(recipe))
    for name in (*PIECES, "init", "clip", "stepper"):
        other: dict[str, Any] = {name: partial(getattr(recipe, name))}
        assert recipe != dataclasses.replace(recipe, **other)
    assert recipe != dataclasses.replace(recipe, name="another")
    assert recipe != dataclasses.replace(recipe, convention=Convention(0.5))
    assert recipe != recipe.name
    unhashable: Any = [recipe.loss]
    held = dataclasses.replace(recipe, loss=unhashable)
    assert held == dataclasses.replace(held)
    assert hash(held) == hash(dataclasses.replace(held))
    alike: Any = [recipe.loss]
    assert held != dataclasses.replace(recipe, loss=alike)


def test_only_the_very_pieces_of_a_recipe_are_bounded():
    """One that was replaced may do anything."""
    recipe = BUILTIN["mse"]
    assert recipe.is_bounded(recipe.model)
    assert recipe.is_bounded(recipe.loss)
    assert not recipe.is_bounded(partial(recipe.model))
    assert not dataclasses.replace(recipe, bounded=()).is_bounded(recipe.model)
