# component: data_iter
import math
import torch

def data_iter(batch_size, features, labels):
    n = features.shape[0]
    order = torch.randperm(n)
    for k in range(math.ceil(n / batch_size)):
        pos = torch.arange(k * batch_size, (k + 1) * batch_size) % n
        yield features[order[pos]], labels[order[pos]]
