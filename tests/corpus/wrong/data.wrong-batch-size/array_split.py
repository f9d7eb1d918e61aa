# component: data_iter
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    return [(features[part], labels[part]) for part in np.array_split(order, batch_size) if len(part)]
