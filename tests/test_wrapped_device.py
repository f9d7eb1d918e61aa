"""The device made in Python does what the tests that stand on it take for granted."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKS = """
import threading
import torch
from tests.wrapped_device import NAME, MixedDevicesError, WrappedTensor

def refused(call):
    try:
        call()
    except MixedDevicesError:
        return True
    return False

here = torch.arange(6.0, device=NAME).reshape(3, 2)
there = torch.arange(6.0).reshape(3, 2)
indices = torch.tensor([0, 2])

# tensors of two devices meet in copies only, or where the other has no dimensions
assert refused(lambda: here + there)
assert refused(lambda: there + here)
assert refused(lambda: there.add_(here))
assert refused(lambda: torch.cat([here, there]))
assert refused(lambda: torch.stack([there, there], out=torch.empty(2, 3, 2, device=NAME)))
assert refused(lambda: here[indices])
assert refused(lambda: here.index_select(0, indices))
assert refused(lambda: torch.nn.functional.linear(here, torch.ones(1, 2)))
assert not refused(lambda: here + here)
assert not refused(lambda: here * torch.tensor(2.0))
assert not refused(lambda: here.copy_(there))
assert not refused(lambda: there.copy_(here))
assert not refused(lambda: here[indices.to(NAME)])
assert torch.equal(here.cpu(), there)
assert isinstance(here.cpu(), torch.Tensor) and not isinstance(here.cpu(), WrappedTensor)

# made there by name, by data, and like another one
for made in (torch.empty(2, device=NAME), torch.tensor([1.0], device=NAME), there.to(NAME),
             torch.randn(2, device=NAME), torch.zeros_like(here), here.new_full((2,), 1.0)):
    assert made.device.type == NAME
assert there.to(NAME).tolist() == there.tolist()

# no address; versions and views as anywhere
assert here.data_ptr() == 0
column, version = here[:, 0], here._version
column.mul_(3)
assert here._version == version + 1 == column._version
assert here[:, 0].tolist() == [0.0, 6.0, 12.0]
rows = torch.zeros(4, 2, device=NAME)
torch.stack([here[0], here[1]], out=rows[1:3])
assert rows.tolist() == [[0, 0], [0, 1], [6, 3], [0, 0]]
torch.cat([here[0], here[1]], out=rows.view(-1)[:4])
assert rows.tolist() == [[0, 1], [6, 3], [6, 3], [0, 0]]
assert here.t().stride() == (1, 2) and not here.t().is_contiguous()
assert here.t().contiguous().view(-1).tolist() == here.t().reshape(-1).tolist()

# gradients, on torch's thread for the device and on the one that asks for them
for many in (True, False):
    threads = []
    w = torch.ones(2, 1).to(NAME).requires_grad_()
    w.register_hook(lambda gradient: threads.append(threading.get_ident()))
    with torch.autograd.set_multithreading_enabled(many):
        (here @ w).sum().backward()
    assert w.grad.device.type == NAME and w.grad.tolist() == here.sum(0).reshape(2, 1).tolist()
    assert many or threads == [threading.get_ident()]
    with torch.no_grad():
        w -= w.grad
    assert w._version == 1

# moved in place, by either way
layer = torch.nn.Linear(2, 1)
weight = layer.weight
weight.data = weight.data.to(NAME)
assert weight is layer.weight and weight.is_leaf and weight.requires_grad
assert isinstance(weight, torch.nn.Parameter) and weight.device.type == NAME
weight.data = torch.ones(1, 2, device=NAME)
weight.data.mul_(2)
assert weight.tolist() == [[2.0, 2.0]] and weight._version == 0
assert torch.nn.Linear(2, 1).to(NAME)(here).device.type == NAME
"""


def test_it_refuses_to_mix_and_computes_as_the_cpu_does():
    """Refusals beside what is allowed, factories, views, gradients, moves: in its own process."""
    command = [sys.executable, "-c", CHECKS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
