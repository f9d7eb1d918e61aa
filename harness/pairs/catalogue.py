"""All pairs by name, and their cases.

The one list of pairs: a new one is added here, and nowhere else in the harness.
"""

from __future__ import annotations

from difflib import get_close_matches

from harness.engine.case import Case
from harness.engine.pair import Pair
from harness.errors import InputError
from harness.pairs.linear import LINEAR
from harness.pairs.softmax import SOFTMAX

PAIRS: dict[str, Pair] = {pair.name: pair for pair in (LINEAR, SOFTMAX)}


def named_pair(name: str) -> Pair:
    """The pair with this name; InputError, with what comes close, where there is none."""
    if name in PAIRS:
        return PAIRS[name]
    close = get_close_matches(name, PAIRS, n=1, cutoff=0.5)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    raise InputError(f"there is no pair {name!r}{meant} `svb list pairs` shows them all.")


def named(names: list[str] | None = None, pair: Pair | None = None) -> tuple[Case, ...]:
    """Cases with these names, of one pair or of any; all of the pair where no name is given.

    Without either those of linear regression. Raises InputError for a name that is in no table.
    """
    if not names:
        return (pair or LINEAR).cases
    pairs = [pair] if pair else PAIRS.values()
    table = {case.name: case for each in pairs for case in each.cases}
    for name in names:
        if name not in table:
            of = f" of the pair {pair.name!r}" if pair else ""
            raise InputError(f"there is no case {name!r}{of}; `svb list cases` shows them all.")
    return tuple(table[name] for name in dict.fromkeys(names))
