# component: data_iter
import torch
from torch import Tensor

def batch_of(features: Tensor, labels: Tensor, rows: Tensor):
    return features[rows], labels[rows]

def data_iter(batch_size, features, labels):
    perm = torch.randperm(features.size(0))
    for rows in perm.split(batch_size):
        batch = batch_of(features, labels, rows)
        yield batch
        yield batch_of(features, labels, rows)
