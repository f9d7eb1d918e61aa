"""Two callables timed in pairs: which one is faster, by how much, and how sure that is.

Samples of both sides stand next to each other in time and change places from pair to pair (ABBA),
so that whatever slows the machine down slows both; of each block of pairs only the minimum of each
side counts, because noise only ever adds. The ratio is the median over the blocks, its interval
two order statistics of them, and no verdict is given from an interval that merely excludes 1.

Knows nothing of recipes, of torch, or of how a result is shown. Whether both sides compute the
same is for the caller to make sure of, before.
"""

from __future__ import annotations

import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Verdict = Literal["faster", "slower", "tie", "unclear"]

ORDER = "ABBA"  # even pairs run the first side first, odd pairs the second
COVERAGE = 0.975  # least coverage of the interval, where there are blocks enough for it
MOST_CALLS = 1_000_000
INSTANT = 1e-12  # seconds: what a clock that did not move is taken for


@dataclass(frozen=True)
class Plan:
    """How much is timed: 60 pairs in 10 blocks, with samples of at least a millisecond.

    `minimum_sample` and `seconds` are in seconds; `seconds` is what the pairs may take, and where
    60 would take longer there are fewer, but never below `fewest`; under two pairs a block every
    pair is a block of its own. `margin` is the relative difference that is still a tie. `doubled`
    runs as many pairs again, once, where the verdict would be unclear.
    """

    pairs: int = 60
    blocks: int = 10
    minimum_sample: float = 1e-3
    warmups: int = 3
    margin: float = 0.03
    doubled: bool = True
    seconds: float = 6.0
    fewest: int = 12

    def shape(self, pair_seconds: float) -> tuple[int, int]:
        """How many pairs, and how many of them in a block, where a pair takes so long."""
        affordable = int(min(self.seconds / max(pair_seconds, INSTANT), self.pairs))
        pairs = max(affordable, min(self.fewest, self.pairs))
        block = pairs // self.blocks
        return (block * self.blocks, block) if block > 1 else (pairs, 1)


@dataclass(frozen=True)
class Prepared:
    """A side that is handed new inputs at each call; `fresh` makes them outside the timed part."""

    call: Callable[[Any], object]
    fresh: Callable[[], object]


@dataclass(frozen=True)
class Duel:
    """What was measured, and what follows from it; ratio = first / second, below 1 is faster.

    `pairs` are seconds per call of the first and the second side, all of them, in the order they
    were run in (`order` says which side came first); `calls` is how many calls of each side made a
    sample, `block` how many pairs a block. `load` is the machine's load average before and after,
    None where the system tells none.
    """

    name: str
    first: str
    second: str
    pairs: tuple[tuple[float, float], ...]
    calls: tuple[int, int]
    block: int
    margin: float
    load: tuple[float | None, float | None] = (None, None)
    order: str = ORDER

    @property
    def inner(self) -> int:
        """Calls of the first side in a sample."""
        return self.calls[0]

    @cached_property
    def block_ratios(self) -> list[float]:
        """Minimum over minimum of each block, ascending; a short last block counts as one."""
        blocks = [self.pairs[i : i + self.block] for i in range(0, len(self.pairs), self.block)]
        return sorted(_ratio(*map(min, zip(*block, strict=True))) for block in blocks)

    @property
    def ratio(self) -> float:
        """The median of the blocks' log ratios, as a ratio."""
        return _log_median(self.block_ratios)

    @property
    def low(self) -> float:
        """Lower end of the interval: the k-th smallest of the blocks' ratios."""
        return self.block_ratios[_rank(len(self.block_ratios)) - 1]

    @property
    def high(self) -> float:
        """Upper end of the interval: the k-th largest."""
        return self.block_ratios[-_rank(len(self.block_ratios))]

    @property
    def coverage(self) -> float:
        """How often such an interval covers the median of the ratio: .979 with 10 blocks."""
        return _coverage(len(self.block_ratios), _rank(len(self.block_ratios)))

    @property
    def verdict(self) -> Verdict:
        """What the interval says of the first side, with this margin."""
        return verdict(self.low, self.high, self.margin)

    @property
    def median_of_ratios(self) -> float:
        """The median over all pairs, without blocks and minima."""
        return _log_median([_ratio(*pair) for pair in self.pairs])

    @property
    def disagrees(self) -> bool:
        """Whether the median of the plain ratios is off the interval by more than the margin."""
        slack = 1 + self.margin
        return not self.low / slack <= self.median_of_ratios <= self.high * slack

    @property
    def seconds(self) -> tuple[float, float]:
        """Seconds per call of each side: the median over the blocks' minima."""
        blocks = [self.pairs[i : i + self.block] for i in range(0, len(self.pairs), self.block)]
        minima = [tuple(map(min, zip(*block, strict=True))) for block in blocks]
        first, second = (statistics.median(side) for side in zip(*minima, strict=True))
        return first, second

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, raw pairs included; `Duel.from_dict` reads it back."""
        kept = ("name", "first", "second", "block", "margin", "order")
        derived = ("ratio", "low", "high", "coverage", "verdict", "median_of_ratios", "disagrees")
        lists = ("seconds", "calls", "load")
        return {
            **{key: getattr(self, key) for key in (*kept, *derived)},
            **{key: list(getattr(self, key)) for key in lists},
            "pairs": [list(pair) for pair in self.pairs],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Duel:
        """The duel that `to_dict` wrote; what follows from the pairs is worked out anew."""
        return cls(
            name=values["name"],
            first=values["first"],
            second=values["second"],
            pairs=tuple((float(a), float(b)) for a, b in values["pairs"]),
            calls=(values["calls"][0], values["calls"][1]),
            block=values["block"],
            margin=values["margin"],
            load=(values["load"][0], values["load"][1]),
            order=values["order"],
        )


def verdict(low: float, high: float, margin: float) -> Verdict:
    """Of an interval of first / second: beyond the margin, within it, or neither."""
    if high < 1 / (1 + margin):
        return "faster"
    if low > 1 + margin:
        return "slower"
    return "tie" if 1 / (1 + margin) <= low and high <= 1 + margin else "unclear"


def duel(
    first: Callable[..., object] | Prepared,
    second: Callable[..., object] | Prepared,
    *,
    name: str,
    names: tuple[str, str] = ("scratch", "builtin"),
    plan: Plan | None = None,
    fresh: Callable[[], object] | None = None,
    synchronise: Callable[[], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Duel:
    """Time both sides in pairs until the plan is done; an unclear verdict doubles the pairs once.

    A side is called without arguments, or, where `fresh` or a `Prepared` makes inputs, with what
    that has just made: new for each call, outside the timed part, so that no cache can win.
    `synchronise` waits for a device at both ends of each sample. The garbage collector is off
    meanwhile, and put back as it was. Whatever a side raises passes through.
    """
    plan = plan or Plan()
    timers = [_Timer(_prepared(side, fresh), synchronise, clock) for side in (first, second)]
    before = _load()
    with garbage_collection_off():
        for timer in timers:
            timer.calibrate(plan)
        count, block = plan.shape(sum(timer.sample_seconds for timer in timers))

        def measured(pairs: list[tuple[float, float]]) -> Duel:
            calls = (timers[0].calls, timers[1].calls)
            load = (before, _load())
            return Duel(name, *names, tuple(pairs), calls, block, plan.margin, load)

        pairs = _pairs(timers, count, block)
        match = measured(pairs)
        if match.verdict == "unclear" and plan.doubled:
            match = measured(pairs + _pairs(timers, count, block))
    return match


def _pairs(timers: list[_Timer], count: int, block: int) -> list[tuple[float, float]]:
    """So many pairs in the order ABBA; garbage is collected between blocks."""
    pairs = []
    for i in range(count):
        if i % block == 0:
            gc.collect()
        order = timers if i % 2 == 0 else timers[::-1]
        spent = [timer.sample() for timer in order]
        pairs.append((spent[0], spent[1]) if i % 2 == 0 else (spent[1], spent[0]))
    return pairs


class _Timer:
    """Times one side: so many calls between two looks at the clock."""

    def __init__(
        self,
        side: Prepared | Callable[[], object],
        synchronise: Callable[[], None] | None,
        clock: Callable[[], float],
    ) -> None:
        self.run = _with_inputs(side) if isinstance(side, Prepared) else _without(side)
        self.synchronise, self.clock = synchronise, clock
        self.calls, self.sample_seconds = 1, 0.0

    def sample(self) -> float:
        """Seconds per call, of one sample."""
        return self.run(self.calls, self._around) / self.calls

    def _around(self, loop: Callable[[], None]) -> float:
        if self.synchronise:
            self.synchronise()
        start = self.clock()
        loop()
        if self.synchronise:
            self.synchronise()
        return self.clock() - start

    def calibrate(self, plan: Plan) -> None:
        """Warm up, then find how many calls make a sample of the least length."""
        warm: list[float] = []
        for _ in range(plan.warmups):
            warm.append(self.sample())
            self.sample_seconds = min(warm)
            if sum(warm) > plan.seconds / 2:  # so slow that what was cold does not count
                return
        if self.sample_seconds >= max(plan.minimum_sample, INSTANT):
            return
        while True:
            seconds = max(min(self.sample() for _ in range(3)) * self.calls, INSTANT)
            self.sample_seconds = seconds
            if seconds >= plan.minimum_sample or self.calls >= MOST_CALLS:
                return
            calls = math.ceil(self.calls * plan.minimum_sample / seconds * 1.2)
            self.calls = min(max(2 * self.calls, calls), MOST_CALLS)


Around = Callable[[Callable[[], None]], float]


def _with_inputs(side: Prepared) -> Callable[[int, Around], float]:
    call = side.call

    def run(calls: int, around: Around) -> float:
        inputs = [side.fresh() for _ in range(calls)]

        def loop() -> None:
            for value in inputs:
                call(value)

        return around(loop)

    return run


def _without(call: Callable[[], object]) -> Callable[[int, Around], float]:
    def run(calls: int, around: Around) -> float:
        def loop() -> None:
            for _ in range(calls):
                call()

        return around(loop)

    return run


def _prepared(
    side: Callable[..., object] | Prepared, fresh: Callable[[], object] | None
) -> Prepared | Callable[[], object]:
    if isinstance(side, Prepared) or fresh is None:
        return side
    return Prepared(side, fresh)


@contextmanager
def garbage_collection_off() -> Iterator[None]:
    """Collect once, leave what is there out of later collections, and collect only when asked."""
    enabled, frozen = gc.isenabled(), gc.get_freeze_count()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()
        if enabled:
            gc.enable()


def _load() -> float | None:
    """The load average of the last minute; None where the system keeps none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _ratio(first: float, second: float) -> float:
    return max(first, INSTANT) / max(second, INSTANT)


def _log_median(ratios: list[float]) -> float:
    return math.exp(statistics.median(map(math.log, ratios)))


def _coverage(count: int, rank: int) -> float:
    """Chance that the median lies between the rank-th smallest and largest of so many values."""
    return 1 - math.ldexp(sum(math.comb(count, i) for i in range(rank)), 1 - count)


def _rank(count: int) -> int:
    """The largest rank whose interval still has the coverage; 1 where none has."""
    ranks = range(1, count // 2 + 1)
    return max((k for k in ranks if _coverage(count, k) >= COVERAGE), default=1)
