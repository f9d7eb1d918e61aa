"""From outside: starts calls of a function in processes of their own, and reads back what they did.

`Workshop` keeps a warm process (`supervisor`) that has imported what calls need; each call is
forked from it, confined (`confine`), limited, ended, and answered with a `Message`.

What is guaranteed: nothing a call does ends, delays beyond its limits, or changes this process, the
warm one, or another call; whatever arrives is bytes that are checked (`codec`), never
unpickled. A call that ends before its entry returned has no reply: the reply must come in one piece
behind a seal, 32 random bytes that wait unread in a pipe until then, followed by nothing, from a
process that then ends with status 0. So a process that ends itself, prints, or writes to every
descriptor is never believed.

What is not: the entry and the code it runs share a process, so code that knows this file can read
the seal and send a reply of its own making. A reply is therefore only *data to be judged*: the
judging happens here, against values computed here, from inputs drawn anew for each call; no
expected value ever enters the child. Such a forger has to compute the right arrays to be told that
they are right. What a reply says *about* the code (its facts) can be forged by the code: evidence
may be missing from it. The entry seeds what it draws: calls are forked with equal states of torch
and NumPy.

Does not know what an entry does, and does not judge replies.
"""

import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from harness.errors import InputError
from harness.isolation.codec import MalformedError, Message, decode, encode
from harness.isolation.confine import Limits
from harness.isolation.frames import (
    Failure,
    readable_text,
    receive_body,
    receive_header,
    send_frame,
)

__all__ = [
    "Failure",
    "Limits",
    "MalformedError",
    "Message",
    "Outcome",
    "Workshop",
    "decode",
    "encode",
]

_START_SECONDS = 120.0
_GRACE_SECONDS = 20.0  # for a warden on a busy machine to end a call and tell of it
_BOOT = (
    "import json, os, sys; settings = json.loads(sys.argv[1]); sys.path[:] = settings['sys_path']; "
    "from harness.isolation.supervisor import serve; serve(settings); os._exit(0)"  # at once: the
    # caller waits for the end
)
_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_QUICK_FORK = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # large pages: forking takes half
_THREADS = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")


@dataclass(frozen=True)
class Outcome:
    """What became of a call: a reply or a failure, the ends of what it wrote, and how long it took.

    The texts hold no control characters but line ends and tabs; they are still to be escaped for
    where they are shown.
    """

    reply: Message | None
    failure: Failure | None
    stdout: str
    stderr: str
    seconds: float


class _Slot:
    """A warden of ours, and the call that it is busy with."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.index = 0
        self.request = b""
        self.limits = Limits()
        self.tries = 0
        self.deadline = 0.0

    def send(self) -> None:
        """Hand the call to the warden; one that is gone shows when its answer is read."""
        self.deadline = time.monotonic() + self.limits.seconds + _GRACE_SECONDS
        self.tries += 1
        with suppress(OSError):
            header = {"limits": asdict(self.limits), "request": len(self.request)}
            send_frame(self.wire, header, self.request)

    def receive(self) -> Outcome:
        """What the warden says; EOFError or OSError where it is gone."""
        header = receive_header(self.wire)
        stdout, stderr, reply = (receive_body(self.wire, length) for length in header["sizes"])
        failure = header["failure"]
        return _outcome(
            Failure(**failure) if failure else None,
            reply,
            self.limits,
            readable_text(stdout),
            readable_text(stderr),
            header["seconds"],
        )


def _outcome(
    failure: Failure | None,
    data: bytearray,
    limits: Limits,
    stdout: str,
    stderr: str,
    seconds: float,
) -> Outcome:
    """The outcome, with the reply read as strictly as it must be."""
    reply = None
    if failure is None:
        try:
            reply = decode(data, limits)
        except MalformedError as error:
            failure = Failure("malformed", f"sent back what is not an answer: {error}")
    return Outcome(reply, failure, stdout, stderr, seconds)


def _environment() -> dict[str, str]:
    """A few harmless variables, and no more threads than one: a pool does not outlive a fork."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    threads = {f"{name}_NUM_THREADS": "1" for name in _THREADS}
    return {"PATH": os.defpath, "CUDA_VISIBLE_DEVICES": "", **_QUICK_FORK, **kept, **threads}


class _Server:
    """The warm process."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.folder = tempfile.mkdtemp(prefix="svb-")
        self.control, end = socket.socketpair()
        paths = [os.path.abspath(path) for path in sys.path]  # noqa: PTH100 - "" is here
        settings = {**settings, "folder": self.folder, "control": end.fileno(), "sys_path": paths}
        with end:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, json.dumps(settings)],
                pass_fds=[end.fileno()],
                env=_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for this process, which then ends that one
            )
        self._states: dict[str, Any] | None = None

    @property
    def states(self) -> dict[str, Any]:
        """What the server said when it was ready; waits until it is."""
        if self._states is None:
            self.control.settimeout(_START_SECONDS)
            try:
                states = receive_header(self.control)
            except (EOFError, OSError) as error:
                states = {"error": f"it ended or hung while starting ({type(error).__name__})"}
            self._states = states
        if "error" in self._states:
            message = f"the process for answers could not start: {self._states['error']}"
            raise InputError(f"{message}; check that it can be imported")
        return self._states

    def warden(self) -> _Slot:
        """A new warden; OSError where the server is gone."""
        assert self.states
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self.control, [b"w"], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
        ours.settimeout(_GRACE_SECONDS)
        return _Slot(ours)

    def close(self) -> None:
        """End the server, which waits for its own; kill it where it does not, or is not ready."""
        self.control.close()
        if self._states is None:
            self.process.kill()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Workshop:
    """Runs calls of `entry` ("module:function", a function from Message to Message), each in a new
    process forked from one that has imported it and `preload`, up to `jobs` at once.

    `path` is searched for modules first, and stays readable for calls, which read otherwise only
    Python, the installed packages, and the packages loaded beforehand. `limits` hold for every call
    that is given none of its own. `rehearsal` ("module:function" and its arguments) is called once
    in the warm process, for what would take its time anew in every call. Starting is done in the
    background: InputError, when first used, where the entry cannot be imported. Not for use by
    several threads at once.
    """

    def __init__(
        self,
        entry: str,
        *,
        preload: Sequence[str] = ("torch",),
        rehearsal: Sequence[str | int] = (),
        limits: Limits = Limits(),  # noqa: B008 - frozen
        jobs: int = 1,
        path: Sequence[str] = (),
    ) -> None:
        self.limits, self.jobs = limits, jobs
        self._settings = {
            "entry": entry,
            "preload": list(preload),
            "rehearsal": list(rehearsal),
            "path": list(path),
        }
        self._idle: list[_Slot] = []
        self._server: _Server | None = _Server(self._settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything; a second time does nothing."""
        while self._idle:
            self._idle.pop().wire.close()
        if self._server:
            self._server.close()
        self._server = None

    @property
    def in_force(self) -> tuple[str, ...]:
        """A sentence for each part of the isolation that holds here."""
        return tuple(self._running().states["in_force"])

    @property
    def not_in_force(self) -> tuple[str, ...]:
        """A sentence for each part that this platform does not allow."""
        return tuple(self._running().states["not_in_force"])

    def run(self, request: Message, limits: Limits | None = None) -> Outcome:
        """Call the entry once; whatever it does, there is an outcome."""
        (_, outcome), *_ = self._map([request], limits or self.limits)
        return outcome

    def map(self, requests: Iterable[Message]) -> Iterator[tuple[int, Outcome]]:
        """Call the entry for each request: (number of the request, outcome), as they come.

        Requests are drawn when a process is free for them. Leaving the loop early ends the calls
        that are under way.
        """
        return self._map(requests, self.limits)

    def _map(self, requests: Iterable[Message], limits: Limits) -> Iterator[tuple[int, Outcome]]:
        numbered = enumerate(requests)
        busy: list[_Slot] = []
        try:
            for index, request in numbered:
                busy.append(self._start(index, encode(request), limits))
                if len(busy) >= self.jobs:
                    break
            while busy:
                slot, outcome = self._next(busy)
                index = slot.index
                self._idle.append(slot)
                busy.remove(slot)
                for number, request in numbered:
                    busy.append(self._start(number, encode(request), limits))
                    break
                yield index, outcome
        finally:
            for slot in busy:
                slot.wire.close()

    def _running(self) -> _Server:
        if self._server is None:
            raise InputError("the workshop is closed: open a new one")
        return self._server

    def _warden(self) -> _Slot:
        """A warden that is free; where the warm process is gone, of a new one."""
        if self._idle:
            return self._idle.pop()
        try:
            return self._running().warden()
        except OSError:
            self._running().close()
            self._server = _Server(self._settings)
            return self._server.warden()

    def _start(self, index: int, request: bytes, limits: Limits, tries: int = 0) -> _Slot:
        slot = self._warden()
        slot.index, slot.request, slot.limits, slot.tries = index, request, limits, tries
        slot.send()
        return slot

    def _next(self, busy: list[_Slot]) -> tuple[_Slot, Outcome]:
        """The next call that came to an end. A warden that is lost is tried again once."""
        while True:
            ready = _readable(busy, min(slot.deadline for slot in busy) - time.monotonic())
            late = [slot for slot in busy if slot.deadline <= time.monotonic()]
            slot = next(iter(ready or late), None)
            if slot is None:
                continue
            if slot in ready:
                with suppress(EOFError, OSError):
                    return slot, slot.receive()
            slot.wire.close()
            again = slot.tries < 2 and slot in ready
            new = self._replace(busy, slot, again=again)
            if not again:
                return new, _lost(slot.limits.seconds)

    def _replace(self, busy: list[_Slot], slot: _Slot, *, again: bool) -> _Slot:
        """Put a new warden in the place of a lost one."""
        new = self._warden()
        new.index, new.request, new.limits, new.tries = (
            slot.index,
            slot.request,
            slot.limits,
            slot.tries,
        )
        busy[busy.index(slot)] = new
        if again:
            new.send()
        return new


def _readable(slots: list[_Slot], seconds: float) -> list[_Slot]:
    """The slots whose wardens have something to say, once there is one, or after so long."""
    with selectors.DefaultSelector() as selector:
        for slot in slots:
            selector.register(slot.wire, selectors.EVENT_READ, slot)
        return [key.data for key, _ in selector.select(max(0.0, seconds))]


def _lost(seconds: float) -> Outcome:
    failure = Failure("silent", "ended, or hung, together with the process that watched over it")
    return Outcome(None, failure, "", "", seconds)
