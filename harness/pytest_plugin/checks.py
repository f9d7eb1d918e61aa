"""`checks`: one test per case, judged by `harness.compare`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.engine.case import Case
    from harness.engine.case_comparison import CaseComparison
    from harness.engine.recipe import Recipe

AGREEING = ("identical", "rounding", "convention")


def judged(subject: Recipe, reference: Recipe | None, case: Case) -> CaseComparison:
    """One case compared; what cannot be compared fails the test with its sentence."""
    from harness.engine.comparison import compare
    from harness.errors import InputError

    try:
        return compare(subject, reference, [case]).cases[0]
    except InputError as error:
        pytest.fail(str(error), pytrace=False)


def fault(case: CaseComparison) -> str | None:
    """Why a judged case is no pass; None where it is one."""
    if case.verdict in AGREEING:
        return None
    return f"{case.case.name}: {case.verdict} {case.why}"


def checks(
    subject: Recipe | None = None,
    reference: Recipe | None = None,
    cases: Sequence[Case] | None = None,
    *,
    allow: Collection[str] = (),
) -> Callable[[Callable[..., Recipe | None]], Callable[..., None]]:
    """Make a function that returns a recipe into one test per case, judged by `harness.compare`.

    The function's own arguments are fixtures; `case` is the case, where it asks for it. `subject`
    is judged where the function returns None. Without a `reference` each case takes its form's
    built-in side, without `cases` the default ones run on every device. A test passes where the
    sides agree and fails with the first divergence. It fails on `inconclusive` and `error` too,
    unless `allow` names them: then it is skipped with the reason, because nothing was shown.

    Raises InputError for an `allow` that cannot be allowed.
    """
    from harness.engine.case import devices
    from harness.errors import InputError
    from harness.pairs.catalogue import named

    if wrong := sorted(set(allow) - {"inconclusive", "error"}):
        raise InputError(
            f"checks: allow names {', '.join(wrong)}; only 'inconclusive' and 'error' can be."
        )
    if cases is None:
        cases = [case.on(device) for device in devices() for case in named()]

    def decorate(function: Callable[..., Recipe | None]) -> Callable[..., None]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def test(*args: object, case: Case, **fixtures: object) -> None:
            if "case" in signature.parameters:
                fixtures["case"] = case
            _check(_subject(function(*args, **fixtures), subject), reference, case, allow)

        test.__signature__ = _asking_for_case(signature)  # type: ignore[attr-defined]
        ids = [c.name if c.device == "cpu" else f"{c.name}-{c.device}" for c in cases]
        decorated: Callable[..., None] = pytest.mark.parametrize("case", cases, ids=ids)(test)
        return decorated

    return decorate


def _asking_for_case(signature: inspect.Signature) -> inspect.Signature:
    """The same signature with a `case` that pytest fills in."""
    own = [p for name, p in signature.parameters.items() if name != "case"]
    return inspect.Signature([*own, inspect.Parameter("case", inspect.Parameter.KEYWORD_ONLY)])


def _subject(returned: object, given: Recipe | None) -> Recipe:
    """The recipe to judge: what the function returned, or what the decorator was given."""
    from harness.engine.recipe import Recipe

    if returned is not None and given is not None:
        pytest.fail("the test returns a recipe and @checks has one: leave one out.", pytrace=False)
    recipe = given if returned is None else returned
    if not isinstance(recipe, Recipe):
        pytest.fail(
            f"the test returned {recipe!r}; return a Recipe, such as "
            "dataclasses.replace(SCRATCH['mse'], loss=my_loss).",
            pytrace=False,
        )
    return recipe


def _check(subject: Recipe, reference: Recipe | None, case: Case, allow: Collection[str]) -> None:
    case_judged = judged(subject, reference, case)
    differing = fault(case_judged)
    if differing and case_judged.verdict in allow:
        pytest.skip(differing)
    if differing:
        pytest.fail(differing, pytrace=False)
