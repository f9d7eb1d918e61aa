"""Stand-ins appear where a package is missing, only there, and only as long as asked for."""

import importlib
import sys

import pytest
import torch

from harness.answers.stubs import stand_ins

PLOTS = """
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from mpl_toolkits.mplot3d import Axes3D
from IPython import display
from matplotlib_inline import backend_inline
fig, (left, right) = plt.subplots(1, 2)
for _ in range(2):
    left.plot([1, 2])
    display.clear_output(wait=True)
get_ipython().run_line_magic("matplotlib", "inline")
"""
D2L = """
from d2l import torch as d2l
from d2l.torch import *
import d2l.torch
x = d2l.torch.normal(0, 1, (3,))
torch.ones(2)
"""


def test_plots_do_nothing():
    with stand_ins.installed() as finder:
        exec(PLOTS, {})
    assert {"matplotlib", "IPython", "mpl_toolkits", "matplotlib_inline"} <= {*finder.used}


def test_d2l_is_the_book():
    namespace: dict[str, object] = {}
    with stand_ins.installed() as finder:
        exec(D2L, namespace)
    assert finder.used == ["d2l"]
    assert getattr(namespace["x"], "shape", None) == (3,)


@pytest.mark.skipif(importlib.util.find_spec("tqdm") is not None, reason="tqdm is installed")
def test_tqdm_hands_on():
    namespace: dict[str, object] = {}
    with stand_ins.installed():
        exec(
            "from tqdm.auto import tqdm, trange\n"
            "with tqdm(range(3)) as bar:\n    a = [*bar]; bar.set_postfix(x=1)\nb = [*trange(2)]",
            namespace,
        )
    assert (namespace["a"], namespace["b"]) == ([0, 1, 2], [0, 1])


@pytest.mark.parametrize(
    "module", ["sklearn_that_is_not_there", "d2l.jax", "mxnet_missing", "mxnet.nothing"]
)
def test_other_packages_stay_missing(module):
    with stand_ins.installed() as finder, pytest.raises(ImportError):
        importlib.import_module(module)
    assert "sklearn_that_is_not_there" not in finder.used


OUTSIDE = """
from google.colab import drive, files
drive.mount("/content/drive")
for name in files.upload():
    print(name)
import wandb, tensorboardX
with wandb.init(project="x") as run:
    run.log({"loss": 1.0})
from torch.utils.tensorboard import SummaryWriter
SummaryWriter("runs").add_scalar("loss", 1.0, 3)
"""


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is not None, reason="is installed")
def test_what_records_runs_elsewhere_does_nothing():
    with stand_ins.installed() as finder:
        exec(OUTSIDE, {})
    assert {"google.colab", "wandb", "tensorboardX"} <= {*finder.used}
    assert "torch.utils.tensorboard" in finder.used
    assert "google" not in finder.used
    assert not hasattr(torch.utils, "tensorboard")


HELPERS = """
from {package} import *
import {package} as d2l
set_figsize()
use_svg_display()
plt.scatter([1], [2]).title("x")
d2l.train_ch3(None)
random.shuffle([1, 2])
"""


@pytest.mark.parametrize(
    ("package", "used"), [("d2lzh", ["d2lzh", "mxnet"]), ("d2lzh_pytorch", ["d2lzh_pytorch"])]
)
def test_helpers_of_the_first_edition(package, used):
    """`import *` brings the four parts, and what the package imports itself."""
    namespace: dict[str, object] = {}
    with stand_ins.installed() as finder:
        exec(HELPERS.format(package=package), namespace)
    assert finder.used == used
    assert {"linreg", "squared_loss", "sgd", "data_iter", "np"} <= namespace.keys()
    assert ("torch" in namespace) == (package == "d2lzh_pytorch")


@pytest.mark.parametrize(("first", "kind"), [("", "Tensor"), ("import mxnet\n", "NDArray")])
def test_the_old_d2l_is_of_the_framework_beside_it(first, kind):
    """Before there was a module for each framework, `import d2l` was all."""
    namespace: dict[str, object] = {}
    with stand_ins.installed():
        exec(first + "import d2l\nx = d2l.ones(3)\nd2l.plt.show()", namespace)
    assert type(namespace["x"]).__name__ == kind


def test_all_is_put_away():
    before = set(sys.modules), list(sys.meta_path)
    with stand_ins.installed() as outer:
        importlib.import_module("d2l.torch")
        with stand_ins.installed() as inner:
            assert inner is outer
        importlib.import_module("mxnet.gluon.nn")
        importlib.import_module("d2lzh")
        importlib.import_module("torch.utils.tensorboard")
        assert "d2l" in sys.modules
    assert (set(sys.modules) - before[0], list(sys.meta_path)) == (set(), before[1])
