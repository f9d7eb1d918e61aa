import numpy as np
import torch


def stream_iter(batch_size, path):
    data = np.load(path, mmap_mode="r")
    while True:
        rows = torch.tensor(data[np.random.choice(len(data), min(batch_size, len(data)), False)])
        yield rows[:, :-1], rows[:, -1:]
