"""One answer or many, judged: each runs in a worker, what it sends back is judged here.

An answer's components are put into the reference one by one and asked their questions; replies come
back as plain arrays and are believed as nothing more. What a learner reads is made here as plain
values, the `svb.check/1` of the contract; how it is laid out is the report's affair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Self

import numpy as np

from harness.answers.source import SourceError, read
from harness.diagnosis.finding import Cause, Finding, Replies, find
from harness.engine.components import (
    COMPONENTS,
    DATA_ITERATOR,
    Question,
    Reply,
    Served,
)
from harness.engine.components.contract import BY_ROLE, Target, targets_of
from harness.engine.components.role import CLASSES
from harness.engine.lockstep import old_objects_left_alone
from harness.engine.recipe import Footing
from harness.engine.torch_import import leave_compiler_out
from harness.engine.trace import Raised
from harness.errors import InputError
from harness.exercises import catalogue
from harness.exercises.exercise import CALLS, PACKER, REPLIES
from harness.grading import warmup
from harness.grading.child import asked, opened
from harness.grading.replies import unpack
from harness.isolation.codec import MalformedError, Message
from harness.isolation.confine import Limits
from harness.isolation.payload import Packer, Payload
from harness.isolation.pool import Outcome, Workshop
from harness.mistakes.catalogue import named
from harness.mistakes.mistake import Mistake

Verdict = Literal["pass", "fail", "error", "inconclusive"]
Status = Literal["pass", "fail", "error", "missing", "skipped"]
VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "error", "inconclusive")
HINTS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Judged:
    """One component of an answer: what it comes to, why, and what would help.

    `line` is the line of the learner's file; `first_divergence` and `cause` are those of the
    contract. `hint`, `what` and `fix` are the catalogue's words, which tell more and more.
    Beyond the contract: `part` is the method of a class that is at fault, `stages` are where each
    failed question first went wrong, `also` the mistakes that cannot be told from the cause; where
    there are any, evidence and help speak of all of them. `raised` is the type of the exception.
    """

    name: str
    status: Status
    level: str | None = None
    first_divergence: dict[str, Any] | None = None
    cause: dict[str, str] | None = None
    line: int | None = None
    message: str = ""
    hint: str = ""
    what: str = ""
    fix: str = ""
    part: str = ""
    stages: list[str] = field(default_factory=list)
    also: list[str] = field(default_factory=list)
    raised: str = ""

    def to_dict(self, hints: int = 1) -> dict[str, Any]:
        """As in `svb.check/1`; `hints` says how much is given away, 0 to 3."""
        return {
            "name": self.name,
            "status": self.status,
            "level": self.level,
            "first_divergence": self.first_divergence,
            "cause": self.cause,
            "line": self.line,
            "message": self.message,
            "hint": self.help(hints),
        }

    @property
    def causes(self) -> list[str]:
        """The ids of all mistakes that it may be; more than one where nothing tells which."""
        return [self.cause["id"], *self.also] if self.cause else []

    def help(self, hints: int) -> str:
        """What is said to help: nothing, the hint, also what the code does, also the fix."""
        return " ".join(text for text in (self.hint, self.what, self.fix)[:hints] if text)


@dataclass(frozen=True)
class Checked:
    """One answer, judged."""

    path: str
    verdict: Verdict
    error: dict[str, Any] | None = None
    components: tuple[Judged, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    output: str = ""

    def to_dict(self, hints: int = 1) -> dict[str, Any]:
        """As in `svb.check/1`."""
        return {
            "path": self.path,
            "verdict": self.verdict,
            "error": self.error,
            "components": [component.to_dict(hints) for component in self.components],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }


@dataclass
class Check:
    """Answers, judged: what `svb check` prints."""

    answers: list[Checked] = field(default_factory=list)
    seed: int = 0

    @property
    def summary(self) -> dict[str, int]:
        """How many answers came to each verdict."""
        found = [answer.verdict for answer in self.answers]
        return {verdict: found.count(verdict) for verdict in VERDICTS}

    @property
    def exit_status(self) -> int:
        """0 all pass, 1 something fails, 3 inconclusive or could not run, and nothing fails."""
        summary = self.summary
        if summary["fail"]:
            return 1
        return 0 if self.answers and summary["pass"] == len(self.answers) else 3

    def to_dict(self, hints: int = 1) -> dict[str, Any]:
        """The object `svb.check/1`."""
        return {
            "schema": "svb.check/1",
            "seed": self.seed,
            "answers": [answer.to_dict(hints) for answer in self.answers],
            "summary": self.summary,
        }


@dataclass(frozen=True)
class Submission:
    """An answer to be judged: what it is called, its bytes, and which name is which component.

    With `exercise` it answers that exercise of the book, and is asked nothing else.
    """

    name: str
    source: bytes
    roles: dict[str, str] = field(default_factory=dict)
    exercise: str | None = None

    @classmethod
    def of(cls, path: Path, roles: dict[str, str] | None = None) -> Submission:
        """The file at a path; OSError where it cannot be read."""
        return cls(str(path), path.read_bytes(), roles or {})

    def request(self, seed: int, **facts: Any) -> Message:
        """What the worker is sent."""
        told = {"name": Path(self.name).name, "roles": self.roles, "seed": seed, **facts}
        arrays = {"source": np.frombuffer(self.source, np.uint8)}
        if self.exercise:
            calls = PACKER.pack(CALLS, catalogue.named(self.exercise).questions(seed))
            told |= {"exercise": self.exercise, "calls": calls.facts}
            arrays |= calls.arrays
        return Message(told, arrays)


class Grader:
    """Judges answers with a workshop that stays warm; use it as a context manager.

    It starts one with these `limits` and `jobs` for about so many `answers`, or takes over one that
    was started before.
    """

    def __init__(
        self,
        *,
        seed: int,
        jobs: int = 1,
        answers: int = 1,
        limits: Limits | None = None,
        workshop: Workshop | None = None,
    ) -> None:
        self.seed = seed
        leave_compiler_out()
        self.workshop = workshop or warmup.start(limits, jobs, answers=answers, seed=seed)

    def __enter__(self) -> Self:
        self.workshop.__enter__()
        return self

    def __exit__(self, *ending: object) -> None:
        self.workshop.close()

    def check(self, submission: Submission) -> Checked:
        """Judge one answer."""
        ((_, checked),) = self.check_all([submission])
        return checked

    def check_all(self, submissions: Iterable[Submission]) -> Iterator[tuple[int, Checked]]:
        """Judge many, as their replies come: pairs of their place and the result."""
        sent: dict[int, Submission] = {}

        def requests() -> Iterator[Message]:
            for index, submission in enumerate(submissions):
                sent[index] = submission
                yield submission.request(self.seed)

        with old_objects_left_alone():
            for index, outcome in self.workshop.map(requests()):
                yield index, judged(sent.pop(index), outcome, self.seed, self._fresh)

    def _fresh(self, submission: Submission) -> Message | None:
        """The data iterator's replies from another process, with another seed."""
        request = submission.request(self.seed, shift=1, only=[DATA_ITERATOR.name])
        return self.workshop.run(request).reply


def judged(
    submission: Submission,
    outcome: Outcome,
    seed: int,
    fresh: Callable[[Submission], Message | None],
) -> Checked:
    """What the outcome of one answer comes to; `fresh` asks its data iterator elsewhere again."""
    started = time.perf_counter()
    try:
        checked = _Judge(submission, outcome, seed, fresh).checked()
    except MalformedError as error:
        checked = _broken(submission.name, "malformed", f"sent back no answer: {error}")
    except Exception as error:  # noqa: BLE001 - one answer must not end the others
        reason = f"{type(error).__name__}: {error}"
        checked = _broken(submission.name, "judge", f"the judge failed at this answer: {reason}")
    seconds = outcome.seconds + time.perf_counter() - started
    return replace(checked, seconds=seconds, output=outcome.stdout)


def _broken(name: str, kind: str, message: str, line: int | None = None) -> Checked:
    return Checked(name, "error", {"type": kind, "message": message, "line": line})


@dataclass
class _Judge:
    """What one outcome comes to."""

    submission: Submission
    outcome: Outcome
    seed: int
    fresh: Callable[[Submission], Message | None]

    def checked(self) -> Checked:
        """The answer judged; `MalformedError` where the reply is not what an answer sends."""
        name, outcome = self.submission.name, self.outcome
        if outcome.reply is None:
            assert outcome.failure is not None
            message = f"the answer {outcome.failure.message}"
            return _broken(name, outcome.failure.kind, message)
        facts = outcome.reply.facts
        if "error" in facts:
            error = facts["error"]
            return _broken(name, str(error["type"]), str(error["message"]), error["line"])
        try:
            return self._answered(facts) if self.submission.exercise else self._from_facts(facts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MalformedError(f"{type(error).__name__}: {error}") from error

    def _answered(self, facts: dict[str, Any]) -> Checked:
        """An exercise, which is one component."""
        assert self.submission.exercise is not None
        assert self.outcome.reply is not None
        exercise = catalogue.named(self.submission.exercise)
        calls = exercise.questions(self.seed)
        replies = PACKER.unpack(REPLIES, Payload(facts["replies"], self.outcome.reply.arrays))
        found = exercise.judge(calls, replies)
        lines = {call.function: facts["lines"].get(call.function) for call in calls}
        raised = [r.raised.line for r in replies if r.raised] if found.fault == "raises" else []
        component = _of_exercise(exercise.name, found, next(iter([*raised, *lines.values()]), None))
        error = None
        if component.status == "missing":
            empty = {"type": "Empty", "message": found.message, "line": None}
            error = _error([component], next(iter(facts["answer"]["failures"]), empty))
        return Checked(self.submission.name, verdict_of([component], error), error, (component,))

    def _from_facts(self, facts: dict[str, Any]) -> Checked:
        answer = facts["answer"]
        targets = {str(name): told for name, told in dict(answer["targets"]).items()}
        present = {*(name.partition(".")[0] for name in targets), *map(str, answer["stubs"])}
        components = tuple(self._component(name, targets) for name in _shown(present))
        failures = [failure for failure in answer["failures"] if _counts(failure, answer["kind"])]
        error = next(iter(failures), None)
        others = [
            f"{self._where(failure['line'])} raised {failure['type']}: {failure['message']}"
            for failure in answer["failures"]
            if failure is not error
        ]
        inert = "is not installed; a stand-in took its place"
        stand_ins = [f"{name} {inert}" for name in answer["stand_ins"]]
        return Checked(
            self.submission.name,
            verdict_of(components, error),
            _error(components, error),
            components,
            notes=tuple(map(str, (*stand_ins, *answer["notes"], *others))),
        )

    def _where(self, line: object) -> str:
        """A line in words, for a notebook by cell; a worker came through reading it before."""
        name = self.submission.name
        if isinstance(line, int) and name.lower().endswith(".ipynb"):
            with suppress(SourceError, RecursionError):
                return read(self.submission.source, name).where(line)
        return "a statement" if line is None else f"line {line}"

    def _component(self, name: str, targets: dict[str, Any]) -> Judged:
        """One component; of a class, the part that is wrong, or else all of them."""
        told = {t: targets[t.name] for t in targets_of(name) if t.name in targets}
        if not told:
            return Judged(name, "missing", message="not there yet; the reference stands in")
        for facts in told.values():
            if facts["evidence"]:
                return _not_from_scratch(name, facts["evidence"][0], int(facts["line"]))
        parts = [self._target(name, target, facts) for target, facts in told.items()]
        return max(parts, key=lambda part: _SEVERITY.index(part.status))

    def _target(self, name: str, target: Target, told: dict[str, Any]) -> Judged:
        line = int(told["line"])
        if told["broken"]:
            raised: Raised = Packer().unpack(Raised, Payload(told["broken"]))
            return replace(_of_raised(name, raised, line), hint=_advice(raised))
        try:
            finding = self._finding(target, told)
        except InputError as error:
            return Judged(name, "skipped", line=line, message=str(error))
        described = _described(name, finding, line)
        if not target.part:
            return described
        message = f"in {target.part}: {described.message}"
        return replace(described, message=message, part=target.part)

    def _finding(self, target: Target, told: dict[str, Any]) -> Finding:
        base, put = asked(target, told, self.seed)
        if target.component is not DATA_ITERATOR:
            return self._found(target, base, put)
        replies = _replies(self._payloads, target, put)
        finding = find(DATA_ITERATOR, replies, base.scratch, base.builtin)
        if finding.cause and finding.cause.also:
            return self._asked_afresh(finding, target, replies, base)
        return finding

    def _found(self, target: Target, base: Footing, put: tuple[Question, ...]) -> Finding:
        """What replies come to: of a class, many are the same to the bit, and judged once."""
        digests = [self._payloads[target.name, at].digest for at in range(len(put))]
        key = (target.component, base.form, put, *digests)
        if key not in _FOUND:
            replies = _replies(self._payloads, target, put)
            if len(_FOUND) == _KEPT:
                del _FOUND[next(iter(_FOUND))]  # the oldest
            _FOUND[key] = find(target.component, replies, base.scratch, base.builtin)
        return _FOUND[key]

    @cached_property
    def _payloads(self) -> dict[tuple[str, int], Payload]:
        assert self.outcome.reply is not None
        return opened(self.outcome.reply)

    def _asked_afresh(
        self,
        finding: Finding,
        target: Target,
        replies: list[tuple[Question, Reply]],
        base: Footing,
    ) -> Finding:
        """Part an order that is seeded from one that was kept: another process tells."""
        message = self.fresh(self.submission)
        if message is None:
            return finding
        others = _replies(opened(message), target, [question for question, _ in replies])
        return find(DATA_ITERATOR, afresh(replies, others), base.scratch, base.builtin)


_FOUND: dict[tuple[object, ...], Finding] = {}
_KEPT = 2048

# From the least to the most telling, and as the contract lists them.
_SEVERITY: tuple[Status, ...] = ("missing", "pass", "skipped", "error", "fail")
_CLASSES = frozenset(role.name for role in CLASSES)
# What a class of the object form has inside, as functions.
_INSIDE = frozenset(
    role.name for component in COMPONENTS if component.methods for role in component.roles
)
# Names that a component need not have.
_OTHERS = {role.name: component.name for component in COMPONENTS for role in component.roles[1:]}


def _shown(present: set[str]) -> list[str]:
    """The components to speak of: those there, and those missing in a file of functions."""
    classes_only = bool(present & _CLASSES) and not present & _INSIDE
    instead = {component for other, component in _OTHERS.items() if other in present}
    optional = _CLASSES | _OTHERS.keys() | instead
    return [n for n in BY_ROLE if n in present or not (n in optional or classes_only)]


def afresh(replies: Replies, others: Replies) -> list[tuple[Question, Reply]]:
    """A data iterator's replies, with what it served where nothing was kept from earlier calls."""
    return [
        (question, reply.afresh(other))
        for (question, reply), (_, other) in zip(replies, others, strict=True)
        if isinstance(reply, Served) and isinstance(other, Served)
    ]


def _replies(
    payloads: dict[tuple[str, int], Payload], target: Target, put: Sequence[Question]
) -> list[tuple[Question, Reply]]:
    """The replies of one component to all its questions; `MalformedError` where one is missing."""
    kind = target.component.reply_type
    return [(question, unpack(kind, payloads[target.name, at])) for at, question in enumerate(put)]


# A file that is out of sight is refused or not found, as the platform has it.
_NOT_THERE = ("FileNotFoundError", "PermissionError", "ModuleNotFoundError")


def _counts(failure: dict[str, Any], kind: str) -> bool:
    """Whether what a statement raised is an error of the file: a notebook's cell is tried again."""
    return kind != "ipynb" or failure["type"] in _NOT_THERE


def verdict_of(components: Sequence[Judged], error: dict[str, Any] | None = None) -> Verdict:
    """What an answer comes to by its components, and by what ended its file."""
    statuses = [component.status for component in components]
    if "fail" in statuses or "error" in statuses:
        return "fail"
    if error or not {"pass", "skipped"} & set(statuses):
        return "error"
    return "inconclusive" if "skipped" in statuses else "pass"


def _error(components: Sequence[Judged], error: dict[str, Any] | None) -> dict[str, Any] | None:
    if error:
        return {"type": str(error["type"]), "message": str(error["message"]), "line": error["line"]}
    if all(component.status == "missing" for component in components):
        message = "defines none of the components of an answer, or only stubs of them"
        return {"type": "Empty", "message": message, "line": None}
    return None


def _of_exercise(name: str, found: catalogue.Verdict, line: int | None) -> Judged:
    """What the verdict on an exercise says, in the words of the contract."""
    if found.passed:
        return Judged(name, "pass", line=line, message=found.message)
    statuses: dict[str | None, Status] = {"missing": "missing", "raises": "error"}
    status = statuses.get(found.fault, "fail")
    cause = {"id": f"{name}.{found.fault}", "evidence": found.message}
    return Judged(
        name,
        status,
        "different" if status == "fail" else None,
        cause=None if status == "missing" else cause,
        line=line,
        message=found.message,
        hint=found.hint,
    )


def _not_from_scratch(component: str, found: dict[str, Any], line: int) -> Judged:
    mistake = named("not-from-scratch")
    evidence = f"uses {found['name']}, which it is meant to replace"
    return Judged(
        component,
        "fail",
        cause={"id": mistake.id, "evidence": evidence},
        line=int(found["line"] or line),
        message=evidence,
        hint=mistake.hint,
        what=mistake.what,
        fix=mistake.fix,
    )


def _described(component: str, finding: Finding, line: int) -> Judged:
    """A finding in the words of the contract."""
    if finding.passed:
        return Judged(component, "pass", finding.level, line=line, message=_agreement(finding))
    raised, first = finding.raised, finding.first
    if first:
        found = Judged(
            component, "fail", "different", first.to_dict(), line=line, message=first.message
        )
    elif raised:
        found = _of_raised(component, raised, line)
    else:
        reasons = [verdict.reason for verdict in finding.verdicts if verdict.reason]
        reason = reasons[0] if reasons else "nothing was compared"
        return Judged(component, "skipped", line=line, message=f"inconclusive: {reason}")
    advice = "" if first or not raised else _advice(raised)
    helped = _explained(finding.cause, found.message, advice) if finding.cause else {"hint": advice}
    measured = f" ({'; '.join(finding.measured)})" if finding.measured else ""
    message = f"{found.message}{measured}"
    return replace(found, message=message, stages=list(finding.stages), **helped)


def _of_raised(component: str, raised: Raised, line: int) -> Judged:
    """A component that raised; to return something else than asked is no exception of theirs."""
    line = raised.line or line
    if raised.returned:
        message = raised.message.replace("NoneType", "None")
        return Judged(component, "error", line=line, message=message)
    message = f"raises {raised.kind}: {raised.message}"
    return Judged(component, "error", line=line, message=message, raised=raised.kind)


def _advice(raised: Raised) -> str:
    """Where to look after an exception that no known mistake explains; mostly nothing."""
    if raised.returned == NoneType.__name__:
        return "Does the function end with a `return`?"
    return next((advice for words, advice in _ADVICE.items() if words in raised.message), "")


# By the words of torch and Python, which say no more of what they raise.
_ADVICE = {
    "only for scalar outputs": "`backward()` starts from a single number: which number should it "
    "be, when there is a loss for each example?",
    "does not have a grad_fn": "Print `requires_grad` of each parameter and `grad_fn` of the loss: "
    "where does the chain from one to the other end?",
    "'NoneType'": "Something is None in this line. Print it just before: was a gradient never "
    "computed, or does a function end without `return`?",
    "shapes cannot be multiplied": "Print the shapes of both factors just before this line.",
    "must match the size of tensor": "Print the shapes of both sides just before this line.",
}


def _explained(cause: Cause, said: str, advice: str) -> dict[str, Any]:
    """The cause and what helps; of mistakes that cannot be told apart, all of them.

    Where all that is known of a cause is the exception, `said` tells it, and `advice` helps.
    """
    any_exception = cause.id == "model.raises"
    evidence = said if any_exception else cause.evidence
    advice = advice if any_exception else ""
    mistakes = [named(id_) for id_ in (cause.id, *cause.also)]
    names = " or ".join(map(_in_words, mistakes))
    apart = f"; it is {names}, which cannot be told apart here" if cause.also else ""
    return {
        "cause": {"id": cause.id, "evidence": f"{evidence}{apart}"},
        "hint": advice or _either([(mistake, mistake.hint) for mistake in mistakes]),
        "what": _either([(mistake, mistake.what) for mistake in mistakes]),
        "fix": _either([(mistake, mistake.fix) for mistake in mistakes]),
        "also": list(cause.also),
    }


def _either(texts: Sequence[tuple[Mistake, str]]) -> str:
    """What is said of one mistake; of several, what is said of each."""
    if len({text for _, text in texts}) == 1:
        return texts[0][1]
    return " ".join(f"If it is {_in_words(mistake)}: {text}" for mistake, text in texts)


def _in_words(mistake: Mistake) -> str:
    """Such as “shuffle once”, of data.shuffle-once."""
    return f"\u201c{mistake.id.rpartition('.')[2].replace('-', ' ')}\u201d"


def _agreement(finding: Finding) -> str:
    steps = sum(verdict.steps for verdict in finding.verdicts)
    words = {"identical": "to the bit", "rounding": "within rounding"}
    return f"agrees {words.get(finding.level, 'up to its convention')} on all {steps} steps asked"
