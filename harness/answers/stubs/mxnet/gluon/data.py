"""`mxnet.gluon.data`: rows of arrays, and batches of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from harness.answers.stubs.mxnet.array import of
from harness.answers.stubs.mxnet.creation import array

__all__ = ["ArrayDataset", "DataLoader", "Dataset"]


class Dataset:
    """What has a length and numbered items."""


class ArrayDataset(Dataset):
    """Rows of arrays side by side."""

    def __init__(self, *arrays: Any) -> None:
        self.arrays = [a if isinstance(a, Tensor) else array(a) for a in arrays]

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> Any:
        parts = tuple(of(a)[index] for a in self.arrays)
        return parts if len(parts) > 1 else parts[0]


class DataLoader:
    """Batches of a dataset, each row once in an epoch."""

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: object = None,
        last_batch: str | None = None,
        **_: Any,
    ) -> None:
        del sampler
        self.dataset = dataset if isinstance(dataset, ArrayDataset) else ArrayDataset(dataset)
        self.batch_size, self.shuffle = batch_size, shuffle
        self.whole = last_batch == "discard"

    def __len__(self) -> int:
        batches = len(self.dataset) / self.batch_size
        return math.floor(batches) if self.whole else math.ceil(batches)

    def __iter__(self) -> Iterator[Any]:
        n = len(self.dataset)
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        for rows in order.split(self.batch_size)[: len(self)]:
            yield self.dataset[rows]
