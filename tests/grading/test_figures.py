"""What checking answers costs: run with `-m bench -s`, on a quiet machine with two cores.

A class of 500 is judged by `svb check --out` while it is watched from outside: how many results its
register holds by then, and how much memory its process has. Every second answer of it is wrong.
"""

import itertools
import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
import pytest

from harness.grading.classroom import DATABASE
from harness.grading.grade import Grader, Submission

pytestmark = pytest.mark.bench

CORPUS = Path(__file__).parents[1] / "corpus"
CLASS = 500
PER_SECOND = 20
COLD_RATIO, COLD_SECONDS = 1.5, 0.5
FLAT_MIB = 8
RUNS = 7


def chosen(count):
    """Return files of the corpus, right and wrong by turns, as many of each."""
    kinds = [sorted((CORPUS / kind).rglob("*.py")) for kind in ("valid", "wrong")]
    order = random.Random(count)
    for files in kinds:
        order.shuffle(files)
    by_turns = itertools.chain.from_iterable(zip(*map(itertools.cycle, kinds), strict=False))
    return list(itertools.islice(by_turns, count))


@dataclass
class Watched:
    """A run that was watched: (seconds, results kept, MiB of the process) again and again."""

    seconds: float
    samples: list[tuple[float, int, float]]

    @property
    def per_second(self) -> float:
        """Answers a second between the first result and the last."""
        begun = next(sample for sample in self.samples if sample[1])
        ended = next(sample for sample in self.samples if sample[1] == CLASS)
        return (ended[1] - begun[1]) / (ended[0] - begun[0])


def kept(file):
    """Return how many results a register holds."""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            return database.execute("SELECT count(*) FROM answers").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Judge a class, no two of whose files are the same."""
    folder = tmp_path_factory.mktemp("class")
    for number, path in enumerate(chosen(CLASS)):
        text = path.read_text("utf-8")
        (folder / f"{number:03d}.py").write_text(f"{text}\n# student {number}\n", "utf-8")
    out = tmp_path_factory.mktemp("out")
    words = [sys.executable, "-m", "harness.cli", "check", str(folder), "--out", str(out)]
    started, samples = time.perf_counter(), []
    with psutil.Popen([*words, "--no-progress", "--exit-zero"], stdout=-3, stderr=-3) as running:
        while running.poll() is None:
            count = kept(out / DATABASE)
            memory = running.memory_info().rss / 2**20
            samples.append((time.perf_counter() - started, count, memory))
            time.sleep(0.1)
    assert running.returncode == 0
    return Watched(time.perf_counter() - started, samples)


def test_a_class_of_500(watched):
    """At least 20 answers a second, on two cores."""
    print(
        f"\n{CLASS} answers on {len(os.sched_getaffinity(0))} cores: "
        f"{watched.per_second:.1f} a second, {watched.seconds:.1f} s in all"
    )
    assert watched.samples[-1][1] == CLASS
    assert watched.per_second >= PER_SECOND


def test_memory_is_flat():
    """Judged again, the same class needs no more: what is kept of answers does not add up."""
    paths, process, sizes = chosen(CLASS), psutil.Process(), []
    with Grader(seed=5, jobs=2, answers=CLASS) as grader:
        for _ in range(3):
            assert sum(1 for _ in grader.check_all(map(Submission.of, paths))) == CLASS
            sizes.append(process.memory_info().rss / 2**20)
    shown = ", ".join(f"{size:.0f}" for size in sizes)
    print(f"\nmemory of the judge after each {CLASS} answers: {shown} MiB")
    assert sizes[-1] - sizes[0] <= FLAT_MIB


def test_memory_that_is_kept_is_seen():
    """The control: what a judge held on to would count."""
    process = psutil.Process()
    before = process.memory_info().rss
    held = b"1" * (2 * FLAT_MIB << 20)
    assert process.memory_info().rss - before > FLAT_MIB << 20, len(held)


def seconds(*words):
    """Return how long Python takes for this."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], stdout=-3, stderr=-3, check=False)
    return time.perf_counter() - started


def test_one_answer_cold():
    """At most 1.5 times as long as importing torch, and half a second."""
    answer = ["-m", "harness.cli", "check", str(CORPUS / "valid" / "book.py")]
    pairs = [(seconds(*answer), seconds("-c", "import torch")) for _ in range(RUNS)]
    check, torch = (median(side) for side in zip(*pairs, strict=True))
    allowed = COLD_RATIO * torch + COLD_SECONDS
    print(f"\none answer, cold: {check:.2f} s, import torch: {torch:.2f} s, limit {allowed:.2f} s")
    assert check <= allowed
