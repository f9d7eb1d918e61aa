"""What a piece raised or returned: its kind, its words, and the line of the reader's own code."""

import pytest
import torch

from harness.engine.raised import Raised, ReturnedError, kind_of, own_line, plain_tensor


def caught(source, filename="answer.py"):
    """Return what this source raises, compiled as if it stood in a file of that name."""
    try:
        exec(compile(source, filename, "exec"), {"torch": torch, "plain_tensor": plain_tensor})
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    return None


def test_the_line_is_the_last_one_in_somebodys_own_file():
    """Not the caller's further up, and not that of a library further down."""
    deep = "def f(x):\n    return torch.zeros(3).reshape(x)\n\nf(7)\n"
    assert own_line(caught(deep)) == 2
    inside = "import json\n\n\njson.loads('{')\n"
    assert own_line(caught(inside)) == 4
    ours = "\nplain_tensor(3, 'the model')\n"
    assert own_line(caught(ours)) == 2


def test_code_without_a_file_and_exceptions_without_a_traceback_have_no_line():
    """There is nothing to point at; this file itself is somebody's own."""
    assert own_line(KeyError("never raised")) is None
    line = own_line(caught("1 // 0", "<string>"))
    assert line is not None  # of `caught`, further up
    assert line < 20


def test_what_was_raised_is_kept_with_its_place():
    """The type as its reader knows it, and the kind of what was returned instead."""
    error = caught("\n\nraise KeyError('w')\n")
    raised = Raised.by(error, "loss", (2, 5))
    assert (raised.stage, raised.epoch, raised.step) == ("loss", 2, 5)
    assert (raised.kind, raised.message) == ("KeyError", "'w'")
    assert (raised.line, raised.returned) == (3, None)
    returned = Raised.by(ReturnedError("the loss", "float", "a tensor"), "loss", (0, 0))
    assert (returned.kind, returned.returned) == ("TypeError", "float")
    assert returned.message == "the loss returned float, but should return a tensor"
    assert kind_of(ValueError()) == "ValueError"


def test_a_plain_tensor_is_handed_on():
    """As it is, whatever its shape and dtype."""
    for value in (torch.zeros(()), torch.zeros(2, 0), torch.arange(3)):
        assert plain_tensor(value, "the model") is value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (3.0, "float"),
        (None, "NoneType"),
        (torch.zeros(2, device="meta"), "a tensor without numbers"),
        (torch.eye(2).to_sparse(), "a torch.sparse_coo tensor"),
    ],
    ids=["number", "nothing", "meta", "sparse"],
)
def test_what_holds_no_plain_numbers_is_refused(value, kind):
    """In words that name the piece and what it returned."""
    with pytest.raises(ReturnedError, match=f"the model returned {kind}, but should") as refused:
        plain_tensor(value, "the model")
    assert refused.value.kind == kind
