"""The command `svb`, as it is installed; and whether the `harness` that Python finds is ours.

Stands beside the packages under a name of its own: `harness` is a common word, and a folder of that
name of the user's own may come first.
"""

import sys
from importlib.util import find_spec
from pathlib import Path


def other_harness() -> str | None:
    """The file that `import harness` would run, or has run, where it is not ours."""
    loaded = sys.modules.get("harness")
    spec = find_spec("harness") if loaded is None else None
    origin = getattr(loaded, "__file__", None) or (spec.origin if spec else None)
    ours = Path(__file__).resolve().with_name("harness") / "__init__.py"
    if origin and Path(origin).resolve() == ours:
        return None
    return str(origin or "another package of this name")


def main() -> int:
    """Run `svb`; status 2 and a sentence where another package stands in the way."""
    other = other_harness()
    if other:
        message = f"{other} comes before our own package 'harness'"
        print(f"svb: {message}: rename it, or run this in another folder.", file=sys.stderr)
        return 2
    from harness.cli import main as run

    return run()
