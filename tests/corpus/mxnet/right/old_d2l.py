"""`import d2l` as it was when the book had MXNet alone; w, labels and predictions are vectors."""

import d2l
from mxnet import autograd, np, npx
import random

npx.set_np()
d2l.use_svg_display()
true_w, true_b = np.array([2, -3.4]), 4.2
features = np.random.normal(0, 1, (1000, 2))
labels = np.dot(features, true_w) + true_b
labels += np.random.normal(0, 0.01, labels.shape)
d2l.set_figsize((3.5, 2.5))
d2l.plt.scatter(features[:, 1].asnumpy(), labels.asnumpy(), 1)


def data_iter(batch_size, features, labels):
    num_examples = len(features)
    indices = list(range(num_examples))
    random.shuffle(indices)
    for i in range(0, num_examples, batch_size):
        batch_indices = np.array(indices[i : min(i + batch_size, num_examples)])
        yield features[batch_indices], labels[batch_indices]


w = np.random.normal(0, 0.01, (2,))
b = np.zeros(1)
w.attach_grad()
b.attach_grad()


def linreg(X, w, b):
    return np.dot(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y) ** 2 / 2


def sgd(params, lr, batch_size):
    for param in params:
        param[:] = param - lr * param.grad / batch_size


lr = 0.03
for epoch in range(3):
    for X, y in data_iter(10, features, labels):
        with autograd.record():
            l = squared_loss(linreg(X, w, b), y)
        l.backward()
        sgd([w, b], lr, 10)
