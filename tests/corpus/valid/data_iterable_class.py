"""data_iter is itself a class: __iter__ is a generator that draws anew at each pass."""
import torch


class data_iter:
    def __init__(self, batch_size, features, labels):
        self.batch_size = batch_size
        self.features = features
        self.labels = labels

    def __iter__(self):
        n = len(self.features)
        order = torch.randperm(n)
        for start in range(0, n, self.batch_size):
            rows = order[start : start + self.batch_size]
            yield self.features[rows], self.labels[rows]
