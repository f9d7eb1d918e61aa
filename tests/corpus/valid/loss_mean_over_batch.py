"""The loss is the mean over the batch, so sgd does not divide."""
import torch


def data_iter(batch_size, features, labels):
    indices = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        j = indices[i : i + batch_size]
        yield features[j], labels[j]


def init_params(num_inputs):
    w = torch.zeros(num_inputs, 1)
    w.normal_(mean=0.0, std=0.01)
    b = torch.zeros(1)
    return w.requires_grad_(True), b.requires_grad_(True)


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).mean()


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad
            param.grad.zero_()


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            loss = squared_loss(linreg(X, w, b), y)
            loss.backward()
            sgd([w, b], lr, batch_size)
    return w, b
