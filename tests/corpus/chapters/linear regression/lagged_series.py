import torch

# предсказание ряда: линейная авторегрессия
x = torch.sin(torch.arange(200.0) / 10)
tau = 4
features = torch.stack([x[i:i - tau] for i in range(tau)], 1)
labels = x[tau:].reshape(-1, 1)
state = {"w": torch.zeros(tau, 1, requires_grad=True), "b": torch.zeros(1, requires_grad=True)}


def vorhersage(features):
    return features @ state["w"] + state["b"]


for epoch in range(10):
    ((vorhersage(features) - labels) ** 2).mean().backward()
    with torch.no_grad():
        for p in state.values():
            p -= 0.1 * p.grad
            p.grad.zero_()
