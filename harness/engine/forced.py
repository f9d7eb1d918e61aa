"""Forced steps judged: each piece's values against what they should have been.

The states may be those of the reference's own run (`comparison`) or made up (`components`); the
rule is the same. A wrong shape is a divergence in words; what a piece raised is noted and judged as
an error. Nothing here runs a piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from harness.engine.expected import Expected, joined
from harness.engine.forced_run import COLUMNS, Forced
from harness.engine.oracle import Expectation, Oracle
from harness.engine.recipe import Convention
from harness.engine.stage import Divergence, StageRecord
from harness.engine.trace import Stack

# The stage that each column of a forced step belongs to, in the order of the pieces.
STAGE_OF = {
    "prediction": "prediction",
    "loss": "loss",
    "upstream": "gradient",
    "gradient": "gradient",
    "parameter": "parameter",
}


@dataclass(frozen=True)
class Standard:
    """The reference's steps, what they should have been, and how far they were from that.

    `bits` are the reference's own values by stage, where the subject's may be identical to them.
    """

    stack: Stack
    expected: Expectation
    gaps: dict[str, Tensor]
    bits: dict[str, Tensor]


def examine(
    records: dict[str, StageRecord],
    standard: Standard,
    got: Forced,
    oracle: Oracle,
    convention: Convention,
    asked: Sequence[str] = COLUMNS,
) -> None:
    """Judge one stack of forced steps into the records of its stages.

    `convention` is the subject's; `asked` are the columns that are judged.
    """
    _note_faults(records, standard.stack, got, asked)
    values = {name: getattr(got, name) for name in asked if usable(got, name)}
    columns = by_stage(values, standard, oracle)
    for stage, (value, expected) in columns.items():
        # a gradient from the oracle's upstream has no twin to share its bits with
        bits = standard.bits.get(stage)
        equal = bits is None or (bits.shape == value.shape and torch.equal(value, bits))
        exact = value.double()
        if stage == "loss":
            exact = canonical_loss(exact, standard.stack, convention)
        gap = fitting(standard.gaps[stage], exact)
        records[stage].add(standard.stack, exact, expected, gap, equal_bits=equal)


def canonical(stack: Stack, convention: Convention) -> dict[str, Tensor]:
    """A stack's values in units of the mean of the pair's own loss, in float64."""
    return {
        "prediction": stack.prediction.double(),
        "loss": canonical_loss(stack.loss, stack, convention),
        "gradient": stack.gradient.double() / convention.gradient_factor(stack.rows),
        "parameter": stack.after.double(),
    }


def canonical_loss(loss: Tensor, stack: Stack, convention: Convention) -> Tensor:
    """Recorded losses (K, ...) in units of the pair's own loss: means, or by example."""
    rows = stack.micros if loss.shape[1] == len(stack.micros) else (1,)
    factors = [convention.loss_factor(micro) for micro in rows]
    return loss.double() / torch.tensor(factors, dtype=torch.float64, device=loss.device)


def by_stage(
    forced_columns: dict[str, Tensor], standard: Standard, oracle: Oracle
) -> dict[str, tuple[Tensor, Expected]]:
    """The columns beside what they should have been; both kinds of gradient side by side."""
    expected = standard.expected
    columns: dict[str, tuple[Tensor, Expected]] = {}
    for name, value in forced_columns.items():
        if name == "loss":
            columns[name] = (value, oracle.loss_at(standard.stack, value.shape[1]))
        elif name in ("prediction", "parameter"):
            columns[name] = (value, getattr(expected, name))
    slopes = {"gradient": expected.fresh, "upstream": expected.upstream}
    slopes = {name: slope for name, slope in slopes.items() if name in forced_columns}
    if slopes:
        values = [forced_columns[name].to(standard.stack.before) for name in slopes]
        columns["gradient"] = (torch.cat(values, 1), reduce(joined, slopes.values()))
    return columns


def usable(got: Forced, column: str) -> bool:
    """Whether a column holds values of the right shape, all of them computed."""
    return column not in got.raised and column not in got.faults and _followed(got, column)


def _followed(got: Forced, column: str) -> bool:
    """Whether the piece came as far as this column: no slope follows a value that was raised."""
    before = {"gradient": "prediction", "upstream": "loss"}.get(column, column)
    return before not in got.raised


def _note_faults(
    records: dict[str, StageRecord], stack: Stack, got: Forced, asked: Sequence[str]
) -> None:
    for column in asked:
        record = records[STAGE_OF[column]]
        if column in got.faults:
            k, text = got.faults[column]
            record.first = record.first or Divergence(record.stage, *stack.places[k], text=text)
        if column in got.raised:
            record.raised = record.raised or got.raised[column]


def fitting(gap: Tensor, value: Tensor) -> Tensor:
    """The reference's gap value by value; 0 for values that the reference does not have."""
    if gap.shape == value.shape:
        return gap
    fitted = torch.zeros_like(value, dtype=gap.dtype)
    if value.shape[1] > gap.shape[1] > 1:  # gradients, with the upstream ones behind them
        fitted[:, : gap.shape[1]] = gap
    return fitted
