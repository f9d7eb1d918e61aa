"""A clock that tells durations measured before, so that pytest-benchmark shows them as its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import pytest

SIDES = ("scratch", "builtin")


class Replay:
    """A clock that tells recorded durations: 0, then the first of them, 0, then the second."""

    def __init__(self) -> None:
        self._ticks: Iterator[float] = iter(())

    def load(self, durations: Sequence[float]) -> None:
        """Take the durations, in seconds, that are to be told."""
        self._ticks = chain.from_iterable((0.0, duration) for duration in durations)

    def __call__(self) -> float:
        """The next reading, in seconds."""
        return next(self._ticks)

    def __str__(self) -> str:
        return "replay of paired samples"  # what pytest-benchmark's JSON names as the timer


REPLAY = pytest.StashKey[Replay]()


def shared_name(item: pytest.Function) -> str:
    """The id of the test without its side."""
    words = item.callspec.id.split("-")[::-1]
    words.remove(str(item.callspec.params["svb_side"]))  # the last one: others may look like it
    rest = f"[{'-'.join(words[::-1])}]" if words else ""
    return item.nodeid.removesuffix(f"[{item.callspec.id}]") + rest
