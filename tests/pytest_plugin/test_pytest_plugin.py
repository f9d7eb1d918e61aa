"""The plugin: duels as rows of pytest-benchmark, the gate, refusals, one test per case, answers.

Every inner session runs in this process on a clock that is made up: nothing here waits or measures,
but for the worker of an answer.
"""

import builtins
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.bench.paired import Duel
from harness.engine.comparison import compare
from harness.errors import InputError
from harness.pairs.catalogue import named
from harness.pairs.linear import LinearCase
from harness.pytest_plugin import checks
from harness.pytest_plugin.replay import Replay
from harness.report import environment
from svb_pytest import INSTALL

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ("-p", "pytest_benchmark.plugin", "-p", "svb_pytest")
EQUAL = """
    import pytest

    @pytest.mark.parametrize("n", [3])
    def test_equal(duel, n):
        found = duel(lambda: n, lambda: n, agree=int.__eq__)
        assert found is None or found.first == "scratch"
"""
NAME = "test_it.py::test_equal[3]"


class Session:
    """An inner pytest whose duels are made up: the second side takes 1 ms, the first `slower`."""

    def __init__(self, pytester):
        self.pytester = pytester
        self.slower = 1.0
        self.timed = []

    def __call__(self, source, *arguments, slower=1.0, plugins=PLUGINS):
        """Run a test file; returns the result."""
        self.slower, self.timed = slower, []
        self.pytester.makepyfile(test_it=source)
        own = ("-W", "error", "-p", "no:cacheprovider", *plugins)
        return self.pytester.runpytest_inprocess(*own, *arguments)

    def duel(self, _first, _second, *, name, names, **_settings):
        """What stands in for `paired.duel`: 60 equal pairs, without calling anything."""
        self.timed.append(name)
        pairs = ((1e-3 * self.slower, 1e-3),) * 60
        first, second = names
        return Duel(name, first, second, pairs, calls=(3, 5), block=6, margin=0.03)


@pytest.fixture(scope="module")
def all_of_torch():
    """Every part of torch that a comparison takes: an inner session must not import it again."""
    assert compare(cases=[LinearCase("one", "a single step", num_examples=1, epochs=1)]).cases


@pytest.fixture
def session(pytester, monkeypatch, all_of_torch):
    """Runs inner sessions, installed or not, with the same plugins and without a real clock."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setattr("pytest_benchmark.plugin.get_cpu_info", dict)  # takes a second
    found = Session(pytester)
    monkeypatch.setattr("harness.bench.paired.duel", found.duel)
    return found


def report(pytester, name="o.json"):
    """What pytest-benchmark wrote."""
    return json.loads((pytester.path / name).read_text("utf-8"))


# -- rows ------------------------------------------------------------------------


def test_equal_sides_tie_and_are_timed_once(session):
    """Control: no difference is a tie; both tests are rows of one table from one paired run."""
    result = session(EQUAL)
    result.assert_outcomes(passed=2)
    assert session.timed == [NAME]
    result.stdout.fnmatch_lines(
        [
            "*benchmark 'test_it.py::test_equal?3?': 2 tests*",
            "test_equal?3-builtin?*",
            "test_equal?3-scratch?*",
            "*svb: ratios scratch / builtin, below 1 is faster*",
            "test_it.py::test_equal?3?  1.000 ?1.000, 1.000?  tie",
        ]
    )


def test_each_row_holds_its_own_side(session, pytester):
    """The replayed samples are those of the pairs, in seconds per call."""
    session(EQUAL, "--benchmark-json=o.json", slower=2.0)
    scratch, builtin = report(pytester)["benchmarks"]
    assert (scratch["name"], builtin["name"]) == ("test_equal[3-scratch]", "test_equal[3-builtin]")
    assert scratch["stats"]["data"] == pytest.approx([2e-3] * 60)
    assert builtin["stats"]["data"] == pytest.approx([1e-3] * 60)
    assert (scratch["stats"]["iterations"], builtin["stats"]["iterations"]) == (3, 5)
    assert scratch["options"]["timer"] == "replay of paired samples"


def test_json_holds_ratio_pairs_and_torch(session, pytester):
    """Ratio, interval and verdict in both entries' stats; raw pairs; how torch was set."""
    session(EQUAL, "--benchmark-json=o.json", "--benchmark-save=kept", slower=2.0)
    found = report(pytester)
    for entry in found["benchmarks"]:
        assert entry["stats"]["ratio"] == pytest.approx(2)
        assert entry["stats"]["ratio_low"] <= 2.0000001 <= entry["stats"]["ratio_high"] + 1e-6
        assert entry["stats"]["verdict"] == "slower"
    (comparison,) = found["comparisons"]
    assert comparison["name"] == NAME
    assert len(comparison["pairs"]) == 60
    assert set(found["machine_info"]["torch"]) == {"version", "threads", "cuda"}
    # the hook ran a second time, for the saved file: nothing is there twice
    (saved,) = pytester.path.glob(".benchmarks/*/0001_kept.json")
    assert report(pytester, saved)["comparisons"] == found["comparisons"]


def test_json_of_others_is_left_alone(session, pytester):
    """Control: a session without duels gets no block, no fact about torch and no section."""
    result = session(
        "def test_it(benchmark):\n    benchmark.pedantic(int)", "--benchmark-json=o.json"
    )
    result.assert_outcomes(passed=1)
    found = report(pytester)
    assert "comparisons" not in found
    assert "torch" not in found["machine_info"]
    assert "ratio" not in found["benchmarks"][0]["stats"]
    result.stdout.no_fnmatch_line("*svb:*")


def test_compare_shows_the_saved_ratio(session, monkeypatch):
    """`--benchmark-compare` finds the ratio in the saved stats, and both sides' rows."""
    session(EQUAL, "--benchmark-save=kept", slower=2.0)
    result = session(EQUAL, "--benchmark-compare=0001")
    result.stdout.fnmatch_lines(
        [
            "test_equal?3-scratch? (0001_kept)*",
            "*1.000 ?1.000, 1.000?  tie      was 2.000 ?2.000, 2.000? in 0001_kept",
        ]
    )
    result.stdout.no_fnmatch_line("*torch differs*")
    result.stderr.no_fnmatch_line("*machine_info is different*")


def test_regression_still_shows_the_ratios(session):
    """pytest-benchmark ends a session whose rows got slower; what was measured is shown first."""
    session(EQUAL, "--benchmark-save=kept")
    result = session(EQUAL, "--benchmark-compare=0001", "--benchmark-compare-fail=min:1%", slower=2)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*2.000 ?2.000, 2.000?  slower*"])


def test_compare_names_other_threads(session, monkeypatch):
    """Control: what differs in torch is said, once the tests have set it."""
    session(EQUAL, "--benchmark-save=kept")
    facts = environment.describe() | {"threads": 77}
    monkeypatch.setattr("harness.report.environment.describe", lambda: facts)
    result = session(EQUAL, "--benchmark-compare=0001")
    result.stdout.fnmatch_lines(["torch differs: *'threads': 77*saved"])


def test_own_marker_is_kept(session):
    """The test's own benchmark marker still counts beside the clock that replays."""
    source = EQUAL.replace("    @pytest", "    @pytest.mark.benchmark(group='mine')\n    @pytest")
    session(source).stdout.fnmatch_lines(["*benchmark 'mine': 2 tests*"])


def test_own_clock_is_refused(session):
    """A marker that brings a clock contradicts the replay, and is told so."""
    source = EQUAL.replace("    @pytest", "    @pytest.mark.benchmark(timer=int)\n    @pytest")
    result = session(source)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*a duel has its own clock: take `timer` out of the*marker.*"])


def test_ids_that_look_like_sides(session):
    """Parameters that are called like a side do not mix duels up."""
    source = EQUAL.replace('"n", [3]', '"n", [3, 4], ids=["scratch", "builtin"]')
    session(source).assert_outcomes(passed=4)
    assert session.timed == ["test_it.py::test_equal[scratch]", "test_it.py::test_equal[builtin]"]


def test_one_side_alone(session):
    """Half a duel can be asked for; it is measured as a whole all the same."""
    result = session(EQUAL, "-k", "builtin")
    result.assert_outcomes(passed=1, deselected=1)
    assert session.timed == [NAME]


def test_disagreeing_medians_are_flagged(session, monkeypatch):
    """A ratio that blocks and plain pairs tell differently is not shown without saying so."""
    monkeypatch.setattr("harness.bench.paired.Duel.disagrees", property(lambda _duel: True))
    result = session(EQUAL)
    result.stdout.fnmatch_lines(["*tie*the median of all pairs disagrees: 1.000"])


def test_replay_tells_durations():
    """Differences of neighbouring readings are the durations, and nothing comes after them."""
    clock = Replay()
    clock.load([0.25, 0.5])
    assert [clock() for _ in range(4)] == [0.0, 0.25, 0.0, 0.5]
    with pytest.raises(StopIteration):
        clock()


# -- the gate ----------------------------------------------------------------------


def test_gate_fails_what_is_slower(session):
    """Control: a side that takes twice as long fails the session, though every test passed."""
    result = session(EQUAL, "--svb-fail-slower", "1.10", slower=2.0)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"FAILED {NAME.replace('[3]', '?3?')}: 2.000 * is above 1.1"])


@pytest.mark.parametrize("slower", [0.5, 1.0, 1.05])
def test_gate_passes_what_is_not(session, slower):
    """Equal, faster and slightly slower sides pass, silently."""
    result = session(EQUAL, "--svb-fail-slower", "1.10", slower=slower)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*FAILED*")
    result.stdout.no_fnmatch_line("*reaches over*")


def test_gate_names_what_is_unclear(session, monkeypatch):
    """An interval on both sides of the limit does not fail, and is said."""
    monkeypatch.setattr("harness.bench.paired.Duel.low", 1.0)
    monkeypatch.setattr("harness.bench.paired.Duel.high", 1.3)
    result = session(EQUAL, "--svb-fail-slower", "1.10", slower=1.15)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["unclear test_it.py*: 1.150 ?1.000, 1.300? reaches over 1.1"])


def test_gate_without_a_ratio_says_so(session):
    """A gate that nothing came to is no silent success."""
    result = session("def test_it():\n    pass", "--svb-fail-slower", "1.10")
    result.stdout.fnmatch_lines(["no ratio was measured, none is held against 1.1"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--benchmark-disable"], "*but --benchmark-disable times nothing: leave it out."),
        (["--benchmark-skip"], "*but --benchmark-skip times nothing: leave it out."),
        (["-p", "xdist", "-n", "2"], "*times nothing under pytest-xdist: leave out `-n`."),
        (["-p", "no:pytest_benchmark.plugin"], "*run `pip install pytest-benchmark`."),
        (["--svb-fail-slower", "0"], "*'0' is not a positive finite number*"),
        (["--svb-fail-slower", "fast"], "*'fast' is not a positive finite number*"),
    ],
)
def test_gate_that_cannot_work_is_refused(session, arguments, message):
    """A limit in a session that measures nothing, or that is no limit, ends it at once."""
    plugins = PLUGINS[2:] if "no:pytest_benchmark.plugin" in arguments else PLUGINS
    result = session(EQUAL, "--svb-fail-slower", "1.10", *arguments, plugins=plugins)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


# -- agreement before timing ---------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("lambda: 1, lambda: 2, agree=int.__eq__", "the agreement check returned False, not True."),
        ("lambda: None, lambda: None, agree=int.__eq__", "both return None, so there is nothing*"),
        ("lambda: 1, lambda: 2, agree=assert_close", "Scalars are not equal!"),
        ("lambda: 1, lambda: 1, agree=lambda a, b: 'x'", "*check returned 'x', not True."),
    ],
)
def test_functions_that_differ_are_not_timed(session, call, message):
    """Both tests fail with the reason, without an error at the end or a row."""
    source = f"""
    from torch.testing import assert_close

    def test_it(duel):
        duel({call})
    """
    result = session(source, "--benchmark-json=o.json")
    result.assert_outcomes(failed=2)
    assert session.timed == []
    result.stdout.fnmatch_lines([f"the two sides differ, so they are not timed: {message}"])
    result.stdout.no_fnmatch_line("*: 2 tests*")


def test_functions_get_the_same_fresh_input(session):
    """For the check both sides get copies of one input, so that neither sees the other's work."""
    source = """
    import random
    from harness.bench.paired import Prepared

    def first(values):
        values.append(sum(values))
        return values

    def test_it(duel):
        duel(first, first, agree=list.__eq__, fresh=lambda: [random.random()])

    def test_own_inputs(duel):
        duel(Prepared(first, lambda: [1]), first, agree=list.__eq__, fresh=lambda: [1])
    """
    session(source).assert_outcomes(passed=4)


TRAIN = """
    from dataclasses import replace
    from harness.pairs.catalogue import named
    from harness.pairs.linear import BUILTIN, SCRATCH

    CASE = replace(named(["batch-over-n"])[0], epochs=2)

    def halved(y_hat, y):
        return BUILTIN["mse"].loss(y_hat, y) / 2

    def test_it(duel):
        duel.train({subject}, BUILTIN["mse"], CASE)
"""


def test_recipes_that_agree_are_timed(session):
    """Two recipes, also of unequal conventions, are timed once the engine lets them."""
    session(TRAIN.format(subject='SCRATCH["mse"]')).assert_outcomes(passed=2)
    session(TRAIN.format(subject='SCRATCH["object"]')).assert_outcomes(passed=2)
    assert session.timed == ["test_it.py::test_it"]


def test_recipes_that_differ_are_not_timed(session):
    """Control: a wrong side is refused with the first divergence."""
    result = session(TRAIN.format(subject='replace(SCRATCH["mse"], loss=halved)'))
    result.assert_outcomes(failed=2)
    assert session.timed == []
    result.stdout.fnmatch_lines(
        ["the two sides differ, so they are not timed: batch-over-n: different loss?epoch 0 step*"]
    )


def test_what_a_side_raises_is_an_error_of_its_test(session):
    """Control: an exception is neither swallowed nor taken for a difference."""
    result = session("def test_it(duel):\n    duel(lambda: 1 / 0, int, agree=int.__eq__)")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E*ZeroDivisionError*"])


# -- sessions that time nothing --------------------------------------------------------


def test_disabled_runs_each_side_once(session):
    """Without timing each side is checked, run and reported as not timed."""
    source = """
    calls = []

    def test_it(duel):
        assert duel(lambda: calls.append("a") or 1, lambda: calls.append("b") or 1,
                    agree=int.__eq__) is None

    def test_calls():
        assert calls == ["a", "b", "a", "b"]  # the check once, then each side in its own test
    """
    result = session(source, "--benchmark-disable")
    result.assert_outcomes(passed=3)
    assert session.timed == []
    result.stdout.fnmatch_lines(["1 run once, not timed: pytest-benchmark is disabled."])


def test_disabled_still_refuses(session):
    """Control: sides that differ fail without timing too."""
    source = "def test_it(duel):\n    duel(lambda: 1, lambda: 2, agree=int.__eq__)"
    session(source, "--benchmark-disable").assert_outcomes(failed=2)


def test_benchmark_skip_and_only_see_duels(session):
    """pytest-benchmark's own selection knows a duel for a benchmark."""
    source = EQUAL + "\n    def test_other():\n        pass\n"
    session(source, "--benchmark-skip").assert_outcomes(passed=1, skipped=2)
    session(source, "--benchmark-only").assert_outcomes(passed=2, skipped=1)


def test_without_pytest_benchmark_says_what_to_install(session):
    """The fixture is there, with one sentence; other tests do not notice."""
    result = session(EQUAL + "\n    def test_other():\n        pass\n", plugins=PLUGINS[2:])
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([INSTALL])


# -- one test per case -----------------------------------------------------------------

CHECKS = """
    import dataclasses
    import pytest
    from harness import BUILTIN, SCRATCH, Case, checks
    from harness.pairs.catalogue import named

    CASES = [dataclasses.replace(case, epochs=1) for case in named(["mse-d2", "tail-batch"])]
    NOTHING = [Case("nothing", "labels are NaN", num_examples=2, bias=float("nan"))]

    def wrong(y_hat, y):
        return BUILTIN["mse"].loss(y_hat, y) * 1.01

    def raising(y_hat, y):
        raise RuntimeError("no loss today")
"""


def test_checks_pass_a_right_loss_case_by_case(session):
    """One test a case; fixtures, marks and the case itself reach the function."""
    source = """
    class TestLoss:
        @pytest.mark.parametrize("factor", [1, 1.0])
        @checks(cases=CASES)
        def test_mine(self, case, factor, tmp_path):
            assert tmp_path.exists() and case in CASES
            return dataclasses.replace(
                SCRATCH["mse"], loss=lambda y_hat, y: BUILTIN["mse"].loss(y_hat, y) * factor
            )
    """
    result = session(CHECKS + source, "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*::test_mine?mse-d2-1? PASSED*", "*::test_mine?tail-batch-1.0?*"])


def test_checks_fail_a_wrong_loss_case_by_case(session):
    """Control: each case fails with its first divergence, and with nothing else."""
    source = """
    @checks(cases=CASES)
    def test_mine():
        return dataclasses.replace(SCRATCH["mse"], loss=wrong)
    """
    result = session(CHECKS + source)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "mse-d2: different loss?epoch 0 step 0? = *, but should be * (gap *, allowed *)",
            "tail-batch: different loss?epoch 0 step 0? = *, but should be * (gap *, allowed *)",
        ]
    )
    result.stdout.no_fnmatch_line("*Error*")


@pytest.mark.parametrize(
    ("decorator", "outcome"),
    [
        ("SCRATCH['mse'], cases=CASES", {"passed": 2}),
        ("SCRATCH['mse'], BUILTIN['object'], CASES", {"passed": 2}),
        ("SCRATCH['mse'], SCRATCH['mse'], CASES", {"failed": 2}),
        ("dataclasses.replace(SCRATCH['mse'], loss=wrong), cases=CASES", {"failed": 2}),
        ("SCRATCH['mse'], cases=NOTHING", {"failed": 1}),
        ("SCRATCH['mse'], cases=NOTHING, allow=['error']", {"failed": 1}),
        ("SCRATCH['mse'], cases=NOTHING, allow=['inconclusive']", {"skipped": 1}),
        ("dataclasses.replace(SCRATCH['mse'], loss=raising), cases=CASES[:1]", {"failed": 1}),
        (
            "dataclasses.replace(SCRATCH['mse'], loss=raising), cases=CASES[:1], allow=['error']",
            {"skipped": 1},
        ),
        ("cases=CASES[:1]", {"failed": 1}),
        ("BUILTIN['mse'].loss, cases=CASES[:1]", {"failed": 1}),
    ],
)
def test_checks_never_pass_by_default(session, decorator, outcome):
    """What could not be judged fails, unless declared: then it is skipped, and never passes."""
    source = f"""
    @checks({decorator})
    def test_mine():
        pass
    """
    session(CHECKS + source).assert_outcomes(**outcome)


def test_checks_with_two_subjects_fail(session):
    """A recipe given and another returned: it is not guessed which is meant."""
    source = """
    @checks(SCRATCH["mse"], cases=CASES[:1])
    def test_mine():
        return SCRATCH["mse"]
    """
    result = session(CHECKS + source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the test returns a recipe and @checks has one: leave one out."])


def test_checks_take_every_default_case():
    """Without cases there is a test for each default one, on each device."""

    def test_mine():
        """Nothing: it is not run."""

    test: Any = checks()(test_mine)
    (mark,) = test.pytestmark
    assert {case.name for case in mark.args[1]} == {case.name for case in named()}
    assert mark.kwargs["ids"][: len(named())] == [case.name for case in named()]


@pytest.mark.parametrize("allow", [["different"], ["inconclusive", "rubbish"]])
def test_checks_refuse_to_allow_a_difference(allow):
    """A difference can not be allowed, nor what is no verdict."""
    with pytest.raises(InputError, match=r"only 'inconclusive' and 'error' can be"):
        checks(allow=allow)


def test_checks_is_public():
    """`harness.checks` is this decorator."""
    assert harness.checks is checks


def test_documented_examples_run(session):
    """What docs/pytest.md shows can be pasted into a test file."""
    page = (ROOT / "docs" / "pytest.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    result = session("\n".join(blocks))
    result.assert_outcomes(passed=6)
    assert session.timed == ["test_it.py::test_loss", "test_it.py::test_epoch"]


# -- answers ----------------------------------------------------------------------------

RIGHT_LOSS = """
import builtins
builtins.svb_imported = True

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def linreg(X, w, b):
    return X @ w

def sgd(params, lr, batch_size):
    pass
"""


def test_an_answer_is_a_test_for_each_component(session, tmp_path):
    """Right passes, wrong fails with message and hint, a stub is skipped; other tests stay."""
    answer = tmp_path / "answer.py"
    answer.write_text(RIGHT_LOSS)
    (tmp_path / "broken.py").write_text("def squared_loss(y_hat, y)\n")
    answers = ("--svb-answer", str(answer), "--svb-answer", str(tmp_path / "broken.py"))
    result = session("def test_own():\n    pass\n", "-v", "-rs", *answers)
    result.assert_outcomes(passed=2, failed=2, skipped=4)
    result.stdout.re_match_lines_random(
        [
            r".*answer.py::squared_loss PASSED.*",
            r".*answer.py::linreg FAILED.*",
            r".*answer.py::sgd SKIPPED.*",
            r".*broken.py::loading FAILED.*",
            r".*test_it.py::test_own PASSED.*",
            r"line 8: prediction\[epoch 0 step 0\] = .*, but should be .*",
            r"hint: .*",
            r"SyntaxError: broken.py is not valid Python \(line 1\): .*",
            r"SKIPPED \[\d\] .*answer.py.*: not there yet; the reference stands in",
        ]
    )
    result.stdout.no_fnmatch_line("*harness/*.py*")  # none of our frames
    assert not hasattr(builtins, "svb_imported")


def test_a_component_of_an_answer_can_be_selected(session, tmp_path):
    """An answer that is named as a path too is the only file that is collected."""
    answer = tmp_path / "answer.py"
    answer.write_text(RIGHT_LOSS)
    result = session("", str(answer), "--svb-answer", str(answer), "-k", "squared")
    result.assert_outcomes(passed=1, deselected=5)
    assert not hasattr(builtins, "svb_imported")


def test_a_missing_answer_is_a_wrong_call(session):
    result = session("", "--svb-answer", "nowhere.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--svb-answer: *nowhere.py is no file; give the path of an*"])


# -- what every pytest session pays for -------------------------------------------------


@pytest.mark.parametrize(("imported", "found"), [("harness", False), ("torch", True)])
def test_plugin_does_not_load_torch(tmp_path, monkeypatch, imported, found):
    """A session that uses nothing of it does not wait for torch; control: one that imports it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "test_trivial.py").write_text(f"import {imported}\ndef test_it():\n    pass\n")
    (tmp_path / "conftest.py").write_text(
        "import sys\ndef pytest_unconfigure():\n    print('LOADED', *sys.modules)\n"
    )
    if found:
        (tmp_path / "torch.py").touch()  # an empty one: the real one takes seconds
    command = [sys.executable, "-m", "pytest", "--collect-only", *PLUGINS, "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (loaded,) = [line.split() for line in done.stdout.splitlines() if line.startswith("LOADED")]
    assert "svb_pytest" in loaded
    assert "harness.pytest_plugin" not in loaded
    assert ("torch" in loaded) is found
    assert "numpy" not in loaded
