"""What an exercise is: a contract, calls with inputs drawn anew, and a rule for the replies.

The parent makes the calls (`Exercise.questions`) and judges what comes back (`Exercise.judge`); an
untrusted process makes them (`perform`). A call holds inputs only; a reply holds plain arrays only.
Both cross between processes as `PACKER` packs them.
The exercises themselves stand in `exercise_*`; `exercises` is the table of them all.
"""

from __future__ import annotations

import dis
import random
import re
import types
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from harness.engine.raised import Raised
from harness.engine.seeding import seed_all
from harness.exercises.given import Given
from harness.exercises.memory import Growth
from harness.isolation.payload import Packer

Argument = np.ndarray | float | int | str | tuple[float, ...] | Given
Observe = Literal["result", "gradient", "batches", "memory"]
Arrays = tuple[np.ndarray, ...]
_TORCH_LACKS = re.compile("aten::|not implemented for|derivative")  # torch raises it as well
LONGEST = 2000  # characters of an exception
_KINDS = "fiub"  # of arrays that can be believed: floats, integers, truth values


@dataclass(frozen=True)
class Wanted:
    """A function that an exercise asks for: its signature and what it returns, in plain words."""

    function: str
    signature: str
    returns: str


@dataclass(frozen=True)
class Call:
    """One call of a learner's function; arguments are handed over by position, arrays as tensors.

    `observe` says what is looked at: the result; the result and the gradient of its sum by the
    first argument; the batches of so many `passes`, the function called anew for each; or the sums
    of all batches and the memory that serving them took. An iterator that serves `most` batches is
    endless. `seed` is that of the global generators.
    """

    function: str
    arguments: Mapping[str, Argument]
    observe: Observe = "result"
    passes: int = 1
    most: int = 2500
    seed: int = 0

    def __getitem__(self, name: str) -> Any:
        """An argument by its name."""
        return self.arguments[name]


@dataclass(frozen=True)
class Reply:
    """What became of a call.

    Of batches: the arrays of all pairs, one after the other, and how many `batches` each pass had.
    `untouched` says whether the global generators were left as they had been.
    """

    arrays: Arrays = ()
    batches: tuple[int, ...] = ()
    untouched: bool = True
    missing: bool = False
    endless: bool = False
    raised: Raised | None = None


@dataclass(frozen=True)
class Wrong:
    """Why replies are wrong: the id of the reason, and what was seen, in one sentence."""

    fault: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What an answer to an exercise comes to; `fault` is None where it passed."""

    passed: bool
    message: str
    hint: str
    fault: str | None


Ask = Callable[[np.random.Generator], Sequence[Call]]
Rule = Callable[[Sequence[Call], Sequence[Reply]], Wrong | None]

HINTS = {
    "missing": "Which function does the exercise ask for, and is it more than a stub?",
    "raises": "Call the function yourself with small inputs of the stated shapes: what happens?",
    "shape": "Print the shape of what you return beside the one that the exercise states.",
    "not-finite": "Print the values step by step: where does the first NaN or infinity come from?",
    "endless": "What makes your iterator stop after the last row?",
    "value": "Work out one small example by hand and compare it with what your function returns.",
}


@dataclass(frozen=True, eq=False)
class Exercise:
    """An exercise of the book that a program can judge.

    `hints` has an entry for every fault that `rule` can name; `raised` maps patterns of the message
    of an exception to the faults they show. `rule` is handed replies that hold finite arrays only,
    or, where `reads_raised`, whatever came.
    """

    name: str
    title: str
    source: str
    task: str
    contract: tuple[Wanted, ...]
    judged: str
    ask: Ask
    rule: Rule
    hints: Mapping[str, str]
    raised: Mapping[str, str] = field(default_factory=dict)
    reads_raised: bool = False

    def questions(self, seed: int) -> tuple[Call, ...]:
        """The calls, with inputs drawn anew from this seed and no expected value."""
        generator = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        return tuple(replace(call, seed=seed + at) for at, call in enumerate(self.ask(generator)))

    def judge(self, calls: Sequence[Call], replies: Sequence[Reply]) -> Verdict:
        """Judge the replies to the calls, in their order; only arrays are believed."""
        with np.errstate(all="ignore"):  # an answer may hold numbers of any size
            wrong = self._wrong(calls, replies)
        if wrong is None:
            count = "1 call" if len(calls) == 1 else f"{len(calls)} calls"
            return Verdict(True, f"{self.name} passes: {count}, inputs drawn anew.", "", None)
        hint = {**HINTS, **self.hints}[wrong.fault]
        return Verdict(False, wrong.message, hint, wrong.fault)

    def _wrong(self, calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
        if len(calls) != len(replies) or not calls:
            message = f"{len(replies)} of {len(calls)} calls were answered, but all should be"
            return Wrong("missing", message)
        pairs = enumerate(zip(calls, replies, strict=True))
        unfit = (self._unfit(place(call, at), call, reply) for at, (call, reply) in pairs)
        return next(filter(None, unfit), None) or self.rule(calls, replies)

    def _unfit(self, where: str, call: Call, reply: Reply) -> Wrong | None:
        """What keeps a reply from being judged by the rule."""
        if reply.missing:
            return Wrong("missing", f"{call.function} is missing or a stub")
        if reply.endless:
            message = f"{where} goes on after {call.most} batches, but should end"
            return Wrong("endless", message)
        if reply.raised:
            return None if self.reads_raised else self._of_raised(where, reply.raised)
        if not is_complete(call, reply):
            return Wrong("missing", f"{where} was answered in part only")
        if not all(np.isfinite(array).all() for array in reply.arrays):
            return Wrong("not-finite", f"{where} holds NaN or infinity, but should be finite")
        return None

    def _of_raised(self, where: str, raised: Raised) -> Wrong:
        faults = (f for pattern, f in self.raised.items() if re.search(pattern, raised.message))
        message = f"{where} raised {raised.kind}: {raised.message}"
        return Wrong(next(faults, "raises"), message)


def is_complete(call: Call, reply: Reply) -> bool:
    """Whether a reply holds what is looked at in this call."""
    shapes = [array.shape for array in reply.arrays]
    if call.observe == "batches":
        return len(reply.batches) == call.passes and 2 * sum(reply.batches) == len(shapes)
    if call.observe == "memory":
        return len(shapes) == 3 and shapes[0] == shapes[2] == ()
    return len(shapes) == 2 if call.observe == "gradient" else bool(shapes)


def place(call: Call, at: int) -> str:
    """The place of a call, as messages give it."""
    return f"{call.function}[call {at}]"


# What crosses between processes, and how.
CALLS, REPLIES = tuple[Call, ...], tuple[Reply, ...]


def _check_reply(reply: Reply) -> None:
    if any(count < 0 for count in reply.batches):
        raise ValueError("batches")


PACKER = Packer(checks={Reply: _check_reply})


# Made in the learner's process.


def perform(namespace: Mapping[str, object], call: Call) -> Reply:
    """Make one call of the learner's function of this name; whatever it raises is a reply."""
    function = namespace.get(call.function)
    if not callable(function) or is_stub(function):
        return Reply(missing=True)
    seed_all(call.seed)
    before = _generators()
    try:
        reply = _PERFORMERS[call.observe](function, call)
        return replace(reply, untouched=_generators() == before)
    except NotImplementedError as error:
        if not _TORCH_LACKS.search(str(error)):
            return Reply(missing=True)
        return _raised(error, call)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an answer may raise what it likes
        return _raised(error, call)


def _raised(error: BaseException, call: Call) -> Reply:
    raised = Raised.by(error, call.function, (0, 0))
    return Reply(raised=replace(raised, message=raised.message[:LONGEST]))


def is_stub(function: object) -> bool:
    """Whether the body is `pass`, `...` or a docstring: it returns None and does nothing else."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, types.CodeType):
        return False
    steps = [i for i in dis.get_instructions(code) if i.opname not in ("RESUME", "NOP")]
    returns = [s for s in steps if s.opname in ("LOAD_CONST", "RETURN_CONST")]
    idle = all(s.opname in ("LOAD_CONST", "RETURN_CONST", "RETURN_VALUE") for s in steps)
    return idle and all(s.argval is None for s in returns)


def _generators() -> tuple[object, ...]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return (
        random.getstate(),
        kind,
        np.asarray(keys).tobytes(),
        tuple(rest),
        torch.get_rng_state().numpy().tobytes(),
    )


def _made(argument: Argument) -> Any:
    """The argument as the learner's function gets it: tensors of its own, lists, made things."""
    if isinstance(argument, np.ndarray):
        return torch.from_numpy(argument.copy())
    if isinstance(argument, tuple):
        return list(argument)
    return argument.make() if isinstance(argument, Given) else argument


def _arguments(call: Call) -> list[Any]:
    return [_made(argument) for argument in call.arguments.values()]


def _result(function: Callable[..., Any], call: Call) -> Reply:
    return Reply(plain_arrays(function(*_arguments(call))))


def _gradient(function: Callable[..., Any], call: Call) -> Reply:
    first, *others = _arguments(call)
    first.requires_grad_()
    result = function(first, *others)
    if not isinstance(result, Tensor):
        raise TypeError(f"it returned {_kind(result)}, but should return a tensor")
    (gradient,) = torch.autograd.grad(result.sum(), first)
    return Reply(plain_arrays((result, gradient)))


def _batches(function: Callable[..., Any], call: Call) -> Reply:
    arrays: list[np.ndarray] = []
    counts = []
    for _ in range(call.passes):
        served = list(islice(_pairs(function(*_arguments(call))), call.most))
        if len(served) == call.most:
            return Reply(endless=True)
        arrays += [part for pair in served for part in pair]
        counts.append(len(served))
    return Reply(tuple(arrays), tuple(counts))


def _memory(function: Callable[..., Any], call: Call) -> Reply:
    """Rows, the sum of every column, and bytes of memory at the peak where they can be told."""
    rows, sums = 0, np.zeros(1)
    arguments = _arguments(call)
    with Growth() as growth:
        for X, y in islice(_pairs(function(*arguments)), call.most):
            rows += len(X)
            sums = sums + np.concatenate((X, y.reshape(len(X), -1)), 1, dtype=np.float64).sum(0)
            growth.look()
    return Reply((np.array(float(rows)), sums, np.array(float(growth.most))))


_PERFORMERS: dict[str, Callable[[Callable[..., Any], Call], Reply]] = {
    "result": _result,
    "gradient": _gradient,
    "batches": _batches,
    "memory": _memory,
}


def _pairs(served: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for pair in served:
        arrays = plain_arrays(pair)
        if len(arrays) != 2:
            raise TypeError("the iterator should serve pairs of tensors: features and labels")
        yield arrays[0].copy(), arrays[1].copy()


def plain_arrays(result: object) -> Arrays:
    """Plain arrays of a result: a number, a tensor, an array, or a list or tuple of them.

    Nested lists of numbers are one array. TypeError for all else, dictionaries and texts included.
    """
    if isinstance(result, list | tuple) and result:
        if all(map(_is_number, _leaves(result))):
            return (_array([_nested(part) for part in result]),)
        return tuple(_array(part) for part in result)
    return (_array(result),)


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) or (
        isinstance(value, Tensor | np.ndarray) and value.ndim == 0
    )


def _nested(value: Any) -> object:
    return [_nested(part) for part in value] if isinstance(value, list | tuple) else float(value)


def _array(value: object) -> np.ndarray:
    if isinstance(value, Tensor):
        return np.array(value.detach().cpu().numpy())
    if isinstance(value, int | float | list | np.ndarray | np.number):
        array = np.array(value)
        if array.dtype.kind in _KINDS:
            return array
    raise TypeError(f"it returned {_kind(value)}, but should return tensors or numbers")


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
