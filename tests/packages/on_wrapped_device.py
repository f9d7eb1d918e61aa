"""Trainings by the packages alone, on the CPU and on the device made in Python, as JSON."""

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

import builtin
import scratch
from tests.wrapped_device import DEVICE, MixedDevicesError

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.01, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.01},
    "RMSprop": {"lr": 0.01, "momentum": 0.5, "centered": True},
    "Adadelta": {"lr": 1.0},
    "Adam": {"lr": 0.1, "weight_decay": 0.01},
    "AdamW": {"lr": 0.1},
}


def functional(side: ModuleType, device: torch.device) -> list[Tensor]:
    """The functional loop, with an iterator that leaves out the short batch in a second run."""
    true_w = torch.tensor([2.0, -3.4], device=device)
    X, y = side.synthetic_data(true_w, torch.tensor([4.2]), 23)  # w says where, b may lie anywhere
    w, b = (p.detach().to(device).requires_grad_() for p in side.init_params(2))
    side.train(X, y, w, b, 0.03, 2, 5)
    for rows in side.data_iter(5, X, y.reshape(-1), drop_last=True):
        side.train_batch(*rows, w, b, 0.03)
    return [w, b]


def fitted(side: ModuleType, device: torch.device, model: Any, **settings: Any) -> list[Tensor]:
    """The object form: a Trainer on a data set with validation rows."""
    true_w = torch.tensor([2.0, -3.4], device=device)
    data = side.SyntheticRegressionData(true_w, 4.2, num_train=23, num_val=7, batch_size=5)
    trainer = side.Trainer(2, **settings)
    trainer.fit(model.to(device=device), data)
    return [*model.parameters(), torch.tensor(trainer.val_losses)]


def stepped(side: ModuleType, device: torch.device, name: str) -> list[Tensor]:
    """Three steps of an optimizer."""
    leaves = [torch.randn(3, 2).to(device).requires_grad_() for _ in range(2)]
    optimizer = getattr(side, name)(leaves, **OPTIMIZERS[name])
    for _ in range(3):
        optimizer.zero_grad()
        sum((leaf * leaf).sum() for leaf in leaves).backward()  # type: ignore[union-attr]
        optimizer.step()
    return leaves


def reduced(side: ModuleType, device: torch.device) -> list[Tensor]:
    """Every reduction of the loss, with flat labels."""
    y_hat, y = torch.randn(5, 1).to(device), torch.randn(5).to(device)
    return [side.MSE(reduction)(y_hat, y) for reduction in ("mean", "sum", "none")]


def left_behind(side: ModuleType, device: torch.device) -> list[Tensor]:
    """The control: features there, parameters on the CPU."""
    w, b = side.init_params(2)
    try:
        side.train(torch.randn(5, 2).to(device), torch.randn(5, 1).to(device), w, b, 0.03, 1, 5)
    except MixedDevicesError:
        return []
    return [w, b]


TRAININGS: dict[str, Callable[[ModuleType, torch.device], list[Tensor]]] = {
    "functional": functional,
    "object": lambda side, device: fitted(side, device, side.LinearRegression(2, lr=0.03)),
    "mse, clipped, in pieces": lambda side, device: fitted(
        side,
        device,
        side.LinearRegression(2, lr=0.03, half=False),
        gradient_clip_val=1.0,
        micro_batch_size=2,
    ),
    "hidden layer": lambda side, device: fitted(side, device, side.MLP(2, 4, lr=0.03, sigma=1.0)),
    "losses": reduced,
    "left behind": left_behind,
    **{
        name: lambda side, device, name=name: stepped(side, device, name)  # type: ignore[misc]
        for name in OPTIMIZERS
    },
}


def trained(train: Callable[..., list[Tensor]], side: ModuleType, device: torch.device) -> Any:
    """What a training leaves, and where."""
    torch.manual_seed(0)
    return [(values.tolist(), values.device.type) for values in train(side, device)]


def main() -> None:
    """Print what every training of either package leaves on either device."""
    torch.set_num_threads(1)
    left = {
        f"{side.__name__}: {name}": [trained(train, side, device) for device in (CPU, DEVICE)]
        for side in (scratch, builtin)
        for name, train in TRAININGS.items()
    }
    json.dump(left, sys.stdout)


CPU = torch.device("cpu")

if __name__ == "__main__":
    main()
