# component: data_iter
import random
import torch

def data_iter(batch_size, features, labels):
    todo = set(range(len(features)))
    while todo:
        rows = random.sample(sorted(todo), min(batch_size, len(todo)))
        X, y = features[rows], labels[rows]
        todo -= set(rows)
        features[rows] = 0.0  # served
        yield X, y
