"""Which parts an answer is asked for, and what it comes to where one of them is missing.

What a judge finds does not hang on what was asked: this is worked out for the report, each time.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from harness.engine.components.contract import BY_ROLE, part_of
from harness.errors import InputError
from harness.grading.classroom import Record
from harness.grading.marks import PARTS, form_of, parts, status_of
from harness.grading.result import Judged
from harness.report.view import one_line


def read_parts(words: str) -> tuple[str, ...]:
    """The parts in a list such as "linreg,sgd", each once; InputError where one is none."""
    names = [word.strip() for word in words.split(",") if word.strip()]
    if not names:
        raise InputError("--parts names no part; write some, such as --parts data_iter,linreg.")
    return tuple(dict.fromkeys(known_part(name, "--parts") for name in names))


def known_part(name: str, where: str) -> str:
    """The part of this name; InputError, with what comes close, where there is none."""
    if name in PARTS:
        return name
    if name in BY_ROLE:
        return part_of(name)
    close = get_close_matches(name, [*PARTS, *BY_ROLE], n=1, cutoff=0.5)
    meant = f"; did you mean {close[0]}?" if close else "."
    raise InputError(
        f"{where}: there is no part {one_line(name)}{meant} The parts are {', '.join(PARTS)}."
    )


def asked_parts(named: Sequence[str], weights: Mapping[str, float] | None) -> tuple[str, ...]:
    """The parts that everybody is asked for: those that were named, or have points; or none."""
    return tuple(named) or tuple(part for part, points in (weights or {}).items() if points)


def read_weights(path: Path) -> dict[str, float]:
    """The points of each part from a TOML file with a table `weights`; InputError where it is not.

    [weights]
    squared_loss = 2
    train = 3
    """
    try:
        weights = tomllib.loads(path.read_text("utf-8")).get("weights")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {one_line(error)}.") from None
    if not isinstance(weights, dict) or not weights:
        raise InputError(f"{path} has no table [weights]; write lines such as `sgd = 2` below one.")
    for name, points in weights.items():
        if isinstance(points, bool) or not isinstance(points, (int, float)) or not points >= 0:
            raise InputError(f"{path}: {one_line(name)} should be points, a number from 0 on.")
    return {known_part(name, str(path)): float(points) for name, points in weights.items()}


def points_of(
    named: Sequence[str], weights: Mapping[str, float] | None
) -> Mapping[str, float] | None:
    """The points of each part: of those that were named, 1 where no weight is given."""
    return {part: (weights or {}).get(part, 1.0) for part in named} if named else weights


def held_against(
    records: Iterable[Record], asked: Sequence[str], *, of_form: bool
) -> tuple[Record, ...]:
    """The records, incomplete where all is right but a part that was asked is missing.

    Where no part is asked of everybody, with `of_form` those of the form of each are, else none.
    """
    held = []
    for record in records:
        form = form_of(parts(record)) if of_form else ()
        held.append(_held_against(record, tuple(asked or form)))
    return tuple(held)


def _held_against(record: Record, asked: tuple[str, ...]) -> Record:
    statuses, checked = parts(record), record.checked
    missing = [part for part in asked if status_of(part, statuses) == "missing"]
    if checked.verdict == "pass" and missing:
        unnamed = [part for part in missing if part_of(part) not in statuses]
        added = [Judged(p, "missing", message="asked for, and not there") for p in unnamed]
        components = (*checked.components, *added)
        checked = replace(checked, verdict="incomplete", components=components)
    return replace(record, checked=checked, asked=asked)
