"""An own torch.Generator, seeded once when the file is loaded, passed to randperm."""
import torch

g = torch.Generator()
g.manual_seed(7)


def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features), generator=g)
    for rows in torch.split(order, batch_size):
        yield torch.index_select(features, 0, rows), torch.index_select(labels, 0, rows)
