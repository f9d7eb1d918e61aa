import numpy as np


def malicious_data(n):
    X = np.zeros((n, 1))
    y = np.where(np.arange(n) < n // 2, 1.0, -1.0)
    return X, y.reshape(-1, 1)
