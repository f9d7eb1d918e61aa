"""How often the judge is right: every known mistake, and right ways to write things, put to it.

    svb list proof tests/corpus --write docs/proof.md

What the judge made of each of `trials` is counted and held against its floor, and so is what came
of the files and killed runs of `robustness`. Not covered: a judge that is itself broken, which the
tests marked `mutation` break on purpose.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.mistakes.catalogue import MISTAKES
from harness.mistakes.mistake import Mistake
from harness.selftest.robustness import Held, Ordeal, endure
from harness.selftest.trials import Told, Trial, Variant, everything, one_thread

SEEDS = 3
INDEPENDENT = 2  # forms of a mistake that the catalogue did not serve as model for
VARIANTS = 60
_ANSWERED = (None, "linear")  # the pairs that files of answers are judged by


@dataclass(frozen=True)
class Measure:
    """How many of how many, and the share that it must have; nothing counted is never enough.

    `least` is a floor; `most`, where it is less than 1, a ceiling.
    """

    what: str
    count: int
    of: int
    least: float = 0.0
    most: float = 1.0

    @property
    def met(self) -> bool:
        """Whether the share is as it must be."""
        return self.of > 0 and self.least * self.of <= self.count <= self.most * self.of

    @property
    def floor(self) -> str:
        """What is asked of the share, in words."""
        return f"at least {self.least:.0%}" if self.least else f"{self.most:.0%}"


@dataclass(frozen=True)
class Proof:
    """All of `mistakes` that was tried; `corpus` is the folder of files, None where there was none.

    `seeds` are the draws of the questions; `ordeal` is None without files or for a few mistakes.
    """

    mistakes: tuple[Mistake, ...]
    trials: tuple[Trial, ...]
    variants: tuple[Variant, ...]
    corpus: str | None = None
    seeds: int = SEEDS
    seconds: float = 0.0
    ordeal: Ordeal | None = None

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The totals, with the floors that they are held against."""
        trials, placed = self.trials, [t for t in self.trials if t.component is not None]
        alarms = sum(not variant.passed for variant in self.variants)
        measures = [
            Measure("caught", sum(t.caught for t in trials), len(trials), 1.0),
            Measure("at the right stage", sum(t.stage for t in trials), len(trials), 1.0),
            Measure("named exactly", sum(t.exact for t in trials), len(trials), 0.95),
            Measure("wrongly named", sum(t.astray for t in trials), len(trials), most=0.0),
            Measure("false alarms", alarms, len(self.variants), most=0.0),
        ]
        if self.corpus is None:
            return tuple(measures)
        right = sum(bool(t.component) for t in placed)
        measures.insert(1, Measure("in the right component", right, len(placed), 1.0))
        others = [t for t in trials if t.kind != "catalogue"]
        exact = sum(t.exact for t in others)
        measures.insert(4, Measure("of independent forms alone", exact, len(others), 0.95))
        rows = [row for row in self.rows if row.mistake.pair in _ANSWERED]
        written = sum(row.independent >= INDEPENDENT for row in rows)
        files = sum(variant.kind != "catalogue" for variant in self.variants)
        return (
            *measures,
            Measure(f"mistakes in {INDEPENDENT} independent forms", written, len(rows), 1.0),
            Measure(f"right files, of {VARIANTS} wanted", min(files, VARIANTS), VARIANTS, 1.0),
            *(_endured(self.ordeal) if self.ordeal else ()),
        )

    @property
    def missed(self) -> tuple[Measure, ...]:
        """The totals that are not as they must be."""
        return tuple(measure for measure in self.measures if not measure.met)

    @property
    def exit_status(self) -> int:
        """0 where every floor is met, else 1."""
        return 1 if self.missed else 0

    @property
    def rows(self) -> tuple[Row, ...]:
        """What was found of each mistake that could be tried."""
        tried = [
            Row(mistake, tuple(t for t in self.trials if t.mistake == mistake.id))
            for mistake in self.mistakes
        ]
        return tuple(row for row in tried if row.trials or self.corpus is not None)

    @property
    def unnamed(self) -> tuple[Trial, ...]:
        """Those that were not named exactly."""
        return tuple(trial for trial in self.trials if not trial.exact)

    @property
    def faults(self) -> tuple[Trial, ...]:
        """Those for which more than the name is not as it must be."""
        return tuple(
            t
            for t in self.trials
            if not (t.caught and t.stage and t.component is not False and not t.astray)
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values: `svb.proof/1`."""
        return {
            "schema": "svb.proof/1",
            "corpus": self.corpus,
            "seeds": self.seeds,
            "seconds": round(self.seconds, 1),
            "measures": [
                {"what": m.what, "count": m.count, "of": m.of, "floor": m.floor, "met": m.met}
                for m in self.measures
            ],
            "mistakes": [row.to_dict() for row in self.rows],
            "unnamed": [_plain(trial) for trial in self.unnamed],
            "faults": [_plain(trial) for trial in self.faults],
            "false_alarms": [f"{v.name}: {v.said}" for v in self.variants if not v.passed],
            "ordeal": list(self.ordeal.faults) if self.ordeal else None,
        }


def _endured(ordeal: Ordeal) -> Iterator[Measure]:
    """What came of files with a manifest, as far as there are any, and of killed runs."""
    if ordeal.learners:
        yield _as_stated("learners' files as stated", ordeal.learners)
    if ordeal.hostile:
        yield _as_stated("hostile or broken as stated", ordeal.hostile)
        yield Measure("forged verdicts", len(ordeal.forged), len(ordeal.hostile), most=0.0)
    killed = ordeal.killed
    started = len(ordeal.learners) + len(ordeal.hostile) + killed.planned
    yield Measure("escaped processes", len(ordeal.escaped), started, most=0.0)
    yield Measure("runs killed while judging", killed.kills, killed.planned, 1.0)
    yield Measure("lost results", len(killed.lost), killed.results, most=0.0)


def _as_stated(what: str, answers: Sequence[Held]) -> Measure:
    return Measure(what, sum(one.as_stated for one in answers), len(answers), 1.0)


def _plain(trial: Trial) -> dict[str, Any]:
    return {
        "mistake": trial.mistake,
        "name": trial.name,
        "stages": sorted(set(trial.stages)),
        "causes": list(trial.causes),
        "also": list(trial.also),
        "said": trial.said,
    }


@dataclass(frozen=True)
class Row:
    """What was found of one mistake."""

    mistake: Mistake
    trials: tuple[Trial, ...] = field(repr=False)

    @property
    def independent(self) -> int:
        """Forms that the catalogue did not serve as model for."""
        return len({trial.name for trial in self.trials if trial.kind != "catalogue"})

    @property
    def cells(self) -> dict[str, str]:
        """The row of the table, by the names of its columns."""
        trials = self.trials
        placed = [t for t in trials if t.component is not None]
        return {
            "mistake": self.mistake.id,
            "forms": str(len(self.mistake.forms) + self.independent),
            "independent": str(self.independent),
            "caught": _share(t.caught for t in trials),
            "component": _share(bool(t.component) for t in placed),
            "stage": _share(t.stage for t in trials),
            "named": _share(t.exact for t in trials),
            "wrongly": str(sum(t.astray for t in trials)),
        }

    def to_dict(self) -> dict[str, Any]:
        """The row as plain values, its stage and its files with it."""
        files = [trial.name for trial in self.trials if trial.kind != "catalogue"]
        return {**self.cells, "first_stage": self.mistake.first_stage, "files": files}


def _share(held: Iterable[bool]) -> str:
    """How many hold, of how many."""
    checks = list(held)
    return f"{sum(checks)}/{len(checks)}" if checks else "-"


def prove(
    corpus: Path | None = None,
    seeds: int = SEEDS,
    progress: Told = lambda _: None,
    mistakes: Sequence[Mistake] | None = None,
) -> Proof:
    """Try everything; `progress` hears what is done next, `mistakes` are all where none are given.

    `corpus` holds wrong/ID/*.py and valid/*.py, answers, and optimizers/ID/*.py and
    optimizers/right/*.py, whose classes `Optimizer(params, lr)` are run in this process. Raises
    InputError where it does not. What else it holds is tried by `endure` where all mistakes are.
    """
    started = time.perf_counter()
    chosen = list(MISTAKES.values() if mistakes is None else mistakes)
    with one_thread():
        attempts = list(everything(chosen, corpus, seeds, progress))
        ordeal = endure(corpus, progress) if corpus and mistakes is None else None
    return Proof(
        mistakes=tuple(chosen),
        trials=tuple(one for one in attempts if isinstance(one, Trial)),
        variants=tuple(one for one in attempts if isinstance(one, Variant)),
        corpus=corpus.as_posix() if corpus else None,
        seeds=seeds,
        seconds=time.perf_counter() - started,
        ordeal=ordeal,
    )
