"""Answers written for MXNet are judged as such, each part for itself, on a stand-in over torch."""

import re
import tomllib
from pathlib import Path

import pytest
import torch

from harness.answers.stubs import d2l, d2l_mxnet
from harness.grading import child
from harness.grading.grade import Submission, judged
from harness.isolation.pool import Outcome

CORPUS = Path(__file__).parents[1] / "corpus" / "mxnet"
ANSWERS = {
    entry["path"]: entry
    for entry in tomllib.loads((CORPUS / "manifest.toml").read_text("utf-8"))["answer"]
}
RIGHT = [path for path, entry in ANSWERS.items() if entry["verdict"] == "pass"]
WRONG = [path for path in ANSWERS if path not in RIGHT]
SEED = 7


@pytest.fixture(autouse=True)
def undone(monkeypatch):
    """Put back what judging sets, and what an answer adds to the classes of d2l."""
    before = torch.get_num_threads()
    for module in (d2l, d2l_mxnet):
        copy = type("Trainer", (module.Trainer,), {})
        monkeypatch.setattr(module, "Trainer", copy)
    yield
    torch.set_num_threads(before)
    assert torch.is_grad_enabled()


def checked(text):
    """Return an answer judged, run in this process: only for files that are our own."""
    submission = Submission("answer.py", text.encode())
    reply = child.respond(submission.request(SEED))
    return judged(submission, Outcome(reply, None, "", "", 0.0), SEED, lambda _: None)


def parts(path):
    """Return an answer of the corpus judged, with its parts by name, those that are there."""
    answer = checked((CORPUS / path).read_text("utf-8"))
    there = {part.name: part for part in answer.components if part.status != "missing"}
    entry = ANSWERS[path]
    assert {*entry["defines"], *(["train"] if entry.get("loop") else [])} == {*there}
    assert answer.framework == "mxnet"
    return answer, there


@pytest.mark.parametrize("path", RIGHT)
def test_right_answers_pass_in_every_part(path):
    answer, there = parts(path)
    assert answer.verdict == "pass"
    assert {part.status for part in there.values()} == {"pass"}


@pytest.mark.parametrize("path", WRONG)
def test_wrong_answers_fail_where_their_manifest_says(path):
    """In the part at fault and no other, with the one cause."""
    _, there = parts(path)
    entry = ANSWERS[path]
    at_fault = there.pop(entry["component"])
    assert at_fault.status in ("fail", "error")
    assert (at_fault.cause and at_fault.cause["id"]) == entry.get("cause")
    assert {part.status for part in there.values()} <= {"pass"}


def test_the_manifest_is_complete():
    """Every file has an entry and every entry a file, of both kinds and in both APIs."""
    files = [f"{path.parent.name}/{path.name}" for path in CORPUS.rglob("*.py")]
    assert sorted(files) == sorted(ANSWERS)
    assert min(len(RIGHT), len(WRONG)) >= 8
    for beginning in ("nd_", "np_"):
        for kind in ("right", "wrong"):
            assert any(path.startswith(f"{kind}/{beginning}") for path in ANSWERS)


PARTS = """from mxnet import autograd, np
def linreg(X, w, b):
    return np.dot(X, w) + b
def sgd(params, lr, batch_size):
    for p in params:
        {update}
"""


@pytest.mark.parametrize(
    ("update", "status"),
    [
        ("p[:] = p - lr * p.grad / batch_size", "pass"),
        ("p -= lr * p.grad / batch_size", "pass"),
        ("p[:] -= lr * p.grad / batch_size", "pass"),
        ("np.subtract(p, lr * p.grad / batch_size, out=p)", "pass"),
        ("(p - lr * p.grad / batch_size).copyto(p)", "pass"),
        ("p[:] = p - lr * p.grad", "fail"),
    ],
)
def test_parts_alone_are_judged(update, status):
    """No loop, and no array made: what they are handed are the judge's own tensors."""
    there = {part.name: part.status for part in checked(PARTS.format(update=update)).components}
    assert (there["linreg"], there["sgd"]) == ("pass", status)


BOTH = """import torch
from mxnet import nd
def linreg(X, w, b):
    return torch.matmul(X, w) + b
def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()
def data_iter(batch_size, features, labels):
    for rows in torch.randperm(len(features)).split(batch_size):
        yield features[rows], labels[rows]
features = torch.randn(60, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w, b = torch.zeros(2, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
for epoch in range(2):
    for X, y in data_iter(10, features, labels):
        squared_loss(linreg(X, w, b), y).sum().backward()
        sgd([w, b], 0.03, 10)
"""


def test_a_file_with_torch_too_goes_by_torch():
    """Importing MXNet beside it takes nothing from a file that trains with torch."""
    answer = checked(BOTH)
    assert answer.error is None
    assert {p.status for p in answer.components if p.name != "init_params"} == {"pass"}


@pytest.mark.parametrize("package", ["tensorflow", "jax"])
def test_other_frameworks_are_said_and_not_judged(package):
    """In one sentence, and nothing of it is run."""
    answer = checked(
        f"import {package} as tf\ndef linreg(X, w, b):\n    return tf.matmul(X, w) + b\n1 / 0\n"
    )
    assert (answer.verdict, answer.framework, answer.error) == ("inconclusive", package, None)
    assert [(part.name, part.status) for part in answer.components] == [("linreg", "skipped")]
    assert answer.components[0].message == answer.notes[0]
    assert re.search("written for", answer.notes[0])


def test_another_chapter_is_said_and_not_judged():
    """Unless somebody says which name is which part."""
    text = """import torch
W = torch.zeros(784, 10, requires_grad=True)
def softmax(X):
    return X.exp() / X.exp().sum(1, keepdim=True)
def net(X):
    return softmax(X.reshape(-1, 784) @ W)
def cross_entropy(y_hat, y):
    return -torch.log(y_hat[range(len(y_hat)), y])
"""
    answer = checked(text)
    assert (answer.verdict, answer.chapter) == ("inconclusive", "softmax")
    assert {part.status for part in answer.components} == {"skipped"}
    mapped = Submission("answer.py", text.encode(), {"squared_loss": "cross_entropy"})
    reply = child.respond(mapped.request(SEED))
    settled = judged(mapped, Outcome(reply, None, "", "", 0.0), SEED, lambda _: None)
    assert (settled.verdict, settled.chapter) == ("fail", None)
