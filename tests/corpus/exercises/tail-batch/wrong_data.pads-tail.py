import torch


def data_iter(batch_size, features, labels):
    n = len(features)
    order = torch.randperm(n)
    for i in range(0, n, batch_size):
        rows = order[i : i + batch_size]
        if len(rows) < batch_size:
            rows = torch.cat([rows, order[: batch_size - len(rows)]])
        yield features[rows], labels[rows]
