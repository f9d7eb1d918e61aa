"""What the arguments of a function mean: their kinds, by what learners call them.

A kind is what an argument means, whatever it is called and wherever it stands. Nothing is executed
here: which of two arguments is the label, only running can tell (`detect`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from harness.engine.components import COMPONENTS
from harness.engine.components.role import Role

# What the arguments of the contract are called.
KINDS: dict[str, tuple[str, ...]] = {
    "features": (
        "features",
        "feature",
        "X",
        "x",
        "xs",
        "X_train",
        "x_train",
        "inputs",
        "feats",
        "data",
    ),
    "labels": ("labels", "label", "y", "Y", "ys", "y_train", "targets", "target", "y_true"),
    "data": ("data", "dataset", "data_set"),
    "batch_size": ("batch_size", "bs", "batch", "batchsize", "size", "n_batch", "batch_len", "m"),
    "X": ("X", "x", "features", "feature", "inputs", "input", "data", "xs", "X_batch", "x_batch"),
    "w": ("w", "W", "weight", "weights", "theta", "wt"),
    "b": ("b", "B", "bias", "b0", "intercept"),
    "params": ("params", "parameters", "param", "ps", "weights", "theta", "model_params"),
    "y_hat": (
        *("y_hat", "yhat", "y_pred", "ypred", "pred", "preds", "prediction", "predictions", "out"),
        *("output", "outputs", "y_", "yh", "y_p", "predicted", "y_predict", "estimate", "hat_y"),
    ),
    "y": (
        *("y", "y_true", "ytrue", "label", "labels", "target", "targets", "Y", "y_real", "true"),
        *("truth", "actual", "y_batch", "ground_truth", "y_label", "y_gt", "t"),
    ),
    "grads": ("grads", "gradients", "grad", "gradient"),
    "lr": ("lr", "learning_rate", "eta", "alpha", "step_size", "rate", "lrate", "learn_rate"),
    "num_epochs": (
        *("num_epochs", "epochs", "n_epochs", "num_epoch", "epoch", "max_epochs", "nepochs"),
        *("epoch_num", "n_epoch", "epoch_count", "iterations", "n_iters"),
        *("num_iterations", "n_iterations", "num_iters", "max_iter", "iters", "num_steps", "steps"),
    ),
    "num_inputs": (
        *("num_inputs", "n_inputs", "d", "num_features", "n_features", "in_features", "dim"),
        *("input_dim", "num_input", "n_in", "n", "p", "k", "inputs", "size", "num_feats"),
    ),
    "num_examples": ("num_examples", "n_examples", "num_samples", "n_samples", "n", "N"),
    "sigma": ("sigma", "std", "stddev", "scale"),
} | {kind: names for component in COMPONENTS for kind, names in component.handed_as.items()}


@dataclass(frozen=True)
class Signature:
    """The arguments of a function: those that it needs, and those that it may be given."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    keyword_only: tuple[str, ...] = ()

    @classmethod
    def of(cls, arguments: ast.arguments, *, method: bool = False) -> Signature:
        """The signature of a definition, without `self` where it is a method."""
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)][method:]
        needed = len(names) - len(arguments.defaults)
        by_name = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        forced = [a.arg for a, default in by_name if default is None]
        offered = [a.arg for a in arguments.kwonlyargs if a.arg not in forced]
        return cls(
            (*names[: max(needed, 0)], *forced),
            (*names[max(needed, 0) :], *offered),
            tuple(a.arg for a in arguments.kwonlyargs),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.required, *self.optional)


def arguments(role: Role, signature: Signature) -> tuple[dict[str, str], list[str]]:
    """The kind of each argument, and the names of those that are only guessed by their place.

    Arguments that are not needed and not known are left out.
    """
    kinds: dict[str, str] = {}
    for exact in (True, False):
        for name in signature.names:
            free = [k for k in (*role.takes, *role.other) if k not in kinds.values()]
            kind = next((k for k in free if _means(name, k, exact=exact)), None)
            if name not in kinds and kind and not _excluded(kind, kinds.values()):
                kinds[name] = kind
    kinds = {n: k for n, k in kinds.items() if k != "sigma" or n in signature.required}
    if "data" in role.other and "labels" not in kinds.values():  # both in one argument
        kinds = {n: "data" if n in KINDS["data"] else k for n, k in kinds.items()}
    unknown = [name for name in signature.required if name not in kinds]
    free = [k for k in role.takes if k not in kinds.values() and not _excluded(k, kinds.values())]
    guessed = unknown if len(unknown) <= len(free) else []
    kinds |= dict(zip(guessed, free, strict=False))
    return kinds, guessed


_OR = ({"params"}, {"w", "b"}), ({"data", "loader"}, {"features", "labels"})


def _excluded(kind: str, taken: Iterable[str]) -> bool:
    """Whether something that is there already makes this argument pointless."""
    there = set(taken)
    return any(
        (kind in one and there & other) or (kind in other and there & one) for one, other in _OR
    )


def _means(name: str, kind: str, *, exact: bool) -> bool:
    if exact:
        return name in KINDS[kind]
    lowered = name.lower().strip("_")
    return any(lowered == known.lower() for known in KINDS[kind])
