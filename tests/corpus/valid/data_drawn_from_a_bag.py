"""One row after the other is drawn from a bag, and a batch is served when it is full."""
import random

import torch


def data_iter(batch_size, features, labels):
    bag = set(range(len(features)))
    batch = []
    while bag:
        row = random.choice(sorted(bag))
        bag.remove(row)
        batch.append(row)
        if len(batch) == batch_size or not bag:
            yield features[batch], labels[batch]
            batch = []
