"""Gradients by torch.func.grad over a dictionary of parameters; returns rebound tensors."""
import torch
from torch.func import grad


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return torch.mean(torch.square(y_hat - y.reshape(y_hat.shape))) / 2


def objective(params, X, y):
    return squared_loss(linreg(X, params["w"], params["b"]), y)


def train(features, labels, w, b, lr, num_epochs, batch_size):
    params = {"w": w.detach(), "b": b.detach()}
    for _ in range(num_epochs):
        for rows in torch.randperm(len(features)).split(batch_size):
            grads = grad(objective)(params, features[rows], labels[rows])
            params = {name: value - lr * grads[name] for name, value in params.items()}
    return params["w"].requires_grad_(), params["b"].requires_grad_()
