"""An object that does nothing, whatever is done to it: what stands in for a plot."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self

_UNPACK = (dis.opmap["UNPACK_SEQUENCE"], dis.opmap["UNPACK_EX"])


class Inert:
    """Does nothing, whatever is done to it; a function that it decorates stays as it is."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Another one; a function that is decorated comes back as it was."""
        decorates = len(args) == 1 and not kwargs and inspect.isfunction(args[0])
        return args[0] if decorates else Inert()

    def __getitem__(self, key: object) -> Inert:
        return Inert()

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __delitem__(self, key: object) -> None:
        pass

    def __contains__(self, key: object) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        frame = inspect.currentframe()
        assert frame is not None
        return iter([Inert() for _ in range(_targets(frame.f_back))])

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def __float__(self) -> float:
        return 0.0

    def __int__(self) -> int:
        return 0

    def __index__(self) -> int:
        return 0

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return (Inert,)

    def _same(self, *_: object) -> Inert:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _same
    __truediv__ = __rtruediv__ = __neg__ = __or__ = __and__ = _same


def _targets(frame: FrameType | None) -> int:
    """How many names an unpacking in this frame waits for (`fig, ax = …`); 0 where it is none."""
    if frame is None or frame.f_code.co_code[frame.f_lasti] not in _UNPACK:
        return 0
    count = frame.f_code.co_code[frame.f_lasti + 1]
    return count & 0xFF
