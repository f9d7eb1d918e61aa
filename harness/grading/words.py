"""A finding about a component in the words of the contract: what went wrong, and what helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import NoneType
from typing import Any

from harness.diagnosis.finding import Cause, Finding
from harness.engine.components import DATA_ITERATOR, LOOP, LOSS, MODEL, OPTIMIZER
from harness.engine.raised import Raised
from harness.engine.stage import Divergence
from harness.exercises import catalogue
from harness.grading.result import Judged, Status, Warned
from harness.mistakes.catalogue import named
from harness.mistakes.mistake import Mistake


def of_exercise(name: str, verdict: catalogue.Verdict, line: int | None) -> Judged:
    """What the verdict on an exercise says, in the words of the contract."""
    if verdict.passed:
        return Judged(name, "pass", line=line, message=verdict.message)
    statuses: dict[str | None, Status] = {"missing": "missing", "raises": "error"}
    status = statuses.get(verdict.fault, "fail")
    cause = {"id": f"{name}.{verdict.fault}", "evidence": verdict.message}
    return Judged(
        name,
        status,
        "different" if status == "fail" else None,
        cause=None if status == "missing" else cause,
        line=line,
        message=verdict.message,
        hint=verdict.hint,
    )


def not_from_scratch(component: str, use: dict[str, Any], line: int) -> Judged:
    """A component that uses the built-in that it is meant to replace."""
    mistake = named("not-from-scratch")
    evidence = f"uses {use['name']}, which it is meant to replace"
    return Judged(
        component,
        "fail",
        cause={"id": mistake.id, "evidence": evidence},
        line=int(use["line"] or line),
        message=evidence,
        hint=mistake.hint,
        what=mistake.what,
        fix=mistake.fix,
    )


def described(component: str, finding: Finding, line: int) -> Judged:
    """A finding in the words of the contract."""
    if finding.passed:
        return Judged(component, "pass", finding.level, line=line, message=_agreement(finding))
    raised, first = finding.raised, finding.first
    if first:
        judged = Judged(
            component, "fail", "different", first.to_dict(), line=line, message=first.message
        )
    elif raised:
        judged = of_raised(component, raised, line)
    else:
        reasons = [verdict.reason for verdict in finding.verdicts if verdict.reason]
        reason = reasons[0] if reasons else "nothing was compared"
        return Judged(component, "skipped", line=line, message=f"inconclusive: {reason}")
    advice = advice_on(raised) if raised and not first else _near_miss(first)
    helped = (
        _explained(finding.cause, judged.message, advice) if finding.cause else {"hint": advice}
    )
    measured = f" ({'; '.join(finding.measured)})" if finding.measured else ""
    message = f"{judged.message}{measured}"
    return replace(judged, message=message, stages=list(finding.stages), **helped)


def with_inlined(components: Sequence[Judged], inlined: Sequence[str]) -> tuple[Judged, ...]:
    """The components; of those that are missing, the ones that the loop does itself say so.

    `inlined` names what the loop does without calling a piece, as the process with it told.
    """
    within = {_INLINE[name] for name in map(str, inlined) if name in _INLINE}
    message = "the loop does this itself, and is judged with it"
    return tuple(
        replace(component, message=message, within=LOOP.name)
        if component.status == "missing" and component.name in within
        else component
        for component in components
    )


# By what a loop calls it.
_INLINE = {
    "batch": DATA_ITERATOR.name,
    "prediction": MODEL.name,
    "loss": LOSS.name,
    "update": OPTIMIZER.name,
}


def _near_miss(first: Divergence | None) -> str:
    """What helps where a value is right but for its last digits."""
    if first is None or first.gap is None or not first.expected:
        return ""
    near = first.gap / abs(first.expected)
    if near > _NEARLY:
        return ""
    return (
        f"It is right to {near:.0e}: do two large terms nearly cancel, as in a² - 2ab + b²? Take "
        "the difference first, then square it."
    )


_NEARLY = 1e-5  # of a value: far below what any known mistake does to one


def of_raised(component: str, raised: Raised, line: int) -> Judged:
    """A component that raised; to return something else than asked is no exception of theirs."""
    line = raised.line or line
    if raised.returned:
        message = raised.message.replace("NoneType", "None")
        return Judged(component, "error", line=line, message=message)
    message = f"raises {raised.kind}: {raised.message}"
    return Judged(component, "error", line=line, message=message, raised=raised.kind)


def advice_on(raised: Raised) -> str:
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


def cut(text: object) -> str:
    """What came out of the worker as words, no longer than a sentence."""
    return str(text)[:_LONGEST]


_LONGEST = 400


def stopped(seconds: float) -> str:
    """What is said of a part that took more than its share of the time."""
    return (
        f"was stopped after {seconds:.2g} s of processor time: it does not come to an end, or "
        "--timeout gives it more"
    )


def ending(failure: Mapping[str, Any]) -> str:
    """How a statement of the file ended, in words that follow its line."""
    if failure["ended"] == "memory":
        return "ran out of memory; what it held was given back, and the parts were judged"
    if failure["ended"] == "time":
        return f"{cut(failure['message'])}; --timeout gives more, and the parts were judged"
    return f"raised {failure['type']}: {failure['message']}"


def unasked(reason: str) -> str:
    """Why a part was not asked, in words; KeyError where that is nonsense."""
    return _UNASKED[reason]


_UNASKED = {
    "nothing-told": "not judged: which of its names are the features, the labels and the "
    "parameters is not clear; call them X, y, w and b",
    "numpy-steps": "not judged: its steps in NumPy cannot be counted; let the class or its `fit` "
    "take the number of epochs",
    "numpy-batches": "not judged: which rows its steps in NumPy take cannot be seen",
    "no-bias": "not judged: it has a weight and no bias, which is another model than Xw + b",
}


def beside_a_right_part(cause: Cause) -> str:
    """A mistake that does not show with the data that a right part is given."""
    mistake = named(cause.id)
    return f"with labels of shape (m,) it would be {mistake.id}: {mistake.what}"


def warned(sign: Mapping[str, Any]) -> Warned:
    """What the file's own run shows, in words; KeyError or ValueError where it is nonsense."""
    line = sign["line"]
    values = [float(value) for value in sign["values"]]
    message = _SIGNS[sign["kind"]].format(*values)
    return Warned(line if isinstance(line, int) else None, message)


_SIGNS = {
    "not-finite": "this file's own run ends in nan: from step {0:.0f} on its loss is no number",
    "grows": "this file's own loss grows, from {0:.3g} to {1:.3g}",
    "rate": "the rate {0:.3g} is beyond 2/λmax = {1:.3g} of this file's own data: along their "
    "steepest direction every step makes the error larger",
    "labels-graph": "the labels carry a graph (they were made from something that requires "
    "gradients): every backward pass goes through it, and the second one raises",
    "features-graph": "the features carry a graph (they were made from something that requires "
    "gradients): every backward pass goes through it, and the second one raises",
    "start-graph": "the parameters carry a graph: they are no leaves, so that backward() leaves no "
    "gradient in them",
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
