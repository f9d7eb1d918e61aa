# component: linreg
import torch

def linreg(X, w, b):
    return torch.relu(torch.matmul(X, w) + b)
