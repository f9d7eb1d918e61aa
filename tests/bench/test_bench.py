"""What is timed, that it is compared first, and what the whole says; little is measured."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from harness.bench import bench, control
from harness.bench.bench import Bench, anatomy, check_device, measure, plan_of, threads
from harness.bench.control import busy_loops, control_experiment
from harness.bench.entries import (
    COMPONENTS,
    SETTINGS,
    Entry,
    backward,
    entries,
    epoch,
    iterator,
    plain,
    select,
    setting,
    step,
    update,
)
from harness.bench.paired import Duel, Plan, Prepared
from harness.bench.timer import Row, Timer, engine_rows
from harness.bench.variants import FORM, short_name
from harness.errors import InputError
from harness.pairs.linear import BUILTIN, SCRATCH

SUBJECT, REFERENCE = SCRATCH[FORM], BUILTIN[FORM]
TINY = Plan(pairs=2, blocks=1, minimum_sample=0.0, warmups=1, doubled=False, fewest=2)
CASE = setting("small", 40, 3, 10)


@pytest.fixture(autouse=True)
def no_other_process(request, monkeypatch):
    """Peak memory has its own tests; here nobody waits for a process."""
    monkeypatch.setattr(bench, "peaks", lambda jobs: [None] * len(jobs))


def wrong_loss(y_hat, y):
    return (y_hat - y).square().mean() * 1.01


def raising_loss(y_hat, y):
    raise RuntimeError("no such loss")


def made(pairs, name="x", margin=0.03):
    return Duel(name, "scratch", "builtin", tuple(pairs), (1, 1), 1, margin)


def measured(subject=SUBJECT, only=("small/components/*", "small/epoch/*")):
    """A bench of the small setting, on little data and with hardly any pairs."""
    found = [e for e in entries(CASE, subject, REFERENCE) if e.chosen(only)]
    return measure(Bench("cpu", 1, 0, TINY), found, subject=subject, engine=False)


# -- the pieces ----------------------------------------------------------------


def called(recipe, make):
    """What a piece gives for its first input."""
    made = make(recipe, CASE, CASE.data())
    if not isinstance(made, Prepared):
        return made()
    return made.call(made.fresh())


@pytest.mark.parametrize("name", ["forward", "loss"])
def test_both_sides_are_given_the_same_inputs(name):
    """The same numbers come out, so the same numbers went in; new ones the next time."""
    make = COMPONENTS[name][0]
    results: list[Any] = [called(recipe, make) for recipe in (SUBJECT, REFERENCE)]
    assert torch.equal(*results)
    assert results[0].requires_grad
    piece: Any = make(SUBJECT, CASE, CASE.data())
    assert not torch.equal(piece.call(piece.fresh()), piece.call(piece.fresh()))


@pytest.mark.parametrize("make", [backward, update, step, epoch])
def test_both_sides_do_the_same_to_their_parameters(make, monkeypatch):
    sides = []
    build = type(SUBJECT).build

    def remembered(*arguments):
        sides.append(build(*arguments))
        return sides[-1]

    monkeypatch.setattr(type(SUBJECT), "build", remembered)
    for recipe in (SUBJECT, REFERENCE):
        called(recipe, make)
    leaves = [torch.cat([p.detach().flatten() for p in side.parameters()]) for side in sides]
    gradients = [[p.grad is not None for p in side.parameters()] for side in sides]
    assert torch.equal(*leaves)
    moved = not torch.equal(leaves[0], torch.cat(CASE.data().initial))
    assert moved or all(map(all, gradients))


def test_an_iterator_is_timed_over_a_whole_epoch():
    class Counting:
        served = 0

        def __iter__(self):
            for _ in range(7):
                Counting.served += 1
                yield torch.ones(1), torch.ones(1)

    recipe = replace(SUBJECT, batches=lambda *_: Counting())
    run: Any = iterator(recipe, CASE, CASE.data())
    run()
    run()
    assert Counting.served == 14


# -- which rows ----------------------------------------------------------------


def test_rows_have_names_of_their_own():
    idents = [e.ident for case in SETTINGS for e in entries(case, SUBJECT, REFERENCE)]
    assert len(set(idents)) == len(idents)
    assert sum(ident.startswith("small/") for ident in idents) == 7 + 10 + 3 + 3 + 6


def chosen(*only, quick=False):
    return select(SUBJECT, REFERENCE, "cpu", 0, only, quick=quick)


def test_large_runs_only_by_name():
    assert {entry.setting.name for entry in chosen()} == {"small", "medium", "softmax"}
    assert {entry.setting.name for entry in chosen("large")} == {"large"}
    found = {entry.setting.name for entry in chosen("loss")}
    assert found == {"small", "medium", "large", "softmax"}
    assert {entry.setting.name for entry in chosen("*/components/loss")} == {
        "small",
        "medium",
        "softmax",
        "large",
    }
    assert [entry.ident for entry in chosen("small/components/loss")] == ["small/components/loss"]


def test_softmax_has_rows_of_its_own():
    """Its model, its loss and an epoch; none of them in a quick run."""
    rows = [entry.ident for entry in chosen("softmax")]
    names = ("components/forward", "components/loss", "epoch/whole epoch")
    assert rows == [f"softmax/{name}" for name in names]
    assert {entry.setting.name for entry in chosen(quick=True)} == {"small"}


def test_another_pair_is_held_against_its_own_built_in():
    """Whatever the rows of linear regression are held against."""
    timer = Timer(REFERENCE, "cpu", Plan())
    (_, entry, _) = chosen("softmax")
    case = entry.setting
    assert timer.reference_of(case) is case.pair.forms["object"].builtin
    assert timer.reference_of(SETTINGS[0]) is REFERENCE  # control
    assert timer.agreement(entry) in (("rounding", ""), ("identical", ""))


def test_quick_is_small_and_without_bulk():
    found = chosen(quick=True)
    assert {entry.setting.name for entry in found} == {"small"}
    assert not any(entry.first.bulky for entry in found)
    assert len(found) == 7 + 10 + 3 + 3 + 4


def test_a_row_that_there_is_not():
    with pytest.raises(InputError, match="--only nonsense: no row is called that; take a setting"):
        chosen("nonsense")


def test_a_device_that_is_not_here():
    with pytest.raises(InputError, match="--device nowhere: there is no such device"):
        check_device("nowhere")
    check_device("cpu")


# -- compared first ------------------------------------------------------------


def test_sides_that_agree_are_timed():
    found = measured()
    assert [row.agreement for row in found.rows] == ["identical"] * 7
    assert all(row.duel for row in found.rows)
    assert (found.verdict, found.exit_status) == ("agree", 0)
    assert (found.control.first, found.control.second) == ("scratch", "scratch")


def test_a_side_that_differs_is_reported_and_not_timed():
    """A loss that is 1 % too large: its row and all that rest on it; the iterator is timed."""
    found = measured(replace(SUBJECT, name="wrong (mse)", loss=wrong_loss))
    rows = {row.entry.name: row for row in found.rows}
    assert rows["data iterator"].duel
    assert rows["data iterator"].agreement == "identical"
    for name in ("loss", "step", "whole epoch"):
        assert rows[name].duel is None
        assert rows[name].agreement == "different"
        assert "not timed: loss[epoch 0 step 0] = " in rows[name].why
    assert (found.verdict, found.exit_status) == ("different", 1)
    assert anatomy(found.rows) == []


def test_a_side_that_raises_is_inconclusive():
    found = measured(replace(SUBJECT, name="raising (mse)", loss=raising_loss), ("epoch",))
    (row,) = found.rows
    assert (row.duel, row.agreement) == (None, "error")
    assert "no such loss" in row.why
    assert (found.verdict, found.exit_status) == ("inconclusive", 3)


def test_an_option_that_cannot_be_run_says_why_and_fails_nothing():
    broken = plain(replace(REFERENCE, name="broken", loss=raising_loss))
    timer = Timer(REFERENCE, "cpu", TINY)
    option = timer.row(Entry(CASE, "options", "broken", broken, plain(REFERENCE), optional=True))
    fine = timer.row(Entry(CASE, "epoch", "fine", plain(SUBJECT), plain(REFERENCE)))
    found = Bench("cpu", 1, 0, TINY, rows=[option, fine])
    assert "RuntimeError: no such loss" in option.why
    assert (found.verdict, option.duel) == ("agree", None)


def test_what_fails_only_while_it_is_timed_says_why():
    def make(recipe, case, data):
        raise OSError("no room")

    row = Timer(REFERENCE, "cpu", TINY).row(
        Entry(CASE, "x", "x", plain(SUBJECT), plain(REFERENCE), make)
    )
    assert (row.duel, row.why) == (None, "could not be run: OSError: no room")


def test_after_the_deadline_nothing_begins():
    timer = Timer(REFERENCE, "cpu", TINY, deadline=-math.inf)
    row = timer.row(Entry(CASE, "epoch", "e", plain(SUBJECT), plain(REFERENCE)))
    assert (row.duel, row.agreement) == (None, "not compared")
    assert engine_rows(timer, SUBJECT) == []
    assert Bench("cpu", 1, 0, TINY, rows=[row]).exit_status == 3  # nothing could be timed


def test_the_report_is_plain_json():
    found = measured(only=("small/epoch/*",)).to_dict()
    assert found["schema"] == "svb.bench/1"
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again["rows"][0]["duel"]["pairs"] == found["rows"][0]["duel"]["pairs"]
    assert len(found["rows"][0]["duel"]["pairs"]) == 2
    assert found["rows"][0]["first"] == short_name(SUBJECT) == "scratch"


# -- what follows --------------------------------------------------------------


def test_anatomy_adds_up_to_the_epoch():
    """Parts times their number, and the rest."""
    sides = plain(SUBJECT), plain(REFERENCE)
    rows = [
        Row(Entry(CASE, "components", name, *sides), "identical", duel=made([(0.001, 0.002)]))
        for name in COMPONENTS
    ]
    rows.append(
        Row(Entry(CASE, "epoch", "whole epoch", *sides), "identical", duel=made([(0.02, 0.05)]))
    )
    first, second = anatomy(rows)
    assert first["parts"] == {
        "data iterator": 0.001,
        **dict.fromkeys(("forward", "loss", "backward", "update"), 0.004),
        "loop and the rest": pytest.approx(0.003),
    }
    assert sum(second["parts"].values()) == pytest.approx(second["seconds"]) == 0.05
    assert anatomy(rows[1:]) == []  # the control: a part that was not timed


@pytest.mark.parametrize(
    ("pairs", "margin"), [([(1.0, 1.0)] * 12, 0.03), ([(1, 1), (1, 1.2)] * 6, 0.05)]
)
def test_a_noisy_control_widens_the_margin(pairs, margin):
    assert plan_of(Plan(), made(pairs)).margin == margin


def test_the_experiment_counts_its_verdicts(monkeypatch):
    outcomes = iter([[(1, 1)], [(1, 2)], [(3, 1)], [(1, 1)], [(1.0, 1.01), (1.0, 1.2)]])
    monkeypatch.setattr(control, "control", lambda plan: made(next(outcomes)))
    found = control_experiment(5, TINY)
    assert (found["false"], found["tie"], found["unclear"]) == (2, 2, 1)
    assert (found["faster"], found["slower"], found["busy"]) == (1, 1, 0)
    assert found["sd_log_ratio"] > 0.1


def test_busy_loops_end():
    with busy_loops(1) as running:
        assert [process.poll() for process in running] == [None]
    assert [process.poll() is None for process in running] == [False]


def test_threads_are_set_and_put_back():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.cuda
def test_on_the_device():
    """Synchronised wall clock, device events beside it, and what was allocated."""
    case = CASE.on("cuda")
    row = Timer(REFERENCE, "cuda", TINY).row(
        Entry(case, "epoch", "e", plain(SUBJECT), plain(REFERENCE))
    )
    assert row.duel
    assert all(seconds > 0 for seconds in row.device_seconds or [0])
    assert all(count is not None for count in row.memory)


@pytest.mark.bench
def test_figures_that_a_quiet_machine_reaches():
    """Scratch over built-in: whole epoch, closed form, and the step on the same batches."""
    most = {
        "small/epoch/whole epoch": 0.55,
        "medium/epoch/whole epoch": 0.14,
        "small/by hand/closed form, permute once": 0.10,
        "medium/by hand/closed form, permute once": 0.03,
        "small/components/step": 0.85,
        "medium/components/step": 0.85,
    }
    found = measure(Bench("cpu", 1, 0, Plan()), chosen(*most), engine=False)
    ratios = {row.entry.ident: row.duel.ratio for row in found.rows if row.duel}
    print(ratios)
    assert {ident: ratio for ident, ratio in ratios.items() if ratio > most[ident]} == {}
    assert ratios.keys() == most.keys()
