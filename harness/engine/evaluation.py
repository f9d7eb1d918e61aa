"""The evaluation stage: what a model predicts after an epoch, in evaluation mode, and its metric.

For pairs that have a metric, such as the accuracy of a classifier. Both are asked at the
reference's states, like the forced pass: the predictions on all the data, in evaluation mode, and
the metric of predictions that both sides are given. What is carried beside the parameters must stay
as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.engine.case import Case, Data
from harness.engine.expected import Expected
from harness.engine.oracle import Oracle
from harness.engine.raised import Raised, plain_tensor
from harness.engine.recipe import Side
from harness.engine.stage import Divergence, StageRecord

ROWS = 1024  # rows of the data that are evaluated, at most


@dataclass(frozen=True)
class _Place:
    """One place of a run, where a stage is judged."""

    places: list[tuple[int, int]]

    def __len__(self) -> int:
        return 1


class Evaluation:
    """What the subject's model and metric give at the end of each epoch."""

    def __init__(self, case: Case, data: Data, side: Side, reference: Side, oracle: Oracle) -> None:
        self.side, self.reference, self.oracle = side, reference, oracle
        self.X, self.y = data.features[:ROWS], data.labels[:ROWS]
        self.record = StageRecord("evaluation", case.torch_dtype)

    def judge(self, state: Tensor, epoch: int) -> None:
        """Judge both at a state (P + C,) of the reference, which an epoch left."""
        place = (epoch, 0)
        try:
            y_hat = self._predictions(state, place)
            if self.side.recipe.metric is not None:
                self._metric(y_hat, place)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a subject may raise what it likes
            raised = Raised.by(error, "evaluation", place)
            self.record.raised = self.record.raised or raised

    def _predictions(self, state: Tensor, place: tuple[int, int]) -> Tensor:
        """The reference's predictions as the pair reads them, once the subject's are judged."""
        for side in (self.side, self.reference):
            sizes = [held.numel() for held in side.state()]
            side.load(state.split(sizes))
        before = [value.clone() for value in self.side.carried()]
        mine = plain_tensor(self.side.evaluated(self.X.clone()), "the model")
        if any(not torch.equal(*both) for both in zip(before, self.side.carried(), strict=True)):
            self._diverge(place, "changes what the model carries beside its parameters")
        theirs = self._common(self.reference, self.reference.evaluated(self.X))
        if mine.shape[:1] != theirs.shape[:1] or mine.numel() != theirs.numel():
            self._diverge(place, f"has shape {tuple(mine.shape)} for {len(self.X)} rows")
            return theirs
        expected = self.oracle.evaluated(state, self.X)
        gap = (theirs.reshape(1, -1) - expected.value).abs()
        value = self._common(self.side, mine).reshape(1, -1)
        same = bool(torch.equal(value, theirs.reshape(1, -1)))
        self.record.add(_Place([place]), value, expected, gap, equal_bits=same)
        self.record.measure(expected, gap)
        return theirs

    def _metric(self, y_hat: Tensor, place: tuple[int, int]) -> None:
        """The metric of the reference's predictions, by both sides."""
        assert self.side.recipe.metric is not None
        assert self.reference.recipe.metric is not None
        values = []
        for side in (self.side, self.reference):
            own = side.recipe.reading.own(y_hat).to(side.data.initial[0])
            metric = side.recipe.metric
            assert metric is not None
            values.append(metric(own, self.y.clone()).detach().double().reshape(1, -1))
        got, right = values
        if got.shape != right.shape:
            self._diverge(place, f"has a metric of shape {tuple(got.shape)}, but should have one")
            return
        expected = Expected(right, right.abs() + 1, 1)
        nothing = torch.zeros_like(right)
        equal = torch.equal(got, right)
        self.record.add(_Place([place]), got, expected, nothing, equal_bits=equal)

    def _common(self, side: Side, y_hat: Tensor) -> Tensor:
        return side.recipe.reading.common(y_hat.double())

    def _diverge(self, place: tuple[int, int], text: str) -> None:
        self.record.first = self.record.first or Divergence("evaluation", *place, text=text)
