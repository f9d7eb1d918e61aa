"""Right functions, and a demonstration under the main guard that must not run."""
import torch


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


if __name__ == "__main__":
    squared_loss = None
    raise SystemExit("the demonstration needs data")
