"""Rows sorted by a random key, taken off a deque batch by batch."""
import random
from collections import deque

import torch


def data_iter(batch_size, features, labels):
    waiting = deque(sorted(range(len(features)), key=lambda _: random.random()))
    while waiting:
        rows = [waiting.popleft() for _ in range(min(batch_size, len(waiting)))]
        yield features[rows, :], labels[rows]
