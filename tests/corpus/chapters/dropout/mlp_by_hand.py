import torch
import d2lzh_pytorch as d2l


def dropout(X, drop_prob):
    X = X.float()
    keep_prob = 1 - drop_prob
    if keep_prob == 0:
        return torch.zeros_like(X)
    mask = (torch.rand(X.shape) < keep_prob).float()
    return mask * X / keep_prob


W1 = torch.normal(0, 0.01, (784, 256), requires_grad=True)
b1 = torch.zeros(256, requires_grad=True)
W2 = torch.normal(0, 0.01, (256, 10), requires_grad=True)
b2 = torch.zeros(10, requires_grad=True)


def net(X, is_training=True):
    X = X.view(-1, 784)
    H1 = (torch.matmul(X, W1) + b1).relu()
    if is_training:
        H1 = dropout(H1, 0.2)
    return torch.matmul(H1, W2) + b2
