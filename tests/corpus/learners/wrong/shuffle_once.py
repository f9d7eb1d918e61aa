import random
import torch

features = torch.randn(1000, 2)
labels = features.matmul(torch.tensor([[2.0], [-3.4]])) + 4.2
indices = list(range(1000))
random.shuffle(indices)


def data_iter(batch_size, features, labels):
    order = [i for i in indices if i < len(features)] + list(range(1000, len(features)))
    for i in range(0, len(features), batch_size):
        j = torch.tensor(order[i:i + batch_size])
        yield features[j], labels[j]


def linreg(X, w, b):
    return torch.matmul(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
