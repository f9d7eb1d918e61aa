import numpy as np
import torch


def stream_iter(batch_size, path):
    data = torch.from_numpy(np.load(path))
    for rows in torch.randperm(len(data)).split(batch_size):
        yield data[rows, :-1], data[rows, -1:]
