"""Every step makes new leaves by detach and requires_grad_; the loop returns the last ones."""
import torch


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for _ in range(num_epochs):
        for rows in torch.randperm(len(features)).split(batch_size):
            loss = squared_loss(linreg(features[rows], w, b), labels[rows]).mean()
            loss.backward()
            w = (w - lr * w.grad).detach().requires_grad_()
            b = (b - lr * b.grad).detach().requires_grad_()
    return w, b
