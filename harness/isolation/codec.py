"""What crosses the border to an untrusted process, both ways: JSON facts and plain arrays.

Never a pickle: reading a message runs nothing, and every length, dtype and shape is checked before
it is believed. Layout: a mark, the length of the header, the header as JSON (facts; name, dtype and
shape of each array), then the bytes of the arrays in that order and not one more.

Does not say what the facts or arrays have to be, and does not carry bfloat16 or complex numbers,
which have no plain dtype or no use here.
"""

import json
import math
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.isolation.confine import Limits

MARK = b"SVB1"
FACTS_BYTES = 4 << 20  # JSON grows about 30-fold when it is read
DTYPES = frozenset(
    {"bool", "float16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
_LENGTH = struct.Struct(">I")
_START = len(MARK) + _LENGTH.size


class MalformedError(Exception):
    """The bytes or the message are none that may cross: the message says what is wrong."""


@dataclass(frozen=True)
class Message:
    """Facts that JSON can express (NaN and infinities included) and arrays of plain dtypes."""

    facts: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


def encode(message: Message) -> bytes:
    """Bytes of a message; MalformedError where it holds what may not cross.

    Lone surrogates in texts, which UTF-8 cannot express, become question marks.
    """
    arrays = {name: _plain(name, array) for name, array in message.arrays.items()}
    shapes = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    try:
        text = json.dumps({"facts": message.facts, "arrays": shapes}, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise MalformedError(f"its facts are not JSON: {error}") from error
    header = text.encode("utf-8", "replace")
    if len(header) > FACTS_BYTES:
        raise MalformedError(f"its facts need more than {FACTS_BYTES >> 20} MiB")
    return b"".join(
        [MARK, _LENGTH.pack(len(header)), header, *[array.tobytes() for array in arrays.values()]]
    )


def decode(data: bytes | bytearray | memoryview, limits: Limits) -> Message:
    """Message from bytes, in copies of its own; MalformedError where anything is not as it must be.

    Refused: more than `limits.reply_bytes`, bytes missing or left over, a dtype outside DTYPES.
    """
    if len(data) > limits.reply_bytes:
        raise MalformedError(f"it has more than {limits.reply_bytes} bytes")
    facts, shapes, start = _header(memoryview(data))
    arrays: dict[str, np.ndarray] = {}
    for entry in shapes:
        name, dtype, shape = _described(entry)
        if name in arrays:
            raise MalformedError("an array comes twice")
        end = start + math.prod(shape) * dtype.itemsize
        if end > len(data):
            raise MalformedError("an array is cut short")
        arrays[name] = _array(memoryview(data)[start:end], dtype, shape)
        start = end
    if start != len(data):
        raise MalformedError(f"{len(data) - start} bytes are left over")
    return Message(facts, arrays)


def _plain(name: object, array: object) -> np.ndarray:
    """The array itself, of numpy's own class, in the byte order of this machine."""
    if not isinstance(name, str) or not isinstance(array, np.ndarray):
        raise MalformedError(f"array {name!r} is of type {type(array).__name__}")
    if array.dtype.name not in DTYPES:
        raise MalformedError(f"array {name!r} has the dtype {array.dtype}, which cannot be sent")
    return np.asarray(array, dtype=array.dtype.newbyteorder("="))


def _header(data: memoryview) -> tuple[dict[str, Any], list[Any], int]:
    """Facts, descriptions of the arrays, and where the arrays begin."""
    if data[: len(MARK)] != MARK or len(data) < _START:
        raise MalformedError("it does not begin as a message does")
    end = _START + _LENGTH.unpack(data[len(MARK) : _START])[0]
    if end > min(len(data), _START + FACTS_BYTES):
        raise MalformedError("its header is cut short or too long")
    header = _json(data[_START:end].tobytes())
    if not isinstance(header, dict) or set(header) != {"facts", "arrays"}:
        raise MalformedError("its header lacks the facts or the arrays")
    if not isinstance(header["facts"], dict) or not isinstance(header["arrays"], list):
        raise MalformedError("its facts or arrays are not what they must be")
    return header["facts"], header["arrays"], end


def _json(data: bytes) -> Any:
    """What the header says; texts with lone surrogates are refused, for they cannot be printed."""
    try:
        value = json.loads(data.decode("utf-8"))
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"its header is not JSON: {type(error).__name__}") from error
    return value


def _described(entry: Any) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    """Name, dtype and shape that a header states for an array."""
    match entry:
        case [str(name), str(dtype), list(shape)] if dtype in DTYPES and all(
            type(n) is int and 0 <= n < 1 << 40 for n in shape
        ):
            return name, np.dtype(dtype), tuple(shape)
    raise MalformedError("an array has a dtype or shape that cannot be")


def _array(data: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    """A copy of the bytes as an array."""
    if dtype == np.bool_ and np.any(np.frombuffer(data, np.uint8) > 1):
        raise MalformedError("a truth value is neither 0 nor 1")
    try:
        return np.frombuffer(data, dtype).reshape(shape).copy()
    except ValueError as error:
        raise MalformedError("an array has a shape that cannot be") from error
