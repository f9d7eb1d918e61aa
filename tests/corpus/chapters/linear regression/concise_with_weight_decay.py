import torch
from torch import nn


def linreg(X, w, b):
    return torch.matmul(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


# 简洁实现
wd = 1e-4
net = nn.Linear(2, 1)
trainer = torch.optim.SGD(net.parameters(), lr=0.03, weight_decay=wd)
for epoch in range(3):
    for X, y in [(torch.randn(10, 2), torch.randn(10, 1))]:
        trainer.zero_grad()
        nn.MSELoss()(net(X), y).backward()
        trainer.step()
