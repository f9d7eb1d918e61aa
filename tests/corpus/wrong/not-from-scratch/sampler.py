# component: data_iter
import torch
import torch.utils.data as tud

class data_iter:
    def __init__(self, batch_size, features, labels):
        both = tud.TensorDataset(features, labels)
        order = tud.RandomSampler(both)
        self.inner = tud.DataLoader(both, batch_sampler=tud.BatchSampler(order, batch_size, False))

    def __iter__(self):
        return iter(self.inner)
