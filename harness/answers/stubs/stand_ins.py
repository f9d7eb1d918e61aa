"""Puts stand-ins in the place of packages that answers import and that are not installed.

Plotting packages, IPython, and what records runs elsewhere become inert (`inert`); the books'
helpers and MXNet are written anew beside this file; tqdm hands on what it is given. A package that
is installed is left alone; any other that is missing is missing.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Self

from harness.answers.stubs import d2l, d2l_mxnet, d2lzh, d2lzh_pytorch, mxnet
from harness.answers.stubs.inert import Inert

INERT = (
    *("matplotlib", "matplotlib_inline", "mpl_toolkits", "pylab", "seaborn", "plotly", "bokeh"),
    *("altair", "IPython", "ipywidgets", "google.colab", "wandb", "tensorboard", "tensorboardX"),
    "torch.utils.tensorboard",
)
# Helpers of the books, and those of their names that are the built-in form of a component.
HELPERS = {
    "d2l.torch": d2l,
    "d2l.mxnet": d2l_mxnet,
    "d2lzh": d2lzh,
    "d2lzh.utils": d2lzh,
    "d2lzh_pytorch": d2lzh_pytorch,
    "d2lzh_pytorch.utils": d2lzh_pytorch,
}
_ON_MXNET = ("d2l.mxnet", "d2lzh")
_HOLLOW = ("d2l", "google")  # there for what is below them
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


def _fill(module: ModuleType, source: ModuleType) -> None:
    """Give a module the names of another one."""
    names = {name: thing for name, thing in vars(source).items() if not name.startswith("_")}
    shown = getattr(source, "__all__", [*names])
    vars(module).update(names, __all__=shown)
    if "__getattr__" in vars(source):
        vars(module)["__getattr__"] = vars(source)["__getattr__"]


def _within_mxnet(fullname: str) -> ModuleType | None:
    """The module of ours that stands for one of MXNet, by its path there."""
    package, *path = fullname.split(".")
    found: Any = mxnet if package == "mxnet" else None
    for name in path:
        found = vars(found).get(name) if isinstance(found, ModuleType) else None
    return found if isinstance(found, ModuleType) else None


def _inert(fullname: str) -> str | None:
    """The inert package that a module lies in."""
    return next((p for p in INERT if fullname == p or fullname.startswith(f"{p}.")), None)


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
        """A stand-in for the packages that have one, below inert ones for any module."""
        del path, target
        package = fullname.partition(".")[0]
        inert = _inert(fullname)
        there = package == "tqdm" or fullname in (*HELPERS, *_HOLLOW) or _within_mxnet(fullname)
        if not inert and not there:
            return None
        self._use(inert or package)
        if fullname in _ON_MXNET and PathFinder.find_spec("mxnet") is None:
            self._use("mxnet")
        return ModuleSpec(fullname, self, is_package=True)

    def _use(self, package: str) -> None:
        if package not in (*self.used, "google"):
            self.used.append(package)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """An inert module for a plotting package, else a plain one."""
        return _InertModule(spec.name) if _inert(spec.name) else None

    def exec_module(self, module: ModuleType) -> None:
        """Fill the modules that do something."""
        name = module.__name__
        self.made.append(name)
        source = HELPERS.get(name) or _within_mxnet(name)
        if source:
            _fill(module, source)
        elif name.startswith("tqdm"):
            _fill_tqdm(module)
        elif name == "d2l":
            vars(module)["__getattr__"] = self._of_old_d2l

    def _of_old_d2l(self, name: str) -> Any:
        """What `import d2l` alone gave before there was a module for each framework."""
        if name.startswith("__") or name in ("torch", "mxnet", "tensorflow", "jax", "paddle"):
            raise AttributeError(name)
        return getattr(d2l_mxnet if "mxnet" in self.used else d2l, name)


class _Ahead(MetaPathFinder):
    """Finds what is installed, but does not work without a package that is missing."""

    def __init__(self, stand_ins: StandIns) -> None:
        self.stand_ins = stand_ins

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """An inert module for `torch.utils.tensorboard` where there is no tensorboard."""
        if fullname != "torch.utils.tensorboard" or PathFinder.find_spec("tensorboard"):
            return None
        return self.stand_ins.find_spec(fullname, path, target)


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
    ahead = _Ahead(finder)
    sys.meta_path.insert(0, ahead)
    sys.meta_path.append(finder)
    try:
        yield finder
    finally:
        sys.meta_path.remove(ahead)
        sys.meta_path.remove(finder)
        for name in finder.made:
            _put_away(name, finder)
        for name in missing:
            delattr(builtins, name)


def _put_away(name: str, finder: StandIns) -> None:
    """Forget a module, and that the one above it had it."""
    module = sys.modules.get(name)
    if getattr(module, "__loader__", None) is not finder:
        return
    del sys.modules[name]
    above, _, last = name.rpartition(".")
    if vars(sys.modules.get(above, ModuleType(above))).get(last) is module:
        delattr(sys.modules[above], last)
