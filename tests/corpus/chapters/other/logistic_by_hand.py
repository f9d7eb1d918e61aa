import torch

X = torch.randn(200, 2)
y = (X.sum(1, keepdim=True) > 0).float()
w = torch.zeros(2, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)


def sigmoid(z):
    return 1 / (1 + torch.exp(-z))


def model(X):
    return sigmoid(X @ w + b)


def loss_fn(p, y):
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()


for epoch in range(100):
    loss = loss_fn(model(X), y)
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        b -= 0.1 * b.grad
        w.grad.zero_()
        b.grad.zero_()
