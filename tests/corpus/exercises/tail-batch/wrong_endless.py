import torch


def data_iter(batch_size, features, labels):
    while True:
        rows = torch.randperm(len(features))[:batch_size]
        yield features[rows], labels[rows]
