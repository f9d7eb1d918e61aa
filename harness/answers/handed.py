"""What a learner's loop is called with, by kind: the side's data, parameters and stand-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.answers import doubles
from harness.answers.batches import Loader

if TYPE_CHECKING:
    from harness.answers.conductor import Conductor


def handed_to(conductor: Conductor) -> dict[str, Any]:
    """What the loop is called with, by kind."""
    case, data = conductor.side.case, conductor.side.data
    w, b = conductor.passed
    features, labels = (
        conductor.manner.features(data.features),
        conductor.manner.labels(data.labels),
    )
    return {
        "features": features,
        "labels": labels,
        "data": (features, labels),
        "w": w,
        "b": b,
        "theta": conductor.theta,
        "params": [w, b] if conductor.theta is None else [conductor.theta],
        "lr": conductor.side.lr,
        "num_epochs": case.epochs,
        "batch_size": case.batch_size,
        "net": conductor.net,
        "loss": conductor.loss,
        "update": conductor.update,
        "batches": conductor.batches,
        "X": features[: case.batch_size],
        "y": labels[: case.batch_size],
        "loader": Loader(conductor, once=_once(conductor)),
        "model": conductor.model,
        "data_module": doubles.DataModule(
            lambda: Loader(conductor, once=False), case.batch_size, (case.n, 0)
        ),
        "sigma": 0.01,
        "num_examples": case.n,
        "num_inputs": case.d,
    }


def _once(conductor: Conductor) -> bool:
    """Whether what the loop goes through can be gone through once."""
    name = next((n for n, kind in conductor.piece.names.items() if kind == "loader"), "")
    made = conductor.file.namespace.get(name)
    return conductor.once if made is None else iter(made) is made
