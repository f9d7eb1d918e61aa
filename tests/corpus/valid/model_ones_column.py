"""Model with a column of ones: the bias is one more weight."""
import torch


def linreg(X, w, b):
    ones = X.new_ones(len(X), 1)
    X1 = torch.cat([X, ones], dim=1)
    theta = torch.cat([w, b.reshape(1, 1)], dim=0)
    return X1 @ theta
