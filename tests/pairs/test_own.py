"""Recipes of one's own: what is found of them, what is refused, and the doors to them."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn, optim

import harness
from harness.diagnosis import finding
from harness.engine.trace import STAGES
from harness.errors import InputError
from harness.pairs import own

ROWS = 24


def net():
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))


def given():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(ROWS, 5, generator=generator)
    return X, X[:, :1] ** 2 + 0.1 * torch.randn(ROWS, 1, generator=generator)


def side(**pieces):
    return own.recipe(**{"model": net, "loss": nn.MSELoss(), **pieces})


def compared(subject, reference, data=None, **settings):
    return finding.compare(
        subject, reference, data=data or given(), **{"epochs": 1, "batch_size": 8, **settings}
    )


def test_the_doors_are_public():
    assert (harness.recipe, harness.compare) == (own.recipe, finding.compare)


def test_two_equal_recipes_agree_and_two_others_differ():
    assert compared(side(), side()).verdict == "identical"
    result = compared(side(loss=nn.HuberLoss()), side())
    assert result.verdict == "different"
    assert result.first_divergence.stage == "loss"
    assert result.exit_status == 1


def test_the_report_can_be_written():
    report = compared(side(), side()).to_dict()["cases"][0]
    assert report["settings"]["data"] == "given"
    assert report["settings"]["features"] == [5]
    assert set(STAGES) <= set(report["stages"])
    assert "0.weight" in report["final"]["net with MSELoss by SGD"]


def test_both_sides_start_from_the_references_fresh_model_under_the_seed():
    cases = [own.prepared(side(), side(), given(), seed=seed)[2] for seed in (0, 0, 1)]
    starts = [case.data().initial[0] for case in cases]
    assert torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])
    assert cases[0].layout == {n: tuple(p.shape) for n, p in net().named_parameters()}


def test_an_instance_is_copied_and_left_as_it_is():
    made = net()
    before = [p.clone() for p in made.parameters()]
    subject, reference, case = own.prepared(side(model=made), side(model=made), given())
    assert torch.equal(case.data().initial[0], before[0])
    assert finding.compare(subject, reference, [case]).verdict == "identical"
    assert all(torch.equal(*both) for both in zip(before, made.parameters(), strict=True))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_how_a_loss_is_reduced_is_found_by_its_values(reduction):
    """Not by its name: a function says nothing of it."""

    def loss(y_hat, y):
        return nn.functional.smooth_l1_loss(y_hat, y, reduction=reduction)

    sides = own.prepared(side(loss=loss), side(), given())
    assert [recipe.convention.reduction for recipe in sides[:2]] == [reduction, "mean"]


def test_a_mean_by_class_weights_counts_as_a_mean():
    data = given()[0], torch.randint(0, 3, (ROWS,), generator=torch.Generator().manual_seed(0))
    recipe: Any = partial(
        own.recipe,
        model=lambda: nn.Linear(5, 3),
        loss=nn.CrossEntropyLoss(weight=torch.tensor([1.0, 0.1, 5.0])),
    )
    found = own.prepared(recipe(), recipe(), data)
    assert found[0].convention.reduction == "mean"
    assert compared(recipe(), recipe(), data).verdict == "identical"


def test_a_sum_is_not_the_mean():
    """The rows' gradients are added up: the update goes further, where it is not divided."""
    result = compared(side(loss=nn.MSELoss(reduction="sum")), side())
    assert result.verdict == "different"
    assert result.first_divergence.stage == "parameter"


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_floats_are_cast_and_whole_numbers_stay(dtype):
    X = torch.randint(0, 7, (ROWS, 3), generator=torch.Generator().manual_seed(0))
    embedded = side(model=lambda: nn.Sequential(nn.Embedding(7, 2), nn.Flatten(), nn.Linear(6, 1)))
    _, _, case = own.prepared(embedded, embedded, (X, given()[1]), dtype=dtype)
    data = case.data()
    assert (data.features.dtype, str(data.labels.dtype)) == (torch.int64, f"torch.{dtype}")
    assert compared(embedded, embedded, (X, given()[1]), dtype=dtype).verdict == "identical"


def test_an_lr_that_is_bound_stays():
    bound, free = side(optimizer=partial(optim.SGD, lr=0.5)), side()
    assert compared(bound, free, lr=0.5).verdict == "identical"
    assert compared(bound, free, lr=0.4).verdict == "different"


def test_a_clip_of_ones_own_is_called():
    clip = side(clip=nn.utils.clip_grad_norm_)
    assert compared(clip, side(), clip=0.1).verdict in ("identical", "rounding")
    off = side(clip=lambda parameters, norm: nn.utils.clip_grad_norm_(parameters, 1.1 * norm))
    assert compared(off, side(), clip=0.1).verdict == "different"
    with pytest.raises(InputError, match="would never be called"):
        compared(clip, side())


def test_batches_of_ones_own_are_judged():
    def without_the_last(X, y, size, generator):
        del generator
        return [(X[i : i + size], y[i : i + size]) for i in range(0, len(X) - size, size)]

    result = compared(side(batches=without_the_last), side())
    assert result.verdict == "different"
    assert result.first_divergence.stage == "batch"


class Frozen(nn.Module):
    """Has a parameter that its prediction does not use."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(5, 1), nn.Linear(5, 1)

    def forward(self, X):
        """As `used`."""
        return self.used(X)


X, Y = given()


@pytest.mark.parametrize(
    ("subject", "reference", "settings", "sentence"),
    [
        (None, side(), {}, "needs two recipes"),
        (side(), side(), {"data": (X, Y[:3])}, "24 rows of features with 3 labels"),
        (side(), side(), {"data": (X[:0], Y[:0])}, "0 rows"),
        (side(), side(), {"data": (X[:, 0], Y)}, "two axes or more"),
        (side(), side(), {"data": (X[:, :3], Y)}, "cannot do a step on the data"),
        (side(), side(), {"data": 5}, "must be features and labels"),
        (side(), side(model=Frozen), {}, "'unused.weight' gets no gradient"),
        (side(model=lambda: nn.Linear(5, 1)), side(), {}, "must have the same shapes"),
        (side(), side(), {"dtype": "int8"}, "'int8' is not known"),
        (side(), side(), {"epochs": 0}, "at least 1"),
        (side(), side(optimizer=optim.LBFGS), {}, "single step from a dense gradient"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(subject, reference, settings, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        compared(subject, reference, **settings)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("piece", ["model", "loss", "optimizer"])
def test_a_piece_that_cannot_be_called_is_refused(piece):
    with pytest.raises(InputError, match=f"{piece} is 3"):
        side(**{piece: 3})


def test_settings_of_ones_own_data_need_data():
    with pytest.raises(InputError, match="epochs= goes with data="):
        finding.compare(side(), side(), epochs=3)
