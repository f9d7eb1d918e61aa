"""torch without its compiler: in processes that run answers, and nowhere else."""

import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import torch

import builtin
from harness.engine.torch_import import without_compiler

ROOT = Path(__file__).resolve().parents[2]

# Every function of torch, torch.random and torch.optim, with what it wraps, and its attributes.
# torch itself hooks the step of an optimizer class when one is first made: that is done before.
WATCH = """
import importlib, pkgutil, sys
from types import FunctionType
import torch

names = [m.name for m in pkgutil.iter_modules(torch.optim.__path__, "torch.optim.")]
modules = [torch, torch.random, torch.optim, *map(importlib.import_module, names)]
classes = {
    id(kind): kind
    for module in modules[2:]
    for kind in vars(module).values()
    if isinstance(kind, type) and kind.__module__.startswith("torch.optim")
}
for kind in classes.values():
    if issubclass(kind, torch.optim.Optimizer):
        kind._patch_step_function(kind.__new__(kind))

def functions():
    for owner in (*modules, *classes.values()):
        for name, function in list(vars(owner).items()):
            place = f"{owner.__name__}.{name}"
            while isinstance(function, FunctionType):
                yield place, function, {**vars(function)}
                function, place = vars(function).get("__wrapped__"), place + " wrapped"

def by_the_compiler(place, mark):
    # importing its compiler, torch wraps torch.manual_seed, and keeps what it has disabled
    file = mark.__code__.co_filename if isinstance(mark, FunctionType) else ""
    wrapped = place == "torch.manual_seed" and "torch._dynamo" in sys.modules
    return wrapped or "torch/_dynamo" in file

def changed():
    now = {place: (function, marks) for place, function, marks in functions()}
    for place, (function, marks) in before.items():
        new, held = now.get(place, (None, {}))
        held = {key: mark for key, mark in held.items() if not by_the_compiler(key, mark)}
        if new is not function and not by_the_compiler(place, new):
            yield f"{place} replaced"
        if new is function and held != marks:
            yield f"{place} marked"

before = {place: (function, marks) for place, function, marks in functions()}
assert len(before) > 500, len(before)
"""
USES = {
    "check": """
import harness
def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
assert harness.check(squared_loss).passed
""",
    "grader": """
from harness.grading.grade import Grader, Submission
with Grader(seed=1) as grader:
    answer = b"def linreg(X, w, b): return X @ w - b"
    assert grader.check(Submission("answer.py", answer)).verdict == "fail"
""",
    "compare": """
import harness
cases = harness.cases(["object-d2", "mse-d2"])
assert harness.compare(cases=cases).verdict in ("identical", "rounding")
""",
}
DIFFERENTIABLE = """
w = torch.tensor(1.0, requires_grad=True)
p = w * 2
p.retain_grad()
optimizer = torch.optim.SGD([p], lr=0.1, differentiable=True)
p.grad = p * 2
optimizer.step()
(gradient,) = torch.autograd.grad(p, w)
print(gradient.item())
"""
BY_COMPILER = "print('torch._dynamo' in sys.modules)"


def printed(*parts):
    """Return the lines that a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(parts)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("use", USES)
def test_torch_of_the_caller_is_left_alone(use):
    """Every function is the same object with the same attributes, and an SGD differentiates."""
    *changes, gradient = printed(WATCH, USES[use], "print(*changed(), sep='\\n')", DIFFERENTIABLE)
    assert changes in ([], [""])
    assert float(gradient) == pytest.approx(1.6)  # 2 * (1 - 0.1 * 2)


@pytest.mark.parametrize("use", ["check", "grader"])
def test_the_compiler_is_not_imported_for_the_caller(use):
    """Which would take as long as torch itself: no function that imports it is called."""
    assert printed("import sys", USES[use], BY_COMPILER) == ["False"]


def test_a_replaced_or_marked_function_is_noticed():
    """Control: in a process that is prepared for answers, both are there."""
    prepare = "from harness.engine.torch_import import leave_compiler_out; leave_compiler_out()"
    changes = printed(WATCH, prepare, "print(*changed(), sep='\\n')")
    assert {"SGD.step replaced", "Optimizer.zero_grad wrapped marked"} <= {*changes}


def test_an_optimizer_class_that_is_beside_torchs_own_computes_as_it_does():
    """To the bit, with what it keeps, for every optimizer that has a hand-written twin."""
    settings = {"momentum": 0.9} | dict.fromkeys(("lr", "weight_decay"), 0.1)
    for kind in (builtin.SGD, builtin.Adagrad, builtin.RMSprop, builtin.Adadelta, builtin.Adam):
        own: dict[str, Any] = {k: v for k, v in settings.items() if k in signature(kind).parameters}
        ends = []
        for each in (kind, without_compiler(kind)):
            w = torch.ones(3, requires_grad=True)
            optimizer: Any = each([w], **own)
            for _ in range(3):
                (w**3).sum().backward()
                optimizer.step()
                optimizer.zero_grad()
            ends.append(w.detach())
            assert isinstance(optimizer, kind)
            assert w.grad is None
        assert torch.equal(*ends)
        assert not torch.equal(ends[0], torch.ones(3))


def test_a_prepared_process_trains_without_the_compiler():
    """Seeds, steps and clears as ever; an SGD that is asked to differentiates all the same."""
    prepare = "from harness.engine.torch_import import leave_compiler_out; leave_compiler_out()"
    train = """
import sys, torch
torch.manual_seed(1)
w = torch.ones(2, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.5)
(w ** 2).sum().backward()
optimizer.step()
optimizer.zero_grad()
assert w.tolist() == [0.0, 0.0] and w.is_leaf and w.grad is None
print(optimizer.step(lambda: torch.is_grad_enabled()), torch.is_grad_enabled())
"""
    *told, gradient, compiler = printed(prepare, train, DIFFERENTIABLE, BY_COMPILER)
    assert told == ["True True"]
    assert float(gradient) == pytest.approx(1.6)
    assert compiler == "False"
