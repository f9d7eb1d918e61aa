"""What an answer finds in `mxnet` where that is not installed: MXNet 1.x over torch.

Two of the books' source documents are written in MXNet. Here is what their chapters on linear
regression need, by MXNet's conventions: gradients only of what ran within `autograd.record()`, a
backward pass that sums and overwrites, updates by `param[:] = …`. Nothing of torch is changed.
"""

from harness.answers.stubs.mxnet import autograd, gluon, init, nd, np, npx
from harness.answers.stubs.mxnet import draws as random
from harness.answers.stubs.mxnet import gradients as base
from harness.answers.stubs.mxnet.context import Context, cpu, current_context, gpu
from harness.answers.stubs.mxnet.gradients import MXNetError

__all__ = [
    "Context",
    "MXNetError",
    "autograd",
    "base",
    "cpu",
    "current_context",
    "gluon",
    "gpu",
    "init",
    "initializer",
    "nd",
    "ndarray",
    "np",
    "npx",
    "numpy",
    "numpy_extension",
    "random",
]

ndarray, numpy, numpy_extension, initializer = nd, np, npx, init
