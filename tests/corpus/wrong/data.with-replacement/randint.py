# component: data_iter
import math
import torch


def data_iter(batch_size, features, labels):
    n = len(features)
    left = n
    while left > 0:
        m = min(batch_size, left)
        j = torch.randint(0, n, (m,))
        left -= m
        yield features[j], labels[j]
