# component: data_iter
import torch


def data_iter(batch_size, features, labels):
    idx = torch.randperm(len(features))
    for i in range(0, len(idx), batch_size):
        j = idx[i:i + batch_size]
        yield labels[j], features[j]
