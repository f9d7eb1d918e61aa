"""Regression with what torch brings, linear and softmax; the mirror of `scratch`."""

from builtin.data import BatchLoader, SyntheticRegressionData, data_iter, synthetic_data
from builtin.loss import MSE, squared_loss
from builtin.model import MLP, LinearRegression, Module, init_params, linreg, relu
from builtin.optim import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop, clip_gradients, sgd
from builtin.softmax import (
    CrossEntropy,
    SoftmaxRegression,
    accuracy,
    cross_entropy,
    init_softmax_params,
    log_softmax,
    softmax,
    softmax_regression,
)
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
    "CrossEntropy",
    "Data",
    "LinearRegression",
    "Model",
    "Module",
    "Optimizer",
    "RMSprop",
    "SoftmaxRegression",
    "SyntheticRegressionData",
    "Trainer",
    "accuracy",
    "clip_gradients",
    "cross_entropy",
    "data_iter",
    "init_params",
    "init_softmax_params",
    "linreg",
    "log_softmax",
    "relu",
    "sgd",
    "softmax",
    "softmax_regression",
    "squared_loss",
    "synthetic_data",
    "train",
    "train_batch",
]
