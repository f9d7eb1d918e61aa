"""Loops at the top level: found, read, and run again on other values."""

import pytest
import torch

from harness.answers.answer import load
from harness.answers.source import read

pytestmark = pytest.mark.filterwarnings("ignore")
HEAD = """
import torch
features, labels = torch.randn(40, 3), torch.randn(40, 1)
w, b = torch.zeros(3, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
"""
BODY = """
    for rows in torch.randperm(40).split(8):
        ((features[rows] @ w + b - labels[rows]) ** 2).mean().backward()
        with torch.no_grad():
            w -= lr * w.grad; b -= lr * b.grad
            w.grad = b.grad = None
"""


def loaded(text):
    return load(read(text.encode(), "answer.py"))


def test_what_the_loop_reads():
    answer = loaded(HEAD + "lr, epochs = 0.1, 2\nfor epoch in range(epochs):" + BODY)
    assert answer.loop is not None
    assert answer.loop.line == 6
    assert answer.loop.piece.names == {
        "features": "features",
        "labels": "labels",
        "w": "w",
        "b": "b",
        "lr": "lr",
        "epochs": "num_epochs",
    }
    assert answer.loop.settings | {"batch_size": 0} == {
        "lr": 0.1,
        "num_epochs": 2,
        "n": 40,
        "d": 3,
        "batch_size": 0,
    }


def test_it_runs_again_on_other_values():
    answer = loaded(HEAD + "lr = 0.1\nfor epoch in range(2):" + BODY)
    assert answer.loop is not None
    assert answer.loop.settings["num_epochs"] == 2
    w = torch.ones(3, 1, requires_grad=True)
    answer.loop.piece(w=w, lr=0.0)
    assert w.flatten().tolist() == [1.0, 1.0, 1.0]
    answer.loop.piece(w=w, lr=0.1)
    assert w.flatten().tolist() != [1.0, 1.0, 1.0]


def test_numbers_of_the_loop_are_set_from_outside():
    """How many epochs; and the rows, where they are more than are asked."""
    text = (
        HEAD.replace("40", "5000")
        + "lr, served = 0.0, []\nfor epoch in range(7):\n    served.append(5000)"
        + BODY
    )
    answer = loaded(text)
    assert answer.loop is not None
    assert (answer.loop.settings["num_epochs"], answer.loop.settings["n"]) == (7, 5000)
    answer.loop.piece(num_epochs=2, num_examples=40)
    assert answer.namespace["served"] == [40, 40]


def test_few_rows_stay_as_they_are():
    """The control: 40 may mean anything."""
    text = HEAD + "lr, served = 0.0, []\nfor epoch in range(2):\n    served.append(40)" + BODY
    answer = loaded(text)
    assert answer.loop is not None
    answer.loop.piece(num_examples=30)
    assert answer.namespace["served"] == [40, 40]


def test_a_learning_rate_without_a_name():
    answer = loaded(HEAD + "for epoch in range(2):" + BODY.replace("lr *", "0.05 *"))
    assert answer.loop is not None
    assert (answer.loop.settings["lr"], answer.loop.settings["batch_size"]) == (0.05, 8)


def test_features_by_any_name():
    text = (HEAD + "lr = 0.1\nfor epoch in range(2):" + BODY).replace("features", "Z")
    answer = loaded(text.replace("labels", "prices"))
    assert answer.loop is not None
    assert {"Z": "features", "prices": "labels"}.items() <= answer.loop.piece.names.items()


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "for i in range(3):\n    print(features[i])",
        HEAD + "def train(features, labels, w, b, lr, num_epochs, batch_size):\n"
        "  for epoch in range(2):" + BODY.replace("\n", "\n  "),
        HEAD.replace("features, labels = ", "features, labels = absent, ")
        + "lr = 0.1\nfor epoch in range(2):"
        + BODY,
    ],
    ids=["no training", "a function trains", "data missing"],
)
def test_control_no_such_loop(text):
    assert loaded(text).loop is None


def test_the_loop_by_hand_not_the_one_it_is_compared_with():
    text = (
        HEAD + "opt = torch.optim.SGD([w, b], 0.1)\nlr = 0.1\nfor epoch in range(2):\n"
        "    ((features @ w + b - labels) ** 2).mean().backward(); opt.step()\n"
        "for epoch in range(2):" + BODY
    )
    answer = loaded(text)
    assert answer.loop is not None
    assert answer.loop.line == 9


@pytest.mark.parametrize(
    ("head", "loop", "epochs"),
    [
        ("", "for epoch in range(1, 4):", 3),
        ("", "for epoch in (1, 2):", 2),
        ("epoch = 0", "while (epoch := epoch + 1) < 4:", 3),
        ("epoch = 1", "while epoch < 3:\n    epoch += 1", 2),
        ("epoch = 1", "while epoch <= 3:\n    epoch += 1", 3),
        ("epoch = 0", "while True:\n    epoch += 1\n    if epoch > 2: break", 2),
        ("", "for rows in torch.randperm(40).split(8):", 1),
    ],
)
def test_epochs_without_a_name(head, loop, epochs):
    body = (
        BODY.replace("    for rows in torch.randperm(40).split(8):\n", "")
        if "rows" in loop
        else BODY
    )
    body = body.replace("        ", "    ") if "rows" in loop else body
    answer = loaded(f"{HEAD}lr = 0.1\n{head}\n{loop}{body}")
    assert answer.loop is not None
    assert answer.loop.settings["num_epochs"] == epochs
    assert answer.loop.settings["batch_size"] == 8


def test_counters_and_lists_are_put_back():
    text = "lr, epoch, losses, other = 0.1, 0, [], {}\nwhile epoch < 2:\n    epoch += 1\n"
    answer = loaded(HEAD + text + "    losses.append(epoch); other[epoch] = len(losses)" + BODY)
    assert answer.loop is not None
    losses = answer.namespace["losses"]
    for _ in range(2):
        answer.loop.piece(lr=0.1)
        assert losses is answer.namespace["losses"]
        assert (losses, answer.namespace["other"]) == ([1, 2], {1: 1, 2: 2})
    answer.loop.piece.function.state = None
    answer.loop.piece(lr=0.1)
    assert losses == [1, 2]
    assert answer.namespace["epoch"] == 2


def test_a_rate_that_changes_and_one_of_an_optimizer():
    decays = loaded(HEAD + "lr = 0.1\nfor epoch in range(2):" + BODY + "    lr *= 0.9\n")
    makes = (
        "class SGD:\n    def __init__(self, params, lr): self.params, self.lr = params, lr\n"
        "    def step(self):\n"
        "        for p in self.params: p.data -= self.lr * p.grad; p.grad = None\n"
        "opt = SGD([w, b], 0.2)\nfor epoch in range(2):"
    )
    steps = loaded(HEAD + makes + BODY[: BODY.index("        with")] + "        opt.step()\n")
    assert decays.loop is not None
    assert steps.loop is not None
    assert (decays.loop.settings["lr"], steps.loop.settings["lr"]) == (0.1, 0.2)


def test_a_batch_that_was_taken_before_the_loop():
    head = HEAD + "def linreg(X, w, b):\n    return X @ w + b\nX, y = features[:8], labels[:8]\n"
    loop = "for epoch in range(2):\n  for i in range(len(features) // 8):\n"
    step = "    ((linreg(X, w, b) - y) ** 2).mean().backward()\n    w.grad = b.grad = None\n"
    before = loaded(head + loop + step)
    anew = loaded(head + loop + "    X, y = features[i:i + 8], labels[i:i + 8]\n" + step)
    assert before.loop is not None
    assert anew.loop is not None
    assert before.loop.piece.names["X"] == "X"
    assert before.loop.settings | {"lr": 0} == {"lr": 0, "num_epochs": 2, "n": 40, "d": 3} | {
        "batch_size": 8
    }
    assert "X" not in anew.loop.piece.names
