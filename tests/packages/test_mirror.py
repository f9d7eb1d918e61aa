"""The two packages hold the same files, the same public names and the same signatures."""

import importlib
import inspect
from pathlib import Path
from types import FunctionType, SimpleNamespace

import pytest

import builtin
import scratch

FILES = ["data", "loss", "model", "optim", "softmax", "trainer"]


def public(module):
    """Return the functions and classes that a module defines for others, by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and inspect.isroutine(value) | inspect.isclass(value)
        and value.__module__ == module.__name__
    }


def signature(function):
    """Return parameters and result as text; a default that is a function counts by its name."""
    found = inspect.signature(function)
    parameters = [
        (p.name, p.kind.name, named(p.default), str(p.annotation).replace("builtin.", "scratch."))
        for p in found.parameters.values()
    ]
    return parameters, str(found.return_annotation).replace("builtin.", "scratch.")


def named(value):
    """Return a function's name, anything else as it is."""
    return value.__name__ if isinstance(value, FunctionType) else value


def methods(cls):
    """Return the public methods, and the constructor, of a class and of its bases in its file."""
    return {
        name: value
        for base in reversed(cls.__mro__)
        if base.__module__ == cls.__module__
        for name, value in vars(base).items()
        if isinstance(value, FunctionType)
        and value.__module__ == cls.__module__  # torch puts a wrapped step into optimizers
        and (name == "__init__" or not name.startswith("_"))
    }


def accepts(inherited, written):
    """Tell whether a method inherited from torch takes every call that the written one takes."""
    theirs = list(inspect.signature(inherited).parameters.values())
    ours = list(inspect.signature(written).parameters.values())
    if any(p.kind is p.VAR_POSITIONAL for p in theirs):
        return True  # nn.Module.to(*args, **kwargs)
    same_start = [p.name for p in theirs[: len(ours)]] == [p.name for p in ours]
    return same_start and all(p.default is not p.empty for p in theirs[len(ours) :])


def class_differences(name, by_hand, built_in):
    """Yield what the class built in lacks, has in excess, or takes otherwise."""
    ours, theirs = methods(by_hand), methods(built_in)
    for method in sorted(ours | theirs):
        if method in ours and method in theirs:
            if signature(ours[method]) != signature(theirs[method]):
                yield f"{name}.{method}: signatures differ"
        elif method not in ours:
            yield f"{name}.{method}: only built in"
        elif not hasattr(built_in, method):
            yield f"{name}.{method}: only by hand"
        elif not accepts(getattr(built_in, method), ours[method]):
            yield f"{name}.{method}: the inherited method takes other arguments"


def differences(by_hand, built_in):
    """Return one line for each way in which two tables of public names do not mirror."""
    lines = [f"{name}: only by hand" for name in sorted(by_hand.keys() - built_in.keys())]
    lines += [f"{name}: only built in" for name in sorted(built_in.keys() - by_hand.keys())]
    for name in sorted(by_hand.keys() & built_in.keys()):
        ours, theirs = by_hand[name], built_in[name]
        if inspect.isclass(ours):
            lines += class_differences(name, ours, theirs)
        elif signature(ours) != signature(theirs):
            lines.append(f"{name}: signatures differ")
    return lines


@pytest.mark.parametrize("package", [scratch, builtin], ids=lambda package: package.__name__)
def test_same_files(package):
    """Each package holds these files and its table of contents, and nothing else."""
    folder = Path(package.__file__).parent
    assert sorted(path.stem for path in folder.glob("*.py")) == ["__init__", *FILES]


@pytest.mark.parametrize("file", FILES)
def test_same_names_and_signatures(file):
    """Every file mirrors its namesake."""
    by_hand = public(importlib.import_module(f"scratch.{file}"))
    built_in = public(importlib.import_module(f"builtin.{file}"))
    assert by_hand
    assert differences(by_hand, built_in) == []


def test_packages_export_every_public_name():
    """The table of contents of each package names everything that its files define."""
    for package in (scratch, builtin):
        defined = {
            name
            for file in FILES
            for name in public(importlib.import_module(f"{package.__name__}.{file}"))
        }
        assert set(package.__all__) == defined
        assert all(hasattr(package, name) for name in defined)


def test_every_public_name_is_documented():
    """Functions, classes and their methods carry docstrings."""
    for package in (scratch, builtin):
        for name in package.__all__:
            value = getattr(package, name)
            held = methods(value).values() if inspect.isclass(value) else ()
            for item in (value, *held):
                assert item.__doc__, item


class _Mirrored:
    """Stands for a class by hand."""

    def __init__(self, lr: float) -> None: ...

    def step(self, times: int = 1) -> None: ...


class _OtherInit(_Mirrored):
    def __init__(self, rate: float) -> None: ...

    def step(self, times: int = 1) -> None: ...


class _OtherStep(_Mirrored):
    def __init__(self, lr: float) -> None: ...

    def step(self, times: int = 2) -> None: ...


class _OneMore(_Mirrored):
    def __init__(self, lr: float) -> None: ...

    def more(self) -> None: ...


def _needs(self, times: int, closure: object) -> None: ...


_Base = type("_Base", (), {"step": _needs, "__module__": "torch"})
_Inherits = type("_Inherits", (_Base,), {"__init__": _Mirrored.__init__})
_Below = type("_Below", (_OtherStep,), {"__init__": _Mirrored.__init__})
_Lacks = type("_Lacks", (), {"__init__": _Mirrored.__init__})


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (_OtherInit, "C.__init__: signatures differ"),
        (_OtherStep, "C.step: signatures differ"),
        (_OneMore, "C.more: only built in"),
        (_Inherits, "C.step: the inherited method takes other arguments"),
        (_Lacks, "C.step: only by hand"),
        (_Below, "C.step: signatures differ"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_mirror_control_classes(other, line):
    """Control: each way in which a class can fail to mirror is told in one line."""
    assert differences({"C": _Mirrored}, {"C": other}) == [line]
    assert differences({"C": _Mirrored}, {"C": _Mirrored}) == []


def test_mirror_control_names():
    """Control: a missing name, a new name and a changed default are each noticed."""
    names = public(scratch.optim)
    lacking = {name: value for name, value in names.items() if name != "sgd"}
    assert differences(names, lacking) == ["sgd: only by hand"]
    assert differences(lacking, names) == ["sgd: only built in"]

    def sgd(params, lr, batch_size=1):
        """Differ from sgd in a default."""

    assert differences(names, names | {"sgd": sgd}) == ["sgd: signatures differ"]


def test_mirror_control_private_and_imported():
    """Control: what a module imports, or marks as private, is no public name of it."""
    module = SimpleNamespace(__name__="m", _hidden=len, imported=inspect.getsource)
    assert public(module) == {}
