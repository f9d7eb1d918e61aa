"""Stand-ins appear where a package is missing, only there, and only as long as asked for."""

import importlib
import sys

import pytest

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


@pytest.mark.parametrize("module", ["sklearn_that_is_not_there", "d2l.mxnet", "mxnet_missing"])
def test_other_packages_stay_missing(module):
    with stand_ins.installed() as finder, pytest.raises(ImportError):
        importlib.import_module(module)
    assert "sklearn_that_is_not_there" not in finder.used


def test_all_is_put_away():
    before = set(sys.modules), list(sys.meta_path)
    with stand_ins.installed() as outer:
        importlib.import_module("d2l.torch")
        with stand_ins.installed() as inner:
            assert inner is outer
        assert "d2l" in sys.modules
    assert (set(sys.modules) - before[0], list(sys.meta_path)) == (set(), before[1])
