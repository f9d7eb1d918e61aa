# component: data_iter
import random
import torch

def data_iter(batch_size, features, labels):
    n = features.size(0)
    # Fisher-Yates
    for i in range(n - 1, 0, -1):
        j = random.randint(0, i)
        features[[i, j]] = features[[j, i]]
        labels[[i, j]] = labels[[j, i]]
    for s in range(0, n, batch_size):
        e = min(s + batch_size, n)
        yield features[s:e], labels[s:e]
