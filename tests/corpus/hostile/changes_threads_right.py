"""Right functions that leave other settings behind: threads, print options, warnings, locale."""
import warnings

import torch

try:
    torch.set_num_threads(7)
    torch.set_num_interop_threads(3)
except RuntimeError:
    pass
torch.set_printoptions(precision=1)
torch.use_deterministic_algorithms(True)
warnings.simplefilter("ignore")


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    warnings.warn("deprecated, but harmless")
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
