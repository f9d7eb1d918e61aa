"""The manner of a file, found by watching and trying it."""

import pytest

from harness.answers.answer import load
from harness.answers.source import read

pytestmark = pytest.mark.filterwarnings("ignore")


def manner(text):
    return load(read(("import torch\nimport numpy as np\n" + text).encode(), "answer.py")).manner


SGD = "def sgd(params, lr, batch_size):\n    for p in params:\n        p.data -= lr * p.grad"
ITER = "def data_iter(batch_size, features, labels):\n    "


@pytest.mark.parametrize(
    ("text", "fact", "wanted"),
    [
        (SGD + " / batch_size", "divides", True),
        (SGD, "divides", False),
        (SGD, "clears", (False, False)),
        (SGD + "; p.grad.zero_()", "clears", (True, True)),
        (SGD + "; p.grad = None", "clears", (True, True)),
        (SGD + "\n    params[0].grad.zero_()", "clears", (True, False)),
        (SGD + "; p.grad.zero_()\n        return", "clears", (True, True)),
        ("def squared_loss(y_hat, y): return (y_hat - y) ** 2", "per_example", True),
        ("def squared_loss(y_hat, y): return ((y_hat - y) ** 2).mean()", "per_example", False),
        ("def squared_loss(y_hat, y): return undefined ** 2", "per_example", None),
        (ITER + "yield features, labels", "once", True),
        (ITER + "return [(features, labels)]", "once", False),
        (
            ITER + "yield features, labels\nx = [*data_iter(1, np.ones((2, 1)), np.ones(2))]",
            "numpy",
            True,
        ),
        (
            ITER + "yield features, labels\nx = [*data_iter(1, torch.ones(2), torch.ones(2))]",
            "numpy",
            False,
        ),
        ("def init_params(d): return torch.zeros(d), torch.zeros(1)", "weight", "flat"),
        ("def init_params(d): return torch.zeros(1, d), torch.zeros(1)", "weight", "row"),
        ("def init_params(d): return torch.zeros(d, 1), torch.zeros(1)", "weight", "column"),
        ("def init_params(d): return torch.zeros(d, 1), torch.tensor(0.0)", "scalar_bias", True),
        (SGD + "\n    return params\nx = sgd([], 1, 1)", "returns", True),
        (SGD + "\nsgd([], 1, 1)", "returns", False),
    ],
)
def test_facts(text, fact, wanted):
    assert getattr(manner(text), fact) == wanted


LOOP = """
def train(features, labels, w, b, lr, num_epochs, batch_size):
    for X, y in data_iter(batch_size, features, labels):
        squared_loss(linreg(X, w, b), y).{reduce}().backward()
        sgd([w, b], lr, {length})
"""


@pytest.mark.parametrize(
    ("reduce", "length", "averages"),
    [("sum", "len(y)", False), ("mean", "1", True), ("mean", "len(y)", False)],
)
def test_a_loop_that_averages_and_does_not_divide(reduce, length, averages):
    assert manner(LOOP.format(reduce=reduce, length=length)).averages is averages
