import torch

lam, lr = 0.9, 0.1
X, y = torch.randn(50, 2), torch.randn(50, 1)
w = torch.zeros(2, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for epoch in range(10):
    l = ((X @ w + b - y) ** 2).mean()
    l.backward()
    with torch.no_grad():
        for p in (w, b):
            p -= lr * p.grad
            p.grad = None
    lr = lr * lam
