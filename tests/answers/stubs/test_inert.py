"""An object that goes along with everything."""

import pytest

from harness.answers.stubs.inert import Inert


def test_unpacks_into_as_many_as_asked_for():
    figure, axes = Inert()
    assert isinstance(figure, Inert)
    figure, (left, right) = Inert()
    assert isinstance(right, Inert)
    (line,) = Inert()
    assert isinstance(line, Inert)
    first, *others = axes
    assert others == []
    assert left is not first


def test_goes_along_with_everything():
    thing = Inert()
    thing.rcParams["figure.figsize"] = (3, 2)
    thing.title = "loss"  # type: ignore[attr-defined]
    with thing.figure() as inner:
        assert list(inner.lines[0, 1].x) == []
    assert float(thing + 1) == 0.0
    assert "x" not in thing
    del thing["x"]


def test_decorated_functions_stay():
    def shown(x):
        return x

    assert Inert().interact(shown) is shown
    assert isinstance(Inert().plot([1, 2]), Inert)


def test_can_be_a_base_class():
    class Board(Inert()):  # type: ignore[misc]
        def draw(self):
            return 3

    assert Board().draw() == 3


def test_control_an_ordinary_object_does_not():
    with pytest.raises(TypeError):
        _, _ = object()  # type: ignore[misc]
