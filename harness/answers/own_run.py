"""What the learner's own run shows beside its parts: a loss that grows, a rate too large, a graph.

Facts only, as kinds and numbers; the words stand in `grading`. A right part stays right: this is
about the file's own data and settings.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal
from unittest.mock import patch

import torch
from torch import Tensor

from harness.answers.component import Piece
from harness.answers.style import Habits

Kind = Literal["not-finite", "grows", "rate", "labels-graph", "features-graph", "start-graph"]
_KEPT = 20_000  # losses of one line
_FEWEST = 5  # below which nothing is said of their course
_GROWN = 1.5
_PLENTY = 4 << 20  # entries of a matrix whose largest singular value is not looked for


@dataclass(frozen=True)
class Sign:
    """One thing that the run shows, at a line of the file, with the numbers that belong to it."""

    kind: Kind
    line: int | None
    values: tuple[float, ...] = ()


@dataclass
class Losses:
    """What the file differentiates while it runs, by the line that does it."""

    filename: str
    by_line: dict[int, list[float]] = field(default_factory=dict)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """See the backward passes that are made meanwhile."""
        with patch.object(torch.autograd, "backward", self._seen(torch.autograd.backward)):
            yield

    def _seen(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            first = tensors if isinstance(tensors, Tensor) else next(iter(tensors), None)
            if isinstance(first, Tensor) and first.numel():
                self._keep(float(first.detach().double().mean()))
            return original(tensors, *args, **kwargs)

        return backward

    def _keep(self, value: float) -> None:
        frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - whose line it is
        while frame is not None and frame.f_code.co_filename != self.filename:
            frame = frame.f_back
        kept = self.by_line.setdefault(frame.f_lineno if frame else 0, [])
        if len(kept) < _KEPT:
            kept.append(value)

    def signs(self) -> Iterator[Sign]:
        """Losses that are no numbers any more, or larger at the end than at the beginning."""
        for line, values in self.by_line.items():
            if not all(map(math.isfinite, values)):
                step = next(k for k, value in enumerate(values) if not math.isfinite(value))
                yield Sign("not-finite", line, (float(step),))
            elif len(values) >= _FEWEST:
                few = max(1, len(values) // 10)
                begun, ended = (statistics.median(v) for v in (values[:few], values[-few:]))
                if ended > _GROWN * begun > 0:
                    yield Sign("grows", line, (begun, ended))


def of_loop(
    piece: Piece, names: Mapping[str, Any], settings: Mapping[str, Any], habits: Habits | None
) -> Iterator[Sign]:
    """What a loop at the top level is given: `names` mean what they did when it was reached."""
    held = {
        kind: value
        for name, kind in piece.names.items()
        if isinstance(value := names.get(name), Tensor)
    }
    graphs: tuple[tuple[str, Kind], ...] = (
        ("labels", "labels-graph"),
        ("features", "features-graph"),
    )
    for name, kind in graphs:
        if name in held and held[name].requires_grad:
            yield Sign(kind, piece.line)
    if any(name in held and not held[name].is_leaf for name in ("w", "b")):
        yield Sign("start-graph", piece.line)
    lr, scale = settings.get("lr"), habits.scale if habits else None
    if isinstance(lr, float) and scale and "features" in held:
        limit = largest_rate(held["features"].detach(), scale)
        if lr > limit:
            yield Sign("rate", piece.line, (lr, limit))


def largest_rate(features: Tensor, scale: float) -> float:
    """2/λmax of `scale` times the mean squared error of a linear model with a bias: (n, d) rows.

    Descent with a larger rate cannot but grow along the steepest direction.
    """
    X = features.reshape(len(features), -1).double()
    if not X.numel() or X.numel() > _PLENTY or not bool(X.isfinite().all()):
        return math.inf
    design = torch.cat((X, X.new_ones(len(X), 1)), 1)
    steepest = 2 * scale / len(X) * float(torch.linalg.eigvalsh(design.T @ design)[-1])
    return 2 / steepest if steepest > 0 else math.inf
