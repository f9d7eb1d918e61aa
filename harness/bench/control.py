"""A side against itself, alone and beside busy loops: the noise floor of the machine."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from harness.bench.entries import epoch, setting
from harness.bench.paired import Duel, Plan, duel
from harness.bench.variants import (
    FORM,
)
from harness.pairs.linear import SCRATCH

CONTROL = setting("control", 240, 2, 10)  # an epoch of about 1.3 ms


def control(plan: Plan, device: str = "cpu") -> Duel:
    """A side against itself: its interval is the noise floor of the machine as it is now."""
    case = CONTROL.on(device)
    data = case.data()
    sides = (epoch(SCRATCH[FORM], case, data) for _ in range(2))
    synchronise = torch.cuda.synchronize if device.startswith("cuda") else None
    return duel(
        *sides, name="control", names=("scratch", "scratch"), plan=plan, synchronise=synchronise
    )


def control_experiment(
    count: int, plan: Plan, busy: int = 0, progress: Callable[[], None] | None = None
) -> dict[str, Any]:
    """So many controls, with `busy` endless loops beside them: how often a verdict is false."""
    duels = []
    with busy_loops(busy):
        for _ in range(count):
            duels.append(control(plan))
            if progress:
                progress()
    verdicts = [each.verdict for each in duels]
    logs = [math.log(each.ratio) for each in duels]
    return {
        "experiments": count,
        "busy": busy,
        "margin": plan.margin,
        "false": verdicts.count("faster") + verdicts.count("slower"),
        **{name: verdicts.count(name) for name in ("tie", "unclear", "faster", "slower")},
        "sd_log_ratio": statistics.pstdev(logs),
        "widest": max(max(-math.log(each.low), math.log(each.high)) for each in duels),
        "ratios": [each.ratio for each in duels],
        "load": duels[-1].load[1],
    }


@contextmanager
def busy_loops(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many processes that do nothing but keep a core busy."""
    words = [sys.executable, "-c", "while True: pass"]
    running = []
    with ExitStack() as stack:
        for _ in range(count):
            running.append(stack.enter_context(subprocess.Popen(words)))  # noqa: S603 - ours
            stack.callback(running[-1].kill)
        yield running
