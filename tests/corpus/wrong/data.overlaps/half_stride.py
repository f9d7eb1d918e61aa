# component: data_iter
import torch


def data_iter(batch_size, features, labels):
    n = len(features)
    perm = torch.randperm(n)
    step = max(batch_size // 2, 1)
    for i in range(0, n, step):
        j = perm[i:i + batch_size]
        yield features[j], labels[j]
