"""`svb check --watch`: judges an answer again each time it is saved.

The file is looked at again and again, because not every file system tells of changes (NFS, WSL).
Only its content counts: touching it does nothing, and a save counts once it has stayed the same for
`SETTLED` seconds. Nothing is decided here; a file that is saved half is shown as it is.
"""

from __future__ import annotations

import hashlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.grading.classroom import Classroom, Record, Register
from harness.grading.collect import Entry
from harness.grading.grade import Grader
from harness.grading.result import HINTS

if TYPE_CHECKING:
    from rich.console import Console

POLL = 0.1  # seconds between two looks at the file
SETTLED = 0.2
AGAIN = 2.0  # seconds after which the content is read even where time and size are as before
QUIT, MORE = "q", "h"
Show = Callable[[Record, int], None]
Keys = Callable[[float], str]


@dataclass
class Saved:
    """The content of a file, told once for each time that it has changed and settled."""

    path: Path
    _last_digest: str | None = field(default=None, init=False)
    _waiting: tuple[str, float] = field(default=("", 0.0), init=False)
    _seen: tuple[int, ...] = field(default=(), init=False)
    _content: bytes = field(default=b"", init=False)
    _read_at: float = field(default=0.0, init=False)

    def changed(self, now: float) -> bytes | None:
        """The content where it is new, at once when first asked for; `now` in seconds.

        A file that is gone, as editors leave it for a moment, is as it was.
        """
        try:
            content = self._read(now)
        except OSError:
            return None
        digest = hashlib.sha256(content).hexdigest()
        if digest == self._last_digest:
            self._waiting = ("", now)
            return None
        if self._waiting[0] != digest:
            self._waiting = (digest, now)
        if self._last_digest is not None and now - self._waiting[1] < SETTLED:
            return None
        self._last_digest = digest
        return content

    def _read(self, now: float) -> bytes:
        """The content, read anew where the file looks different or it is time."""
        stat = self.path.stat()
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen != self._seen or now - self._read_at >= AGAIN:
            self._content = self.path.read_bytes()
            self._seen, self._read_at = seen, now
        return self._content


@contextmanager
def keyboard() -> Iterator[Keys]:
    """A function that waits so many seconds for a key; "" where there is none, or no terminal."""
    if not sys.stdin.isatty() or os.name != "posix":
        yield _no_key
        return
    import termios
    import tty

    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)
    try:
        tty.setcbreak(file)  # Ctrl-C stays what it is
        yield lambda seconds: _key(file, seconds)
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _key(file: int, seconds: float) -> str:
    ready, _, _ = select.select([file], [], [], seconds)
    if not ready:
        return ""
    return os.read(file, 1).decode("ascii", "replace").lower() or QUIT  # the terminal is gone


@dataclass
class _Screen:
    """The last result, how much is given away of it, and which keys there are."""

    console: Console
    show: Show
    least: int
    hints: int = 0
    record: Record | None = None

    def judged(self, record: Record) -> None:
        """Show a new result, with as few hints as at the start."""
        self.record, self.hints = record, self.least
        self._print()

    def more(self) -> None:
        """Show the same result with one more hint."""
        if self.record and self.hints < max(HINTS):
            self.hints += 1
            self._print()

    def _print(self) -> None:
        assert self.record is not None
        self.console.clear()
        self.show(self.record, self.hints)
        checked = self.record.checked
        helps = checked.verdict == "fail" and self.hints < max(HINTS)
        more = "h: more help, " if helps else ""
        seconds = f"{checked.seconds:.2f} s"
        ended = f"\n{time.strftime('%H:%M:%S')} ({seconds}); {more}q: quit; watching for a save"
        self.console.print(ended, markup=False, highlight=False, style="dim")


def watch(
    entry: Entry,
    grader: Grader,
    console: Console,
    show: Show,
    *,
    roles: dict[str, str] | None = None,
    exercise: str | None = None,
    beside: Mapping[str, bytes] | None = None,
    hints: int = 1,
    keys: Callable[[], AbstractContextManager[Keys]] = keyboard,
) -> int:
    """Judge an answer now and after each save, until `q` or Ctrl-C; returns the exit status 0.

    `show(record, hints)` prints a result; the key `h` gives more of the hints away, until the next
    save. The grader stays warm between two checks. Raises InputError for standard input.
    """
    if entry.file is None:
        what = "a folder" if entry.folder else "standard input"
        raise InputError(f"--watch: {what} is never saved; give the path of one answer.")
    saved, screen = Saved(entry.file), _Screen(console, show, hints)
    with suppress(KeyboardInterrupt), Register(None, "") as register, keys() as pressed:
        room = Classroom([entry], register, roles or {}, exercise, beside or {})
        key = ""
        while key != QUIT:
            if saved.changed(time.monotonic()) is not None:
                room.judge(grader, lambda _: None)
                screen.judged(next(room.records()))
            key = pressed(POLL)
            if key == MORE:
                screen.more()
    return 0
