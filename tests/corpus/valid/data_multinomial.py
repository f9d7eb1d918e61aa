"""torch.multinomial without replacement draws the order."""
import torch


def data_iter(batch_size, features, labels):
    n = features.size(0)
    order = torch.multinomial(torch.ones(n), n, replacement=False)
    begin = 0
    while begin < n:
        end = min(begin + batch_size, n)
        yield features[order[begin:end]], labels[order[begin:end]]
        begin = end
