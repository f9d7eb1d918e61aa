# component: data_iter
import numpy as np
import torch


def data_iter(batch_size, features, labels):
    num_examples = features.shape[0]
    perm = np.random.permutation(num_examples + 1)
    for i in range(0, num_examples + 1, batch_size):
        rows = torch.from_numpy(perm[i:i + batch_size])
        yield features[rows], labels[rows]
