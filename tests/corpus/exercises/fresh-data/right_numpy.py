import numpy as np
import torch


def fresh_iter(batch_size, n, w, b, noise):
    X = np.random.normal(size=(n, len(w))).astype("float32")
    y = X @ w.numpy() + b.numpy() + np.random.normal(0, noise, (n, 1)).astype("float32")
    return list(zip(torch.tensor(X).split(batch_size), torch.tensor(y).split(batch_size)))
