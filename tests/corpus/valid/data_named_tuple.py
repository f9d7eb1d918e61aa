"""Batches are named tuples; islice takes them off one iterator over the order."""
from itertools import islice
from typing import NamedTuple

import torch


class Batch(NamedTuple):
    X: torch.Tensor
    y: torch.Tensor


def data_iter(batch_size, features, labels):
    order = iter(torch.randperm(len(features)).tolist())
    while rows := list(islice(order, batch_size)):
        yield Batch(features[rows], labels[rows])
