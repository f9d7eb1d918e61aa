"""Names of files that learners hand in: which can be written, and which are nobody's work."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePosixPath

LONGEST = 200  # bytes of a part of a path, as file systems allow them
DEEPEST = 8  # so that all folders of an answer fit in its file system
_COPY = re.compile(r"(-Copy\d+|-checkpoint)(?=\.\w+$)")


def safe_name(name: str) -> str | None:
    """A path below a folder, with slashes; None where it leads out of it, or cannot be written."""
    parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
    written = all(0 < len(part.encode("utf-8", "replace")) <= LONGEST for part in parts)
    if not parts or not written or len(parts) > DEEPEST or ".." in parts or ":" in parts[0]:
        return None
    return "/".join(parts) if all(part.isprintable() for part in parts) else None


def is_hidden(path: str) -> bool:
    """Whether it is nobody's work: hidden, a cache, or what a Mac adds to a zip."""
    parts = PurePosixPath(path).parts
    return any(part.startswith(".") or part in {"__pycache__", "__MACOSX"} for part in parts)


def is_copy(name: str) -> bool:
    """Whether Jupyter has made the file, as a copy or a checkpoint of another."""
    return _COPY.search(name) is not None


def is_copy_of(name: str, others: Collection[str]) -> bool:
    """Whether it is a copy, and what it is a copy of is there."""
    return is_copy(name) and _COPY.sub("", name) in others
