"""Regression by hand, linear and softmax, from tensors and autograd; the mirror of `builtin`."""

from scratch.data import BatchLoader, SyntheticRegressionData, data_iter, synthetic_data
from scratch.loss import MSE, squared_loss
from scratch.model import MLP, LinearRegression, Module, init_params, linreg, relu
from scratch.optim import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop, clip_gradients, sgd
from scratch.softmax import (
    CrossEntropy,
    SoftmaxRegression,
    accuracy,
    cross_entropy,
    init_softmax_params,
    log_softmax,
    softmax,
    softmax_regression,
)
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
