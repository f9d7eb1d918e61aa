"""Model of two halves of the batch, put together; a strange but right detour."""
import torch


def linreg(X, w, b):
    half = (len(X) + 1) // 2
    parts = [part.matmul(w).add(b) for part in (X[:half], X[half:])]
    return torch.vstack(parts)
