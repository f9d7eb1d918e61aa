# component: init_params
import random
import torch as t

def init_params(num_inputs):
    """random weights, zero bias"""
    return t.randn(num_inputs, 1) * 0.01, t.zeros(1)

def data_iter(batch_size, features, labels):
    idx = list(range(len(features)))
    random.shuffle(idx)
    for i in range(0, len(idx), batch_size):
        j = t.tensor(idx[i:i + batch_size])
        yield features[j], labels[j]

def linreg(X, w, b):
    return t.matmul(X, w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    with t.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()

w, b = init_params(2)
features = t.randn(100, 2)
labels = t.matmul(features, t.tensor([[2.0], [-3.4]])) + 4.2
for epoch in range(3):
    for X, y in data_iter(10, features, labels):
        l = squared_loss(linreg(X, w, b), y)
        l.sum().backward()
        sgd([w, b], 0.03, len(X))
