"""What can be said of a fault in numbers when no known mistake explains it.

Each sentence holds on all the values that were asked: a constant ratio, a flipped sign, a constant
offset, only short batches, only negative predictions, only one parameter, right at first only.
Nothing here names a cause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor

from harness.engine.components import Component, ForcedReply, Question, Reply, SinglePiece
from harness.engine.components.signature import ROUNDINGS
from harness.engine.components.single_piece import turned_rows
from harness.engine.forced import usable
from harness.engine.recipe import Recipe
from harness.engine.tolerance import unit_roundoff
from harness.engine.trace import Stack

TIGHT = 1e-4


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a reply beside the right one: values (steps, width) for batches of `rows`.

    For parameters, the values are the changes made by the update. `rounding` (steps, 1) is what
    rounding may come to; `negative` says where the prediction is below 0, empty where values do not
    belong to predictions; `calls` count the steps of the question; `bias` are the entries of the
    last parameter.
    """

    name: str
    rows: int
    mine: Tensor
    right: Tensor
    rounding: Tensor
    negative: Tensor
    calls: list[int]
    bias: int = 1

    @property
    def off(self) -> Tensor:
        """Where the two differ beyond rounding; NaN always does."""
        return ~self.near(self.right)

    def near(self, values: Tensor) -> Tensor:
        """Where my values are these, up to rounding."""
        return (self.mine - values).abs() <= TIGHT * values.abs() + self.rounding

    @property
    def ratio(self) -> float | None:
        """The one number that everything right is multiplied by, or None."""
        large = self.right.abs() > self.rounding
        if not bool(large.any()):
            return None
        ratio = float((self.mine[large] / self.right[large]).median())
        return ratio if bool(self.near(ratio * self.right).all()) else None

    @property
    def offset(self) -> float | None:
        """The one number other than 0 that is added to everything right, or None."""
        offset = float((self.mine - self.right).median())
        return offset if offset and bool(self.near(self.right + offset).all()) else None


def columns(
    component: SinglePiece, question: Question, reply: ForcedReply, reference: Recipe
) -> Iterator[Column]:
    """Columns of right shape, beside those of the reference on the same states."""
    roundings = ROUNDINGS * unit_roundoff(question.case.torch_dtype)
    *_, bias = map(math.prod, question.case.layout.values())
    rights = component.own_reply(reference, question).once
    for (stack, _), got, right in zip(question.stacks, reply.once, rights, strict=True):
        for name in component.columns:
            mine, theirs = (getattr(steps, name).double() for steps in (got, right))
            if mine.shape != theirs.shape or not usable(got, name):
                continue
            size = theirs.abs()
            if name == "parameter":
                size = size.maximum(stack.before.abs())
                mine, theirs = mine - stack.before, theirs - stack.before
            rounding = roundings * size.amax(1, keepdim=True)
            negative = _negative(name, theirs, stack)
            rest = rounding, negative, stack.positions, bias
            yield Column(name, stack.rows, mine, theirs, *rest)


def _negative(name: str, right: Tensor, stack: Stack) -> Tensor:
    if name == "prediction":
        return right < 0
    given = stack.prediction
    return given < 0 if name == "loss" and right.shape == given.shape else given.new_empty(0)


def ratios(
    component: SinglePiece, question: Question, reply: ForcedReply, reference: Recipe
) -> Iterator[tuple[int, float | None]]:
    """By column and stack: its rows, and the ratio of mine to right; None where it is not one."""
    for column in columns(component, question, reply, reference):
        yield column.rows, column.ratio


def measured(
    component: Component[Any], replies: Sequence[tuple[Question, Reply]], reference: Recipe
) -> Iterator[str]:
    """Sentences that hold on everything a single piece was asked; none for other components."""
    if not isinstance(component, SinglePiece):
        return
    forced = [(question, reply) for question, reply in replies if isinstance(reply, ForcedReply)]
    judged = [pair for pair in forced if pair[0].judged]
    asked = [list(columns(component, *pair, reference)) for pair in judged]
    for name in component.columns:
        by_question = [[part for part in parts if part.name == name] for parts in asked]
        for sentence in _said([parts for parts in by_question if parts]):
            yield f"{_WORDS[name]}: {sentence}"
    if not all(component.steady(*pair) for pair in judged):
        yield "asked the same again, it gives something else"
    turned = next((pair for pair in forced if pair[0].turned), None)
    if turned:
        yield from _order(component, judged[0], turned)


def _order(
    component: SinglePiece,
    first: tuple[Question, ForcedReply],
    turned: tuple[Question, ForcedReply],
) -> Iterator[str]:
    """Whether rows in the opposite order give something else than their values turned round."""
    (question, straight), (_, back) = first, turned
    (stack, _), few, (reversed_,) = question.stacks[0], straight.once[0], back.once
    for name in component.columns:
        a, b = (getattr(steps, name).double() for steps in (few, reversed_))
        a = a[: len(b)]
        by_row = name in ("prediction", "loss", "upstream") and b.shape[1] % stack.rows == 0
        b = turned_rows(b, stack.rows) if by_row else b
        size = a.nan_to_num().abs().amax(1, keepdim=True)
        if a.shape == b.shape and bool(((a - b).abs() > TIGHT * size).any()):
            yield f"{_WORDS[name]}: depends on the order of the rows"


_WORDS = {
    "prediction": "prediction",
    "gradient": "gradient by the parameters",
    "loss": "loss",
    "upstream": "gradient by the predictions",
    "parameter": "update",
}


def _said(by_question: list[list[Column]]) -> Iterator[str]:
    """Everything that can be said of one column, by question and stack."""
    parts = [part for question in by_question for part in question]
    wrong = [part for part in parts if bool(part.off.any())]
    if not wrong:
        return
    where = " where it differs" if len(wrong) < len(parts) else ""
    yield from (text + where for text in _proportional(wrong))
    yield from _short_batches(parts, wrong)
    if _only_negative(wrong):
        yield "only negative predictions differ"
    yield from _one_parameter(wrong)
    yield from _by_call(by_question)
    yield from _growing(by_question)


def _only_negative(wrong: list[Column]) -> bool:
    """Whether no other prediction differs, where there are any others."""
    if not all(part.negative.numel() for part in wrong):
        return False
    others = any(not bool(part.negative.all()) for part in wrong)
    return others and not any(bool((part.off & ~part.negative).any()) for part in wrong)


def _proportional(wrong: list[Column]) -> Iterator[str]:
    by_rows: dict[int, list[float | None]] = {}
    for part in wrong:
        by_rows.setdefault(part.rows, []).append(part.ratio)
    common = {rows: _common(numbers) for rows, numbers in by_rows.items()}
    whole = _common([ratio for numbers in by_rows.values() for ratio in numbers])
    if whole is not None:
        yield "sign flipped" if abs(whole + 1) < TIGHT else f"ratio constant = {whole:.6g}"
    elif all(ratio is not None for ratio in common.values()):
        shown = (f"{ratio:.4g} at {rows} rows" for rows, ratio in sorted(common.items()))
        yield "ratio " + ", ".join(shown)
    offset = _common([part.offset for part in wrong])
    if offset is not None:
        yield f"constant offset {offset:.6g}"


def _common(numbers: Sequence[float | None]) -> float | None:
    """The number that all of these are, or None."""
    values = [value for value in numbers if value is not None]
    if not values or len(values) < len(numbers):
        return None
    spread = max(values) - min(values)
    return values[0] if spread <= TIGHT * abs(values[0]) else None


def _short_batches(parts: list[Column], wrong: list[Column]) -> Iterator[str]:
    """Batches of some lengths are always wrong, the others never."""
    lengths = {part.rows for part in wrong}
    others = {part.rows for part in parts if part not in wrong}
    if others and not others & lengths:
        yield f"only batches of {' and '.join(map(str, sorted(lengths)))} rows differ"


def _one_parameter(wrong: list[Column]) -> Iterator[str]:
    """Of the parameters, whose last one is the bias, only that or only the others."""
    if wrong[0].name not in ("gradient", "parameter"):
        return
    bias = [bool(part.off[:, -part.bias :].any()) for part in wrong]
    weight = [bool(part.off[:, : -part.bias].any()) for part in wrong]
    if not any(weight):
        yield "only the bias differs"
    elif not any(bias):
        yield "only the weight differs"


def _by_call(by_question: list[list[Column]]) -> Iterator[str]:
    """Right for as many calls in every question, and wrong from then on: something is kept."""
    right = {_right_calls(parts) for parts in by_question}
    calls = right.pop()
    if calls and not right:
        first = "the first call is" if calls == 1 else f"the first {calls} calls are"
        yield f"{first} right, all later ones are not"


def _growing(by_question: list[list[Column]]) -> Iterator[str]:
    """In every question the ratio to the right values is larger with every call."""
    if all(_grows(parts) for parts in by_question):
        yield "grows with the step"


def _grows(parts: list[Column]) -> bool:
    sizes = sorted(
        (call, float(mine.norm() / right.norm()))
        for part in parts
        for call, mine, right in zip(part.calls, part.mine, part.right, strict=True)
    )
    ratios = [ratio for _, ratio in sizes]
    return len(ratios) > 2 and all(b > a * (1 + TIGHT) for a, b in pairwise(ratios))


def _right_calls(parts: list[Column]) -> int:
    """How many calls are right before all others are wrong; 0 where it is not so."""
    by_call = sorted(
        (call, wrong)
        for part in parts
        for call, wrong in zip(part.calls, part.off.any(1).tolist(), strict=True)
    )
    wrong = [is_wrong for _, is_wrong in by_call]
    calls = wrong.index(True) if True in wrong else 0
    return calls if all(wrong[calls:]) else 0
