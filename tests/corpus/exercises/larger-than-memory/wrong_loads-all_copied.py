# maps the file, and then copies it whole
import numpy as np
import torch


def stream_iter(batch_size, path):
    data = torch.tensor(np.load(path, mmap_mode="r"))
    for block in data.split(batch_size):
        yield block[:, :-1], block[:, -1:]
