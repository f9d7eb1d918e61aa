import torch


def linear(X, W, b):
    return X @ W + b


def relu(X):
    return X.clamp(min=0)


def mlp(X, params):
    W1, b1, W2, b2 = params
    return linear(relu(linear(X, W1, b1)), W2, b2)


def mse(y_hat, y):
    return ((y_hat - y) ** 2).mean()


def train(params, X, y, lr=0.1, steps=100):
    for step in range(steps):
        mse(mlp(X, params), y).backward()
        with torch.no_grad():
            for p in params:
                p -= lr * p.grad
                p.grad.zero_()
