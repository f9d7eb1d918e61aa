"""Exercises about automatic differentiation, and two formulas of weight decay.

Ohm's law and Planck's law are judged by the number that is found, whatever found it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.exercises.exercise import Call, Exercise, Reply, Wanted, Wrong, place
from harness.exercises.given import Given
from harness.exercises.rules import Answer, ByValue, difference


@dataclass(frozen=True)
class Estimate:
    """A rule: one number per call, as near as `within`, a share of it, to the best fit.

    `best` finds that in the data with all their noise; `wrong` names other estimates by value.
    """

    best: Callable[[Call], float]
    within: float
    wrong: Mapping[str, Callable[[Call], float]]

    def __call__(self, calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
        """The first estimate that is off."""
        shaped = [self._number(call, at, r) for at, (call, r) in enumerate(_both(calls, replies))]
        for wrong in shaped:
            if isinstance(wrong, Wrong):
                return wrong
        numbers = [number for number in shaped if isinstance(number, float)]
        for at, (call, got) in enumerate(zip(calls, numbers, strict=True)):
            best = np.asarray(self.best(call))
            limit = self.within * abs(float(best))
            message = difference(place(call, at), np.asarray(got), best, limit)
            if message:
                return Wrong(self._named(calls, numbers), message)
        return None

    @staticmethod
    def _number(call: Call, at: int, reply: Reply) -> float | Wrong:
        (got, *more) = reply.arrays
        if more or got.size != 1:
            shapes = " and ".join(str(array.shape) for array in reply.arrays)
            message = f"{place(call, at)} has the shape {shapes}, but should be one number"
            return Wrong("shape", message)
        return float(got.item())

    def _named(self, calls: Sequence[Call], numbers: Sequence[float]) -> str:
        if len(set(numbers)) == 1:
            return "constant"
        for fault, formula in self.wrong.items():
            known = [formula(call) for call in calls]
            if np.allclose(numbers, known, rtol=self.within / 2, atol=0):
                return fault
        return "not-recovered"


def _both(calls: Sequence[Call], replies: Sequence[Reply]) -> zip[tuple[Call, Reply]]:
    return zip(calls, replies, strict=True)


_CONSTANT_HINT = "Call it with two data sets: why should both have the same answer?"


# Ohm's law.


def _ask_ohm(generator: np.random.Generator) -> list[Call]:
    calls = []
    for resistance in generator.uniform(2.0, 20.0, 3):
        current = np.sort(generator.uniform(0.5, 5.0, 1000))  # the first are the least certain
        exact = resistance * current
        voltage = exact + 0.02 * exact.max() * generator.standard_normal(1000)
        arguments = {"voltage": voltage, "current": current}
        single = {name: array.astype(np.float32) for name, array in arguments.items()}
        calls.append(Call("estimate_resistance", single))
    return calls


def _resistance(call: Call) -> float:
    voltage, current = (call[name].astype(np.float64) for name in ("voltage", "current"))
    return float(voltage @ current / (current @ current))


OHMS_LAW = Exercise(
    name="ohms-law",
    title="Ohm's law from measurements",
    source="d2l 3.4, exercise 2",
    task="Learn the resistance from noisy measurements of voltage and current, by automatic "
    "differentiation or as you like.",
    contract=(
        Wanted(
            "estimate_resistance",
            "estimate_resistance(voltage, current): volts (n,) and amperes (n,) between 0.5 and 5, "
            "float32",
            "the resistance in ohms (2 to 20), one number, within 1.5 % of the best fit",
        ),
    ),
    judged="the resistance found, on three data sets",
    ask=_ask_ohm,
    rule=Estimate(
        _resistance,
        0.015,
        {
            "conductance": lambda call: 1 / _resistance(call),
            "one-reading": lambda call: float(call["voltage"][0] / call["current"][0]),
            "power": lambda call: float((call["voltage"] * call["current"]).mean()),
        },
    ),
    hints={
        "conductance": "Check the unit of what you return: is it volts per ampere?",
        "one-reading": "How many of the measurements does your estimate look at?",
        "power": "Check the unit of what you return: is it volts per ampere?",
        "constant": _CONSTANT_HINT,
        "not-recovered": "Print your estimate during training: has it come to rest?",
    },
)


# Planck's law.

_H, _C, _K = 6.62607015e-34, 299792458.0, 1.380649e-23  # J s, m/s, J/K: exact by definition
_WIEN = 2.897771955e-3  # m K


def radiance(wavelength: np.ndarray, temperature: np.ndarray | float) -> np.ndarray:
    """Planck's law: W sr⁻¹ m⁻³ by wavelength in metres and temperature in kelvin."""
    exponent = _H * _C / (wavelength * _K * temperature)
    spectrum: np.ndarray = 2 * _H * _C**2 / wavelength**5 / np.expm1(exponent)
    return spectrum


def _ask_planck(generator: np.random.Generator) -> list[Call]:
    calls = []
    for temperature in generator.uniform(2500.0, 8000.0, 3):
        wavelength = np.sort(generator.uniform(0.3e-6, 3e-6, 60))
        noise = 1 + 0.01 * generator.standard_normal(60)
        spectrum = radiance(wavelength, temperature) * noise
        arguments = {"wavelength": wavelength, "radiance": spectrum}
        calls.append(Call("estimate_temperature", arguments))
    return calls


def _temperature(call: Call) -> float:
    """Least squares of the logarithm, by bisection of ever finer grids."""
    low, high = 1000.0, 20000.0
    for _ in range(6):
        grid = np.linspace(low, high, 41)
        spectra = radiance(call["wavelength"][:, None], grid)
        errors = np.square(np.log(spectra) - np.log(call["radiance"])[:, None]).sum(0)
        best = int(errors.argmin())
        low, high = grid[max(0, best - 1)], grid[min(40, best + 1)]
    return float((low + high) / 2)


PLANCK = Exercise(
    name="planck-temperature",
    title="A temperature from Planck's law",
    source="d2l 3.4, exercise 3",
    task="Find the temperature of a glowing body from its spectrum. Mind the units: the values are "
    "far too large and far too small to train on as they are.",
    contract=(
        Wanted(
            "estimate_temperature",
            "estimate_temperature(wavelength, radiance): metres (n,), and W per steradian per "
            "cubic metre (n,) with 1 % noise, float64",
            "the temperature in kelvin (2500 to 8000), one number, within 1 % of the best fit",
        ),
    ),
    judged="the temperature found, on three spectra",
    ask=_ask_planck,
    rule=Estimate(
        _temperature,
        0.01,
        {
            "peak-only": lambda call: float(
                _WIEN / call["wavelength"][int(call["radiance"].argmax())]
            ),
            "celsius": lambda call: _temperature(call) - 273.15,
            "scaled-unit": lambda call: _temperature(call) / 1000,
        },
    ),
    hints={
        "peak-only": "How many of the measurements decide where the peak seems to be?",
        "celsius": "From where does the scale that is asked for count?",
        "scaled-unit": "In which unit do you train, and in which is the answer asked for?",
        "constant": _CONSTANT_HINT,
        "not-recovered": "Print your estimate during training: has it come to rest? Try the law in "
        "micrometres and thousands of kelvin.",
    },
)


# Second derivatives.


def _ask_second(generator: np.random.Generator) -> list[Call]:
    calls = []
    for kind, m in (("sine-and-cube", 6), ("bell", 9), ("sine-and-cube", 1)):
        a, b = np.round(generator.uniform(0.5, 1.5, 2), 3)
        x = generator.uniform(-1.5, 1.5, m)
        given = Given(kind, {"a": float(a), "b": float(b)})
        calls.append(Call("second_derivative", {"f": given, "x": x.astype(np.float32)}))
    return calls


def _derivatives(call: Call) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivative (m,)."""
    given, x = call["f"], call["x"].astype(np.float64)
    a, b = given.values["a"], given.values["b"]
    if given.kind == "bell":
        value = a * np.exp(-b * x**2)
        return -2 * b * x * value, (4 * b**2 * x**2 - 2 * b) * value
    first = a * np.cos(a * x) + 3 * b * x**2
    return first, -(a**2) * np.sin(a * x) + 6 * b * x


def _second(call: Call) -> np.ndarray:
    return _derivatives(call)[1]


class SecondDerivative(ByValue):
    """The rule, which tells a difference quotient by its error."""

    def __call__(self, calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
        """The first difference; small ones everywhere are a difference quotient's."""
        wrong = super().__call__(calls, replies)
        if wrong and wrong.fault == "value" and self._near(calls, replies):
            return Wrong("difference-quotient", wrong.message)
        return wrong

    @staticmethod
    def _near(calls: Sequence[Call], replies: Sequence[Reply]) -> bool:
        return all(
            np.allclose(reply.arrays[0], _second(call), rtol=0.1, atol=0.1)
            for call, reply in _both(calls, replies)
        )


SECOND = Exercise(
    name="second-derivatives",
    title="Second derivatives by autograd",
    source="d2l 3.4, exercise 4",
    task="Compute the second derivative of a function by differentiating its derivative. What does "
    "autograd have to keep for that?",
    contract=(
        Wanted(
            "second_derivative",
            "second_derivative(f, x): f takes a tensor and gives one of the same shape, each entry "
            "by itself; x (m,), float32, requires no gradient",
            "f″ at every entry of x, (m,), exact to rounding",
        ),
    ),
    judged="the values, for functions drawn anew",
    ask=_ask_second,
    rule=SecondDerivative(
        (_second,),
        {
            "first-derivative": [lambda call: _derivatives(call)[0]],
            "accumulated": [lambda call: np.add(*_derivatives(call))],
            "one-number": [lambda call: _second(call).sum()],
        },
    ),
    hints={
        "no-create-graph": "The first derivative has to be something that can be differentiated "
        "itself: which argument of `torch.autograd.grad` or `backward` is that?",
        "first-derivative": "How often do you differentiate?",
        "accumulated": "What did `x.grad` hold before the second `backward`?",
        "one-number": "How many second derivatives are there for m entries?",
        "difference-quotient": "Your values are only nearly right: can autograd do both steps?",
    },
    raised={"does not require grad|second time|have been used in the graph": "no-create-graph"},
)


# Reading gradients.


def _ask_read(generator: np.random.Generator) -> list[Call]:
    def drawn(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape).astype(np.float32)

    calls = []
    for m, d in ((5, 2), (8, 3), (3, 1)):
        names = {"weight": (1, d), "bias": (1,), "weight_grad": (1, d), "bias_grad": (1,)}
        net = Given("layer", {name: drawn(*shape) for name, shape in names.items()})
        calls.append(Call("read_gradients", {"net": net, "X": drawn(m, d), "y": drawn(m, 1)}))
    return calls


def _gradients(call: Call) -> tuple[np.ndarray, np.ndarray]:
    X, y = call["X"].astype(np.float64), call["y"]
    weight, bias = call["net"].values["weight"], call["net"].values["bias"]
    slope = 2 * (X @ weight.T + bias - y) / len(X)
    return slope.T @ X, slope.sum(0)


def _read(factor: Callable[[Call], float], stale: float = 0.0) -> Answer:
    def answer(call: Call) -> tuple[np.ndarray, np.ndarray]:
        values = call["net"].values
        dw, db = (factor(call) * part for part in _gradients(call))
        return dw + stale * values["weight_grad"], db + stale * values["bias_grad"]

    return answer


READ_GRADIENTS = Exercise(
    name="read-gradients",
    title="Reading the gradients of a model",
    source="d2l 3.5, exercise 3",
    task="Access the gradients of the parameters of a built-in layer after one backward pass.",
    contract=(
        Wanted(
            "read_gradients",
            "read_gradients(net, X, y): an nn.Linear(d, 1) that may have been used before; "
            "features (m, d), labels (m, 1), float32",
            "the gradients of the mean squared error (without ½) by the weight, (1, d), and by "
            "the bias, (1,), of this batch alone",
        ),
    ),
    judged="the gradients; the layer holds others from before",
    ask=_ask_read,
    rule=ByValue(
        (_read(lambda _: 1.0),),
        {
            "not-cleared": [_read(lambda _: 1.0, stale=1.0)],
            "no-backward": [_read(lambda _: 0.0, stale=1.0)],
            "weights": [lambda c: (c["net"].values["weight"], c["net"].values["bias"])],
            "sum": [_read(lambda call: float(len(call["X"])))],
            "half": [_read(lambda _: 0.5)],
            "bias-first": [lambda call: _gradients(call)[::-1]],
        },
    ),
    hints={
        "not-cleared": "What did `.grad` hold before your backward pass?",
        "no-backward": "Which call computes the gradients that you read?",
        "weights": "You return the parameters themselves: where does a parameter keep its "
        "gradient?",
        "sum": "Double the batch by repeating it: should the gradient of a mean double?",
        "half": "Which factor does the mean of squares have, and which has its derivative?",
        "bias-first": "In which order are the two gradients asked for?",
    },
)


# Weight decay: the L1 update, and the Frobenius norm.


def _ask_l1(generator: np.random.Generator) -> list[Call]:
    calls = []
    for d in (3, 5, 1):
        w, gradient = generator.standard_normal((2, d, 1)).astype(np.float32)
        w[0] = -np.abs(w[0])
        lr, lambd = np.round(generator.uniform(0.05, 0.5, 2), 3)
        numbers = {"lr": float(lr), "lambd": float(lambd)}
        calls.append(Call("l1_step", {"w": w, "gradient": gradient, **numbers}))
    return calls


def _decayed(term: Callable[[Call], np.ndarray]) -> Answer:
    return lambda call: call["w"] - call["lr"] * (call["gradient"] + term(call))


L1_STEP = Exercise(
    name="l1-weight-decay",
    title="The update with an L1 penalty",
    source="d2l 3.7, exercise 3",
    task="Write one step of gradient descent with the penalty λ·Σ|w| in place of (λ/2)·Σw².",
    contract=(
        Wanted(
            "l1_step",
            "l1_step(w, gradient, lr, lambd): w (d, 1) without zeros, the gradient (d, 1) of the "
            "loss without the penalty, float32; learning rate and λ",
            "the new w after one step by the gradient of loss plus penalty, (d, 1)",
        ),
    ),
    judged="the new weights",
    ask=_ask_l1,
    rule=ByValue(
        (_decayed(lambda c: c["lambd"] * np.sign(c["w"])),),
        {
            "l2": [_decayed(lambda c: c["lambd"] * c["w"])],
            "grows": [_decayed(lambda c: -c["lambd"] * np.sign(c["w"]))],
            "magnitude": [_decayed(lambda c: c["lambd"] * np.abs(c["w"]))],
            "no-sign": [_decayed(lambda c: np.full_like(c["w"], c["lambd"]))],
            "no-penalty": [_decayed(lambda c: np.zeros_like(c["w"]))],
            "not-scaled": [_decayed(lambda c: c["lambd"] * np.sign(c["w"]) / c["lr"])],
        },
    ),
    hints={
        "l2": "Is the derivative of |w| larger for a larger w?",
        "grows": "Does the penalty pull the weights to 0 or push them away?",
        "magnitude": "What is the derivative of |w| for a negative w?",
        "no-sign": "What is the derivative of |w| for a negative w?",
        "no-penalty": "What changes in your step when λ does?",
        "not-scaled": "Which part of the gradient does the learning rate multiply?",
    },
)


def _ask_frobenius(generator: np.random.Generator) -> list[Call]:
    shapes = ((3, 3), (4, 2), (2, 5))
    matrices = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
    return [Call("frobenius_squared", {"X": X}) for X in matrices]


def _diagonal(call: Call) -> np.ndarray:
    return np.asarray(np.trace(call["X"]))


FROBENIUS = Exercise(
    name="frobenius-identity",
    title="‖w‖² = wᵀw for matrices",
    source="d2l 3.7, exercise 4",
    task="The squared norm of a vector is wᵀw. Write the squared Frobenius norm of a matrix in the "
    "same manner.",
    contract=(
        Wanted(
            "frobenius_squared",
            "frobenius_squared(X): a matrix (n, m), float32, square or not",
            "the sum of the squares of its entries, one number (0-d)",
        ),
    ),
    judged="the value, for square and other matrices",
    ask=_ask_frobenius,
    rule=ByValue(
        (lambda c: np.asarray(np.square(c["X"].astype(np.float64)).sum()),),
        {
            "root": [lambda c: np.asarray(np.linalg.norm(c["X"].astype(np.float64)))],
            "spectral": [
                lambda c: np.asarray(np.linalg.norm(c["X"], 2)),
                lambda c: np.asarray(np.linalg.norm(c["X"].astype(np.float64), 2) ** 2),
            ],
            "trace": [_diagonal],
            "product": [lambda c: c["X"].astype(np.float64).T @ c["X"]],
            "sum-of-product": [lambda c: np.asarray((c["X"].astype(np.float64).T @ c["X"]).sum())],
        },
    ),
    hints={
        "root": "Is the norm asked for, or its square?",
        "spectral": "Which norm is the sum of all squares: the largest singular value's?",
        "trace": "Which matrix has the squares of the columns' norms on its diagonal?",
        "product": "Which entries of the product are sums of squares?",
        "sum-of-product": "Which entries of the product are sums of squares, and which are not?",
    },
)

EXERCISES = (OHMS_LAW, PLANCK, SECOND, READ_GRADIENTS, L1_STEP, FROBENIUS)
