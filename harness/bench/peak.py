"""Peak memory of training runs: what a run adds at most to the memory that was in use before it.

On the CPU a process of its own trains one side after the other: Linux keeps the highest resident
size (`VmHWM` in /proc) and lets a process set it back before each run, so that nothing has to be
traced and nothing slows the run down. On CUDA it is torch's own count of allocated bytes. Where
neither is to be had the answer is None. Not for time: these runs are not the timed ones.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from harness.bench.variants import by_name
from harness.engine.case import Case, Data
from harness.engine.recipe import Recipe
from harness.pairs.linear import LinearCase

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # see proc(5): sets the peak resident size back to the current one
WARM_UP_ROWS = 2000  # trained on before, so that what is loaded and kept for good is there
SIZE = ("name", "purpose", "num_examples", "weight", "batch_size", "epochs", "seed", "dtype")
LIMIT = 600.0  # seconds that a process may take

Job = tuple[str, LinearCase]  # the name of a recipe, and what it trains on


def peaks(jobs: Sequence[Job]) -> list[int | None]:
    """Bytes that each run adds at its peak, in the order of the jobs; None where unknown.

    A job names a recipe of `variants.by_name`, and gives a case of made-up data on the CPU, of
    which only the fields in `SIZE` count; all jobs are run by one other process.
    """
    known = by_name()
    if not jobs or not STATUS.exists() or any(name not in known for name, _ in jobs):
        return [None] * len(jobs)
    request = json.dumps([[name, {key: getattr(case, key) for key in SIZE}] for name, case in jobs])
    words = [sys.executable, "-c", "from harness.bench import peak; peak.main()"]
    try:
        done = subprocess.run(  # noqa: S603 - the words are ours
            words, input=request, capture_output=True, text=True, timeout=LIMIT, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return [None] * len(jobs)
    byte_counts: list[int | None] = json.loads(done.stdout)
    return byte_counts


def main() -> None:
    """Read jobs from standard input, run them, write their peaks to standard output."""
    torch.set_num_threads(1)
    jobs = json.loads(sys.stdin.read())
    measured = []
    for name, fields in jobs:
        recipe = by_name()[name]
        case = LinearCase(**fields | {"weight": tuple(fields["weight"])})
        short = replace(case, num_examples=min(case.n, WARM_UP_ROWS))
        training(recipe, short, short.data())()
        measured.append(added(training(recipe, case, case.data())))
    json.dump(measured, sys.stdout)


def training(recipe: Recipe, case: Case, data: Data) -> Callable[[], None]:
    """A whole run of one side, its own making included."""
    return lambda: recipe.build(case, data).fit()


def added(run: Callable[[], object]) -> int | None:
    """Bytes that `run` adds at its peak to the resident size of this process."""
    gc.collect()
    _return_free_memory()
    try:
        CLEAR.write_text(RESET_PEAK)
    except OSError:
        return None
    before = _status("VmRSS")
    run()
    return max(0, _status("VmHWM") - before)


def added_on_device(run: Callable[[], object], device: str) -> int | None:
    """Bytes that `run` adds at its peak to what torch has allocated on a CUDA device."""
    if not device.startswith("cuda"):
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return max(0, torch.cuda.max_memory_allocated() - before)


def _return_free_memory() -> None:
    """Give back what the C library keeps of freed memory; it would be used again unseen."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _status(key: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024
