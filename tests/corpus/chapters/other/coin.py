import torch

heads, tails = 70.0, 30.0
theta = torch.tensor(0.5, requires_grad=True)
for i in range(100):
    loss = -(heads * torch.log(theta) + tails * torch.log(1 - theta))
    loss.backward()
    with torch.no_grad():
        theta -= 1e-4 * theta.grad
    theta.grad.zero_()
