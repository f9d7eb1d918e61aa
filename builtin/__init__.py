"""Linear regression with what torch brings: DataLoader, nn, optim; the mirror of `scratch`."""

from builtin.data import BatchLoader, SyntheticRegressionData, data_iter, synthetic_data
from builtin.loss import MSE, squared_loss
from builtin.model import LinearRegression, init_params, linreg
from builtin.optim import SGD, clip_gradients, sgd
from builtin.trainer import Data, Model, Optimizer, Trainer, train, train_batch

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
