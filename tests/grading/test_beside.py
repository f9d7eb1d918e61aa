"""Files travel with an answer, and lie where it runs: laid by hand, then by a real worker."""

import json
import os
import sys

import numpy as np
import pytest

from harness.grading import beside
from harness.grading.grade import Grader, Submission
from harness.isolation.codec import Message, decode, encode
from harness.isolation.confine import Limits

PARTS = """
def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder, with the path of modules put back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    return tmp_path


def sent(files, folder=""):
    """What arrives of files that are sent."""
    return decode(encode(beside.packed(files, folder)), Limits())


def test_files_are_laid_and_gone_to(place):
    beside.lay(sent({"ps1/x.csv": b"1,2", "ps1/sub/empty": b"", "up.csv": b"\xff"}, "ps1"))
    assert os.fspath(place / "ps1") == os.getcwd() == sys.path[0]  # noqa: PTH109
    with open("../up.csv", "rb") as file:  # noqa: PTH123 - as learners do
        assert file.read() == b"\xff"
    assert (place / "ps1" / "sub" / "empty").read_bytes() == b""


def test_without_files_nothing_changes(place):
    before = [*sys.path]
    beside.lay(sent({}))
    beside.lay(Message({"name": "a.py"}, {"source": np.zeros(1, np.uint8)}))
    assert sys.path == before
    assert list(place.iterdir()) == []


def test_a_learners_own_module_may_be_called_as_ours_is(place):
    """The control: without one of theirs, ours stays."""
    beside.lay(sent({"scratch.py": b"mine = 1"}))
    assert "scratch" not in sys.modules
    assert "scratch.loss" not in sys.modules
    assert "builtin" in sys.modules


# -- in a worker -------------------------------------------------------------------


@pytest.fixture(scope="module")
def grader():
    with Grader(seed=3) as one:
        yield one


def checked(grader, text, files, folder="", name="answer.py"):
    answer = grader.check(Submission(name, text.encode(), files=files, folder=folder))
    return answer, {one.name: one.status for one in answer.components}


def test_modules_and_data_are_there_for_the_answer(grader):
    """The control: alone it has neither."""
    text = (
        "import torch\nfrom mylib import linreg, squared_loss\n"
        "rows = open('data.csv').read()\nassert open('../up.csv').read() == 'u'\n"
        "def sgd(params, lr, batch_size):\n    with torch.no_grad():\n        for p in params:\n"
        "            p -= lr * p.grad / batch_size\n            p.grad.zero_()\n"
    )
    files = {"ps1/mylib.py": PARTS.encode(), "ps1/data.csv": b"1", "up.csv": b"u"}
    found, statuses = checked(grader, text, files, "ps1")
    assert (found.verdict, found.error) == ("pass", None)
    assert [statuses[part] for part in ("linreg", "squared_loss", "sgd")] == ["pass"] * 3
    alone, statuses = checked(grader, text, {})
    assert alone.verdict == "error"
    assert alone.error["type"] == "ModuleNotFoundError"
    assert statuses["sgd"] == "pass"


def test_a_wrong_part_in_a_module_is_wrong(grader):
    wrong = PARTS.replace(" / 2", "").encode()
    _, statuses = checked(grader, "from mylib import *\n", {"mylib.py": wrong})
    assert statuses["squared_loss"] == "fail"
    assert statuses["linreg"] == "pass"


def test_what_import_star_brings_is_ones_own_where_the_module_is(grader):
    """The control: a copy of the book's helpers, which is no work of theirs."""
    _, statuses = checked(grader, "from mylib import *\n", {"mylib.py": PARTS.encode()})
    assert (statuses["linreg"], statuses["squared_loss"]) == ("pass", "pass")
    _, statuses = checked(grader, "from d2lzh import *\n", {"d2lzh.py": PARTS.encode()})
    assert set(statuses.values()) <= {"missing"}


def test_a_built_in_in_a_module_is_no_work_of_ones_own(grader):
    lib = b"import torch\ndef linreg(X, w, b):\n    return torch.nn.functional.linear(X, w.T, b)\n"
    found, statuses = checked(grader, "from mylib import linreg\n", {"mylib.py": lib})
    assert statuses["linreg"] == "fail"
    assert {(one.cause or {}).get("id") for one in found.components} >= {"not-from-scratch"}


def test_a_module_called_scratch_is_the_learners(grader):
    """The control: without one, ours is found, and is no work of theirs."""
    text = "from scratch import linreg\n"
    assert checked(grader, text, {"scratch.py": PARTS.encode()})[1]["linreg"] == "pass"
    assert checked(grader, text, {"other.py": b""})[1]["linreg"] == "fail"


def test_a_call_finds_no_files_of_another(grader):
    text = PARTS + "import os\nprint(sorted(os.listdir()))\n"
    assert checked(grader, text, {"secret.csv": b"1"})[0].output.strip() == "['secret.csv']"
    assert checked(grader, text, {"other.csv": b"1"})[0].output.strip() == "['other.csv']"


def test_files_travel_to_an_exercise_too(grader):
    text = "from mylib import huber_loss\n"
    lib = b"def huber_loss(y_hat, y, delta=1.0):\n    return 0\n"
    answer = Submission("a.py", text.encode(), exercise="huber", files={"mylib.py": lib})
    found = grader.check(answer)
    assert found.components[0].status != "missing"


def test_a_notebook_runs_in_its_own_folder(grader):
    cells = [{"cell_type": "code", "source": s} for s in (PARTS, "open('x.csv'); import lib")]
    text = json.dumps({"cells": cells})
    files = {"a/b/x.csv": b"", "a/b/lib.py": b""}
    found, _ = checked(grader, text, files, "a/b", "answer.ipynb")
    assert (found.verdict, found.notes) == ("pass", ())
