# component: data_iter
import torch

def data_iter(batch_size, features, labels):
    n = len(features)
    perm = torch.randperm(n)
    first = 0
    while first < n:
        last = first + batch_size
        rows = perm[first:last + 1]
        yield features[rows], labels[rows]
        first = last + 1
