"""Linear regression by hand, with tensors and autograd only; the mirror of `builtin`."""

from scratch.data import BatchLoader, SyntheticRegressionData, data_iter, synthetic_data
from scratch.loss import MSE, squared_loss
from scratch.model import LinearRegression, init_params, linreg
from scratch.optim import SGD, clip_gradients, sgd
from scratch.trainer import Data, Model, Optimizer, Trainer, train, train_batch

__all__ = [
    "MSE",
    "SGD",
    "BatchLoader",
    "Data",
    "LinearRegression",
    "Model",
    "Optimizer",
    "SyntheticRegressionData",
    "Trainer",
    "clip_gradients",
    "data_iter",
    "init_params",
    "linreg",
    "sgd",
    "squared_loss",
    "synthetic_data",
    "train",
    "train_batch",
]
