import torch


def data_iter(batch_size, features, labels):
    n = len(features)
    order = torch.randperm(n).tolist()
    for i in range(0, n, batch_size):
        rows = [order[k] for k in range(i, i + batch_size)]
        yield features[rows], labels[rows]
