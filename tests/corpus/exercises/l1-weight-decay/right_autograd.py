import torch


def l1_step(w, gradient, lr, lambd):
    w = w.clone().requires_grad_()
    (lambd * w.abs().sum() + (gradient * w).sum()).backward()
    with torch.no_grad():
        w -= lr * w.grad
    return w
