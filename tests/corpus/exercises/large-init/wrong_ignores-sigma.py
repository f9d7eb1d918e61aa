import torch


def train_from(features, labels, sigma, lr, num_epochs, batch_size):
    w = torch.normal(0, 0.01, (features.shape[1], 1))
    b = torch.zeros(1)
    for _ in range(num_epochs):
        for rows in torch.randperm(len(features)).split(batch_size):
            X, y = features[rows], labels[rows]
            error = X @ w + b - y
            w -= lr * X.T @ error / len(X)
            b -= lr * error.mean()
    return w, b
