"""Inside the child: streams put in place, the work done, and its answer written behind the seal.

Everything after the child has confined itself runs beside code that nobody vouches for.
"""

import io
import os
import re
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from harness.isolation.codec import MalformedError, Message, encode
from harness.isolation.confine import (
    Limits,
)
from harness.isolation.frames import size

SEAL_BYTES = 32
UNSENT = 120  # exit status of a child that could not write its answer
_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|bad_alloc", re.IGNORECASE)


class UnconfinedError(Exception):
    """A part of the sandbox that was promised could not be put in force."""


def leave_by(last: Callable[[], object]) -> NoReturn:
    """Do the last thing this forked process does, and never return into its parent's code."""
    status = 1
    try:
        last()
        status = 0
    finally:
        os._exit(status)


def standard_streams(stdout: int, stderr: int) -> None:
    """Put an empty input and the pipes in place, and forget what the server had written to."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((nothing, 0), (stdout, 1), (stderr, 2)):
        os.dup2(descriptor, number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        raw = io.FileIO(number, "w" if number else "r", closefd=False)
        buffer = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
        # line buffering: a crash does not lose what was printed before
        stream = io.TextIOWrapper(buffer, "utf-8", "backslashreplace", line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def close_others(*kept: int) -> None:
    """Close every descriptor but the standard three and those kept."""
    last = 2
    for descriptor in sorted(kept):
        os.closerange(last + 1, descriptor)
        last = descriptor
    os.closerange(last + 1, max(last + 2, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def write_answer(work: Callable[[], Message], limits: Limits, reply: int, seal: int) -> NoReturn:
    """Do the work and write its answer behind the seal, in one go, then end at once."""
    write, read, leave = os.write, os.read, os._exit  # the work may run code that replaces them
    try:
        frame = b"R" + encode(_checked(work()))
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt too are told
        frame = b"F" + _reason(error, limits)
    with suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    status = UNSENT
    with suppress(OSError, MemoryError):
        view = memoryview(read(seal, SEAL_BYTES) + frame)
        while view:
            view = view[write(reply, view) :]
        status = 0
    leave(status)


def _checked(reply: object) -> Message:
    if not isinstance(reply, Message):
        raise MalformedError(f"returned {type(reply).__name__} instead of a message")
    return reply


def _reason(error: BaseException, limits: Limits) -> bytes:
    """Kind and sentence of what the entry raised."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or _NO_MEMORY.search(text):
        reason = f"memory needed more than {size(limits.memory_bytes)} of memory"
    elif isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        reason = f"exit ended itself with exit status {status} before answering (SystemExit)"
    elif isinstance(error, UnconfinedError):
        reason = f"unconfined was not run, because it could not be confined: {error}"
    elif isinstance(error, MalformedError):
        reason = f"malformed sent back what cannot be an answer: {error}"
    else:
        reason = f"crash raised {text}"
    return reason.encode("utf-8", "replace")
