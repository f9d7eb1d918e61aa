import torch


def shuffle(t):
    return t[torch.randperm(len(t))]


def data_iter(features, labels, batch_size):
    X = shuffle(features)
    y = shuffle(labels)
    for i in range(0, len(X), batch_size):
        yield X[i:i + batch_size], y[i:i + batch_size]


def linreg(X, w, b):
    return X @ w + b
