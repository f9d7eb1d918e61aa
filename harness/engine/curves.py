"""What a run looked like, for the reader of a report: curves, drift, losses, where it ended.

Fed with what the comparison has at hand anyway; keeps a few hundred points however long the run.
Nothing here decides a verdict.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from harness.engine.case import Case, Data
from harness.engine.lockstep import Pair
from harness.engine.tolerance import in_ulps
from harness.engine.trace import VALUE_STAGES, Stack

CURVE_POINTS = 200
SHOWN_WEIGHTS = 5


class Curve:
    """A few hundred points of the run for the plots, at a fixed stride of steps."""

    def __init__(self, stride: int) -> None:
        self.stride = stride
        self._steps: list[int] = []
        self._columns: dict[str, list[Tensor]] = {}

    def add(self, steps: list[int], **columns: Tensor) -> None:
        """Keep every stride-th step; `columns` have a row for each of `steps`."""
        chosen = [row for row, step in enumerate(steps) if step % self.stride == 0]
        if chosen:
            self._steps += [steps[row] for row in chosen]
            for name, column in columns.items():
                self._columns.setdefault(name, []).append(column[chosen].cpu())

    def column(self, name: str) -> list[Any]:
        """One column in the order of the steps; "step" is the steps themselves."""
        order = sorted(range(len(self._steps)), key=self._steps.__getitem__)
        if name == "step":
            return [self._steps[row] for row in order]
        values = [row for part in self._columns.get(name, []) for row in part.tolist()]
        return [values[row] for row in order]


class Course:
    """Both sides of one case on their way: `steps` so far, and whether anything has `moved`."""

    def __init__(self, case: Case, data: Data) -> None:
        self.case, self.data = case, data
        self.steps = 0
        self.moved = False
        self.epoch_loss: dict[str, list[float]] = {"subject": [], "reference": []}
        self._furthest = 0.0
        self._curve = Curve(max(1, math.ceil(case.total_steps / CURVE_POINTS)))
        self._last: dict[str, Tensor] = {}

    def follow(
        self,
        subject: Stack,
        reference: Stack,
        mine: dict[str, Tensor],
        theirs: dict[str, Tensor],
        ulps: dict[str, tuple[Tensor, Tensor]],
    ) -> None:
        """Keep what the plots and the final table show: drift, losses, parameters."""
        drift = (mine["parameter"] - theirs["parameter"]).abs().amax(1)
        self._furthest = max(self._furthest, float(drift.max()))
        size = theirs["parameter"].abs().amax(1)
        self._curve.add(
            [self.steps + position for position in subject.positions],
            subject_loss=mine["loss"].mean(1),
            reference_loss=theirs["loss"].mean(1),
            subject_parameters=mine["parameter"],
            reference_parameters=theirs["parameter"],
            drift=in_ulps(drift, size, self.case.torch_dtype),
            **{f"{stage}_ulps": pair[0] for stage, pair in ulps.items()},
            **{f"{stage}_allowed": pair[1] for stage, pair in ulps.items()},
        )
        self.moved = self.moved or not torch.equal(reference.after, reference.before)

    def advance(self, pair: Pair, steps: int) -> None:
        """The loss on all the data at the end of each epoch, and where the parameters are now."""
        mine, theirs = pair.subject, pair.reference
        for k, (epoch, index) in enumerate(mine.places[:steps]):
            if index == 0 and epoch > 0:
                self._epoch_loss(mine.before_each[k], theirs.before_each[k])
        if steps:
            self._last = {
                "subject": mine.after[steps - 1].clone(),
                "reference": theirs.after[steps - 1].clone(),
            }
        self.steps += steps

    def _epoch_loss(self, subject: Tensor, reference: Tensor) -> None:
        for side, parameters in (("subject", subject), ("reference", reference)):
            self.epoch_loss[side].append(self.data.mean_squared_error(parameters))

    def finish(self) -> None:
        """The run is over: the last epoch has its loss too."""
        if self._last:
            self._epoch_loss(self._last["subject"], self._last["reference"])

    def final(self, subject: str, reference: str) -> dict[str, dict[str, object]]:
        """The parameters at the end under these names, beside the truth and the exact minimiser.

        A hidden layer has neither: its parameters are not those of the line, and its best are not
        known.
        """
        found = {
            name: self._parameters(parameters)
            for name, parameters in zip((subject, reference), self._last.values(), strict=False)
        }
        if not self.data.is_linear:
            return found
        if self.data.truth:
            weight, bias = self.data.truth
            found["truth"] = self._parameters(torch.cat((weight, weight.new_tensor([bias]))))
        found["least_squares"] = self._parameters(self.data.least_squares())
        return found

    def _parameters(self, parameters: Tensor) -> dict[str, object]:
        sizes = [start.numel() for start in self.data.initial]
        named = zip(self.case.layout, parameters.double().cpu().split(sizes), strict=True)
        shown = {name: float(v) if name == "b" else v.tolist() for name, v in named}
        loss = {"loss": self.data.mean_squared_error(parameters)}
        return shown | loss if self.data.is_linear else loss | shown  # not behind a long list

    def drifted(self) -> dict[str, object]:
        """How far the parameters of the two free runs went apart."""
        return {
            "step": self._curve.column("step"),
            "gap_ulps": self._curve.column("drift"),
            "max_gap": self._furthest,
        }

    def curve(self) -> dict[str, object]:
        """What is plotted, as in the report."""
        column = self._curve.column
        picked = self._shown()
        return {
            "step": column("step"),
            "subject_loss": column("subject_loss"),
            "reference_loss": column("reference_loss"),
            "gap_ulps": {stage: column(f"{stage}_ulps") for stage in VALUE_STAGES},
            "allowed_ulps": {stage: column(f"{stage}_allowed") for stage in VALUE_STAGES},
            "parameters": {
                "names": list(picked),
                **{
                    side: [
                        [row[i] for row in column(f"{side}_parameters")] for i in picked.values()
                    ]
                    for side in ("subject", "reference")
                },
            },
        }

    def _shown(self) -> dict[str, int]:
        """The first few weights and the last bias: names and places among all parameters."""
        weight, *_, bias = self.case.layout
        last = self.case.num_parameters - 1
        count = min(self.data.initial[0].numel(), SHOWN_WEIGHTS)
        return {f"{weight}[{i}]": i for i in range(count)} | {bias: last}
