"""What a piece raised or returned instead of a tensor: typed, placed, with the line of its own.

Nothing here judges it.
"""

from __future__ import annotations

import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor


class ReturnedError(TypeError):
    """A piece returned something of this kind, but should return something else."""

    def __init__(self, piece: str, kind: str, should: str) -> None:
        super().__init__(f"{piece} returned {kind}, but should return {should}")
        self.kind = kind


@dataclass(frozen=True)
class Raised:
    """What a piece raised: at which stage and place, the exception's type and its message.

    `line` is the last line that it passed in code that is neither ours nor a library's. Where it
    raised nothing itself, but returned what it should not, `returned` says of which kind that was.
    """

    stage: str
    epoch: int
    step: int
    kind: str
    message: str
    line: int | None = None
    returned: str | None = None

    @classmethod
    def by(cls, error: BaseException, stage: str, place: tuple[int, int]) -> Raised:
        """This exception at this place."""
        returned = error.kind if isinstance(error, ReturnedError) else None
        return cls(stage, *place, kind_of(error), str(error), own_line(error), returned)


def kind_of(error: BaseException) -> str:
    """The type of an exception, as its reader knows it."""
    return TypeError.__name__ if isinstance(error, ReturnedError) else type(error).__name__


_HERE = Path(__file__).resolve().parents[2]
_FOREIGN = (
    *(str(_HERE / name) for name in ("harness", "scratch", "builtin")),
    str(Path(torch.__file__).resolve().parents[1]),
    sysconfig.get_paths()["stdlib"],
)


def own_line(error: BaseException) -> int | None:
    """The last line of a traceback in somebody's own file: not ours, torch's, or Python's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = (f.lineno for f in reversed(frames) if not f.filename.startswith((*_FOREIGN, "<")))
    return next(own, None)


def plain_tensor(value: object, piece: str) -> Tensor:
    """What a piece returned, where it is a tensor with numbers in it; else TypeError."""
    if not isinstance(value, Tensor):
        raise ReturnedError(piece, type(value).__name__, "a tensor")
    if value.layout is not torch.strided or value.is_meta:
        kind = "a tensor without numbers" if value.is_meta else f"a {value.layout} tensor"
        raise ReturnedError(piece, kind, "a plain one")
    return value
