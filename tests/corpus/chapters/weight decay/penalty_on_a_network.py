import torch
from torch import nn
from d2l import torch as d2l

train_iter = d2l.load_array((torch.randn(20, 200), torch.randn(20, 1)), 5)
net = nn.Sequential(nn.Linear(200, 1))
loss = nn.MSELoss()
updater = torch.optim.SGD(net.parameters(), lr=0.01)


def l1_penalty(w):
    return torch.sum(torch.abs(w))


def train(lambd):
    for i in range(100):
        for x, y in train_iter:
            updater.zero_grad()
            l = loss(net(x), y) + lambd * l1_penalty(net[0].weight)
            l.backward()
            updater.step()
