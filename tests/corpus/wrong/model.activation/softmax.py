# component: linreg
import torch

def softmax(z):
    e = torch.exp(z)
    return e / e.sum(1, keepdim=True)

def linreg(X, w, b):
    return softmax(X @ w + b)
