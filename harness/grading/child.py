"""Inside the worker: puts the questions to an answer and sends back what it replied.

The request holds the answer's file and a seed; the questions are drawn here from the seed, just as
they are drawn again outside, where the replies are judged. Nothing here knows a right value.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import torch

from harness.answers.answer import Answer, load, parts_of
from harness.answers.budget import Budget, OutOfTimeError, limited
from harness.answers.chapter import chapter_of
from harness.answers.fit_class import FitData
from harness.answers.framework import framework_of
from harness.answers.source import Broken, Source, SourceError, read
from harness.engine.components import LOOP, Fit, Question
from harness.engine.components.contract import BY_ROLE, TARGETS, Target
from harness.engine.pair import Sides
from harness.engine.raised import Raised
from harness.engine.recipe import Convention
from harness.engine.torch_import import leave_compiler_out
from harness.exercises.exercise import CALLS, PACKER, REPLIES, Call, perform
from harness.grading import beside
from harness.grading.replies import pack
from harness.isolation.codec import Message
from harness.isolation.payload import Payload
from harness.pairs.linear import footing

_PLAIN = Convention(0.5, "none")
MOST_SIGNS = 12


def respond(request: Message) -> Message:
    """Load the answer and put every question to every component that it has."""
    facts = request.facts
    torch.set_num_threads(1)
    leave_compiler_out()
    beside.lay(request)
    try:
        source = read(request.arrays["source"].tobytes(), facts["name"])
    except SourceError as error:
        return Message({"error": {"type": error.type, "message": str(error), "line": error.line}})
    if "exercise" not in facts and not facts["roles"] and (other := taken_for(source)):
        return Message(other)
    budget = Budget(facts.get("seconds", Budget.seconds))
    answer = load(source, facts["roles"], facts["seed"] + facts.get("shift", 0), budget)
    return exercised(answer, request) if "exercise" in facts else interviewed(answer, facts, budget)


def taken_for(source: Source) -> dict[str, Any] | None:
    """What is said of a file of another chapter, or of a framework that cannot be asked here.

    Nothing of it is run: which parts it has is told by its text.
    """
    chapter, framework = chapter_of(source), framework_of(source)
    if chapter is None and (framework is None or framework.judged):
        return None
    return {
        "parts": [[name, line] for name, line in parts_of(source).items()],
        "chapter": asdict(chapter) if chapter else None,
        "framework": asdict(framework) if framework else None,
    }


def interviewed(answer: Answer, facts: dict[str, Any], budget: Budget | None = None) -> Message:
    """What an answer that has been loaded replies; `facts` are those of the request.

    A component that uses up its share of the `budget` costs itself only; without one it may take
    any time.
    """
    asked_ones = [TARGETS[name] for name in facts.get("only", TARGETS)]
    targets = [target for target in asked_ones if has(answer, target)]
    description = described(answer, targets)
    message = Message({"answer": description, "replies": []})
    for target in targets:
        part = description["targets"][target.name]
        try:
            with limited(budget.question()) if budget else nullcontext():
                _interview(message, answer, target, facts)
        except OutOfTimeError as error:
            part["stopped"] = error.seconds
        except Exception as error:  # noqa: BLE001 - one component must not hide the others
            part["broken"] = asdict(Raised.by(error, "batch", (0, 0)))
    return message


def exercised(answer: Answer, request: Message) -> Message:
    """What an answer replies to the calls of an exercise, and where its functions are written."""
    calls: tuple[Call, ...] = PACKER.unpack(CALLS, Payload(request.facts["calls"], request.arrays))
    replies = PACKER.pack(REPLIES, tuple(perform(answer.namespace, call) for call in calls))
    codes = {c.function: getattr(answer.namespace.get(c.function), "__code__", None) for c in calls}
    lines = {name: code.co_firstlineno for name, code in codes.items() if code}
    facts = {"answer": described(answer, []), "lines": lines, "replies": replies.facts}
    return Message(facts, replies.arrays)


def has(answer: Answer, target: Target) -> bool:
    """Whether an answer has a component, or a part of a class, that is more than a stub."""
    name, part = target.role.name, target.part
    return answer.has(name) and (not part or part in answer.parts(name))


def unparsed(answer: Answer) -> dict[str, Broken]:
    """Components that a cell which does not parse was going to define, and no other defines."""
    named = {name: cell for cell in answer.source.broken for name in cell.defines}
    cells = {
        role.name: next((named[name] for name in role.names if name in named), None)
        for role in BY_ROLE.values()
    }
    return {role: cell for role, cell in cells.items() if cell and not answer.has(role)}


def described(answer: Answer, targets: list[Target]) -> dict[str, Any]:
    """What an answer defines and what happened when its file ran, as plain values."""
    return {
        "stubs": [name for name, piece in answer.pieces.items() if piece.stub],
        "targets": {target.name: _described(answer, target) for target in targets},
        "failures": [asdict(failure) for failure in answer.failures],
        "in_cells": answer.source.in_cells,
        "unparsed": [[name, cell.line, cell.message] for name, cell in unparsed(answer).items()],
        "framework": asdict(framework) if (framework := framework_of(answer.source)) else None,
        "signs": [asdict(sign) for sign in answer.signs[:MOST_SIGNS]],
        "stand_ins": answer.stand_ins,
        "notes": answer.notes,
    }


def _described(answer: Answer, target: Target) -> dict[str, Any]:
    return {
        "line": answer.line(target.name),
        "broken": None,
        "stopped": None,
        "convention": asdict(answer.convention(target.name) or _PLAIN),
        "fit": asdict(_fit(answer)) if target.component is LOOP else {},
        "unasked": answer.unasked(target.name),
        "flat_labels": answer.manner.flat_labels,
        "inlined": _inlined(answer) if target.component is LOOP else [],
        "evidence": [asdict(use) for use in answer.evidence(target.role.name)],
    }


def _inlined(answer: Answer) -> list[str]:
    """What the answer's loop does itself instead of calling a piece."""
    habits = answer.manner.habits
    return sorted(habits.inlined) if habits else []


def _fit(answer: Answer) -> Fit:
    """What the answer's loop can be asked."""
    habits = answer.manner.habits
    cuts = "batch" in _inlined(answer)
    whole = habits is not None and habits.whole
    own = {field: answer.settings.get(name) for name, field in _SETTINGS.items()}
    starts = isinstance(answer.pieces[LOOP.name].function, FitData)
    single = answer.loop is not None
    return Fit(**own, single=single, cuts=cuts, whole=whole, own_start=starts)


_SETTINGS = {
    "lr": "lr",
    "num_epochs": "epochs",
    "batch_size": "batch_size",
    "n": "num_examples",
    "d": "width",
}


def asked(
    target: Target, description: dict[str, Any], seed: int
) -> tuple[Sides, tuple[Question, ...]]:
    """Both sides for a target, and its questions, by what was told of it: `_described`.

    Raises TypeError or ValueError where it was told nonsense.
    """
    mean = description["convention"]["reduction"] == "mean"
    base = footing(
        Convention(float(description["convention"]["factor"]), "mean" if mean else "none")
    )
    fit = Fit(**description["fit"])
    for name in _SETTINGS.values():
        value = getattr(fit, name)
        if value is not None and not (isinstance(value, int | float) and 0 < value < math.inf):
            raise ValueError(name)
    return base, target.component.questions(base.scratch, base.form, seed, fit=fit)


def _interview(message: Message, answer: Answer, target: Target, facts: dict[str, Any]) -> None:
    """Add the replies of one component, each with its arrays under a prefix of its own: `opened`.

    `shift` moves all seeds but those that the questions are drawn from.
    """
    name, shift = target.name, facts.get("shift", 0)
    if message.facts["answer"]["targets"][name]["unasked"]:
        return
    base, all_asked = asked(target, message.facts["answer"]["targets"][name], facts["seed"])
    for at, question in enumerate(all_asked):
        with answer.as_used(name):
            subject = answer.recipe(name, base.scratch)
            packed = pack(target.component.ask(subject, question, shift))
        message.facts["replies"].append({"target": name, "question": at, "facts": packed.facts})
        arrays = packed.arrays.items()
        message.arrays.update({f"{name}/{at}/{path}": array for path, array in arrays})


def opened(message: Message) -> dict[tuple[str, int], Payload]:
    """The replies of a whole message, by target and number of the question."""
    payloads = {
        (str(reply["target"]), int(reply["question"])): Payload(reply["facts"])
        for reply in message.facts["replies"]
    }
    for path, array in message.arrays.items():
        target, at, name = path.split("/", 2)
        payloads[target, int(at)].arrays[name] = array
    return payloads
