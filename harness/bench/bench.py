"""What training costs by hand and built in: every piece, whole epochs, swaps, variants, the engine.

Both sides of a row are first compared by the engine; one that differs is reported and not timed.
What is timed is timed by `duel`, beside a control: a side against itself, whose interval is the
noise floor of the run. `scaling` sweeps over sizes, `bench_view` says how a result is shown.
"""

from __future__ import annotations

import itertools
import math
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import partial
from typing import Any

import torch
from torch import Tensor

from harness.bench.paired import Duel, Plan, Prepared, duel
from harness.bench.peak import added_on_device, peaks, training
from harness.bench.variants import (
    BY_HAND,
    FORM,
    ITERATORS,
    OPTIONS,
    PIECES,
    Variant,
    short_name,
    swaps,
)
from harness.engine.case import Data, devices
from harness.engine.comparison import CaseComparison
from harness.engine.recipe import Batch, Recipe, Side
from harness.engine.trace import chunk_steps
from harness.errors import InputError
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase
from harness.report.environment import describe
from harness.report.view import finite, one_line, spaced

SCHEMA = "svb.bench/1"
NOISY_MARGIN = 0.05  # the margin of a run whose control is no tie at the usual one
FORCED_ROWS = 1000  # rows of data up to which the pieces are judged one by one as well
SOUND = ("identical", "rounding", "convention")  # levels at which a side may be timed
_ORDER = (*SOUND, "inconclusive", "error", "different")
ENGINE_EPOCHS = 5  # so that what the engine does once for a run weighs as it does in one
EVENTS = 10  # samples timed by device events, beside the wall clock
REASON = 200  # characters of a reason why something could not be run

Timed = Prepared | Callable[[], object]
Maker = Callable[[Recipe, LinearCase, Data], Timed]


def setting(name: str, n: int, d: int, batch_size: int, **more: Any) -> LinearCase:
    """One epoch of so many rows, features and rows a batch."""
    return LinearCase(
        name,
        f"n = {spaced(n)}, d = {d}, batch {batch_size}",
        num_examples=n,
        weight=(0.5,) * d,
        batch_size=batch_size,
        epochs=1,
        **more,
    )


SETTINGS = (
    setting("small", 1000, 2, 10),
    setting("medium", 100_000, 32, 256),
    setting("large", 1_000_000, 32, 1024),
)
ONLY_BY_NAME = ("large",)  # takes minutes
CONTROL = setting("control", 240, 2, 10)  # an epoch of about 1.3 ms


# -- the pieces, made ready to be timed ----------------------------------------


def _batches(case: LinearCase, data: Data) -> Iterator[Batch]:
    """Batches without end, every one a new copy, in equal order for all who ask."""
    generator = torch.Generator().manual_seed(case.seed)
    loader = SCRATCH[FORM].batches(data.features, data.labels, case.batch_size, generator)
    return itertools.chain.from_iterable(itertools.repeat(loader))


def iterator(recipe: Recipe, case: LinearCase, data: Data) -> Timed:
    """An epoch of batches, served and dropped; the order is a new one each time."""
    generator = torch.Generator().manual_seed(case.seed)
    loader = recipe.batches(data.features, data.labels, case.batch_size, generator)
    return lambda: deque(loader, maxlen=0)


def forward(recipe: Recipe, case: LinearCase, data: Data) -> Timed:
    """A prediction, with its graph."""
    side, batches = recipe.build(case, data), _batches(case, data)
    return Prepared(side.forward, lambda: next(batches)[0])


def loss(recipe: Recipe, case: LinearCase, data: Data) -> Timed:
    """The loss of a prediction, with its graph."""
    side, batches = recipe.build(case, data), _batches(case, data)

    def fresh() -> Batch:
        X, y = next(batches)
        return side.forward(X).detach().requires_grad_(), y

    return Prepared(lambda batch: side.loss(*batch), fresh)


def backward(recipe: Recipe, case: LinearCase, data: Data) -> Timed:
    """Old gradients forgotten, new ones computed from a loss with its graph."""
    side, batches = recipe.build(case, data), _batches(case, data)

    def call(value: Tensor) -> None:
        side.zero_grad()
        value.backward()

    return Prepared(call, lambda: side.training_step(next(batches)))


def update(recipe: Recipe, case: LinearCase, data: Data) -> Timed:
    """Gradients put in place, and the parameters updated from them."""
    side = recipe.build(case, data)
    generator = torch.Generator(data.features.device).manual_seed(case.seed)

    def fresh() -> list[Tensor]:
        return [
            torch.empty_like(leaf).normal_(generator=generator).detach()
            for leaf in side.parameters()
        ]

    def call(gradients: list[Tensor]) -> None:
        for leaf, gradient in zip(side.parameters(), gradients, strict=True):
            leaf.grad = gradient
        side.step()

    return Prepared(call, fresh)


def step(recipe: Recipe, case: LinearCase, data: Data) -> Timed:
    """A whole step on a batch that is there already: the same iterator for both sides."""
    side, batches = recipe.build(case, data), _batches(case, data)
    return Prepared(side.stepper(), lambda: next(batches))


def epoch(recipe: Recipe, case: LinearCase, data: Data) -> Timed:
    """A whole epoch by the side's own loop, from the initial parameters; made outside the time."""
    return Prepared(Side.fit, lambda: recipe.build(case, data))


COMPONENTS: dict[str, tuple[Maker, str]] = {  # with the stage that says whether it agrees
    "data iterator": (iterator, "batch"),
    "forward": (forward, "prediction"),
    "loss": (loss, "loss"),
    "backward": (backward, "gradient"),
    "update": (update, "parameter"),
}


# -- what is to be timed -------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A row to be: two variants on a setting, and which part of them is timed.

    `stage` is the one whose agreement counts, all of them where it is None. `optional` rows are
    those that a machine may be unable to run.
    """

    setting: LinearCase
    group: str
    name: str
    first: Variant
    second: Variant
    make: Maker = epoch
    stage: str | None = None
    optional: bool = False

    @property
    def ident(self) -> str:
        """What `--only` matches: setting/group/name."""
        return f"{self.setting.name}/{self.group}/{self.name}"

    def chosen(self, only: Sequence[str]) -> bool:
        """Whether it is named, by a pattern on its ident or by one of its three parts."""
        parts = (self.setting.name, self.group, self.name, self.ident)
        if not only:
            return self.setting.name not in ONLY_BY_NAME
        return any(fnmatch(part, pattern) for pattern in only for part in parts)


def plain(recipe: Recipe) -> Variant:
    """A recipe that is timed as it is compared."""
    return Variant(recipe, recipe)


def entries(case: LinearCase, subject: Recipe, reference: Recipe) -> list[Entry]:
    """All rows of a setting; beyond the small one only those that tell something new there."""
    mine, theirs = plain(subject), plain(reference)
    found = [
        Entry(case, "components", name, mine, theirs, make, stage)
        for name, (make, stage) in COMPONENTS.items()
    ]
    found += [
        Entry(case, "components", "step", mine, theirs, step),
        Entry(case, "epoch", "whole epoch", mine, theirs),
    ]
    for base, other in ((theirs, subject), (mine, reference)):
        found += [
            Entry(case, f"into {short_name(base.recipe)}", piece, variant, base)
            for piece, variant in zip(PIECES, swaps(base.recipe, other), strict=True)
        ]
    found += [
        Entry(
            case,
            "iterators",
            name,
            plain(replace(reference, name=name, batches=batches)),
            theirs,
            iterator,
            "batch",
        )
        for name, batches in ITERATORS.items()
        if batches is not subject.batches
    ]
    found += [Entry(case, "by hand", variant.name, variant, theirs) for variant in BY_HAND]
    found += [Entry(case, "options", v.name, v, theirs, optional=True) for v in OPTIONS]
    return [entry for entry in found if case.name == "small" or _telling(entry)]


def _telling(entry: Entry) -> bool:
    """What is worth its time on much data: with the step's own cost gone, the iterator is left."""
    if entry.group in ("components", "epoch"):
        return True
    telling = ("data iterator", "permute once", "closed", "BatchSampler")
    return entry.group != "options" and any(word in entry.name for word in telling)


# -- timing --------------------------------------------------------------------


@dataclass
class Row:
    """A row of the report: agreement first, then the duel, or why there is none."""

    entry: Entry
    agreement: str
    why: str = ""
    found: Duel | None = None
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
            "first": self.found.first if self.found else short_name(entry.first.recipe),
            "second": self.found.second if self.found else short_name(entry.second.recipe),
            "agreement": self.agreement,
            "why": self.why,
            "note": self.note,
            "memory": self.memory,
            "device_seconds": self.device_seconds,
            "duel": self.found.to_dict() if self.found else None,
        }


class Timer:
    """Compares and times entries on one device; keeps what several entries have in common."""

    def __init__(
        self, reference: Recipe, device: str, plan: Plan, deadline: float = math.inf
    ) -> None:
        self.reference, self.device, self.plan, self.deadline = reference, device, plan, deadline
        self.cuda = device.startswith("cuda")
        self.synchronise = torch.cuda.synchronize if self.cuda else None
        self._data: tuple[LinearCase, Data] | None = None
        self._compared: dict[tuple[str, str], CaseComparison] = {}

    def data(self, case: LinearCase) -> Data:
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
        found = [
            self.comparison(entry.setting, variant.recipe)
            for variant in (entry.first, entry.second)
            if variant.recipe is not self.reference
        ]
        told = [(level_of(comparison, entry.stage), comparison.why) for comparison in found]
        level, why = max(told, key=lambda pair: _ORDER.index(pair[0]))
        sound = level in SOUND
        return level, "" if sound else f"not timed: {one_line(why or level)[:REASON]}"

    def comparison(self, case: LinearCase, recipe: Recipe) -> CaseComparison:
        """The recipe held against the reference on a case, once."""
        key = case.name, recipe.name
        if key not in self._compared:
            # piece by piece too where that is quick; the free run alone judges the whole
            comparison = CaseComparison(
                case, recipe, self.reference, forced_pass=case.n <= FORCED_ROWS
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
        row.found = self.duel(row.entry)
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


# -- what the engine itself costs ----------------------------------------------


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
            row.found = duel(
                partial(_judged, case, data, subject, timer.reference, forced_pass),
                partial(_bare, case, data, subject, timer.reference),
                name=entry.ident,
                names=("recorded and judged", "two bare runs"),
                plan=timer.plan,
                synchronise=timer.synchronise,
            )
            row.note = _by_chunk(row.found, case)
        rows.append(row)
    return rows


def _judged(
    case: LinearCase, data: Data, subject: Recipe, reference: Recipe, forced_pass: bool
) -> None:
    CaseComparison(case, subject, reference, forced_pass=forced_pass).judge(data)


def _bare(case: LinearCase, data: Data, subject: Recipe, reference: Recipe) -> None:
    for recipe in (subject, reference):
        recipe.build(case, data).fit()


def _by_chunk(found: Duel, case: LinearCase) -> str:
    """What the engine adds, for a step and for a chunk."""
    first, second = found.seconds
    added = (first - second) / case.total_steps
    steps = chunk_steps(min(case.batch_size, case.n), case.d + 3, case.num_parameters)
    return (
        f"adds {added * 1e6:.0f} µs to a step of both sides, {added * steps * 1e3:.1f} ms to a "
        f"chunk of {steps} steps"
    )


# -- where an epoch goes -------------------------------------------------------


def anatomy(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Seconds of an epoch by part, for each setting and side of which every part was timed.

    What is left of the whole epoch is the loop itself; it can come out a little below zero, where
    the parts took longer alone than together.
    """
    timed = {row.entry.ident: (row.entry, row.found) for row in rows if row.found}
    found = []
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
            found.append({"setting": case.name, "side": side, "seconds": total, "parts": parts})
    return found


def _of(timed: dict[str, tuple[Entry, Duel]], ident: str) -> Duel:
    return timed[ident][1]


# -- the control ---------------------------------------------------------------


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
    found = []
    with busy_loops(busy):
        for _ in range(count):
            found.append(control(plan))
            if progress:
                progress()
    verdicts = [each.verdict for each in found]
    logs = [math.log(each.ratio) for each in found]
    return {
        "experiments": count,
        "busy": busy,
        "margin": plan.margin,
        "false": verdicts.count("faster") + verdicts.count("slower"),
        **{name: verdicts.count(name) for name in ("tie", "unclear", "faster", "slower")},
        "sd_log_ratio": statistics.pstdev(logs),
        "widest": max(max(-math.log(each.low), math.log(each.high)) for each in found),
        "ratios": [each.ratio for each in found],
        "load": found[-1].load[1],
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


# -- a whole run ---------------------------------------------------------------


@dataclass
class Bench:
    """Everything that a run measured: what `svb bench` prints and writes."""

    device: str
    threads: int
    seed: int
    plan: Plan
    settings: list[LinearCase] = field(default_factory=list)
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
        timed = any(row.found for row in self.rows) or any(point["duel"] for point in points)
        broken = levels & {"error", "inconclusive"}
        return "agree" if (timed or self.experiments) and not broken else "inconclusive"

    @property
    def exit_status(self) -> int:
        """0 all agree, whatever the speed; 1 a side differs; 3 nothing could be timed."""
        return {"agree": 0, "different": 1}.get(self.verdict, 3)

    def to_dict(self) -> dict[str, Any]:
        """The report `svb.bench/1`."""
        found: dict[str, Any] = finite(
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
        return found


def plan_of(bench_plan: Plan, found: Duel) -> Plan:
    """The plan with the margin of a noisy machine, where the control is no tie at the usual one."""
    if found.verdict == "tie":
        return bench_plan
    return replace(bench_plan, margin=max(bench_plan.margin, NOISY_MARGIN))


def select(
    subject: Recipe, reference: Recipe, device: str, seed: int, only: Sequence[str], *, quick: bool
) -> list[Entry]:
    """The rows that are asked for; `InputError` where a pattern names none."""
    cases = [replace(case, device=device, seed=seed) for case in SETTINGS]
    every = [entry for case in cases for entry in entries(case, subject, reference)]
    for pattern in only:
        if not any(entry.chosen([pattern]) for entry in every) and pattern != "engine":
            groups = ", ".join(dict.fromkeys(entry.group for entry in every))
            raise InputError(
                f"--only {pattern}: no row is called that; take a setting "
                f"({', '.join(case.name for case in cases)}), a group ({groups}, engine), a row, "
                "or a pattern such as 'medium/*/*iterator*'."
            )
    found = sorted((entry for entry in every if entry.chosen(only)), key=_rank)
    return [e for e in found if e.setting.name == "small" and not e.first.bulky] if quick else found


def _rank(entry: Entry) -> int:
    """What is timed first, where time may run out: the sides themselves, the options last."""
    order = ("components", "epoch", "by hand", "into", "iterators", "options")
    return next(k for k, group in enumerate(order) if entry.group.startswith(group))


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
    fitting = [row for row in rows if row.found and row.entry.make is epoch]
    fitting = [r for r in fitting if r.entry.group != "engine" and not r.entry.first.bulky]
    jobs = [
        (variant.name, row.entry.setting)
        for row in fitting
        for variant in (row.entry.first, row.entry.second)
    ]
    once = list(dict.fromkeys(jobs))
    told = dict(zip(once, peaks(once), strict=True))
    for row, *pair in zip(fitting, jobs[::2], jobs[1::2], strict=True):
        row.memory = [told[job] for job in pair]
