"""One component judged by its reply to one question.

Single pieces are held against the float64 oracle of the reference, on the question's own states; a
loop is replayed by the reference on the rows it was given; an iterator must serve every row once,
in a fresh order; initial parameters must be what a training can start from. Why a component is
wrong is not decided here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from harness.diagnosis.questions import (
    COLUMNS_OF,
    DRAWS,
    Drawn,
    Question,
    Reply,
    Run,
    Served,
    own_reply,
)
from harness.engine.comparison import CaseComparison
from harness.engine.expected import Expected
from harness.engine.forced import STAGE_OF, Standard, by_stage, examine
from harness.engine.lockstep import Forced, UntrainableError
from harness.engine.oracle import Oracle
from harness.engine.recipe import Convention, Recipe
from harness.engine.rows import CHANCE, RowJudge
from harness.engine.seeding import determinism
from harness.engine.stage import Divergence, Level, StageRecord, worst
from harness.engine.trace import STAGES, Chunk, Raised
from harness.pairs.linear import footing

SIGMA = 0.01
BAND = 6.0  # standard errors that a sample deviation may be off


@dataclass(frozen=True)
class Ruling:
    """What a component comes to on one question.

    `first` is its first divergence, `raised` what it raised; `convention` the one it was found to
    follow; `reason` says why nothing was really compared.
    """

    question: Question
    level: Level
    first: Divergence | None = None
    raised: Raised | None = None
    steps: int = 0
    convention: Convention | None = None
    reason: str | None = None

    @property
    def passed(self) -> bool:
        """Whether everything that was compared agrees."""
        return self.level in ("identical", "rounding", "convention")

    @property
    def stage(self) -> str | None:
        """The stage that the first fault lies in; None where there is none."""
        if self.first:
            return self.first.stage
        return self.raised.stage if self.raised else None


def rule(question: Question, reply: Reply, subject: Recipe, reference: Recipe) -> Ruling:
    """Judge a reply. `subject` gives the convention, `reference` is the recipe that is right."""
    if reply.served is not None:
        return _rule_served(question, reply.served, reference)
    if reply.drawn is not None:
        return _rule_drawn(question, reply.drawn)
    if reply.run is not None:
        return _rule_run(question, reply.run, subject, reference)
    return _rule_pieces(question, reply, subject, reference)


# Single pieces.


def _rule_pieces(question: Question, reply: Reply, subject: Recipe, reference: Recipe) -> Ruling:
    assert reply.forced is not None
    standards = _standards(question, reference)
    again = once = standards.records(reply.forced, subject.convention)
    if question.twice:
        assert reply.again is not None
        if not standards.alike(reply.forced, reply.again):
            again = standards.records(reply.again, subject.convention)
    levels = [record.level for record in once.values()]
    firsts = [record.first for record in once.values() if record.first]
    raised = [record.raised for record in once.values() if record.raised]
    first = min(firsts, key=lambda d: (d.epoch, d.step), default=None)
    if not firsts and not raised:
        first = _later(again)
        raised = [record.raised for record in again.values() if record.raised]
        levels = [record.level for record in (*once.values(), *again.values())]
    level = worst(levels)
    return Ruling(
        question,
        level,
        first,
        raised[0] if raised else None,
        question.steps,
        subject.convention,
        _nothing_compared(once) if level == "inconclusive" else None,
    )


def _later(again: dict[str, StageRecord]) -> Divergence | None:
    """The first divergence of a piece that was right when it was first asked."""
    late = next((record.first for record in again.values() if record.first), None)
    if late is None:
        return None
    return replace(late, text=f"{_number(late)} when it is asked the same again")


def _nothing_compared(records: dict[str, StageRecord]) -> str:
    """Why there is no verdict."""
    if not all(record.steps for record in records.values()):
        return "no step was asked"
    if not all(record.sound for record in records.values()):
        return "the reference itself is further from its float64 run than rounding explains"
    return "every value is 0 on both sides"


def _number(divergence: Divergence) -> str:
    return divergence.text or divergence.message.partition("] ")[2]


@lru_cache(maxsize=64)
def _standards(question: Question, reference: Recipe) -> _Standards:
    """The same question is put to many answers."""
    with determinism(question.case.seed):
        return _Standards(question, reference)


class _Standards:
    """What a single piece should have replied to a question, and what the reference replies."""

    def __init__(self, question: Question, reference: Recipe) -> None:
        case, stacks = question.case, question.stacks
        self.dtype, self.asked = case.torch_dtype, COLUMNS_OF[question.component]
        lr = case.lr * reference.convention.factor
        self.oracle = Oracle(reference, case, question.data, lr)
        self.own = own_reply(reference, question).forced or []
        self.factor = reference.convention.factor
        self.convention = convention = reference.convention
        updates = self.oracle.history().follow([stack for stack, _ in stacks], convention)
        self.standards = [
            self._measured(
                Standard(stack, self.oracle.expect(stack, convention, handed, updated), {}, {}),
                own,
            )
            for (stack, handed), own, updated in zip(stacks, self.own, updates, strict=True)
        ]

    def alike(self, some: list[Forced], others: list[Forced]) -> bool:
        """Whether two rounds of replies are the same to the bit, with nothing amiss in them."""
        return all(
            not (a.faults or b.faults or a.raised or b.raised)
            and all(_equal(getattr(a, name), getattr(b, name)) for name in self.asked)
            for a, b in zip(some, others, strict=True)
        )

    @cached_property
    def _own_records(self) -> dict[str, StageRecord]:
        return self._judged(self.own, self.convention)

    def records(self, replies: list[Forced], convention: Convention) -> dict[str, StageRecord]:
        """The stages of the piece, judged on all states; `convention` is the subject's."""
        if convention == self.convention and self.alike(replies, self.own):
            return self._own_records  # to the bit: then it needs no second look
        return self._judged(replies, convention)

    def _judged(self, replies: list[Forced], convention: Convention) -> dict[str, StageRecord]:
        stages = [STAGE_OF[name] for name in self.asked]
        records = {stage: StageRecord(stage, self.dtype) for stage in stages}
        for standard, mine, own in zip(self.standards, replies, self.own, strict=True):
            examine(records, standard, mine, self.oracle, convention, self.asked)
            for stage, (_, wanted) in self._columns(own, standard).items():
                records[stage].measure(wanted, standard.gaps[stage])
        return records

    def _measured(self, bare: Standard, own: Forced) -> Standard:
        """With the reference's own bits, and its distances to what should have been."""
        found = self._columns(own, bare)
        gaps = {
            stage: (value.double() / self._unit(stage) - wanted.value).abs()
            for stage, (value, wanted) in found.items()
        }
        return replace(bare, gaps=gaps, bits={stage: value for stage, (value, _) in found.items()})

    def _columns(self, own: Forced, standard: Standard) -> dict[str, tuple[Tensor, Expected]]:
        found = {name: getattr(own, name) for name in self.asked}
        return by_stage(found, standard, self.oracle)

    def _unit(self, stage: str) -> float:
        """What the reference's values are divided by to be those of the mean squared error."""
        return self.factor if stage == "loss" else 1.0


# The data iterator.


def _rule_served(question: Question, served: Served, reference: Recipe) -> Ruling:
    case, data = question.case, question.data
    rows = RowJudge(case, data, reference)
    if served.endless:
        place = (len(served.epochs) - 1, len(served.epochs[-1]))
        first = Divergence("batch", *place, text="comes after the epoch should have ended")
        return Ruling(question, "different", first, steps=place[1])
    if served.raised is None:
        rows.judge_served(served.epochs)
        _judge_left(question, served, rows)
    level: Level = "error" if served.raised else rows.level
    return Ruling(question, level, rows.first, served.raised, sum(map(len, served.epochs)))


def _judge_left(question: Question, served: Served, rows: RowJudge) -> None:
    """Whether the caller's data are untouched, and another seed gives another order."""
    data = question.data
    same = torch.equal(served.features, data.features) and torch.equal(served.labels, data.labels)
    if not same:
        rows.diverge(0, 0, "is served from data that the iterator has written to")
    if served.repeats_itself and math.lgamma(question.case.n + 1) > math.log(CHANCE):
        rows.diverge(0, 0, "is the same whatever the generators' seed, but should be drawn")


# The initial parameters.


def _rule_drawn(question: Question, drawn: Drawn) -> Ruling:
    first = _drawn_fault(question, drawn)
    level: Level = "different" if first else "error" if drawn.raised else "rounding"
    return Ruling(question, level, first, None if first else drawn.raised, steps=1 + DRAWS)


def _drawn_fault(question: Question, drawn: Drawn) -> Divergence | None:
    """The first thing about fresh parameters that is not as it should be, in words."""
    if not drawn.shapes:
        return None
    d = question.case.d
    if drawn.shapes[0] not in ((d, 1), (d,)) or drawn.shapes[1] not in ((1,), ()):
        shapes = " and ".join(map(str, drawn.shapes))
        return _initial("parameter", f"has shapes {shapes}, but should have ({d}, 1) and (1,)")
    if any(dtype != question.case.dtype for dtype in drawn.dtypes):
        kinds = " and ".join(drawn.dtypes)
        return _initial("prediction", f"is of {kinds}, but should be of {question.case.dtype}")
    for name, wanted, leaf in zip("wb", drawn.requires_grad, drawn.is_leaf, strict=True):
        if not wanted:
            return _initial("gradient", f"of {name} is none: it does not require gradients")
        if not leaf:
            return _initial("gradient", f"of {name} is none: it is no leaf, but made from one")
    return _off_sigma(drawn.weights, drawn.biases)


def _off_sigma(weights: Tensor, biases: Tensor) -> Divergence | None:
    """Weights outside the band of six standard errors around N(0, 0.01²), biases not 0."""
    count = weights.numel()
    deviation, mean = float(weights.std()), float(weights.mean())
    bands = (
        ("deviation of w", deviation, SIGMA, BAND * SIGMA / math.sqrt(2 * count)),
        ("mean of w", mean, 0.0, BAND * SIGMA / math.sqrt(count)),
    )
    for name, got, wanted, allowed in bands:
        gap = abs(got - wanted)
        if not gap <= allowed:
            return _initial(
                "parameter",
                f"({name}) = {got:.6g}, but should be {wanted:.6g} "
                f"(gap {gap:.1e}, allowed {allowed:.1e})",
            )
    if bool((biases != 0).any()):
        return _initial("parameter", f"(b) = {float(biases[0]):.6g}, but should be 0")
    return None


def _initial(stage: str, text: str) -> Divergence:
    return Divergence(stage, 0, 0, text=text)


# The loop.


def _rule_run(question: Question, run: Run, subject: Recipe, reference: Recipe) -> Ruling:
    run = trained(run)
    steps = len(run.chunk) if run.chunk else 0
    if run.raised:
        return Ruling(question, "error", None, run.raised, steps)
    amiss = _structure(question, run)
    if amiss is None:
        for side in (reference, *footing(reference.convention).both):
            same = own_reply(side, question).run
            if same and _is_own(run, same):
                judged = _own_ruling(question, side, reference)
                if judged.passed:  # by the float64 twin of the reference
                    return judged
    if run.chunk and (amiss is None or amiss.stage != "batch"):
        found = _followed(question, run, subject, reference)
        if amiss is None or (found.first and _when(found.first) < _when(amiss)):
            return found
    return Ruling(question, "different", amiss, steps=steps)


@lru_cache(maxsize=64)
def _own_ruling(question: Question, side: Recipe, reference: Recipe) -> Ruling:
    """What the run of one of the kit's own sides comes to."""
    run = own_reply(side, question).run
    assert run is not None
    return _follow(question, run, side, reference)


def _is_own(run: Run, own: Run) -> bool:
    """Whether a run is the kit's own to the bit: then it needs no second look."""
    if own.chunk is None or run.chunk is None:
        return False
    mine, theirs = run.chunk, own.chunk
    same = run.epochs == own.epochs and mine.places == theirs.places
    columns = [(mine.after, theirs.after), (mine.gradient, theirs.gradient)]
    for a, b in zip(mine.stacks(), theirs.stacks(), strict=False):
        columns += [(a.X, b.X), (a.y, b.y), (a.prediction, b.prediction), (a.loss, b.loss)]
    return same and len(mine.lanes) == len(theirs.lanes) and all(_equal(*pair) for pair in columns)


def _equal(mine: Tensor, theirs: Tensor) -> bool:
    return mine.dtype == theirs.dtype and torch.equal(mine, theirs)


def _followed(question: Question, run: Run, subject: Recipe, reference: Recipe) -> Ruling:
    """The run judged step by step, in the convention in which it comes furthest."""
    found = []
    for reading in _readings(subject):
        found.append(_follow(question, run, reading, reference))
        if found[-1].passed:
            break
    return max(found, key=_lateness)


def trained(run: Run) -> Run:
    """Without the epochs in which nothing was trained, such as those of an evaluation."""
    if not run.chunk:
        return run
    updated = {epoch for epoch, _ in run.chunk.places}
    kept = [e for e, batches in enumerate(run.epochs) if e in updated or not batches]
    number = {epoch: at for at, epoch in enumerate(kept)}
    places = [(number.get(epoch, 0), step) for epoch, step in run.chunk.places]
    epochs = [run.epochs[epoch] for epoch in kept]
    return replace(run, chunk=replace(run.chunk, places=places), epochs=epochs)


def _when(divergence: Divergence) -> tuple[int, int]:
    return (divergence.epoch, divergence.step)


def _readings(subject: Recipe) -> list[Recipe]:
    """The conventions that a loop may follow: it may average a loss per example itself."""
    convention = subject.convention
    if convention.reduction == "mean":
        return [subject]
    return [subject, replace(subject, convention=replace(convention, reduction="mean"))]


def _follow(question: Question, run: Run, subject: Recipe, reference: Recipe) -> Ruling:
    """The recorded steps, judged one by one."""
    comparison = CaseComparison(question.case, subject, reference)
    try:
        judged = comparison.judge_recorded(run, question.data, shuffled=question.shuffled)
    except UntrainableError as fault:
        return Ruling(question, "different", Divergence("batch", *fault.place, text=str(fault)))
    return Ruling(
        question,
        judged.verdict,
        judged.first_divergence,
        steps=judged.steps,
        convention=subject.convention,
        reason=judged.why if judged.verdict == "inconclusive" else None,
    )


def _lateness(ruling: Ruling) -> tuple[bool, int, int, int]:
    """How far a reading came before it failed."""
    first = ruling.first
    if first is None:
        return (ruling.passed, 0, 0, 0)
    return (False, *_when(first), STAGES.index(first.stage))


def _structure(question: Question, run: Run) -> Divergence | None:
    """What is amiss with the course of a loop, whatever the values: batches, updates, starts."""
    case = question.case
    whole = [math.ceil(case.n / case.batch_size)] * case.epochs
    if len(run.epochs) != len(whole):
        at = min(len(run.epochs), len(whole))
        return Divergence("batch", at, 0, text=f"makes {len(run.epochs)} epochs of {len(whole)}")
    for epoch, (mine, wanted) in enumerate(zip(run.epochs, whole, strict=True)):
        if mine != wanted:
            text = f"ends the epoch after {mine} batches of {wanted}"
            return Divergence("batch", epoch, min(mine, wanted), text=text)
    if not run.chunk:
        return Divergence("parameter", 0, 0, text="is never updated")
    return min(filter(None, _amiss(question, run, run.chunk)), key=_when, default=None)


def _amiss(question: Question, run: Run, chunk: Chunk) -> Iterator[Divergence | None]:
    """The first of each kind of fault in the updates."""
    expected = [(e, k) for e, count in enumerate(run.epochs) for k in range(count)]
    missing = [place for place in expected if place not in set(chunk.places)]
    yield _parameter(missing[:1], "is not updated on this batch")
    twice = [a for a, b in pairwise(chunk.places) if a == b]
    yield _parameter(twice[:1], "is updated twice on this batch")
    given = torch.cat([value.reshape(-1) for value in question.data.initial])
    starts = torch.cat((given.reshape(1, -1).to(chunk.after), chunk.after[:-1]))
    entered = {k: value for k, value in run.entered.items() if k < len(chunk)}
    jumps = [k for k, (value, _) in entered.items() if not torch.equal(value, starts[k])]
    text = "is not what the last update left" if jumps[:1] != [0] else "starts from other values"
    yield _parameter([chunk.places[k] for k in jumps[:1]], text)
    served = enumerate(chunk.batches())
    others = [k for k, (X, _) in served if k in entered and _another(X, entered[k][1])]
    if others:
        place = chunk.places[others[0]]
        yield Divergence("batch", *place, text="is not the one that the model is given")
    nothing = ~(chunk.gradient.nan_to_num() != 0).any(1) & (chunk.after == starts).all(1)
    idle = [chunk.places[int(k)] for k in nothing.nonzero()]
    yield _parameter(idle[:1], "does not change: the update finds no gradient")
    last = chunk.places[-1]
    if not torch.equal(run.final, chunk.after[-1]):
        back = torch.equal(run.final, starts[0])
        kept = "the initial ones, not those that were trained" if back else "not what was trained"
        yield Divergence("parameter", last[0], last[1] + 1, text=f"returned at the end is {kept}")


def _another(X: Tensor, given: list[Tensor]) -> bool:
    """Whether a model was given as many rows as were served, but other ones."""
    if any(part.shape[1:] != X.shape[1:] for part in given):
        return False
    rows = torch.cat(given)
    return rows.shape == X.shape and not torch.equal(rows, X)


def _parameter(places: Sequence[tuple[int, int]], text: str) -> Divergence | None:
    return Divergence("parameter", *places[0], text=text) if places else None
