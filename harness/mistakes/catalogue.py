"""The catalogue of known mistakes, by id, in the order of the components.

    from harness.mistakes.catalogue import MISTAKES, named, of
    wrong = named("loss.no-half").forms[0].make(SCRATCH["functional"])

It holds what was seen in answers of learners and in hand-written optimizers. It is the source of
`svb list mistakes` and of docs/mistakes.md, which `python -m harness.mistakes` prints. Which
mistake explains a run is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import groupby
from operator import attrgetter
from typing import Any

from harness.engine.case import UpdateRule
from harness.engine.components import Component
from harness.engine.pair import Pair
from harness.errors import InputError
from harness.mistakes import data, init, loop, loss, model, optim, softmax, stateful
from harness.mistakes.mistake import Form, Mistake
from harness.pairs.catalogue import PAIRS

__all__ = ["MISTAKES", "Form", "Mistake", "named", "of", "page", "plain"]

NOT_FROM_SCRATCH = Mistake(
    id="not-from-scratch",
    component=None,
    first_stage="none",
    what="The part is written with the built-in it is meant to replace.",
    hint="Which line of this part would you still have to explain?",
    fix="Write it with tensors and autograd only.",
    tell="the names that the code uses; its numbers are right",
    forms=(),
    pair=None,
)
_FAMILIES = (
    data.MISTAKES,
    model.MISTAKES,
    loss.MISTAKES,
    optim.MISTAKES,
    loop.MISTAKES,
    init.MISTAKES,
    stateful.MISTAKES,
    softmax.MISTAKES,
    (NOT_FROM_SCRATCH,),
)
MISTAKES: dict[str, Mistake] = {mistake.id: mistake for family in _FAMILIES for mistake in family}


def of(component: Component[Any], pair: str = "linear") -> tuple[Mistake, ...]:
    """The mistakes that one component of a pair can have, in the order of the table."""
    return tuple(
        mistake
        for mistake in MISTAKES.values()
        if mistake.component == component and mistake.pair in (pair, None)
    )


def named(id: str) -> Mistake:  # noqa: A002 - the name of the column
    """The mistake with this id; InputError, with what comes close, where there is none."""
    if id in MISTAKES:
        return MISTAKES[id]
    close = get_close_matches(id, MISTAKES, n=1, cutoff=0.5)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    raise InputError(f"there is no mistake {id!r}{meant} `svb list mistakes` shows them all.")


def plain(mistake: Mistake) -> dict[str, object]:
    """A mistake as plain values, for JSON."""
    fields = ("first_stage", "what", "hint", "fix", "tell")
    return {
        "id": mistake.id,
        "component": _name(mistake),
        "pair": mistake.pair,
        **{name: getattr(mistake, name) for name in fields},
        "forms": [form.name for form in mistake.forms],
        "where": {name: _plain(value) for name, value in mistake.where.items()},
    }


def _name(mistake: Mistake) -> str:
    """What the part that makes it is called in its pair."""
    if mistake.component is None:
        return "any"
    pair = PAIRS.get(mistake.pair or "")
    return mistake.component.name_in(pair) if pair else mistake.component.name


def _plain(value: object) -> object:
    return str(value) if isinstance(value, UpdateRule) else value


_PREFACE = """\
# Known mistakes

Each of these is a recipe with one piece wrong, which the harness can train and hold against yours.
This page is printed by `python -m harness.mistakes`; `svb list mistakes ID` shows one of them.
"""


def page() -> str:
    """The catalogue as a page of the docs, in Markdown: by pair, and by component there."""
    return _PREFACE + "".join(map(_chapter, (None, *PAIRS.values())))


def _chapter(pair: Pair | None) -> str:
    """What is made in the pieces of one pair, or in those of any."""
    name = pair.name if pair else None
    mistakes = [mistake for mistake in MISTAKES.values() if mistake.pair == name]
    order = list(dict.fromkeys(mistake.component for mistake in mistakes))
    ordered = sorted(mistakes, key=lambda mistake: order.index(mistake.component))
    sections = groupby(ordered, key=attrgetter("component"))
    shown = "".join(_section(pair, *section) for section in sections)
    title = f"{pair.title[0].upper()}{pair.title[1:]}" if pair else "Whatever is trained"
    return f"\n## {title}\n{shown}"


def _section(
    pair: Pair | None, component: Component[Any] | None, mistakes: Iterable[Mistake]
) -> str:
    heading = component.heading if component else "Any part"
    if pair and component:
        heading = heading.replace(component.name, component.name_in(pair))
    return f"\n### {heading}\n" + "".join(map(_entry, mistakes))


def _entry(mistake: Mistake) -> str:
    lines = {
        "Hint": mistake.hint,
        "In the numbers": mistake.tell,
        "First seen at": "" if mistake.first_stage == "none" else mistake.first_stage,
        "Written as": "; ".join(form.name for form in mistake.forms),
        "Shows with": _settings(mistake.where),
        "Fix": mistake.fix,
    }
    shown = "".join(f"- **{name}:** {text}\n" for name, text in lines.items() if text)
    return f"\n#### {mistake.id}\n{mistake.what}\n\n{shown}"


def _settings(where: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in where.items())
