"""Loading answers: components, failures, stand-ins, and recipes that hold against the reference."""

import tomllib
from pathlib import Path

import pytest
import torch

from harness.answers.answer import load
from harness.answers.source import read
from harness.diagnosis import finding
from harness.engine import comparison
from harness.engine.recipe import Convention
from harness.pairs.linear import SCRATCH, Form, LinearCase

pytestmark = pytest.mark.filterwarnings("ignore")  # what learners' files warn of is their affair

CORPUS = Path(__file__).parents[1] / "corpus"
MANIFEST = CORPUS / "learners" / "manifest.toml"
FORMS: dict[tuple[str, bool], Form] = {
    ("none", True): "functional",
    ("mean", True): "object",
    ("mean", False): "mse",
}


def answer(text, **roles):
    return load(read(text.encode(), "answer.py"), roles)


def verdict(loaded, component, **settings):
    """The verdict on one component in the form that the answer is written in."""
    convention = loaded.convention(component)
    form = FORMS[convention.reduction, convention.half]
    settings = {"num_examples": 43, "batch_size": 10, "epochs": 2} | settings
    case = LinearCase("answer", "a component", form=form, **settings)
    subject = loaded.recipe(component, SCRATCH[form])
    # no training draws fresh parameters: they are asked for by themselves
    by_itself = subject.init is not SCRATCH[form].init
    compare = finding.compare if by_itself else comparison.compare
    return str(compare(subject, cases=[case]).verdict)


RIGHT = ("identical", "rounding")
BOOK = """
import random
import torch
from d2l import torch as d2l

def data_iter(batch_size, features, labels):
    order = list(range(len(features)))
    random.shuffle(order)
    for i in range(0, len(order), batch_size):
        rows = torch.tensor(order[i:i + batch_size])
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()

features, labels = d2l.synthetic_data(torch.tensor([2, -3.4]), 4.2, 100)
w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
net, loss, lr, num_epochs, batch_size = linreg, squared_loss, 0.03, 2, 10
for epoch in range(num_epochs):
    for X, y in data_iter(batch_size, features, labels):
        l = loss(net(X, w, b), y)
        l.sum().backward()
        sgd([w, b], lr, batch_size)
    with torch.no_grad():
        print(float(loss(net(features, w, b), labels).mean()))
"""
ALL = ("data_iter", "linreg", "squared_loss", "sgd", "train")


def test_the_book_is_right():
    loaded = answer(BOOK)
    assert sorted(loaded.pieces) == sorted(ALL)
    assert (loaded.failures, loaded.notes, loaded.stand_ins) == ([], [], ["d2l"])
    assert loaded.loop is not None
    assert loaded.loop.settings == {"lr": 0.03, "batch_size": 10, "num_epochs": 2, "n": 100, "d": 2}
    for component in ALL[:-1]:
        assert verdict(loaded, component) in RIGHT, component
    assert verdict(loaded, "train", num_examples=100) in RIGHT
    assert verdict(loaded, "train", flat_labels=True, num_examples=100) in RIGHT


@pytest.mark.parametrize(
    ("component", "old", "new"),
    [
        ("data_iter", "random.shuffle(order)", "pass"),
        ("linreg", "w) + b", "w) - b"),
        ("squared_loss", " / 2", ""),
        ("sgd", "-= lr", "+= lr"),
        ("train", "l.sum().backward()", "l.mean().backward()"),
        (
            "train",
            "for epoch in range(num_epochs)",
            "it = data_iter(10, features, labels)\nfor _ in '12'",
        ),
        (
            "train",
            "sgd([w, b], lr, batch_size)",
            "sgd([w, b], lr, batch_size); sgd([w, b], lr, 10)",
        ),
    ],
)
def test_one_mistake_is_seen_in_its_component_alone(component, old, new):
    """Control for the above; the loop that follows a wrong piece is still right."""
    text = BOOK.replace(old, new)
    if "it = " in new:
        text = text.replace("in data_iter(batch_size, features, labels):", "in it:")
    loaded = answer(text)
    wrong = [c for c in ALL if verdict(loaded, c, num_examples=100) not in RIGHT]
    assert wrong == [component]


def test_a_loop_that_nobody_clears():
    text = BOOK.replace("            param.grad.zero_()\n", "")
    loaded = answer(text)
    assert verdict(loaded, "sgd") in RIGHT
    assert verdict(loaded, "train", num_examples=100) == "different"
    cleared = text.replace(
        "batch_size)\n    with", "batch_size)\n        w.grad = b.grad = None\n    with"
    )
    assert verdict(answer(cleared), "train", num_examples=100) in RIGHT


def test_failures_have_the_learners_line_and_hide_nothing():
    loaded = answer(
        "import torch\nimport no_such_package_at_all\nx = no_such_package_at_all.y\n"
        "def linreg(X, w, b):\n    return X @ w + b\nprint(linreg(1, 2, 3))\n"
        "import sys\nsys.exit(3)\n"
        "def squared_loss(y_hat, y):\n    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2\n"
    )
    assert [(f.type, f.line) for f in loaded.failures] == [
        ("ModuleNotFoundError", 2),
        ("TypeError", 5),
        ("SystemExit", 8),
    ]
    assert sorted(loaded.pieces) == ["linreg", "squared_loss"]


def test_the_main_guard_runs_after_the_rest():
    """What it raises is kept apart: it is no part of the answer."""
    loaded = answer(
        "if __name__ == '__main__':\n    1 / 0\n    seen = linreg\n"
        "def linreg(X, w, b):\n    return X @ w + b"
    )
    assert [(f.type, f.line, f.guarded) for f in loaded.failures] == [
        ("ZeroDivisionError", 2, True)
    ]
    assert loaded.namespace["seen"] is loaded.pieces["linreg"].function


def test_stubs_are_missing():
    loaded = answer(
        "def linreg(X, w, b):\n    pass\ndef sgd(params, lr, batch_size):\n    return 1"
    )
    assert loaded.pieces["linreg"].stub
    assert not loaded.has("linreg")
    assert loaded.has("sgd")
    with pytest.raises(KeyError):
        loaded.recipe("linreg", SCRATCH["mse"])


def test_roles_settle_names():
    text = "def a(X, w, b):\n    return X @ w + b\ndef linreg(X, w, b):\n    return X @ w - b"
    assert verdict(answer(text), "linreg") == "different"
    assert verdict(answer(text, linreg="a"), "linreg") in RIGHT


FLAT = """
import torch
def linreg(X, w, b):
    return torch.mv(X, w) + b
def squared_loss(y_hat, y):
    return (y_hat - y) ** 2 / 2
w = torch.zeros(2, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
features = torch.randn(20, 2)
labels = {labels}
loss = squared_loss(linreg(features, w, b), labels).sum()
"""


def test_a_file_that_is_flat_throughout_is_right_as_a_whole():
    loaded = answer(FLAT.format(labels="torch.randn(20)"))
    assert loaded.manner.weight == "flat"
    assert verdict(loaded, "linreg") in RIGHT
    assert verdict(loaded, "squared_loss") in RIGHT


def test_control_flat_predictions_with_column_labels_are_wrong():
    loaded = answer(FLAT.format(labels="torch.randn(20, 1)"))
    assert loaded.manner.weight == "column"
    assert loaded.notes
    assert verdict(loaded, "squared_loss", flat_labels=True) == "different"


@pytest.mark.parametrize(
    ("text", "component", "wanted"),
    [
        ("def squared_loss(y_hat, y): return (y_hat - y) ** 2 / 2", "squared_loss", (0.5, "none")),
        (
            "def squared_loss(y_hat, y): return ((y_hat - y) ** 2).mean()",
            "squared_loss",
            (0.5, "mean"),
        ),
        ("def mse_loss(y_hat, y): return ((y_hat - y) ** 2).mean()", "mse_loss", (1.0, "mean")),
        ("def sgd(params, lr, batch_size): params[0].grad", "sgd", (0.5, "none")),
        ("def sgd(params, lr): params[0].grad", "sgd", (0.5, "mean")),
    ],
)
def test_conventions(text, component, wanted):
    assert answer(text).convention(component) == Convention(*wanted)
    assert answer(text).convention("data_iter") is None


def test_nothing_is_left_behind_but_the_module():
    torch.manual_seed(3)
    loaded = load(read(b"import torch\nx = torch.rand(1)", "answer.py"), seed=3)
    assert torch.equal(loaded.namespace["x"], torch.rand(1, generator=torch.manual_seed(3)))


def some(paths, step=4):
    """Return every fourth path as it is, and the others marked as slow."""
    return [
        p if k % step == 0 else pytest.param(p, marks=pytest.mark.slow) for k, p in enumerate(paths)
    ]


@pytest.mark.parametrize(
    "path", some(sorted((CORPUS / "valid").glob("*.py"))), ids=lambda p: p.stem
)
def test_valid_answers_pass(path):
    """No false alarm: every component of every valid answer agrees with the reference."""
    loaded = load(read(path, path.name))
    assert loaded.pieces
    for component in loaded.pieces:
        if loaded.has(component):
            assert verdict(loaded, component) in RIGHT, component
            assert loaded.evidence(component) == [], component


@pytest.mark.parametrize(
    "entry",
    tomllib.loads(MANIFEST.read_text("utf-8"))["answer"] if MANIFEST.exists() else [],
    ids=lambda entry: entry["path"],
)
def test_learners_files_are_understood(entry):
    """The components, names and argument orders are those that the manifest states."""
    path = CORPUS / "learners" / entry["path"]
    loaded = load(read(path, path.name))
    found = {component for component in loaded.pieces if loaded.has(component)}
    if entry["verdict"] != "error":
        assert found - {"train"} == {*entry["defines"]} - {"train"}
    for component, name in entry.get("map", {}).items():
        assert loaded.pieces[component].name == name
    for component, order in entry.get("arguments", {}).items():
        assert [*(loaded.pieces[component].arguments or {}).values()][: len(order)] == order
    if entry.get("loop"):
        assert "train" in found


STAR = """from d2lzh_pytorch import *
def data_iter(batch_size, features, labels):
    for rows in torch.randperm(len(features)).split(batch_size):
        yield features[rows], labels[rows]
def {name}(X, w, b):
    return X @ w + b
def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
features, labels = torch.randn(20, 2), torch.randn(20, 1)
w, b = torch.zeros(2, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
for X, y in data_iter(10, features, labels):
    squared_loss({name}(X, w, b), y).sum().backward()
    for p in (w, b):
        p.data -= 0.1 * p.grad / 10
        p.grad.zero_()
"""


@pytest.mark.parametrize("name", ["linreg", "model"])
def test_what_import_star_brings_is_no_part_until_it_is_named(name):
    """A definition replaces it under its name; under another name, it is not there at all."""
    loaded = load(read(STAR.format(name=name).encode(), "answer.py"))
    assert loaded.failures == []
    assert loaded.pieces.keys() == {"data_iter", "linreg", "squared_loss", "train"}
    written = {c: p.function.__code__.co_filename for c, p in loaded.pieces.items()}
    assert {*written.values()} == {"answer.py"}
    assert loaded.pieces["linreg"].name == name
