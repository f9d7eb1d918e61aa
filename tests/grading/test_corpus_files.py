"""The corpora of answer files: complete, distinct, and as right or wrong as they claim to be.

Right and wrong files are run here and held against torch's built-ins, so that a verdict of `svb
check` on them rests on something other than `svb check`. Hostile files are only ever read, never
run: what a verdict on them must be stands in their manifest. `corpus/wrong` has tests of its own.
"""

import ast
import inspect
import random
import re
import tomllib
import warnings
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

import scratch
from harness.answers import source
from harness.answers.stubs import stand_ins

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
STUBS = {"valid/train_with_stubs.py": {"data_iter", "squared_loss", "sgd"}}
NOT_FOUND_BY_VALUE = "not-from-scratch"  # the built-in gives the right values, of course
VERDICTS = {"pass", "fail", "error"}
KINDS = {
    *("broken", "empty", "wrong-type", "resource", "exit", "crash", "process", "escape", "tamper"),
    *("mutate", "spy", "shortcut", "forge", "overfit", "state"),
}


def files(folder):
    """Every file of a corpus, by its path below it, without the manifest."""
    found = [path for path in (CORPUS / folder).rglob("*") if path.is_file()]
    return sorted(
        path.relative_to(CORPUS / folder).as_posix()
        for path in found
        if path.name != "manifest.toml" and "__pycache__" not in path.parts
    )


def manifest(folder, table="answer"):
    """The entries of a corpus's manifest."""
    return tomllib.loads((CORPUS / folder / "manifest.toml").read_text("utf-8"))[table]


VALID = [f"valid/{name}" for name in files("valid")]
LEARNERS = {f"learners/{entry['path']}": entry for entry in manifest("learners")}
RIGHT = [*VALID, *(name for name, entry in LEARNERS.items() if "cause" not in entry)]
WRONG = [name for name, entry in LEARNERS.items() if "cause" in entry]
HOSTILE = {f"hostile/{entry['path']}": entry for entry in manifest("hostile")}


class Answer:
    """A file that has been run, and its functions under the contract's names and arguments."""

    REFERENCE = ("data_iter", "linreg", "squared_loss", "sgd", "init_params", "train")

    def __init__(self, name):
        """Run the file, cell by cell; what raises is kept in `errors` and hides no later cell."""
        self.name = name
        self.entry = LEARNERS.get(name, {})
        self.namespace = {part: getattr(scratch, part) for part in self.REFERENCE}
        self.namespace["__name__"] = "answer"
        self.errors: list[Exception] = []
        given = dict(self.namespace)
        with stand_ins.installed():
            for cell in source.read(CORPUS / name, Path(name).name).cells:
                self._run(cell)
        self.own = {key for key, value in self.namespace.items() if given.get(key) is not value}

    def _run(self, cell):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch may warn a learner, and the answer is right
                exec(compile(cell.tree, self.name, "exec", dont_inherit=True), self.namespace)
        except Exception as error:  # noqa: BLE001 - a failing cell is part of some files
            self.errors.append(error)

    def defined(self):
        """The parts of the contract in this file, stubs not counted."""
        if self.entry:
            return set(self.entry["defines"])
        return (self.own & set(CHECKS)) - STUBS.get(self.name, set())

    def part(self, role):
        """The function or class that plays a role."""
        return self.namespace[self.entry.get("map", {}).get(role, role)]

    def call(self, role, *values):
        """Call a function as the contract does, its arguments in the order of this file."""
        order = self.entry.get("arguments", {}).get(role)
        named = dict(zip(ARGUMENTS[role], values, strict=True)) if order else {}
        return self.part(role)(*([named[argument] for argument in order] if order else values))

    def averages(self):
        """Whether the loss is a mean, so that sgd must not divide."""
        role = next((r for r in ("squared_loss", "mse_loss") if r in self.defined()), None)
        return role is not None and self.call(role, torch.ones(2, 1), torch.zeros(2, 1)).dim() == 0


ARGUMENTS = {
    "data_iter": ("batch_size", "features", "labels"),
    "linreg": ("X", "w", "b"),
    "squared_loss": ("y_hat", "y"),
    "sgd": ("params", "lr", "batch_size"),
}


def drawn(*shape):
    """The same random numbers for the same shape, whatever an answer does to the generators."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def assert_agree(got, expected):
    """Same shape and dtype, values within rounding."""
    torch.testing.assert_close(got.detach(), expected.detach(), rtol=1e-5, atol=1e-6)


def fresh_parameters(d=3):
    """Leaves w (d, 1) and b (1,), far from zero, so that every sign shows."""
    return drawn(d, 1).requires_grad_(), torch.tensor([0.7], requires_grad=True)


def check_data_iter(answer):
    """Every row once, paired, in batches of the right lengths and a fresh order at each call."""
    features = torch.arange(150.0).reshape(50, 3)
    labels = features.sum(dim=1, keepdim=True)
    kept = features.clone(), labels.clone()
    orders = []
    for _ in range(2):
        batches = [tuple(batch) for batch in answer.call("data_iter", 8, features, labels)]
        X, y = (torch.cat(column) for column in zip(*batches, strict=True))
        assert [len(batch[0]) for batch in batches] == [8] * 6 + [2]
        assert_agree(y, X.sum(dim=1, keepdim=True))
        orders.append((X[:, 0] / 3).tolist())
    assert_agree(features, kept[0])
    assert_agree(labels, kept[1])
    stored = list(range(50))
    assert sorted(orders[0]) == sorted(orders[1]) == stored
    assert stored not in orders
    assert orders[0] != orders[1]


def check_linreg(answer):
    """The prediction and both gradients of F.linear; one row and one column included."""
    for m, d in ((5, 3), (1, 2), (4, 1), (1, 1)):
        X, cotangent = drawn(m, d), drawn(m, 1)
        ours, theirs = fresh_parameters(d), fresh_parameters(d)
        got = answer.call("linreg", X, *ours)
        expected = functional.linear(X, theirs[0].T, theirs[1])
        assert_agree(got, expected)
        for pair in zip(
            torch.autograd.grad((got * cotangent).sum(), ours),
            torch.autograd.grad((expected * cotangent).sum(), theirs),
            strict=True,
        ):
            assert_agree(*pair)


def loss_check(role, factor):
    """Check a loss against F.mse_loss times a factor: values and gradient, both label shapes."""

    def check(answer):
        for m in (6, 1):
            for labels in (drawn(m, 1), drawn(m)):
                ours, theirs = (drawn(m, 1).mul(3).requires_grad_() for _ in range(2))
                got = answer.call(role, ours, labels)
                reduction = "none" if got.dim() else "mean"
                expected = factor * functional.mse_loss(
                    theirs, labels.reshape(-1, 1), reduction=reduction
                )
                assert_agree(got, expected)
                got.sum().backward()
                expected.sum().backward()
                assert ours.grad is not None
                assert theirs.grad is not None
                assert_agree(ours.grad, theirs.grad)

    return check


def stepped(step_size):
    """Parameters with gradients, and where torch.optim.SGD takes them in a step of this size."""
    ours, theirs = fresh_parameters(), fresh_parameters()
    for param in (*ours, *theirs):
        param.grad = drawn(*param.shape) + 1
    torch.optim.SGD(theirs, lr=step_size).step()
    return list(ours), theirs


def check_sgd(answer):
    """The step of torch.optim.SGD, in place; the divisor belongs to a loss per example."""
    ours, theirs = stepped(0.1 if answer.averages() else 0.1 / 4)
    answer.call("sgd", ours, 0.1, 4)
    for pair in zip(ours, theirs, strict=True):
        assert_agree(*pair)


def check_init_params(answer):
    """Leaves of the right shapes that require gradients, w of the right spread, b zero."""
    w, b = answer.call("init_params", 2000)
    assert (w.shape, b.shape) == ((2000, 1), (1,))
    for param in (w, b):
        assert param.is_leaf
        assert param.requires_grad
        assert param.dtype == torch.float32
    assert w.std().item() == pytest.approx(0.01, rel=0.1)
    assert not b.any()


def built_in_training(features, labels, batches, lr):
    """Where F.linear, F.mse_loss and torch.optim.SGD lead on these batches of rows."""
    w, b = fresh_parameters(features.shape[1])
    optimizer = torch.optim.SGD([w, b], lr=lr)
    for rows in batches:
        optimizer.zero_grad()
        loss = functional.mse_loss(functional.linear(features[rows], w.T, b), labels[rows])
        (loss / 2).backward()
        optimizer.step()
    return torch.cat([w.flatten(), b])


def trained(answer, features, labels, num_epochs, batch_size):
    """What `train` returns, as one vector."""
    w, b = fresh_parameters(features.shape[1])
    w, b = answer.call("train", features, labels, w, b, 0.1, num_epochs, batch_size)
    return torch.cat([w.flatten(), b])


def check_train(answer):
    """The built-in training on data for which the order of rows is known or does not matter."""
    alike = drawn(1, 3).expand(7, 3).clone(), torch.full((7, 1), 2.0)
    steps = [slice(0, 3), slice(3, 6), slice(6, 7)]  # the last batch is short
    assert_agree(trained(answer, *alike, 2, 3), built_in_training(*alike, steps * 2, 0.1))
    various = drawn(7, 3), drawn(7, 1)
    for batch_size in (7, 10):
        got = trained(answer, *various, 3, batch_size)
        assert_agree(got, built_in_training(*various, [slice(0, 7)] * 3, 0.1))
    two = drawn(2, 3), drawn(2, 1)
    got = trained(answer, *two, 1, 1)
    either = [built_in_training(*two, order, 0.1) for order in ([[0], [1]], [[1], [0]])]
    assert any(torch.allclose(got, expected, rtol=1e-5, atol=1e-6) for expected in either)


def check_optimizer(answer):
    """step() is torch.optim.SGD's, and zero_grad() leaves nothing behind."""
    ours, theirs = stepped(0.1)
    optimizer = answer.part("SGD")(ours, 0.1)
    optimizer.step()
    optimizer.zero_grad()
    for pair in zip(ours, theirs, strict=True):
        assert_agree(*pair)
    assert not any(param.grad is not None and param.grad.any() for param in ours)


def check_model(answer):
    """One step of the object form: forward, the mean loss, and the parameters after it."""
    model = answer.part("LinearRegressionScratch")(3, lr=0.1, sigma=0.5)
    X, labels = drawn(6, 3), drawn(6)
    w = model.w.detach().reshape(1, 3).clone().requires_grad_()
    b = model.b.detach().clone().requires_grad_()
    got, expected = model.forward(X), functional.linear(X, w, b)
    assert_agree(got, expected)
    loss = functional.mse_loss(expected, labels.reshape(-1, 1)) / 2
    optimizer = model.configure_optimizers()
    for y in (labels, labels.reshape(-1, 1)):
        optimizer.zero_grad()
        ours = model.loss(model.forward(X), y)
        assert_agree(ours, loss)
        ours.backward()
    loss.backward()
    optimizer.step()
    torch.optim.SGD([w, b], lr=0.1).step()
    assert_agree(model.w.reshape(1, 3), w)
    assert_agree(model.b, b)


CHECKS: dict[str, Callable[[Answer], None]] = {
    "data_iter": check_data_iter,
    "linreg": check_linreg,
    "squared_loss": loss_check("squared_loss", 0.5),
    "mse_loss": loss_check("mse_loss", 1.0),
    "sgd": check_sgd,
    "init_params": check_init_params,
    "train": check_train,
    "SGD": check_optimizer,
    "LinearRegressionScratch": check_model,
}


@pytest.fixture(autouse=True)
def generators_kept() -> Iterator[None]:
    """An answer may seed what it likes: the tests after it draw as if it had not."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        yield
    random.setstate(python)
    np.random.set_state(numpy)


def found_wrong(name):
    """The parts of a file that fail their checks."""
    answer = Answer(name)
    failed = set()
    for role in answer.defined():
        try:
            CHECKS[role](answer)
        except Exception:  # noqa: BLE001 - a part may fail as it likes
            failed.add(role)
    return failed


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_agree_with_the_built_in(name):
    """Every part of a right file computes what torch does, and is there as its manifest says."""
    answer = Answer(name)
    if name in VALID or (answer.entry.get("loop") and name.endswith(".py")):
        assert answer.errors == []  # a loop is right only where it came to its end
    for role in sorted(answer.defined()):
        CHECKS[role](answer)
    assert answer.defined() or answer.errors


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_fail_where_their_manifest_says(name):
    """Control: the same checks fail for the part at fault, and for no other part of the file."""
    entry = LEARNERS[name]
    at_fault = {entry["component"]} & set(entry["defines"])  # a loop at the top level has no name
    expected = set() if entry["cause"] == NOT_FOUND_BY_VALUE else at_fault
    assert found_wrong(name) == expected


def test_every_check_has_an_answer_that_fails_it(monkeypatch):
    """Control: between them, the wrong files fail each check; for mse_loss a bare one does."""
    at_fault = {LEARNERS[name]["component"] for name in WRONG}
    assert at_fault | {"mse_loss"} == set(CHECKS)
    answer = Answer("valid/loss_mse_named.py")
    monkeypatch.setitem(answer.namespace, "mse_loss", lambda y_hat, y: (y_hat - y).square().mean())
    with pytest.raises(AssertionError):
        CHECKS["mse_loss"](answer)


def code(name):
    """The syntax tree of a file as text, without docstrings: the ways of writing, not the words."""
    trees = [cell.tree for cell in source.read(CORPUS / name, Path(name).name).cells]
    for node in chain.from_iterable(ast.walk(tree) for tree in trees):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                del body[0]
    return "\n".join(ast.dump(tree) for tree in trees)


def test_valid_answers_are_many_and_distinct():
    """Each is another way of writing; every kind of way is there several times."""
    kinds = [Path(name).name.partition("_")[0] for name in VALID]
    assert len(VALID) >= 70
    assert len({code(name) for name in VALID}) == len(VALID)
    for kind in ("model", "loss", "grad", "update", "train", "data", "init", "mixed", "object"):
        assert kinds.count(kind) >= 3, kind


def test_distinct_means_more_than_a_new_docstring(tmp_path):
    """Control: two files that differ in words alone are the same code."""
    for name, text in (("a.py", '"""One."""\nx = 1\n'), ("b.py", '"""Two."""\nx = 1  # same\n')):
        (tmp_path / name).write_text(text)
    assert code(tmp_path / "a.py") == code(tmp_path / "b.py")


def test_learners_answers_are_many_and_of_both_kinds():
    """About half are right; enough of them are notebooks."""
    assert len(LEARNERS) >= 36
    assert min(len(WRONG), len(LEARNERS) - len(WRONG)) >= 18
    assert sum(name.endswith(".ipynb") for name in LEARNERS) >= 8


@pytest.mark.parametrize("folder", ["learners", "hostile"])
def test_manifests_are_complete(folder):
    """Every file has one entry, and every entry a file."""
    listed = [entry["path"] for entry in manifest(folder)]
    assert sorted(listed) == files(folder)


@pytest.mark.parametrize("name", LEARNERS)
def test_learners_entries_are_whole(name):
    """Verdict, the one cause with the part at fault, and a note."""
    entry = LEARNERS[name]
    wrong = name.startswith("learners/wrong/")
    assert entry["verdict"] in ({"fail"} if wrong else {"pass", "error"})
    assert ("component" in entry) == ("cause" in entry) == wrong
    if wrong:
        assert entry["component"] in CHECKS
        assert re.fullmatch(
            r"(data|model|loss|sgd|train|init)\.[a-z-]+|not-from-scratch", entry["cause"]
        )
    assert set(entry["defines"]) <= set(CHECKS)
    assert set(entry.get("map", {})) <= set(entry["defines"])
    assert entry["note"]


@pytest.mark.parametrize("name", [n for n, entry in LEARNERS.items() if "arguments" in entry])
def test_argument_orders_are_those_of_the_files(name):
    """As many arguments as the function takes."""
    answer = Answer(name)
    for role, order in LEARNERS[name]["arguments"].items():
        assert len(inspect.signature(answer.part(role)).parameters) == len(order)


@pytest.mark.parametrize("entry", [*HOSTILE.values(), *manifest("hostile", "generated")])
def test_hostile_entries_are_whole(entry):
    """What is tried, which verdicts are right, and what they rest on; a pass only where right."""
    assert entry["kind"] in KINDS
    assert set(entry["expect"]) <= VERDICTS
    assert entry["why"]
    if "pass" in entry["expect"]:
        assert "right" in entry["why"]


def test_hostile_answers_are_many_and_of_every_kind():
    """Enough files; no kind without one."""
    assert len(HOSTILE) >= 45
    assert {entry["kind"] for entry in HOSTILE.values()} == KINDS


SCRIPTS = [name for name in HOSTILE if name.endswith(".py")]
READABLE = [n for n in SCRIPTS if HOSTILE[n]["kind"] != "broken" or "pass" in HOSTILE[n]["expect"]]


@pytest.mark.parametrize("name", READABLE)
def test_no_slip_of_the_pen_makes_a_file_hostile(name):
    """What is not said to be broken is Python."""
    assert isinstance(ast.parse((CORPUS / name).read_bytes()), ast.Module)


@pytest.mark.parametrize("name", sorted({*SCRIPTS} - {*READABLE}))
def test_broken_scripts_are_broken(name):
    """Control: what is said to be broken is not."""
    with pytest.raises((SyntaxError, ValueError, MemoryError, RecursionError)):
        ast.parse((CORPUS / name).read_bytes())


def test_hostile_answers_are_bounded():
    """No loop without an end, so that one that is run by accident ends by itself; none is large."""
    for name in HOSTILE:
        content = (CORPUS / name).read_bytes()
        assert len(content) < 100_000, name
        assert not re.search(rb"while (True|1|not False)\b|itertools\.(count|cycle)", content), name


def test_pytest_would_collect_no_corpus_file():
    """No name by which pytest, or a plugin for notebooks, would import an answer."""
    names = [path.name for path in CORPUS.rglob("*.py")]
    assert names
    assert not [name for name in names if re.fullmatch(r"test_.*|.*_test\.py|conftest\.py", name)]
