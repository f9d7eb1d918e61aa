# component: data_iter
import random
from typing import Iterator, Tuple

import torch
from torch import Tensor


def data_iter(batch_size: int, features: Tensor, labels: Tensor) -> Iterator[Tuple[Tensor, Tensor]]:
    """Go through the data once, batch by batch."""
    idx = list(range(features.shape[0]))
    random.sample(idx, len(idx))
    while idx:
        take, idx = idx[:batch_size], idx[batch_size:]
        yield features[take], labels[take]
