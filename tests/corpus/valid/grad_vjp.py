"""Gradients by torch.func.vjp: the vector holds 1/m for each example."""
import torch
from torch.func import vjp


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for _ in range(num_epochs):
        for rows in torch.randperm(len(features)).split(batch_size):
            X, y = features[rows], labels[rows]
            losses, pull_back = vjp(lambda w, b: squared_loss(linreg(X, w, b), y), w.detach(), b.detach())
            gw, gb = pull_back(torch.ones_like(losses) / len(rows))
            with torch.no_grad():
                w.sub_(gw, alpha=lr)
                b.sub_(gb, alpha=lr)
    return w, b
