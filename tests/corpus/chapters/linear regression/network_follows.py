import torch

X = torch.randn(100, 1)
y = 2 * X + 1


def gerade(x, w, b):
    return x @ w + b


def fehler(y_hat, y):
    return ((y_hat - y) ** 2).mean()


w, b = torch.zeros(1, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
for _ in range(50):
    fehler(gerade(X, w, b), y).backward()
    with torch.no_grad():
        for p in (w, b):
            p -= 0.1 * p.grad
            p.grad.zero_()

W1, W2 = torch.randn(1, 8, requires_grad=True), torch.randn(8, 1, requires_grad=True)


def netz(x):
    return torch.relu(x @ W1) @ W2


for _ in range(50):
    fehler(netz(X), y).backward()
    with torch.no_grad():
        for p in (W1, W2):
            p -= 0.1 * p.grad
            p.grad.zero_()
