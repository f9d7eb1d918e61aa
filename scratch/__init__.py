"""Regression by hand, with tensors and autograd only; the mirror of `builtin`."""

from scratch.data import BatchLoader, SyntheticRegressionData, data_iter, synthetic_data
from scratch.loss import MSE, squared_loss
from scratch.model import MLP, LinearRegression, init_params, linreg, relu
from scratch.optim import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop, clip_gradients, sgd
from scratch.trainer import Data, Model, Optimizer, Trainer, train, train_batch

__all__ = [
    "MLP",
    "MSE",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "BatchLoader",
    "Data",
    "LinearRegression",
    "Model",
    "Optimizer",
    "RMSprop",
    "SyntheticRegressionData",
    "Trainer",
    "clip_gradients",
    "data_iter",
    "init_params",
    "linreg",
    "relu",
    "sgd",
    "squared_loss",
    "synthetic_data",
    "train",
    "train_batch",
]
