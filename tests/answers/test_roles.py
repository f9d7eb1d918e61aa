"""Roles: which definition is which component, and what its arguments mean."""

import ast

import pytest

from harness.answers.arguments import arguments
from harness.answers.classes import models
from harness.answers.definitions import Found, Uses, definitions, is_stub
from harness.answers.roles import assign
from harness.engine.components.contract import BY_ROLE


def assigned(source, **mapped):
    """The name of each component, and the notes."""
    statements = ast.parse(source).body
    found = list(definitions(statements))
    given, notes = assign(found, Uses.of(statements), mapped)
    return {component: role.found.name for component, role in given.items()}, notes


def function(source):
    """The definition that a source consists of."""
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.FunctionDef)
    return node


def kinds(component, signature):
    """The meaning of the arguments of `def f(signature)`."""
    node = function(f"def f({signature}): pass")
    found = Found("f", node, 1)
    return arguments(BY_ROLE[component], found.signature)


@pytest.mark.parametrize(
    ("source", "component", "name"),
    [
        ("def linear_reg(X, w, b):\n    return X @ w + b", "linreg", "linear_reg"),
        ("model = lambda X, w, b: X @ w + b", "linreg", "model"),
        ("def SGD(ps, eta, bs):\n    for p in ps: p.data -= eta * p.grad / bs", "sgd", "SGD"),
        (
            "def batches(xs, ys, bs):\n    for i in range(0, len(xs), bs):\n        yield xs[i]",
            "data_iter",
            "batches",
        ),
        ("def loss_fn(pred, target):\n    return (pred - target) ** 2", "squared_loss", "loss_fn"),
        ("def mse(y_hat, y):\n    return ((y_hat - y) ** 2).mean()", "mse_loss", "mse"),
        (
            "def fit(X, y, w, b, lr, epochs, bs):\n    loss(X).backward()",
            "train",
            "fit",
        ),
        (
            "def get_params(d):\n    return torch.randn(d, 1), torch.zeros(1)",
            "init_params",
            "get_params",
        ),
        ("def predict(a, u, v):\n    return a @ u + v", "linreg", "predict"),
    ],
)
def test_names_and_bodies_tell(source, component, name):
    assert assigned(source)[0] == {component: name}


@pytest.mark.parametrize(
    "source",
    [
        "def error(y_hat, y):\n    return y_hat - y",
        "def evaluate_loss(net, data_iter, loss):\n    return 0",
        "def main():\n    loss(X).backward()",
        "def plot(x):\n    return x",
        "if __name__ == '__main__':\n    def linreg(X, w, b):\n        return X @ w + b",
        "@d2l.add_to_class(Model)\ndef loss(self, y_hat, y):\n    return (y_hat - y) ** 2",
    ],
)
def test_control_other_definitions_have_no_role(source):
    assert assigned(source)[0] == {}


def test_the_contracts_name_wins():
    source = (
        "class Loader:\n    def __init__(self, batch_size, features, labels): pass\n"
        "    def __iter__(self):\n        yield 1, 2\n"
        "def data_iter(batch_size, features, labels):\n"
        "    return Loader(batch_size, features, labels)"
    )
    assert assigned(source)[0] == {"data_iter": "data_iter"}
    assert assigned(source, data_iter="Loader")[0] == {"data_iter": "Loader"}


def test_what_is_not_clear_is_noted():
    body = "(X, w, b):\n    return X @ w + b\n"
    given, notes = assigned(f"def model{body}def net{body}")
    assert list(given) == ["linreg"]
    assert notes
    assert "--map linreg=" in notes[0]


def test_the_last_definition_counts():
    source = "def linreg(X, w, b):\n    pass\ndef linreg(X, w, b):\n    return X @ w + b"
    statements = ast.parse(source).body
    given, _ = assign(list(definitions(statements)), Uses(), {})
    assert not given["linreg"].found.stub


@pytest.mark.parametrize(
    ("component", "signature", "wanted"),
    [
        ("data_iter", "features, labels, batch_size", ["features", "labels", "batch_size"]),
        ("data_iter", "bs, x, y", ["batch_size", "features", "labels"]),
        ("data_iter", "batch_size, data, target", ["batch_size", "features", "labels"]),
        ("data_iter", "data, batch_size", ["data", "batch_size"]),
        ("sgd", "params, batch_size, lr", ["params", "batch_size", "lr"]),
        ("sgd", "w, b, lr, batch_size", ["w", "b", "lr", "batch_size"]),
        ("sgd", "params, lr", ["params", "lr"]),
        ("linreg", "w, X, b", ["w", "X", "b"]),
        ("linreg", "X, params", ["X", "params"]),
        ("squared_loss", "y, y_hat", ["y", "y_hat"]),
        ("squared_loss", "target, output", ["y", "y_hat"]),
        ("init_params", "d, sigma=0.01", ["num_inputs"]),
    ],
)
def test_arguments_by_name(component, signature, wanted):
    found, guessed = kinds(component, signature)
    assert list(found.values()) == wanted
    assert guessed == []


def test_arguments_by_place_are_guessed():
    found, guessed = kinds("squared_loss", "first, second")
    assert list(found.values()) == ["y_hat", "y"]
    assert guessed == ["first", "second"]


@pytest.mark.parametrize(
    ("body", "stub"),
    [
        ("pass", True),
        ("...", True),
        ("'''To do.'''", True),
        ("raise NotImplementedError", True),
        ("raise NotImplementedError('later')", True),
        ("return None", False),
        ("raise ValueError", False),
    ],
)
def test_stubs(body, stub):
    assert is_stub(function(f"def f():\n    {body}")) is stub


def test_classes_of_the_object_form():
    source = (
        "class Net:\n    def __init__(self, num_inputs, lr): pass\n"
        "    def forward(self, X): return X\n"
        "    def loss(self, y_hat, y): return y\n"
        "class MySGD:\n    def __init__(self, params, lr): pass\n    def step(self): return 1\n"
        "class Trainer:\n    def fit(self, model, data): return 1\n"
    )
    found = list(definitions(ast.parse(source).body))
    chosen = models(found, {})
    assert {k: f.name for k, f in chosen.items()} == {
        "LinearRegressionScratch": "Net",
        "SGD": "MySGD",
        "Trainer": "Trainer",
    }


def test_control_a_callable_class_is_no_model_of_its_own():
    source = "class Linear:\n    def __call__(self, X, w, b): return X @ w + b"
    assert models(list(definitions(ast.parse(source).body)), {}) == {}
