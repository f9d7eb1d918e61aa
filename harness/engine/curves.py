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
from harness.engine.lockstep import PairedChunks
from harness.engine.oracle import Oracle
from harness.engine.tolerance import in_ulps
from harness.engine.trace import VALUE_STAGES, Stack

CURVE_POINTS = 200
SHOWN_WEIGHTS = 5
LISTED_WEIGHTS = 100  # a parameter with more entries is shown by its norm


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

    def __init__(self, case: Case, data: Data, oracle: Oracle) -> None:
        self.case, self.data, self.oracle = case, data, oracle
        self.steps = 0
        self.moved = False
        self.epoch_loss: dict[str, list[float]] = {"subject": [], "reference": []}
        self.epoch_metrics: dict[str, dict[str, list[float]]] = {
            name: {"subject": [], "reference": []} for name in case.pair.metrics
        }
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

    def advance(self, pair: PairedChunks, steps: int) -> None:
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
            self.epoch_loss[side].append(self.oracle.loss_over(self.data, parameters))
            for name, value in self._metrics(parameters).items():
                self.epoch_metrics[name][side].append(value)

    def finish(self) -> None:
        """The run is over: the last epoch has its loss too."""
        if self._last:
            self._epoch_loss(self._last["subject"], self._last["reference"])

    def final(self, subject: str, reference: str) -> dict[str, dict[str, object]]:
        """The parameters at the end under these names, beside the truth and the exact minimiser.

        A pair says which of these there are.
        """
        finals = {
            name: self._parameters(parameters)
            for name, parameters in zip((subject, reference), self._last.values(), strict=False)
        }
        landmarks = self.case.pair.landmarks(self.case, self.data)
        return finals | {name: self._parameters(values) for name, values in landmarks.items()}

    def _parameters(self, state: Tensor) -> dict[str, object]:
        """The parameters by name, those of many entries by their norm, with the loss they give."""
        state = state.double().cpu()
        sizes = [start.numel() for start in self.data.initial]
        parts = state[: sum(sizes)].split(sizes)
        shown: dict[str, object] = {}
        for name, values in zip(self.case.layout, parts, strict=True):
            if name in self.case.pair.scalars:
                shown[name] = float(values)
            elif values.numel() > LISTED_WEIGHTS:
                shown[f"|{name}|"] = float(values.norm())
            else:
                shown[name] = values.tolist()
        numbers = {"loss": self.oracle.loss_over(self.data, state), **self._metrics(state)}
        # not behind a long list
        return shown | numbers if sum(sizes) <= SHOWN_WEIGHTS + 1 else numbers | shown

    def _metrics(self, state: Tensor) -> dict[str, float]:
        """What the pair shows beside the loss, over all the data."""
        metrics = self.case.pair.metrics
        if not metrics:
            return {}
        y_hat = self.oracle.predict(state, self.data.features, training=False)
        return {name: float(metric(y_hat, self.data.labels)) for name, metric in metrics.items()}

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
        weight, *others = self.case.layout
        count = min(self.data.initial[0].numel(), SHOWN_WEIGHTS)
        shown = {f"{weight}[{i}]": i for i in range(count)}
        return shown | ({others[-1]: self.case.num_parameters - 1} if others else {})
