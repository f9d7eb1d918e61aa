"""Two sides compared, then timed: rows, and what the engine itself costs."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from harness.bench.entries import Entry, Timed, epoch, plain, setting
from harness.bench.paired import Duel, Plan, Prepared, duel
from harness.bench.peak import added_on_device, training
from harness.bench.variants import (
    short_name,
)
from harness.engine.case import Case, Data
from harness.engine.case_comparison import CaseComparison
from harness.engine.recipe import Recipe
from harness.engine.recorder import chunk_steps
from harness.report.view import one_line

FORCED_ROWS = 1000  # rows of data up to which the pieces are judged one by one as well
SOUND = ("identical", "rounding", "convention")  # levels at which a side may be timed
_ORDER = (*SOUND, "inconclusive", "error", "different")
ENGINE_EPOCHS = 5  # so that what the engine does once for a run weighs as it does in one
EVENTS = 10  # samples timed by device events, beside the wall clock
REASON = 200  # characters of a reason why something could not be run


@dataclass
class Row:
    """A row of the report: agreement first, then the duel, or why there is none."""

    entry: Entry
    agreement: str
    why: str = ""
    duel: Duel | None = None
    memory: list[int | None] = field(default_factory=lambda: [None, None])
    device_seconds: list[float] | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The row as plain values."""
        entry = self.entry
        return {
            "id": entry.ident,
            "setting": entry.setting.name,
            "group": entry.group,
            "name": entry.name,
            "piece_of": entry.piece_of,
            "first": self.duel.first if self.duel else short_name(entry.first.recipe),
            "second": self.duel.second if self.duel else short_name(entry.second.recipe),
            "agreement": self.agreement,
            "why": self.why,
            "note": self.note,
            "memory": self.memory,
            "device_seconds": self.device_seconds,
            "duel": self.duel.to_dict() if self.duel else None,
        }


class Timer:
    """Compares and times entries on one device; keeps what several entries have in common."""

    def __init__(
        self, reference: Recipe, device: str, plan: Plan, deadline: float = math.inf
    ) -> None:
        self.reference, self.device, self.plan, self.deadline = reference, device, plan, deadline
        self.cuda = device.startswith("cuda")
        self.synchronise = torch.cuda.synchronize if self.cuda else None
        self._data: tuple[Case, Data] | None = None
        self._compared: dict[tuple[str, str], CaseComparison] = {}

    def data(self, case: Case) -> Data:
        """The data of a case; those of the last one are kept."""
        if self._data is None or self._data[0] != case:
            self._data = case, case.data()
        return self._data[1]

    def row(self, entry: Entry) -> Row:
        """Compare, then time; whatever cannot be run says so."""
        if time.monotonic() > self.deadline:
            return Row(entry, "not compared", "not timed: the time allowed was used up")
        agreement, why = self.agreement(entry)
        row = Row(entry, agreement, why, note=entry.first.note)
        if not why:
            try:
                self._time(row)
            except Exception as error:  # noqa: BLE001 - an option may fail in any way it likes
                row.why = f"could not be run: {_said(error)}"
        return row

    def agreement(self, entry: Entry) -> tuple[str, str]:
        """The level at which both sides agree, and why it is not timed where it is not."""
        comparisons = [
            self.comparison(entry.setting, variant.recipe)
            for variant in (entry.first, entry.second)
            if variant.recipe is not self.reference_of(entry.setting)
        ]
        levels = [(level_of(comparison, entry.stage), comparison.why) for comparison in comparisons]
        level, why = max(levels, key=lambda pair: _ORDER.index(pair[0]))
        sound = level in SOUND
        return level, "" if sound else f"not timed: {one_line(why or level)[:REASON]}"

    def reference_of(self, case: Case) -> Recipe:
        """What a setting is held against: of another pair than the reference's, its built-in."""
        own = self.reference.pair in (None, case.pair)
        return self.reference if own else case.pair.reference(case)

    def comparison(self, case: Case, recipe: Recipe) -> CaseComparison:
        """The recipe held against the reference on a case, once."""
        key = case.name, recipe.name
        if key not in self._compared:
            # piece by piece too where that is quick; the free run alone judges the whole
            comparison = CaseComparison(
                case, recipe, self.reference_of(case), forced_pass=case.n <= FORCED_ROWS
            )
            self._compared[key] = comparison.judge(self.data(case))
        return self._compared[key]

    def duel(self, entry: Entry) -> Duel:
        """Both sides of the entry, timed in pairs."""
        return duel(
            *self._sides(entry),
            name=entry.ident,
            names=(short_name(entry.first.recipe), short_name(entry.second.recipe)),
            plan=self.plan,
            synchronise=self.synchronise,
        )

    def _sides(self, entry: Entry) -> tuple[Timed, Timed]:
        data = self.data(entry.setting)
        first, second = (
            entry.make(variant.timed, entry.setting, data)
            for variant in (entry.first, entry.second)
        )
        return first, second

    def _time(self, row: Row) -> None:
        row.duel = self.duel(row.entry)
        if not self.cuda:
            return
        row.device_seconds = [device_seconds(side) for side in self._sides(row.entry)]
        if row.entry.make is epoch:
            row.memory = [
                added_on_device(
                    training(v.timed, row.entry.setting, self.data(row.entry.setting)), self.device
                )
                for v in (row.entry.first, row.entry.second)
            ]


def device_seconds(side: Timed) -> float:
    """Seconds of a call between two events on the CUDA stream: what the device itself was busy."""
    spent: list[float] = []
    for _ in range(EVENTS):
        call = partial(side.call, side.fresh()) if isinstance(side, Prepared) else side
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        spent.append(start.elapsed_time(end) / 1000)
    return min(spent)


def level_of(comparison: CaseComparison, stage: str | None) -> str:
    """The verdict of a comparison, or of one of its stages; an error is one of all stages."""
    if stage is None or comparison.verdict == "error":
        return comparison.verdict
    level = str(comparison.stages[stage]["level"])
    return level if level in _ORDER else "inconclusive"


def _said(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {error}")[:REASON]


def engine_rows(timer: Timer, subject: Recipe) -> list[Row]:
    """Recording and judging, without and with the forced pass, over the same two bare runs."""
    case = replace(setting("engine", 1000, 2, 10), epochs=ENGINE_EPOCHS, device=timer.device)
    case = replace(case, purpose=f"{case.purpose}, {case.epochs} epochs")
    if time.monotonic() > timer.deadline:
        return []
    data, rows = timer.data(case), []
    sides = plain(subject), plain(timer.reference)
    for name, forced_pass in (("free run", False), ("free and forced run", True)):
        entry = Entry(case, "engine", name, *sides)
        agreement, why = timer.agreement(entry)
        row = Row(entry, agreement, why)
        if not why:
            row.duel = duel(
                partial(_judged, case, data, subject, timer.reference, forced_pass),
                partial(_bare, case, data, subject, timer.reference),
                name=entry.ident,
                names=("recorded and judged", "two bare runs"),
                plan=timer.plan,
                synchronise=timer.synchronise,
            )
            row.note = _by_chunk(row.duel, case)
        rows.append(row)
    return rows


def _judged(case: Case, data: Data, subject: Recipe, reference: Recipe, forced_pass: bool) -> None:
    CaseComparison(case, subject, reference, forced_pass=forced_pass).judge(data)


def _bare(case: Case, data: Data, subject: Recipe, reference: Recipe) -> None:
    for recipe in (subject, reference):
        recipe.build(case, data).fit()


def _by_chunk(match: Duel, case: Case) -> str:
    """What the engine adds, for a step and for a chunk."""
    first, second = match.seconds
    added = (first - second) / case.total_steps
    steps = chunk_steps(min(case.batch_size, case.n), case.d + 3, case.num_parameters)
    return (
        f"adds {added * 1e6:.0f} µs to a step of both sides, {added * steps * 1e3:.1f} ms to a "
        f"chunk of {steps} steps"
    )
