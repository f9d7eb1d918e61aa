"""The duel's arithmetic on a clock of our own; only the last tests look at a real one."""

import gc
import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bench.paired import Duel, Plan, Prepared, _coverage, _rank, duel, verdict

MARGIN = 0.03
RATIOS = st.floats(0.01, 100)


class Clock:
    """A clock that stands still until somebody spends time."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        """Tell the time."""
        return self.now

    def costing(self, *seconds):
        """A side whose calls cost these seconds in turn."""
        costs = list(seconds)

        def call():
            self.now += costs[0]
            costs.append(costs.pop(0))

        return call


def made(pairs, block=1, margin=MARGIN):
    return Duel("x", "a", "b", tuple(pairs), (1, 1), block, margin)


def run(first, second, clock, **more):
    return duel(first, second, name="x", clock=clock, **more)


# -- verdicts and statistics ---------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.90, 0.96, "faster"),
        (0.90, 0.98, "unclear"),  # excludes 1, which is no verdict
        (0.98, 1.02, "tie"),
        (1.00, 1.04, "unclear"),
        (1.031, 1.05, "slower"),
        (1.01, 1.02, "tie"),  # excludes 1, but by less than the margin
        (0.5, 2.0, "unclear"),
    ],
)
def test_verdict(low, high, expected):
    assert verdict(low, high, MARGIN) == expected


@given(RATIOS, RATIOS, st.floats(0.001, 0.5))
def test_verdict_turns_round_with_the_sides(a, b, margin):
    """Swapping the sides swaps faster and slower and leaves the rest."""
    low, high = sorted((a, b))
    swapped = {"faster": "slower", "slower": "faster"}
    there = verdict(low, high, margin)
    back = verdict(1 / high, 1 / low, margin * (1 + 1e-12))
    near = any(
        math.isclose(v, edge, rel_tol=1e-9)
        for v in (low, high)
        for edge in (1 + margin, 1 / (1 + margin))
    )
    assert near or back == swapped.get(there, there)


def test_interval_is_the_second_and_the_ninth_of_ten():
    """97.9 %, as the order statistics of ten values have it."""
    found = made([(k, 1.0) for k in (3, 1, 2, 5, 4, 7, 6, 10, 9, 8)])
    assert (found.low, found.high) == (2, 9)
    assert found.ratio == pytest.approx(math.sqrt(5 * 6))
    assert found.coverage == pytest.approx(1 - 2 * 11 / 1024)


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 1), (2, 1), (6, 1), (8, 1), (10, 2), (12, 2), (20, 5)]
)
def test_rank_is_the_largest_that_covers(count, rank):
    assert _rank(count) == rank
    assert rank == 1 or _coverage(count, rank) >= 0.975 > _coverage(count, rank + 1)


def test_coverage_is_that_of_a_simulation():
    """How often the interval of ten draws holds the median, counted."""
    draw = random.Random(0)
    hits = sum(
        s[1] <= 0.5 <= s[8]
        for s in (sorted(draw.random() for _ in range(10)) for _ in range(20_000))
    )
    assert hits / 20_000 == pytest.approx(_coverage(10, 2), abs=0.004)


def test_a_block_counts_by_the_minimum_of_each_side():
    found = made([(9.0, 1.0), (2.0, 5.0), (2.0, 1.0), (8.0, 4.0)], block=2)
    assert found.block_ratios == [2.0, 2.0]
    assert found.seconds == (2.0, 1.0)


def test_blocks_see_through_noise_that_plain_ratios_do_not():
    """Two of three samples of one side are held up: the minima agree, and it is flagged."""
    noisy = made([(1.0, 1.0), (3.0, 1.0), (3.0, 1.0)] * 10, block=3)
    assert (noisy.ratio, noisy.verdict) == (1.0, "tie")
    assert noisy.median_of_ratios == pytest.approx(3)
    assert noisy.disagrees
    assert not made([(1.0, 1.0)] * 30, block=3).disagrees


@given(st.lists(st.tuples(RATIOS, RATIOS), min_size=1, max_size=40), st.integers(1, 7))
def test_ratio_lies_in_its_interval_and_survives_json(pairs, block):
    found = made(pairs, block)
    assert found.low <= found.ratio * (1 + 1e-12)
    assert found.ratio <= found.high * (1 + 1e-12)
    assert Duel.from_dict(json.loads(json.dumps(found.to_dict()))) == found


# -- the plan ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.002, (60, 6)),
        (0.1, (60, 6)),
        (0.2, (30, 3)),
        (0.4, (15, 1)),
        (0.5, (12, 1)),
        (90, (12, 1)),
    ],
)
def test_shape(seconds, expected):
    assert Plan().shape(seconds) == expected


@given(st.floats(0, 1e6), st.integers(1, 200), st.integers(1, 20), st.integers(1, 30))
def test_shape_keeps_its_bounds(seconds, pairs, blocks, fewest):
    count, block = Plan(pairs=pairs, blocks=blocks, fewest=fewest).shape(seconds)
    assert min(fewest, pairs) - blocks < count <= pairs
    assert block == 1 or count == block * blocks


# -- a whole duel, on a clock of our own ---------------------------------------


def test_a_side_against_itself_is_a_tie():
    clock = Clock()
    found = run(clock.costing(0.002), clock.costing(0.002), clock)
    assert (found.ratio, found.low, found.high) == (1.0, 1.0, 1.0)
    assert (found.verdict, len(found.pairs), found.block) == ("tie", 60, 6)


@pytest.mark.parametrize(("cost", "word"), [(0.003, "slower"), (0.002 / 1.5, "faster")])
def test_one_and_a_half_times(cost, word):
    clock = Clock()
    found = run(clock.costing(cost), clock.costing(0.002), clock)
    assert found.ratio == pytest.approx(cost / 0.002)
    assert found.verdict == word


def test_order_is_abba():
    """Even pairs run the first side first, odd pairs the second."""
    clock, calls = Clock(), []

    def side(name):
        def call():
            calls.append(name)
            clock.now += 0.01

        return call

    run(side("A"), side("B"), clock, plan=Plan(pairs=4, blocks=2, warmups=0))
    assert "".join(calls[-8:]) == "ABBAABBA"


def test_a_drift_slows_both_sides():
    """A machine that slows down all the time: pairs side by side hardly see it."""
    clock = Clock()

    def call():
        clock.now += 0.002 * (1 + clock.now)

    found = run(call, call, clock)
    half = len(found.pairs) // 2
    sequential = sum(a for a, _ in found.pairs[:half]) / sum(a for a, _ in found.pairs[half:])
    assert found.verdict == "tie"
    assert sequential < 1 / (1 + MARGIN)  # the control: one side after the other would be misled


@pytest.mark.parametrize(("doubled", "count"), [(True, 120), (False, 60)])
def test_unclear_doubles_the_pairs_once(doubled, count):
    clock = Clock()
    first = clock.costing(*([0.002] * 12 + [0.0022] * 12))
    found = run(first, clock.costing(0.002), clock, plan=Plan(doubled=doubled, warmups=0))
    assert (found.verdict, len(found.pairs)) == ("unclear", count)


def test_a_sample_lasts_long_enough():
    """Each side makes as many calls as it needs for a millisecond."""
    clock = Clock()
    found = run(clock.costing(1e-5), clock.costing(4e-4), clock)
    assert found.calls[0] * 1e-5 >= 1e-3
    assert found.calls[1] * 4e-4 >= 1e-3
    assert found.calls[0] < 200
    assert found.inner == found.calls[0]
    assert found.seconds == pytest.approx((1e-5, 4e-4))


def test_what_is_slow_gets_few_pairs_and_no_blocks():
    clock = Clock()
    found = run(clock.costing(4.0), clock.costing(1.0), clock)
    assert (len(found.pairs), found.block, found.verdict) == (12, 1, "slower")
    assert clock.now < 5 * 15  # hardly any warm-up either


def test_a_clock_that_stands_still_ends_too():
    assert run(lambda: None, lambda: None, Clock(), plan=Plan(pairs=2, warmups=0)).verdict == "tie"


def test_inputs_are_new_and_cost_nothing():
    """What makes the inputs takes long, outside the timed part; no input is seen twice."""
    clock, seen = Clock(), []

    def fresh():
        clock.now += 1.0
        return object()

    def call(value):
        seen.append(value)
        clock.now += 0.002

    found = run(call, call, clock, fresh=fresh, plan=Plan(pairs=4, blocks=2))
    assert len({id(value) for value in seen}) == len(seen)
    assert found.seconds == pytest.approx((0.002, 0.002))


def test_a_cache_cannot_win():
    """A side that remembers its last input is as slow as one that does not."""
    clock = Clock()
    last: list[object] = []

    def caching(value):
        clock.now += 0.002 if value not in last else 1e-4
        last[:] = [value]

    def plain(value):
        clock.now += 0.002

    plan = Plan(pairs=10, blocks=5)
    assert run(caching, plain, clock, fresh=object, plan=plan).verdict == "tie"
    same = Prepared(caching, lambda: "always the same")
    assert run(same, Prepared(plain, object), clock, plan=plan).verdict == "faster"  # the control


def test_waits_for_the_device_at_both_ends():
    """A call only queues the work; the time is that of waiting for it."""
    clock = Clock()
    queue: list[int] = []

    def synchronise():
        clock.now += 0.002 * len(queue)
        queue.clear()

    found = run(
        lambda: queue.append(1), lambda: queue.extend((1, 1)), clock, synchronise=synchronise
    )
    assert found.ratio == pytest.approx(0.5)
    without = run(lambda: queue.append(1), lambda: queue.extend((1, 1)), clock, plan=Plan(pairs=2))
    assert without.verdict == "tie"  # the control: nobody waited


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_off_and_put_back(enabled):
    before, states = gc.isenabled(), []
    clock = Clock()

    def call():
        states.append(gc.isenabled())
        clock.now += 0.01

    (gc.enable if enabled else gc.disable)()
    try:
        run(call, call, clock, plan=Plan(pairs=2))
        assert (gc.isenabled(), any(states)) == (enabled, False)
    finally:
        (gc.enable if before else gc.disable)()


def test_what_a_side_raises_passes_through():
    def broken():
        raise ZeroDivisionError

    before = gc.isenabled(), gc.get_freeze_count()
    with pytest.raises(ZeroDivisionError):
        run(broken, lambda: None, Clock())
    assert (gc.isenabled(), gc.get_freeze_count()) == before


# -- on the machine's own clock ------------------------------------------------


def work(steps):
    return sum(range(steps))


@pytest.mark.bench
def test_real_control_and_real_difference():
    assert duel(lambda: work(20_000), lambda: work(20_000), name="x").verdict == "tie"
    assert duel(lambda: work(30_000), lambda: work(20_000), name="x").verdict == "slower"
