"""Regression with what torch brings: DataLoader, nn, optim; the mirror of `scratch`."""

from builtin.data import BatchLoader, SyntheticRegressionData, data_iter, synthetic_data
from builtin.loss import MSE, squared_loss
from builtin.model import MLP, LinearRegression, init_params, linreg, relu
from builtin.optim import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop, clip_gradients, sgd
from builtin.trainer import Data, Model, Optimizer, Trainer, train, train_batch

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
