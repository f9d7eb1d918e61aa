import torch

X = torch.randn(60, 30)
y = X[:, :3].sum(1, keepdim=True)
w = torch.zeros(30, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
lamda = 0.1
for epoch in range(200):
    fehler = ((X @ w + b - y) ** 2).mean()
    verlust = fehler + lamda * w.abs().sum()
    verlust.backward()
    with torch.no_grad():
        for p in (w, b):
            p -= 0.05 * p.grad
            p.grad.zero_()
