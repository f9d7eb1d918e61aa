"""Exercises about training: where it starts, how fast it goes, outliers, and the order of the rows.

Full batches leave no choice of order, so they are judged number by number; minibatches are held
against several runs of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from harness.engine.recipe import Recipe
from harness.exercises.exercise import Call, Exercise, Reply, Wanted, Wrong, place
from harness.exercises.rules import (
    HALF,
    MSE,
    Training,
    allowed,
    difference,
    joined,
    parameter_difference,
    regression,
    stacked,
    unshaped,
)
from harness.mistakes.catalogue import named

RUNS = 4  # of the engine, for what minibatches may come to
LONG_SUM = 2000  # terms that go into the parameters after some full batches

# Zero and large initial values.

_SIGNATURE = "train_from(features, labels, sigma, lr, num_epochs, batch_size): features (n, d), "
_TRAIN_FROM = (
    Wanted(
        "train_from",
        _SIGNATURE + "labels (n, 1), float32; w starts from N(0, sigma²), b from 0; minibatch "
        "stochastic gradient descent on the mean of ½(ŷ - y)²; with num_epochs = 0 nothing is "
        "trained",
        "the parameters at the end: w (d, 1) and b (1,)",
    ),
)


def _train_from(
    generator: np.random.Generator, n: int, d: int, sigma: float, **settings: float
) -> Call:
    X, y, _ = regression(generator, n, d)
    settings = {"lr": 0.1, "num_epochs": 0, "batch_size": n, **settings}
    return Call("train_from", {"features": X, "labels": y, "sigma": sigma, **settings})


def _ask_zero(generator: np.random.Generator) -> list[Call]:
    lr = float(np.round(generator.uniform(0.05, 0.2), 3))
    return [
        _train_from(generator, 8, 3, 0.0),
        _train_from(generator, 40, 2, 0.0, lr=lr, num_epochs=5),
        _train_from(generator, 200, 2, 0.0, num_epochs=5, batch_size=10),
    ]


def _parameters(calls: Sequence[Call], replies: Sequence[Reply]) -> list[np.ndarray] | Wrong:
    """The parameters of every reply, or what is wrong with their shapes."""
    parameter_sets = []
    for at, (call, reply) in enumerate(zip(calls, replies, strict=True)):
        d = call["features"].shape[1]
        parameters = joined(reply, d)
        if parameters is None:
            return unshaped(reply, place(call, at), d)
        parameter_sets.append(parameters)
    return parameter_sets


def _judge_zero(calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
    parameter_sets = _parameters(calls, replies)
    if isinstance(parameter_sets, Wrong):
        return parameter_sets
    initial, path, end = parameter_sets
    drawn = parameter_difference(place(calls[0], 0), initial, np.zeros_like(initial), 0.0)
    if drawn:
        return Wrong("not-zero", f"{drawn}: nothing was to be trained yet")
    training = Training.of(calls[1])
    expected = training.end(np.zeros_like(path))
    limit = allowed(expected, LONG_SUM)
    message = parameter_difference(place(calls[1], 1), path, expected, limit)
    if message:
        return Wrong(_path_fault(training, path), message)
    best = Training.of(calls[2]).least_squares()
    message = parameter_difference(place(calls[2], 2), end, best, 0.05)
    return Wrong("not-recovered", message) if message else None


def _path_fault(training: Training, path: np.ndarray) -> str:
    """Why full batches from 0 ended elsewhere, by value."""
    start = np.zeros_like(path)
    known = {"not-trained": start, "no-half": training.end(start, MSE)}
    for fault, values in known.items():
        if np.allclose(path, values, rtol=1e-4, atol=1e-6):
            return fault
    return "value"


_NO_HALF_HINT = "Which factor stands before the square in the loss that is asked for?"

ZERO_INIT = Exercise(
    name="zero-init",
    title="All weights start from 0",
    source="d2l 3.4, exercise 1",
    task="Does training still work when all weights start from 0? Write the training with a given "
    "deviation of the initial weights, and see.",
    contract=_TRAIN_FROM,
    judged="with sigma = 0: the start, five full batches number by number, and that minibatches "
    "reach the least-squares solution (it works: a linear model has no symmetry to break)",
    ask=_ask_zero,
    rule=_judge_zero,
    hints={
        "not-zero": "Print w and b before the first step: what does sigma = 0 make of them?",
        "not-trained": "Compare w before and after an epoch: does it move?",
        "no-half": _NO_HALF_HINT,
        "not-recovered": "Print the loss by epoch: does every epoch see all rows, in batches?",
    },
)

_LARGE = 1000.0


def _ask_large(generator: np.random.Generator) -> list[Call]:
    return [
        _train_from(generator, 4, 2000, _LARGE),
        _train_from(generator, 1000, 20, _LARGE, lr=0.01, num_epochs=3, batch_size=10),
    ]


def _judge_large(calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
    parameter_sets = _parameters(calls, replies)
    if isinstance(parameter_sets, Wrong):
        return parameter_sets
    start, end = parameter_sets
    return _judge_start(place(calls[0], 0), start) or _judge_distance(calls[1], end)


def _judge_start(where: str, start: np.ndarray) -> Wrong | None:
    """Whether w is drawn from N(0, sigma²), within six standard errors, and b is 0."""
    w, b = start[:-1], start[-1]
    limit = 6 * _LARGE / np.sqrt(2 * len(w))
    got = w.std()
    message = difference(f"{where} deviation of w", np.asarray(got), np.asarray(_LARGE), limit)
    if message:
        variance = abs(got - np.sqrt(_LARGE)) < limit / np.sqrt(_LARGE)
        return Wrong("variance" if variance else "ignores-sigma", message)
    message = difference(f"{where} b", np.asarray(b), np.asarray(0.0), 0.0)
    return Wrong("bias-drawn", message) if message else None


def _judge_distance(call: Call, end: np.ndarray) -> Wrong | None:
    """Whether so much is left of the distance as so many steps leave."""
    training = Training.of(call)
    best = training.least_squares()
    got = float(np.linalg.norm(end - best))
    near, far = _distances(training, best, HALF)
    if near / 2 <= got <= 2 * far:
        return None
    message = (
        f"{place(call, 1)} ends {got:.3g} from the least-squares solution, but three epochs from "
        f"so far off should end {near:.3g} to {far:.3g} from it"
    )
    near, far = _distances(training, best, MSE)
    if near / 2 <= got <= 2 * far:
        return Wrong("no-half", message)
    return Wrong("too-near" if got < near else "too-far", message)


def _distances(training: Training, best: np.ndarray, recipe: Recipe) -> tuple[float, float]:
    """The least and largest distance that is left, over some runs of the engine."""
    distances = []
    for seed in range(RUNS):
        start = _LARGE * np.random.default_rng(seed).standard_normal(len(best))
        start[-1] = 0.0
        distances.append(float(np.linalg.norm(training.end(start, recipe, seed) - best)))
    return min(distances), max(distances)


LARGE_INIT = Exercise(
    name="large-init",
    title="The weights start far away",
    source="d2l 3.4, exercise 1",
    task="What happens when the weights start from a deviation of 1000 in place of 0.01? Write the "
    "training with a given deviation of the initial weights, and see.",
    contract=_TRAIN_FROM,
    judged="with sigma = 1000: the deviation of 2000 initial weights, and that three epochs leave "
    "as much of the distance as they do in the engine",
    ask=_ask_large,
    rule=_judge_large,
    hints={
        "variance": "Is sigma the deviation of the weights, or their variance?",
        "ignores-sigma": "Print the deviation of many initial weights: is it sigma?",
        "bias-drawn": "From where does the bias start?",
        "no-half": _NO_HALF_HINT,
        "too-near": "Can so few steps come so far? Count the updates that you make.",
        "too-far": "Print the distance by epoch: does every batch make a step?",
    },
)

# Learning rates.


def _ask_rates(generator: np.random.Generator) -> list[Call]:
    calls = []
    for n, d, rates, size in (
        (30, 2, (0.05, 0.2, 0.5), 30),
        (24, 3, (0.3, 0.1), 24),
        (60, 2, (0.01, 0.1), 10),
    ):
        X, y, _ = regression(generator, n, d)
        settings = {"lrs": rates, "num_epochs": 4, "batch_size": size}
        calls.append(Call("learning_curves", {"features": X, "labels": y, **settings}))
    return calls


def _losses(training: Training, parameters: np.ndarray, factor: float) -> np.ndarray:
    return np.array([2 * factor * training.loss(each) for each in parameters])


def _curves(
    call: Call,
    recipe: Recipe = HALF,
    *,
    factor: float = 0.5,
    kept: bool = False,
    early: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """The curves (rates, epochs); `kept` goes on from the rate before, `early` records first."""
    curves = []
    start = np.zeros(call["features"].shape[1] + 1)
    for lr in call["lrs"]:
        training = Training.of(call, lr=lr)
        ends = training.ends(start, recipe, seed)
        recorded = np.concatenate([start[None], ends[:-1]]) if early else ends
        curves.append(_losses(training, recorded, factor))
        start = ends[-1] if kept else start
    return np.stack(curves)


_WRONG_CURVES: dict[str, Callable[[Call], np.ndarray]] = {
    "not-reset": partial(_curves, kept=True),
    "before-epoch": partial(_curves, early=True),
    "no-half": partial(_curves, recipe=MSE, factor=1.0),
    "square-reported": partial(_curves, factor=1.0),
    "one-rate": lambda call: _curves(
        replace(call, arguments={**call.arguments, "lrs": call["lrs"][:1] * len(call["lrs"])})
    ),
}


def _judge_rates(calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
    curves = [stacked(reply) for reply in replies]
    for at, (call, got) in enumerate(zip(calls, curves, strict=True)):
        shape = (len(call["lrs"]), call["num_epochs"])
        if got.shape != shape:
            message = f"{place(call, at)} has the shape {got.shape}, but should have {shape}"
            return Wrong("shape", message)
    for at, (call, got) in enumerate(zip(calls[:-1], curves, strict=False)):
        expected = _curves(call)
        seen = difference(place(call, at), got, expected, allowed(expected, LONG_SUM))
        if seen:
            return Wrong(_curve_fault(calls[:-1], curves), seen)
    return _judge_minibatches(calls[-1], curves[-1], len(calls) - 1)


def _curve_fault(calls: Sequence[Call], curves: Sequence[np.ndarray]) -> str:
    for fault, answer in _WRONG_CURVES.items():
        if all(
            np.allclose(got, answer(call), rtol=1e-4, atol=1e-7)
            for call, got in zip(calls, curves, strict=False)
        ):
            return fault
    return "value"


def _judge_minibatches(call: Call, got: np.ndarray, at: int) -> Wrong | None:
    """Whether the curves lie where the engine's do, whatever the order of the rows."""
    runs = np.stack([_curves(call, seed=100 * run) for run in range(RUNS)])
    low, high = runs.min(0) / 3, runs.max(0) * 3
    outside = np.argwhere((got < low) | (got > high))
    if not len(outside):
        return None
    row, epoch = outside[0]
    message = (
        f"{place(call, at)} epoch {epoch} of lr {call['lrs'][row]} = {got[row, epoch]:.3g}, but "
        f"minibatches should come to {low[row, epoch]:.3g} to {high[row, epoch]:.3g}"
    )
    return Wrong("minibatches", message)


LEARNING_RATES = Exercise(
    name="learning-rates",
    title="How fast the loss falls at several learning rates",
    source="d2l 3.4, exercise 6",
    task="Record the loss after every epoch for several learning rates, so that they can be "
    "compared.",
    contract=(
        Wanted(
            "learning_curves",
            "learning_curves(features, labels, lrs, num_epochs, batch_size): features (n, d), "
            "labels (n, 1), float32; lrs is a list of learning rates; every training starts from "
            "w = 0 and b = 0 and makes minibatch steps on the mean of ½(ŷ - y)²",
            "for every learning rate the mean of ½(ŷ - y)² on all data after each epoch: "
            "(rates, epochs), a tensor or a list of lists",
        ),
    ),
    judged="full batches number by number, minibatches within the range of several runs",
    ask=_ask_rates,
    rule=_judge_rates,
    hints={
        "not-reset": "From which parameters does the second learning rate start?",
        "before-epoch": "Is the first entry the loss before or after the first epoch?",
        "no-half": _NO_HALF_HINT,
        "square-reported": _NO_HALF_HINT,
        "one-rate": "Which learning rate does each of your trainings use?",
        "minibatches": "How many steps does an epoch make when a batch is smaller than the data?",
    },
)

# Outliers.

_NEAR = 0.1  # of a parameter from the truth
_OUTLIER = 10000.0


def _ask_outlier(generator: np.random.Generator) -> list[Call]:
    calls: list[Call] = []
    for d, outliers in ((2, 0), (2, 1), (3, 2)):
        X, y, _ = regression(generator, 200, d)
        if outliers == 1:
            X, y = calls[0]["features"], calls[0]["labels"].copy()
        rows = generator.choice(200, outliers, replace=False)
        y[rows] = _OUTLIER
        calls.append(Call("robust_fit", {"features": X, "labels": y}))
    return calls


def _clean_fit(call: Call) -> np.ndarray:
    """The exact minimiser on the rows that are no outliers."""
    clean = np.abs(call["labels"].ravel()) < _OUTLIER / 2
    return Training(call["features"][clean], call["labels"][clean], 1, 1, 1).least_squares()


def _judge_outlier(calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
    parameter_sets = _parameters(calls, replies)
    if isinstance(parameter_sets, Wrong):
        return parameter_sets
    messages = [
        parameter_difference(place(call, at), got, _clean_fit(call), _NEAR)
        for at, (call, got) in enumerate(zip(calls, parameter_sets, strict=True))
    ]
    first = next((message for message in messages if message), None)
    if first is None:
        return None
    if np.array_equal(parameter_sets[0][:3], parameter_sets[2][:3]):
        return Wrong("constant", first)
    if messages[0]:
        return Wrong("clean-fails", first)
    return Wrong("pulled" if messages[1] else "several", first)


OUTLIER = Exercise(
    name="outlier",
    title="A label that is far off",
    source="d2l 3.4, exercise 8",
    task="Fit the line so that a few absurd labels (10000) hardly move it: by the absolute loss, "
    "by a loss that combines it with the square, or as you like.",
    contract=(
        Wanted(
            "robust_fit",
            "robust_fit(features, labels): features (200, d) ~ N(0, 1), labels (200, 1), float32; "
            "the labels follow a line with deviation 0.01, up to two of them are 10000",
            "w (d, 1) and b (1,), each entry within 0.1 of the line; coefficients are below 5",
        ),
    ),
    judged="the parameters found on clean data, with one, and with two outliers",
    ask=_ask_outlier,
    rule=_judge_outlier,
    hints={
        "constant": "Call it with two data sets: why should both have the same answer?",
        "clean-fails": "Begin with clean data: print the loss by epoch. Has it come to rest?",
        "pulled": "How large is the gradient of your loss for an error of 10000?",
        "several": "Does your fit rely on there being a single outlier?",
    },
)

# The order of the rows.

_TIMES = 10.0  # that the loss in stored order has to be larger
_LR, _EPOCHS, _BATCH = 0.3, 3, 10


def _ask_reshuffle(generator: np.random.Generator) -> list[Call]:
    return [Call("malicious_data", {"n": 10 * int(generator.integers(20, 40))}) for _ in range(2)]


def _judge_reshuffle(calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
    for at, (call, reply) in enumerate(zip(calls, replies, strict=True)):
        wrong = _judge_malice(place(call, at), call["n"], reply)
        if wrong:
            return wrong
    return None


def _judge_malice(where: str, n: int, reply: Reply) -> Wrong | None:
    """Whether training on the data in stored order ends far above training on them shuffled."""
    shapes = [array.shape for array in reply.arrays]
    if len(shapes) != 2 or shapes[1] not in ((n, 1), (n,)) or not _is_table(shapes[0], n):
        shown = " and ".join(map(str, shapes))
        return Wrong("shape", f"{where} has the shapes {shown}, but should have ({n}, d), ({n}, 1)")
    X, y = reply.arrays
    spread = float(y.astype(np.float64).var()) / 2
    if spread == 0:
        message = f"{where} has labels that are all {y.flat[0]:g}, but should have something to fit"
        return Wrong("nothing-to-learn", message)
    training = Training(X, y.reshape(-1, 1), _LR, _EPOCHS, _BATCH)
    start = np.zeros(X.shape[1] + 1)
    best = training.loss(training.least_squares())
    shuffled = max(training.loss(training.end(start, HALF, seed)) for seed in range(RUNS)) - best
    if not shuffled <= spread:
        message = f"{where} ends {shuffled:.3g} above the best loss even when it is shuffled"
        return Wrong("diverges", f"{message}, but should be learned")
    stored = training.loss(training.end(start, _stored())) - best
    limit = max(_TIMES * shuffled, 1e-3 * spread)
    if not stored < limit:
        return None  # an overflow is harm as well
    message = f"{where} ends {stored:.3g} above the best loss in stored order, but should end"
    return Wrong("no-harm", f"{message} {limit:.3g} above it ({shuffled:.3g} when shuffled)")


def _is_table(shape: tuple[int, ...], n: int) -> bool:
    return len(shape) == 2 and shape[0] == n and 1 <= shape[1] <= 10


def _stored() -> Recipe:
    """The engine's recipe that serves the rows as they are stored."""
    recipe = named("data.no-shuffle").forms[0].make(HALF)
    assert recipe is not None
    return recipe


RESHUFFLE = Exercise(
    name="reshuffle",
    title="Why the rows are reshuffled",
    source="d2l 3.4, exercise 9",
    task="Construct a data set that training can learn, but only when its rows are shuffled.",
    contract=(
        Wanted(
            "malicious_data",
            "malicious_data(n): the number of rows, 200 to 400",
            "features (n, d) with d up to 10 and labels (n, 1), floats",
        ),
    ),
    judged=f"trained from 0 by the engine (mean of ½ squares, lr {_LR}, batches of {_BATCH}, "
    f"{_EPOCHS} epochs): in stored order it must end {_TIMES:g} times as far above the best loss "
    "as shuffled",
    ask=_ask_reshuffle,
    rule=_judge_reshuffle,
    hints={
        "nothing-to-learn": "What is there to learn when all labels are the same?",
        "diverges": "Print the loss of shuffled training: are the features too large for the "
        "learning rate?",
        "no-harm": "What have the last batches of an epoch to be like to undo what the first have "
        "taught?",
    },
)

EXERCISES = (ZERO_INIT, LARGE_INIT, LEARNING_RATES, OUTLIER, RESHUFFLE)
