# component: data_iter
import torch
from torch.utils.data import DataLoader as Batches

def data_iter(batch_size, features, labels):
    pairs = list(zip(features, labels))
    for X, y in Batches(pairs, batch_size=batch_size, shuffle=True):
        yield X, y
