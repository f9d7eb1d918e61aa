"""Which framework a file computes with, where it is not torch: by its imports and their use."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from harness.answers.reading import Reading, TakenFor, reading_of
from harness.answers.source import Source


class Framework(TakenFor):
    """What a file computes with where it is not torch: `line` is that of its import."""

    @property
    def judged(self) -> bool:
        """Whether its parts can be asked here."""
        return self.name in _ASKED

    @property
    def sentence(self) -> str:
        """What the learner is told."""
        return f"written for {self.title} ({self.where}: {self.evidence}): {_JUDGED[self.name]}"


_TITLES = {"mxnet": "MXNet", "tensorflow": "TensorFlow", "jax": "JAX"}
_JUDGED = {
    "mxnet": "its parts are judged through a stand-in over torch",
    "tensorflow": "its parts are not judged",
    "jax": "its parts are not judged",
}
_ASKED = ("mxnet",)
_PACKAGES = {name: name for name in (*_TITLES, "torch")} | {
    "d2lzh": "mxnet",
    "d2lzh_pytorch": "torch",
    "keras": "tensorflow",
    "flax": "jax",
    "optax": "jax",
}
# Parts of a framework that compute nothing: data for whatever computes, a log, a seed.
_BESIDE = {
    *("data", "datasets", "io", "config", "utils", "preprocessing", "seed", "set_seed"),
    *("summary", "tensorboard", "logging", "errors", "__version__", "get_logger", "compat"),
}


@dataclass(frozen=True)
class _Import:
    """A name that an import binds: what of which package, and the statement."""

    package: str
    path: tuple[str, ...]
    statement: ast.Import | ast.ImportFrom


@lru_cache(maxsize=4)
def framework_of(source: Source) -> Framework | None:
    """The framework that a file computes with; None for torch and for NumPy.

    Counted is how often each is used. Imported for data, a log or a seed, it does not count.
    """
    reading = reading_of(source)
    imports = dict(_imports(reading))
    uses_ = [_used(n, imports) for n in _outermost(reading)]
    counted = Counter(use.package for use in uses_ if use and not _BESIDE & {*use.path})
    touched = {use.package for use in uses_ if use}
    for use in imports.values():  # imported, and then nothing: all the more without another
        if use.package not in touched and not _BESIDE & {*use.path}:
            counted.setdefault(use.package, 0)
    ranked = sorted(counted, key=lambda package: (counted[package], package == "torch"))
    if not ranked or ranked[-1] == "torch":
        return None
    name = ranked[-1]
    statements = [use.statement for use in uses_ if use and use.package == name]
    statements = statements or [use.statement for use in imports.values() if use.package == name]
    first = min(statements, key=lambda statement: statement.lineno)
    where = source.where(first.lineno)
    return Framework(name, _TITLES[name], first.lineno, ast.unparse(first), where)


def _imports(reading: Reading) -> Iterator[tuple[str, _Import]]:
    for n in reading.nodes:
        if isinstance(n, ast.Import | ast.ImportFrom):
            start = (n.module or "").split(".") if isinstance(n, ast.ImportFrom) else []
            for alias in n.names:
                path = tuple(part for part in (*start, *alias.name.split(".")) if part)
                packages = [_PACKAGES[p] for p in path[:2] if p in _PACKAGES]
                bound = alias.asname or (alias.name if start else path[0])
                whole = path if alias.asname or start else path[:1]
                if packages and path[0] in {*_PACKAGES, "d2l"}:
                    yield bound, _Import(packages[0], whole, n)


def _outermost(reading: Reading) -> Iterator[ast.Name | ast.Attribute]:
    """The dotted names, each as a whole."""
    dotted = [n for n in reading.nodes if isinstance(n, ast.Name | ast.Attribute)]
    inner = {id(n.value) for n in dotted if isinstance(n, ast.Attribute)}
    return (n for n in dotted if id(n) not in inner)


def _used(node: ast.AST, imports: dict[str, _Import]) -> _Import | None:
    """What a dotted name takes from where."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    imported = imports.get(node.id) if isinstance(node, ast.Name) else None
    if imported is None:
        return None
    return _Import(imported.package, (*imported.path, *reversed(parts)), imported.statement)
