# component: sgd
import torch as t

def squared_loss(y_hat, y):
    e = y_hat - y.reshape(y_hat.shape)
    return e ** 2 / 2

def linear_reg(X, w, b):
    return X @ w + b

def SGD(params, lr, batch_size):
    "one step of gradient descent"
    delta = []
    for p in params:
        delta.append(lr * p.grad / batch_size)
    for p, d in zip(params, delta):
        p.data -= d
    for i, p in enumerate(params):
        p.data.sub_(delta[i])
        p.grad.zero_()

X_all = t.randn(40, 2)
y_all = X_all @ t.tensor([[2.0], [-3.4]]) + 4.2
w = t.normal(0, 0.01, (2, 1), requires_grad=True)
b = t.zeros(1, requires_grad=True)
for epoch in range(2):
    for rows in t.randperm(40).split(8):
        X, y = X_all[rows], y_all[rows]
        squared_loss(linear_reg(X, w, b), y).sum().backward()
        SGD([w, b], 0.01, len(X))
