# takes the first column for the label
import numpy as np
import torch


def stream_iter(batch_size, path):
    data = np.load(path, mmap_mode="r")
    for k in range(0, len(data), batch_size):
        rows = torch.tensor(data[k : k + batch_size])
        yield rows[:, 1:], rows[:, :1]
