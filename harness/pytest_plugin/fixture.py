"""The `duel` fixture: two sides that agree, timed in pairs; both tests of a pair show them."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from harness.pytest_plugin.checks import fault, judged
from harness.pytest_plugin.replay import REPLAY, SIDES, shared_name

if TYPE_CHECKING:
    from harness.bench.paired import Duel, Plan, Prepared
    from harness.engine.case import Case
    from harness.engine.recipe import Recipe
    from harness.pytest_plugin.duels import Duels

    Timed = Callable[..., object] | Prepared


class DuelFixture:
    """One side's view of a duel: checks and times both sides, unless the other's test has."""

    def __init__(self, duels: Duels, item: pytest.Function, side: str, benchmark: Any) -> None:
        self.duels, self.item, self.benchmark = duels, item, benchmark
        self.side = SIDES.index(side)
        self.name = shared_name(item)

    def __call__(
        self,
        first: Timed,
        second: Timed,
        *,
        agree: Callable[[Any, Any], object],
        fresh: Callable[[], object] | None = None,
        synchronise: Callable[[], None] | None = None,
        plan: Plan | None = None,
    ) -> Duel | None:
        """Time two functions in pairs, after `agree` was asked of what they return.

        `agree(first's, second's)` raises AssertionError, or returns something other than True or
        None, where they differ (`torch.testing.assert_close`, `torch.equal`). `fresh`,
        `synchronise` and `plan` are those of `paired.duel`; for the check both sides get
        copies of one fresh input. Returns None where pytest-benchmark is disabled: then this side
        runs once. A pair that differs fails the test and is not timed.
        """

        def differ() -> str | None:
            return _differ(*_results(first, second, fresh), agree)

        return self.judged(
            _given(first, fresh),
            _given(second, fresh),
            differ,
            synchronise=synchronise,
            plan=plan,
        )

    def train(
        self, subject: Recipe, reference: Recipe, case: Case, *, plan: Plan | None = None
    ) -> Duel | None:
        """Time the training of two recipes on a case, from its initial values to its last epoch.

        Both train on the same rows in the same number of steps, the reference with the learning
        rate that reconciles the conventions; what is built anew for each run is not timed. A pair
        that `compare` does not find in agreement fails the test and is not timed. Returns as the
        call does.
        """
        import torch

        from harness.bench.paired import Prepared
        from harness.engine.lockstep import reference_lr
        from harness.engine.recipe import Side

        data = case.data()
        lr = reference_lr(subject, reference, case)
        sides = (
            Prepared(Side.fit, functools.partial(subject.build, case, data)),
            Prepared(Side.fit, functools.partial(reference.build, case, data, lr=lr)),
        )
        synchronise = torch.cuda.synchronize if case.device.startswith("cuda") else None

        def differ() -> str | None:
            return fault(judged(subject, reference, case))

        return self.judged(*sides, differ, synchronise=synchronise, plan=plan)

    def judged(
        self,
        first: Timed,
        second: Timed,
        differ: Callable[[], str | None],
        *,
        synchronise: Callable[[], None] | None = None,
        plan: Plan | None = None,
    ) -> Duel | None:
        """Time two sides that are held against each other elsewhere.

        `differ()` says how they differ, and None where they do not; it is asked once for both
        tests. Returns as the call does.
        """
        from harness.bench.paired import duel

        duels, name = self.duels, self.name
        measure = functools.partial(
            duel, first, second, name=name, names=SIDES, plan=plan, synchronise=synchronise
        )
        with self._noticed():
            if refusal := duels.refusal(name, differ):
                message = f"the two sides differ, so they are not timed: {refusal}"
                pytest.fail(message, pytrace=False)
            measured = duels.measure(name, measure) if self.benchmark.enabled else None
        if measured is None:
            duels.untimed.add(name)
            self.benchmark(_once, (first, second)[self.side])
        else:
            self._replay(measured)
        return measured

    @contextlib.contextmanager
    def _noticed(self) -> Iterator[None]:
        """Fail inside pytest-benchmark too, which else warns that its fixture was not used."""
        try:
            yield
        except BaseException:
            self.item.stash[REPLAY].load([0.0])
            with contextlib.suppress(UntimedError):
                self.benchmark.pedantic(_untimed)
            raise

    def _replay(self, duel: Duel) -> None:
        """Tell pytest-benchmark this side's samples as if they were taken now."""
        calls = duel.calls[self.side]
        samples = [pair[self.side] * calls for pair in duel.pairs]
        self.duels.names[self.item.nodeid] = self.name
        self.item.stash[REPLAY].load(samples)
        self.benchmark.pedantic(_nothing, rounds=len(samples), iterations=calls)


class UntimedError(Exception):
    """A test ended before there was anything to time."""


def _untimed() -> None:
    raise UntimedError


def _nothing() -> None:
    """What pytest-benchmark calls while it is told the samples."""


def _once(side: Timed) -> object:
    from harness.bench.paired import Prepared

    return side.call(side.fresh()) if isinstance(side, Prepared) else side()


def _results(
    first: Timed,
    second: Timed,
    fresh: Callable[[], object] | None,
) -> tuple[object, object]:
    """What each side returns; from copies of one input where `fresh` makes it."""
    if fresh:
        fresh = functools.partial(copy.deepcopy, fresh())  # a side may write to what it is given
    return _once(_given(first, fresh)), _once(_given(second, fresh))


def _given(side: Timed, fresh: Callable[[], object] | None) -> Timed:
    """The side with its inputs: `fresh` makes them where it brings none."""
    from harness.bench.paired import Prepared

    return side if fresh is None or isinstance(side, Prepared) else Prepared(side, fresh)


def _differ(first: object, second: object, agree: Callable[[Any, Any], object]) -> str | None:
    """How the results differ; None where `agree` says that they do not."""
    if first is None and second is None:
        return "both return None, so there is nothing to compare; return what was computed."
    try:
        answer = agree(first, second)
    except AssertionError as error:
        return str(error) or "the agreement check raised AssertionError."
    if answer is None or answer is True:
        return None
    return f"the agreement check returned {answer!r}, not True."
