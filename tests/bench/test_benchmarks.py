"""The benchmark suite, as rows of pytest-benchmark: what each piece and an epoch cost, both ways.

`python -m pytest -m bench` runs it; it wants a quiet machine. The rows are those of `svb bench` at
its two smaller settings; sweeps over sizes, memory and torch's options are left to that.
"""

import pytest

from harness.bench.control import CONTROL
from harness.bench.entries import SETTINGS, entries
from harness.bench.paired import Plan
from harness.bench.timer import Timer
from harness.bench.variants import FORM
from harness.pairs.linear import BUILTIN, SCRATCH

pytestmark = pytest.mark.bench

ROWS = {  # groups of rows by setting: swaps tell most where steps are short
    "small": ("components", "epoch", "into builtin", "by hand"),
    "medium": ("components", "epoch"),
}
ENTRIES = [
    entry
    for case in SETTINGS
    if case.name in ROWS
    for entry in entries(case, SCRATCH[FORM], BUILTIN[FORM])
    if entry.group in ROWS[case.name]
]
LIMITS = {  # scratch over built-in, at most
    "small/components/step": 0.85,
    "small/epoch/whole epoch": 0.55,
    "medium/epoch/whole epoch": 0.14,
}


@pytest.fixture(scope="module")
def timer():
    """Compares each recipe once, and keeps the data of the setting at hand."""
    return Timer(BUILTIN[FORM], "cpu", Plan())


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.ident for entry in ENTRIES])
def test_scratch_against_builtin(duel, timer, entry):
    """Both sides agree by the engine, then their ratio is measured; some have a bound to keep."""
    data = timer.data(entry.setting)
    sides = [entry.make(v.timed, entry.setting, data) for v in (entry.first, entry.second)]
    found = duel.judged(*sides, lambda: timer.agreement(entry)[1] or None)
    low = found.low if found else 0.0  # as the gate: a bound is broken by the whole interval
    assert low <= LIMITS.get(entry.ident, float("inf"))


def test_control(duel):
    """The noise floor: a side against itself is neither faster nor slower."""
    found = duel.train(BUILTIN[FORM], BUILTIN[FORM], CONTROL)
    assert found is None or found.verdict in ("tie", "unclear")


def test_limits_name_rows():
    """Control: no bound is lost because its row was renamed."""
    assert set(LIMITS) <= {entry.ident for entry in ENTRIES}
