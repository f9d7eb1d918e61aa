"""One call: its child forked, watched and ended, and what became of it told to the caller.

Does not decode replies, and believes none: that is the caller's part.
"""

import mmap
import os
import re
import resource
import secrets
import selectors
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.isolation.child import (
    SEAL_BYTES,
    UNSENT,
    UnconfinedError,
    close_others,
    leave_by,
    standard_streams,
    write_answer,
)
from harness.isolation.codec import Message, decode
from harness.isolation.confine import (
    Limits,
    Sandbox,
    adopt_orphans,
)
from harness.isolation.frames import (
    Failure,
    Kind,
    fill,
    readable_text,
    receive_header,
    send_frame,
    size,
)

Entry = Callable[[Message], Message]
TAIL_BYTES = 16 << 10
_TICK = 0.05  # seconds between two counts of processes and memory


class _AbandonedError(Exception):
    """The caller has hung up."""


def descendants() -> list[Any]:
    """Every descendant of this process that has not ended."""
    import psutil

    with suppress(psutil.Error):
        return list(psutil.Process().children(recursive=True))
    return []


def end_processes(processes: Sequence[Any], spared: set[int]) -> None:
    """Kill processes, unless they are or descend from those spared."""
    import psutil

    for process in processes:
        with suppress(psutil.Error):
            if not spared.intersection(parent.pid for parent in process.parents()):
                process.kill()


def _memory(length: int) -> mmap.mmap:
    """Memory that is given back when closed, and that a forked child can change only for itself."""
    return mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class _Drain:
    """What a pipe brought so far, at most `limit` bytes, in memory that is given back."""

    def __init__(self, limit: int, failure: Failure) -> None:
        self.source, self.sink = os.pipe()
        os.set_blocking(self.source, False)
        self.limit, self.failure = limit, failure
        self.memory = _memory(limit + 1)
        self.length = 0
        self.open = True

    @property
    def too_much(self) -> bool:
        return self.length > self.limit

    def read(self) -> None:
        """Take what is there, and never wait."""
        with suppress(BlockingIOError), memoryview(self.memory) as whole:
            while self.open and not self.too_much:
                with whole[self.length :] as rest:
                    count = os.readv(self.source, [rest])
                self.length += count
                self.open = count > 0

    def close_sink(self) -> None:
        if self.sink >= 0:
            os.close(self.sink)
            self.sink = -1

    def close(self) -> None:
        self.close_sink()
        os.close(self.source)
        self.memory.close()


class Warden:
    """Runs one call after the other, each in a child that nothing of it outlives."""

    def __init__(self, wire: socket.socket, entry: Entry, sandbox: Sandbox) -> None:
        self.wire, self.entry, self.sandbox = wire, entry, sandbox
        self.bell, alarm = socket.socketpair()
        self.bell.setblocking(False)
        alarm.setblocking(False)
        self.alarm = alarm  # kept, or its descriptor would be closed
        adopt_orphans()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # process 1 ignores what it does not handle
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        """Take calls until the caller hangs up."""
        while True:
            header = receive_header(self.wire)
            limits = Limits(**header["limits"])
            with _memory(max(1, header["request"])) as request:
                with memoryview(request) as view:
                    fill(self.wire, view)
                _Call(self, limits, request).run()


class _Call:
    """One call: its child, its pipes, and what became of them."""

    def __init__(self, warden: Warden, limits: Limits, request: mmap.mmap) -> None:
        self.warden, self.limits, self.request = warden, limits, request
        self.sandbox = warden.sandbox
        shown = size(limits.output_bytes)
        self.stdout, self.stderr = (
            _Drain(limits.output_bytes, Failure("output", f"wrote more than {shown} to {stream}"))
            for stream in ("standard output", "standard error")
        )
        shown = size(limits.reply_bytes)
        much = Failure("malformed", f"sent back more than {shown}")
        self.reply = _Drain(limits.reply_bytes + SEAL_BYTES + 1, much)
        self.drains = (self.stdout, self.stderr, self.reply)
        self.seal = secrets.token_bytes(SEAL_BYTES)
        self.status: int | None = None
        self.childless = False  # once its own child has ended, and every orphan that it adopted
        self.cpu = 0.0
        self.oom = _oom_kills()

    def run(self) -> None:
        """Fork, watch, end, and tell the caller."""
        with self._folder() as (folder, user):
            started = time.monotonic()
            child = self._fork(folder, user)
            try:
                failure = self._watch(child, started + self.limits.seconds)
            finally:
                self._end_all(child)
        for drain in self.drains:
            drain.read()
        too_much = next((drain.failure for drain in self.drains if drain.too_much), None)
        failure = failure or too_much or self._verdict()
        self._tell(failure, time.monotonic() - started)

    @contextmanager
    def _folder(self) -> Iterator[tuple[str, int]]:
        """An empty working folder and who owns it; removed afterwards, whatever became of it."""
        user = self.sandbox.new_user()
        if self.sandbox.namespaces:
            yield self.sandbox.folder, user
            return
        folder = tempfile.mkdtemp(dir=self.sandbox.folder)
        if self.sandbox.other_user:
            os.chown(folder, user, user)
        try:
            yield folder, user
        finally:
            _remove(folder)

    def _fork(self, folder: str, user: int) -> int:
        """Fork the child. The seal waits in a pipe: no variable of the child holds it."""
        seal_source, seal_sink = os.pipe()
        os.write(seal_sink, self.seal)
        os.close(seal_sink)
        child = os.fork()
        if not child:
            leave_by(lambda: self._be_child(seal_source, folder, user))
        os.close(seal_source)
        for drain in self.drains:
            drain.close_sink()
        return child

    def _be_child(self, seal: int, folder: str, user: int) -> None:
        """Confine this process, then run the entry. Everything after this is not to be believed."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        data, limits, entry, reply = (
            self.request[:],
            self.limits,
            self.warden.entry,
            self.reply.sink,
        )
        standard_streams(self.stdout.sink, self.stderr.sink)
        close_others(seal, reply)
        self.seal = b""

        def work() -> Message:
            try:
                self.sandbox.confine(limits, folder, user)
            except OSError as error:
                raise UnconfinedError(str(error)) from error
            os.environ.update(HOME=folder, TMPDIR=folder, USER="nobody", LOGNAME="nobody")
            tempfile.tempdir = None
            return entry(decode(data, replace(limits, reply_bytes=len(data))))

        write_answer(work, limits, reply, seal)

    def _watch(self, child: int, deadline: float) -> Failure | None:
        """Read what the child sends until it ends; the limit it broke, if any."""
        with selectors.DefaultSelector() as selector:
            for drain in self.drains:
                selector.register(drain.source, selectors.EVENT_READ, drain)
            selector.register(self.warden.bell, selectors.EVENT_READ)
            selector.register(self.warden.wire, selectors.EVENT_READ)
            count_at = time.monotonic() + _TICK
            while not self._ended(child):
                now = time.monotonic()
                if now >= deadline:
                    return Failure("time", f"ran longer than {self.limits.seconds:g} s")
                if now >= count_at:
                    count_at = now + _TICK
                    if failure := self._crowd():
                        return failure
                for key, _ in selector.select(max(0.0, min(deadline, count_at) - now)):
                    if failure := self._serve(selector, key):
                        return failure
        return None

    def _serve(
        self, selector: selectors.BaseSelector, key: selectors.SelectorKey
    ) -> Failure | None:
        """Handle what became readable."""
        if key.fileobj is self.warden.wire:
            raise _AbandonedError
        if key.fileobj is self.warden.bell:
            with suppress(BlockingIOError):
                self.warden.bell.recv(4096)
            return None
        drain: _Drain = key.data
        drain.read()
        if drain.too_much:
            return drain.failure
        if not drain.open:
            selector.unregister(drain.source)
        return None

    def _ended(self, child: int) -> bool:
        """Collect every child that ended, orphans included; whether the call's own did."""
        try:
            while True:
                ended, status, usage = os.wait4(-1, os.WNOHANG)
                if not ended:
                    break
                if ended == child:
                    self.status = os.waitstatus_to_exitcode(status)
                    self.cpu = usage.ru_utime + usage.ru_stime
        except ChildProcessError:
            self.childless = True
        return self.status is not None

    def _crowd(self) -> Failure | None:
        """Whether the processes of the call are too many, or need too much together."""
        members = self._members()
        if len(members) > self.limits.processes:
            return Failure("processes", f"started more than {self.limits.processes} processes")
        own = _private(os.getpid())
        if sum(max(0, _private(pid) - own) for pid in members) > self.limits.memory_bytes:
            return self._too_large()
        return None

    def _members(self) -> list[int]:
        """Numbers of the processes that belong to the call, as far as they can be seen."""
        if self.sandbox.proc:
            return [int(p.name) for p in Path("/proc").glob("[0-9]*") if p.name != "1"]
        return [] if self.sandbox.namespaces else [process.pid for process in descendants()]

    def _too_large(self) -> Failure:
        return Failure("memory", f"needed more than {size(self.limits.memory_bytes)} of memory")

    def _end_all(self, child: int) -> None:
        """Kill every process of the call, and go on until none is left."""
        while True:
            if os.getpid() == 1:
                with suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)  # everything in this table but process 1
            else:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(child, signal.SIGKILL)
                end_processes(descendants(), set())
            self._ended(child)
            if self.childless:
                return
            time.sleep(0.001)

    def _verdict(self) -> Failure | None:
        """Why there is no answer, told from how the child ended and what it wrote."""
        status = self.status or 0
        if status < 0:
            return self._killed(-status)
        if status == UNSENT:
            return Failure("silent", "ended without an answer: it had closed the channel for it")
        return self._unanswered(status)

    def _unanswered(self, status: int) -> Failure | None:
        """Why what a child that ended by itself wrote is no answer."""
        if not self.reply.length:
            message = f"ended itself with exit status {status} before answering (os._exit?)"
            return Failure("exit", message)
        if self.reply.memory[:SEAL_BYTES] != self.seal:
            return Failure("malformed", "wrote to the channel that is kept for its answer")
        if status:
            return Failure("exit", f"ended itself with exit status {status} while answering")
        if self.reply.memory[SEAL_BYTES : SEAL_BYTES + 1] == b"F":
            return _failure_told(self.reply.memory[SEAL_BYTES + 1 : self.reply.length])
        return None

    def _killed(self, number: int) -> Failure:
        """What a signal means."""
        limit = self.limits.processor_seconds
        if number == signal.SIGXCPU or (number == signal.SIGKILL and self.cpu >= limit):
            return Failure("time", f"used more than {limit} s of processor time")
        if number == signal.SIGKILL and _oom_kills() > self.oom:
            return Failure("memory", "was ended because the machine ran out of memory")
        if number == signal.SIGABRT and b"bad_alloc" in self.stderr.memory[: self.stderr.length]:
            return self._too_large()
        name = signal.strsignal(number) or "unknown signal"
        return Failure("crash", f"crashed with {_signal_name(number)} ({name.lower()})")

    def _tell(self, failure: Failure | None, seconds: float) -> None:
        """Send the caller what there is."""
        skipped = self.reply.length if failure else SEAL_BYTES + 1
        starts = [max(0, drain.length - TAIL_BYTES) for drain in (self.stdout, self.stderr)]
        parts = list(zip(self.drains, [*starts, skipped], strict=True))
        header = {
            "failure": asdict(failure) if failure else None,
            "seconds": seconds,
            "sizes": [drain.length - start for drain, start in parts],
        }
        send_frame(self.warden.wire, header)
        for drain, start in parts:
            with memoryview(drain.memory) as whole, whole[start : drain.length] as part:
                self.warden.wire.sendall(part)
            drain.close()


def _oom_kills() -> int:
    """How often this kernel has ended a process for want of memory."""
    with suppress(OSError):
        match = re.search(
            r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text("ascii"), re.MULTILINE
        )
        return int(match[1]) if match else 0
    return 0


def _private(pid: int) -> int:
    """Bytes of a process's memory that lie in no file; 0 where it has ended or cannot be seen."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/statm").read_text("ascii").split()
        return (int(fields[1]) - int(fields[2])) * resource.getpagesize()
    return 0


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _failure_told(data: bytes) -> Failure:
    """The failure that a child reports of itself."""
    kind, _, message = readable_text(data).partition(" ")
    known: dict[str, Kind] = {k: k for k in ("memory", "crash", "exit", "malformed", "unconfined")}
    if kind not in known:
        return Failure("malformed", "sent back what is not an answer")
    return Failure(known[kind], " ".join(message.split())[:500])


def _remove(folder: str) -> None:
    """Remove a folder, however deep and whatever its permissions: `rmtree` gives up on both."""
    with suppress(OSError):
        Path(folder).rmdir()
        return
    for command in (["/bin/chmod", "-R", "u+rwX"], ["/bin/rm", "-rf"]):
        subprocess.run([*command, "--", folder], check=False, stderr=subprocess.DEVNULL)  # noqa: S603
