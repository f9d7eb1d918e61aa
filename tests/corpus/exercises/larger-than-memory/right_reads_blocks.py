import numpy as np
import torch


def stream_iter(batch_size, path):
    with open(path, "rb") as file:
        np.lib.format.read_magic(file)
        (n, columns), _, dtype = np.lib.format.read_array_header_1_0(file)
        for start in range(0, n, batch_size):
            rows = min(batch_size, n - start)
            block = np.frombuffer(file.read(rows * columns * dtype.itemsize), dtype)
            block = torch.tensor(block).reshape(rows, columns)
            yield block[:, :-1], block[:, -1].reshape(-1, 1)
