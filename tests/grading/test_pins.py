"""Which part of a class decides: what is wrong before what raised before what is right."""

from pathlib import Path

import pytest
import torch

from harness.grading import child
from harness.grading.grade import Submission, judged
from harness.isolation.pool import Outcome

BOOK = (Path(__file__).parents[1] / "corpus" / "valid" / "object_book.py").read_text("utf-8")
FORWARD = "return torch.matmul(X, self.w) + self.b"
LOSS = "return l.mean()"
WRONG_FORWARD, WRONG_LOSS = "return torch.matmul(X, self.w) - self.b", "return l.sum()"
RAISES = "raise RuntimeError"


@pytest.fixture(autouse=True)
def threads():
    """Put the number of threads back, which answering sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def model_of(forward=FORWARD, loss=LOSS):
    """Return what the book's model comes to with these last lines of its methods."""
    text = BOOK.replace(FORWARD, forward).replace(LOSS, loss)
    submission = Submission("answer.py", text.encode())
    outcome = Outcome(child.respond(submission.request(11)), None, "", "", 0.0)
    components = judged(submission, outcome, 11, lambda _: None).components
    return next(c for c in components if c.name == "LinearRegressionScratch")


@pytest.mark.parametrize(
    ("lines", "status", "part"),
    [
        ({"forward": WRONG_FORWARD, "loss": RAISES}, "fail", "forward"),
        ({"forward": RAISES, "loss": WRONG_LOSS}, "fail", "loss"),
        ({"forward": RAISES}, "error", "forward"),
        ({"loss": RAISES}, "error", "loss"),
        ({"loss": WRONG_LOSS}, "fail", "loss"),
    ],
)
def test_the_part_that_tells_most_decides(lines, status, part):
    """Whichever of the methods it is, and whatever the others come to."""
    model = model_of(**lines)
    assert (model.status, model.part) == (status, part)


def test_where_every_part_is_right_all_of_it_passes():
    """The control."""
    assert model_of().status == "pass"
