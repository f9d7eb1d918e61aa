"""Optimizers with a state: right ones never called different, wrong ones always, and where.

The seven wrong Adams are each written twice: `Textbook` with a setting changed, lists of state and
updates in place; and a function of its own, with rebound tensors in a dictionary.
"""

import dataclasses
import math
from collections import defaultdict
from typing import Any

import pytest
import torch

from harness.engine.case import UpdateRule
from harness.engine.case_comparison import CaseComparison
from harness.engine.comparison import compare
from harness.errors import InputError
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase

AGREES = ("identical", "rounding")
RATES = (1e-3, 1e-2)
ADAM = UpdateRule.of("adam")
SHORT = LinearCase(
    "short", "25 steps, with tails", num_examples=43, epochs=5, lr=1e-2, optimizer=ADAM
)
# gradients near 1e-6 that stay there: eps, which is 1e-8, weighs a hundredth
TINY = dataclasses.replace(
    SHORT, name="tiny", weight=(2e-6, -3.4e-6), bias=4.2e-6, noise=0.0, initial_std=1e-6, lr=1e-7
)
DOUBLE = dataclasses.replace(SHORT, name="double", dtype="float64")
DECAYED = dataclasses.replace(
    SHORT, name="decayed", optimizer=UpdateRule.of("adamw", weight_decay=0.1), initial_std=1.0
)


def judged(optimizer, case: LinearCase) -> CaseComparison:
    """Hold the scratch side with this optimizer against torch's."""
    subject = dataclasses.replace(SCRATCH[case.form], name="subject", optimizer=optimizer)
    return compare(subject, None, [case]).cases[0]


def hold(optimizer, case: LinearCase) -> CaseComparison:
    """Judge a right optimizer; fail where it is not found right."""
    result = judged(optimizer, case)
    assert result.verdict in AGREES, result.why
    return result


class Stepper:
    """An optimizer made of `update(p, grad, state, lr, n)`: a dictionary of state per parameter."""

    def __init__(self, update, parameters, lr):
        self.update, self.parameters, self.lr = update, parameters, lr
        self.n = 0
        self.states: list[dict[str, Any]] = [defaultdict(float) for _ in parameters]

    def step(self, _length):
        """Update every parameter, the steps counted from 1."""
        self.n += 1
        with torch.no_grad():
            for p, state in zip(self.parameters, self.states, strict=True):
                if p.grad is not None:
                    self.update(p, p.grad, state, self.lr, self.n)

    def zero_grad(self):
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None


def stepping(update):
    """Return the piece of a recipe that updates so."""
    return lambda parameters, lr: Stepper(update, parameters, lr)


class Textbook:
    """Adam as the paper has it, in place, its state in lists; a setting is a way to go wrong."""

    def __init__(
        self,
        parameters,
        lr,
        *,
        corrected=True,
        inside=False,
        eps=1e-8,
        beta2=0.999,
        coupled=False,
        decay=0.0,
        first=1,
        of_mean=False,
    ):
        self.parameters, self.lr, self.n = list(parameters), lr, first - 1
        self.corrected, self.inside, self.eps, self.beta2 = corrected, inside, eps, beta2
        self.coupled, self.decay, self.of_mean = coupled, decay, of_mean
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]

    def step(self, _length):
        """Update every parameter."""
        self.n += 1
        with torch.no_grad():
            for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
                p -= self.lr * self._direction(p, m, v)

    def _direction(self, p, m, v):
        g = p.grad + self.decay * p if self.coupled else p.grad
        m.mul_(0.9).add_(g, alpha=1 - 0.9)
        v.mul_(self.beta2).add_((m if self.of_mean else g).square(), alpha=1 - self.beta2)
        m_hat = m / (1 - 0.9**self.n) if self.corrected else m
        v_hat = v / (1 - self.beta2**self.n) if self.corrected else v
        size = (v_hat + self.eps).sqrt() if self.inside else v_hat.sqrt() + self.eps
        return m_hat / size + (0 if self.coupled else self.decay * p)

    def zero_grad(self):
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None


def textbook(**changes):
    """Return the piece of a recipe with these settings changed."""
    return lambda parameters, lr: Textbook(parameters, lr, **changes)


# Right Adams.


def folded(p, g, s, lr, n):
    """The corrections folded into step size and eps; the parameter's storage rebound."""
    s["m"] = 0.9 * s["m"] + (1 - 0.9) * g
    s["v"] = 0.999 * s["v"] + (1 - 0.999) * g * g
    root = math.sqrt(1 - 0.999**n)
    p.data = p.data - lr * root / (1 - 0.9**n) * s["m"] / (s["v"].sqrt() + 1e-8 * root)


def lerped(p, g, s, lr, n):
    """Running averages as differences; addcdiv."""
    s["m"] = s["m"] + (g - s["m"]) * (1 - 0.9)
    s["v"] = torch.lerp(torch.zeros_like(g) + s["v"], g**2, 1 - 0.999)
    p.addcdiv_(s["m"] / (1 - 0.9**n), (s["v"] / (1 - 0.999**n)).sqrt() + 1e-8, value=-lr)


def in_tensors(p, g, s, lr, n):
    """Betas, powers and counts as tensors of the parameter's own dtype, all of them rounded."""
    b1, b2, count = (torch.tensor(v, dtype=p.dtype) for v in (0.9, 0.999, n))
    s["m"] = b1 * s["m"] + (1 - b1) * g
    s["v"] = b2 * s["v"] + (1 - b2) * g.square()
    p.sub_(lr * (s["m"] / (1 - b1**count)) / ((s["v"] / (1 - b2**count)).sqrt() + 1e-8))


def running_power(p, g, s, lr, n):
    """Beta2 to the n as a product that is rounded at every step."""
    s["power"] = torch.tensor(0.999, dtype=p.dtype) * (s["power"] if n > 1 else 1)
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["v"] = 0.999 * s["v"] + 0.001 * g.pow(2)
    p.copy_(p - lr * (s["m"] / (1 - 0.9**n)) * ((s["v"] / (1 - s["power"])).sqrt() + 1e-8) ** -1)


EVERYWHERE: dict[torch.Tensor, list[Any]] = {}


def in_a_global(p, g, _state, lr, _n):
    """The state, and the count, in a dictionary of the module by parameter."""
    m, v, n = EVERYWHERE.setdefault(p, [0.0, 0.0, 0])
    EVERYWHERE[p] = m, v, n = [0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g, n + 1]
    p -= lr * (m / (1 - 0.9**n)) / ((v / (1 - 0.999**n)) ** 0.5 + 1e-8)


RIGHT_ADAMS = {
    "torch's own twin": SCRATCH["mse"].optimizer,
    "textbook": textbook(),
    **{
        update.__name__: stepping(update)
        for update in (folded, lerped, in_tensors, running_power, in_a_global)
    },
}
LONG = dataclasses.replace(SHORT, name="long", num_examples=1000)


@pytest.mark.parametrize("lr", RATES)
@pytest.mark.parametrize("name", ["torch's own twin"])
def test_a_right_adam_runs_500_steps_without_an_alarm(name, lr):
    """Every step of both runs, forced and free, within what is allowed."""
    result = hold(RIGHT_ADAMS[name], dataclasses.replace(LONG, lr=lr))
    assert result.steps == 500
    assert [result.runs["forced"][stage].steps for stage in result.runs["forced"]] == [500] * 4


@pytest.mark.slow
@pytest.mark.parametrize(("lr", "dtype"), [(1e-3, "float32"), (1e-2, "float32"), (1e-2, "float64")])
@pytest.mark.parametrize("name", ["folded", "running_power"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_examples": 1003, "hidden": 8, "initial_std": 0.5},
        {"batch_size": 100, "epochs": 50},
        {"initial_std": 0.0, "noise": 0.0},
        {"weight": (0.0, 0.0), "bias": 0.0, "noise": 0.0, "initial_std": 1.0},
        {"form": "object", "micro_batch_size": 4, "num_examples": 1003},
        {"clip": 1.0},
        {"clear_gradients": False},
    ],
    ids=str,
)
def test_every_right_adam_at_length(name, lr, dtype, changes):
    """Whatever the case: tails, a hidden layer, full batches, zeros, accumulation, clipping."""
    hold(RIGHT_ADAMS[name], dataclasses.replace(LONG, lr=lr, dtype=dtype, **changes))


@pytest.mark.parametrize("name", RIGHT_ADAMS)
@pytest.mark.parametrize("case", [SHORT, TINY, DOUBLE], ids=lambda case: case.name)
def test_every_right_adam_on_the_cases_of_the_wrong_ones(name, case):
    """The control: these cases call nothing different by themselves."""
    hold(RIGHT_ADAMS[name], case)


def test_a_state_that_went_wrong_once_is_found():
    """The control of the long runs: one step in a hundred that forgets to average is enough."""

    def forgetful(p, g, s, lr, n):
        if n == 100:
            s["m"] = 0.0 * g
        folded(p, g, s, lr, n)

    result = judged(stepping(forgetful), LONG)
    assert result.first_divergence
    assert (result.first_divergence.stage, result.first_divergence.step) == ("parameter", 99)


# Wrong Adams, each in a second form.


def averaged(s, g):
    """Return both running averages, as they should be."""
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["v"] = 0.999 * s["v"] + 0.001 * g * g
    return s["m"], s["v"]


def uncorrected(p, g, s, lr, _n):
    m, v = averaged(s, g)
    p.data = p.data - lr * m / (v.sqrt() + 1e-8)


def eps_inside(p, g, s, lr, n):
    m, v = averaged(s, g)
    p.data = p.data - lr / (1 - 0.9**n) * m * torch.rsqrt(v / (1 - 0.999**n) + 1e-8)


def eps_larger(p, g, s, lr, n):
    m, v = averaged(s, g)
    root = (1 - 0.999**n) ** 0.5
    p.data = p.data - lr * root / (1 - 0.9**n) * m / (v.sqrt() + 1e-7 * root)


def beta2_smaller(p, g, s, lr, n):
    s["m"] = torch.lerp(g, 0 * g + s["m"], 0.9)
    s["v"] = torch.lerp(g * g, 0 * g + s["v"], 0.99)
    p.addcdiv_(s["m"] / (1 - 0.9**n), (s["v"] / (1 - 0.99**n)).sqrt() + 1e-8, value=-lr)


def coupled_decay(p, g, s, lr, n):
    folded(p, g.add(p, alpha=0.1), s, lr, n)


def counted_from_zero(p, g, s, lr, n):
    """Not corrected in the first step, because n = 0 would divide by 0."""
    m, v = averaged(s, g)
    if n > 1:
        m, v = m / (1 - 0.9 ** (n - 1)), v / (1 - 0.999 ** (n - 1))
    p.data = p.data - lr * m / (v.sqrt() + 1e-8)


def square_of_mean(p, g, s, lr, n):
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["v"] = 0.999 * s["v"] + 0.001 * s["m"] ** 2
    root = (1 - 0.999**n) ** 0.5
    p.data = p.data - lr * root / (1 - 0.9**n) * s["m"] / (s["v"].sqrt() + 1e-8 * root)


WRONG_ADAMS: dict[str, tuple[dict[str, Any], Any, LinearCase]] = {
    "no bias correction": ({"corrected": False}, uncorrected, SHORT),
    "eps inside the root": ({"inside": True}, eps_inside, TINY),
    "eps inside the root, float64": ({"inside": True}, eps_inside, DOUBLE),
    "eps 1e-7": ({"eps": 1e-7}, eps_larger, TINY),
    "eps 1e-7, float64": ({"eps": 1e-7}, eps_larger, DOUBLE),
    "beta2 .99": ({"beta2": 0.99}, beta2_smaller, SHORT),
    "coupled decay": ({"coupled": True, "decay": 0.1}, coupled_decay, DECAYED),
    "count from 0": ({"first": 0}, counted_from_zero, SHORT),  # the first form gives NaN: 0 / 0
    "second moment of the mean": ({"of_mean": True}, square_of_mean, SHORT),
}


@pytest.mark.parametrize("form", ["textbook", "own function"])
@pytest.mark.parametrize("name", WRONG_ADAMS)
def test_a_wrong_adam_is_different_at_the_parameter(name, form):
    """And at no other stage, in the forced run."""
    changes, update, case = WRONG_ADAMS[name]
    made = textbook(**changes) if form == "textbook" else stepping(update)
    result = judged(made, case)
    assert result.verdict == "different"
    assert result.first_divergence
    assert result.first_divergence.stage == "parameter"
    assert result.first_divergence.step <= 1
    assert all(result.runs["forced"][s].level != "different" for s in ("loss", "gradient"))


def test_a_right_decoupled_decay_agrees():
    """The control of the coupled one."""
    hold(textbook(decay=0.1), DECAYED)


def test_eps_hides_behind_ordinary_gradients_in_float32():
    """Why the wrong eps needs a case of its own: 1e-8 beside a gradient of 1 is rounding."""
    for changes in ({"inside": True}, {"eps": 1e-7}):
        assert judged(textbook(**changes), SHORT).verdict == "rounding"


# The rest of the family: scratch against built in, another right way, and wrong ways.


def under(name, **settings):
    """Return the short case with this rule."""
    return dataclasses.replace(SHORT, name=name, optimizer=UpdateRule.of(name, **settings))


def momentum(p, g, s, lr, n):
    """With dampening, which the first velocity is spared."""
    s["v"] = 0.9 * s["v"] + 0.5 * g if n > 1 else g
    p.data = p.data - lr * s["v"]


def nesterov(p, g, s, lr, _n):
    g = g + 0.1 * p
    s["v"] = 0.9 * s["v"] + g
    p -= lr * g + lr * 0.9 * s["v"]


def adagrad(p, g, s, lr, _n):
    s["sum"] = s["sum"] + g**2
    p.data = p.data - lr * g * (s["sum"] ** 0.5 + 1e-10).reciprocal()


def rmsprop(p, g, s, lr, _n):
    s["v"] = 0.99 * s["v"] + 0.01 * g * g
    p.data = p.data - lr * g / (s["v"].sqrt() + 1e-8)


def rmsprop_centered(p, g, s, lr, _n):
    s["v"], s["m"] = 0.99 * s["v"] + 0.01 * g * g, 0.99 * s["m"] + 0.01 * g
    s["buffer"] = 0.5 * s["buffer"] + g / ((s["v"] - s["m"] ** 2).sqrt() + 1e-8)
    p.data = p.data - lr * s["buffer"]


def adadelta(p, g, s, lr, _n):
    """As the book has it."""
    s["v"] = 0.9 * s["v"] + 0.1 * g**2
    delta = ((s["d"] + 1e-6) / (s["v"] + 1e-6)) ** 0.5 * g
    p.data = p.data - lr * delta
    s["d"] = 0.9 * s["d"] + 0.1 * delta * delta


FAMILY = {
    "momentum": (momentum, under("sgd", momentum=0.9, dampening=0.5)),
    "nesterov": (nesterov, under("sgd", momentum=0.9, nesterov=True, weight_decay=0.1)),
    "adagrad": (adagrad, under("adagrad")),
    "rmsprop": (rmsprop, under("rmsprop")),
    "centered": (rmsprop_centered, under("rmsprop", centered=True, momentum=0.5)),
    "adadelta": (adadelta, under("adadelta")),
    "adam with decay": (coupled_decay, under("adam", weight_decay=0.1)),
}
STRETCH = {"num_examples": 1003, "epochs": 5}


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_family_agrees(name, dtype):
    """The twin in scratch to the bit, another way to write it within rounding."""
    update, case = FAMILY[name]
    case = dataclasses.replace(case, dtype=dtype)
    assert compare(cases=[case]).verdict == "identical"
    hold(stepping(update), case)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lr", RATES)
def test_the_family_at_length(name, dtype, lr):
    """500 steps, of a linear model and of a hidden layer."""
    update, case = FAMILY[name]
    for hidden in (0, 8):
        changed = dataclasses.replace(
            case, dtype=dtype, lr=lr, hidden=hidden, initial_std=0.5, **STRETCH
        )
        assert compare(cases=[changed]).verdict == "identical"
        assert hold(stepping(update), changed).steps == 505


def damped_at_once(p, g, s, lr, _n):
    s["v"] = 0.9 * s["v"] + 0.5 * g
    p.data = p.data - lr * s["v"]


def damped_in_place(p, g, s, lr, n):
    s["v"] = (torch.zeros_like(g) if n == 1 else s["v"]).mul_(0.9).add_(g, alpha=0.5)
    p.sub_(s["v"], alpha=lr)


def velocity_turned(p, g, s, lr, n):
    s["v"] = 0.5 * g - 0.9 * s["v"] if n > 1 else g
    p.data = p.data - lr * s["v"]


def velocity_uphill(p, g, s, lr, n):
    s["v"] = -0.9 * s["v"] + 0.5 * g if n > 1 else 1 * g
    p.add_(s["v"], alpha=lr)


def rmsprop_inside(eps, alpha=0.99):
    """Return the book's RMSProp."""

    def update(p, g, s, lr, _n):
        s["v"] = alpha * s["v"] + (1 - alpha) * g * g
        p.data = p.data - lr * g / torch.sqrt(s["v"] + eps)

    return update


def rmsprop_rsqrt(p, g, s, lr, _n):
    s["v"] = torch.lerp(0 * g + s["v"], g.square(), 0.01)
    p.addcmul_(g, (s["v"] + 1e-6).rsqrt(), value=-lr)


def adagrad_inside(eps):
    """Return the book's Adagrad."""

    def update(p, g, s, lr, _n):
        s["sum"] = s["sum"] + g.square()
        p.data = p.data - lr * g / torch.sqrt(s["sum"] + eps)

    return update


def adagrad_rsqrt(p, g, s, lr, _n):
    s["sum"] = torch.addcmul(0 * g + s["sum"], g, g)
    p.addcmul_(g, (s["sum"] + 1e-6).rsqrt(), value=-lr)


DAMPED = under("sgd", momentum=0.9, dampening=0.5)
WRONG_FAMILY = {
    "damped at once": (damped_at_once, DAMPED),
    "damped in place": (damped_in_place, DAMPED),
    "velocity turned": (velocity_turned, DAMPED),
    "velocity uphill": (velocity_uphill, DAMPED),
    "rmsprop inside": (rmsprop_inside(1e-6), under("rmsprop", eps=1e-6)),
    "rmsprop rsqrt": (rmsprop_rsqrt, under("rmsprop", eps=1e-6)),
    "adagrad inside": (adagrad_inside(1e-6), under("adagrad", eps=1e-6)),
    "adagrad rsqrt": (adagrad_rsqrt, under("adagrad", eps=1e-6)),
}


@pytest.mark.parametrize("name", WRONG_FAMILY)
def test_a_wrong_one_of_the_family_is_different_at_the_parameter(name):
    """Signs and dampening at any gradient; eps where gradients are small."""
    update, case = WRONG_FAMILY[name]
    if "eps" in dict(case.optimizer.settings):
        case = dataclasses.replace(TINY, optimizer=case.optimizer)
    result = judged(stepping(update), case)
    assert result.verdict == "different"
    assert result.first_divergence
    assert result.first_divergence.stage == "parameter"


@pytest.mark.parametrize("case", [SHORT, TINY], ids=lambda case: case.name)
def test_eps_inside_is_eps_outside_where_it_is_zero(case):
    """The book's convention and torch's differ in eps alone."""
    for name, update in (("rmsprop", rmsprop_inside(0.0)), ("adagrad", adagrad_inside(0.0))):
        rule = UpdateRule.of(name, eps=0.0)
        hold(stepping(update), dataclasses.replace(case, optimizer=rule))


def test_the_books_adam_agrees_where_eps_is_matched():
    """The book's 1e-6 against torch's: exact when matched, different when not."""
    case = dataclasses.replace(TINY, optimizer=UpdateRule.of("adam", eps=1e-6))
    hold(textbook(eps=1e-6), case)
    assert judged(textbook(eps=1e-6), TINY).verdict == "different"


# Edges.


@pytest.mark.parametrize("rule", [ADAM, UpdateRule.of("adagrad"), UpdateRule.of("adadelta")])
def test_zero_gradients_divide_nothing(rule):
    """0 / (0 + eps) is 0: a net that starts at 0 leaves its weights there, on both sides."""
    case = dataclasses.replace(SHORT, optimizer=rule, hidden=3, initial_std=0.0)
    result = compare(cases=[case]).cases[0]
    assert result.runs["forced"]["parameter"].level == "identical"
    assert result.final["scratch"]["W1"] == [0.0] * 6


def test_zero_over_zero_is_nothing_to_compare():
    """With eps = 0 both sides are NaN at once: no verdict, rather than a pass."""
    case = dataclasses.replace(
        SHORT, optimizer=UpdateRule.of("adam", eps=0.0), hidden=3, initial_std=0.0
    )
    assert compare(cases=[case]).cases[0].verdict == "inconclusive"


def test_a_single_step():
    """The first step is the last: all of its state is new."""
    case = dataclasses.replace(SHORT, num_examples=10, epochs=1, initial_std=1.0)
    assert hold(RIGHT_ADAMS["folded"], case).steps == 1
    assert judged(textbook(corrected=False), case).verdict == "different"


def test_state_goes_on_from_chunk_to_chunk(monkeypatch):
    """The verdict does not depend on how many steps are judged at once."""
    monkeypatch.setattr("harness.engine.lockstep.chunk_steps", lambda *_: 3)
    hold(RIGHT_ADAMS["folded"], SHORT)
    assert compare(cases=[SHORT]).verdict == "identical"
    assert judged(stepping(uncorrected), SHORT).verdict == "different"


def test_an_optimizer_without_state_against_one_with():
    """Either may be the subject; momentum is not plain SGD."""
    plain, heavy = SHORT, under("sgd", momentum=0.9)
    plain = dataclasses.replace(plain, optimizer=UpdateRule())
    assert judged(stepping(momentum), plain).verdict == "different"

    def sgd(p, g, _s, lr, _n):
        p.data = p.data - lr * g

    assert judged(stepping(sgd), heavy).verdict == "different"
    hold(stepping(sgd), plain)


def test_a_factor_that_no_learning_rate_makes_up_for():
    """½ against 1 is reconciled for velocities, refused for all that is not linear."""
    subject, reference = SCRATCH["object"], BUILTIN["mse"]
    heavy = dataclasses.replace(under("sgd", momentum=0.9), form="object", against="mse")
    assert compare(subject, reference, [heavy]).verdict == "convention"
    for rule in (ADAM, UpdateRule.of("sgd", momentum=0.9, weight_decay=0.1)):
        with pytest.raises(InputError, match="no learning rate makes up for the factor ½"):
            compare(subject, reference, [dataclasses.replace(heavy, optimizer=rule)])
