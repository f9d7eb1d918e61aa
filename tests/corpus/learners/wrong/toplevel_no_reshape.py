import torch
import matplotlib.pyplot as plt

features = torch.randn(1000, 2)
labels = features @ torch.tensor([2, -3.4]) + 4.2   # (1000,)
labels += 0.01 * torch.randn(1000)
plt.scatter(features[:, 1], labels)
plt.show()

def data_iter(batch_size, features, labels):
    perm = torch.randperm(len(features))
    for i in range(0, len(perm), batch_size):
        yield features[perm[i:i + batch_size]], labels[perm[i:i + batch_size]]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return (y_hat - y) ** 2 / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()

w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
net = linreg
loss = squared_loss
for epoch in range(3):
    for X, y in data_iter(10, features, labels):
        l = loss(net(X, w, b), y)
        l.mean().backward()
        sgd([w, b], 0.03, 1)
    print(epoch, l.mean().item())   # why does it not go down??
