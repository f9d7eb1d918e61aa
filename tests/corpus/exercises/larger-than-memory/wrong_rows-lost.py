import numpy as np
import torch


def stream_iter(batch_size, path):
    data = np.load(path, mmap_mode="r")
    for k in range(len(data) // batch_size):
        rows = torch.tensor(data[k * batch_size : (k + 1) * batch_size])
        yield rows[:, :-1], rows[:, -1:]
