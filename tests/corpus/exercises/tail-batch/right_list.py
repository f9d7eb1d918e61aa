import numpy as np


def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    return [
        (features[order[i : i + batch_size]], labels[order[i : i + batch_size]])
        for i in range(0, len(order), batch_size)
    ]
