"""The order comes from NumPy, shuffled in place."""
import numpy as np
import torch


def data_iter(batch_size, features, labels):
    indices = np.arange(len(features))
    np.random.shuffle(indices)
    indices = torch.from_numpy(indices)
    for i in range(0, len(indices), batch_size):
        yield features[indices[i : i + batch_size]], labels[indices[i : i + batch_size]]
