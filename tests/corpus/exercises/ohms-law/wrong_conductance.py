import torch


def estimate_resistance(voltage, current):
    G = torch.zeros(1, requires_grad=True)
    for step in range(400):
        scale = voltage.std()
        loss = ((G * voltage / scale - current / scale) ** 2).mean()
        (g,) = torch.autograd.grad(loss, G)
        with torch.no_grad():
            G -= 0.1 * g
    return G.item()
