import torch

X, y = torch.randn(40, 2), torch.randn(40, 1)
theta = torch.zeros(3, 1, requires_grad=True)
A = torch.cat((X, torch.ones(40, 1)), 1)
for i in range(100):
    loss = torch.norm(A @ theta - y) ** 2 / 40
    loss.backward()
    with torch.no_grad():
        theta -= 0.01 * theta.grad
    theta.grad.zero_()
    print(i, torch.log10(loss).item())
