"""The two packages that are compared, `scratch` and `builtin`: ours, or a sentence why not.

Both names are common words. A `scratch.py` of the user's own in the folder that Python runs in
comes before ours; it is not run by mistake for ours, but named.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from harness.errors import InputError

_ROOT = Path(__file__).resolve().parents[2]  # where our packages stand side by side


def own_packages() -> tuple[ModuleType, ModuleType]:
    """`scratch` and `builtin`; InputError, without importing it, where one of them is not ours."""
    for name in ("scratch", "builtin"):
        other = _other_file(name)
        if other:
            raise InputError(
                f"{other} comes before our own package {name!r}: rename it, or run this in another "
                "folder."
            )
    import builtin
    import scratch

    return scratch, builtin


def _other_file(name: str) -> str | None:
    """The file that an import of this name would run, or has run, where it is not ours."""
    loaded = sys.modules.get(name)
    spec = find_spec(name) if loaded is None else None
    origin = getattr(loaded, "__file__", None) or (spec.origin if spec else None)
    if origin and Path(origin).resolve() == _ROOT / name / "__init__.py":
        return None
    return str(origin or f"a module without a file, {loaded or name!r},")
