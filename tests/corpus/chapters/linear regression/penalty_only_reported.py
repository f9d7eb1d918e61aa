import torch


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def l2_penalty(w):
    return (w ** 2).sum() / 2


w, b = torch.zeros(2, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
X, y = torch.randn(10, 2), torch.randn(10, 1)
for epoch in range(3):
    squared_loss(linreg(X, w, b), y).mean().backward()
    with torch.no_grad():
        for p in (w, b):
            p -= 0.03 * p.grad
            p.grad.zero_()
print("L2 norm of w:", l2_penalty(w).item())
