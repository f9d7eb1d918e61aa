"""What a checked answer comes to: one component, one answer, all of them.

The plain values of `svb.check/1`; how they are laid out is the report's affair.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["pass", "incomplete", "fail", "error", "inconclusive"]


Status = Literal["pass", "fail", "error", "missing", "skipped"]


VERDICTS: tuple[Verdict, ...] = ("pass", "incomplete", "fail", "error", "inconclusive")


# What ends an answer that may come out otherwise another time: time, memory, a process that was
# lost, and what is no affair of the answer.
ENDED = frozenset({"time", "memory", "silent", "unconfined", "judge"})


HINTS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Warned:
    """Something beside the verdict that the learner should look at, and its line where known."""

    line: int | None
    message: str


@dataclass(frozen=True)
class Judged:
    """One component of an answer: what it comes to, why, and what would help.

    `line` is the line of the learner's file; `first_divergence` and `cause` are those of the
    contract. `hint`, `what` and `fix` are the catalogue's words, which tell more and more.
    Beyond the contract: `part` is the method of a class that is at fault, `stages` are where each
    failed question first went wrong, `also` the mistakes that cannot be told from the cause; where
    there are any, evidence and help speak of all of them. `raised` is the type of the exception, or
    what ended it, one of `ENDED`. `within` names the component that does the work of one that is
    missing.
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
    warnings: tuple[Warned, ...] = ()
    notes: tuple[str, ...] = ()
    within: str = ""

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
            "warnings": [asdict(warning) for warning in self.warnings],
            "notes": list(self.notes),
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
    """One answer, judged.

    `chapter` is what the file is taken for where it is no linear regression, `framework` what it is
    written in where that is not torch.
    """

    path: str
    verdict: Verdict
    error: dict[str, Any] | None = None
    components: tuple[Judged, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[Warned, ...] = ()
    chapter: str | None = None
    framework: str | None = None
    seconds: float = 0.0
    output: str = ""

    @property
    def was_ended(self) -> bool:
        """Whether it, or a part of it, was ended by what need not happen again."""
        raised = {component.raised for component in self.components}
        return bool(ENDED & (raised | {(self.error or {}).get("type")}))

    def to_dict(self, hints: int = 1) -> dict[str, Any]:
        """As in `svb.check/1`."""
        return {
            "path": self.path,
            "verdict": self.verdict,
            "error": self.error,
            "components": [component.to_dict(hints) for component in self.components],
            "warnings": [asdict(warning) for warning in self.warnings],
            "notes": list(self.notes),
            "chapter": self.chapter,
            "framework": self.framework,
            "seconds": round(self.seconds, 3),
        }


@dataclass
class Check:
    """Answers, judged: what `svb check` prints."""

    answers: list[Checked] = field(default_factory=list)
    seed: int = 0
    partial: bool = False

    @property
    def summary(self) -> dict[str, int]:
        """How many answers came to each verdict."""
        verdicts = [answer.verdict for answer in self.answers]
        return {verdict: verdicts.count(verdict) for verdict in VERDICTS}

    @property
    def exit_status(self) -> int:
        """0 all pass, 1 something fails, 3 otherwise: incomplete, inconclusive, or not to be run.

        With `partial` what is incomplete is as good as what passes.
        """
        summary = self.summary
        if summary["fail"]:
            return 1
        good = summary["pass"] + (summary["incomplete"] if self.partial else 0)
        return 0 if self.answers and good == len(self.answers) else 3

    def to_dict(self, hints: int = 1) -> dict[str, Any]:
        """The object `svb.check/1`."""
        return {
            "schema": "svb.check/1",
            "seed": self.seed,
            "answers": [answer.to_dict(hints) for answer in self.answers],
            "summary": self.summary,
        }
