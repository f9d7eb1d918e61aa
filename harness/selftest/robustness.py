"""What learners really hand in, what is meant to break a grader, and ends that nobody chose.

    svb list proof tests/corpus

Put to `svb check` are the files of a corpus that a manifest speaks of: learners' own, and hostile
or broken ones. Each is judged in a worker and held against what its manifest states; afterwards no
process of theirs may be left. A class is judged by a process that is killed again and again, and
gone on with each time: no result may be lost, judged again, or come out otherwise. What is counted
here gets its floors in `proof`.

A process that an answer leaves behind is found by descent: whatever loses its parent becomes a
child of this process, which only Linux can do. Elsewhere one that left its parent is not seen.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.answers.source import MAX_NOTEBOOK
from harness.errors import InputError
from harness.grading.classroom import DATABASE
from harness.grading.grade import Grader, Submission
from harness.grading.result import Checked
from harness.isolation.confine import Limits, adopt_orphans

KILLS = 20
KILLS_A_CLASS = 5  # then it may come to its end, and another class begins
CLASS = 40  # answers, half of them right
GRACE = 5.0  # seconds for what ends by itself; what an answer leaves behind sleeps for 30
SEED = 0
SVB = (sys.executable, "-m", "harness.cli")
LIMITS = {"learners": Limits(seconds=30), "hostile": Limits(seconds=6)}

Told = Callable[[str], None]
Row = tuple[str, str]  # of the register: path, and the whole record as it was kept


# -- files with a manifest -------------------------------------------------------


@dataclass(frozen=True)
class Stated:
    """What a manifest states of an answer: the verdicts that are right, and for what it fails.

    `right` are the components that do their work, and so may pass; None where it does not say.
    `kind` is what a hostile answer tries.
    """

    name: str
    submission: Submission
    verdicts: tuple[str, ...]
    component: str | None = None
    cause: str | None = None
    right: frozenset[str] | None = None
    kind: str = ""

    @property
    def expected(self) -> str:
        """In words: "fail or error", "fail at sgd for sgd.ascends"."""
        verdicts = " or ".join(self.verdicts)
        return _at(verdicts, [(self.component, self.cause)] if self.component else [])


@dataclass(frozen=True)
class Held:
    """A judged answer held against its manifest; `forged` is what passed and may not."""

    name: str
    expected: str
    got: str
    as_stated: bool
    forged: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """What is not as stated, in a line."""
        passed = f"; {', '.join(self.forged)} passed, but may not" if self.forged else ""
        return f"{self.name} = {self.got}, but should be {self.expected}{passed}"


def _at(verdict: str, faults: Sequence[tuple[str | None, str | None]]) -> str:
    places = " and ".join(f"{component} for {cause}" for component, cause in faults)
    return f"{verdict} at {places}" if places else verdict


def stated(folder: Path) -> list[Stated]:
    """What the manifest of a folder states: its files, and those that it says how to generate.

    InputError where it cannot be read, or leaves out what is needed.
    """
    manifest = folder / "manifest.toml"
    try:
        document = tomllib.loads(manifest.read_text("utf-8"))
        answers = [(entry, Submission.of(folder / entry["path"])) for entry in document["answer"]]
        answers += [(entry, _generated(entry)) for entry in document.get("generated", [])]
        return [_stated(f"{folder.name}/{entry['path']}", entry, made) for entry, made in answers]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{manifest} cannot be used: {error}; mend it.") from error
    except KeyError as error:
        raise InputError(f"{manifest} lacks {error} in an entry; add it.") from error


def _stated(name: str, entry: dict[str, Any], submission: Submission) -> Stated:
    if "expect" not in entry:
        component, cause = entry.get("component"), entry.get("cause")
        return Stated(name, submission, (entry["verdict"],), component, cause)
    right = frozenset(entry.get("right", ()))
    return Stated(name, submission, tuple(entry["expect"]), right=right, kind=entry["kind"])


def _generated(entry: dict[str, Any]) -> Submission:
    """A file too large to keep, as far as any file is read."""
    length = min(entry["bytes"], MAX_NOTEBOOK + 1)
    head, line = entry["head"].encode(), entry["line"].encode()
    return Submission(entry["path"], (head + line * (length // len(line) + 1))[:length])


def held(statement: Stated, checked: Checked) -> Held:
    """Hold an answer against what is stated of it."""
    failed = [one for one in checked.components if one.status in ("fail", "error", "skipped")]
    faults = [(one.name, one.cause["id"] if one.cause else None) for one in failed]
    placed = statement.component is None or faults == [(statement.component, statement.cause)]
    return Held(
        statement.name,
        statement.expected,
        _at(checked.verdict, faults),
        as_stated=checked.verdict in statement.verdicts and placed,
        forged=tuple(_forged(statement, checked)),
    )


def _forged(statement: Stated, checked: Checked) -> Iterator[str]:
    """What passed and may not: components that do not do their work, or the whole."""
    if statement.right is not None:
        passed = [one.name for one in checked.components if one.status == "pass"]
        yield from (name for name in passed if name not in statement.right)
    if checked.verdict == "pass" and "pass" not in statement.verdicts:
        yield "the whole"


def judged(folder: Path, limits: Limits, progress: Told = lambda _: None) -> tuple[Held, ...]:
    """Every answer that the manifest of a folder speaks of, judged in a worker: those that start
    processes last, so that none of these has ended by itself when it is looked for.
    """
    every = sorted(stated(folder), key=lambda one: one.kind == "process")
    held_by_place: dict[int, Held] = {}
    with Grader(seed=SEED, jobs=cores(), answers=len(every), limits=limits) as grader:
        for at, checked in grader.check_all(one.submission for one in every):
            progress(every[at].name)
            held_by_place[at] = held(every[at], checked)
    return tuple(held_by_place[at] for at in sorted(held_by_place))


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


# -- processes that are left -----------------------------------------------------


@contextmanager
def overseen(grace: float = GRACE) -> Iterator[list[str]]:
    """A list that in the end holds a line for each process that was started meanwhile and goes on
    after `grace` seconds; those are then ended.
    """
    left: list[str] = []
    before = {*_below()}
    adopt_orphans()
    try:
        yield left
    finally:
        left += map(_described, _outlasting(before, grace))
        _end(before)
        adopt_orphans(adopt=False)


def _below(*, recursive: bool = True) -> list[psutil.Process]:
    return psutil.Process().children(recursive=recursive)


def _outlasting(before: set[psutil.Process], grace: float) -> list[psutil.Process]:
    """Those that still run, once there is none, or after so many seconds."""
    end = time.monotonic() + grace
    while True:
        running = [process for process in _below() if process not in before and _runs(process)]
        if not running or time.monotonic() > end:
            return running
        time.sleep(0.05)


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _described(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"process {process.pid}: {' '.join(process.cmdline())[:100] or process.name()}"
    return f"process {process.pid}"


def _end(before: set[psutil.Process], seconds: float = 5.0) -> None:
    """Kill what is left, and collect it; what it had started becomes ours, and comes next."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        mine = [process for process in _below(recursive=False) if process not in before]
        if not mine:
            return
        for process in mine:
            with suppress(psutil.Error):
                process.kill()
                process.wait(1)


# -- a class that is killed ------------------------------------------------------


@dataclass(frozen=True)
class Undisturbed:
    """What comes of a class that is let alone: verdicts by path, seconds of judging."""

    verdicts: Mapping[str, str]
    seconds: float


@dataclass(frozen=True)
class Killed:
    """What became of classes whose judge was killed.

    `kills` of the `planned` ones came on the way: after judging began, and before all was done.
    `results` is how often a result was looked for again: each after every kill that followed it,
    and all at the end. `lost` says which were not there, there twice, judged again, or otherwise.
    """

    kills: int
    planned: int
    results: int
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Siege:
    """The answers in a folder, judged by a command that is killed; `folder` keeps the registers."""

    answers: Path
    folder: Path
    command: Sequence[str] = SVB

    def undisturbed(self) -> Undisturbed:
        """Judge all of them once. InputError where that does not come to its end."""
        out = self.folder / "undisturbed"
        _, seconds, said = self._run(out, None)
        printed = _printed(out)
        if not printed:
            raise InputError(f"svb check printed no results of {self.answers}: {said[-500:]}")
        return Undisturbed(dict(printed), seconds)

    def killed(
        self, planned: int, undisturbed: Undisturbed, progress: Told = lambda _: None
    ) -> Killed:
        """Kill so often, each time at a random moment of what is left to judge."""
        chance, kills, results, lost = random.Random(planned), 0, 0, list[str]()
        for number in range(2 * planned + 2):
            if kills == planned:
                break
            progress(f"{kills} of {planned} runs killed")
            most = min(KILLS_A_CLASS, planned - kills)
            class_result = self._class(self.folder / f"class{number}", most, undisturbed, chance)
            kills, results = kills + class_result.kills, results + class_result.results
            lost += [line.removeprefix(f"{self.folder}/") for line in class_result.lost]
        return Killed(kills, planned, results, tuple(lost))

    def _class(
        self, out: Path, most: int, undisturbed: Undisturbed, chance: random.Random
    ) -> Killed:
        """One class, killed at most so often, and judged to its end."""
        whole, kills, results = len(undisturbed.verdicts), 0, 0
        before: list[Row] = []
        lost: list[str] = []
        while True:
            left = max(0, whole - len(before)) / whole
            moment = None
            if kills < most and left:  # so that the kills of a class come all along it
                even = undisturbed.seconds * left / (most - kills + 1)
                moment = chance.uniform(0, 2 * even)
            status, _, _ = self._run(out, moment)
            now = kept(out)
            results += len(before)
            lost += gone(before, now)
            if moment is None or status != -signal.SIGKILL:
                break
            kills += len(now) < whole
            before = now
        lost += otherwise(undisturbed.verdicts, [(path, _verdict(row)) for path, row in now])
        lost += otherwise(undisturbed.verdicts, _printed(out))
        return Killed(kills, most, results + whole, tuple(lost))

    def _run(self, out: Path, moment: float | None) -> tuple[int, float, str]:
        """Judge, and kill the process group after so many seconds of judging, if it still runs:
        exit status, seconds of judging, and what it said.
        """
        out.mkdir(parents=True, exist_ok=True)
        words = [*self.command, "check", str(self.answers), "--out", str(out), "--seed", str(SEED)]
        words += ["--timeout", "30", "--jobs", str(cores()), "--format", "json", "--no-progress"]
        with (out / "printed.json").open("w", encoding="utf-8") as printed:
            process = subprocess.Popen(  # noqa: S603 - this very program
                words, stdout=printed, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
            try:
                _until_it_judges(process)
                started, said = time.monotonic(), ""
                with suppress(subprocess.TimeoutExpired):
                    said = process.communicate(timeout=moment)[1]
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.communicate()
        return process.returncode, time.monotonic() - started, said


def _until_it_judges(process: subprocess.Popen[str]) -> None:
    """Wait until its warm process forks for an answer, or it has ended."""
    with suppress(psutil.Error):
        command = psutil.Process(process.pid)
        while process.poll() is None and not any(one.children() for one in command.children()):
            time.sleep(0.02)


def _printed(out: Path) -> list[tuple[str, str]]:
    """Path and verdict of each answer that was printed at the end; none where it did not come."""
    text = (out / "printed.json").read_text("utf-8")
    answers = json.loads(text)["answers"] if text else []
    return [(answer["path"], answer["verdict"]) for answer in answers]


def kept(out: Path) -> list[Row]:
    """The rows of a register by now, read in a copy: the next run has to mend what a kill left."""
    with tempfile.TemporaryDirectory() as folder:
        for file in out.glob(f"{DATABASE}*"):
            shutil.copy(file, folder)
        if not Path(folder, DATABASE).exists():
            return []
        with closing(sqlite3.connect(Path(folder, DATABASE))) as database:
            try:
                rows = database.execute("SELECT path, record, settings FROM answers").fetchall()
            except sqlite3.OperationalError:  # killed before there was a table
                return []
    if len({settings for *_, settings in rows}) > 1:
        raise InputError(f"the judge's code was changed while {out} was judged; run this again.")
    return [(path, record) for path, record, _ in rows]


def _verdict(record: str) -> str:
    return str(json.loads(record)["checked"]["verdict"])


def gone(before: Sequence[Row], now: Sequence[Row]) -> list[str]:
    """The results that are not there any more as they were, times that they took included."""
    still = {*now}
    return [f"{path} was lost or judged again" for path, row in before if (path, row) not in still]


def otherwise(verdicts: Mapping[str, str], results: Sequence[tuple[str, str]]) -> list[str]:
    """How the results of a class differ from those that it has undisturbed."""
    times, last = Counter(path for path, _ in results), dict(results)
    differences = [f"{path} is there {times[path]} times" for path in verdicts if times[path] != 1]
    differences += [f"{path} is no answer of the class" for path in last if path not in verdicts]
    return differences + [
        f"{path} = {last[path]}, but should be {verdict}"
        for path, verdict in verdicts.items()
        if last.get(path, verdict) != verdict
    ]


def mixed(corpus: Path, folder: Path, count: int = CLASS) -> Path:
    """Copy right and wrong answers of a corpus, half and half, from all over it, to a folder, side
    by side: the files of a folder within would be one answer.
    """
    right = [p for p in sorted((corpus / "valid").glob("*")) if p.suffix in (".py", ".ipynb")]
    wrong = sorted((corpus / "wrong").glob("*/*.py"))
    if not (right and wrong):
        raise InputError(f"{corpus} holds no answers; give a folder with wrong/ID/*.py and valid/.")
    for files in (right, wrong):
        for path in files[:: max(1, 2 * len(files) // count)][: count // 2]:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / "-".join(path.relative_to(corpus).parts))
    return folder


# -- all of it -------------------------------------------------------------------


@dataclass(frozen=True)
class Ordeal:
    """All that was gone through; empty where a corpus has no such folder, which `untried` tells."""

    learners: tuple[Held, ...]
    hostile: tuple[Held, ...]
    escaped: tuple[str, ...]
    killed: Killed
    untried: tuple[str, ...] = ()

    @property
    def forged(self) -> tuple[Held, ...]:
        """Hostile answers of which something passed that may not."""
        return tuple(answer for answer in self.hostile if answer.forged)

    @property
    def faults(self) -> tuple[str, ...]:
        """All that is not as it must be, in a line each."""
        answers = (*self.learners, *self.hostile)
        wrong = [one.message for one in answers if not one.as_stated or one.forged]
        return (*wrong, *self.escaped, *self.killed.lost)


def endure(
    corpus: Path, progress: Told = lambda _: None, kills: int = KILLS, command: Sequence[str] = SVB
) -> Ordeal:
    """Go through it all: learners/ and hostile/ where they have a manifest, and killed runs of a
    class from valid/ and wrong/ by `command`. InputError where a manifest is broken.
    """
    held_by_folder: dict[str, tuple[Held, ...]] = {"learners": (), "hostile": ()}
    there = [name for name in held_by_folder if (corpus / name / "manifest.toml").is_file()]
    escaped: list[str] = []
    for name in there:
        with overseen() as left:
            held_by_folder[name] = judged(corpus / name, LIMITS[name], progress)
        escaped += left
    with overseen() as left, tempfile.TemporaryDirectory() as folder:
        siege = Siege(mixed(corpus, Path(folder, "answers")), Path(folder), command)
        killed = siege.killed(kills, siege.undisturbed(), progress)
    escaped += left
    untried = tuple(f"{name}/manifest.toml" for name in held_by_folder if name not in there)
    return Ordeal(
        held_by_folder["learners"], held_by_folder["hostile"], tuple(escaped), killed, untried
    )
