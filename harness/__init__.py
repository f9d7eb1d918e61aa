"""Trains what you wrote beside the built-in and says whether, where and by how much they differ.

    from harness import SCRATCH, compare
    compare(dataclasses.replace(SCRATCH["mse"], loss=my_loss)).verdict

Nothing is imported before it is used, so that `svb --help` and a pytest run without comparisons
do not wait for torch.
"""

from importlib import import_module

_HOMES = {
    "compare": "harness.diagnosis",
    "Comparison": "harness.comparison",
    "Case": "harness.case",
    "Recipe": "harness.recipe",
    "Convention": "harness.recipe",
    "SCRATCH": "harness.recipe",
    "BUILTIN": "harness.recipe",
    "InputError": "harness.errors",
    "check": "harness.notebook",
    "checks": "harness.pytest_plugin",
}
__all__ = [
    "BUILTIN",
    "SCRATCH",
    "Case",
    "Comparison",
    "Convention",
    "InputError",
    "Recipe",
    "check",
    "checks",
    "compare",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
