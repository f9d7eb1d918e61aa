import torch


def train_from(features, labels, sigma, lr, num_epochs, batch_size):
    n, d = features.shape
    w = torch.normal(0, sigma, (d, 1), requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    for epoch in range(num_epochs):
        order = torch.randperm(n)
        for i in range(0, n, batch_size):
            rows = order[i : i + batch_size]
            loss = ((features[rows] @ w + b - labels[rows]) ** 2 / 2).mean()
            loss.backward()
            with torch.no_grad():
                for p in (w, b):
                    p -= lr * p.grad
                    p.grad.zero_()
    return w, b
