"""Sweeps, crossovers, streaming, and a whole run of the command; sizes are small."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bench import scaling
from harness.bench.entries import epoch, iterator, plain, setting
from harness.bench.paired import Duel, Plan
from harness.bench.scaling import Sweep, Wanted, crossover, run, run_all, stream, sweeps
from harness.bench.variants import FORM
from harness.cli import main
from harness.errors import InputError
from harness.pairs.linear import BUILTIN, SCRATCH

SUBJECT, REFERENCE = SCRATCH[FORM], BUILTIN[FORM]
TINY = Plan(pairs=2, blocks=1, minimum_sample=0.0, warmups=1, doubled=False, fewest=2)
DEFAULTS = vars(Wanted())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Hardly any pairs, and no process for the memory."""
    monkeypatch.setattr(scaling, "QUICK", TINY)
    monkeypatch.setattr(scaling, "peaks", lambda jobs: [1000 * (k + 1) for k in range(len(jobs))])


def point(x, ratio, spread=1.0):
    pairs = tuple((ratio * s, 1.0) for s in (1 / spread, spread))
    return {"x": x, "duel": Duel("p", "a", "b", pairs, (1, 1), 1, 0.03).to_dict()}


# -- where curves cross --------------------------------------------------------


def test_crossover_lies_on_the_line_in_log_log():
    """Half at 10, double at 1000: equal at 100."""
    assert crossover([point(10, 0.5), point(1000, 2.0)]) == pytest.approx(100)


@given(st.floats(1.1, 3), st.floats(1.1, 3), st.integers(2, 1000))
def test_crossover_lies_between_its_neighbours(left, right, factor):
    found = crossover([point(1, 1 / left), point(7, 1 / left), point(7 * factor, right)])
    assert found is not None
    assert found * (1 + 1e-9) >= 7
    assert found <= 7 * factor * (1 + 1e-9)


def test_no_crossover_without_two_verdicts():
    """One side leads throughout; or it may not, but nobody can tell."""
    assert crossover([point(10, 0.5), point(100, 0.6)]) is None
    assert crossover([point(10, 0.5), point(100, 1.2, spread=1.4)]) is None  # unclear
    assert crossover([point(10, 0.5), {"x": 100, "duel": None}]) is None
    assert crossover([]) is None


# -- sweeps --------------------------------------------------------------------


def sweep(*sizes, make=epoch):
    cases = tuple(setting(f"n{n}", n, 2, 10) for n in sizes)
    return Sweep("over the rows", "n", plain(SUBJECT), plain(REFERENCE), cases, make)


def test_every_size_is_compared_and_timed():
    said: list[str] = []
    found = run(sweep(20, 40), REFERENCE, "cpu", 60, said.append)
    assert [p["x"] for p in found["points"]] == [20, 40]
    assert [p["agreement"] for p in found["points"]] == ["identical"] * 2
    assert all(p["duel"] for p in found["points"])
    assert [p["memory"] for p in found["points"]] == [[1000, 2000], [3000, 4000]]
    assert (found["first"], found["second"]) == ("scratch", "builtin")
    assert len(said) == 2


def test_a_side_that_differs_is_not_timed():
    broken = replace(SUBJECT, name="wrong (mse)", loss=lambda y_hat, y: (y_hat - y).square().sum())
    found = run(replace(sweep(20), first=plain(broken)), REFERENCE, "cpu", 60, lambda _: None)
    assert (found["points"][0]["agreement"], found["points"][0]["duel"]) == ("different", None)


def test_a_budget_bounds_a_sweep(monkeypatch):
    """The first size is timed, the next would take longer than is left."""
    clock = iter(range(0, 10_000, 4))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    found = run(sweep(20, 4000, 8000), REFERENCE, "cpu", 20, lambda _: None)
    assert [bool(p["duel"]) for p in found["points"]] == [True, False, False]
    assert found["points"][1]["why"] == "not timed: the time allowed was used up"


def test_the_sweeps_cover_rows_features_batch_and_serving():
    found = sweeps(SUBJECT, REFERENCE, "cpu", 3)
    assert [each.over for each in found] == ["n", "d", "batch", "n"]
    assert [each.make for each in found] == [epoch] * 3 + [iterator]
    for each in found:
        sizes = [each.size(case) for case in each.cases]
        assert sizes in (sorted(set(sizes)), sorted(set(sizes), reverse=True))
        assert {case.seed for case in each.cases} == {3}


# -- rows from a file ----------------------------------------------------------


def test_a_file_that_fits_is_refused():
    with pytest.raises(InputError, match="is no larger than the 1 MiB of memory; take more rows"):
        stream(1000, 4, 2**20, seed=0)


@pytest.mark.slow
def test_rows_are_streamed_from_a_file_larger_than_the_memory():
    """386 MB of rows in a process that may take 369 MB, of which torch needs about 320 itself."""
    found = stream(400_000, 240, 352 * 2**20, seed=0)
    assert found["file"] > found["memory"]
    assert (found["agreement"], found["why"]) == ("identical", "")
    assert found["gap"] < 1e-5
    assert len(found["duel"]["pairs"]) == 2


@pytest.mark.slow
def test_the_memory_is_limited():
    """The control: where the order of the rows alone takes more, nothing can be trained."""
    found = stream(24_000_000, 3, 352 * 2**20, seed=0)
    assert (found["agreement"], found["duel"]) == ("error", None)
    assert "can't allocate memory" in found["why"]


# -- a whole run ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"pairs": 1}, "--pairs is 1; it must be at least 2"),
        ({"threads": 0}, "--threads is 0; it must be at least 1"),
        ({"aa": 0}, "--aa is 0; it must be at least 1"),
        ({"budget": 0.0}, "--budget is 0.0; it must be a positive number of seconds"),
        ({"budget": math.nan}, "--budget is nan; it must be a positive"),
        ({"busy": 2}, "--busy puts loops beside an A/A experiment"),
        ({"device": "tpu"}, "--device tpu: there is no such device"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, message):
    with pytest.raises(InputError, match=message):
        Wanted.of(SimpleNamespace(**DEFAULTS | asked))


@pytest.mark.parametrize(
    ("asked", "rows", "engine"),
    [
        ({}, True, True),
        ({"quick": True}, True, False),
        ({"sweep": True}, False, True),
        ({"sweep": True, "only": ["loss"]}, True, False),
        ({"only": ["engine"]}, True, True),
        ({"aa": 3}, False, True),
    ],
)
def test_what_is_run(asked, rows, engine):
    wanted = Wanted.of(SimpleNamespace(**DEFAULTS | asked))
    assert (wanted.rows, wanted.engine) == (rows, engine)


def test_the_seed_reaches_the_data():
    wanted = Wanted(only=("small/components/loss",), pairs=2, seed=5)
    found = run_all(wanted, lambda _: None)
    assert [case.seed for case in found.settings] == [5]
    assert found.to_dict()["settings"][0]["seed"] == 5


def test_the_experiment_is_one_command(tmp_path, capsys):
    """With and without busy loops beside it, a line each."""
    words = ["--aa", "2", "--busy", "1", "--pairs", "4", "--out", str(tmp_path)]
    assert main(["bench", *words]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "A/A with nothing beside: 2 duels of a side against itself:" in out
    assert "A/A with 1 busy loops beside: 2 duels" in out
    assert len(json.loads((tmp_path / "bench.json").read_text())["experiments"]) == 2


def test_the_command_writes_and_prints(tmp_path, capsys):
    words = ["--only", "small/components/loss", "--pairs", "4", "--format", "json"]
    assert main(["bench", *words, "--out", str(tmp_path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "bench.json").read_text())
    assert [row["id"] for row in printed["rows"]] == ["small/components/loss"]
    assert {path.name for path in tmp_path.iterdir()} == {
        f"bench.{suffix}" for suffix in ("json", "md", "csv", "html")
    }


def test_a_wrong_call_is_refused_before_anything_runs(tmp_path, capsys):
    assert main(["bench", "--only", "nonsense", "--out", str(tmp_path)]) == 2
    assert "no row is called that" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
