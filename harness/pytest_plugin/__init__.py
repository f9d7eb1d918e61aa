"""For pytest: `checks`, one test per case; `duel`, two sides timed inside pytest-benchmark; and
`--svb-answer FILE`, one test per component of an answer.

pytest loads this module in every session, so nothing here imports torch before it is used. What is
right is judged by `comparison` and `grade`, what is faster by `duel`; this module only hands both
to pytest, and the timings to pytest-benchmark, through their public hooks.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
import os

import pytest

from harness.pytest_plugin.answers import Answers
from harness.pytest_plugin.checks import checks
from harness.pytest_plugin.duels import INSTALL, Duels, NoDuels
from harness.pytest_plugin.replay import Replay

__all__ = ["INSTALL", "Answers", "Duels", "NoDuels", "Replay", "checks"]


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
