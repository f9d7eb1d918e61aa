import numpy as np
import torch


def stream_iter(batch_size, path):
    data = np.load(path, mmap_mode="r")
    order = np.random.permutation(len(data))
    for i in range(0, len(data), batch_size):
        rows = torch.from_numpy(data[np.sort(order[i : i + batch_size])])
        yield rows[:, :-1], rows[:, -1:]
