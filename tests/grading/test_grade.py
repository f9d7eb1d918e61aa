"""What replies come to is worked out once for each reply, and for nothing that differs in a bit."""

from pathlib import Path

import pytest
import torch

from harness.diagnosis import finding
from harness.grading import child, grade
from harness.grading.grade import Submission, judged
from harness.isolation.pool import Outcome

BOOK = (Path(__file__).parents[1] / "corpus" / "valid" / "book.py").read_text("utf-8")
SEED = 11


@pytest.fixture(autouse=True)
def threads():
    """Put the number of threads back, which answering sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def asked(monkeypatch):
    """Return the components that were judged anew, none being known before."""
    found = []
    right = finding.find

    def find(component, *given):
        found.append(component.name)
        return right(component, *given)

    monkeypatch.setattr(grade, "_FOUND", {})
    monkeypatch.setattr(grade, "find", find)
    return found


def checked(text, seed=SEED):
    """Return an answer judged, run in this process: only for files that are our own."""
    submission = Submission("answer.py", text.encode())
    reply = child.respond(submission.request(seed))
    return judged(submission, Outcome(reply, None, "", "", 0.0), seed, lambda _: None)


def statuses(answer):
    """Return what each component came to."""
    return {component.name: component.status for component in answer.components}


def test_the_same_replies_are_judged_once(asked):
    """But for the data iterator, whose order is drawn anew."""
    first = checked(BOOK)
    assert sorted(asked) == sorted(
        ["data_iter", "init_params", "linreg", "sgd", "squared_loss", "train"]
    )
    asked.clear()
    again = checked(BOOK + "\n# somebody else\n")
    assert set(asked) <= {"data_iter", "init_params"}  # what is drawn may differ
    assert statuses(again) == statuses(first)
    assert again.verdict == "pass"


def test_other_replies_are_judged_anew(asked):
    """A wrong loss beside pieces that were right before; and the same file by another seed."""
    checked(BOOK)
    asked.clear()
    wrong = checked(BOOK.replace("** 2 / 2", "** 2"))
    assert "squared_loss" in asked
    assert "linreg" not in asked
    assert statuses(wrong)["squared_loss"] == "fail"
    asked.clear()
    assert checked(BOOK, SEED + 1).verdict == "pass"
    assert {"linreg", "sgd", "squared_loss", "train"} <= set(asked)


def test_what_is_kept_is_bounded(asked, monkeypatch):
    """The oldest goes first; the verdicts stay right."""
    monkeypatch.setattr(grade, "_KEPT", 2)
    for _ in range(2):
        assert checked(BOOK).verdict == "pass"
    assert len(grade._FOUND) == 2
    assert asked.count("linreg") == 2


def test_one_loss_is_enough():
    """A mean loss stands for the loss per example; without either, one is missing."""
    loss = BOOK[BOOK.index("def squared_loss") : BOOK.index("def sgd")]
    mean = "def mse_loss(y_hat, y):\n    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean()\n\n"
    rest = BOOK[: BOOK.index("def train")]
    found = statuses(checked(rest.replace(loss, mean)))
    assert (found["mse_loss"], "squared_loss" in found) == ("pass", False)
    assert statuses(checked(rest.replace(loss, "")))["squared_loss"] == "missing"
