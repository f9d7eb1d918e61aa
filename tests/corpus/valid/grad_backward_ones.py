"""backward with a vector of ones instead of a sum, gradients cleared after the step."""
import torch


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for _ in range(num_epochs):
        for rows in torch.randperm(len(features)).split(batch_size):
            l = squared_loss(linreg(features[rows], w, b), labels[rows])
            l.backward(torch.ones_like(l))
            sgd([w, b], lr, len(rows))
            w.grad.data.zero_()
            b.grad.data.zero_()
    return w, b
