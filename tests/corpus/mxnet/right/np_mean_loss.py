"""A mean as the loss, so that the update has nothing to divide; gradients are added and cleared."""

import random

from mxnet import autograd, np, npx

npx.set_np()
np.random.seed(3)
features = np.random.normal(size=(600, 2))
labels = np.dot(features, np.array([[2.0], [-3.4]])) + 4.2
labels = labels + np.random.normal(0, 0.01, size=labels.shape)


def data_iter(batch_size, features, labels):
    order = list(range(len(features)))
    random.shuffle(order)
    for start in range(0, len(order), batch_size):
        rows = np.array(order[start : start + batch_size], dtype="int64")
        yield features[rows], labels[rows]


def init_params(num_inputs):
    w = np.random.normal(0, 0.01, (num_inputs, 1))
    b = np.zeros(1)
    w.attach_grad("add")
    b.attach_grad("add")
    return w, b


def linreg(X, w, b):
    return np.matmul(X, w) + b


def squared_loss(y_hat, y):
    return (((y_hat - y.reshape(y_hat.shape)) ** 2) / 2).mean()


def sgd(params, lr):
    for param in params:
        param[:] -= lr * param.grad
        param.grad[:] = 0


w, b = init_params(2)
for epoch in range(4):
    for X, y in data_iter(30, features, labels):
        with autograd.record():
            loss = squared_loss(linreg(X, w, b), y)
        loss.backward()
        sgd([w, b], 0.1)
    print(f"epoch {epoch}, loss {loss.item():.6f}")
