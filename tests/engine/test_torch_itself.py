"""Torch against itself, built twice: never red and never undecided; what is nearly torch is red.

Every loss, layer and optimizer has a control beside it that must fail, at the right stage.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from harness.engine.comparison import Comparison
from harness.errors import InputError
from tests.engine.nearly_torch import (
    LAYERS,
    LOSSES,
    OPTIMIZERS,
    GeluByErf,
    HuberByHand,
    LayerNormByHand,
    Make,
    behind,
    compared,
    cross_entropy_by_hand,
    features,
    numbers,
    sides_of,
    trained_by,
)

AGREE = ("identical", "rounding")
REDUCTIONS = ("mean", "sum", "none")
ALL_REDUCED = ("mse", "huber", "ce")  # in every run by each reduction, the others by their mean

# nn.KLDivLoss says of its own "mean" that it divides by too much
pytestmark = pytest.mark.filterwarnings("ignore:reduction. .mean. divides:UserWarning")


def seeds(quick: int = 1, all_of_them: int = 20) -> list[Any]:
    """The first few in every run, the others with the slow tests."""
    return [
        pytest.param(seed, marks=[] if seed < quick else pytest.mark.slow)
        for seed in range(all_of_them)
    ]


def losses() -> list[Any]:
    """Names and reductions, some with the slow tests."""
    return [
        pytest.param(
            *pair, marks=[] if "mean" in pair or pair[0] in ALL_REDUCED else pytest.mark.slow
        )
        for pair in product(LOSSES, REDUCTIONS)
    ]


def layers() -> list[Any]:
    """Names; those that torch runs step by step are slow to be refined."""
    return [
        pytest.param(name, marks=pytest.mark.slow if trial.slow else [])
        for name, trial in LAYERS.items()
    ]


def assert_agrees(result: Comparison) -> None:
    """Equal to the bit, or up to rounding."""
    assert result.verdict in AGREE, result.cases[0].why


def assert_differs(result: Comparison, stage: str) -> None:
    """Different, and first at this stage."""
    assert result.verdict == "different", result.cases[0].why
    assert result.first_divergence is not None
    assert result.first_divergence.stage == stage


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize(("name", "reduction"), losses())
def test_a_loss_agrees_with_itself(name: str, reduction: str, seed: int) -> None:
    data = features(seed), LOSSES[name].labels(seed)
    result = compared(data, *sides_of(name, reduction, "right", "right"), seed=seed)
    assert_agrees(result)
    if name not in ("ce-weighted", "ce-ignoring"):  # a mean by weights is neither
        assert result.cases[0].reference.convention.reduction == reduction


@pytest.mark.parametrize(("name", "reduction"), losses())
def test_a_loss_that_is_nearly_right_differs(name: str, reduction: str) -> None:
    data = features(0), LOSSES[name].labels(0)
    assert_differs(compared(data, *sides_of(name, reduction, "wrong", "right")), "loss")


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("loss", "name"), [(HuberByHand, "huber"), (cross_entropy_by_hand, "ce")], ids=["huber", "ce"]
)
def test_a_loss_by_hand_agrees(loss: Any, name: str, reduction: str, seed: int) -> None:
    mine, theirs = sides_of(name, reduction, "right", "right")
    own = partial(loss, reduction=reduction) if name == "ce" else loss(0.7, reduction)
    data = features(seed), LOSSES[name].labels(seed)
    assert_agrees(compared(data, mine | {"loss": own}, theirs, seed=seed))


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_agrees_with_itself(name: str, seed: int) -> None:
    trial = LAYERS[name]
    side = {"model": trial.right, "loss": nn.MSELoss()}
    data = trial.features(seed), numbers(seed)[:, :1]
    assert_agrees(compared(data, side, side, seed=seed))


@pytest.mark.parametrize("name", layers())
def test_a_layer_that_is_nearly_right_differs(name: str) -> None:
    trial = LAYERS[name]
    mine, theirs = ({"model": model, "loss": nn.MSELoss()} for model in (trial.wrong, trial.right))
    data = trial.features(0), numbers(0)[:, :1]
    assert_differs(compared(data, mine, theirs), trial.stage)


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize(
    ("own", "name"),
    [(lambda: LayerNormByHand(4), "layer-norm"), (GeluByErf, "gelu")],
    ids=["layer-norm", "gelu"],
)
def test_a_layer_by_hand_agrees(own: Make, name: str, seed: int) -> None:
    mine, theirs = (
        {"model": model, "loss": nn.MSELoss()} for model in (behind(own), LAYERS[name].right)
    )
    data = features(seed), numbers(seed)[:, :1]
    assert compared(data, mine, theirs, seed=seed).verdict == "rounding"


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_agrees_with_itself(name: str, seed: int) -> None:
    right, _ = OPTIMIZERS[name]
    data = features(seed), numbers(seed)[:, :1]
    assert_agrees(compared(data, *trained_by(name, right, right), seed=seed, epochs=3))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_that_is_nearly_right_differs(name: str) -> None:
    right, wrong = OPTIMIZERS[name]
    data = features(0), numbers(0)[:, :1]
    assert_differs(compared(data, *trained_by(name, wrong, right), epochs=3), "parameter")


@pytest.mark.parametrize("kind", [torch.optim.LBFGS, torch.optim.SparseAdam])
def test_what_a_single_dense_step_cannot_ask_is_refused(kind: Callable[..., Any]) -> None:
    data = features(0), numbers(0)[:, :1]
    with pytest.raises(InputError, match="cannot be asked for a single step") as refused:
        compared(data, *trained_by("", kind, kind))
    assert "\n" not in str(refused.value)
