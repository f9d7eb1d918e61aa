"""An iterator class with __iter__ and __next__."""
import torch


class DataIterator:
    def __init__(self, batch_size, features, labels):
        self.batch_size = batch_size
        self.features, self.labels = features, labels
        self.order = torch.randperm(len(features))
        self.position = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.position >= len(self.order):
            raise StopIteration
        rows = self.order[self.position : self.position + self.batch_size]
        self.position += self.batch_size
        return self.features[rows], self.labels[rows]

    def __len__(self):
        return -(-len(self.order) // self.batch_size)


def data_iter(batch_size, features, labels):
    return DataIterator(batch_size, features, labels)
