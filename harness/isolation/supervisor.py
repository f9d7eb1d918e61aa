"""The warm process and its supervisors: forks a call, watches it, ends it, passes on what it left.

Three kinds of process, none of which but the last ever runs code that nobody vouches for:

- the *server* imports the entry and what it needs, once, and forks a warden when asked to;
- a *warden*, process 1 of its own process table where that is allowed, takes one call after the
  other from the caller, forks a child for each, keeps the clock, ends whatever the call started,
  and sends back bytes (`call`);
- the *child* confines itself (`confine`), reads the request, runs the entry, answers (`child`).

`multiprocessing`'s forkserver would fork as cheaply, but reads pickles from its children, and ends
only the process it started. Requests, replies and output lie in memory maps that are gone before
the next call is forked, so that none finds what an earlier one left.
"""

import gc
import os
import select
import shutil
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.isolation.call import Entry, Warden, descendants, end_processes
from harness.isolation.child import leave_by
from harness.isolation.confine import (
    Sandbox,
    adopt_orphans,
    die_with_parent,
    new_process_table,
    own_proc,
    python_readable,
)
from harness.isolation.frames import send_frame


def serve(settings: dict[str, Any]) -> None:
    """Be the server: get ready, say how isolation stands, and fork a warden for each socket."""
    control = socket.socket(fileno=settings["control"])
    control.set_inheritable(False)
    sys.argv = [""]
    try:
        entry, sandbox = _prepare(settings)
    except Exception as error:  # noqa: BLE001 - whatever an import raises is told to the caller
        send_frame(control, {"error": f"{type(error).__name__}: {error}"})
        return
    lacking = (*sandbox.not_in_force(), *_threads())
    send_frame(control, {"in_force": sandbox.in_force(), "not_in_force": lacking})
    adopt_orphans()
    _fork_wardens(control, entry, sandbox)
    control.close()
    _await_children()
    shutil.rmtree(settings["folder"], ignore_errors=True)  # the caller may have been killed


def _prepare(settings: dict[str, Any]) -> tuple[Entry, Sandbox]:
    """Import what calls need, and enter the sandbox that the server shares with them."""
    sys.path[:] = [*settings["path"], *settings["sys_path"]]
    gc.disable()  # imports leave little to collect, and looking through torch's objects takes long
    for name in settings["preload"]:
        import_module(name)
    entry: Entry = _function(settings["entry"])
    if settings["rehearsal"]:
        name, *arguments = settings["rehearsal"]
        _function(name)(*arguments)
    readable = (*python_readable(), *[str(Path(p).resolve()) for p in settings["path"]])
    sandbox = Sandbox.build(settings["folder"], readable)
    gc.freeze()  # a collection in a child would write to, and so copy, every page
    gc.enable()
    return entry, sandbox


def _function(name: str) -> Callable[..., Any]:
    """The function that is called "module:function"."""
    module, _, function = name.partition(":")
    loaded: Callable[..., Any] = getattr(import_module(module), function)
    return loaded


def _threads() -> list[str]:
    """A warning where the warm process has threads, whose locks a forked child may find taken."""
    with suppress(OSError):
        count = len(list(Path("/proc/self/task").iterdir()))
        if count > 1:
            return [
                f"The warm process has {count} threads: a call may hang on what one had locked."
            ]
    return []


def _fork_wardens(control: socket.socket, entry: Entry, sandbox: Sandbox) -> None:
    """Fork a warden for each socket that the caller sends, until the caller hangs up."""
    wardens: set[int] = set()
    while True:
        waiting = select.select([control], [], [], 0.2 if wardens else None)[0]
        wardens -= _reap()
        if not sandbox.namespaces:  # what a warden left that was itself killed
            end_processes([child for child in descendants() if child.pid not in wardens], wardens)
        if not waiting:
            continue
        data, sockets, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            return
        with socket.socket(fileno=sockets[0]) as wire:
            wardens.add(_fork_warden(control, wire, entry, sandbox))


def _fork_warden(
    control: socket.socket, wire: socket.socket, entry: Entry, sandbox: Sandbox
) -> int:
    child = os.fork()
    if not child:
        control.close()
        leave_by(lambda: _be_warden(wire, entry, sandbox))
    return child


def _reap() -> set[int]:
    """Children that have ended."""
    ended = set()
    with suppress(ChildProcessError):
        while (child := os.waitpid(-1, os.WNOHANG)[0]) > 0:
            ended.add(child)
    return ended


def _await_children(seconds: float = 5.0) -> None:
    """Wait until no child is left, within reason."""
    end = time.monotonic() + seconds
    with suppress(ChildProcessError):
        while time.monotonic() < end:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(0.01)


def _be_warden(wire: socket.socket, entry: Entry, sandbox: Sandbox) -> None:
    """Serve calls, as process 1 of an own process table where that is allowed."""
    if not sandbox.namespaces:
        Warden(wire, entry, sandbox).serve()
        return
    die_with_parent()  # whose end takes the whole table along
    new_process_table()
    warden = os.fork()
    if not warden:
        leave_by(lambda: _be_first(wire, entry, sandbox))
    wire.close()
    os.waitpid(warden, 0)


def _be_first(wire: socket.socket, entry: Entry, sandbox: Sandbox) -> None:
    die_with_parent()
    assert os.getpid() == 1
    if sandbox.proc:
        own_proc()
    Warden(wire, entry, sandbox).serve()
