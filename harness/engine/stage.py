"""One stage judged: how far it may be, where it first was further, and the six levels.

A stage record is fed one stack of steps at a time and keeps only the worst place and the first
divergence, so its memory does not grow with the run. It knows numbers, not sides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from harness.engine.expected import Expected
from harness.engine.raised import Raised
from harness.engine.tolerance import MULTIPLE, allowance, in_ulps

REFINED = 6  # steps whose sampled scale is worked out at once
Level = Literal["identical", "rounding", "convention", "different", "inconclusive", "error"]
SEVERITY: tuple[Level, ...] = (
    "identical",
    "rounding",
    "convention",
    "inconclusive",
    "error",
    "different",
)


def worst(levels: Iterable[Level]) -> Level:
    """The level that decides: what differs before what could not be judged before what agrees."""
    return max(levels, key=SEVERITY.index, default="inconclusive")


@dataclass(frozen=True)
class Divergence:
    """The first value outside what was allowed, or a sentence where no number differs.

    `what` names what is off, where the stage alone does not tell.
    """

    stage: str
    epoch: int
    step: int
    got: float | None = None
    expected: float | None = None
    gap: float | None = None
    allowed: float | None = None
    text: str | None = None
    what: str | None = None

    @property
    def message(self) -> str:
        """One sentence in the project's grammar."""
        return f"{self.stage}[epoch {self.epoch} step {self.step}] {self.words}"

    @property
    def words(self) -> str:
        """The sentence without its place."""
        if self.text or self.got is None or self.expected is None:
            return self.text or ""
        got, expected = _apart(self.got, self.expected)
        return f"= {got}, but should be {expected} (gap {self.gap:.1e}, allowed {self.allowed:.1e})"

    def to_dict(self) -> dict[str, object]:
        """Plain values, as in the report."""
        return {
            name: getattr(self, name)
            for name in ("stage", "epoch", "step", "got", "expected", "gap", "allowed", "message")
        }


def _apart(got: float, expected: float) -> tuple[str, str]:
    """Both numbers with as many digits as tell them apart, six at least."""
    for digits in (6, 9, 12, 17):
        texts = f"{got:.{digits}g}", f"{expected:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


class Placed(Protocol):
    """Steps whose places are known, such as a stack."""

    @property
    def places(self) -> list[tuple[int, int]]:
        """Epoch and batch of each."""

    def __len__(self) -> int:
        """How many there are."""


@dataclass
class StageRecord:
    """One stage over a whole run: its worst place, and the first outside what was allowed."""

    stage: str
    dtype: torch.dtype
    equal_bits: bool = True
    reconciled: bool = False
    steps: int = 0
    something: bool = False
    sound: bool = True
    max_gap: float = 0.0
    allowed: float = 0.0
    max_ulps: float = 0.0
    allowed_ulps: float = 0.0
    first: Divergence | None = None
    raised: Raised | None = None
    closest: float = -1.0

    def add(
        self,
        stack: Placed,
        value: Tensor,
        expected: Expected,
        reference_gap: Tensor,
        *,
        equal_bits: bool,
    ) -> tuple[Tensor, Tensor]:
        """Judge one stage of a stack; each step's largest gap and allowance come back in ulps."""
        gap = (value - expected.value).abs()
        allowed, share = self._allowed(gap, expected, reference_gap)
        size = expected.value.abs().amax(1)
        widest = torch.stack((gap.amax(1), allowed.amax(1)))
        columns = torch.cat(
            (torch.stack((share, size)), widest, in_ulps(widest, size, self.dtype))
        ).cpu()
        self.steps += len(stack)
        self.equal_bits &= equal_bits
        self.something |= bool(columns[1].any())
        self._widest(columns)
        over = (columns[0] > 1).nonzero()
        if len(over) and self.first is None:
            self.first = self._divergence(stack, int(over[0]), value, expected.value, gap, allowed)
        return columns[4], columns[5]

    def _allowed(
        self, gap: Tensor, expected: Expected, reference_gap: Tensor
    ) -> tuple[Tensor, Tensor]:
        """How far each value may be (K, width), and each step's largest share of that (K,).

        Where the scale was sampled at other steps, it is worked out for those that seem to be too
        far off, one block after the other, until one of them really is.
        """

        def judged() -> tuple[Tensor, Tensor]:
            allowed = allowance(expected.scale, reference_gap, self.dtype, expected.length)
            return allowed, (gap / allowed).nan_to_num(nan=math.inf).amax(1)

        allowed, share = judged()
        worked_out: set[int] = set()
        while expected.refine is not None:
            over = [int(k) for k in (share > 1).nonzero() if int(k) not in worked_out]
            if not over or any(bool(share[k] > 1) for k in worked_out):
                break
            worked_out.update(over[:REFINED])
            expected = expected.refined(over[:REFINED])
            allowed, share = judged()
        return allowed, share

    def measure(self, expected: Expected, reference_gap: Tensor) -> None:
        """Note whether the reference itself is off by rounding only; else it is no measure."""
        nothing = torch.zeros_like(reference_gap)
        _, share = self._allowed(reference_gap / MULTIPLE, expected, nothing)
        self.sound &= bool((share <= 1).all())

    def _widest(self, columns: Tensor) -> None:
        """Keep the place that came closest to what was allowed, or went furthest beyond it."""
        k = int(columns[0].argmax())
        share, _, gap, allowed, ulps, allowed_ulps = columns[:, k].tolist()
        if share > self.closest:
            self.closest = share
            self.max_gap, self.allowed = gap, allowed
            self.max_ulps, self.allowed_ulps = ulps, allowed_ulps

    def _divergence(
        self, stack: Placed, k: int, value: Tensor, expected: Tensor, gap: Tensor, allowed: Tensor
    ) -> Divergence:
        at = int((gap[k] / allowed[k]).nan_to_num(nan=math.inf).argmax())
        epoch, step = stack.places[k]
        got, right, apart, granted = (float(t[k, at]) for t in (value, expected, gap, allowed))
        return Divergence(self.stage, epoch, step, got, right, apart, granted)

    @property
    def level(self) -> Level:
        """What this stage comes to."""
        if self.first:
            return "different"
        if self.raised:
            return "error"
        if not self.steps or not self.something or not self.sound:
            return "inconclusive"
        if self.reconciled:
            return "convention"
        return "identical" if self.equal_bits else "rounding"

    def to_dict(self) -> dict[str, object]:
        """Plain values, as in the report."""
        return {
            "level": self.level,
            "first_divergence": self.first.to_dict() if self.first else None,
            "max_gap": self.max_gap,
            "allowed": self.allowed,
            "max_gap_ulps": self.max_ulps,
            "allowed_ulps": self.allowed_ulps,
            "steps": self.steps,
        }
