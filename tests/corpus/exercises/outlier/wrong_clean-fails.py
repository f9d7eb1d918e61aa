# stops long before it is there
import torch


def robust_fit(features, labels):
    w = torch.zeros(features.shape[1], 1)
    b = torch.zeros(1)
    for step in range(20):
        slope = (features @ w + b - labels).sign()
        w -= 0.01 * features.T @ slope / len(features)
        b -= 0.01 * slope.mean()
    return w, b
