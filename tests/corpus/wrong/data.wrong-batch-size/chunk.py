# component: data_iter
import torch


def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for rows in torch.chunk(order, batch_size):
        yield features[rows], labels[rows]
