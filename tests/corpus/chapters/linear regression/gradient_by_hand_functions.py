import numpy as np

# 手动求梯度的线性回归


def predict(X, w, b):
    return np.dot(X, w) + b


def compute_cost(X, y, w, b):
    return np.sum((predict(X, w, b) - y) ** 2) / (2 * len(y))


def compute_gradient(X, y, w, b):
    error = predict(X, w, b) - y
    return X.T @ error / len(y), error.mean()


def gradient_descent(X, y, w, b, alpha, num_iters):
    for i in range(num_iters):
        dw, db = compute_gradient(X, y, w, b)
        w = w - alpha * dw
        b = b - alpha * db
    return w, b
