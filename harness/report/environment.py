"""Where and with what a report was made: versions, device, threads, commit.

Reads only; what cannot be found out is None. Nothing of the user's files or names is included.
"""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch


def describe() -> dict[str, object]:
    """Everything a reader needs to judge or repeat a run, as plain values."""
    import psutil  # a tenth of a second, which most uses of the engine can save

    return {
        "version": _version(),
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=True),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version() -> str | None:
    """The installed version, None in a checkout that was never installed."""
    try:
        return version("scratch-vs-builtin")
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name; Linux tells it in /proc only."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit of the checkout this code stands in, None where it is installed elsewhere."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(  # noqa: S603 - the words are ours
            ["git", "-C", str(root), "rev-parse", "--short", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
