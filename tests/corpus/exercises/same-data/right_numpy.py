import numpy as np
import torch


def same_iter(batch_size, n, w, b, noise, seed):
    rng = np.random.default_rng(seed)
    X = torch.tensor(rng.normal(size=(n, len(w))), dtype=torch.float32)
    y = X @ w + b + torch.tensor(rng.normal(0, noise, (n, 1)), dtype=torch.float32)
    return zip(X.split(batch_size), y.split(batch_size))
