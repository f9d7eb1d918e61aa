"""One answer or many, judged: each runs in a worker, what it sends back is judged here.

An answer's components are put into the reference one by one and asked their questions; replies come
back as plain arrays and are believed as nothing more. What a learner reads of it is made
in `words`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.answers.chapter import Chapter
from harness.answers.framework import Framework
from harness.answers.source import SourceError, read
from harness.diagnosis.finding import Finding, Replies, find
from harness.engine.components import (
    COMPONENTS,
    DATA_ITERATOR,
    LOOP,
    Question,
    Reply,
    Served,
)
from harness.engine.components.contract import BY_ROLE, Target, targets_of
from harness.engine.components.role import CLASSES
from harness.engine.pair import Sides
from harness.engine.raised import Raised
from harness.engine.seeding import old_objects_left_alone
from harness.errors import InputError
from harness.exercises import catalogue
from harness.exercises.exercise import CALLS, PACKER, REPLIES
from harness.grading import beside, warmup
from harness.grading.child import MOST_SIGNS, asked, opened
from harness.grading.replies import unpack
from harness.grading.result import Checked, Judged, Status, Verdict, Warned
from harness.grading.words import (
    advice_on,
    beside_a_right_part,
    cut,
    described,
    ending,
    not_from_scratch,
    of_exercise,
    of_raised,
    stopped,
    unasked,
    warned,
    with_inlined,
)
from harness.isolation.codec import MalformedError, Message
from harness.isolation.confine import Limits
from harness.isolation.payload import Packer, Payload
from harness.isolation.pool import Outcome, Workshop


@dataclass(frozen=True)
class Submission:
    """An answer to be judged: what it is called, its bytes, and which name is which component.

    With `exercise` it answers that exercise of the book, and is asked nothing else. `files` lie
    beside it, by their paths, and `folder` is where it runs among them.
    """

    name: str
    source: bytes
    roles: dict[str, str] = field(default_factory=dict)
    exercise: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    folder: str = ""

    @classmethod
    def of(cls, path: Path, roles: dict[str, str] | None = None) -> Submission:
        """The file at a path; OSError where it cannot be read."""
        return cls(str(path), path.read_bytes(), roles or {})

    def request(self, seed: int, **facts: Any) -> Message:
        """What the worker is sent."""
        request_facts = {"name": Path(self.name).name, "roles": self.roles, "seed": seed, **facts}
        arrays = {"source": np.frombuffer(self.source, np.uint8)}
        laid = beside.packed(self.files, self.folder)
        request_facts |= laid.facts
        arrays |= laid.arrays
        if self.exercise:
            calls = PACKER.pack(CALLS, catalogue.named(self.exercise).questions(seed))
            request_facts |= {"exercise": self.exercise, "calls": calls.facts}
            arrays |= calls.arrays
        return Message(request_facts, arrays)


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

        seconds = self.workshop.limits.processor_seconds

        def requests() -> Iterator[Message]:
            for index, submission in enumerate(submissions):
                sent[index] = submission
                yield submission.request(self.seed, seconds=seconds)

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
        if "parts" in facts:
            return self._taken_for(facts)
        try:
            return self._answered(facts) if self.submission.exercise else self._from_facts(facts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MalformedError(f"{type(error).__name__}: {error}") from error

    def _taken_for(self, facts: dict[str, Any]) -> Checked:
        """A file of another chapter or framework: every part is skipped, with the reason."""
        try:
            chapter, framework = facts["chapter"], facts["framework"]
            about = Chapter(**chapter) if chapter else Framework(**framework)
            parts = [(str(name), int(line)) for name, line in facts["parts"] if name in BY_ROLE]
            sentence = cut(about.sentence)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MalformedError(f"{type(error).__name__}: {error}") from error
        skipped = tuple(Judged(n, "skipped", line=line, message=sentence) for n, line in parts)
        return Checked(
            self.submission.name,
            "inconclusive",
            components=skipped,
            notes=(sentence,),
            chapter=cut(chapter["name"]) if chapter else None,
            framework=cut(framework["name"]) if framework else None,
        )

    def _answered(self, facts: dict[str, Any]) -> Checked:
        """An exercise, which is one component."""
        assert self.submission.exercise is not None
        assert self.outcome.reply is not None
        exercise = catalogue.named(self.submission.exercise)
        calls = exercise.questions(self.seed)
        replies = PACKER.unpack(REPLIES, Payload(facts["replies"], self.outcome.reply.arrays))
        verdict = exercise.judge(calls, replies)
        lines = {call.function: facts["lines"].get(call.function) for call in calls}
        raised = [r.raised.line for r in replies if r.raised] if verdict.fault == "raises" else []
        component = of_exercise(
            exercise.name, verdict, next(iter([*raised, *lines.values()]), None)
        )
        error = None
        if component.status == "missing":
            empty = {"type": "Empty", "message": verdict.message, "line": None}
            error = _error([component], next(iter(facts["answer"]["failures"]), empty))
        return Checked(self.submission.name, verdict_of([component], error), error, (component,))

    def _from_facts(self, facts: dict[str, Any]) -> Checked:
        answer = facts["answer"]
        framework = Framework(**answer["framework"]) if answer["framework"] else None
        targets = {str(name): description for name, description in dict(answer["targets"]).items()}
        broken = {str(name): (int(line), cut(text)) for name, line, text in answer["unparsed"]}
        present = {*(name.partition(".")[0] for name in targets), *map(str, answer["stubs"])}
        components = tuple(
            self._unparsed(name, *broken[name])
            if name in broken
            else self._component(name, targets)
            for name in _shown(present | broken.keys())
        )
        inlined = targets.get(LOOP.name, {}).get("inlined", ())
        components = with_inlined(components, inlined)
        cells = bool(answer["in_cells"])
        failures = [f for f in answer["failures"] if _counts(f, in_cells=cells)]
        error = next(iter(failures), None)
        others = [
            f"{self._where(failure['line'])} {ending(failure)}"
            for failure in answer["failures"]
            if failure is not error
        ]
        stand_ins = [
            f"{name} is not installed; a stand-in took its place"
            for name in answer["stand_ins"]
            if framework is None or name != framework.name
        ]
        if framework:
            stand_ins.insert(0, cut(framework.sentence))
        return Checked(
            self.submission.name,
            verdict_of(components, error),
            _error(components, error),
            components,
            notes=tuple(map(str, (*stand_ins, *answer["notes"], *others))),
            warnings=tuple(warned(sign) for sign in answer["signs"][:MOST_SIGNS]),
            framework=cut(framework.name) if framework else None,
        )

    def _where(self, line: object) -> str:
        """A line in words, for a notebook by cell; a worker came through reading it before."""
        name = self.submission.name
        if isinstance(line, int) and name.lower().endswith(".ipynb"):
            with suppress(SourceError, RecursionError):
                return read(self.submission.source, name).where(line)
        return "a statement" if line is None else f"line {line}"

    def _unparsed(self, name: str, line: int, message: str) -> Judged:
        """A component whose own cell is no Python."""
        text = f"{self._where(line)} is not valid Python: {message}"
        return Judged(name, "error", line=line, message=text)

    def _component(self, name: str, targets: dict[str, Any]) -> Judged:
        """One component; of a class, the part that is wrong, or else all of them."""
        descriptions = {t: targets[t.name] for t in targets_of(name) if t.name in targets}
        if not descriptions:
            return Judged(name, "missing", message="not there yet; the reference stands in")
        for facts in descriptions.values():
            if facts["evidence"]:
                return not_from_scratch(name, facts["evidence"][0], int(facts["line"]))
        parts = [self._target(name, target, facts) for target, facts in descriptions.items()]
        return max(parts, key=lambda part: _SEVERITY.index(part.status))

    def _target(self, name: str, target: Target, description: dict[str, Any]) -> Judged:
        line = int(description["line"])
        if description["unasked"]:
            return Judged(name, "skipped", line=line, message=unasked(description["unasked"]))
        if description["stopped"]:
            message = stopped(float(description["stopped"]))
            return Judged(name, "error", line=line, message=message, raised="time")
        if description["broken"]:
            raised: Raised = Packer().unpack(Raised, Payload(description["broken"]))
            return replace(of_raised(name, raised, line), hint=advice_on(raised))
        try:
            finding = self._finding(target, description)
        except InputError as error:
            return Judged(name, "skipped", line=line, message=str(error))
        component = described(name, finding, line)
        if not target.part:
            return component
        message = f"in {target.part}: {component.message}"
        warnings = tuple(self._not_reshaped(target, description, finding, line))
        return replace(component, message=message, part=target.part, warnings=warnings)

    def _not_reshaped(
        self, target: Target, description: dict[str, Any], finding: Finding, line: int
    ) -> Iterator[Warned]:
        """A method that is right for labels as its data module serves them, and for no others."""
        base, put = asked(target, description, self.seed)
        if finding.passed and len(_as_served(target, description, put)) < len(put):
            other = self._judged_once(target, base, put, range(len(put)))
            if not other.passed and other.cause:
                yield Warned(line, beside_a_right_part(other.cause))

    def _finding(self, target: Target, description: dict[str, Any]) -> Finding:
        base, put = asked(target, description, self.seed)
        if target.component is not DATA_ITERATOR:
            return self._judged_once(target, base, put, _as_served(target, description, put))
        replies = _replies(self._payloads, target, put)
        finding = find(DATA_ITERATOR, replies, base.scratch, base.builtin)
        if finding.cause and finding.cause.also:
            return self._asked_afresh(finding, target, replies, base)
        return finding

    def _judged_once(
        self, target: Target, base: Sides, put: tuple[Question, ...], places: Sequence[int]
    ) -> Finding:
        """What some replies come to: of a class, many are the same to the bit, and judged once."""
        digests = [self._payloads[target.name, at].digest for at in places]
        key = (target.component, base.form, *(put[at] for at in places), *digests)
        if key not in _FOUND:
            every = _replies(self._payloads, target, put)
            replies = [every[at] for at in places]
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
        base: Sides,
    ) -> Finding:
        """Part an order that is seeded from one that was kept: another process tells."""
        message = self.fresh(self.submission)
        if message is None:
            return finding
        others = _replies(opened(message), target, [question for question, _ in replies])
        return find(DATA_ITERATOR, afresh(replies, others), base.scratch, base.builtin)


def _as_served(
    target: Target, description: dict[str, Any], put: tuple[Question, ...]
) -> tuple[int, ...]:
    """Which questions a part must answer: a method those with labels as its data module has them.

    Labels without an axis are for files whose own are so; elsewhere they bring out a warning.
    """
    columns = tuple(k for k, q in enumerate(put) if q.case.pair.shapes(q.case).labels)
    plain = not target.part or description["flat_labels"] or not columns
    return tuple(range(len(put))) if plain else columns


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


def _counts(failure: dict[str, Any], *, in_cells: bool) -> bool:
    """Whether what a statement raised is an error of the file: a notebook's cell is tried again.

    What runs only where a file is run as a program is no part of the answer.
    """
    if failure["guarded"] or failure["ended"]:
        return False
    return not in_cells or failure["type"] in _NOT_THERE


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
