"""Trains what you wrote beside the built-in and says whether, where and by how much they differ.

    from harness import SCRATCH, compare
    compare(dataclasses.replace(SCRATCH["mse"], loss=my_loss)).verdict

Nothing is imported before it is used, so that `svb --help` and a pytest run without comparisons
do not wait for torch.
"""

from importlib import import_module

# Where each public name lies, and what it is called there if otherwise.
_HOMES = {
    "cases": "harness.pairs.catalogue:named",
    "compare": "harness.diagnosis.finding",
    "Comparison": "harness.engine.comparison",
    "Case": "harness.pairs.linear:LinearCase",
    "Recipe": "harness.engine.recipe",
    "Convention": "harness.engine.recipe",
    "SCRATCH": "harness.pairs.linear",
    "BUILTIN": "harness.pairs.linear",
    "recipe": "harness.pairs.own",
    "InputError": "harness.errors",
    "duel": "harness.bench.paired",
    "Plan": "harness.bench.paired",
    "check": "harness.grading.notebook",
    "checks": "harness.pytest_plugin",
}
__all__ = [
    "BUILTIN",
    "SCRATCH",
    "Case",
    "Comparison",
    "Convention",
    "InputError",
    "Plan",
    "Recipe",
    "cases",
    "check",
    "checks",
    "compare",
    "duel",
    "recipe",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    home, _, there = _HOMES[name].partition(":")
    try:
        return getattr(import_module(home), there or name)
    except AttributeError as error:  # else Python would say that there is no such name here
        raise ImportError(f"{home} cannot be imported: {error}") from error
