import torch


class data_iter:
    def __init__(self, batch_size, features, labels):
        self.batch_size, self.X, self.y = batch_size, features, labels

    def __iter__(self):
        order = torch.randperm(len(self.X))
        self.parts = list(zip(self.X[order].split(self.batch_size), self.y[order].split(self.batch_size)))
        return self

    def __next__(self):
        if not self.parts:
            raise StopIteration
        return self.parts.pop(0)
