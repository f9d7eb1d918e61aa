"""What the rules of several exercises share: values held against the right ones, and training.

A wrong value is named by value: by the wrong answer that gives the same on every call. Training is
the engine's own, in float64. No exercise stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from harness.engine.recipe import Recipe
from harness.engine.tolerance import allowance
from harness.exercises.exercise import Arrays, Call, Reply, Rule, Wrong, place
from harness.pairs.linear import SCRATCH, LinearCase, LinearData

Answer = Callable[[Call], np.ndarray | tuple[np.ndarray, ...]]
HALF, MSE = SCRATCH["object"], SCRATCH["mse"]
LENGTH = 100  # terms that a value may sum up, for what rounding is allowed


def expected(answer: Answer, call: Call) -> Arrays:
    """What an answer gives for a call, as float64 arrays."""
    given = answer(call)
    parts = given if isinstance(given, tuple) else (given,)
    return tuple(np.asarray(part, dtype=np.float64) for part in parts)


def parts_of(reply: Reply, count: int) -> Arrays:
    """The arrays of a reply; so many numbers in one array are as many arrays."""
    only = reply.arrays[0] if len(reply.arrays) == 1 else None
    if only is not None and count > 1 and only.shape == (count,):
        return tuple(only)
    return reply.arrays


def stacked(reply: Reply) -> np.ndarray:
    """The one array of a reply; arrays of equal shapes are its rows."""
    if len({array.shape for array in reply.arrays}) > 1:
        return np.empty(0)
    return np.stack(reply.arrays) if len(reply.arrays) > 1 else reply.arrays[0]


def allowed(right: np.ndarray, length: int = LENGTH) -> float:
    """How far float32 may be from these values: rounding, by the largest of them.

    The inputs are of the size of 1, so nothing small is more than what was cancelled out of that.
    """
    scale = torch.tensor(float(np.abs(right).max(initial=1.0)), dtype=torch.float64)
    return float(allowance(scale, torch.zeros_like(scale), torch.float32, length))


def difference(where: str, got: np.ndarray, right: np.ndarray, limit: float) -> str | None:
    """The first entry that is further from what it should be than `limit`, in one sentence."""
    gap = np.abs(got.astype(np.float64) - right)
    over = np.flatnonzero(~(gap <= limit))
    if not len(over):
        return None
    at = over[0]
    indices = ", ".join(str(index) for index in np.unravel_index(at, right.shape))
    entry = f" entry ({indices})" if right.ndim else ""
    return (
        f"{where}{entry} = {got.ravel()[at]:.6g}, but should be {right.ravel()[at]:.6g} "
        f"(gap {gap.ravel()[at]:.1e}, allowed {limit:.1e})"
    )


def mismatch(call: Call, at: int, got: Arrays, right_results: Arrays) -> Wrong | None:
    """Wrong shapes or values of the results of one call."""
    where = place(call, at)
    if len(got) != len(right_results):
        message = f"{where} returns {_count(got)}, but should return {len(right_results)}"
        return Wrong("shape", message)
    names = [""] if len(right_results) == 1 else [f" result {k}" for k in range(len(right_results))]
    if call.observe == "gradient":
        names = ["", f" gradient by {next(iter(call.arguments))}"]
    for name, mine, right in zip(names, got, right_results, strict=True):
        if mine.shape != right.shape:
            message = f"{where}{name} has the shape {mine.shape}, but should have {right.shape}"
            return Wrong("shape", message)
        message = difference(where + name, mine, right, allowed(right)) or ""
        if message:
            return Wrong("value", message)
    return None


def _count(arrays: Arrays) -> str:
    return "1 array" if len(arrays) == 1 else f"{len(arrays)} arrays"


def parameter_difference(
    where: str, got: np.ndarray, right: np.ndarray, limit: float
) -> str | None:
    """The first of w and b, joined in both, that is further off than `limit`."""
    weight = difference(f"{where} w", got[:-1], right[:-1], limit)
    return weight or difference(f"{where} b", got[-1], right[-1], limit)


@dataclass(frozen=True)
class ByValue:
    """A rule: every reply equals what one of the `right` answers gives, within rounding.

    Replies that equal instead what a `wrong` answer gives on every call have that fault.
    """

    right: tuple[Answer, ...]
    wrong: Mapping[str, Sequence[Answer]]

    def __call__(self, calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
        """The first difference, named where it can be."""
        differences = [self._first(answer, calls, replies) for answer in self.right]
        if None in differences:
            return None
        first = next((w for w in differences if w and w.fault == "value"), differences[0])
        assert first is not None
        for fault, answers in self.wrong.items():
            if any(self._first(answer, calls, replies) is None for answer in answers):
                return Wrong(fault, first.message)
        return first

    def _first(
        self, answer: Answer, calls: Sequence[Call], replies: Sequence[Reply]
    ) -> Wrong | None:
        for at, (call, reply) in enumerate(zip(calls, replies, strict=True)):
            results = expected(answer, call)
            got = parts_of(reply, len(results))
            wrong = mismatch(call, at, got, results)
            if wrong:
                return wrong
        return None


def by_function(rules: Mapping[str, Rule]) -> Rule:
    """A rule made of one for each function that is asked."""

    def rule(calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
        for function, own in rules.items():
            chosen = [k for k, call in enumerate(calls) if call.function == function]
            wrong = own([calls[k] for k in chosen], [replies[k] for k in chosen])
            if wrong:
                return wrong
        return None

    return rule


# LinearData and training.


def regression(
    generator: np.random.Generator, n: int, d: int, noise: float = 0.01
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (n, d) ~ N(0, 1), labels (n, 1), and the truth (d + 1,), bias last; float32."""
    truth = generator.uniform(1.0, 4.0, d + 1) * generator.choice([-1.0, 1.0], d + 1)
    features = generator.standard_normal((n, d))
    errors = noise * generator.standard_normal(n)
    labels = features @ truth[:-1] + truth[-1] + errors
    return (
        features.astype(np.float32),
        labels.astype(np.float32).reshape(-1, 1),
        truth.astype(np.float32),
    )


@dataclass(frozen=True)
class Training:
    """A run of the engine on these data; `start` (d + 1,) are weight and bias, bias last."""

    features: np.ndarray
    labels: np.ndarray
    lr: float
    epochs: int
    batch_size: int

    @classmethod
    def of(cls, call: Call, **changed: float) -> Training:
        """The run that a call asks for by the names of its arguments."""
        given = call.arguments
        names = {"lr": "lr", "epochs": "num_epochs", "batch_size": "batch_size"}
        settings: dict[str, Any] = {
            field: given[name] for field, name in names.items() if name in given
        }
        return cls(call["features"], call["labels"], **{**settings, **changed})

    def end(self, start: np.ndarray, recipe: Recipe = HALF, seed: int = 0) -> np.ndarray:
        """The parameters (d + 1,) at the end, in float64."""
        if not self.epochs:
            return start.astype(np.float64)
        side = recipe.build(self._case(seed), self._data(start))
        side.fit()
        return np.concatenate([p.detach().numpy().ravel() for p in side.parameters()])

    def ends(self, start: np.ndarray, recipe: Recipe = HALF, seed: int = 0) -> np.ndarray:
        """The parameters (epochs, d + 1) at the end of each epoch."""
        each = replace(self, epochs=1)
        ends = []
        for epoch in range(self.epochs):
            start = each.end(start, recipe, seed + epoch)
            ends.append(start)
        return np.stack(ends)

    def loss(self, parameters: np.ndarray) -> float:
        """Mean of ½ squares on all data."""
        return self._data(parameters).mean_squared_error(torch.from_numpy(parameters)) / 2

    def least_squares(self) -> np.ndarray:
        """The exact minimiser (d + 1,)."""
        solved: np.ndarray = (
            self._data(np.zeros(self.features.shape[1] + 1)).least_squares().numpy()
        )
        return solved

    def _case(self, seed: int) -> LinearCase:
        n, d = self.features.shape
        return LinearCase(
            "exercise",
            "what an exercise trains",
            num_examples=n,
            weight=(0.0,) * d,
            batch_size=self.batch_size,
            lr=self.lr,
            epochs=self.epochs,
            seed=seed,
            dtype="float64",
        )

    def _data(self, start: np.ndarray) -> LinearData:
        features, labels = (
            torch.from_numpy(array.astype(np.float64)) for array in (self.features, self.labels)
        )
        initial = torch.from_numpy(start.astype(np.float64))
        return LinearData(features, labels.reshape(-1, 1), (initial[:-1], initial[-1:]), None)


def joined(reply: Reply, d: int) -> np.ndarray | None:
    """Parameters (d + 1,) of a reply `(w, b)`; None where the shapes are not (d, 1) and (1,)."""
    if len(reply.arrays) != 2:
        return None
    w, b = reply.arrays
    if w.shape not in ((d, 1), (d,)) or b.shape not in ((1,), ()):
        return None
    return np.concatenate([w.ravel(), b.ravel()]).astype(np.float64)


def unshaped(reply: Reply, where: str, d: int) -> Wrong:
    """What is said where `joined` finds no parameters."""
    shapes = " and ".join(str(array.shape) for array in reply.arrays)
    return Wrong("shape", f"{where} has the shapes {shapes}, but should have ({d}, 1) and (1,)")
