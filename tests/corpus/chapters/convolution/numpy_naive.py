import numpy as np


def conv_forward(x, kernel, bias):
    kh, kw = kernel.shape
    out = np.empty((x.shape[0] - kh + 1, x.shape[1] - kw + 1))
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[r, c] = np.sum(x[r:r + kh, c:c + kw] * kernel) + bias
    return out
