"""Cases: the same problem in every dtype, refusals in one sentence, closed forms."""

import dataclasses
import random

import numpy as np
import pytest
import torch

from harness.engine.case import _ROWS, DTYPES, Data, UpdateRule
from harness.errors import InputError
from harness.pairs.catalogue import named
from harness.pairs.linear import LinearCase
from harness.pairs.linear_cases import CASES
from harness.pairs.table import Table

CASE = LinearCase("made", "for a test", num_examples=50)


def table(features, labels) -> Table:
    """Return a data set of these values."""
    names = tuple(f"x{i}" for i in range(features.shape[1]))
    return Table("made", names, features, labels.reshape(-1, 1), "y", "none")


def test_data_is_drawn_without_the_global_generators():
    """Equal seeds, equal data; and nobody else's numbers change."""
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # type: ignore[index]
    first, second = CASE.data(), CASE.data()
    assert torch.equal(first.features, second.features)
    assert torch.equal(first.labels, second.labels)
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]  # type: ignore[index]
    assert torch.equal(torch.get_rng_state(), states[2])
    other = dataclasses.replace(CASE, seed=1).data()
    assert not torch.equal(first.features, other.features)


def test_the_fingerprint_tells_every_change():
    """Of a value, of the order of rows, and of rows further apart than are looked at in one go."""
    rows = 2 * _ROWS + 7
    features = torch.arange(rows, dtype=torch.float32).reshape(-1, 1)
    data = Data(features, torch.zeros(rows, 1), ())
    before = data.fingerprint()
    assert before == Data(features.clone(), data.labels.clone(), ()).fingerprint()
    for first, second in ((0, 1), (3, _ROWS), (5, _ROWS + 5), (_ROWS + 1, rows - 1)):
        order = torch.arange(rows)
        order[[first, second]] = order[[second, first]]
        assert Data(features[order], data.labels, ()).fingerprint() != before
    changed = data.labels.clone()
    changed[-1] = 1.0
    assert Data(features, changed, ()).fingerprint() != before


def test_blocks_hold_every_row_once():
    """In order, and none larger than is looked at in one go."""
    rows = 65536 + 3
    data = Data(torch.arange(rows).reshape(-1, 1), torch.arange(rows).reshape(-1, 1), ())
    parts = data.blocks()
    assert [len(X) for X, _ in parts] == [65536, 3]
    assert torch.equal(torch.cat([y for _, y in parts]), data.labels)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_sees_the_same_problem(dtype):
    """Drawn in float64, then rounded once."""
    exact = dataclasses.replace(CASE, dtype="float64").data()
    data = dataclasses.replace(CASE, dtype=dtype).data()
    pairs = [
        (exact.features, data.features),
        (exact.labels, data.labels),
        *zip(exact.initial, data.initial, strict=True),
    ]
    for wanted, got in pairs:
        assert got.dtype == DTYPES[dtype]
        assert torch.equal(wanted.to(DTYPES[dtype]), got)


def test_the_default_dtype_does_not_matter():
    """A caller's default dtype changes nothing."""
    before = CASE.data().features
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(CASE.data().features, before)
    finally:
        torch.set_default_dtype(torch.float32)


def test_strided_features_are_really_strided():
    """Equal values, another layout; without the setting they are contiguous."""
    plain = CASE.data().features
    strided = dataclasses.replace(CASE, strided_features=True).data().features
    assert plain.is_contiguous()
    assert not strided.is_contiguous()
    assert not strided.T.is_contiguous()
    assert torch.equal(plain, strided)


def test_shapes():
    """Features (n, d), labels (n, 1) or (n,), weight (d,) and bias (1,)."""
    data = CASE.data()
    assert (data.features.shape, data.labels.shape) == ((50, 2), (50, 1))
    assert [value.shape for value in data.initial] == [(2,), (1,)]
    assert dataclasses.replace(CASE, flat_labels=True).data().labels.shape == (50,)


def test_labels_are_the_line_and_noise():
    """Without noise exactly the line; with it, off by its standard deviation."""
    exact = dataclasses.replace(CASE, noise=0.0, dtype="float64").data()
    line = exact.features @ torch.tensor([2.0, -3.4], dtype=torch.float64) + 4.2
    torch.testing.assert_close(exact.labels[:, 0], line)
    noisy = dataclasses.replace(CASE, noise=1.0, dtype="float64", num_examples=5000).data()
    line = noisy.features @ torch.tensor([2.0, -3.4], dtype=torch.float64) + 4.2
    assert 0.95 < float((noisy.labels[:, 0] - line).std()) < 1.05


def test_collinear_features_are_multiples():
    """The second column is twice the first, only where asked."""
    features = dataclasses.replace(CASE, collinear=True).data().features
    assert torch.equal(features[:, 1], 2 * features[:, 0])
    assert not torch.equal(CASE.data().features[:, 1], 2 * CASE.data().features[:, 0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_examples": 0},
        {"batch_size": 0},
        {"epochs": 0},
        {"seed": -1},
        {"lr": 0.0},
        {"lr": -0.1},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"dtype": "int8"},
        {"form": "functional", "clip": 1.0},
        {"form": "functional", "micro_batch_size": 2},
        {"form": "functional", "clear_gradients": False},
    ],
    ids=str,
)
def test_impossible_settings_are_refused_in_one_sentence(wrong):
    """The sentence names the case and what to do."""
    dataclasses.replace(CASE, lr=0.5)  # the control
    with pytest.raises(InputError) as caught:
        dataclasses.replace(CASE, **wrong)
    sentence = str(caught.value)
    assert sentence.startswith("case 'made': ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "must be at least" in sentence or "must be" in sentence or "take " in sentence


def test_least_squares_is_the_minimiser():
    """The normal equations hold, and a step to any side is worse."""
    data = dataclasses.replace(CASE, noise=1.0, dtype="float64").data()
    best = data.least_squares()
    design = torch.cat((data.features, torch.ones(50, 1, dtype=torch.float64)), 1)
    closed = torch.linalg.solve(design.T @ design, design.T @ data.labels)[:, 0]
    torch.testing.assert_close(best, closed)
    least = data.mean_squared_error(best)
    for shift in torch.eye(3, dtype=torch.float64) * 1e-3:
        assert data.mean_squared_error(best + shift) > least
        assert data.mean_squared_error(best - shift) > least


def test_least_squares_takes_the_shortest_where_many_are_least():
    """Collinear features: no exception, and a residual of nothing."""
    case = dataclasses.replace(
        CASE, weight=(2.0, -3.4, 1.5), collinear=True, noise=0.0, dtype="float64"
    )
    best = case.data().least_squares()
    assert case.data().mean_squared_error(best) < 1e-20
    assert float(best.norm()) <= float(torch.tensor([2.0, -3.4, 1.5, 4.2]).norm())


def test_least_squares_of_nan_is_nan():
    """The library would stop with an internal error."""
    features = np.random.default_rng(0).normal(size=(10, 2))
    labels = features.sum(1)
    assert (
        LinearCase("t", "t", table=table(features, labels)).data().least_squares().isfinite().all()
    )
    labels[3] = np.nan
    assert LinearCase("t", "t", table=table(features, labels)).data().least_squares().isnan().all()


@pytest.mark.parametrize("flat", [False, True])
def test_mean_squared_error_is_that_of_torch(flat):
    """Against MSELoss in float64, without the half, for flat labels too."""
    data = dataclasses.replace(CASE, flat_labels=flat, noise=1.0).data()
    values = torch.tensor([1.0, -2.0, 0.5])
    y_hat = data.features.double() @ values[:2].double() + 0.5
    wanted = torch.nn.MSELoss()(y_hat, data.labels.double().reshape(-1))
    assert data.mean_squared_error(values) == pytest.approx(float(wanted), rel=1e-12)
    assert data.mean_squared_error(values + 1) != pytest.approx(float(wanted), rel=1e-3)


def test_a_hidden_layer_has_four_parameters():
    """In nn.Linear's layout; only weights are drawn, and the data is that of the linear case."""
    case = dataclasses.replace(CASE, hidden=3, initial_std=1.0)
    data = case.data()
    assert case.widths == (2, 3)
    assert case.layout == {"W1": (3, 2), "b1": (3,), "W2": (3,), "b2": (1,)}
    assert [value.shape for value in data.initial] == list(case.layout.values())
    assert case.num_parameters == sum(value.numel() for value in data.initial) == 13
    assert [bool(value.any()) for value in data.initial] == [True, False, True, False]
    assert torch.equal(data.features, CASE.data().features)
    assert case.settings()["hidden"] == 3
    assert not data.is_linear
    linear = CASE.data()
    assert linear.is_linear
    assert (CASE.widths, CASE.num_parameters) == ((2,), 3)


def test_mean_squared_error_with_a_hidden_layer():
    """Against nn.Sequential in float64; the layout matters, also where it is square."""
    case = dataclasses.replace(CASE, hidden=2, initial_std=1.0, noise=1.0)
    data = case.data()
    values = torch.randn(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    net.double()
    torch.nn.utils.vector_to_parameters(values, net.parameters())
    wanted = torch.nn.MSELoss()(net(data.features.double()), data.labels.double()).detach()
    assert data.mean_squared_error(values) == pytest.approx(float(wanted), rel=1e-12)
    turned = torch.cat((values[:4].reshape(2, 2).T.reshape(-1), values[4:]))
    assert data.mean_squared_error(turned) != pytest.approx(float(wanted), rel=1e-3)


def test_update_rules_are_small_values():
    """Equal where their settings are, in whatever order; plain, linear, and shown in a line."""
    rule = UpdateRule.of("sgd", momentum=0.9, dampening=0.5)
    assert rule == UpdateRule.of("sgd", dampening=0.5, momentum=0.9)
    assert hash(rule) == hash(UpdateRule.of("sgd", dampening=0.5, momentum=0.9))
    assert str(rule) == "sgd(dampening=0.5, momentum=0.9)"
    assert str(UpdateRule()) == "sgd"
    assert UpdateRule().is_plain
    assert not rule.is_plain
    linear = [UpdateRule(), rule]
    bent = [UpdateRule.of("sgd", weight_decay=0.1), UpdateRule.of("adam")]
    assert [r.scales_with_lr for r in (*linear, *bent)] == [True, True, False, False]
    case = dataclasses.replace(CASE, optimizer=rule)
    assert case.settings()["optimizer"] == str(rule)
    assert "optimizer" not in CASE.settings()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": -1}, "hidden is -1; it must be at least 0"),
        (
            {"optimizer": UpdateRule("lion")},
            "'lion' is not known; take one of sgd, adagrad",
        ),
        ({"hidden": 2, "form": "functional"}, "take the form 'object' or 'mse' for a hidden layer"),
        ({"optimizer": UpdateRule("adam"), "against": "functional"}, "or another optimizer"),
    ],
    ids=str,
)
def test_models_and_optimizers_that_no_form_has_are_refused(changes, message):
    """In one sentence; the same with a trainer's form is taken (control)."""
    with pytest.raises(InputError, match=message):
        dataclasses.replace(CASE, **changes)
    dataclasses.replace(CASE, hidden=2, optimizer=UpdateRule("adam"), form="object")


def test_mean_squared_error_goes_through_all_rows(monkeypatch):
    """Also where the data is larger than what is taken at once."""
    data = CASE.data()
    whole = data.mean_squared_error(torch.zeros(3))
    monkeypatch.setattr("harness.engine.case._ROWS", 7)
    assert data.mean_squared_error(torch.zeros(3)) == pytest.approx(whole, rel=1e-12)


def test_total_steps_counts_the_short_batch():
    """1003 rows in tens, three epochs."""
    assert dataclasses.replace(CASE, num_examples=1003).total_steps == 303
    assert dataclasses.replace(CASE, num_examples=1000).total_steps == 300


def test_default_cases_say_what_they_are_for():
    """Unique names, one line each, and each of them differs from the others."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 25
    for case in CASES:
        assert case.purpose
        assert "\n" not in case.purpose
        assert len(case.purpose) < 100
        assert case.name == case.name.lower().replace(" ", "-")
    anonymous = {dataclasses.replace(case, name="", purpose="") for case in CASES}
    assert len(anonymous) == len(names)


def test_named_picks_cases():
    """In the order asked for, each once; all where nothing is asked; refused where unknown."""
    assert named() == CASES
    assert [case.name for case in named(["n-1", "batch-1", "n-1"])] == ["n-1", "batch-1"]
    with pytest.raises(InputError, match=r"no case 'nothing'; `svb list cases`"):
        named(["n-1", "nothing"])


def test_settings_are_enough_to_run_it_again():
    """Plain values; what is not the default is shown."""
    case = dataclasses.replace(CASE, clip=1.0, clear_gradients=False, strided_features=True)
    shown = case.settings()
    assert shown["clip"] == 1.0
    assert shown["clear_gradients"] is False
    assert shown["strided_features"] is True
    assert "clip" not in CASE.settings()
    assert (shown["n"], shown["d"], shown["seed"]) == (50, 2, 0)


def test_a_table_is_the_data():
    """Its rows, its shape, and no truth."""
    features = np.arange(12.0).reshape(6, 2)
    case = LinearCase("real", "a table", table=table(features, np.arange(6.0)))
    data = case.data()
    assert (case.n, case.d) == (6, 2)
    assert data.truth is None
    assert torch.equal(data.features, torch.tensor(features, dtype=torch.float32))
    assert "made" in str(case.settings()["data"])
