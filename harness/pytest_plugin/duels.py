"""The duels of a session: measured once for both sides, written, compared, held to a limit.

What is faster is judged by `bench.paired`; timings are handed to pytest-benchmark through its
public hooks.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

from harness.pytest_plugin.fixture import DuelFixture
from harness.pytest_plugin.replay import REPLAY, SIDES, Replay, shared_name

if TYPE_CHECKING:
    from harness.bench.paired import Duel


def check_timed(config: pytest.Config, *, timed: bool) -> None:
    """UsageError where there is a limit for ratios, and this session would measure none."""
    if hindrance := _hindrance(config, timed=timed):
        message = f"--svb-fail-slower holds measured ratios against a limit, but {hindrance}."
        raise pytest.UsageError(message)


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


class Duels:
    """The duels of one session: measured once for both sides, kept, reported, held to a limit.

    `saved_torch` is what a saved run says of torch, once it has been read.
    """

    sides = SIDES

    def __init__(self, limit: float | None, saved_torch: dict[str, object]) -> None:
        self.limit, self.saved_torch = limit, saved_torch
        self.refusals: dict[str, str | None] = {}  # by the duel's name; None: the sides agree
        self.measured: dict[str, Duel] = {}  # by the duel's name
        self.untimed: set[str] = set()
        self.names: dict[str, str] = {}  # the duel's name by the id of each of its tests
        self.earlier: dict[str, dict[str, Any]] = {}  # the saved ratio by the duel's name
        self.torch: dict[str, object] = {}

    def fixture(self, item: pytest.Function, side: str, benchmark: Any) -> DuelFixture:
        """What the fixture `duel` is for a test that stands for one side."""
        return DuelFixture(self, item, side, benchmark)

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
        options = {"group": shared_name(item)} | own | {"cprofile": False}
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

    facts = describe()
    return {"version": facts["torch"], "threads": facts["threads"], "cuda": facts["cuda"]}
