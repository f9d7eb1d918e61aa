# -*- coding: utf-8 -*-
import torch
import numpy as np


def data_iter(batch_size, features, labels):
    num_batches = len(features) // batch_size   # 批数
    order = torch.from_numpy(np.random.permutation(len(features)))
    for k in range(num_batches):
        rows = order[k * batch_size:(k + 1) * batch_size]
        yield features[rows], labels[rows]


def linreg(X, w, b):
    return torch.matmul(X, w) + b


def squared_loss(y_hat, y):
    """均方损失"""
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()
