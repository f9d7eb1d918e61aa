import math
import torch

data = torch.randn(500) * 3 + 7
mu = torch.zeros(1, requires_grad=True)
log_sigma = torch.zeros(1, requires_grad=True)
opt = torch.optim.Adam([mu, log_sigma], lr=0.05)
for i in range(300):
    opt.zero_grad()
    nll = -torch.distributions.Normal(mu, log_sigma.exp()).log_prob(data).mean()
    nll.backward()
    opt.step()
