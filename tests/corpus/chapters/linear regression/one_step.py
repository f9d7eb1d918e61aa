import torch

X, y = torch.randn(5, 2), torch.randn(5, 1)
w = torch.zeros(2, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
loss = ((X @ w + b - y) ** 2).mean()
loss.backward()
print(w.grad, b.grad)
