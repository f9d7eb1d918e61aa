"""The corpus of wrong answers: each file holds one mistake, where it says, and no other.

Every part that a file defines, as functions or in the object form, is run against the right result:
the part named in the first line must differ, all others must agree. Not covered: loops that stand
at the top level of a file (their functions are), and what the judge makes of the files.
"""

import ast
import inspect
import random
import re
import sys
import warnings
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

CORPUS = Path(__file__).parents[1] / "corpus" / "wrong"

# The component at fault -> the ids of its mistakes, without the group that stands before the dot.
VOCABULARY = {
    "data_iter": "data: no-shuffle shuffle-once reseeded unpaired drops-tail pads-tail overlaps "
    "with-replacement repeats-examples misses-examples out-of-range wrong-batch-size one-batch "
    "swapped mutates-input",
    "linreg": "model: no-bias bias-sign elementwise reversed-product wrong-shape activation "
    "detached raises",
    "squared_loss": "loss: no-reshape row-labels no-half extra-half sum-for-mean "
    "divided-by-constant precedence absolute root sign no-square detached",
    "sgd": "sgd: ascends no-update tracks-graph first-parameter-only decays-parameter overwrites "
    "ignores-batch-size divides-twice double-step sign-only zeroes-first",
    "train": "train: no-zero-grad partial-zero-grad zero-grad-after-backward iterator-exhausted "
    "step-outside-loop stops-early full-batch same-batch reinitialises fixed-divisor "
    "trains-a-copy epoch-count evaluation-leaks divides-twice double-step step-before-backward "
    "stale-forward accumulation-unscaled accumulation-uneven no-grad-loop",
    "init_params": "init: no-grad non-leaf dtype scale constant-bias",
}
NOT_FROM_SCRATCH = "not-from-scratch"  # right numbers by means that are not allowed
LOSSES = {"squared_loss": 0.5, "mse_loss": 1.0}  # the loss of an example is this times (ŷ-y)²

# Names under which a component may stand in a file; the first is that of the contract.
NAMES = {
    "data_iter": ["data_iter", "batches"],
    "linreg": ["linreg", "linear_reg", "model"],
    "squared_loss": ["squared_loss", "loss_fn", "loss"],
    "mse_loss": ["mse_loss"],
    "sgd": ["sgd", "SGD"],
    "init_params": ["init_params"],
    "train": ["train"],
}
STAND_INS = ["d2l", "d2l.torch", "matplotlib", "matplotlib.pyplot", "IPython"]
GIVEAWAY = re.compile(
    r"\b(wrong|mistakes?|bugs?|faulty?|forg[eo]t|missing|should)\b", re.IGNORECASE
)


def component_of_causes():
    """Return the component of every id but not-from-scratch, which any component may have."""
    table: dict[str, str] = {}
    for component, line in VOCABULARY.items():
        group, names = line.split(": ")
        table |= {f"{group}.{name}": component for name in names.split()}
    return table


COMPONENT = component_of_causes()
FILES = sorted(CORPUS.glob("*/*.py"))
EVERY_CAUSE = pytest.mark.parametrize("cause", [*COMPONENT, NOT_FROM_SCRATCH])


def sources(cause):
    """Return the files of a cause as text, by name; none is an error."""
    found = {path.name: path.read_text("utf-8") for path in FILES if path.parent.name == cause}
    assert found, cause
    return found


def named_component(source):
    """Return the component that the first line of a file names, or None."""
    match = re.fullmatch(r"# component: (\w+)", source.split("\n", 1)[0])
    return match[1] if match else None


def fits(cause, component):
    """Say whether a mistake may lie in this component."""
    if cause == NOT_FROM_SCRATCH:
        return component in NAMES
    return component == COMPONENT[cause] or (component in LOSSES and cause.startswith("loss."))


# --- running a file -----------------------------------------------------------------------------


def executed(source):
    """Return the names that a source defines, up to the line that raises, if any does."""
    namespace = {"__name__": "answer"}
    mocked = {name: sys.modules.get(name, MagicMock()) for name in STAND_INS}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), suppress(Exception):
        warnings.simplefilter("ignore")
        for name, module in mocked.items():
            patch.setitem(sys.modules, name, module)
        exec(compile(source, "answer", "exec"), namespace)
    return namespace


def roles(namespace):
    """Return the components of a file as functions; the object form is taken apart."""
    found: dict[str, Any] = {}
    for role, names in NAMES.items():
        for name in names:
            if is_component(role, namespace.get(name)):
                found.setdefault(role, namespace[name])
    model, optimizer = namespace.get("LinearRegressionScratch"), namespace.get("SGD")
    if model is not None:
        found["linreg"] = partial(forward, model)
        found["squared_loss"] = model(2, 0.1).loss
        found["init_params"] = partial(drawn, model)
    if isinstance(optimizer, type):
        found["sgd"] = lambda params, lr: optimizer(params, lr).step()
    return found


def is_component(role, value):
    """Say whether a value is a function, or a class of iterators; stand-ins are neither."""
    is_class = isinstance(value, type)
    return (
        callable(value) and not isinstance(value, MagicMock) and (role == "data_iter") >= is_class
    )


def forward(model, X, w, b):
    """Return the predictions of a model with these parameters."""
    instance = model(len(w), 0.1)
    instance.w, instance.b = w, b
    return instance.forward(X)


def drawn(model, num_inputs):
    """Return the parameters of a new model."""
    instance = model(num_inputs, 0.1)
    return instance.w, instance.b


# --- the right results --------------------------------------------------------------------------


def right_data_iter(batch_size, features, labels):
    rows = torch.randperm(len(features))
    return [(features[some], labels[some]) for some in rows.split(batch_size)]


def right_linreg(X, w, b):
    return X @ w + b


def right_loss(y_hat, y, factor=0.5, mean=False):
    each = factor * (y_hat - y.reshape(y_hat.shape)) ** 2
    return each.mean() if mean else each


def right_sgd(params, lr, batch_size=1, mean=False):
    for param in params:
        param.data -= lr * param.grad / (1 if mean else batch_size)
        param.grad.zero_()


def right_init(num_inputs):
    w = torch.normal(0, 0.01, (num_inputs, 1), requires_grad=True)
    return w, torch.zeros(1, requires_grad=True)


def right_functions(mean) -> dict[str, Any]:
    """Return every component, right, for a mean loss or for one per example."""
    return {
        "data_iter": right_data_iter,
        "linreg": right_linreg,
        "squared_loss": partial(right_loss, mean=mean),
        "mse_loss": partial(right_loss, factor=1.0, mean=mean),
        "sgd": partial(right_sgd, mean=mean),
        "init_params": right_init,
    }


def same(got, expected):
    """Say whether two lists of tensors agree in shape, dtype and, up to rounding, in value."""
    return all(
        a.shape == b.shape and a.dtype == b.dtype and torch.allclose(a, b, rtol=1e-4, atol=1e-6)
        for a, b in zip(got, expected, strict=True)
    )


def with_gradients(output, inputs):
    """Return an output, and the gradient of its sum for each input."""
    return [output, *torch.autograd.grad(output.sum(), inputs)]


def averages(file):
    """Say whether the loss of a file is one number for the batch; None where it has no loss."""
    losses = [file[name] for name in LOSSES if name in file]
    if not losses:
        return None
    return losses[0](torch.ones(3, 1, requires_grad=True), torch.zeros(3, 1)).dim() == 0


# --- is a component right? ----------------------------------------------------------------------


def data_iter_is_right(file):
    features, labels = torch.arange(20.0).reshape(10, 2), torch.arange(10.0).reshape(10, 1)
    first, second = (epoch_of(file["data_iter"], features, labels, seed) for seed in (1, 2))
    untouched = torch.equal(features, torch.arange(20.0).reshape(10, 2))
    return first != second and untouched and {*first} == {*second} == {*range(10)}


def epoch_of(data_iter, features, labels, seed):
    """Return the row numbers in the order served; raises where batches or pairs are not right."""
    random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
    arguments = {"batch_size": 4, "features": features, "labels": labels}
    in_order = [name for name in inspect.signature(data_iter).parameters if name in arguments]
    batches = [(X.clone(), y.clone()) for X, y in data_iter(*(arguments[n] for n in in_order))]
    assert [len(X) for X, _ in batches] == [4, 4, 2]
    X, y = (torch.cat(part) for part in zip(*batches, strict=True))
    assert X.shape == (10, 2)
    assert torch.equal(X[:, :1], 2 * y)  # of row i: features (2i, 2i + 1), label i
    return y.flatten().int().tolist()


def linreg_is_right(file):
    inputs = torch.randn(5, 3), torch.randn(3, 1), torch.randn(1) - 1.5
    parameters = [p.requires_grad_() for p in inputs[1:]]
    results = [with_gradients(f(*inputs), parameters) for f in (file["linreg"], right_linreg)]
    return same(*results)


def loss_is_right(name, file):
    return all(
        loss_agrees(file[name], LOSSES[name], torch.randn(m, *columns))
        for m in (3, 5)
        for columns in ([1], [])
    )


def loss_agrees(loss, factor, y):
    y_hat = torch.randn(len(y), 1, requires_grad=True)
    got = loss(y_hat, y)
    expected = right_loss(y_hat, y, factor, mean=got.dim() == 0)
    return same(with_gradients(got, [y_hat]), with_gradients(expected, [y_hat]))


def sgd_is_right(file):
    """After a mean loss sgd may not divide, after another it must; with no loss, it may."""
    mean = averages(file)
    conventions = (True, False) if mean is None else (mean,)
    takes_batch_size = len(inspect.signature(file["sgd"]).parameters) > 2
    got = after_step(file["sgd"], *([3] if takes_batch_size else []))
    return any(same(got, after_step(partial(right_sgd, mean=m), 3)) for m in conventions)


def after_step(sgd, *batch_size):
    """Return two parameters after one update."""
    params = [torch.tensor([[1.0], [-2.0]]), torch.tensor([0.5])]
    for param, slope in zip(params, (0.7, -3.0), strict=True):
        param.requires_grad_().grad = torch.full_like(param, slope)
    sgd(params, 0.1, *batch_size)
    return [p.detach() for p in params]


def init_params_is_right(file):
    torch.manual_seed(0)
    w, b = file["init_params"](400)
    deviation = w.std().item()
    usable = all(p.is_leaf and p.requires_grad and p.dtype == torch.float32 for p in (w, b))
    shaped = w.shape == (400, 1) and torch.equal(b, torch.zeros(1))
    return usable and shaped and abs(deviation - 0.01) < 6 * 0.01 / 800**0.5


def train_is_right(file):
    """Train on rows in stored order, two and a half batches an epoch, and replay it."""
    X, y = torch.randn(10, 2), torch.randn(10, 1)
    w, b = torch.randn(2, 1, requires_grad=True), torch.randn(1, requires_grad=True)
    expected = replayed(X, y, [w.detach(), b.detach()], 1.0 if "mse_loss" in file else 0.5)
    got = file["train"](X, y, w, b, 0.1, 3, 4)
    return same([p.detach() for p in got], expected)


def replayed(X, y, params, factor):
    """Return the parameters after three epochs of plain descent in closed form."""
    w, b = params
    for rows in torch.arange(10).split(4) * 3:
        slope = 2 * factor * (X[rows] @ w + b - y[rows]) / len(rows)  # of the loss for ŷ
        w, b = w - 0.1 * X[rows].T @ slope, b - 0.1 * slope.sum(0)
    return [w, b]


def served_in_order(*arguments):
    """Stand in for data_iter, whatever the order of its arguments."""
    [batch_size] = [a for a in arguments if isinstance(a, int)]
    tensors = [a for a in arguments if not isinstance(a, int)]
    return zip(*(a.split(batch_size) for a in tensors), strict=True)


JUDGES: dict[str, Any] = {
    "data_iter": data_iter_is_right,
    "linreg": linreg_is_right,
    "squared_loss": partial(loss_is_right, "squared_loss"),
    "mse_loss": partial(loss_is_right, "mse_loss"),
    "sgd": sgd_is_right,
    "init_params": init_params_is_right,
    "train": train_is_right,
}


def is_right(component, file):
    """Say whether a component gives the right result; one that raises does not."""
    torch.manual_seed(5)
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return JUDGES[component](file)
    return False


def repaired(namespace, component):
    """Return a file's functions, its loop served in order and relieved of the faulty component."""
    file = roles(namespace)
    right = right_functions(averages(file)) | {"data_iter": served_in_order}
    for role in {"data_iter", component} & file.keys() & right.keys():
        for name in [n for n, value in namespace.items() if value is file[role]]:
            namespace[name] = right[role]
    return roles(namespace)


def wrong_components(namespace, named):
    """Return which components a file has, and which of them are not right; it names one itself."""
    file = roles(namespace)
    faults = {part for part in file if part != "train" and not is_right(part, file)}
    if "train" in file and not is_right("train", repaired(namespace, named)):
        faults.add("train")
    return file.keys(), faults


# --- the tests ----------------------------------------------------------------------------------


def test_every_cause_has_two_files_or_more():
    count = Counter(path.parent.name for path in FILES)
    assert count.keys() == {*COMPONENT, NOT_FROM_SCRATCH}
    assert min(count.values()) >= 2
    assert count[NOT_FROM_SCRATCH] >= 10


@EVERY_CAUSE
def test_first_line_names_a_component_of_the_vocabulary(cause):
    for name, source in sources(cause).items():
        assert fits(cause, named_component(source)), name
        assert ast.parse(source).body, name


def test_first_line_is_read_strictly():
    assert named_component("# component: sgd\nx = 1\n") == "sgd"
    assert named_component("import torch\n# component: sgd\n") is None
    assert not fits("sgd.ascends", "train")
    assert not fits(NOT_FROM_SCRATCH, "softmax")


@EVERY_CAUSE
def test_no_file_gives_its_mistake_away(cause):
    for name, source in sources(cause).items():
        assert not GIVEAWAY.search(source), name
        assert cause not in source, name


def test_giveaways_are_seen():
    assert GIVEAWAY.search("# I forgot the mean")
    assert GIVEAWAY.search("# BUG: b is missing")


def skeleton(source):
    """Return the structure of a source, in which names, docstrings and comments do not count."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [statement for statement in body if not is_docstring(statement)]
        for field in {"id", "arg", "name", "asname"}.intersection(node._fields):
            setattr(node, field, "_")
    return ast.dump(tree)


def is_docstring(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@EVERY_CAUSE
def test_no_file_copies_another_of_its_cause(cause):
    skeletons = [skeleton(source) for source in sources(cause).values()]
    assert len({*skeletons}) == len(skeletons)


def test_skeleton_sees_through_names_only():
    written = "def f(a, b):\n    return a - b\n"
    assert skeleton(written) == skeleton('def g(p, q):\n    """Doc."""\n    return p - q  # why\n')
    assert skeleton(written) != skeleton("def f(a, b):\n    return a + b\n")


@EVERY_CAUSE
def test_only_the_named_component_is_wrong(cause):
    for name, source in sources(cause).items():
        named = named_component(source)
        present, wrong = wrong_components(executed(source), named)
        assert wrong == (set() if cause == NOT_FROM_SCRATCH else {named} & present), name


RIGHT_LOOP = """
def train(features, labels, w, b, lr, num_epochs, batch_size):
    for _ in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            {loss}(linreg(X, w, b), y).sum().backward()
            sgd([w, b], lr, len(X))
    return w, b
"""


@pytest.mark.parametrize("named", ["train", "data_iter", "sgd"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mean", [True, False])
def test_right_components_are_not_called_wrong(mean, loss, named):
    unused = LOSSES.keys() - {loss}
    namespace = {name: f for name, f in right_functions(mean).items() if name not in unused}
    exec(RIGHT_LOOP.format(loss=loss), namespace)
    present, wrong = wrong_components(namespace, named)
    assert present == NAMES.keys() - unused
    assert not wrong
