"""Watches each piece of an answer run once, and tells which built-ins it uses.

What counts is what is executed, so that no alias, `getattr` or import hides it, and a comparison
with `nn.Linear` elsewhere in the file does not matter. Only a piece that cannot be run to its end
is judged by the names in its code. Not told: a right formula copied from a library, and what an
answer does to hide from `sys.setprofile`; that there is no evidence proves nothing.
"""

from __future__ import annotations

import ast
import dis
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import singledispatch
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FrameType
from typing import Any, Protocol

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from harness.answers import adapters, loop, object_form
from harness.answers.budget import TRIAL_SECONDS, OutOfTimeError, limited
from harness.answers.component import Piece, codes
from harness.answers.stubs.mxnet import gluon
from harness.answers.stubs.stand_ins import HELPERS
from harness.answers.style import File
from harness.engine.components import (
    Component,
    DataIterator,
    Initialisation,
    Loop,
    Loss,
    Model,
    Optimizer,
)
from harness.engine.components.contract import component_of, replaced_by
from harness.engine.components.role import MODEL_CLASS, OPTIMIZER_CLASS
from harness.engine.components.role import BuiltIn as Kind
from harness.pairs.linear import SCRATCH

_TORCH = Path(torch.__file__).parent
_HERE = Path(__file__).parents[2]
_BUILTINS: dict[Any, tuple[Kind, str]] = {
    torch._C._nn.linear: ("model", "torch.nn.functional.linear"),  # noqa: SLF001
    torch._C._nn.mse_loss: ("loss", "torch.nn.functional.mse_loss"),  # noqa: SLF001
}
_OPERATORS: dict[str, tuple[Kind, str]] = {
    "aten.linear": ("model", "torch.ops.aten.linear"),
    "aten.mse_loss": ("loss", "torch.ops.aten.mse_loss"),
}
_NAMES: dict[str, tuple[Kind, str]] = {
    "Linear": ("model", "torch.nn.Linear"),
    "LazyLinear": ("model", "torch.nn.LazyLinear"),
    "linear": ("model", "torch.nn.functional.linear"),
    "MSELoss": ("loss", "torch.nn.MSELoss"),
    "mse_loss": ("loss", "torch.nn.functional.mse_loss"),
    "DataLoader": ("data", "torch.utils.data.DataLoader"),
    "optim": ("update", "torch.optim"),
}


_CALLED = {*_NAMES, "Sequential", "load_array"}


def takes_built_ins(statement: ast.stmt) -> bool:
    """Whether a statement makes a built-in model, loss, optimizer or loader: a concise chapter."""
    calls = (n for n in ast.walk(statement) if isinstance(n, ast.Call))
    return any(_CALLED & {*ast.unparse(call.func).split(".")} for call in calls)


_GLUON: dict[str, tuple[Kind, str]] = {
    "Dense": ("model", "mxnet.gluon.nn.Dense"),
    "Loss": ("loss", "mxnet.gluon.loss"),
    "DataLoader": ("data", "mxnet.gluon.data.DataLoader"),
    "Trainer": ("update", "mxnet.gluon.Trainer"),
}
# The books' helpers by their files: what they are called, and which of them are built-ins.
_HELPERS: dict[str, tuple[str, tuple[str, ...]]] = {
    str(module.__file__): (path.partition(".")[0], module.BUILT_IN)
    for path, module in HELPERS.items()
}


@dataclass(frozen=True)
class Evidence:
    """A built-in that a component uses: its name, and the line of the file that calls it."""

    component: str
    name: str
    line: int | None


class _FoundError(BaseException):
    """Ends a run that has shown enough; no `except Exception` stops it."""


@dataclass
class _Seen:
    """What ran, by kind: the name of the built-in and the learner's line below it."""

    filename: str
    wanted: tuple[Kind, ...]
    found: list[tuple[Kind, str, int | None]] = field(default_factory=list)

    def profile(self, frame: FrameType, event: str, arg: Any) -> None:
        """See a call; for `sys.setprofile`."""
        if event == "call":
            known = _of_code(frame, self.filename)
        elif event == "c_call" and isinstance(arg, BuiltinFunctionType):
            known = _BUILTINS.get(arg)
        else:
            return
        if known:
            self.add(known, frame)

    def add(self, known: tuple[Kind, str], frame: FrameType | None) -> None:
        """Keep it with the line of the file that led to it; the first that counts is enough."""
        if not _counts(*known, self.wanted):
            return
        while frame is not None and frame.f_code.co_filename != self.filename:
            frame = frame.f_back
        self.found.append((*known, frame.f_lineno if frame else None))
        raise _FoundError


class _Operators(TorchFunctionMode):
    """Sees what is called through `torch.ops`, which no profiler does."""

    def __init__(self, seen: _Seen) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function; keep its name where it is an operator that counts."""
        name = ".".join(str(func).split(".")[:2])
        if name in _OPERATORS:
            self.seen.add(_OPERATORS[name], sys._getframe(1))  # noqa: SLF001
        return func(*args, **(kwargs or {}))


def _of_code(frame: FrameType, filename: str) -> tuple[Kind, str] | None:
    """What a Python function that is being called stands for."""
    code = frame.f_code
    place = _places().get(code.co_filename)
    if place is None:
        return None
    if place == "package":
        resumed = bool(code.co_flags & inspect.CO_GENERATOR)  # maybe only to be closed
        caller = None if resumed else frame.f_back
        called = caller is not None and caller.f_code.co_filename == filename
        return ("package", _own_name(code)) if called else None
    if place == "torch.optim":
        return "update", "torch.optim"
    first = code.co_qualname.partition(".")[0]
    if place == "gluon":
        return _GLUON.get(first)
    return _NAMES.get(first) if first in _WITHIN[place] else None


_WITHIN: dict[str, tuple[str, ...]] = {
    "torch.nn.modules.linear": ("Linear", "LazyLinear"),
    "torch.nn.modules.loss": ("MSELoss",),
    "torch.nn.functional": ("mse_loss",),
    "torch.utils.data.dataloader": ("DataLoader",),
}
_FILES: dict[str, str] = {}


def _places() -> dict[str, str]:
    """The files whose functions count."""
    if not _FILES:
        for module in _WITHIN:
            _FILES[str(_TORCH.parent.joinpath(*module.split(".")).with_suffix(".py"))] = module
        for path in (_TORCH / "optim").glob("*.py"):
            _FILES[str(path)] = "torch.optim"
        for package in ("scratch", "builtin"):
            for path in (_HERE / package).glob("*.py"):
                _FILES[str(path)] = "package"
        _FILES.update(dict.fromkeys(_HELPERS, "package"))
        for path in Path(str(gluon.__file__)).parent.glob("*.py"):
            _FILES[str(path)] = "gluon"
    return _FILES


def _own_name(code: CodeType) -> str:
    package, _ = _HELPERS.get(code.co_filename, (Path(code.co_filename).parent.name, ()))
    return f"{package}.{code.co_qualname.partition('.')[0]}"


@contextmanager
def _watched(filename: str, wanted: tuple[Kind, ...]) -> Iterator[_Seen]:
    seen = _Seen(filename, wanted)
    before = sys.getprofile()
    sys.setprofile(seen.profile)
    try:
        with _Operators(seen):
            yield seen
    finally:
        sys.setprofile(before)


class Named(File, Protocol):
    """What is needed of an answer."""

    @property
    def file_name(self) -> str:
        """The name of its file, as its code has it."""


def evidence(answer: Named, component: str, settings: dict[str, Any]) -> list[Evidence]:
    """The built-ins that a component uses and should replace; a run ends at the first of them.

    `settings` are those of a top-level loop. Nothing is found out about a stub.
    """
    piece = answer.pieces[component]
    wanted: tuple[Kind, ...] = (*replaced_by(piece.role), "package")
    found = list(_itself(piece))
    if not piece.stub:
        with _watched(answer.file_name, wanted) as seen:
            done = _ran(answer, piece, settings)
        found += seen.found
        if not done:
            found += _by_names(piece)
    kept = {name: line for kind, name, line in reversed(found) if _counts(kind, name, wanted)}
    return [Evidence(component, name, line) for name, line in reversed(kept.items())]


def _counts(kind: Kind, name: str, wanted: tuple[Kind, ...]) -> bool:
    package, _, part = name.partition(".")
    built_in = [names for known, names in _HELPERS.values() if known == package]
    helps = kind == "package" and built_in and not any(part in names for names in built_in)
    return kind in wanted and not helps


def _itself(piece: Piece) -> Iterator[tuple[Kind, str, int | None]]:
    """A name that is bound to something that is not the learner's own."""
    for code in codes(piece.function):
        if _places().get(code.co_filename) == "package":
            yield "package", _own_name(code), piece.line
    for kind in type(piece.function).__mro__ if not isinstance(piece.function, type) else ():
        if issubclass(kind, torch.optim.Optimizer):
            yield "update", "torch.optim", piece.line
    if isinstance(piece.function, nn.Module):
        for module in piece.function.modules():
            known = _NAMES.get(type(module).__name__)
            if known and type(module).__module__.startswith("torch."):
                yield *known, piece.line


def _by_names(piece: Piece) -> Iterator[tuple[Kind, str, int | None]]:
    """The built-ins whose names stand in the code of a piece that could not be run."""
    methods = vars(piece.function).values() if isinstance(piece.function, type) else ()
    for function in (piece.function, *methods):
        for code in codes(function):
            for instruction in dis.get_instructions(code):
                if instruction.argval in _NAMES and instruction.opname in _READING:
                    position = instruction.positions
                    yield *_NAMES[instruction.argval], position.lineno if position else None


_READING = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_GLOBAL")


def _ran(answer: Named, piece: Piece, settings: dict[str, Any]) -> bool:
    """Run a piece on a few rows; False where it does not come to its end."""
    try:
        with limited(TRIAL_SECONDS):
            _run(answer, piece, settings)
    except _FoundError:
        return True
    except (Exception, SystemExit, OutOfTimeError):  # noqa: BLE001 - a learner's code may raise anything
        return False
    return True


_ROWS, _FEATURES = 4, 2


def _run(answer: Named, piece: Piece, settings: dict[str, Any]) -> None:
    """Run a piece; `settings` are those of a loop."""
    if piece.role is MODEL_CLASS:
        object_form.loss(piece, flat=answer.manner.flat_class)(*_predictions())
        object_form.OwnModel(piece, _FEATURES, flat=False).forward(torch.ones(_ROWS, _FEATURES))
    elif piece.role is OPTIMIZER_CLASS:
        object_form.OwnUpdate(piece, _parameters(), 0.1).step(1)
    else:
        _call(component_of(piece.role), answer, piece, settings)


@singledispatch
def _call(component: Component[Any], answer: Named, piece: Piece, settings: dict[str, Any]) -> None:
    """Call the function that a component is."""
    raise TypeError(f"{component}: {piece.name} of {answer.file_name} with {settings}")


@_call.register
def _predict(_: Model, answer: Named, piece: Piece, __: dict[str, Any]) -> None:
    w, b = answer.manner.leaves(_FEATURES)
    net = adapters.forward(piece, flat=False)
    net(torch.ones(_ROWS, _FEATURES), w.requires_grad_(), b.requires_grad_())


@_call.register
def _measure(_: Loss, answer: Named, piece: Piece, __: dict[str, Any]) -> None:
    adapters.loss(piece, flat=answer.manner.flat)(*_predictions())


@_call.register
def _update(_: Optimizer, __: Named, piece: Piece, ___: dict[str, Any]) -> None:
    adapters.stepped(piece, _parameters(), 0.1, _ROWS, returns=False)


@_call.register
def _serve(_: DataIterator, answer: Named, piece: Piece, __: dict[str, Any]) -> None:
    data = torch.ones(_ROWS, _FEATURES), torch.ones(_ROWS, 1)
    for batch, _number in zip(
        adapters.EachEpoch(piece, *data, 2, numpy=answer.manner.numpy), range(3), strict=False
    ):
        del batch


@_call.register
def _draw(_: Initialisation, __: Named, piece: Piece, ___: dict[str, Any]) -> None:
    adapters.drawn(piece, _FEATURES, flat=False)


@_call.register
def _train(_: Loop, answer: Named, piece: Piece, settings: dict[str, Any]) -> None:
    base = SCRATCH["object" if answer.manner.per_example is False else "functional"]
    loop.habits(answer, piece, base, loop.trial(settings))


def _predictions() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones(_ROWS, 1, requires_grad=True), torch.zeros(_ROWS, 1)


def _parameters() -> list[torch.Tensor]:
    params = [torch.ones(_FEATURES, 1, requires_grad=True), torch.ones(1, requires_grad=True)]
    for p in params:
        p.grad = torch.ones_like(p)
    return params
