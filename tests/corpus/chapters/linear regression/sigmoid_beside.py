import numpy as np
import torch


def sigmoid(z):
    return 1 / (1 + torch.exp(-z))


def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        yield features[order[i:i + batch_size]], labels[order[i:i + batch_size]]


def net(X, w, b):
    return torch.matmul(X, w) + b


def loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


print(sigmoid(torch.log(torch.tensor(3.0))))
