"""What pytest loads in every session: options and fixtures, and nothing behind them before use.

`harness.pytest_plugin`, which does the work, is imported where `--svb-answer`, `--svb-fail-slower`
or the fixture `duel` is used. A project with a package `harness` of its own is told so then, in one
sentence, and else never notices.
"""

from __future__ import annotations

import argparse
import contextlib
import math
from typing import TYPE_CHECKING, Any

import pytest

from svb_command import other_harness

if TYPE_CHECKING:
    from harness.pytest_plugin.duels import Duels
    from harness.pytest_plugin.fixture import DuelFixture

INSTALL = "the `duel` fixture times through pytest-benchmark: run `pip install pytest-benchmark`."


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
    """Offer `duel`, by way of pytest-benchmark where that is loaded; load what an option needs."""
    timed = hasattr(config.option, "benchmark_disable")
    fixture = TimedDuels(config) if timed else UntimedDuels()
    config.pluginmanager.register(fixture, "svb-fixture")
    for option in ("svb_answer", "svb_fail_slower"):
        other = other_harness() if config.getoption(option) else None
        if other:
            raise pytest.UsageError(_in_the_way(other, f"--{option.replace('_', '-')}"))
    if config.getoption("svb_fail_slower"):
        from harness.pytest_plugin.duels import check_timed

        check_timed(config, timed=timed)
        fixture.load()
    if config.getoption("svb_answer"):
        from harness.pytest_plugin.answers import Answers

        config.pluginmanager.register(Answers(config), "svb-answers")


def _in_the_way(other: str, asked: str) -> str:
    """What keeps what was asked for from being done."""
    return f"{other} comes before the package 'harness' that {asked} needs: rename it."


class UntimedDuels:
    """The fixture where pytest-benchmark is not loaded."""

    def load(self) -> None:
        """Nothing: there is nothing to be measured by."""

    @pytest.fixture
    def duel(self) -> None:
        """Paired timing of two sides, which needs pytest-benchmark."""
        pytest.fail(INSTALL, pytrace=False)


class TimedDuels:
    """The fixture; the session's duels, and what they hook into, come with the first test of it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.duels: Duels | None = None
        self.saved_torch: dict[str, object] = {}

    def load(self) -> Duels | None:
        """The session's duels, whose hooks pytest calls from now on; None where they are hidden."""
        if self.duels is None and not other_harness():
            from harness.pytest_plugin.duels import Duels

            self.duels = Duels(self.config.getoption("svb_fail_slower"), self.saved_torch)
            self.config.pluginmanager.register(self.duels, "svb-duels")
        return self.duels

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Two tests of one, next to each other because this comes after the test's own."""
        if "svb_side" in metafunc.fixturenames:
            duels = self.load()
            metafunc.parametrize("svb_side", duels.sides if duels else ("none",), indirect=True)

    @pytest.fixture
    def svb_side(self, request: pytest.FixtureRequest) -> str:
        """Which side of the duel this test stands for in pytest-benchmark's table."""
        if self.duels is None:
            pytest.fail(_in_the_way(str(other_harness()), "the fixture `duel`"), pytrace=False)
        side: str = request.param
        return side

    @pytest.fixture
    def duel(self, request: pytest.FixtureRequest, svb_side: str, benchmark: Any) -> DuelFixture:
        """Paired timing of two sides that agree; both are rows of pytest-benchmark's table.

        `duel(first, second, agree=torch.testing.assert_close)` times two functions,
        `duel.train(SCRATCH["mse"], BUILTIN["mse"], case)` two recipes.
        """
        assert self.duels is not None
        return self.duels.fixture(request.node, svb_side, benchmark)

    @pytest.hookimpl(tryfirst=True)
    def pytest_benchmark_compare_machine_info(
        self, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
    ) -> None:
        """Put off comparing torch: this is called before a test has set its threads or device."""
        machine_info.pop("torch", None)
        saved = compared_benchmark["machine_info"].get("torch")
        if saved:
            machine_info["torch"] = saved
            self.saved_torch.update(saved)
