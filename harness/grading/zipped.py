"""What a zip holds, read within limits and written nowhere: names and bytes.

A zip is bytes that nobody vouches for: how much it says it holds is not believed, only as much as
may be is unpacked, and a name that leads elsewhere, a link, or a zip within is left out. What is
left out is told.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from harness.grading.names import is_hidden, safe_name
from harness.report.view import one_line

MOST_MEMBERS = 1000
MOST_ZIPPED = 32 << 20  # bytes of the zip itself
MOST_UNZIPPED = 64 << 20  # bytes of all that is in it
_ENTRY = b"PK\x01\x02"  # begins every entry of the directory that a zip ends with
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for any amount of memory
_CHUNK = 1 << 16
_ENCRYPTED = 1


class ZipError(Exception):
    """A zip that cannot be opened; the message goes on after its name."""


def unzipped(data: bytes) -> tuple[dict[str, bytes], list[str]]:
    """The files in a zip by their paths, and a sentence on each kind of what was left out.

    ZipError where it is none, is encrypted, or holds more than may be.
    """
    if len(data) > MOST_ZIPPED:
        raise ZipError(f"has more than {MOST_ZIPPED >> 20} MB")
    if data.count(_ENTRY) > 2 * MOST_MEMBERS:  # before all of them are read
        raise ZipError(f"holds more than {MOST_MEMBERS} files")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        # RuntimeError is what zipfile raises for a password, NotImplementedError one of its kind
        raise ZipError(f"cannot be opened: {one_line(error) or type(error).__name__}") from None


def _read(archive: zipfile.ZipFile) -> tuple[dict[str, bytes], list[str]]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MOST_MEMBERS:
        raise ZipError(f"holds more than {MOST_MEMBERS} files")
    contents: dict[str, bytes] = {}
    strange, room = 0, MOST_UNZIPPED
    for member in members:
        name = safe_name(member.filename)
        if name is None or _is_link(member):
            strange += 1
        elif not is_hidden(name):
            if member.flag_bits & _ENCRYPTED:
                raise ZipError("is encrypted: it should be handed in without a password")
            contents[name] = _content(archive, member, room)
            room -= len(contents[name])
    notes = [f"{strange} of its files left out: links, or names that lead elsewhere"]
    return contents, notes if strange else []


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, room: int) -> bytes:
    """What a member holds; ZipError once that is more than there is room for."""
    if member.compress_type not in _METHODS:
        raise ZipError("is packed in a way that is not read here: it should be an ordinary zip")
    with archive.open(member) as file:
        pieces = list(_pieces(file, room))
    return b"".join(pieces)


def _pieces(file: IO[bytes], room: int) -> Iterator[bytes]:
    while piece := file.read(_CHUNK):
        room -= len(piece)
        if room < 0:
            raise ZipError(f"unpacks to more than {MOST_UNZIPPED >> 20} MB")
        yield piece


def _is_link(member: zipfile.ZipInfo) -> bool:
    """Whether it is marked as something other than a file; 0 where its kind is not said."""
    return stat.S_IFMT(member.external_attr >> 16) not in {0, stat.S_IFREG}
