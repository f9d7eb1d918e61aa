# component: data_iter
import torch


def data_iter(batch_size, features, labels):
    num_batches = len(features) // batch_size
    perm = torch.randperm(len(features))
    for k in range(num_batches):
        idx = perm[k * batch_size:(k + 1) * batch_size]
        yield features[idx], labels[idx]
