# component: data_iter
import random, torch

def data_iter(batch_size, features, labels):
    n = len(features)
    indices = list(range(n))
    random.seed(1)
    random.shuffle(indices)
    for i in range(0, n, batch_size):
        j = torch.LongTensor(indices[i: min(i + batch_size, n)])
        yield features.index_select(0, j), labels.index_select(0, j)
