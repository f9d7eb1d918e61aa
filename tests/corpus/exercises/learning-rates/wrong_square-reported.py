import torch


def learning_curves(features, labels, lrs, num_epochs, batch_size):
    curves = torch.zeros(len(lrs), num_epochs)
    for i, lr in enumerate(lrs):
        w, b = torch.zeros(features.shape[1], 1), torch.zeros(1)
        for epoch in range(num_epochs):
            for rows in torch.randperm(len(features)).split(batch_size):
                error = features[rows] @ w + b - labels[rows]
                w = w - lr * features[rows].T @ error / len(rows)
                b = b - lr * error.mean()
            curves[i, epoch] = ((features @ w + b - labels) ** 2).mean()
    return curves
