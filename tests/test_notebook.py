"""`check`: the verdicts of `svb check` on what lives in this process, which is left as it was."""

import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

import harness
from harness.errors import InputError
from harness.grade import Grader, Submission
from harness.notebook import check

pytestmark = pytest.mark.filterwarnings("ignore")  # what learners' code warns of is its affair

CORPUS = Path(__file__).parent / "corpus"
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


def test_check_is_public():
    assert harness.check is check
