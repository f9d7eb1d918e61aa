"""The sum of the model is taken in double precision and handed back in the dtype of X."""
import torch


def linreg(X, w, b):
    return (X.double() @ w.double() + b.double()).to(X.dtype)
