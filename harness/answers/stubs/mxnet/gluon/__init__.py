"""`mxnet.gluon`: layers, losses, data and a trainer, built in. No answer from scratch uses them."""

from harness.answers.stubs.mxnet.gluon import data, loss, nn
from harness.answers.stubs.mxnet.gluon.nn import Block, HybridBlock
from harness.answers.stubs.mxnet.gluon.parameter import Parameter
from harness.answers.stubs.mxnet.gluon.trainer import Trainer

__all__ = ["Block", "HybridBlock", "Parameter", "Trainer", "data", "loss", "nn"]
