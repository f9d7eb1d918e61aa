"""The figures that the source documents print, beside what 20 seeds of the same settings give.

The documents: d2l's chapters (MXNet functional form; PyTorch object and concise form) and a
comparison of hand-written and built-in code. Their seeds are unknown, so a printed figure is one
draw; the spread over seeds says whether it is a likely one. Judges no code, only outcomes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from harness.engine.recipe import Recipe
from harness.pairs.linear import BUILTIN, SCRATCH, Form, LinearCase
from harness.pairs.linear_cases import D5

SEEDS = 20
NEAR = 0.25  # five standard deviations of the noise variance estimated from 1000 rows
PARAMETER_ERROR = 1e-2
NOISE_VARIANCE = 0.01**2


@dataclass(frozen=True)
class Source:
    """One printed run: its settings, the losses after each epoch, the largest parameter errors."""

    name: str
    form: Form
    side: str
    weight: tuple[float, ...]
    losses: tuple[float, ...]
    weight_error: float | None = None
    bias_error: float | None = None

    @property
    def recipe(self) -> Recipe:
        """The side that the document trains."""
        return (SCRATCH if self.side == "scratch" else BUILTIN)[self.form]


SOURCES = (
    Source(
        "d2l 0.7, functional, by hand",
        "functional",
        "scratch",
        (2.0, -3.4),
        (0.040925, 0.000158, 0.000050),
        4.5e-4,
    ),
    Source("d2l 1.0, object form, by hand", "object", "scratch", (2.0, -3.4), ()),
    Source(
        "d2l concise, five features, built in",
        "mse",
        "builtin",
        D5,
        (0.000357, 0.000110, 0.000111),
        7.2e-4,
        1.3e-3,
    ),
    Source(
        "comparison, by hand",
        "mse",
        "scratch",
        (2.0, -3.4),
        (0.000404, 0.0001018, 0.0001008),
        4e-4,
        4e-4,
    ),
    Source(
        "comparison, built in",
        "mse",
        "builtin",
        (2.0, -3.4),
        (0.000374, 0.0001007, 0.0001011),
        5e-4,
        3e-4,
    ),
)


RUNS = len(SOURCES) * SEEDS


def published(progress: Callable[[], None] | None = None) -> dict[str, Any]:
    """Run every source's settings over the seeds: the `published` block of the report.

    `progress` is called after each of the `RUNS`.
    """
    rows: list[dict[str, object]] = []
    for source in SOURCES:
        rows += _rows(source, [_train(source, seed, progress) for seed in range(SEEDS)])
    return {"seeds": SEEDS, "rows": rows}


@dataclass(frozen=True)
class Outcome:
    """What one run ended with: loss after each epoch (with the source's ½), parameter errors."""

    losses: list[float]
    weight_error: float
    bias_error: float


def _train(source: Source, seed: int, progress: Callable[[], None] | None) -> Outcome:
    case = LinearCase(
        source.name, "a printed run", form=source.form, weight=source.weight, seed=seed
    )
    data = case.data()
    side = source.recipe.build(case, data)
    step, losses = side.stepper(), []
    for _ in range(case.epochs):
        for batch in side.loader:
            step(batch)
        parameters = torch.cat([p.detach().reshape(-1) for p in side.parameters()])
        losses.append(data.mean_squared_error(parameters) * source.recipe.convention.factor)
    if progress:
        progress()
    error = (parameters.double() - torch.tensor([*case.weight, case.bias])).abs()
    return Outcome(losses, float(error[:-1].max()), float(error[-1]))


def _rows(source: Source, outcomes: list[Outcome]) -> list[dict[str, object]]:
    floor = NOISE_VARIANCE * source.recipe.convention.factor
    rows = []
    for epoch in range(len(outcomes[0].losses)):
        last = epoch == len(outcomes[0].losses) - 1
        values = [outcome.losses[epoch] for outcome in outcomes]
        rows.append(
            _row(
                source,
                f"loss after epoch {epoch}" + (" (½)" if floor < NOISE_VARIANCE else ""),
                source.losses[epoch] if source.losses else None,
                values,
                f"within {NEAR * 100:g} % of {floor:.0e}".replace("e-0", "e-") if last else None,
                ok=all(abs(v / floor - 1) < NEAR for v in values) if last else None,
            )
        )
    for name, printed in (("weight_error", source.weight_error), ("bias_error", source.bias_error)):
        values = [getattr(outcome, name) for outcome in outcomes]
        rows.append(
            _row(
                source,
                f"largest {name.replace('_', ' ')}",
                printed,
                values,
                f"below {PARAMETER_ERROR:g}",
                ok=max(values) < PARAMETER_ERROR,
            )
        )
    return rows


def _row(
    source: Source,
    quantity: str,
    printed: float | None,
    values: list[float],
    bound: str | None,
    *,
    ok: bool | None,
) -> dict[str, object]:
    return {
        "source": source.name,
        "quantity": quantity,
        "printed": printed,
        "median": median(values),
        "low": min(values),
        "high": max(values),
        "bound": bound,
        "ok": ok,
    }
