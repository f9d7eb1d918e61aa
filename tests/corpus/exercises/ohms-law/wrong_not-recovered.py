# stops too early
import torch


def estimate_resistance(voltage, current):
    R = torch.tensor(0.0, requires_grad=True)
    for step in range(10):
        loss = ((R * current - voltage) ** 2 / 2).mean()
        loss.backward()
        with torch.no_grad():
            R -= 0.01 * R.grad
            R.grad.zero_()
    return R
