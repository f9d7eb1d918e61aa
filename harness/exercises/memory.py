"""How much memory of its own a process takes while something runs, mapped files apart.

A file that is mapped is read through pages that the system can drop at any time; they are no memory
taken. What numpy and Python allocate is traced, so that its peak is known; what torch allocates is
counted by the C library whenever `look` is called (glibc 2.33 or newer; elsewhere it is not seen).
Slows the run down: not for timing.
"""

from __future__ import annotations

import ctypes
import gc
import tracemalloc
from types import TracebackType
from typing import Self


class _Mallinfo(ctypes.Structure):
    """What glibc's mallinfo2 returns; see mallinfo(3)."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


class Growth:
    """A context; `most` is the largest growth seen in bytes."""

    def __enter__(self) -> Self:
        gc.collect()
        self.most = 0
        self._outer = tracemalloc.is_tracing()
        if not self._outer:
            tracemalloc.start()
        tracemalloc.reset_peak()
        self._traced = tracemalloc.get_traced_memory()[0]
        self._allocated = _allocated()
        return self

    def look(self) -> None:
        """See how much is taken now, and was at the peak of what is traced."""
        traced = tracemalloc.get_traced_memory()[1] - self._traced
        self.most = max(self.most, traced, _allocated() - self._allocated)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.look()
        if not self._outer:
            tracemalloc.stop()


def _allocated() -> int:
    """Bytes that the C library has handed out and not got back; 0 where it does not tell."""
    counted = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if counted is None:
        return 0
    counted.restype = _Mallinfo
    counts = counted()
    return int(counts.uordblks) + int(counts.hblkhd)
