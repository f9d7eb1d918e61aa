import torch
from torch import nn
from torchvision import datasets, transforms

train = datasets.FashionMNIST("data", train=True, transform=transforms.ToTensor(), download=True)
loader = torch.utils.data.DataLoader(train, batch_size=256, shuffle=True)
W = torch.normal(0, 0.01, (784, 10), requires_grad=True)
b = torch.zeros(10, requires_grad=True)
loss = nn.CrossEntropyLoss()


def net(X):
    return X.reshape(-1, 784) @ W + b


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()


for epoch in range(5):
    for X, y in loader:
        l = loss(net(X), y)
        l.backward()
        sgd([W, b], 0.1, 1)
