"""For pytest: `checks`, one test per case; `duel`, two sides timed inside pytest-benchmark; and
`--svb-answer FILE`, one test per component of an answer.

pytest loads this module in every session, so nothing here imports torch before it is used. What is
right is judged by `comparison` and `grade`, what is faster by `duel`; this module only hands both
to pytest, and the timings to pytest-benchmark, through their public hooks.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import inspect
import math
import os
import secrets
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.bench.paired import Duel, Plan, Prepared
    from harness.engine.case import Case
    from harness.engine.comparison import CaseComparison
    from harness.engine.recipe import Recipe
    from harness.grading.grade import Grader
    from harness.grading.result import Judged

    Timed = Callable[..., object] | Prepared

SIDES = ("scratch", "builtin")
INSTALL = "the `duel` fixture times through pytest-benchmark: run `pip install pytest-benchmark`."
FAILING = ("fail", "error", "inconclusive")
AGREEING = ("identical", "rounding", "convention")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, all of which begin with `--svb-`."""
    group = parser.getgroup("svb", "scratch against built-in")
    group.addoption(
        "--svb-fail-slower",
        metavar="RATIO",
        type=_positive,
        help="fail the session when the whole interval of a duel's ratio lies above RATIO (1.10: "
        "more than 10 %% slower); an interval that reaches over RATIO does not fail, but is named",
    )

    group.addoption(
        "--svb-answer",
        metavar="FILE",
        action="append",
        default=[],
        help="also collect an answer file (.py or .ipynb), one test for each of its components, "
        "run in a process of its own as by `svb check`; may be given several times",
    )


def _positive(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive finite number")


def pytest_configure(config: pytest.Config) -> None:
    """Offer `duel`, by way of pytest-benchmark where that is loaded."""
    timed = hasattr(config.option, "benchmark_disable")
    limit = config.getoption("svb_fail_slower")
    hindrance = _hindrance(config, timed=timed)
    if limit is not None and hindrance:
        message = f"--svb-fail-slower holds measured ratios against a limit, but {hindrance}."
        raise pytest.UsageError(message)
    config.pluginmanager.register(Duels(limit) if timed else NoDuels(), "svb-duels")
    if config.getoption("svb_answer"):
        config.pluginmanager.register(Answers(config), "svb-answers")


def _hindrance(config: pytest.Config, *, timed: bool) -> str | None:
    """Why this session would measure nothing; None where it measures."""
    option = functools.partial(config.getoption, default=False)
    if not timed:
        return "pytest-benchmark is not loaded: run `pip install pytest-benchmark`"
    if config.getoption("dist", "no") != "no" or "PYTEST_XDIST_WORKER" in os.environ:
        return "pytest-benchmark times nothing under pytest-xdist: leave out `-n`"
    if option("benchmark_disable") and not option("benchmark_enable"):
        return "--benchmark-disable times nothing: leave it out"
    if option("benchmark_skip") and not option("benchmark_only"):
        return "--benchmark-skip times nothing: leave it out"
    return None


class Answers:
    """The answer files of one session: each is checked when it is collected, in a worker."""

    def __init__(self, config: pytest.Config) -> None:
        here = config.invocation_params.dir
        self.paths = [(here / name).resolve() for name in config.getoption("svb_answer")]
        for path in self.paths:
            if not path.is_file():
                message = f"--svb-answer: {path} is no file; give the path of an answer file."
                raise pytest.UsageError(message)
        config.args += map(str, self.paths)  # so that ids and selections are those of any file
        self._ended = contextlib.ExitStack()

    @functools.cached_property
    def grader(self) -> Grader:
        """The grader of all answers, warm once it is asked for."""
        from harness.grading.grade import Grader

        return self._ended.enter_context(Grader(seed=secrets.randbelow(1 << 31)))

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        """Take answers out of the hands of all others, who would import them into this process."""
        others = yield
        if file_path not in self.paths:
            return others
        return [AnswerFile.from_parent(parent, path=file_path, answers=self)]

    def pytest_collection_finish(self) -> None:
        """End the worker: all is judged by now."""
        self._ended.close()

    def pytest_unconfigure(self) -> None:
        """The same where the collection was broken off."""
        self._ended.close()


class AnswerFile(pytest.File):
    """An answer: a test for each component, and one that fails where the file does not run."""

    def __init__(self, *, answers: Answers, **settings: Any) -> None:
        super().__init__(**settings)
        self.answers = answers

    def collect(self) -> Iterator[pytest.Item]:
        """Check the file, and make a test of each thing found."""
        from harness.grading.grade import Submission

        checked = self.answers.grader.check(Submission.of(self.path))
        seed = f"(seed {self.answers.grader.seed})"
        if checked.error:
            message, line = str(checked.error["message"]), checked.error["line"]
            said = f"{checked.error['type']}: {message}\n{seed}"
            yield ComponentTest.from_parent(
                self, name="loading", status="error", said=said, line=line
            )
        for one in checked.components:
            said = _in_words(one, seed)
            yield ComponentTest.from_parent(
                self, name=one.name, status=one.status, said=said, line=one.line
            )


def _in_words(one: Judged, seed: str) -> str:
    """What was found out about a component; where it is wrong, also what helps."""
    if one.status not in FAILING:
        return one.message
    where = f"line {one.line}: " if one.line else ""
    helps = [f"hint: {one.hint}"] if one.hint else []
    return "\n".join([f"{where}{one.message}", *helps, seed])


class ComponentTest(pytest.Item):
    """One component of an answer, judged already."""

    def __init__(self, *, status: str, said: str, line: int | None, **settings: Any) -> None:
        super().__init__(**settings)
        self.status, self.said, self.line = status, said, line
        if status != "pass" and status not in FAILING:
            self.add_marker(pytest.mark.skip(reason=said))

    def runtest(self) -> None:
        """Pass, or fail with what was found and a hint."""
        if self.status in FAILING:
            pytest.fail(self.said, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The component's own line in the answer, counted from 0; its first where it has none."""
        return self.path, (self.line or 1) - 1, self.name


class NoDuels:
    """What stands in for `Duels` where pytest-benchmark is not loaded."""

    @pytest.fixture
    def duel(self) -> None:
        """Paired timing of two sides, which needs pytest-benchmark."""
        pytest.fail(INSTALL, pytrace=False)


class Replay:
    """A clock that tells recorded durations: 0, then the first of them, 0, then the second."""

    def __init__(self) -> None:
        self._ticks: Iterator[float] = iter(())

    def load(self, durations: Sequence[float]) -> None:
        """Take the durations, in seconds, that are to be told."""
        self._ticks = chain.from_iterable((0.0, duration) for duration in durations)

    def __call__(self) -> float:
        """The next reading, in seconds."""
        return next(self._ticks)

    def __str__(self) -> str:
        return "replay of paired samples"  # what pytest-benchmark's JSON names as the timer


REPLAY = pytest.StashKey[Replay]()


class Duels:
    """The duels of one session: measured once for both sides, kept, reported, held to a limit."""

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.refusals: dict[str, str | None] = {}  # by the duel's name; None: the sides agree
        self.measured: dict[str, Duel] = {}  # by the duel's name
        self.untimed: set[str] = set()
        self.names: dict[str, str] = {}  # the duel's name by the id of each of its tests
        self.earlier: dict[str, dict[str, Any]] = {}  # the saved ratio by the duel's name
        self.torch: dict[str, object] = {}
        self.saved_torch: dict[str, object] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Two tests of one, next to each other because this comes after the test's own."""
        if "svb_side" in metafunc.fixturenames:
            metafunc.parametrize("svb_side", SIDES, indirect=True)

    @pytest.fixture
    def svb_side(self, request: pytest.FixtureRequest) -> str:
        """Which side of the duel this test stands for in pytest-benchmark's table."""
        side: str = request.param
        return side

    @pytest.fixture
    def duel(self, request: pytest.FixtureRequest, svb_side: str, benchmark: Any) -> DuelFixture:
        """Paired timing of two sides that agree; both are rows of pytest-benchmark's table.

        `duel(first, second, agree=torch.testing.assert_close)` times two functions,
        `duel.train(SCRATCH["mse"], BUILTIN["mse"], case)` two recipes.
        """
        return DuelFixture(self, request.node, svb_side, benchmark)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Give pytest-benchmark the clock that replays, beside what the test's own marker says."""
        if "svb_side" not in getattr(item, "fixturenames", ()):
            return
        assert isinstance(item, pytest.Function)
        marker = item.get_closest_marker("benchmark")  # the only one that pytest-benchmark reads
        own = dict(marker.kwargs) if marker else {}
        if "timer" in own:
            message = "a duel has its own clock: take `timer` out of the benchmark marker."
            raise pytest.UsageError(message)
        item.stash[REPLAY] = Replay()
        # cprofile: what it would profile is the replay
        options = {"group": _shared_name(item)} | own | {"cprofile": False}
        item.add_marker(pytest.mark.benchmark(**options, timer=item.stash[REPLAY]), append=False)

    def refusal(self, name: str, differ: Callable[[], str | None]) -> str | None:
        """How the sides of the duel of this name differ, found out now where it was not before."""
        if name not in self.refusals:
            self.refusals[name] = differ()
        return self.refusals[name]

    def measure(self, name: str, measure: Callable[[], Duel]) -> Duel:
        """The duel of this name, measured now where neither side has been."""
        if name not in self.measured:
            self.torch = self.torch or _torch_facts()
            self.measured[name] = measure()
        return self.measured[name]

    # What pytest-benchmark writes and compares.

    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Ratio, interval and verdict into each entry's stats; the raw pairs beside them."""
        for entry in output_json["benchmarks"]:
            name = self.names.get(entry["fullname"])
            if name:
                entry["stats"] |= _stats(self.measured[name])
        if self.measured:
            output_json["comparisons"] = [duel.to_dict() for duel in self.measured.values()]

    def pytest_benchmark_update_machine_info(self, machine_info: dict[str, Any]) -> None:
        """Torch's version, threads and device, where anything was measured."""
        if self.torch:
            machine_info["torch"] = self.torch

    @pytest.hookimpl(tryfirst=True)
    def pytest_benchmark_compare_machine_info(
        self, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
    ) -> None:
        """Put off comparing torch: this is called before a test has set its threads or device."""
        machine_info.pop("torch", None)
        saved = compared_benchmark["machine_info"].get("torch")
        if saved:
            machine_info["torch"] = self.saved_torch = saved

    @pytest.hookimpl(tryfirst=True)
    def pytest_benchmark_group_stats(self, benchmarks: list[dict[str, Any]]) -> None:
        """Look up the ratios of the saved run; the grouping is left to others."""
        for entry in benchmarks:
            name = self.names.get(entry["fullname"])
            if name and entry["path"] and "ratio" in entry:
                self.earlier[name] = entry

    # What the session says and how it ends.

    def above(self) -> list[Duel]:
        """The duels whose whole interval lies above the limit."""
        return [duel for duel in self.measured.values() if self.limit and duel.low > self.limit]

    def undecided(self) -> list[Duel]:
        """The duels whose interval reaches over the limit."""
        return [
            duel
            for duel in self.measured.values()
            if self.limit and duel.low <= self.limit < duel.high
        ]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a session that went well so far, where a ratio is above the limit."""
        if self.above() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, None, None]:
        """The ratios, below the tables; also where pytest-benchmark ends with a regression."""
        try:
            return (yield)
        finally:
            self._write(terminalreporter)

    def _write(self, terminal: pytest.TerminalReporter) -> None:
        if not (self.measured or self.untimed or self.limit):
            return
        terminal.section(f"svb: ratios {SIDES[0]} / {SIDES[1]}, below 1 is faster", sep="-")
        for line in self._ratio_lines():
            terminal.line(line)
        if self.untimed:
            terminal.line(
                f"{len(self.untimed)} run once, not timed: pytest-benchmark is disabled.",
                yellow=True,
            )
        if self.saved_torch and self.torch and self.torch != self.saved_torch:
            terminal.line(f"torch differs: {self.torch} now, {self.saved_torch} saved", yellow=True)
        if self.limit:
            self._write_limit(terminal, self.limit)

    def _ratio_lines(self) -> list[str]:
        width = max(map(len, self.measured), default=0)
        lines = []
        for name, duel in self.measured.items():
            line = f"{name:{width}}  {_interval(_stats(duel))}  {duel.verdict:7}"
            if duel.disagrees:
                line += f"  the median of all pairs disagrees: {duel.median_of_ratios:.3f}"
            if name in self.earlier:
                earlier = self.earlier[name]
                line += f"  was {_interval(earlier)} in {earlier['source']}"
            lines.append(line.rstrip())
        return lines

    def _write_limit(self, terminal: pytest.TerminalReporter, limit: float) -> None:
        for duel in self.above():
            ratio = _interval(_stats(duel))
            terminal.line(f"FAILED {duel.name}: {ratio} is above {limit:g}", red=True)
        for duel in self.undecided():
            ratio = _interval(_stats(duel))
            terminal.line(f"unclear {duel.name}: {ratio} reaches over {limit:g}", yellow=True)
        if not self.measured:
            terminal.line(f"no ratio was measured, none is held against {limit:g}", yellow=True)


def _stats(duel: Duel) -> dict[str, object]:
    """What goes into both entries of a duel, and what `--benchmark-compare` reads back."""
    return {
        "ratio": duel.ratio,
        "ratio_low": duel.low,
        "ratio_high": duel.high,
        "verdict": duel.verdict,
        "margin": duel.margin,
    }


def _interval(stats: dict[str, Any]) -> str:
    return "{ratio:.3f} [{ratio_low:.3f}, {ratio_high:.3f}]".format_map(stats)


def _torch_facts() -> dict[str, object]:
    from harness.report.environment import describe

    found = describe()
    return {"version": found["torch"], "threads": found["threads"], "cuda": found["cuda"]}


def _shared_name(item: pytest.Function) -> str:
    """The id of the test without its side."""
    words = item.callspec.id.split("-")[::-1]
    words.remove(str(item.callspec.params["svb_side"]))  # the last one: others may look like it
    rest = f"[{'-'.join(words[::-1])}]" if words else ""
    return item.nodeid.removesuffix(f"[{item.callspec.id}]") + rest


class DuelFixture:
    """One side's view of a duel: checks and times both sides, unless the other's test has."""

    def __init__(self, duels: Duels, item: pytest.Function, side: str, benchmark: Any) -> None:
        self.duels, self.item, self.benchmark = duels, item, benchmark
        self.side = SIDES.index(side)
        self.name = _shared_name(item)

    def __call__(
        self,
        first: Timed,
        second: Timed,
        *,
        agree: Callable[[Any, Any], object],
        fresh: Callable[[], object] | None = None,
        synchronise: Callable[[], None] | None = None,
        plan: Plan | None = None,
    ) -> Duel | None:
        """Time two functions in pairs, after `agree` was asked of what they return.

        `agree(first's, second's)` raises AssertionError, or returns something other than True or
        None, where they differ (`torch.testing.assert_close`, `torch.equal`). `fresh`,
        `synchronise` and `plan` are those of `paired.duel`; for the check both sides get
        copies of one fresh input. Returns None where pytest-benchmark is disabled: then this side
        runs once. A pair that differs fails the test and is not timed.
        """

        def differ() -> str | None:
            return _differ(*_results(first, second, fresh), agree)

        return self.judged(
            _given(first, fresh),
            _given(second, fresh),
            differ,
            synchronise=synchronise,
            plan=plan,
        )

    def train(
        self, subject: Recipe, reference: Recipe, case: Case, *, plan: Plan | None = None
    ) -> Duel | None:
        """Time the training of two recipes on a case, from its initial values to its last epoch.

        Both train on the same rows in the same number of steps, the reference with the learning
        rate that reconciles the conventions; what is built anew for each run is not timed. A pair
        that `compare` does not find in agreement fails the test and is not timed. Returns as the
        call does.
        """
        import torch

        from harness.bench.paired import Prepared
        from harness.engine.lockstep import reference_lr
        from harness.engine.recipe import Side

        data = case.data()
        lr = reference_lr(subject, reference, case)
        sides = (
            Prepared(Side.fit, functools.partial(subject.build, case, data)),
            Prepared(Side.fit, functools.partial(reference.build, case, data, lr=lr)),
        )
        synchronise = torch.cuda.synchronize if case.device.startswith("cuda") else None

        def differ() -> str | None:
            return _fault(_judged(subject, reference, case))

        return self.judged(*sides, differ, synchronise=synchronise, plan=plan)

    def judged(
        self,
        first: Timed,
        second: Timed,
        differ: Callable[[], str | None],
        *,
        synchronise: Callable[[], None] | None = None,
        plan: Plan | None = None,
    ) -> Duel | None:
        """Time two sides that are held against each other elsewhere.

        `differ()` says how they differ, and None where they do not; it is asked once for both
        tests. Returns as the call does.
        """
        from harness.bench.paired import duel

        duels, name = self.duels, self.name
        measure = functools.partial(
            duel, first, second, name=name, names=SIDES, plan=plan, synchronise=synchronise
        )
        with self._noticed():
            if refusal := duels.refusal(name, differ):
                message = f"the two sides differ, so they are not timed: {refusal}"
                pytest.fail(message, pytrace=False)
            found = duels.measure(name, measure) if self.benchmark.enabled else None
        if found is None:
            duels.untimed.add(name)
            self.benchmark(_once, (first, second)[self.side])
        else:
            self._replay(found)
        return found

    @contextlib.contextmanager
    def _noticed(self) -> Iterator[None]:
        """Fail inside pytest-benchmark too, which else warns that its fixture was not used."""
        try:
            yield
        except BaseException:
            self.item.stash[REPLAY].load([0.0])
            with contextlib.suppress(UntimedError):
                self.benchmark.pedantic(_untimed)
            raise

    def _replay(self, duel: Duel) -> None:
        """Tell pytest-benchmark this side's samples as if they were taken now."""
        calls = duel.calls[self.side]
        samples = [pair[self.side] * calls for pair in duel.pairs]
        self.duels.names[self.item.nodeid] = self.name
        self.item.stash[REPLAY].load(samples)
        self.benchmark.pedantic(_nothing, rounds=len(samples), iterations=calls)


class UntimedError(Exception):
    """A test ended before there was anything to time."""


def _untimed() -> None:
    raise UntimedError


def _nothing() -> None:
    """What pytest-benchmark calls while it is told the samples."""


def _once(side: Timed) -> object:
    from harness.bench.paired import Prepared

    return side.call(side.fresh()) if isinstance(side, Prepared) else side()


def _results(
    first: Timed,
    second: Timed,
    fresh: Callable[[], object] | None,
) -> tuple[object, object]:
    """What each side returns; from copies of one input where `fresh` makes it."""
    if fresh:
        fresh = functools.partial(copy.deepcopy, fresh())  # a side may write to what it is given
    return _once(_given(first, fresh)), _once(_given(second, fresh))


def _given(side: Timed, fresh: Callable[[], object] | None) -> Timed:
    """The side with its inputs: `fresh` makes them where it brings none."""
    from harness.bench.paired import Prepared

    return side if fresh is None or isinstance(side, Prepared) else Prepared(side, fresh)


def _differ(first: object, second: object, agree: Callable[[Any, Any], object]) -> str | None:
    """How the results differ; None where `agree` says that they do not."""
    if first is None and second is None:
        return "both return None, so there is nothing to compare; return what was computed."
    try:
        answer = agree(first, second)
    except AssertionError as error:
        return str(error) or "the agreement check raised AssertionError."
    if answer is None or answer is True:
        return None
    return f"the agreement check returned {answer!r}, not True."


def _judged(subject: Recipe, reference: Recipe | None, case: Case) -> CaseComparison:
    """One case compared; what cannot be compared fails the test with its sentence."""
    from harness.engine.comparison import compare
    from harness.errors import InputError

    try:
        return compare(subject, reference, [case]).cases[0]
    except InputError as error:
        pytest.fail(str(error), pytrace=False)


def _fault(judged: CaseComparison) -> str | None:
    """Why a judged case is no pass; None where it is one."""
    if judged.verdict in AGREEING:
        return None
    return f"{judged.case.name}: {judged.verdict} {judged.why}"


def checks(
    subject: Recipe | None = None,
    reference: Recipe | None = None,
    cases: Sequence[Case] | None = None,
    *,
    allow: Collection[str] = (),
) -> Callable[[Callable[..., Recipe | None]], Callable[..., None]]:
    """Make a function that returns a recipe into one test per case, judged by `harness.compare`.

    The function's own arguments are fixtures; `case` is the case, where it asks for it. `subject`
    is judged where the function returns None. Without a `reference` each case takes its form's
    built-in side, without `cases` the default ones run on every device. A test passes where the
    sides agree and fails with the first divergence. It fails on `inconclusive` and `error` too,
    unless `allow` names them: then it is skipped with the reason, because nothing was shown.

    Raises InputError for an `allow` that cannot be allowed.
    """
    from harness.engine.case import devices, named
    from harness.errors import InputError

    if wrong := sorted(set(allow) - {"inconclusive", "error"}):
        raise InputError(
            f"checks: allow names {', '.join(wrong)}; only 'inconclusive' and 'error' can be."
        )
    if cases is None:
        cases = [case.on(device) for device in devices() for case in named()]

    def decorate(function: Callable[..., Recipe | None]) -> Callable[..., None]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def test(*args: object, case: Case, **fixtures: object) -> None:
            if "case" in signature.parameters:
                fixtures["case"] = case
            _check(_subject(function(*args, **fixtures), subject), reference, case, allow)

        test.__signature__ = _asking_for_case(signature)  # type: ignore[attr-defined]
        ids = [c.name if c.device == "cpu" else f"{c.name}-{c.device}" for c in cases]
        decorated: Callable[..., None] = pytest.mark.parametrize("case", cases, ids=ids)(test)
        return decorated

    return decorate


def _asking_for_case(signature: inspect.Signature) -> inspect.Signature:
    """The same signature with a `case` that pytest fills in."""
    own = [p for name, p in signature.parameters.items() if name != "case"]
    return inspect.Signature([*own, inspect.Parameter("case", inspect.Parameter.KEYWORD_ONLY)])


def _subject(returned: object, given: Recipe | None) -> Recipe:
    """The recipe to judge: what the function returned, or what the decorator was given."""
    from harness.engine.recipe import Recipe

    if returned is not None and given is not None:
        pytest.fail("the test returns a recipe and @checks has one: leave one out.", pytrace=False)
    found = given if returned is None else returned
    if not isinstance(found, Recipe):
        pytest.fail(
            f"the test returned {found!r}; return a Recipe, such as "
            "dataclasses.replace(SCRATCH['mse'], loss=my_loss).",
            pytrace=False,
        )
    return found


def _check(subject: Recipe, reference: Recipe | None, case: Case, allow: Collection[str]) -> None:
    judged = _judged(subject, reference, case)
    fault = _fault(judged)
    if fault and judged.verdict in allow:
        pytest.skip(fault)
    if fault:
        pytest.fail(fault, pytrace=False)
