"""Evidence of built-ins: found under whatever name, and only in the component that uses them."""

from pathlib import Path

import pytest

from harness.answers.answer import load
from harness.answers.source import read

pytestmark = pytest.mark.filterwarnings("ignore")
CORPUS = Path(__file__).parents[1] / "corpus" / "wrong" / "not-from-scratch"


def evidence(text):
    """The names found, by component."""
    loaded = load(read(text.encode(), "answer.py"))
    found = {c: [e.name for e in loaded.evidence(c)] for c in loaded.pieces}
    return {component: names for component, names in found.items() if names}


HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
LINREG = "def linreg(X, w, b):\n    "
IMPORT = "import importlib\nm = importlib.import_module('scr' + 'atch')\n"
ITER = "def data_iter(batch_size, features, labels):\n    "
LOSS = "def squared_loss(y_hat, y):\n    "
GLUON = "from mxnet import gluon\ndense = gluon.nn.Dense(1)\ndense.initialize()\n"


@pytest.mark.parametrize(
    ("body", "component", "name"),
    [
        (LINREG + "return F.linear(X, w.T, b)", "linreg", "torch.nn.functional.linear"),
        (LINREG + "return torch.ops.aten.linear(X, w.T, b)", "linreg", "torch.ops.aten.linear"),
        (
            LINREG + "return getattr(F, 'lin' + 'ear')(X, w.T, b)",
            "linreg",
            "torch.nn.functional.linear",
        ),
        (LINREG + "return nn.Linear(2, 1)(X)", "linreg", "torch.nn.Linear"),
        (LINREG + "return nn.Linear(w)(X)", "linreg", "torch.nn.Linear"),
        (LOSS + "return F.mse_loss(y_hat, y)", "squared_loss", "torch.nn.functional.mse_loss"),
        ("squared_loss = nn.MSELoss()", "squared_loss", "torch.nn.MSELoss"),
        (
            f"{IMPORT}{LOSS}return m.squared_loss(y_hat, y)",
            "squared_loss",
            "scratch.squared_loss",
        ),
        (
            "from d2l import torch as d2l\n" + LOSS + "return d2l.squared_loss(y_hat, y)",
            "squared_loss",
            "d2l.squared_loss",
        ),
        (
            "def sgd(params, lr, batch_size):\n    torch.optim.SGD(params, lr=lr).step()",
            "sgd",
            "torch.optim",
        ),
        (
            f"{ITER}yield from torch.utils.data.DataLoader([(1, 2)], batch_size)",
            "data_iter",
            "torch.utils.data.DataLoader",
        ),
        (
            f"from d2lzh_pytorch import *\n{LOSS}return 0\nnet = linreg",
            "linreg",
            "d2lzh_pytorch.linreg",
        ),
        (
            f"import d2lzh as d2l\n{ITER}return d2l.data_iter(batch_size, features, labels)",
            "data_iter",
            "d2lzh.data_iter",
        ),
        (
            f"from d2l import mxnet as d2l\n{LINREG}return d2l.linreg(X, w, b)",
            "linreg",
            "d2l.linreg",
        ),
        (f"{GLUON}{LINREG}return dense(X)", "linreg", "mxnet.gluon.nn.Dense"),
        (f"{GLUON}squared_loss = gluon.loss.L2Loss()", "squared_loss", "mxnet.gluon.loss"),
        (
            f"{GLUON}{ITER}return gluon.data.DataLoader([features, labels], batch_size)",
            "data_iter",
            "mxnet.gluon.data.DataLoader",
        ),
        (
            GLUON + "def sgd(params, lr, size):\n    gluon.Trainer(params, 'sgd').step(size)",
            "sgd",
            "mxnet.gluon.Trainer",
        ),
    ],
)
def test_built_ins_are_found(body, component, name):
    found = evidence(HEAD + body)
    assert list(found) == [component]
    assert name in found[component]


@pytest.mark.parametrize(
    "body",
    [
        LINREG + "return X @ w + b",
        LINREG + "return torch.addmm(b, X, w)",
        LINREG + "return F.relu(X) @ w + b",
        LOSS + "return (y_hat - y) ** 2 / 2",
        """def init_params(d):
    w = nn.Parameter(torch.zeros(d, 1))
    nn.init.normal_(w)
    return w, nn.Parameter(torch.zeros(1))""",
        LINREG
        + """return X @ w + b
x = torch.ones(3, 2)
built_in = nn.Linear(2, 1)
print(linreg(x, built_in.weight.T, built_in.bias) - built_in(x), nn.MSELoss()(x, x))""",
        """from d2l import torch as d2l
def data_iter(batch_size, features, labels):
    timer = d2l.Timer()
    timer.start()
    yield features, labels""",
        "from d2lzh_pytorch import *\n" + LOSS + "return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2",
        "from d2lzh import *\nset_figsize()\n" + LINREG + "return nd.dot(X, w) + b",
    ],
)
def test_control_what_is_by_hand_or_elsewhere_is_not(body):
    assert evidence(HEAD + body) == {}


def test_a_loop_with_an_optimizer():
    text = (
        HEAD + "def train(features, labels, w, b, lr, num_epochs, batch_size):\n"
        "    opt = torch.optim.SGD([w, b], lr)\n"
        "    for X, y in data_iter(batch_size, features, labels):\n"
        "        ((X @ w + b - y) ** 2).mean().backward()\n        opt.step(); opt.zero_grad()\n"
    )
    assert evidence(text) == {"train": ["torch.optim"]}
    by_hand = text.replace("opt.step(); opt.zero_grad()", "w.data -= lr * w.grad")
    assert evidence(by_hand.replace("torch.optim.SGD([w, b], lr)", "0")) == {}


def test_evidence_has_a_line():
    loaded = load(read((HEAD + LINREG + "return F.linear(X, w.T, b)").encode(), "answer.py"))
    assert [e.line for e in loaded.evidence("linreg")] == [5]


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.py")), ids=lambda p: p.stem)
def test_the_corpus_is_found(path):
    wanted = path.read_text("utf-8").split("component: ")[1].split()[0]
    loaded = load(read(path, path.name))
    found = {c for c in loaded.pieces if loaded.evidence(c)}
    assert found <= {wanted, "LinearRegressionScratch", "SGD"}
    assert found
