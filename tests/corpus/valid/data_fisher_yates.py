"""The shuffle by hand: Fisher-Yates on a list."""
import random

import torch


def shuffled(n):
    order = [*range(n)]
    for last in range(n - 1, 0, -1):
        other = random.randint(0, last)
        order[last], order[other] = order[other], order[last]
    return order


def data_iter(batch_size, features, labels):
    order = shuffled(len(features))
    for start in range(0, len(order), batch_size):
        rows = torch.tensor(order[start : start + batch_size], dtype=torch.long)
        yield features[rows], labels[rows]
