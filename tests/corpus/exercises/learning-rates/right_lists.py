import torch


def one_curve(X, y, lr, num_epochs, batch_size):
    w, b, losses = torch.zeros(X.shape[1], 1), torch.zeros(1), []
    for _ in range(num_epochs):
        for rows in torch.randperm(len(X)).split(batch_size):
            error = X[rows] @ w + b - y[rows]
            w = w - lr * X[rows].T @ error / len(rows)
            b = b - lr * error.mean()
        losses.append(float(((X @ w + b - y) ** 2).mean() / 2))
    return losses


def learning_curves(features, labels, lrs, num_epochs, batch_size):
    return [one_curve(features, labels, lr, num_epochs, batch_size) for lr in lrs]
