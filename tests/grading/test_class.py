"""A class from end to end, as it is handed in: real processes, every list, a second call."""

import csv
import io
import json
import zipfile

import pytest

from harness import cli

DATA_ITER = """import torch
def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for start in range(0, len(features), batch_size):
        rows = order[start:start + batch_size]
        yield features[rows], labels[rows]
"""
LINREG = "def linreg(X, w, b):\n    return X @ w + b\n"
LOSS = "def squared_loss(y_hat, y):\n    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2\n"
SGD = """import torch
def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()
"""
LOOP = """
def train(features, labels, w, b, lr, num_epochs, batch_size):
    for _ in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            squared_loss(linreg(X, w, b), y).sum().backward()
            sgd([w, b], lr, len(X))
    return w, b
"""
# serves, predicts and measures by itself
INLINE = """import torch
def train(features, labels, w, b, lr, num_epochs, batch_size):
    for _ in range(num_epochs):
        order = torch.randperm(len(features))
        for start in range(0, len(features), batch_size):
            rows = order[start:start + batch_size]
            X, y = features[rows], labels[rows]
            (((X @ w + b) - y.reshape(-1, 1)) ** 2 / 2).sum().backward()
            sgd([w, b], lr, len(X))
    return w, b
"""
PARTS = DATA_ITER + LINREG + LOSS + SGD


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]})


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return buffer.getvalue()


CLASS = {
    "control/ps1/answer.ipynb": notebook(DATA_ITER, LINREG, LOSS, SGD, LOOP),
    "csv/ps1/answer.ipynb": notebook("rows = open('data.csv').read()", PARTS, LOOP),
    "csv/ps1/data.csv": "a,b\n1,2\n",
    "inline/ps1/answer.py": SGD + INLINE,
    "module/ps1/answer.ipynb": notebook("from mylib import linreg, squared_loss", DATA_ITER + SGD),
    "module/ps1/mylib.py": LINREG + LOSS,
    "nothing/ps1/.gitkeep": "",
    "shared/ps1/answer.py": "rows = open('given.csv').read()\n" + PARTS + LOOP,
    "wrong/ps1/answer.py": PARTS.replace(" / 2", "") + LOOP,
    "zip/ps1/answer.zip": zipped(answer__ipynb=notebook(PARTS, LOOP)),
}
VERDICTS = {
    **dict.fromkeys(("control", "csv", "inline", "shared", "zip"), "pass"),
    "module": "incomplete",
    "nothing": "error",
    "wrong": "fail",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A class as nbgrader collects it, and a folder of what is given to all."""
    top = tmp_path_factory.mktemp("course")
    for name, data in CLASS.items():
        path = top / "submitted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    (top / "given").mkdir()
    (top / "given" / "given.csv").write_text("1,2\n")
    return top


def check(folder, *words):
    """The exit status, and what is said of each student."""
    words = ("check", str(folder / "submitted"), "--with", str(folder / "given"), *words)
    status = cli.main([*words, "--seed", "3", "--no-progress", "--out", str(folder / "out")])
    found = json.loads((folder / "out" / "check.json").read_text("utf-8"))
    return status, {answer["student"]: answer for answer in found["answers"]}


def grades(folder):
    with (folder / "out" / "grades.csv").open(encoding="utf-8") as file:
        return {row["student_id"]: (row["score"], row["max_score"]) for row in csv.DictReader(file)}


def test_a_class_is_judged_as_it_is_handed_in(folder, capsys):
    """Every student once, each by all files; then by other parts, which nobody is judged for."""
    status, answers = check(folder)
    assert {student: answer["verdict"] for student, answer in answers.items()} == VERDICTS
    assert status == 1
    assert answers["zip"]["path"].endswith("zip/ps1/answer.zip/answer.ipynb")
    assert answers["module"]["path"].endswith("module/ps1/answer.ipynb")
    missing = {part["name"]: part for part in answers["inline"]["components"]}
    assert missing["data_iter"]["status"] == "missing"
    assert "the loop does this itself" in missing["squared_loss"]["message"]
    points = {"module": "4.0", "nothing": "0.0", "wrong": "4.0"}
    assert grades(folder) == {who: (points.get(who, "5.0"), "5.0") for who in VERDICTS}
    capsys.readouterr()

    status, answers = check(folder, "--parts", "data_iter,linreg,squared_loss,sgd")
    assert "8 of 8 answers have not changed" not in capsys.readouterr().err
    assert answers["module"]["verdict"] == "pass"
    assert grades(folder)["nothing"] == ("0.0", "4.0")
    assert {most for _, most in grades(folder).values()} == {"4.0"}


def test_without_what_is_given_to_all_it_is_missed(folder, capsys):
    """Control: the answer that reads it, by itself."""
    path = str(folder / "submitted" / "shared" / "ps1")
    assert cli.main(["check", path, "--seed", "3", "--no-progress"]) == 3
    assert "FileNotFoundError" in capsys.readouterr().out
    given = ("--with", str(folder / "given"))
    assert cli.main(["check", path, *given, "--seed", "3", "--no-progress"]) == 0
