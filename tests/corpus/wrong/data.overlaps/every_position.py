# component: data_iter
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = list(np.random.permutation(len(features)))
    for start in range(len(order)):
        picked = order[start:start + batch_size]
        yield features[picked], labels[picked]
