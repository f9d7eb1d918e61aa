"""Files of other chapters are told from linear regression, which is never taken for another."""

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest

from harness.answers.chapter import TOPICS, chapter_of
from harness.answers.source import Source, SourceError, read

CORPUS = Path(__file__).parents[1] / "corpus"
CHAPTERS = CORPUS / "chapters"
LINEAR = "linear regression"  # the folder of those that only look like another chapter


def answers(*folders):
    """The answer files in some folders of the corpus."""
    return sorted(p for f in folders for p in f.rglob("*") if p.suffix in {".py", ".ipynb"})


def named(path):
    """A path as the name of a test."""
    return path.relative_to(CORPUS).as_posix()


OTHERS = [p for p in answers(CHAPTERS) if p.parent.name != LINEAR]


def chapter(text, name="answer.py"):
    """The name of the chapter of some code."""
    taken = chapter_of(read(text.encode(), name))
    return taken.name if taken else None


@pytest.mark.parametrize("path", OTHERS, ids=named)
def test_a_chapter_is_recognised_where_its_evidence_stands(path):
    source = read(path, path.name)
    taken = chapter_of(source)
    assert taken
    assert taken.name == path.parent.name
    line = source.text.splitlines()[taken.line - 1]
    assert any(word in line for word in re.findall(r"\w+", taken.evidence)), (line, taken.evidence)
    assert taken.sentence == (
        f"taken for {taken.title} ({source.where(taken.line)}: {taken.evidence}): "
        "its parts are not judged as linear regression"
    )


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_each_chapter_has_its_files(topic):
    """Six at least, a notebook among them or functions and classes."""
    assert len(answers(CHAPTERS / topic.name)) >= 6


@pytest.mark.parametrize("path", answers(CHAPTERS / LINEAR), ids=named)
def test_linear_regression_with_something_of_another_chapter(path):
    assert chapter_of(read(path, path.name)) is None


@pytest.mark.parametrize("folder", ["valid", "wrong", "learners", "hostile"])
def test_no_answer_of_the_corpus_is_of_another_chapter(folder):
    """Control: a false alarm here would leave a right answer unjudged."""
    chapters = {}
    for path in answers(CORPUS / folder):
        with suppress(SourceError):  # some of the hostile ones
            chapters[named(path)] = chapter_of(read(path, path.name))
    assert len(chapters) > 40
    assert {path: taken for path, taken in chapters.items() if taken} == {}


LOOP = """
    loss.backward()
    with torch.no_grad():
        for p in (w, b):
            p -= 0.1 * p.grad
            p.grad.zero_()
"""


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("((X @ w + b - y) ** 2).mean()", None),
        ("((X @ w + b - y) ** 2).mean() + lambd * (w ** 2).sum()", "weight decay"),
        ("((X @ w + b - y) ** 2).mean() + lambd * l1_penalty(w)", "weight decay"),
        ("((X @ w + b - y) ** 2).mean() + (lambd * w.abs().sum() if lambd else 0)", None),
        ("((torch.relu(X @ v) @ w + b - y) ** 2).mean()", "mlp"),
        ("-(y * torch.log(torch.sigmoid(X @ w + b))).mean()", "other"),
        ("(X @ w + b - y).abs().mean()", None),
        ("torch.nn.functional.huber_loss(X @ w + b, y)", None),
    ],
)
def test_what_is_trained_decides(loss, name):
    """One loop, by its loss; the penalty weighs on all that is trained, or is none."""
    assert chapter(f"for epoch in range(9):\n    loss = {loss}{LOOP}") == name


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("def corr2d(X, K):\n    return X", "convolution"),
        ("print(df.corr(), np.convolve(a, b), Pool(4), df.dropna())", None),
        ("def converge(x):\n    return x\ndef learn_new(x):\n    return x", None),
        ("y = F.softmax(x, dim=1)", None),
        ("y = F.softmax(x, dim=1).argmax(1)", "softmax"),
        ("# softmax, cross_entropy, argmax, 784\nx = 'corr2d(X)'", None),
        ("net(x.reshape(-1, 784)).argmax(1)", "softmax"),
        ("h = torch.relu(X @ W1)\ny = h @ W2", "mlp"),
        ("h = torch.relu(X @ W1)\ny = X.T @ h", None),
        ("def sgd(params, lr, batch_size, states=None, hyperparams=None): ...", "optimizers"),
        ("optimizer = torch.optim.Adam([w, b])", None),
    ],
)
def test_signs(code, name):
    assert chapter(code) == name


def test_a_cell_is_told():
    """In a notebook by its cell, with the line counted over all cells."""
    cells = ["import torch", "x = 1\ndef dropout_layer(X, p):\n    return X * p"]
    kinds = [{"cell_type": "code", "source": cell} for cell in cells]
    taken = chapter_of(read(json.dumps({"cells": kinds}).encode(), "answer.ipynb"))
    assert taken
    assert (taken.line, taken.where) == (3, "cell 2 line 2")
    assert taken.sentence.startswith("taken for the chapter on dropout (cell 2 line 2: defines ")


def test_nothing_is_none():
    assert chapter_of(Source("empty.py", "py", ())) is None


@pytest.mark.parametrize(
    "code",
    [
        "x" + ".grad" * 900 + " = 1",
        "y = " + "@".join(["a"] * 900),
        "y = (" + "+".join(["a"] * 900) + ") * (" + "+".join(["a"] * 900) + ")",
        "".join(" " * i + f"def f{i}():\n" for i in range(90)) + " " * 90 + "x = x @ w + b",
    ],
)
def test_what_is_nested_deeply_is_gone_through(code):
    """Without a RecursionError: an answer may be anything."""
    assert chapter(code) is None
