import time
import torch
from matplotlib import pyplot as plt


class Timer:
    def __init__(self):
        self.times = []


class Accumulator:
    def __init__(self, n):
        self.data = [0.0] * n


def set_figsize(figsize=(3.5, 2.5)):
    plt.rcParams['figure.figsize'] = figsize


def synthetic_data(w, b, num_examples):
    X = torch.normal(0, 1, (num_examples, len(w)))
    y = torch.matmul(X, w) + b
    return X, y.reshape((-1, 1))


def linreg(X, w, b):
    return torch.matmul(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def accuracy(y_hat, y):
    return float((y_hat.argmax(axis=1) == y).sum())


def corr2d(X, K):
    h, w = K.shape
    Y = torch.zeros((X.shape[0] - h + 1, X.shape[1] - w + 1))
    return Y
