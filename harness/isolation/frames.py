"""What the caller and a supervisor send each other: a header in JSON, then the bodies it states.

Text of a child is made readable here, and its failures get their words.
"""

import json
import re
import socket
import struct
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "time", "memory", "crash", "exit", "silent", "malformed", "output", "processes", "unconfined"
]
HEADER_BYTES = 1 << 20
_LENGTH = struct.Struct(">I")
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\^_])")


@dataclass(frozen=True)
class Failure:
    """Why a call gave no answer: its kind, and a sentence that continues "the answer ..."."""

    kind: Kind
    message: str


def size(count: int) -> str:
    """A number of bytes as a person says it."""
    return f"{count / (1 << 30):g} GiB" if count >= 1 << 30 else f"{count / (1 << 20):g} MiB"


def readable_text(data: bytes | bytearray) -> str:
    """Text without what could move the cursor, colour the screen, or hide a part of it."""
    text = _ESCAPES.sub("", data.decode("utf-8", "replace"))
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def send_frame(wire: socket.socket, header: dict[str, Any], body: bytes = b"") -> None:
    """Send a header and what follows it."""
    text = json.dumps(header).encode("ascii")
    wire.sendall(_LENGTH.pack(len(text)) + text)
    wire.sendall(body)


def receive_header(wire: socket.socket) -> dict[str, Any]:
    """The next header; EOFError where the other side has hung up."""
    length = _LENGTH.unpack(receive_body(wire, _LENGTH.size))[0]
    if length > HEADER_BYTES:
        raise EOFError("a header is too long")
    header: dict[str, Any] = json.loads(receive_body(wire, length))
    return header


def receive_body(wire: socket.socket, length: int) -> bytearray:
    """So many bytes; EOFError where the other side hangs up before."""
    body = bytearray(length)
    fill(wire, memoryview(body))
    return body


def fill(wire: socket.socket, view: memoryview) -> None:
    """Receive until the view is full; EOFError where the other side hangs up before."""
    done = 0
    while done < len(view):
        count = wire.recv_into(view[done:])
        if not count:
            raise EOFError
        done += count
