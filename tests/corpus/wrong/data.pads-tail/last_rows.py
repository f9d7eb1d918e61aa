# component: data_iter
import torch


def data_iter(batch_size, features, labels):
    n = len(features)
    idx = torch.randperm(n)
    for i in range(0, n, batch_size):
        if i + batch_size > n:
            i = max(n - batch_size, 0)
        rows = idx[i:i + batch_size]
        yield features[rows], labels[rows]
