"""Functions that an answer has from a module beside it, which is a learner's own work as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.answers.stubs.stand_ins import HELPERS

_OURS = Path(__file__).parents[2]
_OF_BOOKS = frozenset(name.partition(".")[0] for name in HELPERS)


def is_own(value: Any) -> bool:
    """Whether a function was written in a file that lies where the answer runs.

    A book's helpers that a learner has copied there are the book's.
    """
    file = Path(getattr(getattr(value, "__code__", None), "co_filename", ""))
    package = str(getattr(value, "__module__", "")).partition(".")[0]
    beside = file.is_absolute() and file.is_relative_to(Path.cwd())
    return beside and not file.is_relative_to(_OURS) and package not in _OF_BOOKS
