"""How many small faults of the judge the tests notice: `tox -e mutation`, for docs/mutation.md.

A sample of each module's mutants (`mutate`) is made, one at a time, in a copy of this checkout in
a temporary folder; pytest runs the tests nearest to the module there, and stops at the first that
fails. What is known by an earlier call is kept in `--kept` and not run again, unless the module or
a test that was run has changed.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutation.mutate import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("engine", "diagnosis")
NO_JUDGES = {"__init__", "torch_import", "curves"}  # packaging, and what is only shown
# where else a module's behaviour is tested, beside a file of its own or in the place of one
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "diagnosis/finding": ("tests/diagnosis/test_asked.py",),
    "engine/case_comparison": (
        "tests/engine/test_evaluation.py",
        "tests/engine/test_comparison.py",
    ),
    "engine/components/role": ("tests/engine/components/test_contract.py",),
    "engine/forced_run": ("tests/engine/test_forced.py", "tests/engine/test_lockstep.py"),
    "engine/loss_twin": ("tests/pairs/test_own.py", "tests/engine/test_oracle.py"),
    "engine/model_twin": ("tests/pairs/test_own.py", "tests/engine/test_oracle.py"),
    "engine/pieces": ("tests/engine/test_recipe.py",),
    "engine/recorder": ("tests/engine/test_trace.py",),
    "engine/seeding": ("tests/engine/test_lockstep.py",),
    "engine/self_agreement": ("tests/pairs/test_own.py", "tests/engine/test_called.py"),
    "engine/stage": ("tests/engine/test_expected.py",),
    "engine/updates": ("tests/engine/test_oracle.py",),
}
NEAREST = {
    "engine": ("tests/engine/test_pins.py", "tests/engine/test_judge.py"),
    "engine/components": (
        "tests/engine/components/test_component.py",
        "tests/engine/components/test_judging.py",
        "tests/engine/test_judge.py",
    ),
    "diagnosis": ("tests/diagnosis/test_pins.py", "tests/diagnosis/test_finding.py"),
}
BEGINS = "## Drawn from seed"  # what is measured, on the page
NO_TESTS = 5  # how pytest ends where it has collected none
_LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".tox", ".venv", "venv", "build", "*.egg-info", "__pycache__", "reports", ".*_cache")
)


@dataclass(frozen=True)
class Result:
    """What became of one mutant; `key` says of what texts, so that a later call may know it."""

    key: str
    module: str
    line: int
    kind: str
    change: str
    killed: bool
    seconds: float


@dataclass(frozen=True)
class Task:
    """One mutant of one module, and the test files that should notice it."""

    module: str
    mutant: Mutant
    tests: tuple[str, ...]
    key: str


class Copy:
    """A copy of the checkout, in which one module at a time is another."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder / "copy"
        shutil.copytree(root, self.folder, ignore=_LEFT_OUT)
        # bytecode is known by the hash of its source: a mutant may be as long, in the same second
        compiled = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash"]
        subprocess.run([*compiled, "."], cwd=self.folder, stdout=subprocess.DEVNULL, check=False)

    def passes(self, tests: Sequence[str], limit: float) -> bool:
        """Whether these test files pass within so many seconds; RuntimeError where none is run."""
        environment = os.environ | {
            "CI": "1",  # hypothesis draws the same every time
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        environment.pop("PYTHONPATH", None)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return False
        if process.returncode == NO_TESTS:
            raise RuntimeError(f"no test was run:\n{output}")
        return process.returncode == 0

    def judged(self, task: Task, limit: float) -> Result:
        """Whether the tests notice a mutant; the module is as it was afterwards."""
        file, mutant = self.folder / task.module, task.mutant
        source = file.read_text("utf-8")
        started = time.perf_counter()
        file.write_text(mutant.of(source), "utf-8")
        try:
            killed = not self.passes(task.tests, limit)
        finally:
            file.write_text(source, "utf-8")
        seconds = round(time.perf_counter() - started, 1)
        place = (task.module, mutant.line, mutant.kind, mutant.change)
        return Result(task.key, *place, killed, seconds)


def judging_modules(root: Path) -> list[str]:
    """The modules that judge, as paths from the root."""
    found = (path for name in FOLDERS for path in sorted((root / "harness" / name).rglob("*.py")))
    return [path.relative_to(root).as_posix() for path in found if path.stem not in NO_JUDGES]


def suite_of(root: Path, module: str) -> tuple[str, ...]:
    """The test files to run for a module: its own, those elsewhere, and then the nearest ones."""
    name = module.removeprefix("harness/").removesuffix(".py")
    folder, _, stem = name.rpartition("/")
    paths = (
        f"tests/{folder}/test_{stem}.py",
        *ELSEWHERE.get(name, ()),
        *NEAREST.get(folder, ()),
    )
    files = tuple(path for path in dict.fromkeys(paths) if (root / path).exists())
    if not files:
        raise FileNotFoundError(f"no test file for {module}")
    return files


def tasks(root: Path, modules: Iterable[str], number: int, seed: int) -> Iterator[Task]:
    """A sample of `number` mutants of each module, the same for the same seed and source."""
    for module in modules:
        source, tests = (root / module).read_text("utf-8"), suite_of(root, module)
        texts = [source, *((root / path).read_text("utf-8") for path in tests)]
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        made = mutants(source)
        draw = random.Random(f"{seed} {module}")
        for mutant in draw.sample(made, min(number, len(made))):
            place = f"{module} {digest} {mutant.start} {mutant.stop} {mutant.kind} {mutant.after}"
            yield Task(module, mutant, tests, hashlib.sha256(place.encode()).hexdigest()[:24])


def known(file: Path) -> dict[str, Result]:
    """What earlier calls found, by key; a last line that was cut off counts as not there."""
    found = {}
    for line in file.read_text("utf-8").splitlines() if file.exists() else ():
        try:
            result = Result(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[result.key] = result
    return found


def run(root: Path, todo: Sequence[Task], kept: Path, jobs: int, limit: float) -> list[Result]:
    """Judge every mutant that is not known yet, `jobs` at a time; all results, in their order.

    Raises RuntimeError where the tests of a module fail, or take too long, as it is.
    """
    results = known(kept)
    new = [task for task in todo if task.key not in results]
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for at in range(min(jobs, len(new))):
            copies.put(Copy(root, Path(folder, str(at))))

        def judge(task: Task) -> Result:
            copy = copies.get()
            try:
                return copy.judged(task, limit)
            finally:
                copies.put(copy)

        def passes(tests: tuple[str, ...]) -> bool:
            copy = copies.get()
            try:
                return copy.passes(tests, limit)
            finally:
                copies.put(copy)

        suites = sorted({task.tests for task in new})
        for tests, passed in zip(suites, pool.map(passes, suites), strict=True):
            if not passed:
                raise RuntimeError(f"{' '.join(tests)}: fails, or takes {limit:g} s, as it is")
        with kept.open("a", encoding="utf-8") as file:
            for result in pool.map(judge, new):
                results[result.key] = result
                file.write(json.dumps(asdict(result)) + "\n")
                file.flush()
                state = "killed" if result.killed else "SURVIVED"
                print(f"{state} {result.module}:{result.line} {result.change}", flush=True)
    return [results[task.key] for task in todo]


def table(results: Sequence[Result], seed: int) -> str:
    """Markdown: how many mutants of each module were noticed, and each that was not."""
    modules = list(dict.fromkeys(result.module for result in results))
    lines = [
        f"{BEGINS} {seed}",
        "",
        "| module | mutants | killed | survived |",
        "|---|---:|---:|---:|",
    ]
    for name, some in [
        *((f"`{m}`", [r for r in results if r.module == m]) for m in modules),
        ("**all**", list(results)),
    ]:
        killed = sum(result.killed for result in some)
        lines.append(f"| {name} | {len(some)} | {killed} | {len(some) - killed} |")
    survived = [result for result in results if not result.killed]
    if survived:
        lines += ["", "## Survived", "", "| where | kind | change |", "|---|---|---|"]
    for result in sorted(survived, key=lambda result: (result.module, result.line)):
        change = result.change.replace("|", "\\|")
        lines.append(f"| `{result.module}:{result.line}` | {result.kind} | `{change}` |")
    return "\n".join(lines) + "\n"


def renewed(page: str, figures: str) -> str:
    """The page with other figures, below what is said there by hand."""
    return page.partition(BEGINS)[0] + figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sample and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="paths from the root; all that judge by default")
    parser.add_argument("--number", type=int, default=7, help="mutants of each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, choices=(1, 2))
    parser.add_argument("--limit", type=float, default=300, help="seconds for one mutant")
    parser.add_argument("--kept", type=Path, default=ROOT / "reports" / "mutation.jsonl")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "mutation.md")
    given = parser.parse_args(arguments)
    modules = given.modules or judging_modules(ROOT)
    todo = list(tasks(ROOT, modules, given.number, given.seed))
    results = run(ROOT, todo, given.kept, given.jobs, given.limit)
    page = given.out.read_text("utf-8") if given.out.exists() else ""
    given.out.write_text(renewed(page, table(results, given.seed)), "utf-8")


if __name__ == "__main__":
    main()
