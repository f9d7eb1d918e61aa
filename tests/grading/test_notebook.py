"""`check`: the verdicts of `svb check` on what lives in this process, which is left as it was."""

import copy
import json
import linecache
import operator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import harness
from harness.errors import InputError
from harness.grading.grade import Grader, Submission
from harness.grading.notebook import check

pytestmark = pytest.mark.filterwarnings("ignore")  # what learners' code warns of is its affair

CORPUS = Path(__file__).parents[1] / "corpus"
SEED = 7


def squared_loss(y_hat, y):
    print("computing")
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def doubled(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2


def raising(y_hat, y):
    message = f"<script>{len(y)}</script>"
    raise ValueError(message)


named_only = lambda y_hat, y: (y_hat - y.reshape(y_hat.shape)) ** 2 / 2  # noqa: E731


ASCENDS = """
class SGD:
    def __init__(self, params, lr):
        self.params, self.lr = params, lr

    def step(self):
        with torch.no_grad():
            for p in self.params:
                p += self.lr * p.grad

    def zero_grad(self):
        for p in self.params:
            p.grad = None
"""
FLATTENS = """
def sgd(params, lr, batch_size):
    for p in params:
        p.data = (p - lr * p.grad / batch_size).detach().flatten()
        p.grad = None
"""
RESEEDS = """
import torch
def data_iter(batch_size, features, labels):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))
    for rows in order.split(batch_size):
        yield features[rows], labels[rows]
"""
READS_A_GLOBAL = """
import torch
batch_size = 99
def sgd(params, lr):
    global calls
    calls = 1
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()
"""


@pytest.fixture
def module(tmp_path):
    """Makes a module of some text, or of a file."""

    def make(text):
        path = text if isinstance(text, Path) else tmp_path / "cells.py"
        if path != text:
            path.write_text(text)
        made = ModuleType("cells")
        exec(compile(path.read_text(), path, "exec"), vars(made))
        return made

    return make


def test_a_right_loss_passes():
    result = check(squared_loss, seed=SEED)
    assert result.passed
    assert [one.name for one in result.checked.components] == ["squared_loss"]
    assert "✓ pass" in repr(result)
    assert f"seed {SEED}" in repr(result)


def test_a_wrong_loss_fails_at_its_line():
    result = check(doubled, role="squared_loss")
    (found,) = result.to_dict()["answers"][0]["components"]
    assert not result.passed
    assert (found["status"], found["cause"]["id"]) == ("fail", "loss.no-half")
    assert found["line"] == doubled.__code__.co_firstlineno
    assert found["hint"]
    assert found["hint"] in repr(result)
    assert json.loads(json.dumps(result.to_dict()))["schema"] == "svb.check/1"


def test_hints_give_away_more_and_more():
    told = [repr(check(doubled, role="squared_loss", hints=n, seed=SEED)) for n in range(4)]
    assert len(set(map(len, told))) == 4
    assert sorted(told, key=len) == told


def test_a_lambda_goes_by_the_name_it_is_bound_to():
    assert check(named_only, role="squared_loss").checked.path == "named_only"
    assert check(lambda y_hat, y: y_hat - y, role="squared_loss").checked.path == "squared_loss"


def test_a_class_is_judged(module):
    result = check(module("import torch\n" + ASCENDS).SGD)
    (found,) = result.to_dict()["answers"][0]["components"]
    assert (found["name"], found["cause"]["id"]) == ("SGD", "sgd.ascends")


def test_an_update_that_changes_a_shape_is_told_so(module):
    (found,) = check(module(FLATTENS).sgd).checked.components
    assert (found.status, found.message) == (
        "fail",
        "parameter[epoch 0 step 0] has shape (2,), but should have (2, 1)",
    )
    assert check(module(FLATTENS.replace(".flatten()", "")).sgd).passed


def test_of_two_mistakes_that_look_alike_neither_is_claimed(module):
    """The control: where one is certain, nothing is said of others."""
    result = check(module(RESEEDS).data_iter, hints=3)
    (found,) = result.to_dict()["answers"][0]["components"]
    assert found["cause"].keys() == {"id", "evidence"}
    assert "“reseeded” or “shuffle once”, which cannot be told apart" in found["cause"]["evidence"]
    hint, what, fix = found["hint"].split("If it is “reseeded”: ")[1:]
    assert all("If it is “shuffle once”: " in text for text in (hint, what, fix))
    assert "If it is “shuffle once”: Print" in result._repr_html_()
    assert [*result.to_frame()["cause"]] == ["data.reseeded or data.shuffle-once"]
    assert "If it is" not in repr(check(doubled, role="squared_loss", hints=3))


def returns_nothing(y_hat, y):
    pass_on = (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
    print(pass_on)


def predicts_nothing(X, w, b):
    print(X @ w + b)


def divides(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 * (1 // (len(y) // 1000))


def test_what_was_returned_is_no_exception_of_theirs():
    """It is said in plain words and with a hint; the control is a real exception."""
    (found,) = check(returns_nothing, role="squared_loss").checked.components
    assert found.message == "the loss returned None, but should return a tensor"
    assert found.hint == "Does the function end with a `return`?"
    (found,) = check(predicts_nothing, role="linreg").checked.components
    assert found.cause == {"id": "model.raises", "evidence": found.message}
    assert found.hint == "Does the function end with a `return`?"
    (found,) = check(divides, role="squared_loss").checked.components
    assert found.message.startswith("raises ")
    assert found.hint == ""
    assert found.line == divides.__code__.co_firstlineno + 1


def test_the_method_at_fault_is_named(module):
    """What follows is the stage, which may be called the same."""
    made = module(
        "import torch\n"
        "class LinearRegressionScratch:\n"
        "    def __init__(self, num_inputs, lr, sigma=0.01):\n"
        "        self.w = torch.normal(0, sigma, (num_inputs, 1), requires_grad=True)\n"
        "        self.b = torch.zeros(1, requires_grad=True)\n"
        "    def forward(self, X):\n"
        "        return X @ self.w + self.b\n"
        "    def loss(self, y_hat, y):\n"
        "        return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).sum()\n"
    )
    (found,) = check(made.LinearRegressionScratch).checked.components
    assert found.message.startswith("in loss: loss[epoch 0 step 0] = ")
    assert (found.part, found.line) == ("loss", 8)


def test_a_function_without_text_is_judged():
    made = {"__name__": "made"}
    exec("def squared_loss(y_hat, y): return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2", made)
    assert check(made["squared_loss"]).passed
    exec("def squared_loss(y_hat, y): return (y - y_hat.reshape(y.shape)) ** 2", made)
    assert not check(made["squared_loss"]).passed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"thing": 3}, "type int is no component"),
        ({"thing": len}, "len looks like no component; say which it is with role="),
        ({"thing": squared_loss, "role": "loss"}, "'loss' is no component"),
        ({"thing": squared_loss, "hints": 4}, "hints is 4"),
        ({"role": "sgd"}, "role goes with one function"),
        ({"thing": "nowhere.py"}, "nowhere.py cannot be read"),
        ({"thing": json}, "json defines no component yet"),
    ],
)
def test_what_cannot_be_checked_is_said_in_a_sentence(arguments, said):
    with pytest.raises(InputError, match=said) as raised:
        check(**arguments)
    assert str(raised.value).count("\n") == 0


def test_all_that_the_caller_has_defined(module):
    """Without an argument it is the module of the caller; the rest is missing, not wrong."""
    text = (CORPUS / "wrong" / "loss.no-half").glob("*.py")
    made = module(min(text).read_text() + "\nfrom harness import check\nresult = check()\n")
    found = {one.name: one for one in made.result.checked.components}
    wrong = {name for name, one in found.items() if one.status == "fail"}
    assert wrong in ({"squared_loss"}, {"LinearRegressionScratch"})
    assert "check" not in found
    frame = made.result.to_frame()
    assert list(frame["component"]) == list(found)
    assert list(frame["cause"].dropna()) == ["loss.no-half"]


def test_names_generators_and_settings_are_left_as_they_were(module):
    """An update that reads a global is given its value, which then is as before."""
    cells = module(READS_A_GLOBAL)
    before = dict(vars(cells))
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    torch.set_default_dtype(torch.float64)
    threads = torch.get_num_threads()
    try:
        assert check(cells.sgd).passed
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == threads
    assert vars(cells) == before


def test_what_it_prints_is_kept(capsys):
    result = check(squared_loss)
    assert "computing" in result.checked.output
    assert capsys.readouterr() == ("", "")


def test_an_interrupt_gets_through():
    """In a kernel there is no limit on time, so the button must work."""

    def squared_loss(y_hat, y):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(squared_loss)


def test_without_hints_only_the_part_is_told():
    result = check(doubled, role="squared_loss", hints=0)
    (found,) = result.checked.components
    assert found.message not in result._repr_html_() + repr(result)
    assert "✗ fail" in result._repr_html_()


def test_html_escapes_what_an_answer_says():
    html = check(raising, role="squared_loss")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "Not a grade" in html


def test_html_holds_verdict_message_and_hint():
    result = check(doubled, role="squared_loss")
    html = result._repr_html_()
    (found,) = result.checked.components
    assert 'class="verdict fail">✗ fail' in html
    assert found.message in html
    assert found.hint.split()[0] in html
    assert 'class="verdict pass"' not in html


def test_a_path_runs_in_a_process_of_its_own(tmp_path):
    path = tmp_path / "answer.py"
    path.write_text("import builtins\nbuiltins.svb_ran_here = 1\ndef linreg(X, w, b):\n return X\n")
    result = check(str(path))
    assert not result.passed
    assert "process of its own" in result._repr_html_()
    assert not hasattr(__builtins__, "svb_ran_here")


@pytest.mark.parametrize(
    "cause", ["loss.no-reshape", "sgd.ascends", "model.no-bias", "data.drops-tail", "init.scale"]
)
def test_verdicts_are_those_of_a_worker(module, grader, cause):
    """The same file, living here and in a worker, asked the same questions.

    Not a loop at the top level: here it has run, and is not there to be asked.
    """
    path = min((CORPUS / "wrong" / cause).glob("*.py"))
    here = check(module(path), seed=SEED).checked
    there = grader.check(Submission.of(path))
    assert [one.to_dict() for one in here.components if one.name != "train"] == [
        one.to_dict() for one in there.components if one.name != "train"
    ]
    assert here.verdict == there.verdict == "fail"


@pytest.fixture(scope="module")
def grader():
    with Grader(seed=SEED) as made:
        yield made


CELLS = [
    "import torch",
    "features = torch.randn(40, 2)\nlabels = features @ torch.ones(2, 1)",
    "w, b = torch.zeros(2, 1, requires_grad=True), torch.zeros(1, requires_grad=True)",
    """def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size""",
]
LOOP = """\
losses = []
for epoch in range(3):
    for rows in torch.randperm(40).split(8):
        loss = (features[rows] @ w + b - labels[rows]) ** 2 / 2
        loss.sum().backward()
        sgd([w, b], 0.03, len(rows))
        losses.append(1)
"""
CLEARED = LOOP.replace("8):\n", "8):\n        w.grad = b.grad = None\n")


class Kernel:
    """As much of IPython as is asked: cells run in one namespace, and their history."""

    def __init__(self):
        self.history_manager = self
        self.input_hist_raw = [""]
        self.names: dict[str, Any] = {
            "__name__": "__main__",
            "check": check,
            "get_ipython": lambda: self,
        }

    def run(self, code):
        """Run a cell."""
        self.input_hist_raw.append(code)
        name = f"<cell {len(self.input_hist_raw)}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        exec(compile(code.replace("%%time", ""), name, "exec"), self.names)


@pytest.fixture
def kernel():
    made = Kernel()
    for cell in CELLS:
        made.run(cell)
    return made


def trained(result):
    return next((one for one in result.checked.components if one.name == "train"), None)


def test_the_last_loop_of_a_session_is_judged_where_nothing_of_it_is_changed(kernel):
    """A cell may have been mended and run again; the control is the right loop."""
    kernel.run("%%time\n" + LOOP)
    before = kernel.names | {name: copy.copy(kernel.names[name]) for name in ("w", "b", "losses")}
    drawn = torch.get_rng_state()
    kernel.run("result = check(hints=1)")
    found = trained(kernel.names["result"])
    assert found.cause["id"] == "train.no-zero-grad"
    assert found.line == 3
    assert "at In [5] line 3, run again in a process" in repr(kernel.names["result"])
    assert kernel.names["result"].checked.verdict == "fail"
    assert torch.equal(torch.get_rng_state(), drawn)
    for name, value in before.items():
        same = torch.equal if isinstance(value, torch.Tensor) else operator.eq
        assert same(value, kernel.names[name]), name
    kernel.run(CLEARED)
    kernel.run("result = check()")
    assert trained(kernel.names["result"]).status == "pass"
    assert kernel.names["result"].passed


def test_a_loop_that_cannot_run_again_is_said_to_be_so(kernel, tmp_path):
    """What a worker cannot read has no loop; the rest is judged all the same."""
    (tmp_path / "rate").write_text("0.03")
    kernel.run(f"lr = float(open({str(tmp_path / 'rate')!r}).read())")
    kernel.run(CLEARED.replace("0.03", "lr"))
    kernel.run("result = check()")
    result = kernel.names["result"]
    assert result.passed
    assert trained(result).status == "missing"
    (note,) = result.checked.notes
    assert "the training loop at In [6] line 2 could not be run again" in note
    assert "FileNotFoundError" in note or "PermissionError" in note


def test_without_a_loop_no_process_is_started(kernel, monkeypatch):
    monkeypatch.setattr("harness.grading.warmup.start", None)
    kernel.run("for epoch in range(3):\n    print(epoch)\nresult = check()")
    assert kernel.names["result"].passed
    assert kernel.names["result"].checked.notes == ()


def test_a_function_train_is_judged_here(kernel, monkeypatch):
    monkeypatch.setattr("harness.grading.warmup.start", None)
    kernel.run(LOOP)
    kernel.run(
        "def train(features, labels, w, b, lr, num_epochs, batch_size):\n"
        "    raise NotImplementedError\n"
        "result = check()"
    )
    assert trained(kernel.names["result"]).status == "missing"


def test_the_loop_of_a_module_is_spoken_of(module):
    text = "\n".join([*CELLS, LOOP])
    made = module(text)
    assert check(made).checked.notes == ()  # a module without a file has nothing to be read
    made.__file__ = made.sgd.__code__.co_filename
    line = text.split("\n").index("for epoch in range(3):") + 1
    (note,) = check(made).checked.notes
    assert note.startswith(f"the training loop at line {line} has run already")
    assert note.endswith("`svb check cells.py` judges it, too")


def test_what_a_cell_raised_is_told_by_its_cell(grader):
    """Not by a line of all cells together, which no notebook shows."""
    cells = [*CELLS, "x = 1\n1 / 0"]
    notebook = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    found = grader.check(Submission("a.ipynb", json.dumps(notebook).encode()))
    assert found.notes == ("cell 5 line 2 raised ZeroDivisionError: division by zero",)
    found = grader.check(Submission("a.py", "\n".join(cells[3:]).encode()))
    assert found.error
    assert found.error["line"] == 6


def test_check_is_public():
    assert harness.check is check
