import torch


def robust_fit(features, labels):
    w = torch.zeros(features.shape[1], 1, requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    for epoch in range(12):
        for rows in torch.randperm(len(features)).split(10):
            (features[rows] @ w + b - labels[rows]).abs().mean().backward()
            with torch.no_grad():
                for p in (w, b):
                    p -= 0.06 * p.grad
                    p.grad.zero_()
    return w, b
