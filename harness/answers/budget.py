"""Time for one statement, trial or question: what uses it up costs itself and nothing else.

Processor time counts, so that a busy machine costs nobody a part; a wall clock stands far behind
it, for what only waits. What never returns to Python is ended with its process, by the kernel.
"""

from __future__ import annotations

import signal
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
_WALL = 4.0  # wall clock over processor time
_LEAST = 0.1  # seconds that anything may take
TRIAL_SECONDS = 0.7  # that one try of a piece on a few rows may take


class OutOfTimeError(BaseException):
    """Something took more time than it had; no `except Exception` of a learner's stops it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"was stopped after {seconds:.2g} s of processor time")
        self.seconds = seconds


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in what runs meanwhile where it takes longer; it does not nest."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(number: int, frame: FrameType | None) -> None:
        if not _imports(frame):
            raise OutOfTimeError(seconds)
        # an import is nobody's own time: what runs is granted its share anew
        processor = number == signal.SIGPROF
        timer, share = (signal.ITIMER_PROF, 1.0) if processor else (signal.ITIMER_REAL, _WALL)
        signal.setitimer(timer, share * seconds)

    before = [(number, signal.signal(number, over)) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, _WALL * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before:
            signal.signal(number, handler)


def _imports(frame: FrameType | None) -> bool:
    """Whether a library is being imported: half of it would be of no use to anybody.

    A module of the learner's own is none.
    """
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib"):
            return True
        if not file.startswith((*_LIBRARIES, "<")):  # code that a library generates has no file
            return False
        frame = frame.f_back
    return False


@dataclass
class Budget:
    """The processor time of one answer, of which each of its uses gets a share.

    `seconds` is what the process may take; running the file may take half of it.
    """

    seconds: float = 10.0
    started: float = field(default_factory=time.process_time)

    def statement(self) -> float:
        """For one statement of the file."""
        return self._share(0.25, until=0.5)

    def question(self) -> float:
        """For one component, asked all its questions."""
        return self._share(0.25, until=0.9)

    def _share(self, share: float, until: float) -> float:
        left = until * self.seconds - (time.process_time() - self.started)
        return max(_LEAST, min(share * self.seconds, left))
