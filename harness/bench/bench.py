"""What training costs by hand and built in: every piece, whole epochs, swaps, variants, the engine.

Both sides of a row are first compared by the engine; one that differs is reported and not timed.
What is timed is timed by `duel`, beside a control: a side against itself, whose interval is the
noise floor of the run. `scaling` sweeps over sizes, `report` says how a result is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from harness.bench.control import control
from harness.bench.entries import COMPONENTS, Entry, epoch
from harness.bench.paired import Duel, Plan
from harness.bench.peak import peaks
from harness.bench.timer import Row, Timer, engine_rows
from harness.bench.variants import (
    FORM,
)
from harness.engine.case import Case, devices
from harness.engine.recipe import Recipe
from harness.errors import InputError
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase
from harness.report.environment import describe
from harness.report.view import finite

SCHEMA = "svb.bench/1"
NOISY_MARGIN = 0.05  # the margin of a run whose control is no tie at the usual one


def anatomy(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Seconds of an epoch by part, for each setting and side of which every part was timed.

    What is left of the whole epoch is the loop itself; it can come out a little below zero, where
    the parts took longer alone than together.
    """
    timed = {row.entry.ident: (row.entry, row.duel) for row in rows if row.duel}
    sides = []
    for case in dict.fromkeys(entry.setting for entry, _ in timed.values()):
        idents = [f"{case.name}/components/{name}" for name in COMPONENTS]
        whole = f"{case.name}/epoch/whole epoch"
        if not all(ident in timed for ident in (*idents, whole)):
            continue
        for k in (0, 1):
            parts = {}
            for name, ident in zip(COMPONENTS, idents, strict=True):
                times = 1 if name == "data iterator" else case.total_steps
                parts[name] = _of(timed, ident).seconds[k] * times
            total = _of(timed, whole).seconds[k]
            parts["loop and the rest"] = total - sum(parts.values())
            side = (_of(timed, whole).first, _of(timed, whole).second)[k]
            sides.append({"setting": case.name, "side": side, "seconds": total, "parts": parts})
    return sides


def _of(timed: dict[str, tuple[Entry, Duel]], ident: str) -> Duel:
    return timed[ident][1]


@dataclass
class Bench:
    """Everything that a run measured: what `svb bench` prints and writes."""

    device: str
    threads: int
    seed: int
    plan: Plan
    settings: list[Case] = field(default_factory=list)
    control: Duel | None = None
    rows: list[Row] = field(default_factory=list)
    sweeps: list[dict[str, Any]] = field(default_factory=list)
    streamed: dict[str, Any] | None = None
    experiments: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """Whether the sides agree, whatever their speed: agree, different or inconclusive."""
        needed = [row for row in self.rows if not row.entry.optional]
        points = [point for sweep in self.sweeps for point in sweep["points"]]
        points += [self.streamed] if self.streamed else []
        levels = {row.agreement for row in needed} | {point["agreement"] for point in points}
        if "different" in levels:
            return "different"
        timed = any(row.duel for row in self.rows) or any(point["duel"] for point in points)
        broken = levels & {"error", "inconclusive"}
        return "agree" if (timed or self.experiments) and not broken else "inconclusive"

    @property
    def exit_status(self) -> int:
        """0 all agree, whatever the speed; 1 a side differs; 3 nothing could be timed."""
        return {"agree": 0, "different": 1}.get(self.verdict, 3)

    def to_dict(self) -> dict[str, Any]:
        """The report `svb.bench/1`."""
        report: dict[str, Any] = finite(
            {
                "schema": SCHEMA,
                "name": "bench",
                "verdict": self.verdict,
                "device": self.device,
                "threads": self.threads,
                "seed": self.seed,
                "margin": self.plan.margin,
                "settings": [
                    {"name": case.name, "purpose": case.purpose} | case.settings()
                    for case in self.settings
                ],
                "control": self.control.to_dict() if self.control else None,
                "rows": [row.to_dict() for row in self.rows],
                "anatomy": anatomy(self.rows),
                "sweeps": self.sweeps,
                "streamed": self.streamed,
                "experiments": self.experiments,
                "seconds": round(self.seconds, 1),
                "environment": describe(),
            }
        )
        return report


def plan_of(bench_plan: Plan, control_duel: Duel) -> Plan:
    """The plan with the margin of a noisy machine, where the control is no tie at the usual one."""
    if control_duel.verdict == "tie":
        return bench_plan
    return replace(bench_plan, margin=max(bench_plan.margin, NOISY_MARGIN))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for torch's own work meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_device(device: str) -> None:
    """`InputError` for a device that is not here."""
    if device not in devices():
        raise InputError(
            f"--device {device}: there is no such device here; take one of {', '.join(devices())}."
        )


def measure(
    bench: Bench,
    chosen: Sequence[Entry],
    *,
    subject: Recipe | None = None,
    reference: Recipe | None = None,
    engine: bool = True,
    deadline: float = math.inf,
    progress: Callable[[str], None] | None = None,
) -> Bench:
    """Time the chosen rows into `bench`, the control first; then the memory of whole epochs.

    `progress` is called with what comes next. Raises nothing that a side raises.
    """
    say = progress or (lambda _: None)
    say("control")
    bench.control = control(bench.plan, bench.device)
    bench.plan = plan_of(bench.plan, bench.control)
    timer = Timer(reference or BUILTIN[FORM], bench.device, bench.plan, deadline)
    for entry in chosen:
        say(entry.ident)
        bench.rows.append(timer.row(entry))
    if engine:
        say("engine")
        bench.rows += engine_rows(timer, subject or SCRATCH[FORM])
    bench.settings = list(dict.fromkeys(row.entry.setting for row in bench.rows))
    if bench.device == "cpu":
        say("memory")
        _memory(bench.rows)
    return bench


def _memory(rows: Sequence[Row]) -> None:
    """Fill in what whole epochs add to the memory at their peak, in a process of its own."""
    fitting = [
        (row, case)
        for row in rows
        if row.duel and row.entry.make is epoch and not row.entry.first.bulky
        # the other process knows the recipes of linear regression by their names
        if row.entry.group != "engine" and isinstance(case := row.entry.setting, LinearCase)
    ]
    jobs = [
        (variant.name, case)
        for row, case in fitting
        for variant in (row.entry.first, row.entry.second)
    ]
    once = list(dict.fromkeys(jobs))
    peak_by_job = dict(zip(once, peaks(once), strict=True))
    for (row, _), *pair in zip(fitting, jobs[::2], jobs[1::2], strict=True):
        row.memory = [peak_by_job[job] for job in pair]
