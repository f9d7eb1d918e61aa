# component: data_iter
import random
import torch

def data_iter(batch_size, features, labels):
    n = len(features)
    idx = list(range(1, n + 1))
    random.shuffle(idx)
    for i in range(0, n, batch_size):
        j = torch.tensor(idx[i:i + batch_size])
        yield features[j], labels[j]
