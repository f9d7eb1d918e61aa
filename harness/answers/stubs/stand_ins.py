"""Puts stand-ins in the place of packages that answers import and that are not installed.

Plotting packages and IPython become inert (`inert`), d2l becomes `book`, tqdm hands on what it is
given. A package that is installed is left alone; any other that is missing is missing.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Self

from harness.answers.stubs import d2l
from harness.answers.stubs.inert import Inert

INERT = (
    *("matplotlib", "matplotlib_inline", "mpl_toolkits", "pylab", "seaborn", "plotly", "bokeh"),
    *("altair", "IPython", "ipywidgets"),
)
NOTEBOOK_NAMES = ("get_ipython", "display")


class _InertModule(ModuleType):
    """A module in which every name is there and does nothing."""

    __all__: Sequence[str] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()


class _Progress:
    """tqdm: goes through what it is given, and has no effect else."""

    def __init__(self, iterable: Iterable[Any] = (), *_: Any, **__: Any) -> None:
        self.iterable = iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self.iterable)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()


def _fill_tqdm(module: ModuleType) -> None:
    vars(module).update(
        tqdm=_Progress,
        tqdm_notebook=_Progress,
        notebook=module,
        auto=module,
        trange=lambda *args, **_: _Progress(range(*args)),
    )


def _fill_d2l(module: ModuleType) -> None:
    names = {name: thing for name, thing in vars(d2l).items() if not name.startswith("_")}
    vars(module).update(names, __getattr__=d2l.__getattr__, __all__=[*names])


class StandIns(MetaPathFinder, Loader):
    """The last finder on the path of imports: `used` collects the packages it stood in for, `made`
    the names of the modules.
    """

    def __init__(self) -> None:
        self.used: list[str] = []
        self.made: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A stand-in for the packages that have one, below them for any module."""
        del path, target
        package = fullname.partition(".")[0]
        if package not in (*INERT, "tqdm") and fullname not in ("d2l", "d2l.torch"):
            return None
        if package not in self.used:
            self.used.append(package)
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """An inert module for a plotting package, else a plain one."""
        return _InertModule(spec.name) if spec.name.partition(".")[0] in INERT else None

    def exec_module(self, module: ModuleType) -> None:
        """Fill the modules that do something."""
        self.made.append(module.__name__)
        if module.__name__.startswith("tqdm"):
            _fill_tqdm(module)
        elif module.__name__ == "d2l.torch":
            _fill_d2l(module)


@contextmanager
def installed() -> Iterator[StandIns]:
    """Stand-ins for what is missing, and IPython's own names among the built-in ones.

    They are put away at the end, modules that were imported through them included; within another
    `installed` they are those of the outer one.
    """
    outer = next((finder for finder in sys.meta_path if isinstance(finder, StandIns)), None)
    if outer:
        yield outer
        return
    finder = StandIns()
    missing = [name for name in NOTEBOOK_NAMES if not hasattr(builtins, name)]
    for name in missing:
        setattr(builtins, name, Inert())
    sys.meta_path.append(finder)
    try:
        yield finder
    finally:
        sys.meta_path.remove(finder)
        for name in finder.made:
            if getattr(sys.modules.get(name), "__loader__", None) is finder:
                del sys.modules[name]
        for name in missing:
            delattr(builtins, name)
