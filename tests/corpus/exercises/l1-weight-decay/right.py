import torch


def l1_step(w, gradient, lr, lambd):
    return w - lr * (gradient + lambd * torch.sign(w))
