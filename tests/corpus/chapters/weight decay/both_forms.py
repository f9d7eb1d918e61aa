import torch
from torch import nn


def linreg(X, w, b):
    return torch.matmul(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def l2_penalty(w):
    return torch.sum(w.pow(2)) / 2


def train(lambd, train_iter):
    w = torch.normal(0, 1, size=(200, 1), requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    for epoch in range(100):
        for X, y in train_iter:
            l = squared_loss(linreg(X, w, b), y) + lambd * l2_penalty(w)
            l.sum().backward()
            with torch.no_grad():
                for p in (w, b):
                    p -= 0.003 * p.grad / len(X)
                    p.grad.zero_()


def train_concise(wd, train_iter):
    net = nn.Sequential(nn.Linear(200, 1))
    loss = nn.MSELoss(reduction='none')
    trainer = torch.optim.SGD([
        {"params": net[0].weight, 'weight_decay': wd},
        {"params": net[0].bias}], lr=0.003)
    for epoch in range(100):
        for X, y in train_iter:
            trainer.zero_grad()
            loss(net(X), y).mean().backward()
            trainer.step()
