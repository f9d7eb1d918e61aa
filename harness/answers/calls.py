"""What a file's own calls tell of the arguments of its functions, where their names do not.

The call says which argument of a loss is the prediction, and what is passed in an argument that no
component of the contract has: the number of rows, a switch, a setting.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from harness.answers.component import Piece
from harness.answers.definitions import Uses
from harness.engine.components import LOSS

_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Shown:
    """The first call of a function while its file ran: what went in."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def as_called(piece: Piece, uses: Uses, shown: Shown | None) -> Piece:
    """The piece with its arguments as the file's own calls have them."""
    try:
        signature = inspect.signature(piece.function)
        given = dict(signature.bind(*shown.args, **shown.kwargs).arguments) if shown else {}
    except (TypeError, ValueError):
        return piece
    names = list(signature.parameters)
    if piece.role in LOSS.roles:
        piece = _with_prediction(piece, names, uses, given)
    known = {*(piece.arguments or {}), *piece.constants}
    extra = {
        name: given[name]
        for name, parameter in signature.parameters.items()
        if name in given and name not in known and parameter.default is parameter.empty
    }
    # what else was passed, where it is a plain value, is passed again
    again = {name: value for name, value in extra.items() if isinstance(value, _PLAIN)}
    return replace(_counted(piece, extra, given), constants={**piece.constants, **again})


def _with_prediction(piece: Piece, names: list[str], uses: Uses, given: dict[str, Any]) -> Piece:
    """The prediction is what comes from a model; where no call shows it, what has a gradient."""
    place = uses.predicted_of(piece.name)
    if place is None:
        graph = [n for n, v in given.items() if isinstance(v, Tensor) and v.requires_grad]
        place = graph[0] if len(graph) == 1 else None
    predicted = names[place] if isinstance(place, int) and place < len(names) else place
    others = [name for name in names if name != predicted]
    if not isinstance(predicted, str) or predicted not in names or not others:
        return piece
    labels = next((n for n in others if (piece.arguments or {}).get(n)), others[0])
    kinds = {predicted: "y_hat", labels: "y"}
    return replace(piece, arguments={name: kinds[name] for name in names if name in kinds})


def _counted(piece: Piece, extra: Mapping[str, Any], given: dict[str, Any]) -> Piece:
    """An argument that was passed the number of rows is told it."""
    kinds = piece.arguments or {}
    rows = {len(v) for n, v in given.items() if n in kinds and isinstance(v, Tensor) and v.ndim}
    counts = {n: "num_examples" for n, v in extra.items() if type(v) is int and v in rows}
    return replace(piece, arguments={**kinds, **counts}) if counts else piece
