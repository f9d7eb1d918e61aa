"""What is used of torch though it is private, or only said in its words: one canary each.

torch may change any of it without a word. Then the test of that name is red, and says what of ours
would silently do something else.
"""

import inspect
import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn, optim
from torch.overrides import TorchFunctionMode

TORCH = Path(torch.__file__).parent
PRIVATE = re.compile(r"\btorch(?:\.\w+)*(?:\._\w+)(?:\.\w+)*")


def reach(dotted):
    """Return what a dotted name stands for, modules imported on the way."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            value = getattr(value, part)
        return value
    raise LookupError(dotted)


def log_softmax_is_taken_apart():
    """There is a way to take it and its backward pass apart, and it comes to the same."""
    table = reach("torch._decomp.decomposition_table")
    aten = torch.ops.aten
    logits = torch.tensor([[0.0, 1.0], [3.0, -2.0]], dtype=torch.float64)
    forward = (aten._log_softmax.default, (logits, 1, False))
    output = forward[0](*forward[1])
    backward = (aten._log_softmax_backward_data.default, (logits, output, 1, logits.dtype))
    return all(torch.allclose(f(*args), table[f](*args)) for f, args in (forward, backward))


def subclasses_step_aside():
    """Within it, a subclass of Tensor is not asked, and what comes out is a plain tensor."""
    plain = reach("torch._C.DisableTorchFunctionSubclass")

    class Own(torch.Tensor):
        pass

    values = torch.ones(2).as_subclass(Own)
    with plain():
        inside = values + 1
    return type(inside) is torch.Tensor and type(values + 1) is Own


def operations_are_seen():
    """A mode sees the operations of a vmapped function and of its backward pass, and changes them.

    Nor does it import the compiler for it.
    """
    mode = reach("torch.utils._python_dispatch.TorchDispatchMode")
    tree_map_only = reach("torch.utils._pytree.tree_map_only")

    class Doubled(mode):  # type: ignore[misc, valid-type]
        @classmethod
        def _should_skip_dynamo(cls):
            return False

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if func.overloadpacket is not torch.ops.aten.mul:
                return result
            return tree_map_only(torch.Tensor, lambda values: values * 2, result)

    leaf = torch.ones(2, requires_grad=True)
    with Doubled():
        product = torch.vmap(lambda x: x * 3)(leaf)
        (slope,) = torch.autograd.grad(product.sum(), leaf)
    return product.tolist() == [6.0, 6.0] and slope.tolist() == [6.0, 6.0]


def functorch_unwraps():
    """Inside `grad` a tensor is wrapped, and unwraps to one that has its values."""
    is_wrapped = reach("torch._C._functorch.is_functorch_wrapped_tensor")
    unwrap = reach("torch._C._functorch.get_unwrapped")
    seen = []

    def loss(w):
        inner = w
        while is_wrapped(inner):
            inner = unwrap(inner)
        seen.append((is_wrapped(w), inner.item()))
        return w**2

    torch.func.grad(loss)(torch.tensor(3.0))
    return seen == [(True, 3.0)] and not is_wrapped(torch.ones(1))


def stack_is_cleared():
    """Inside `grad`, what is computed with the stack cleared is computed on plain tensors."""
    cleared = reach("torch._functorch.pyfunctorch.temporarily_clear_interpreter_stack")
    is_wrapped = reach("torch._C._functorch.is_functorch_wrapped_tensor")
    seen = []

    def loss(w):
        with cleared():
            seen.append(is_wrapped(torch.ones(1) * 2))
        return w**2

    gradient = torch.func.grad(loss)(torch.tensor(3.0))
    return seen == [False] and gradient.item() == 6.0


def version_counts():
    """It grows with each write in place, and with nothing else."""
    tensor = torch.zeros(2)
    first = tensor._version
    tensor + 1
    read = tensor._version
    tensor.add_(1)
    return (read, tensor._version) == (first, first + 1)


def profiled(call):
    """Return the builtin functions and the files of the Python functions that a call runs."""
    seen = []

    def profile(frame, event, arg):
        seen.append(arg if event == "c_call" else frame.f_code.co_filename)

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return seen


ROW = torch.ones(1, 2, requires_grad=True)


def linear_is_seen():
    """`F.linear` and `nn.Linear` both end in this builtin function."""
    calls = (lambda: nn.functional.linear(ROW, ROW), lambda: nn.Linear(2, 1)(ROW))
    return all(reach("torch._C._nn.linear") in profiled(call) for call in calls)


def mse_loss_is_seen():
    """`F.mse_loss` and `nn.MSELoss` both end in this builtin function."""
    target = torch.zeros(1, 2)
    calls = (lambda: nn.functional.mse_loss(ROW, target), lambda: nn.MSELoss()(ROW, target))
    return all(reach("torch._C._nn.mse_loss") in profiled(call) for call in calls)


def operators_are_named():
    """A call through `torch.ops` is shown to a mode under the operator's name."""
    names = []

    class Names(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            names.append(".".join(str(func).split(".")[:2]))
            return func(*args, **(kwargs or {}))

    with Names():
        torch.ops.aten.linear(ROW, ROW)
        torch.ops.aten.mse_loss(ROW, ROW)
    return {"aten.linear", "aten.mse_loss"} <= {*names}


def mark_is_looked_for():
    """A function with the mark is called in place of the one that the compiler would give."""
    marked = reach("torch._disable_dynamo")(lambda: "called")
    wrapped = inspect.unwrap(marked)
    vars(wrapped)["__dynamo_disable"] = lambda: "the mark"
    own = marked.__code__.co_filename == reach("torch._compile").__file__
    return marked() == "the mark" and own and find_spec("torch._dynamo") is not None


def step_unwraps():
    """The innermost step of SGD is written in its own file, and updates."""
    step = inspect.unwrap(optim.SGD.step)
    parameter = nn.Parameter(torch.ones(1))
    optimizer = optim.SGD([parameter], lr=0.5)
    parameter.grad = torch.ones(1)
    with torch.no_grad():
        step(optimizer)
    own = Path(step.__code__.co_filename) == TORCH / "optim" / "sgd.py"
    return own and parameter.item() == 0.5 and optimizer.defaults["differentiable"] is False


def generator_seeds():
    """Seeding the default generator is all that `torch.manual_seed` does on the CPU."""
    state = torch.get_rng_state()
    try:
        torch.default_generator.manual_seed(5)
        first = torch.rand(2)
        torch.manual_seed(5)
        return torch.equal(first, torch.rand(2))
    finally:
        torch.set_rng_state(state)


def deterministic_by_mode():
    """The debug mode "warn" is what `use_deterministic_algorithms(True, warn_only=True)` sets."""
    before = torch.get_deterministic_debug_mode()
    try:
        torch.set_deterministic_debug_mode("warn")
        return (
            torch.are_deterministic_algorithms_enabled()
            and torch.is_deterministic_algorithms_warn_only_enabled()
        )
    finally:
        torch.set_deterministic_debug_mode(before)


def backward_says_no_grad_fn():
    """What backward says of a loss that hangs on no parameter."""
    with pytest.raises(RuntimeError, match="does not have a grad_fn"):
        torch.zeros(1).sum().backward()
    return True


def exhausted_memory_is_said():
    """What torch says where an allocation fails."""
    with pytest.raises(RuntimeError, match=r"(?i)can't allocate memory|not enough memory"):
        torch.empty(1 << 50, dtype=torch.uint8)
    return True


FILES = (  # of torch, and a function that has to be written there
    ("nn/modules/linear.py", nn.Linear.forward),
    ("nn/modules/loss.py", nn.MSELoss.forward),
    ("nn/functional.py", nn.functional.mse_loss),
    ("utils/data/dataloader.py", torch.utils.data.DataLoader.__iter__),
    ("optim/sgd.py", optim.SGD.__init__),
    ("optim/adam.py", optim.Adam.__init__),
)


def files_are_where_they_were():
    """The functions that builtins are known by stand in these files."""
    return all(
        Path(inspect.unwrap(function).__code__.co_filename) == TORCH / file
        for file, function in FILES
    )


LOOPS = "answers/loop.py: loops that differentiate by torch.func are then misread"
BUILTINS = "answers/builtins_used.py: this built-in in an answer is then not seen"
ROUNDING = "engine/rounding.py: what rounding can do to an own model is then not found"
COMPILER = "engine/torch_import.py: each answer then takes seconds longer, for the compiler"
CANARIES = {
    "_functorch.pyfunctorch.temporarily_clear_interpreter_stack": (stack_is_cleared, LOOPS),
    "_C._functorch.is_functorch_wrapped_tensor, get_unwrapped": (functorch_unwraps, LOOPS),
    "Tensor._version": (
        version_counts,
        "engine/recorder.py: a tensor that is written to after it was recorded goes unnoticed",
    ),
    "_C._nn.linear": (linear_is_seen, BUILTINS),
    "_C._nn.mse_loss": (mse_loss_is_seen, BUILTINS),
    "names of torch.ops": (operators_are_named, BUILTINS),
    "names of files": (files_are_where_they_were, BUILTINS),
    "__dynamo_disable": (mark_is_looked_for, COMPILER),
    "inspect.unwrap(SGD.step)": (step_unwraps, COMPILER),
    "torch.utils._python_dispatch.TorchDispatchMode, torch.utils._pytree": (
        operations_are_seen,
        ROUNDING,
    ),
    "torch._C.DisableTorchFunctionSubclass": (
        subclasses_step_aside,
        "answers/stubs/mxnet/array.py: an operation of an MXNet array then calls itself for ever",
    ),
    "torch._decomp.decomposition_table": (log_softmax_is_taken_apart, ROUNDING),
    "default_generator": (
        generator_seeds,
        "engine/seeding.py: what draws without a generator of its own is then not seeded",
    ),
    "set_deterministic_debug_mode": (
        deterministic_by_mode,
        "engine/seeding.py: kernels may then give other bits in each run",
    ),
    "does not have a grad_fn": (
        backward_says_no_grad_fn,
        "grading/grade.py, diagnosis/loop_rules.py: a detached loss then gets no hint",
    ),
    "can't allocate memory": (
        exhausted_memory_is_said,
        "isolation/child.py: an answer that needs too much memory is then called crashed",
    ),
}


@pytest.mark.parametrize("name", CANARIES)
def test_torch_still_has(name):
    """The name is there, and does what it is used for."""
    holds, depends = CANARIES[name]
    try:
        held = holds()
    except (AttributeError, ImportError, LookupError) as error:
        pytest.fail(f"torch {torch.__version__} has no {name} ({error}). {depends}")
    assert held, f"torch {torch.__version__} changed {name}. {depends}"


@pytest.mark.parametrize(
    ("target", "attribute", "name"),
    [
        (torch._C._nn, "linear", "_C._nn.linear"),
        (
            torch._C._functorch,
            "is_functorch_wrapped_tensor",
            "_C._functorch.is_functorch_wrapped_tensor, get_unwrapped",
        ),
    ],
)
def test_a_canary_dies(monkeypatch, target, attribute, name):
    """Control: where torch does something else under a name, or has none, its canary is red."""
    monkeypatch.setattr(target, attribute, lambda *_: False)
    with pytest.raises(AssertionError, match=f"changed {name}. answers/"):
        test_torch_still_has(name)
    monkeypatch.delattr(target, attribute)
    with pytest.raises(pytest.fail.Exception, match=f"has no {name}"):
        test_torch_still_has(name)


def test_what_is_private_has_its_canary():
    """Every private name of torch in our code is spelled in a canary, or in its check."""
    own = Path(__file__).read_text("utf-8")
    files = sorted((Path(__file__).resolve().parent.parent / "harness").rglob("*.py"))
    assert len(files) > 60
    found = set()
    for file in files:
        text = file.read_text("utf-8")
        found |= set(PRIVATE.findall(text))
    assert found
    assert {name for name in found if name not in own} == set()
