"""The generators are seeded once, at the top of the file: every epoch still differs."""
import random

import numpy as np
import torch

torch.manual_seed(42)
np.random.seed(42)
random.seed(42)


def data_iter(batch_size, features, labels):
    indices = list(range(len(features)))
    random.shuffle(indices)
    for i in range(0, len(indices), batch_size):
        j = torch.LongTensor(indices[i : i + batch_size])
        yield features.index_select(0, j), labels.index_select(0, j)
