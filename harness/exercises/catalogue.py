"""The exercises of the book that a program can judge, by name.

    from harness.exercises.catalogue import EXERCISES, named
    exercise = named("huber")
    calls = exercise.questions(seed=0)
    verdict = exercise.judge(calls, [perform(vars(answer), call) for call in calls])

It is the source of `svb list exercises` and of docs/exercises.md, which
`python -m harness.exercises` prints. Exercises whose answer is prose are not here.
"""

from __future__ import annotations

from difflib import get_close_matches

from harness.errors import InputError
from harness.exercises import data, gradient, loss, training
from harness.exercises.exercise import (
    Call,
    Exercise,
    Reply,
    Verdict,
    Wanted,
    perform,
)

__all__ = [
    "EXERCISES",
    "Call",
    "Exercise",
    "Reply",
    "Verdict",
    "Wanted",
    "lines",
    "named",
    "page",
    "perform",
    "plain",
]

_FAMILIES = (data, training, loss, gradient)
EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise for family in _FAMILIES for exercise in family.EXERCISES
}


def named(name: str) -> Exercise:
    """The exercise of this name; InputError, with what comes close, where there is none."""
    if name in EXERCISES:
        return EXERCISES[name]
    close = get_close_matches(name, EXERCISES, n=1, cutoff=0.5)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    raise InputError(f"there is no exercise {name!r}{meant} `svb list exercises` shows them all.")


def plain(exercise: Exercise) -> dict[str, object]:
    """An exercise as plain values, for JSON."""
    fields = ("name", "title", "source", "task", "judged")
    return {
        **{name: getattr(exercise, name) for name in fields},
        "contract": [vars(part) for part in exercise.contract],
        "faults": dict(exercise.hints),
    }


def lines(exercise: Exercise) -> list[str]:
    """An exercise for somebody who is to answer it: task and contract, without the faults."""
    shown = [exercise.title, exercise.task, f"source: {exercise.source}"]
    for part in exercise.contract:
        shown += [f"write: {part.signature}", f"returns: {part.returns}"]
    return [*shown, f"judged by: {exercise.judged}"]


_PREFACE = """\
# Exercises

Exercises of the book that a program can judge. Write the functions that one asks for in a file or a
notebook, under these names, with these arguments in this order; inputs are drawn anew for every
check. This page is printed by `python -m harness.exercises`; `svb list exercises NAME` shows one.

Any exercise can also fail because a function is `missing`, `raises`, or returns the wrong `shape`,
values that are `not-finite`, or any other wrong `value`.
"""


def page() -> str:
    """The exercises as a page of the docs, in Markdown."""
    return _PREFACE + "".join(map(_entry, EXERCISES.values()))


def _entry(exercise: Exercise) -> str:
    contract = "".join(
        f"- **`{one.signature.partition(': ')[0]}`:** {one.signature.partition(': ')[2]}\n"
        f"  Returns {one.returns}.\n"
        for one in exercise.contract
    )
    faults = "".join(f"- `{fault}`: {hint}\n" for fault, hint in exercise.hints.items())
    return (
        f"\n## {exercise.name}\n**{exercise.title}** ({exercise.source}). {exercise.task}\n\n"
        f"{contract}- **Judged by:** {exercise.judged}.\n\n"
        f"What an answer may be told, with its hint:\n\n{faults}"
    )
