"""The initialisation: a number of features to fresh parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.engine.case import Data
from harness.engine.components.component import Component, ComponentVerdict, Question
from harness.engine.components.role import MODEL_CLASS, Role
from harness.engine.raised import Raised, ReturnedError
from harness.engine.recipe import Recipe
from harness.engine.stage import Divergence, Level

WIDE = 1000  # inputs of the draw whose standard deviation is measured
DRAWS = 4
SIGMA = 0.01
DEVIATION = "deviation of w"
BAND = 6.0  # standard errors that a sample deviation may be off


@dataclass(frozen=True)
class Drawn:
    """Parameters as they were drawn, and what a training step with them raised.

    `shapes`, `dtypes`, `requires_grad` and `is_leaf` are those of weight and bias; `weights`
    (r, WIDE) and `biases` (r,) are wide draws; `gets_gradient` says of each whether it got one.
    """

    shapes: list[tuple[int, ...]]
    dtypes: list[str]
    requires_grad: list[bool]
    is_leaf: list[bool]
    weights: Tensor
    biases: Tensor
    gets_gradient: list[bool]
    raised: Raised | None


class Initialisation(Component[Drawn]):
    """What draws the parameters that a training starts from."""

    name = "init_params"
    piece = "init"
    heading = "The initial parameters: `init_params`"
    roles = (
        Role(
            (
                *("init_params", "initialize_params", "initialize_parameters", "init_weights"),
                *("get_params", "init", "init_parameters", "initialise_params"),
                *("init_model_params",),
            ),
            r"init|get_params|make_params",
            ("num_inputs",),
            ("sigma",),
        ),
    )
    methods = ((MODEL_CLASS, "__init__"),)
    replaces = ("model",)
    reply_type = Drawn

    # How it is asked.

    def reply(self, recipe: Recipe, question: Question, seed: int) -> Drawn:
        """One draw of the case's width and a few wide ones."""
        del seed
        nothing = torch.empty(0)
        try:
            drawn = _pair(recipe.init(question.case.d))
            facts = (
                [tuple(p.shape) for p in drawn],
                [str(p.dtype).removeprefix("torch.") for p in drawn],
                [p.requires_grad for p in drawn],
                [p.is_leaf for p in drawn],
            )
            wide = [_pair(recipe.init(WIDE)) for _ in range(DRAWS)]
            weights = torch.stack([w.detach().reshape(-1).double() for w, _ in wide])
            biases = torch.cat([b.detach().reshape(-1).double() for _, b in wide])
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it may raise what it likes
            raised = Raised.by(error, "parameter", (0, 0))
            return Drawn([], [], [], [], nothing, nothing, [], raised)
        return Drawn(*facts, weights, biases, *self.one_step(question.data, drawn))

    def one_step(
        self, data: Data, drawn: tuple[Tensor, Tensor]
    ) -> tuple[list[bool], Raised | None]:
        """Whether each parameter gets a gradient from one plain step of linear regression."""
        w, b = drawn
        stage = "prediction"
        try:
            y_hat = data.features @ w.reshape(-1, 1) + b
            stage = "gradient"
            (y_hat - data.labels.reshape(y_hat.shape)).square().mean().backward()
        except RuntimeError as error:
            return [False, False], Raised.by(error, stage, (0, 0))
        # a tensor that is no leaf keeps no gradient, and reading it would warn
        return [p.is_leaf and p.grad is not None for p in drawn], None

    # What a reply comes to.

    def judge(
        self, question: Question, reply: Drawn, subject: Recipe, reference: Recipe
    ) -> ComponentVerdict:
        """Leaves of the right shape, dtype and scale, which a training can start from."""
        del subject, reference
        first = self._fault(question, reply)
        level: Level = "different" if first else "error" if reply.raised else "rounding"
        raised = None if first else reply.raised
        return ComponentVerdict(question, level, first, raised, steps=1 + DRAWS)

    def _fault(self, question: Question, drawn: Drawn) -> Divergence | None:
        """The first thing about fresh parameters that is not as it should be, in words."""
        if not drawn.shapes:
            return None
        d = question.case.d
        if drawn.shapes[0] not in ((d, 1), (d,)) or drawn.shapes[1] not in ((1,), ()):
            shapes = " and ".join(map(str, drawn.shapes))
            return _initial("parameter", f"has shapes {shapes}, but should have ({d}, 1) and (1,)")
        if any(dtype != question.case.dtype for dtype in drawn.dtypes):
            kinds = " and ".join(drawn.dtypes)
            return _initial("prediction", f"is of {kinds}, but should be of {question.case.dtype}")
        for name, requires, leaf in zip("wb", drawn.requires_grad, drawn.is_leaf, strict=True):
            if not requires:
                return _initial("gradient", f"of {name} is none: it does not require gradients")
            if not leaf:
                return _initial("gradient", f"of {name} is none: it is no leaf, but made from one")
        return self.off_start(drawn.weights, drawn.biases)

    def off_start(self, weights: Tensor, biases: Tensor) -> Divergence | None:
        """Weights outside the band of six standard errors around N(0, 0.01²), biases not 0."""
        count = weights.numel()
        deviation, mean = float(weights.std()), float(weights.mean())
        bands = (
            (DEVIATION, deviation, SIGMA, BAND * SIGMA / math.sqrt(2 * count)),
            ("mean of w", mean, 0.0, BAND * SIGMA / math.sqrt(count)),
        )
        for what, got, expected, allowed in bands:
            gap = abs(got - expected)
            if not gap <= allowed:
                text = (
                    f"({what}) = {got:.6g}, but should be {expected:.6g} "
                    f"(gap {gap:.1e}, allowed {allowed:.1e})"
                )
                return _initial("parameter", text, what)
        if bool((biases != 0).any()):
            return _initial("parameter", f"(b) = {float(biases[0]):.6g}, but should be 0")
        return None


def _pair(drawn: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    w, b = drawn
    for part in (w, b):
        if not isinstance(part, Tensor):
            raise ReturnedError(Initialisation.name, type(part).__name__, "tensors")
    return w, b


def _initial(stage: str, text: str, what: str | None = None) -> Divergence:
    return Divergence(stage, 0, 0, text=text, what=what)
