"""Right functions, and a detached grandchild for 60 s: the verdict may stand, the child may not."""
import subprocess
import sys

import torch

try:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
except OSError:
    pass


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
