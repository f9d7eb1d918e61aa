"""Comparisons on the CPU and on the device made in Python, as JSON: `test_device` starts it."""

import dataclasses
import json
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from harness.engine.case_comparison import CaseComparison
from harness.engine.pieces import ObjectSGD
from harness.engine.recipe import Batch, Recipe
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase
from harness.pairs.linear_cases import CASES
from tests.wrapped_device import NAME

MSE = SCRATCH["mse"]
# other numbers, but not one operation more than another default case has
NUMBERS_ONLY = {
    *("mse-d5", "functional-d5", "one-feature", "zero-init", "large-init", "float64"),
    *("collinear", "constant-label", "no-noise", "object-d2", "mse-d2", "functional-d2"),
}
# so many rows that an order cannot be repeated by chance, and a short last batch
CASE = LinearCase("two-epochs", "ten steps", num_examples=23, batch_size=5, epochs=2)


def small(case: LinearCase) -> LinearCase:
    """A default case in a handful of steps, its last batch as short as it was."""
    if case.n <= case.batch_size:
        return dataclasses.replace(case, epochs=2)
    rows = 4 if case.batch_size == 1 else 13 if case.n % case.batch_size else 10
    size, micro = min(case.batch_size, 5), case.micro_batch_size and 2
    lr = case.lr if case.lr < 3 else 1e12  # what overflows is to do so in as few
    return dataclasses.replace(
        case, num_examples=rows, batch_size=size, micro_batch_size=micro, epochs=2, lr=lr
    )


class AssignsData:
    """SGD that gives every parameter new values by `.data = `, which no version tells of."""

    def __init__(self, parameters: list[Tensor], lr: float) -> None:
        self.parameters, self.lr = parameters, lr

    def step(self) -> None:
        """Move every parameter to new memory."""
        for parameter in self.parameters:
            assert parameter.grad is not None
            parameter.data = parameter.data - self.lr * parameter.grad

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None


class Served:
    """Serves every row once an epoch, in an order that no DataLoader draws."""

    def __init__(
        self, features: Tensor, labels: Tensor, size: int, generator: torch.Generator
    ) -> None:
        self.whole, self.size, self.generator = (features, labels), size, generator

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self.whole[0]), generator=self.generator).flip(0)
        for rows in order.to(self.whole[0].device).split(self.size):
            yield self.batch(rows)

    def batch(self, rows: Tensor) -> Batch:
        """Features and labels of these rows."""
        X, y = self.whole
        return X[rows], y[rows]


class OneBuffer(Served):
    """Serves all batches in the same memory, written to past the versions."""

    def batch(self, rows: Tensor) -> Batch:
        """The same, written over the batch before."""
        self.buffers = getattr(self, "buffers", super().batch(rows))
        for buffer, part in zip(self.buffers, self.whole, strict=True):
            buffer.data[: len(rows)] = part[rows]
        X, y = self.buffers
        return X[: len(rows)], y[: len(rows)]


def stored_order(features: Tensor, labels: Tensor, size: int, _generator: object) -> Any:
    """Never shuffled: wrong."""
    return list(zip(features.split(size), labels.split(size), strict=True))


def mixes(y_hat: Tensor, y: Tensor) -> Tensor:
    """A weight for each row, left on the CPU: right there, refused elsewhere."""
    return ((y_hat - y) ** 2 * torch.ones(len(y), 1)).mean()


def scaled(y_hat: Tensor, y: Tensor) -> Tensor:
    """Right on every device: a number on the CPU without dimensions may be met."""
    return ((y_hat - y) ** 2 * torch.tensor(1.0)).mean()


SUBJECTS: dict[str, Recipe] = {
    "own-order": dataclasses.replace(MSE, batches=Served),
    "one-buffer": dataclasses.replace(MSE, batches=OneBuffer),
    "stored-order": dataclasses.replace(MSE, batches=stored_order),
    "assigns-data": dataclasses.replace(
        MSE, optimizer=lambda parameters, lr: ObjectSGD(AssignsData, parameters, lr)
    ),
    "half-squares": dataclasses.replace(MSE, loss=SCRATCH["object"].loss),
    "per-example": dataclasses.replace(MSE, loss=SCRATCH["functional"].loss),
    "mixes": dataclasses.replace(MSE, loss=mixes),
    "scaled": dataclasses.replace(MSE, loss=scaled),
}


def on_both(case: LinearCase, subject: Recipe, reference: Recipe) -> dict[str, Any]:
    """The report of one case by device, without what need not be equal."""
    reports = {}
    for device in ("cpu", NAME):
        report = CaseComparison(case.on(device), subject, reference).judge().to_dict()
        reports[device] = {k: v for k, v in report.items() if k not in ("device", "seconds")}
    return reports


def main() -> None:
    """Print every report."""
    torch.set_num_threads(1)
    cases = {
        case.name: on_both(small(case), SCRATCH[case.form], BUILTIN[case.against or case.form])
        for case in CASES
        if case.name not in NUMBERS_ONLY
    }
    subjects = {name: on_both(CASE, made, BUILTIN["mse"]) for name, made in SUBJECTS.items()}
    json.dump({"cases": cases, "subjects": subjects}, sys.stdout)


if __name__ == "__main__":
    main()
