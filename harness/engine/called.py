"""Which of the pieces that a subject brings were looked at: what was never called is never passed.

A case that never clips says nothing of a `clip`, and no training draws fresh parameters. What was
not called may still have been asked by itself (`components`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.engine.case_comparison import CaseComparison

# The stage that shows that a piece was called.
_SHOWN_AT = {"model": "prediction", "loss": "loss", "optimizer": "parameter"}


def called(case: CaseComparison) -> set[str]:
    """The fields of the subject's recipe whose pieces were called in this case."""
    pieces = {"loop"} if case.steps else set()
    if case.rows.steps:
        pieces.add("batches")
    for piece, stage in _SHOWN_AT.items():
        if any(records[stage].steps for records in case.runs.values()):
            pieces.add(piece)
    if case.clipped:
        pieces.add("clip")
    if case.evaluation is not None:
        pieces.add("metric")
    return pieces


def uncalled(cases: Sequence[CaseComparison]) -> tuple[str, ...]:
    """The fields that hold pieces of a subject's own which were called in none of these cases."""
    given = [name for case in cases for name in case.case.pair.replaced(case.subject)]
    seen = {name for case in cases for name in called(case)}
    return tuple(name for name in dict.fromkeys(given) if name not in seen)
