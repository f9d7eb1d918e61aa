"""Generators with yield from: one for the rows, one for the batches."""
import torch


def chunks(order, size):
    for start in range(0, len(order), size):
        yield order[start : start + size]


def batches(order, size, *tensors):
    yield from (tuple(t[rows] for t in tensors) for rows in chunks(order, size))


def data_iter(batch_size, features, labels):
    yield from batches(torch.randperm(len(features)), batch_size, features, labels)
