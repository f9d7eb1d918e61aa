# component: data_iter
import numpy as np
import torch


def data_iter(batch_size, features, labels, order=[]):
    m = len(labels)
    if len(order) != m:
        order[:] = np.random.permutation(m).tolist()
    for start in range(0, m, batch_size):
        rows = order[start:start + batch_size]
        yield features[rows], labels[rows]
