import torch

x1, x2 = torch.randn(100), torch.randn(100)
y = 2 * x1 - 3 * x2 + 1
w1 = torch.zeros(1, requires_grad=True)
w2 = torch.zeros(1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for epoch in range(100):
    y_hat = x1 * w1 + x2 * w2 + b
    loss = ((y_hat - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        for p in (w1, w2, b):
            p -= 0.1 * p.grad
            p.grad.zero_()
print(torch.relu(w1), torch.sigmoid(w2))
