"""Files as they really are: helpers beside the parts, chapters below, guards, numbers, classes.

Each kind has a control that must fail, or that must not be taken for it.
"""

import json

import pytest
import torch

from harness.grading import child
from harness.grading.grade import Submission, judged
from harness.isolation.pool import Outcome

SEED = 5
DATA = """
def serve(batch_size, features, labels):
    order = torch.randperm(len(features))
    for start in range(0, len(features), batch_size):
        rows = order[start:start + batch_size]
        yield features[rows], labels[rows]
"""
MODEL = """
def line(X, w, b):
    return X @ w + b
"""
LOSS = """
def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
"""
UPDATE = """
def descend(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()
"""
START = """
points = torch.randn(60, 2)
targets = points @ torch.tensor([[1.5], [-2.0]]) + 0.7
w = torch.zeros(2, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
rate, size = 0.05, 12
"""
LOOP = """
for epoch in range(3):
    for X, y in serve(size, points, targets):
        squared_loss(line(X, w, b), y).sum().backward()
        descend([w, b], rate, len(X))
"""
PARTS = "import torch\n" + DATA + MODEL + LOSS + UPDATE
BOOK = PARTS + START + LOOP
NAMES = ("data_iter", "linreg", "squared_loss", "sgd", "train")


@pytest.fixture(autouse=True)
def threads():
    """Put the number of threads back, which answering sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def checked(text, name="answer.py"):
    """Return an answer judged, run in this process: only for files that are our own."""
    submission = Submission(name, text.encode())
    reply = child.respond(submission.request(SEED))
    return judged(submission, Outcome(reply, None, "", "", 0.0), SEED, lambda _: None)


def there(answer):
    """Return the components that are not missing, by name."""
    return {part.name: part for part in answer.components if part.status != "missing"}


def cause(part):
    """Return the id of a component's cause."""
    return part.cause and part.cause["id"]


def indented(text):
    """Return a block one level deeper."""
    return text.replace("\n", "\n    ")


# -- what is a part, and what is not -------------------------------------------


def test_the_book_s_form_is_recognised_by_use():
    """Names of one's own: what is iterated, differentiated, given to a loss, and updated."""
    answer = checked(BOOK)
    assert answer.verdict == "pass", answer
    assert {*there(answer)} == {*NAMES}


HELPERS = {
    "mean absolute error": "def mae(guess, truth):\n    return (guess - truth).abs().mean()",
    "share explained": "def r2(a, b):\n    return 1 - ((a - b) ** 2).sum() / (b ** 2).sum()",
    "gradients cleared": "def clear(params):\n    for p in params:\n        p.grad.zero_()",
    "data made": "def make(n):\n    X = torch.randn(n, 2)\n    return X, X @ torch.ones(2, 1)",
    "the true function": "def outline(X):\n    return X @ torch.tensor([[1.5], [-2.0]]) + 0.7",
    "a split": "def split(n):\n    order = torch.randperm(n)\n    return order[:9], order[9:]",
    "a norm": "def norm(params):\n    return sum((p.grad ** 2).sum() for p in params) ** 0.5",
}


@pytest.mark.parametrize("helper", HELPERS.values(), ids=HELPERS)
def test_helpers_beside_the_parts_are_no_parts(helper):
    """A body alone makes no component, however much it looks like one."""
    answer = checked("import torch\n" + LOSS + helper + "\n")
    assert answer.verdict == "pass"
    assert {*there(answer)} == {"squared_loss"}


def test_a_use_makes_a_component():
    """The control: the same body, differentiated, is a loss, and a wrong one."""
    helper = HELPERS["mean absolute error"]
    answer = checked(
        PARTS.replace(LOSS, helper)
        + START
        + LOOP.replace("squared_loss", "mae").replace(".sum()", "")
    )
    assert there(answer)["squared_loss"].status == "fail"


def test_two_losses_are_each_judged_by_their_own_reduction():
    mean = "def mse(y_hat, y):\n    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean()\n"
    answer = checked("import torch\n" + LOSS + mean)
    assert {name: part.status for name, part in there(answer).items()} == {
        "squared_loss": "pass",
        "mse_loss": "pass",
    }
    wrong = checked("import torch\n" + LOSS + mean.replace(").mean()", ").sum()"))
    assert there(wrong)["mse_loss"].status == "fail"


def test_arguments_are_told_apart_by_the_calls():
    """The first is the prediction, whatever it is called; the number of rows is passed as such."""
    text = BOOK.replace("def squared_loss(y_hat, y)", "def squared_loss(y, label)")
    text = text.replace("y_hat - y.reshape(y_hat.shape)", "y - label.reshape(y.shape)")
    text = text.replace(
        "serve(batch_size, features, labels)", "serve(features, labels, n, batch_size)"
    )
    text = text.replace("torch.randperm(len(features))", "torch.randperm(n)")
    text = text.replace("serve(size, points, targets)", "serve(points, targets, len(points), size)")
    answer = checked(text)
    assert answer.verdict == "pass", answer
    assert {*there(answer)} == {*NAMES}


def test_settings_that_a_trainer_closes_over_are_its_own():
    maker = """
def make(lr, batch_size):
    def train(features, labels, w, b, num_epochs):
        for epoch in range(num_epochs):
            for X, y in serve(batch_size, features, labels):
                squared_loss(line(X, w, b), y).sum().backward()
                descend([w, b], lr{wrong}, len(X))
    return train
train = make(0.07, 9)
"""
    assert there(checked(PARTS + maker.format(wrong="")))["train"].status == "pass"
    assert there(checked(PARTS + maker.format(wrong=" / 2")))["train"].status == "fail"


# -- names as they were when used ----------------------------------------------

CONCISE = """
from torch import nn
serve = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(points, targets), 10)
line = nn.Sequential(nn.Linear(2, 1))
squared_loss, rate, size = nn.MSELoss(), None, "none"
"""


def test_a_chapter_further_down_changes_nothing_above_it():
    answer = checked(BOOK + CONCISE)
    assert answer.verdict == "pass", answer
    assert {*there(answer)} == {*NAMES}
    first = BOOK.count("\n") + 3
    assert f"the built-in form, from line {first}: not judged as from scratch" in answer.notes


def test_the_built_in_form_above_the_loop_is_seen():
    """The control: then it is what the loop uses."""
    answer = checked(
        PARTS
        + START
        + CONCISE.replace(', rate, size = nn.MSELoss(), None, "none"', " = nn.MSELoss()")
        + LOOP
    )
    assert answer.verdict != "pass"


@pytest.mark.parametrize("start", ['if __name__ == "__main__":', "def main():"])
@pytest.mark.parametrize("wrong", [False, True])
def test_what_is_run_as_a_program_is_judged_like_the_top_level(start, wrong):
    """The loop under the guard, or in a function that is called there; right and wrong."""
    update = UPDATE.replace("            p.grad.zero_()\n", "") if wrong else UPDATE
    text = "import torch\n" + DATA + MODEL + LOSS + update + start + indented(START + LOOP) + "\n"
    if start.startswith("def"):
        text += 'if __name__ == "__main__":\n    main()\n'
    train = there(checked(text))["train"]
    assert (train.status, cause(train)) == (
        ("fail", "train.no-zero-grad") if wrong else ("pass", None)
    )


def test_what_the_guard_raises_hides_no_part():
    answer = checked(BOOK + "if __name__ == '__main__':\n    raise RuntimeError('no arguments')\n")
    assert answer.verdict == "pass"
    assert any("no arguments" in note for note in answer.notes)


# -- numbers are cut, never refused --------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("range(3)", "range(140)"),
        ("rate, size = 0.05, 12", "rate, size, epochs = 0.05, 12, 900"),
        ("torch.randn(60, 2)", "torch.randn(24000, 2)"),
        ("rate, size = 0.05, 12", "rate, size = 0.05, 100_000"),
    ],
)
def test_large_numbers_are_cut(old, new):
    text = BOOK.replace(old, new)
    text = text.replace("range(3)", "range(epochs)") if "epochs" in new else text
    assert checked(text).verdict == "pass"
    train = there(checked(text.replace("rate, len(X)", "rate, 1")))["train"]
    assert train.status == "fail"  # the control: by its last argument, not by its numbers


def test_many_features_are_cut():
    text = BOOK.replace("torch.randn(60, 2)", "torch.randn(60, 150) / 20")
    text = text.replace("torch.tensor([[1.5], [-2.0]])", "torch.ones(150, 1)")
    assert checked(text.replace("torch.zeros(2, 1", "torch.zeros(150, 1")).verdict == "pass"


# -- whole batches, theta, classes ---------------------------------------------

WHOLE = """import torch
x = torch.randn(70, 2)
t = (x @ torch.tensor([1.0, 2.0]) - 0.4).reshape(-1, 1)
w = torch.zeros(2, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for step in range(30):
    loss = ((x @ w + b - t) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        b -= 0.1 * b.grad
        w.grad.zero_()
        b.grad.zero_()
"""


def test_whole_batch_descent_is_one_batch_of_n_rows():
    assert there(checked(WHOLE))["train"].status == "pass"
    wrong = there(checked(WHOLE.replace("        b.grad.zero_()\n", "")))["train"]
    assert (wrong.status, cause(wrong)) == ("fail", "train.partial-zero-grad")


def test_a_loop_that_stands_still_goes_on():
    """When nothing moves any more, an update is one all the same."""
    assert there(checked(WHOLE.replace("range(30)", "range(390)")))["train"].status == "pass"


def test_one_feature_without_an_axis():
    text = WHOLE.replace("torch.randn(70, 2)", "torch.randn(70)")
    text = text.replace("(x @ torch.tensor([1.0, 2.0]) - 0.4).reshape(-1, 1)", "2 * x - 0.4")
    text = text.replace("torch.zeros(2, 1,", "torch.zeros(1,").replace("x @ w", "x * w")
    assert there(checked(text))["train"].status == "pass"


THETA = """import torch
x = torch.randn(70, 2)
t = (x @ torch.tensor([1.0, 2.0]) - 0.4).reshape(-1, 1)
{design}
theta = torch.zeros(3, 1, requires_grad=True)
for step in range(30):
    loss = (({rows} @ theta - t) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        theta -= 0.1 * theta.grad
        theta.grad = None
"""
ONES = "torch.ones(len(x), 1)"


@pytest.mark.parametrize(
    ("design", "rows"),
    [
        ("", f"torch.cat((x, {ONES}), 1)"),
        ("", f"torch.hstack([{ONES}, x])"),
        (f"A = torch.cat([{ONES}, x], dim=1)", "A"),
        (f"A = torch.cat([x, {ONES}], dim=1)", "A"),
    ],
)
def test_one_parameter_is_read_as_weight_and_bias(design, rows):
    text = THETA.format(design=design, rows=rows)
    assert there(checked(text))["train"].status == "pass"
    wrong = text.replace("        theta.grad = None\n", "")
    assert cause(there(checked(wrong))["train"]) == "train.no-zero-grad"


CLASS = """import torch
class Regression:
    def __init__(self, lr=0.05, epochs=4, batch=8):
        self.lr, self.epochs, self.batch = lr, epochs, batch
    def predict(self, X):
        return X @ self.weight + self.bias
    def fit(self, X, y):
        self.weight = torch.randn(X.shape[1], 1).mul_(0.1).requires_grad_()
        self.bias = torch.zeros(1, requires_grad=True)
        for epoch in range(self.epochs):
            order = torch.randperm(len(X))
            for k in range(0, len(X), self.batch):
                rows = order[k:k + self.batch]
                ((self.predict(X[rows]) - y[rows]) ** 2).mean().backward()
                with torch.no_grad():
                    for p in (self.weight, self.bias):
                        p -= self.lr * p.grad
                        p.grad.zero_()
"""


def test_a_class_that_fits_is_judged_from_where_it_starts():
    """Its own loss is none of the book's."""
    assert {n: p.status for n, p in there(checked(CLASS)).items()} == {"train": "pass"}
    wrong = there(checked(CLASS.replace("p.grad.zero_()", "pass")))["train"]
    assert cause(wrong) == "train.no-zero-grad"
    backward = there(checked(CLASS.replace("p -= self.lr", "p += self.lr")))["train"]
    assert backward.status == "fail"


NUMPY = """import numpy as np
class Regression:
    def __init__(self, alpha=0.01, n_iters=500):
        self.alpha, self.n_iters = alpha, n_iters
    def fit(self, X, y):
        rows, columns = X.shape
        self.coef_ = np.zeros({shape})
        self.intercept_ = 0
        for k in range(self.n_iters):
            off = X @ self.coef_ + self.intercept_ - y
            self.coef_ = self.coef_ - self.alpha * {factor} * X.T @ off / rows
            self.intercept_ = self.intercept_ - self.alpha * {factor} * off.mean()
"""


@pytest.mark.parametrize("shape", ["columns", "(columns, 1)"])
@pytest.mark.parametrize(
    ("factor", "status"), [(1, "pass"), (2, "pass"), (3, "fail"), (-1, "fail")]
)
def test_a_class_of_numpy_is_followed_by_its_steps(shape, factor, status):
    """Of half squares or whole ones, as it was written; any other factor is another rate."""
    parts = there(checked(NUMPY.format(shape=shape, factor=factor)))
    assert {name: part.status for name, part in parts.items()} == {"train": status}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("n_iters=500", "many=500", "cannot be counted"),
        ("for k in", "np.random.permutation(rows)\n        for k in", "cannot be seen"),
    ],
)
def test_a_class_of_numpy_that_cannot_be_followed_is_skipped(old, new, words):
    text = NUMPY.format(shape="columns", factor=1).replace(old, new)
    train = there(checked(text.replace("= alpha, n_iters", "= alpha, 500")))["train"]
    assert train.status == "skipped"
    assert words in train.message


def test_a_model_without_a_bias_is_skipped_with_the_reason():
    text = WHOLE.replace(" + b - t", " - t").replace("        b -= 0.1 * b.grad\n", "")
    text = text.replace("        b.grad.zero_()\n", "").replace(
        "b = torch.zeros(1, requires_grad=True)\n", ""
    )
    answer = checked(text)
    assert (answer.verdict, there(answer)["train"].status) == ("inconclusive", "skipped")
    assert "no bias" in there(answer)["train"].message


def test_a_loop_of_which_nothing_is_clear_is_skipped_with_the_reason():
    """A system of equations solved by descent, its matrix and its unknowns under any names."""
    text = """import torch
A = torch.tensor([[3.0, 1.0], [1.0, 2.0]])
c = torch.tensor([1.0, -1.0])
z = torch.zeros(2, requires_grad=True)
for k in range(20):
    ((A @ z - c) ** 2).sum().backward()
    with torch.no_grad():
        z -= 0.01 * z.grad
        z.grad = None
"""
    train = there(checked(text))["train"]
    assert train.status == "skipped"
    assert "is not clear" in train.message


# -- warnings ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("torch.randn(60, 2)", "torch.rand(60, 2) * 100", "is beyond 2/λmax"),
        ("torch.randn(60, 2)", "torch.rand(60, 2) * 1e4", "ends in nan"),
        ("[[1.5], [-2.0]])", "[[1.5], [-2.0]], requires_grad=True)", "the labels carry a graph"),
        (
            "w = torch.zeros(2, 1, requires_grad=True)",
            "w = torch.zeros(2, 1, requires_grad=True) * 1",
            "no leaves",
        ),
    ],
)
def test_the_learner_s_own_run_is_looked_at(old, new, words):
    """Beside parts that are right; and not a word where nothing is amiss (control)."""
    answer = checked(BOOK.replace(old, new).replace("range(3)", "range(40)"))
    assert any(words in warning.message for warning in answer.warnings), answer.warnings
    assert {part.status for part in there(answer).values()} == {"pass"}
    assert checked(BOOK).warnings == ()


# -- what is used up costs itself alone ----------------------------------------

ENDLESS = """
def descend(params, lr, batch_size):
    while True:
        lr = lr / 2
"""
HEAP = """
kept = []
while True:
    kept.append([0.0] * 1000)
    if len(kept) > 3000:
        raise MemoryError
"""


def hurried(text):
    """Return an answer judged that has two seconds in all."""
    submission = Submission("answer.py", text.encode())
    reply = child.respond(submission.request(SEED, seconds=2.0))
    return judged(submission, Outcome(reply, None, "", "", 0.0), SEED, lambda _: None)


def test_a_part_that_never_ends_costs_itself_alone():
    update = ENDLESS.replace("descend", "sgd")
    parts = there(
        hurried("import torch\n" + DATA + MODEL.replace("line", "linreg") + LOSS + update)
    )
    assert parts["sgd"].status == "error"
    assert "of processor time" in parts["sgd"].message
    assert {parts[name].status for name in ("linreg", "squared_loss")} == {"pass"}


@pytest.mark.parametrize(
    ("statement", "words"),
    [("while True:\n    pass\n", "was stopped after 0.5 s"), (HEAP, "ran out of memory")],
)
def test_a_statement_that_never_ends_costs_itself_alone(statement, words):
    """What stands below it is run as well."""
    answer = hurried(PARTS.replace(LOSS, statement + LOSS) + START + LOOP)
    assert answer.verdict == "pass", answer
    assert {*there(answer)} == {*NAMES}
    assert answer.notes[0].startswith("line ")
    assert words in answer.notes[0]


def test_who_sleeps_costs_nobody_time():
    text = BOOK + "import time\nfor k in range(500):\n    time.sleep(1)\nslept = True\n"
    assert hurried(text).notes == ()


def test_a_square_that_is_written_out_is_told_what_it_loses():
    """Right but for its last digits; and no such hint where it is simply wrong (control)."""
    written = "y_hat * y_hat - 2 * y_hat * y.reshape(y_hat.shape) + y.reshape(y_hat.shape) ** 2"
    loss = f"def squared_loss(y_hat, y):\n    return 0.5 * ({written})\n"
    parts = there(checked("import torch\n" + loss))
    assert "nearly cancel" in parts["squared_loss"].hint
    wrong = there(checked("import torch\n" + loss.replace("- 2", "- 2.1")))["squared_loss"]
    assert "nearly cancel" not in wrong.hint


# -- Markdown, and cells that do not parse -------------------------------------


def test_markdown_is_judged():
    assert checked(f"# Mine\n\n```python\n{BOOK}```\n", "mine.md").verdict == "pass"


def test_a_part_whose_own_cell_does_not_parse_is_an_error_there():
    cells = ["import torch", LOSS.replace("y):", "y)"), MODEL.replace("line", "linreg")]
    document = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    answer = checked(json.dumps(document), "answer.ipynb")
    parts = there(answer)
    assert (parts["squared_loss"].status, parts["linreg"].status) == ("error", "pass")
    assert "cell 2 line 2 is not valid Python" in parts["squared_loss"].message
    assert answer.verdict == "fail"
