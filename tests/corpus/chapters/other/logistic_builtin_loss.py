import torch
import torch.nn.functional as F

X, y = torch.randn(100, 3), torch.randint(0, 2, (100, 1)).float()
w = torch.zeros(3, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for schritt in range(50):
    F.binary_cross_entropy_with_logits(X @ w + b, y).backward()
    with torch.no_grad():
        for p in (w, b):
            p -= 0.5 * p.grad
            p.grad.zero_()
