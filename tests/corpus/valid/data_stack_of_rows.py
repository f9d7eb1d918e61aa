"""Batches are stacks of single rows."""
import random

import torch


def data_iter(batch_size, features, labels):
    pairs = list(zip(features, labels))
    random.shuffle(pairs)
    for start in range(0, len(pairs), batch_size):
        chosen = pairs[start : start + batch_size]
        X = torch.stack([x for x, _ in chosen])
        y = torch.stack([label for _, label in chosen])
        yield X, y
