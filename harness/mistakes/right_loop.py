"""The right training loop over a side, which wrong ones differ from by a method.

It holds in every convention: it differentiates the sum of what the loss returns, and tells the
update what that sum is to be divided by.
"""

from __future__ import annotations

from torch import Tensor

from harness.engine.recipe import Batch, Convention, Side


class Loop:
    """The right loop over a side; a wrong one overrides the method it gets wrong."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.convention: Convention = side.recipe.convention

    def fit(self) -> None:
        """Train to the end."""
        for epoch in range(self.side.case.epochs):
            self.epoch(epoch)

    def epoch(self, number: int) -> None:
        """Train on every batch once; epochs count from 0."""
        del number
        for batch in self.side.loader:
            self.step(batch)

    def step(self, batch: Batch) -> None:
        """Clear the gradients, fill them, update."""
        self.side.zero_grad()
        self.backward(batch)
        self.update(len(batch[1]))

    def backward(self, batch: Batch) -> None:
        """Add the gradients of a batch, micro-batch by micro-batch where the case asks for it."""
        X, y = batch
        size = self.side.case.micro_batch_size or len(y)
        for piece in zip(X.split(size), y.split(size), strict=True):
            (self.loss(piece) * self.share(len(piece[1]), len(y))).backward()

    def loss(self, batch: Batch) -> Tensor:
        """What is differentiated, 0-d: the loss, or its sum where it is per example."""
        X, y = batch
        return self.side.loss(self.side.forward(X), y).sum()

    def share(self, rows: int, of: int) -> float:
        """What a micro-batch counts for: its part of a mean, all of it in a sum."""
        return 1.0 if self.convention.reduction == "none" else rows / of

    def update(self, rows: int) -> None:
        """Clip where the case asks for it, and update for a batch of so many rows."""
        if self.side.case.clip:
            self.side.recipe.clip(self.side.parameters(), self.side.case.clip)
        self.side.update(self.convention.divisor(rows))
