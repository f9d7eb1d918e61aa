# component: data_iter
import numpy as np
import torch


class data_iter:
    def __init__(self, batch_size, features, labels):
        self.bs = batch_size
        self.X = features
        self.y = labels

    def __len__(self):
        return len(self.X) // self.bs

    def __iter__(self):
        self.order = np.random.permutation(len(self.X))
        self.pos = 0
        return self

    def __next__(self):
        if self.pos >= len(self):
            raise StopIteration
        lo = self.pos * self.bs
        self.pos += 1
        rows = self.order[lo:lo + self.bs]
        return self.X[rows], self.y[rows]
