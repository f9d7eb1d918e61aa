"""The files beside an answer: sent along with it, and laid where it runs.

Outside they are bytes under names that have been looked at (`handed_in`); inside the process that
runs the answer they are written to its own working folder, whose modules can then be imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.isolation.codec import Message

_OURS = ("scratch", "builtin")  # packages that are loaded there, whose names a learner may have too


def packed(files: Mapping[str, bytes], folder: str) -> Message:
    """Files by their paths, and the folder among them that the answer runs in."""
    arrays = {f"beside/{at}": np.frombuffer(c, np.uint8) for at, c in enumerate(files.values())}
    return Message({"beside": [*files], "folder": folder} if files else {}, arrays)


def lay(request: Message) -> None:
    """Write the files of a request to the working folder, and go to the answer's place in it.

    Changes where this process looks for files and modules: for one that is thrown away.
    """
    names = request.facts.get("beside", [])
    if not names:
        return
    root = Path.cwd()
    for at, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(request.arrays[f"beside/{at}"].tobytes())
    home = root / request.facts["folder"]
    home.mkdir(parents=True, exist_ok=True)
    os.chdir(home)
    sys.path.insert(0, str(home))
    theirs = [n for n in _OURS if (home / n).is_dir() or (home / f"{n}.py").exists()]
    for module in list(sys.modules):
        if module.partition(".")[0] in theirs:
            del sys.modules[module]
