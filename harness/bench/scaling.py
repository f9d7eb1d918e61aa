"""How cost grows with the rows, the features and the batch; and a whole run of `svb bench`.

A sweep times two recipes at one size after the other, comparing them at each before, and stops
when its share of the time allowed is used up. `stream` trains on rows in a memory-mapped file that
is larger than the memory the process may take. Memory is that of `peak`.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.bench.bench import Bench, check_device, measure, threads
from harness.bench.control import control_experiment
from harness.bench.entries import Entry, Maker, epoch, iterator, plain, select, setting
from harness.bench.paired import Plan, Prepared, duel
from harness.bench.peak import peaks
from harness.bench.timer import SOUND, Timer
from harness.bench.variants import FORM, PermutedOnce, Variant, short_name
from harness.engine.case_comparison import CaseComparison
from harness.engine.recipe import Recipe, Side
from harness.errors import InputError
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase, LinearData

JUDGED_ROWS = 100_000  # of a file that is streamed
ROW_SECONDS = 100.0  # after which no row begins, unless a budget says otherwise or rows are named
SWEEP_SECONDS = 120.0  # that all sweeps may take together, unless the budget says less
QUICK = Plan(pairs=30, seconds=1.5, fewest=6, doubled=False)


@dataclass(frozen=True)
class Sweep:
    """Two variants over growing sizes: `cases` are named by the size, from cheap to dear."""

    name: str
    over: str
    first: Variant
    second: Variant
    cases: tuple[LinearCase, ...]
    make: Maker = epoch

    def size(self, case: LinearCase) -> int:
        """The size of a case along this sweep."""
        return {"n": case.n, "d": case.d, "batch": case.batch_size}[self.over]


def sweeps(subject: Recipe, reference: Recipe, device: str, seed: int) -> list[Sweep]:
    """Over rows, features and batch for whole epochs; over rows for two ways to serve them."""

    def case(n: int, d: int, batch: int) -> LinearCase:
        return replace(setting(f"{n}x{d}b{batch}", n, d, batch), device=device, seed=seed)

    mine, theirs = plain(subject), plain(reference)
    once = plain(replace(subject, name="permute once, split", batches=PermutedOnce))
    decades = [m * 10**k for k in range(2, 6) for m in (1, 3)]
    return [
        Sweep(
            "whole epoch over the rows, d = 2, batch 10",
            *("n", mine, theirs),
            tuple(case(n, 2, 10) for n in decades if n <= 100_000),
        ),
        Sweep(
            "whole epoch over the features, n = 2000, batch 64",
            *("d", mine, theirs),
            tuple(case(2000, d, 64) for d in (1, 4, 16, 64, 256, 1024, 4096)),
        ),
        Sweep(
            "whole epoch over the batch, n = 10 000, d = 2",
            *("batch", mine, theirs),
            tuple(case(10_000, 2, batch) for batch in (10_000, 3000, 1000, 300, 100, 30, 10, 3)),
        ),
        Sweep(
            "serving an epoch: permuted once, or picked by batch, d = 32, batch 1024",
            *("n", once, mine),
            tuple(case(n, 32, 1024) for n in (*decades[2:], 1_000_000, 3_000_000)),
            iterator,
        ),
    ]


def run(
    sweep: Sweep, reference: Recipe, device: str, seconds: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """Time every size that the seconds suffice for; the rest says that they did not."""
    timer = Timer(reference, device, QUICK, time.monotonic() + seconds)
    points: list[dict[str, Any]] = []
    spent, last = 0.0, None
    for case in sweep.cases:
        say(f"{sweep.name}: {sweep.over} = {sweep.size(case)}")
        if last is not None and spent * _growth(last, case) > timer.deadline - time.monotonic():
            timer.deadline = -math.inf
        started = time.monotonic()
        entry = Entry(
            case,
            "sweep",
            sweep.name,
            sweep.first,
            sweep.second,
            sweep.make,
            "batch" if sweep.make is iterator else None,
        )
        row = timer.row(entry).to_dict()
        row["x"] = sweep.size(case)
        points.append(row)
        spent, last = time.monotonic() - started, case
    points.sort(key=lambda point: int(point["x"]))
    if sweep.make is epoch and device == "cpu":
        _add_memory(sweep, points)
    return {
        "name": sweep.name,
        "over": sweep.over,
        "first": short_name(sweep.first.timed),
        "second": short_name(sweep.second.timed),
        "points": points,
        "crossover": crossover(points),
    }


def _growth(last: LinearCase, case: LinearCase) -> float:
    """How many times longer the next size takes, about: as its rows, else a little."""
    return max(1.5, case.n / last.n)


def _add_memory(sweep: Sweep, points: list[dict[str, Any]]) -> None:
    cases = {sweep.size(case): case for case in sweep.cases}
    timed = [point for point in points if point["duel"]]
    names = (sweep.first.timed.name, sweep.second.timed.name)
    added = peaks([(name, cases[point["x"]]) for point in timed for name in names])
    for point, *pair in zip(timed, added[::2], added[1::2], strict=True):
        point["memory"] = pair


def crossover(points: Sequence[dict[str, Any]]) -> float | None:
    """The size at which both take equally long, on a line in log-log; None where none is certain.

    Certain means: faster at one size and slower at the next that is decided, or the other way.
    """
    decided = [
        (math.log(point["x"]), math.log(point["duel"]["ratio"]))
        for point in points
        if point["duel"] and point["duel"]["verdict"] in ("faster", "slower")
    ]
    for (x0, y0), (x1, y1) in pairwise(decided):
        if y0 * y1 < 0:
            return math.exp(x0 - y0 * (x1 - x0) / (y1 - y0))
    return None


# -- rows from a file that is larger than the memory ---------------------------


def stream(rows: int, d: int, memory: int, seed: int, batch_size: int = 1024) -> dict[str, Any]:
    """One epoch of both sides over a memory-mapped file of float32, in a process of its own.

    The process may take `memory` bytes besides the file's own pages, which the system can drop at
    any time: `InputError` unless the file, rows · (d + 1) · 4 bytes, is larger. Two pairs, for
    each takes minutes at ten million rows; what comes out is a point of a sweep.
    """
    size = rows * (d + 1) * 4
    if size <= memory:
        raise InputError(
            f"--stream {rows}: its file of {size / 2**20:.0f} MiB is no larger than the "
            f"{memory / 2**20:.0f} MiB of memory; take more rows."
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.f32"
        _write(path, rows, d, seed)
        settings = {"path": str(path), "rows": rows, "d": d, "memory": memory, "batch": batch_size}
        level, why = _agreement(*_streamed(settings))
        point: dict[str, Any] = {**settings, "file": size, "agreement": level, "why": why}
        del point["path"]
        if why:
            return {**point, "gap": None, "duel": None}
        done = subprocess.run(
            [sys.executable, "-c", "from harness.bench import scaling; scaling.streamed_main()"],
            input=json.dumps(settings),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        return {**point, "duel": None, "agreement": "error", "why": last}
    return {**point, **json.loads(done.stdout)}


def _streamed(settings: dict[str, Any]) -> tuple[LinearCase, LinearData]:
    """The case of a stream, and its rows: a mapping of the file, of which nothing is read yet."""
    rows, d = settings["rows"], settings["d"]
    table = torch.from_file(
        settings["path"], shared=True, size=rows * (d + 1), dtype=torch.float32
    ).reshape(rows, d + 1)
    start = (torch.zeros(d), torch.zeros(1))
    case = setting("stream", rows, d, settings["batch"])
    return case, LinearData(table[:, :-1], table[:, -1:], start, None)


def _write(path: Path, rows: int, d: int, seed: int) -> None:
    """Features and label of each row, drawn and written a piece at a time."""
    generator = np.random.default_rng(seed)
    table = np.memmap(path, np.float32, "w+", shape=(rows, d + 1))
    for start in range(0, rows, 65536):
        part = generator.standard_normal((min(65536, rows - start), d + 1), np.float32)
        part[:, -1] = 0.5 * part[:, :-1].sum(1) + 4.2 + 0.01 * part[:, -1]
        table[start : start + len(part)] = part
    table.flush()


def streamed_main() -> None:
    """Read what to do from standard input, limit this process's memory, time both sides.

    That both agree is judged before, in another process: what judging leaves behind in the
    allocator would count here as memory that the training takes.
    """
    import resource  # Unix only, as the limit is

    settings = json.loads(sys.stdin.read())
    torch.set_num_threads(1)
    case, data = _streamed(settings)
    # RLIMIT_DATA counts what a process allocates, and leaves out pages of a shared file mapping
    resource.setrlimit(resource.RLIMIT_DATA, (settings["memory"], settings["memory"]))
    trained: dict[int, Side] = {}

    def side(at: int, recipe: Recipe) -> Prepared:
        def fresh() -> Side:
            trained[at] = recipe.build(case, data)
            return trained[at]

        return Prepared(Side.fit, fresh)

    plan = Plan(pairs=2, fewest=2, warmups=1, doubled=False)
    sides = [side(at, recipe) for at, recipe in enumerate((SCRATCH[FORM], BUILTIN[FORM]))]
    timed = duel(*sides, name="stream", plan=plan).to_dict()
    ends = [
        torch.cat([p.detach().flatten() for p in each.parameters()]) for each in trained.values()
    ]
    json.dump({"gap": float((ends[0] - ends[1]).abs().max()), "duel": timed}, sys.stdout)


def _agreement(case: LinearCase, data: LinearData) -> tuple[str, str]:
    """What the engine says of the first rows; a record of all of them would not fit."""
    first = replace(case, num_examples=min(case.n, JUDGED_ROWS))
    part = replace(data, features=data.features[: first.n], labels=data.labels[: first.n])
    comparison = CaseComparison(first, SCRATCH[FORM], BUILTIN[FORM], forced_pass=False).judge(part)
    return comparison.verdict, "" if comparison.verdict in SOUND else comparison.why or ""


# -- a whole run ---------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """What a run of `svb bench` is asked for; `budget` is in seconds, `memory` in MiB."""

    quick: bool = False
    only: tuple[str, ...] = ()
    sweep: bool = False
    stream: int | None = None
    memory: int = 1024
    aa: int | None = None
    busy: int | None = None
    budget: float | None = None
    pairs: int | None = None
    seed: int = 0
    threads: int = 1
    device: str = "cpu"

    @classmethod
    def of(cls, source: object) -> Wanted:
        """What the attributes of an object ask for; `InputError` for what makes no sense."""
        values = {each.name: getattr(source, each.name) for each in fields(cls)}
        request = cls(**values | {"only": tuple(values["only"])})
        for name, least in (("pairs", 2), ("threads", 1), ("aa", 1), ("busy", 1), ("memory", 1)):
            value = getattr(request, name)
            if value is not None and value < least:
                raise InputError(f"--{name} is {value}; it must be at least {least}.")
        if request.budget is not None and not 0 < request.budget < math.inf:
            raise InputError(
                f"--budget is {request.budget}; it must be a positive number of seconds."
            )
        if request.busy and not request.aa:
            raise InputError("--busy puts loops beside an A/A experiment; ask for one with --aa N.")
        check_device(request.device)
        return request

    @property
    def rows(self) -> bool:
        """Whether rows are timed: unless something else is asked for, or where some are named."""
        return bool(self.only) or not (self.sweep or self.stream or self.aa)

    @property
    def engine(self) -> bool:
        """Whether the engine's own cost is timed."""
        return "engine" in self.only if self.only else not self.quick

    @property
    def plan(self) -> Plan:
        """How much is timed."""
        plan = Plan(pairs=30, seconds=1.5, fewest=10) if self.quick else Plan(seconds=3.0)
        return replace(plan, pairs=self.pairs) if self.pairs else plan


def run_all(
    request: Wanted,
    say: Callable[[str], None],
    subject: Recipe = SCRATCH[FORM],
    reference: Recipe = BUILTIN[FORM],
) -> Bench:
    """Do all that is wanted; `say` is told what comes next.

    Raises `InputError` for a row that there is not, before anything is run.
    """
    started = time.monotonic()
    bench = Bench(request.device, request.threads, request.seed, request.plan)
    chosen = select(
        subject, reference, request.device, request.seed, request.only, quick=request.quick
    )
    usual = math.inf if request.only or not request.rows else ROW_SECONDS
    deadline = started + (request.budget or usual)
    with threads(request.threads):
        measure(
            bench,
            chosen if request.rows else [],
            subject=subject,
            reference=reference,
            engine=request.rows and request.engine,
            deadline=deadline,
            progress=say,
        )
        if request.sweep:
            bench.sweeps = _all_sweeps(request, subject, reference, deadline, say)
        if request.stream:
            say(f"streaming {request.stream} rows")
            bench.streamed = stream(request.stream, 32, request.memory * 2**20, request.seed)
        bench.experiments = list(_experiments(request, say))
    bench.seconds = time.monotonic() - started
    return bench


def _all_sweeps(
    request: Wanted,
    subject: Recipe,
    reference: Recipe,
    deadline: float,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Every sweep, with an equal share of the time that is left."""
    left = sweeps(subject, reference, request.device, request.seed)
    deadline = min(deadline, time.monotonic() + SWEEP_SECONDS)
    results = []
    while left:
        share = (deadline - time.monotonic()) / len(left)
        results.append(run(left.pop(0), reference, request.device, share, say))
    return results


def _experiments(request: Wanted, say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The A/A experiment, on its own and, where that is asked for, beside busy loops."""
    for busy in (0, request.busy) if request.busy else (0,):
        if request.aa:
            say(f"A/A, {request.aa} duels, {busy} busy loops")
            yield control_experiment(request.aa, request.plan, busy)
