# component: data_iter
import torch


def data_iter(batch_size, features, labels):
    torch.manual_seed(0)  # reproducible
    perm = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        j = perm[i:i + batch_size]
        yield features[j], labels[j]
