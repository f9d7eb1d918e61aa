"""Two sides judged over all cases: verdict, first divergence, and what was not judged.

A case is judged by `case_comparison`; here they come together. How a verdict is shown is the
report's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from harness.engine.called import uncalled
from harness.engine.case import Case
from harness.engine.case_comparison import CaseComparison
from harness.engine.recipe import Recipe
from harness.engine.self_agreement import disagreement
from harness.engine.stage import SEVERITY, Divergence, Level, worst
from harness.report import files
from harness.report.environment import describe
from harness.report.view import finite


class Comparison:
    """All cases judged: what `svb compare` prints and writes."""

    def __init__(self, name: str, cases: Sequence[CaseComparison]) -> None:
        self.name, self.cases = name, list(cases)
        self.published: dict[str, object] | None = None
        self.findings: list[dict[str, object]] = []  # components that are at fault, and why
        self.asked: dict[str, Level] = {}  # what the subject's pieces came to by themselves
        self.notes: list[str] = []

    @property
    def verdict(self) -> Level:
        """The worst of the cases and of the pieces asked; inconclusive where one was neither."""
        levels = [*(case.verdict for case in self.cases), *self.asked.values()]
        return worst([*levels, "inconclusive"] if self.unseen else levels)

    @cached_property
    def _uncalled(self) -> tuple[str, ...]:
        return uncalled(self.cases)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Pieces of the subject's own that were neither called nor asked, by field."""
        return tuple(piece for piece in self._uncalled if piece not in self.asked)

    @property
    def reason(self) -> str | None:
        """Why the verdict is no pass: the first case that has it, a piece asked, one not seen."""
        verdict = self.verdict
        why = next((case.why for case in self.cases if case.verdict == verdict), None)
        if why:
            return why
        if verdict in ("different", "error"):
            return next(
                (
                    f"{finding['component']} by itself: {finding['message']}"
                    for finding in self.findings
                    if finding["level"] == verdict
                ),
                None,
            )
        never = [f"{piece} was given and never called" for piece in self.unseen]
        return "; ".join(never) or None

    @property
    def exit_status(self) -> int:
        """0 all agree, 1 something differs, 3 inconclusive or could not run."""
        if self.verdict == "different" or not self.printed_figures_hold:
            return 1
        return {"inconclusive": 3, "error": 3}.get(self.verdict, 0)

    @property
    def printed_figures_hold(self) -> bool:
        """Whether every bound on the sources' printed figures is kept; True where none was run."""
        rows: Any = (self.published or {}).get("rows", [])
        return all(row["ok"] is not False for row in rows)

    @property
    def first_divergence(self) -> Divergence | None:
        """Of the first case that differs."""
        return next((c.first_divergence for c in self.cases if c.first_divergence), None)

    def to_dict(self) -> dict[str, Any]:
        """The report `svb.compare/1`."""
        verdicts = [case.verdict for case in self.cases]
        report: dict[str, Any] = finite(
            {
                "schema": "svb.compare/1",
                "name": self.name,
                "verdict": self.verdict,
                "summary": {level: verdicts.count(level) for level in SEVERITY},
                "cases": [case.to_dict() for case in self.cases],
                "published": self.published,
                "environment": describe(),
            }
            | ({"reason": self.reason} if self.reason else {})
            | ({"findings": self.findings} if self.findings else {})
            | ({"notes": self.notes} if self.notes else {})
        )
        return report

    def to_frame(self) -> Any:
        """One row per case and stage (pandas)."""
        return files.to_frame(self.to_dict())

    def _repr_html_(self) -> str:
        return files.notebook_html(self.to_dict())


def compare(
    subject: Recipe | None = None,
    reference: Recipe | None = None,
    cases: Sequence[Case] = (),
    *,
    name: str = "comparison",
    forced_pass: bool = True,
    progress: Callable[[Case, int], None] | None = None,
) -> Comparison:
    """Train subject and reference on each case and judge every stage of every step.

    Without a subject or reference, each case takes the form it names from its pair. `progress` is
    called with each case and the number of its steps that are done, 0 before it begins.
    """
    judged = []
    for case in cases:
        if progress:
            progress(case, 0)
        sides = subject or case.pair.subject(case), reference or case.pair.reference(case)
        case_progress = partial(progress, case) if progress else None
        judged.append(_judged(case, *sides, case_progress, forced_pass=forced_pass))
    return Comparison(name, judged)


def _judged(
    case: Case,
    subject: Recipe,
    reference: Recipe,
    progress: Callable[[int], None] | None,
    *,
    forced_pass: bool,
) -> CaseComparison:
    """One case judged; a reference that is somebody's own is held against itself first."""
    comparison = CaseComparison(case, subject, reference, forced_pass=forced_pass)
    if case.pair.replaced(reference):
        itself = CaseComparison(case, reference, reference, forced_pass=forced_pass)
        itself.judge(progress=progress if subject == reference else None)
        comparison.refused = disagreement(itself)
        if subject == reference and not comparison.refused:
            return itself
    return comparison.judge(progress=progress)
