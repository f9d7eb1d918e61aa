import torch


def learning_curves(features, labels, lrs, num_epochs, batch_size):
    curves = torch.zeros(len(lrs), num_epochs)
    for i, lr in enumerate(lrs):
        w = torch.zeros(features.shape[1], 1, requires_grad=True)
        b = torch.zeros(1, requires_grad=True)
        for epoch in range(num_epochs):
            for rows in torch.randperm(len(features)).split(batch_size):
                loss = ((features[rows] @ w + b - labels[rows]) ** 2 / 2).mean()
                loss.backward()
                with torch.no_grad():
                    for p in (w, b):
                        p -= lr * p.grad
                        p.grad.zero_()
            with torch.no_grad():
                curves[i, epoch] = ((features @ w + b - labels) ** 2 / 2).mean()
    return curves
