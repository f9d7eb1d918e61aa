"""Arguments of an exercise that are no arrays: a function, a layer, a file; made from plain values.

Only the plain values cross between processes; the learner's process makes the thing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Given:
    """Something made of numbers, texts and arrays: `kind` says what, a name in `MAKERS`."""

    kind: str
    values: Values

    def make(self) -> Any:
        """The thing itself, made anew."""
        return MAKERS[self.kind](self.values)


def sine_and_cube(values: Values) -> Callable[[Tensor], Tensor]:
    """f(x) = sin(a·x) + b·x³, entry by entry."""
    a, b = values["a"], values["b"]
    return lambda x: torch.sin(a * x) + b * x**3


def bell(values: Values) -> Callable[[Tensor], Tensor]:
    """f(x) = a·exp(-b·x²), entry by entry."""
    a, b = values["a"], values["b"]
    return lambda x: a * torch.exp(-b * x**2)


def layer(values: Values) -> nn.Linear:
    """An nn.Linear with this weight (1, d) and bias (1,), and gradients left from before."""
    made = nn.Linear(values["weight"].shape[1], 1)
    for parameter, name in ((made.weight, "weight"), (made.bias, "bias")):
        parameter.data = torch.from_numpy(values[name].copy())
        parameter.grad = torch.from_numpy(values[f"{name}_grad"].copy())
    return made


def rows(values: Values) -> np.ndarray:
    """Rows (n, columns), float32, evenly drawn from [0, 1) by a seed."""
    generator = np.random.default_rng(values["seed"])
    return generator.random((values["n"], values["columns"]), dtype=np.float32)


def file_of_rows(values: Values) -> str:
    """The name of a new `.npy` file in the working folder that holds these `rows`."""
    name = f"rows-{values['seed']}.npy"
    with Path(name).open("wb") as file:
        np.save(file, rows(values))
    return name


MAKERS: dict[str, Callable[[Values], Any]] = {
    "sine-and-cube": sine_and_cube,
    "bell": bell,
    "layer": layer,
    "file-of-rows": file_of_rows,
}
