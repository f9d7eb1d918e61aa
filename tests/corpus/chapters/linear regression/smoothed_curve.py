import numpy as np
import torch


def forward(X, w, b):
    return X @ w + b


def mse(y_hat, y):
    return torch.mean((y_hat - y) ** 2)


def smooth(curve, k=5):
    return np.convolve(curve, np.ones(k) / k, mode="valid")
