"""The clip: gradients of several parameters to gradients whose joint norm is small enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from harness.engine.case import Case, Data, UpdateRule
from harness.engine.components.component import (
    Component,
    ComponentVerdict,
    Fit,
    Question,
    seeded,
)
from harness.engine.components.role import BuiltIn, Role
from harness.engine.expected import Expected
from harness.engine.pair import Pair
from harness.engine.raised import Raised
from harness.engine.recipe import Recipe
from harness.engine.stage import Divergence, StageRecord

MAX_NORM = 1.5
# Norms of the gradients over the largest that may be: below, at, and above it.
NORMS = (0.0, 1e-6, 0.5, 0.999, 1.0, 1.001, 2.0, 1e4)
SHAPES = ((4, 3), (3,), (1,))  # of parameters whose gradients are of very different size
SIZES = (1.0, 0.1, 10.0)


@dataclass(frozen=True)
class Clipped:
    """The gradients (K, P) that a clip left; what it raised, and a shape that it changed."""

    gradients: Tensor
    raised: Raised | None = None
    fault: str | None = None


class Clip(Component[Clipped]):
    """What scales gradients in place, all together; asked of recipes only, never of answers."""

    name = "clip"
    piece = "clip"
    heading = "The clip"
    roles: ClassVar[tuple[Role, ...]] = ()
    replaces: ClassVar[tuple[BuiltIn, ...]] = ()
    reply_type = Clipped

    def cases(self, pair: Pair, form: str, fit: Fit) -> tuple[Case, ...]:
        """In single and double precision; nothing else of a case matters to it."""
        del form, fit
        first = replace(pair.cases[0], dtype="float32")
        return (first, replace(first, dtype="float64"))

    def made(
        self, base: Recipe, cases: Sequence[Case], rule: UpdateRule, fit: Fit
    ) -> tuple[Question, ...]:
        """A question for each case: gradients of several parameters, of all the `NORMS`."""
        del base, rule, fit
        questions = []
        for case in cases:
            rows = torch.stack(_gradients(case)).to(case.torch_dtype)
            nothing = rows.new_zeros(len(rows))
            questions.append(Question(self, case, Data(rows, nothing, ())))
        return tuple(questions)

    def reply(self, recipe: Recipe, question: Question, seed: int) -> Clipped:
        """Each row of gradients by itself."""
        del seed
        rows = []
        for step, row in enumerate(question.data.features):
            leaves = _leaves(row)
            try:
                recipe.clip(leaves, MAX_NORM)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a clip may raise what it likes
                nothing = torch.full_like(question.data.features, torch.nan)
                return Clipped(nothing, Raised.by(error, "gradient", (0, step)))
            gradients = [torch.empty(0) if p.grad is None else p.grad for p in leaves]
            for gradient, shape in zip(gradients, SHAPES, strict=True):
                if gradient.shape != shape:
                    text = f"has shape {tuple(gradient.shape)}, but should have {shape}"
                    return Clipped(question.data.features, fault=text)
            rows.append(torch.cat([gradient.detach().reshape(-1) for gradient in gradients]))
        return Clipped(torch.stack(rows))

    def judge(
        self, question: Question, reply: Clipped, subject: Recipe, reference: Recipe
    ) -> ComponentVerdict:
        """Held against the reference's own clip in float64."""
        del subject
        record = StageRecord("gradient", question.case.torch_dtype)
        rows = question.data.features
        steps = _Steps([(0, step) for step in range(len(rows))])
        record.raised = reply.raised
        if reply.fault:
            record.first = Divergence("gradient", 0, 0, text=reply.fault)
        elif not reply.raised:
            exact = torch.stack([_joined(reference, row.double()) for row in rows])
            # the norm is rounded as well: its error spreads over all entries
            scale = exact.abs() + exact.norm(dim=1, keepdim=True)
            own = torch.stack([_joined(reference, row) for row in rows])
            record.add(
                steps,
                reply.gradients.double(),
                Expected(exact, scale, rows.shape[1]),
                (own.double() - exact).abs(),
                equal_bits=torch.equal(own, reply.gradients.to(own)),
            )
        return ComponentVerdict(
            question, record.level, record.first, record.raised, record.steps, reference.convention
        )


@dataclass(frozen=True)
class _Steps:
    places: list[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.places)


def _gradients(case: Case) -> list[Tensor]:
    """Rows (P,) in float64, one of each norm."""
    generator = seeded(case)
    rows = []
    for norm in NORMS:
        parts = [
            size * torch.randn(shape, generator=generator, dtype=torch.float64).reshape(-1)
            for shape, size in zip(SHAPES, SIZES, strict=True)
        ]
        row = torch.cat(parts)
        rows.append(row * (norm * MAX_NORM / row.norm()))
    return rows


def _leaves(row: Tensor) -> list[Tensor]:
    """Parameters of zeros whose gradients are a row's (P,)."""
    sizes = [torch.Size(shape).numel() for shape in SHAPES]
    leaves = []
    for part, shape in zip(row.split(sizes), SHAPES, strict=True):
        leaf = torch.zeros(shape, dtype=row.dtype, requires_grad=True)
        leaf.grad = part.reshape(shape).clone()
        leaves.append(leaf)
    return leaves


def _joined(recipe: Recipe, row: Tensor) -> Tensor:
    """A row of gradients (P,) as the recipe clips it."""
    leaves = _leaves(row)
    recipe.clip(leaves, MAX_NORM)
    return torch.cat([leaf.grad.reshape(-1) for leaf in leaves if leaf.grad is not None])
