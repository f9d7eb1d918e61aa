# component: data_iter
import numpy as np
import torch

SEED = 42

def data_iter(batch_size, features, labels):
    rng = np.random.default_rng(SEED)
    idx = np.arange(len(features))
    rng.shuffle(idx)
    batches = []
    for k in range(0, len(idx), batch_size):
        part = torch.from_numpy(idx[k:k + batch_size])
        batches.append((features[part], labels[part]))
    return batches
