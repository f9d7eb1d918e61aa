"""The components of a training, each an object: the one tuple of them, and the one look-up by name.

from harness.engine.components import LOSS, by_name
question, *_ = LOSS.questions(BUILTIN["mse"], "mse", seed=3)
verdict = LOSS.judge(question, LOSS.ask(recipe, question), recipe, BUILTIN["mse"])
"""

from __future__ import annotations

from typing import Any

from harness.engine.components.clip import Clip, Clipped
from harness.engine.components.component import (
    Component,
    ComponentVerdict,
    Fit,
    Matched,
    Question,
)
from harness.engine.components.initialisation import Drawn, Initialisation
from harness.engine.components.iterator import DataIterator, Served
from harness.engine.components.loop import Loop
from harness.engine.components.loss import Loss
from harness.engine.components.metric import Metric, Told
from harness.engine.components.model import Model
from harness.engine.components.optimizer import Optimizer
from harness.engine.components.signature import Signature
from harness.engine.components.single_piece import ForcedReply, SinglePiece
from harness.engine.pair import Pair
from harness.engine.trace import Run

__all__ = [
    "CLIP",
    "COMPONENTS",
    "DATA_ITERATOR",
    "INITIALISATION",
    "LOOP",
    "LOSS",
    "METRIC",
    "MODEL",
    "OPTIMIZER",
    "RECIPE_COMPONENTS",
    "Clip",
    "Clipped",
    "Component",
    "ComponentVerdict",
    "DataIterator",
    "Drawn",
    "Fit",
    "ForcedReply",
    "Initialisation",
    "Loop",
    "Loss",
    "Matched",
    "Metric",
    "Model",
    "Optimizer",
    "Question",
    "Reply",
    "Run",
    "Served",
    "Signature",
    "SinglePiece",
    "Told",
    "by_name",
    "of_pair",
]

Reply = ForcedReply | Served | Drawn | Run | Clipped | Told

DATA_ITERATOR = DataIterator()
MODEL = Model()
LOSS = Loss()
OPTIMIZER = Optimizer()
INITIALISATION = Initialisation()
LOOP = Loop()
CLIP = Clip()
METRIC = Metric()

# What answers of learners are asked for.
COMPONENTS: tuple[Component[Any], ...] = (
    DATA_ITERATOR,
    MODEL,
    LOSS,
    OPTIMIZER,
    INITIALISATION,
    LOOP,
)
# What a recipe may bring of its own; an answer brings no clip and no metric.
RECIPE_COMPONENTS: tuple[Component[Any], ...] = (*COMPONENTS, CLIP, METRIC)
_BY_NAME = {component.name: component for component in (*COMPONENTS, METRIC)}


def by_name(name: str) -> Component[Any]:
    """The component that the contract calls so; KeyError where there is none."""
    return _BY_NAME[name]


def of_pair(pair: Pair) -> tuple[Component[Any], ...]:
    """What the recipes of a pair are made of: the metric too, where it has one."""
    return (*COMPONENTS, METRIC) if pair.metrics else COMPONENTS
