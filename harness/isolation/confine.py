"""What a process gives up before it runs code that nobody vouches for, where the platform allows.

`Sandbox.build` finds out, in the warm process, what holds here and says so in sentences;
`Sandbox.confine` applies it to the forked child, for good. On Linux: namespaces (no network, an own
table of processes, an own small file system to write to), Landlock (nothing else to be read but
Python and its packages), another user, no capabilities, and limits. Elsewhere: the limits alone.

Does not filter system calls, so a fault of the kernel is not guarded against, and does not bound
what several processes of one call read or compute together, except in number and memory.
"""

import ctypes
import math
import os
import resource
import secrets
import signal
import site
import sys
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None, use_errno=True)

_NEW_MOUNTS, _NEW_IPC, _NEW_USER, _NEW_PID, _NEW_NET = (
    0x00020000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x4000, 1 << 18
_DEATH_SIGNAL, _DUMPABLE, _KEEP_CAPABILITIES, _SUBREAPER, _NO_NEW_PRIVILEGES = 1, 4, 8, 36, 38
_CAPABILITY_VERSION, _READ_SEARCH = 0x20080522, 1 << 2

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_WRITE_FILE, _DEVICES = 1 << 1, (1 << 6) | (1 << 11)
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # number of the rights on files it knows

_SYSTEM_READABLE = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
)
_SPARE_PROCESSES = 64  # the watchers that an unprivileged user's own limit counts as well


@dataclass(frozen=True)
class Limits:
    """What one call may use.

    `seconds` is wall-clock time, `cpu_seconds` processor time of each process (None: as much);
    `memory_bytes` is
    what it may need beyond the warm process it was forked from, for each process and together;
    `file_bytes` bounds each file, and the whole working folder where that is a file system of its
    own; `output_bytes` bounds standard output and standard error, each.
    """

    seconds: float = 10.0
    cpu_seconds: int | None = None
    memory_bytes: int = 2 << 30
    processes: int = 64
    file_bytes: int = 16 << 20
    output_bytes: int = 1 << 20
    reply_bytes: int = 64 << 20

    @property
    def processor_seconds(self) -> int:
        """`cpu_seconds`, in the whole seconds that the kernel counts."""
        return math.ceil(self.seconds) if self.cpu_seconds is None else self.cpu_seconds


def _libc(name: str, *arguments: object) -> int:
    """Call a function of the C library; OSError where it fails or does not exist."""
    try:
        result = int(getattr(_LIBC, name)(*arguments))
    except AttributeError as error:
        raise OSError(f"there is no {name} here") from error
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return result


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    """Call the kernel directly: the C library has no name for Landlock."""
    longs = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _libc("syscall", ctypes.c_long(number), *longs)


def _prctl(option: int, value: int) -> None:
    """Set an attribute of this process."""
    _libc("prctl", option, ctypes.c_ulong(value), *[ctypes.c_ulong(0)] * 3)


def die_with_parent() -> None:
    """Let the kernel end this process when its parent ends, however that happens."""
    if LINUX:
        _prctl(_DEATH_SIGNAL, signal.SIGKILL)


def adopt_orphans(*, adopt: bool = True) -> None:
    """Become the parent of descendants whose own parent ended, instead of process 1; or no more."""
    if LINUX:
        _prctl(_SUBREAPER, int(adopt))


def new_process_table() -> None:
    """Let the next child be process 1 of a table that it cannot leave and that ends with it."""
    _libc("unshare", _NEW_PID)


def own_proc() -> None:
    """Show in /proc only the processes of this process table (its process 1 calls this)."""
    _libc("unshare", _NEW_MOUNTS)
    _mount("proc", "/proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def _mount(kind: str, folder: str, flags: int, options: str = "") -> None:
    name = kind.encode()
    _libc("mount", name, os.fsencode(folder), name, ctypes.c_ulong(flags), options.encode())


def _enter_namespaces(user: bool) -> None:
    """Leave the network, the shared memory and the mounts of this machine; with `user`, become
    the owner of the new ones without being root outside.
    """
    uid, gid = os.geteuid(), os.getegid()
    _libc("unshare", _NEW_NET | _NEW_IPC | _NEW_MOUNTS | (_NEW_USER if user else 0))
    if user:
        Path("/proc/self/setgroups").write_text("deny", "ascii")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", "ascii")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", "ascii")
    _libc("mount", None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None)


def _possible(*steps: Callable[[], object]) -> bool:
    """Whether all steps succeed, tried in a child that ends at once."""
    child = os.fork()
    if not child:
        with suppress(BaseException):
            for step in steps:
                step()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _must_be_possible(step: Callable[[], object]) -> None:
    if not _possible(step):
        raise OSError("refused")


def _landlock_version() -> int:
    """The version of Landlock in this kernel, 0 where there is none."""
    with suppress(OSError):
        if LINUX:
            return max(0, _syscall(_LANDLOCK_CREATE, None, 0, 1))
    return 0


def _usable_landlock(readable: Sequence[str], writable: str) -> int:
    """The version of Landlock, 0 where it is not there or refuses."""
    version = _landlock_version()

    def restrict() -> None:
        _prctl(_NO_NEW_PRIVILEGES, 1)
        _landlock(version, readable, writable)

    return version if version and _possible(restrict) else 0


def _landlock(version: int, readable: Sequence[str], writable: str) -> None:
    """Forbid this process and its children every file but these, TCP, and signals to others."""
    rights = (1 << _RIGHTS_BY_VERSION.get(version, 16)) - 1
    handled = [rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0]
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = b"".join(value.to_bytes(8, sys.byteorder) for value in handled)
    ruleset = _syscall(_LANDLOCK_CREATE, attributes, size, 0)
    for path in readable:
        _allow(ruleset, path, _READ_FILE | _READ_FOLDER)
    _allow(ruleset, os.devnull, _READ_FILE | _WRITE_FILE)
    _allow(ruleset, writable, rights & ~(_DEVICES | 1))
    _syscall(_LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Add a rule for a file, or a folder with all below it; what cannot be opened needs none."""
    with suppress(FileNotFoundError, PermissionError):
        descriptor = os.open(path, getattr(os, "O_PATH", 0) | os.O_CLOEXEC)
        if not Path(path).is_dir():
            rights &= _READ_FILE | _WRITE_FILE
        rule = rights.to_bytes(8, sys.byteorder) + descriptor.to_bytes(4, sys.byteorder)
        _syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0)
        os.close(descriptor)


def _become(user: int, *, reads_all: bool) -> None:
    """Be another user, with no groups and no rights but, if asked for, that to read every file."""
    if reads_all:
        _prctl(_KEEP_CAPABILITIES, 1)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _drop_capabilities(keep=_READ_SEARCH if reads_all else 0)


def _drop_capabilities(keep: int = 0) -> None:
    words = [_CAPABILITY_VERSION, 0, keep, keep, 0, 0, 0, 0]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    _libc("capset", packed[:8], packed[8:])


def _new_user() -> int:
    """A user that nobody else is, so that its limit on processes counts nobody else's."""
    return (1 << 30) + secrets.randbelow(1 << 30)


def _homes(module: ModuleType) -> list[str]:
    """Where a package lies: its folders, or its file."""
    if hasattr(module, "__path__"):
        return [str(folder) for folder in module.__path__]
    file = getattr(module, "__file__", None)
    return [str(file)] if file else []


def python_readable() -> tuple[str, ...]:
    """What Python needs to import: its library, the installed packages, and what is loaded now."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = [f"{sys.base_prefix}/lib", *(sysconfig.get_path(kind) for kind in kinds)]
    paths += [*site.getsitepackages(), *os.environ.get("LD_LIBRARY_PATH", "").split(":")]
    for name, module in list(sys.modules.items()):
        if "." not in name and module is not None:
            paths += _homes(module)
    return _outermost(path for text in paths if text for path in _resolved(text))


def _resolved(path: str) -> list[Path]:
    """The path without links, none where it does not exist or cannot be reached."""
    with suppress(OSError):
        return [Path(path).resolve(strict=True)]
    return []


def _outermost(paths: Iterable[Path]) -> tuple[str, ...]:
    """The paths that lie in none of the others: a rule for each costs time in every call."""
    unique = set(paths) - {Path("/")}
    return tuple(sorted(str(path) for path in unique if unique.isdisjoint(path.parents)))


@dataclass(frozen=True)
class Sandbox:
    """What of the isolation holds on this machine, and how to apply it.

    `folder` is the working folder, `readable` the files and folders that stay readable.
    """

    folder: str
    readable: tuple[str, ...]
    namespaces: bool = False
    proc: bool = False
    landlock: int = 0
    other_user: bool = False
    reads_all: bool = False
    own_limit: bool = False
    memory: bool = True

    @classmethod
    def build(cls, folder: str, readable: Sequence[str]) -> "Sandbox":
        """Enter the namespaces with this process, if it may, and find out what else holds."""
        allowed, parent = (*readable, *_SYSTEM_READABLE), str(Path(folder).parent)
        user = next((u for u in (False, True) if _possible(*_namespace_steps(folder, u))), None)
        if user is not None:
            _enter_namespaces(user)
        other = hasattr(os, "setresuid") and _possible(
            lambda: _become(_new_user(), reads_all=False)
        )
        other = other and os.geteuid() == 0
        if other:
            Path(folder).chmod(0o711)  # the other user must get through to its own folder below
        return cls(
            folder=folder,
            readable=allowed,
            namespaces=user is not None,
            proc=user is not None and _possible(new_process_table, _try_proc),
            landlock=_usable_landlock(allowed, folder),
            other_user=other,
            reads_all=other and not _possible(lambda: _read_as_other([*readable, parent])),
            own_limit=other or (bool(user) and os.geteuid() != 0),
            memory=_possible(lambda: _limit_memory(1 << 30)),
        )

    def new_user(self) -> int:
        """Whom the next call runs as."""
        return _new_user() if self.other_user else os.geteuid()

    def confine(self, limits: Limits, folder: str, user: int) -> None:
        """Give up in this process, for good, everything that a call does not need."""
        if self.namespaces:
            _libc("unshare", _NEW_MOUNTS | _NEW_IPC)
            options = f"size={limits.file_bytes},nr_inodes=4096,mode=700,uid={user}"
            _mount("tmpfs", folder, _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, options)
        os.chdir(folder)
        os.umask(0o077)
        with suppress(OSError):  # so that a machine short of memory ends this process first
            Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
        self._limit(limits)
        if LINUX:
            _prctl(_NO_NEW_PRIVILEGES, 1)
        if self.landlock:
            _landlock(self.landlock, self.readable, folder)
        if self.other_user:
            _become(user, reads_all=self.reads_all)
        elif LINUX:
            _drop_capabilities()
        if LINUX:
            _prctl(_DUMPABLE, 0)

    def _limit(self, limits: Limits) -> None:
        """Set the limits that the kernel keeps for each process."""
        if self.memory:
            _limit_memory(limits.memory_bytes)
        if self.own_limit:
            spare = 8 if self.other_user else _SPARE_PROCESSES  # counted before it is refused
            _set_limit(resource.RLIMIT_NPROC, limits.processes + spare)
        seconds = limits.processor_seconds
        _set_limit(resource.RLIMIT_CPU, seconds, seconds + 1)
        _set_limit(resource.RLIMIT_FSIZE, limits.file_bytes)
        _set_limit(resource.RLIMIT_CORE, 0)
        _set_limit(resource.RLIMIT_NOFILE, 256)

    def in_force(self) -> tuple[str, ...]:
        """A sentence for each part of the isolation that holds here."""
        return tuple(held for holds, held, _ in self._sentences() if holds and held)

    def not_in_force(self) -> tuple[str, ...]:
        """A sentence for each part that this platform does not allow, and what follows from it."""
        return tuple(lacking for holds, _, lacking in self._sentences() if not holds and lacking)

    def _sentences(self) -> list[tuple[bool, str, str]]:
        """Whether each part holds, and the sentence for either case."""
        return [
            (
                True,
                (
                    "Each call has its own process, closed descriptors, a bare environment, and "
                    "limits on wall-clock time, processor time, files, output and reply."
                ),
                "",
            ),
            (
                self.memory,
                "Memory is limited, for each process and for all of a call together.",
                "Memory is not limited: this platform refuses a limit on the address space.",
            ),
            (
                self.namespaces,
                (
                    "There is no network, and files are written only to a small file system that "
                    "ends with the call (Linux namespaces)."
                ),
                (
                    f"The network may be reached{', not by TCP' * (self.landlock >= 4)}, and the "
                    "working folder is an ordinary one: no namespaces here."
                ),
            ),
            (
                self.namespaces,
                (
                    "Every process of a call ends with it, also one that left the session (own "
                    "process table)."
                ),
                (
                    "Processes that a call leaves behind are found by descent, one by one: no own "
                    "process table here."
                ),
            ),
            (
                self.landlock > 0,
                "Only Python and its packages can be read, and no program started (Landlock).",
                "The file system can be read as far as the user of the call may: no Landlock here.",
            ),
            (
                self.other_user,
                "A call runs as a user of its own without rights.",
                "A call runs as the user who started it.",
            ),
            (
                not self.reads_all or self.landlock > 0,
                "",
                (
                    "A call keeps the right to read every file, because Python lies where only "
                    "root may read."
                ),
            ),
            (
                self.own_limit,
                "The kernel limits the number of processes.",
                "The number of processes is counted 20 times a second, not limited by the kernel.",
            ),
            (
                self.proc or not self.namespaces,
                "",
                (
                    "Processes and memory of a call are limited each, not counted together: /proc "
                    "cannot be mounted here."
                ),
            ),
        ]


def _namespace_steps(folder: str, user: bool) -> list[Callable[[], object]]:
    """What has to succeed, in order, for namespaces to be of use."""
    return [
        lambda: _enter_namespaces(user),
        lambda: _mount("tmpfs", folder, _MS_NOSUID, "size=4096"),
        new_process_table,
        lambda: _must_be_possible(os.getpid),
    ]


def _try_proc() -> None:
    _must_be_possible(own_proc)


def _read_as_other(paths: Sequence[str]) -> None:
    """Fail where another user cannot read one of the paths."""
    _become(_new_user(), reads_all=False)
    for path in paths:
        if not os.access(f"{path}/." if Path(path).is_dir() else path, os.R_OK):
            raise PermissionError(path)


def _limit_memory(more: int) -> None:
    """Allow this process so many bytes of address space more than it has: torch reserves a lot."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    _set_limit(resource.RLIMIT_AS, pages * resource.getpagesize() + more)


def _set_limit(kind: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit of the kernel, never raise it."""
    ceiling = resource.getrlimit(kind)[1]
    values = [soft, soft if hard is None else hard]
    if ceiling != resource.RLIM_INFINITY:
        values = [min(value, ceiling) for value in values]
    resource.setrlimit(kind, (values[0], values[1]))
