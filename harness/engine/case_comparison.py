"""One case judged: both sides trained, and every stage of every step held against the oracle.

Each stage of each step is taken from the step's own recorded state; the reference's own distance to
the float64 oracle, and a floor by dtype and length, say how far it may be (`tolerance`). The same
rule judges the free run (the subject's own loop, from its own states: whatever drift is left is
rounding that fed back) and the forced pass (each piece by itself, from the reference's states).
Nothing passes by default: a stage in which nothing was compared, or only zeros were, is
inconclusive.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from harness.engine.case import Case, Data
from harness.engine.curves import Course
from harness.engine.evaluation import Evaluation
from harness.engine.expected import Expected
from harness.engine.forced import Standard, canonical, examine, fitting
from harness.engine.forced_run import forced
from harness.engine.lockstep import (
    Ending,
    PairedChunks,
    UntrainableError,
    reference_lr,
    replay,
    run,
)
from harness.engine.oracle import Oracle
from harness.engine.raised import kind_of
from harness.engine.recipe import Convention, Recipe
from harness.engine.recorder import OverwrittenError
from harness.engine.rows import RowJudge
from harness.engine.seeding import determinism
from harness.engine.stage import SEVERITY, Divergence, Level, StageRecord, worst
from harness.engine.trace import STAGES, VALUE_STAGES, Run, Stack
from harness.errors import InputError


class CaseComparison:
    """One case: both sides trained, every stage of every step judged."""

    def __init__(
        self, case: Case, subject: Recipe, reference: Recipe, *, forced_pass: bool = True
    ) -> None:
        self.case, self.subject, self.reference = case, subject, reference
        if case.clip and subject.convention != reference.convention:
            raise InputError(
                f"case {case.name!r}: a norm clipped at {case.clip:g} means different steps to "
                f"{subject.name} and {reference.name}; compare sides of the same convention."
            )
        factors = {side.convention.factor for side in (subject, reference)}
        if len(factors) > 1 and not case.optimizer.scales_with_lr:
            raise InputError(
                f"case {case.name!r}: no learning rate makes up for the factor ½ under "
                f"{case.optimizer}; compare {subject.name} with a side of the same convention."
            )
        self.forced_pass = forced_pass
        self.reason: str | None = None
        self.refused: str | None = None  # why the reference is no measure in this case
        self.notes: list[str] = []
        self._progress: Callable[[int], None] | None = None
        self.seconds = 0.0
        self._reset()

    def _reset(self) -> None:
        dtype = self.case.torch_dtype
        scaled = self.subject.convention.against(self.reference.convention) is not None
        self.runs = {
            mode: {
                stage: StageRecord(
                    stage, dtype, reconciled=scaled and stage in ("loss", "gradient")
                )
                for stage in VALUE_STAGES
            }
            for mode in ("free", "forced")
        }
        self.overflow: Divergence | None = None
        self.evaluation: Evaluation | None = None
        self.last_state: Tensor | None = None
        self.clipped = False

    def judge_recorded(self, run: Run, data: Data, *, shuffled: bool = True) -> CaseComparison:
        """Judge a loop that was recorded before, elsewhere perhaps; there is no forced pass.

        Its rows need not be `shuffled` where that is not its affair.
        """
        self.forced_pass = False
        self.data, self.finite_data = data, data.is_finite()
        with determinism(self.case.seed):
            self._prepare()
            self.rows.shuffled = shuffled
            if run.chunk:
                parts = (self.subject, self.reference, self.case, data)
                theirs = replay(run.chunk, *parts, self._judge)
                self._end(Ending(run.epochs, theirs, generators_agree=False))
            self._finish()
        return self

    def judge(
        self, data: Data | None = None, progress: Callable[[int], None] | None = None
    ) -> CaseComparison:
        """Run and judge the case; whatever the subject raises becomes part of the verdict.

        `data` saves drawing the case's data where that has been done. `progress` is called with the
        number of steps judged so far.
        """
        self._progress = progress
        started = time.perf_counter()
        with determinism(self.case.seed):
            self.data = data or self.case.data()
            self.finite_data = self.data.is_finite()
            try:
                self._attempt(copy=not self.case.clear_gradients)
            except OverwrittenError:
                self._reset()
                self._attempt(copy=True)
            self._finish()
        self.seconds = time.perf_counter() - started
        return self

    def _prepare(self) -> None:
        case, data = self.case, self.data
        lr = reference_lr(self.subject, self.reference, case)
        self.oracle = Oracle(self.reference, case, data, lr * self.reference.convention.factor)
        self.histories = self.oracle.history(), self.oracle.history()
        self.rows = RowJudge(case, data, self.reference)
        self.course = Course(case, data, self.oracle)

    def _attempt(self, *, copy: bool) -> None:
        self._prepare()
        if self.refused:
            return
        case, data = self.case, self.data
        before = data.fingerprint()
        try:
            if self.forced_pass:
                self.forced_side = self.subject.build(case, data)
                if self.reference.metric:
                    twin = self.reference.build(case, data)
                    self.evaluation = Evaluation(case, data, self.forced_side, twin, self.oracle)
            ending = run(self.subject, self.reference, case, data, self._judge, copy=copy)
        except OverwrittenError:
            raise
        except UntrainableError as fault:
            self.rows.diverge(*fault.place, str(fault))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a subject may raise what it likes
            self.reason = f"{self.subject.name} raised {kind_of(error)}: {error}"
        else:
            self._end(ending)
        if data.fingerprint() != before:
            self.rows.diverge(0, 0, "is served from data that was written to during the run")

    def _judge(self, pair: PairedChunks) -> None:
        """Judge one chunk of steps of both sides."""
        self.rows.add(pair)
        if self.overflow:
            return
        readings = self.subject.reading, self.reference.reading
        stacks = [
            (mine, pair.reference.stack(mine.positions, readings[1]))
            for mine in pair.subject.stacks(readings[0])
        ]
        whole = [both for both in stacks if not both[0].fault]
        steps = min([len(pair.subject), *(_first_broken(*both) for both in whole)])
        cut = [(mine.until(steps), theirs.until(steps)) for mine, theirs in whole]
        cut = [both for both in cut if len(both[0])]
        standards = [
            self._judge_free(*both, *updated)
            for both, updated in zip(cut, self._updated(cut), strict=True)
        ]
        for subject, _ in stacks:
            if subject.fault:
                self._diverge(subject.fault[0], subject.places[0], subject.fault[1])
        if self.forced_pass and standards:
            self._judge_forced(standards)
        self._evaluate(pair, steps)
        self.course.advance(pair, steps)
        if self._progress:
            self._progress(self.steps)
        if steps < len(pair.subject):
            both = next(both for both in whole if steps in both[0].positions)
            self._overflow(*(stack.only(steps) for stack in both))

    def _evaluate(self, pair: PairedChunks, steps: int) -> None:
        """Judge the evaluation at the reference's state wherever an epoch has ended."""
        if self.evaluation is None or not steps:
            return
        reference = pair.reference
        for k, (epoch, index) in enumerate(reference.places[:steps]):
            if index == 0 and epoch > 0:
                self.evaluation.judge(reference.before_each[k], epoch - 1)
        self.last_state = reference.after[steps - 1].clone()

    def _updated(
        self, stacks: list[tuple[Stack, Stack]]
    ) -> Iterator[tuple[Expected | None, Expected | None]]:
        """What both sides' updates should have given, where the optimizer keeps a state."""
        sides = zip(*stacks, strict=True)
        conventions = self.subject.convention, self.reference.convention
        expected_updates = [
            history.follow(side, convention)
            for history, side, convention in zip(self.histories, sides, conventions, strict=False)
        ]
        return zip(*expected_updates, strict=True)

    def _judge_free(
        self,
        subject: Stack,
        reference: Stack,
        subject_updated: Expected | None,
        reference_updated: Expected | None,
    ) -> Standard:
        """Judge the subject's own run; returns what the forced pass is judged by."""
        conventions = self.subject.convention, self.reference.convention
        same = conventions[0] == conventions[1]
        bits = {stage: _same_bits(stage, subject, reference, same) for stage in VALUE_STAGES}
        expected = standard = self.oracle.expect(
            reference, conventions[1], updated=reference_updated
        )
        mine = theirs = canonical(reference, conventions[1])
        if not all(bits.values()):
            expected = self.oracle.expect(subject, conventions[0], updated=subject_updated)
            mine = canonical(subject, conventions[0])
        gaps = {
            stage: (theirs[stage] - getattr(standard, stage).value).abs() for stage in VALUE_STAGES
        }
        ulps = {
            stage: self.runs["free"][stage].add(
                subject,
                mine[stage],
                getattr(expected, stage),
                fitting(gaps[stage], mine[stage]),
                equal_bits=bits[stage],
            )
            for stage in VALUE_STAGES
        }
        for stage, gap in gaps.items():
            self.runs["free"][stage].measure(getattr(standard, stage), gap)
        self.course.follow(subject, reference, mine, theirs, ulps)
        if self.case.clip or not self.case.clear_gradients:
            # the forced pass judges the gradient of the step alone, which the reference never shows
            gaps["gradient"] = torch.zeros_like(gaps["gradient"])
        own = {"prediction": reference.prediction, "parameter": reference.after}
        if same:
            own["loss"] = reference.loss
        return Standard(reference, standard, gaps, own)

    def _judge_forced(self, standards: list[Standard]) -> None:
        ran = forced(
            self.forced_side,
            [(standard.stack, standard.expected.upstream.value) for standard in standards],
            self.reference.convention,
        )
        for standard, got in zip(standards, ran, strict=True):
            examine(self.runs["forced"], standard, got, self.oracle, self.subject.convention)

    def _overflow(self, subject: Stack, reference: Stack) -> None:
        """A step that is not finite: on both sides at the same stage, or about to be on both."""
        place = subject.places[0]
        sides = ((subject, self.subject.convention), (reference, self.reference.convention))
        for stage, column in _COLUMNS.items():
            values = [getattr(stack, column)[0] for stack, _ in sides]
            finite = [bool(value.isfinite().all()) for value in values]
            if all(finite):
                continue
            self.overflow = self.overflow or Divergence(stage, *place)
            if any(finite) and not self._bursting(stage, *sides[finite.index(False)]):
                broken = ~values[finite.index(False)].isfinite()
                at = int(broken.nonzero()[0])
                shown = (float(value[min(at, len(value) - 1)]) for value in values)
                self._diverge(stage, place, "= {:.6g}, but should be {:.6g}".format(*shown))
            return

    def _bursting(self, stage: str, stack: Stack, convention: Convention) -> bool:
        """Whether the exact value, or a sum on the way to it, is about as large as can be held."""
        expected: Expected = getattr(self.oracle.expect(stack, convention), stage)
        factor = convention.gradient_factor(stack.rows) if stage == "gradient" else 1.0
        largest = expected.scale.nan_to_num(nan=0.0).max() * max(1.0, factor) * expected.length
        return bool(largest >= torch.finfo(self.case.torch_dtype).max / 8)

    def _diverge(self, stage: str, place: tuple[int, int], text: str) -> None:
        if stage == "batch":
            self.rows.diverge(*place, text)
            return
        record = self.runs["free"][stage]
        if record.first is None or place < (record.first.epoch, record.first.step):
            record.first = Divergence(stage, *place, text=text)

    def _end(self, ending: Ending) -> None:
        self.rows.end(ending)
        self.clipped = ending.clipped
        if not ending.kept:
            epochs = len(ending.subject_epochs)
            left = "left by the loop is not what the last update made"
            self._diverge("parameter", (epochs, 0), left)
        used_up = [i for i, count in enumerate(ending.reference_epochs) if count == 0]
        if used_up and ending.subject_epochs == ending.reference_epochs:
            self.notes.append(
                f"Batches by epoch: {ending.subject_epochs} on both sides; an iterator made once "
                "serves one epoch only."
            )

    def _finish(self) -> None:
        if self.overflow:
            self.notes.append(
                f"The training diverges: {self.overflow.stage} overflows at epoch "
                f"{self.overflow.epoch} step {self.overflow.step}"
                + ("." if self._diverged() else " on both sides alike; judged up to there.")
            )
        self.course.finish()
        if self.evaluation is not None and self.last_state is not None:
            self.evaluation.judge(self.last_state, self.case.epochs - 1)
        self._vacuous()
        self.notes.extend(self.case.pair.observations(self.case, self.data))

    def _diverged(self) -> bool:
        return any(record.first for record in self._records()) or bool(self.rows.first)

    def _vacuous(self) -> None:
        """An update that never moves anything proves nothing, on whichever side."""
        if self.steps and not self.course.moved:
            for records in self.runs.values():
                records["parameter"].something = False

    @property
    def steps(self) -> int:
        """Steps that were compared."""
        return self.course.steps

    @cached_property
    def final(self) -> dict[str, dict[str, object]]:
        """The parameters of both sides at the end, beside the truth and the exact minimiser."""
        names = [recipe.name.split(" ")[0] for recipe in (self.subject, self.reference)]
        if names[0] == names[1]:
            names = [self.subject.name, f"{self.reference.name} (reference)"]
        return self.course.final(*names)

    def stage(self, name: str) -> dict[str, object]:
        """The worse of the forced and the free run for one stage, as plain values."""
        if name == "batch":
            return self.rows.to_dict()
        records = [
            records[name]
            for records in self.runs.values()
            if records[name].steps or records[name].first
        ]
        if not records:
            return StageRecord(name, self.case.torch_dtype).to_dict()
        return max(records, key=lambda r: (SEVERITY.index(r.level), r.closest)).to_dict()

    @property
    def stages(self) -> dict[str, dict[str, object]]:
        """Every stage, as in the report."""
        stages = {name: self.stage(name) for name in STAGES}
        if self.evaluation is not None:
            stages["evaluation"] = self.evaluation.record.to_dict()
        return stages

    @property
    def first_divergence(self) -> Divergence | None:
        """The earliest step, and the earliest stage in it, that is not as it should be."""
        divergences = [self.rows.first, *(record.first for record in self._records())]
        stages = [*STAGES, "evaluation"]
        return min(
            filter(None, divergences),
            key=lambda d: (d.epoch, d.step, stages.index(d.stage)),
            default=None,
        )

    def _records(self) -> list[StageRecord]:
        """The records of all stages of values, in both runs."""
        records = [record for records in self.runs.values() for record in records.values()]
        return records + ([self.evaluation.record] if self.evaluation else [])

    @property
    def verdict(self) -> Level:
        """One of the six verdicts; never a pass by default."""
        levels = [stage["level"] for stage in self.stages.values()]
        if "different" in levels:
            return "different"
        if self._raised():
            return "error"
        if not self.finite_data:
            return "inconclusive"
        return worst(levels)  # type: ignore[arg-type]

    @property
    def why(self) -> str | None:
        """Why there is no verdict, or where the sides first differ."""
        verdict = self.verdict
        if verdict == "different":
            first = self.first_divergence
            return first.message if first else None
        if verdict == "inconclusive":
            return self._inconclusive()
        return self._raised() if verdict == "error" else None

    def _raised(self) -> str | None:
        """What ended the subject's own run, or one of its pieces by itself."""
        if self.reason:
            return self.reason
        raised = [record.raised for record in self._records() if record.raised]
        if not raised:
            return None
        return f"{self.subject.name} raised {raised[0].kind}: {raised[0].message}"

    def _inconclusive(self) -> str:
        if self.refused:
            return self.refused
        if not self.steps:
            return "nothing was compared: " + (
                "values are not finite from the first step on"
                if self.overflow
                else "no step was trained"
            )
        if not self.finite_data:
            return "the data hold values that are not finite: nothing can be told from them"
        unsound = [n for n, record in self.runs["free"].items() if not record.sound]
        if unsound:
            return (
                "the reference itself is further from its float64 run than rounding explains at "
                f"{', '.join(unsound)}: it does something that the oracle does not know, such as "
                "drawing numbers of its own"
            )
        stages = [n for n, stage in self.stages.items() if stage["level"] == "inconclusive"]
        return f"nothing was really compared at {', '.join(stages)}: every value is 0 on both sides"

    def to_dict(self) -> dict[str, Any]:
        """One case of `svb.compare/1`."""
        order = "reproduced" if self.rows.reproduced else "observed"
        return {
            "name": self.case.name,
            "purpose": self.case.purpose,
            "device": self.case.device,
            "dtype": self.case.dtype,
            "verdict": self.verdict,
            "reason": self.why,
            "subject": self.subject.name,
            "reference": self.reference.name,
            "convention": self.subject.convention.against(self.reference.convention),
            "order": order if self.steps else None,
            "settings": self.case.settings(),
            "steps": self.steps,
            "stages": self.stages,
            "runs": self._runs(),
            "not_judged": {"forced": {"batch": "the forced pass is given the reference's batches"}},
            "drift": {
                **self.course.drifted(),
                "explained": not self._diverged(),
            },
            "curve": self.course.curve(),
            "final": self.final,
            "epoch_loss": self.course.epoch_loss,
            **({"epoch_metrics": self.course.epoch_metrics} if self.case.pair.metrics else {}),
            "notes": self.notes,
            "seconds": round(self.seconds, 3),
        }

    def _runs(self) -> dict[str, dict[str, object]]:
        shown: dict[str, dict[str, object]] = {}
        for mode, records in self.runs.items():
            if mode == "forced" and not self.forced_pass:
                continue
            shown[mode] = {stage: record.to_dict() for stage, record in records.items()}
            shown[mode]["batch"] = self.rows.to_dict() if mode == "free" else None
        return shown


_COLUMNS = dict(zip(VALUE_STAGES, ("prediction", "loss", "gradient", "after"), strict=True))


def _first_broken(subject: Stack, reference: Stack) -> int:
    """Position of the first step in which anything is not finite; past all steps where none is."""
    sides = [
        getattr(stack, column) for stack in (subject, reference) for column in _COLUMNS.values()
    ]
    broken = (~torch.cat(sides, 1).isfinite().all(1)).nonzero()
    return subject.positions[int(broken[0])] if len(broken) else sys.maxsize


def _same_bits(stage: str, subject: Stack, reference: Stack, same_convention: bool) -> bool:
    mine, theirs = (getattr(stack, _COLUMNS[stage]) for stack in (subject, reference))
    scaled = stage in ("loss", "gradient") and not same_convention
    return not scaled and mine.shape == theirs.shape and torch.equal(mine, theirs)
