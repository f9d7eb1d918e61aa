"""Definitions of a running program: their text where Python keeps it, else their signature."""

import ast
import functools
import linecache
from contextlib import suppress
from types import ModuleType, SimpleNamespace

import pytest

from harness.answers.live import Definition, Definitions, Session, definitions, restored, statements
from harness.answers.source import read

WRITTEN = '''
import functools
from collections import OrderedDict


def plain(a, b=1):
    """Add."""
    return a + b


@functools.cache
def decorated(a):
    return a


other_name = plain
named = lambda y_hat, y: y_hat - y


class Thing:
    size = 3

    def method(self):
        return self.size
'''


@pytest.fixture
def module(tmp_path):
    """A module that has run, with its text in a file."""
    path = tmp_path / "written.py"
    path.write_text(WRITTEN)
    made = ModuleType("written")
    made.__file__ = str(path)
    exec(compile(WRITTEN, path, "exec"), vars(made))
    yield made
    linecache.checkcache()


def line_of(text):
    return WRITTEN.split("\n").index(text) + 1


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("plain", "def plain(a, b=1):"),
        ("decorated", "def decorated(a):"),
        ("named", "named = lambda y_hat, y: y_hat - y"),
        ("Thing", "class Thing:"),
    ],
)
def test_text_and_line_are_those_of_the_file(module, name, first):
    found = Definition.of(name, getattr(module, name))
    assert found.file == module.__file__
    assert found.statement.lineno == line_of(first)
    assert "return" in ast.unparse(found.statement) or name == "named"


def test_another_name_is_the_one_that_is_bound(module):
    found = Definition.of("loss", module.plain)
    assert ast.unparse(found.statement).startswith("def loss(a, b=1):")
    assert found.statement.lineno == line_of("def plain(a, b=1):")


def test_text_that_was_edited_since_is_not_believed(module, tmp_path):
    (tmp_path / "written.py").write_text("\n\n\n\n\ndef plain(x, y, z):\n    pass\n")
    linecache.checkcache()
    found = Definition.of("plain", module.plain)
    assert (found.file, ast.unparse(found.statement)) == (
        "",
        "def plain(a, b=None):\n    return None",
    )


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (eval("lambda y_hat, /, y: 0"), "(y_hat, /, y)"),
        (functools.partial(int, base=2), "(*_)"),
        (functools.partial(lambda a, b: a, 1), "(b)"),
        (max, "(*_)"),
    ],
)
def test_without_text_the_signature_is_known(value, taken):
    assert ast.unparse(Definition.of("it", value).statement).startswith(f"def it{taken}:")


def test_a_module_has_what_it_made_itself_and_once(module):
    """Imports are not its own; of two names, the one that a function was defined under counts."""
    found = definitions(vars(module))
    assert sorted(one.name for one in found) == ["Thing", "named", "plain"]


def test_definitions_are_a_source(module):
    source = Definitions.of(definitions(vars(module)), "written")
    assert source.name == "written"
    assert {type(node).__name__ for node in source.statements()} == {
        "Assign",
        "FunctionDef",
        "ClassDef",
    }


def test_names_are_bound_as_before_whatever_happens():
    before = {"kept": [1], "rebound": 2, "deleted": 3}
    namespace = dict(before)
    with suppress(ZeroDivisionError), restored(namespace):
        namespace["rebound"] = namespace["new"] = 1
        del namespace["deleted"]
        raise ZeroDivisionError
    assert namespace == before


def session(*codes):
    manager = SimpleNamespace(input_hist_raw=["", *codes])
    return Session.of({"get_ipython": lambda: SimpleNamespace(history_manager=manager)})


def test_a_session_is_read_with_the_numbers_of_its_cells():
    """Magics, what is no Python and empty cells keep their place."""
    found = session("%pwd\na = 1", "", "what?", "for i in a:\n    b = i\nc = 2")
    assert found is not None
    *_, loop, last = found.source.statements()
    assert found.within(loop.lineno) == (4, 1)
    assert found.within(last.lineno) == (4, 3)


def test_a_session_can_be_read_without_some_of_it():
    """Lines stay where they are."""
    found = session("a = 1", "for i in a:\n    b = i\nc = 2")
    assert found is not None
    _, loop, last = found.source.statements()
    rest = read(found.without([loop]), "rest.ipynb")
    assert [(ast.unparse(one), one.lineno) for one in rest.statements()] == [
        ("a = 1", 1),
        ("c = 2", last.lineno),
    ]


@pytest.mark.parametrize(
    "namespace", [{}, {"get_ipython": 3}, {"get_ipython": lambda: None}, {"get_ipython": dict}]
)
def test_what_is_no_session_is_none(namespace):
    assert Session.of(namespace) is None
    assert session() is None
    assert session("a = 1") is not None


def test_the_statements_of_a_module_are_those_of_its_file(module):
    assert len(statements(vars(module))) == len(ast.parse(WRITTEN).body)
    assert statements({}) == []
