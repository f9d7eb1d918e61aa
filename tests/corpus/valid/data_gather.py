"""gather with expanded indices for the features."""
import torch


def data_iter(batch_size, features, labels):
    for rows in torch.randperm(len(features)).split(batch_size):
        columns = rows.unsqueeze(1).expand(-1, features.shape[1])
        yield features.gather(0, columns), torch.stack([labels[int(r)] for r in rows])
