# component: data_iter
import torch

def data_iter(batch_size, features, labels):
    perm = torch.randperm(features.shape[0])
    yield from zip(labels[perm].split(batch_size), features[perm].split(batch_size))
