"""A comparison asks every piece of the subject's own by itself, and nothing it meets ends it."""

import dataclasses
import functools
import math
from typing import Any

import pytest
import torch
from torch import nn

from harness.diagnosis import asked
from harness.diagnosis.finding import compare
from harness.engine.case import UpdateRule
from harness.engine.case_comparison import CaseComparison
from harness.engine.comparison import compare as engine_compare
from harness.engine.components import OPTIMIZER
from harness.pairs.catalogue import named
from harness.pairs.linear import BUILTIN, LINEAR, SCRATCH, LinearCase

R = dataclasses.replace
S, B = SCRATCH["mse"], BUILTIN["mse"]
AGREES = ("identical", "rounding")
SMALL = LinearCase("small", "six steps", num_examples=13, batch_size=5, epochs=2)


def raises(*_arguments):
    """Whoever calls this piece is told."""
    raise RuntimeError("called")


# -- pieces that no run calls --------------------------------------------------


@pytest.mark.parametrize("piece", ["init", "clip"])
def test_a_piece_that_no_run_calls_is_asked(piece):
    """What it raises is an error of the subject; the pair's own, behind another name, is right."""
    result = compare(R(S, **{piece: raises}), cases=[SMALL])
    assert result.verdict == "error"
    assert result.reason
    assert "RuntimeError: called" in result.reason
    assert len(result.findings) == 1
    right = compare(R(S, **{piece: functools.partial(getattr(S, piece))}), cases=[SMALL])
    assert (right.verdict, right.reason, right.findings) == ("identical", None, [])


def test_a_clip_that_never_clips_is_found_where_no_case_clips():
    """And where the case does."""
    for case in (SMALL, R(SMALL, clip=1.0)):
        result = compare(R(S, clip=lambda _parameters, _norm: None), cases=[case])
        assert result.verdict == "different"
        assert "clip" in [finding["component"] for finding in result.findings]


def test_the_pairs_own_are_asked_nothing(monkeypatch):
    """Neither by default nor when they are handed over."""
    monkeypatch.setattr(asked, "askings", raises)
    assert compare(cases=[SMALL]).verdict == "identical"
    assert compare(S, cases=[SMALL]).notes == []
    assert compare(R(S, loss=functools.partial(S.loss)), cases=[SMALL]).notes


def test_labels_of_another_shape_are_not_judged_where_no_case_has_them():
    """Torch's function broadcasts (m, 1) against (m,): a fault only of who serves such labels."""
    flat = R(SMALL, flat_labels=True)
    bare = R(S, loss=lambda y_hat, y: (y_hat - y).square().mean())
    assert compare(bare, cases=[SMALL]).verdict in AGREES
    assert compare(bare, cases=[SMALL, flat]).verdict == "different"


def test_a_fault_that_no_case_comes_by_is_found_by_asking():
    """Residuals as large as no case has: the run is right, the piece is not."""

    def capped(y_hat, y):
        return (y_hat - y.reshape(y_hat.shape)).clamp(-500, 500).square().mean()

    run = engine_compare(R(S, loss=capped), cases=[SMALL])
    assert run.verdict in AGREES
    result = compare(R(S, loss=capped), cases=[SMALL])
    assert (result.verdict, result.asked) == ("different", {"loss": "different"})
    assert [finding["component"] for finding in result.findings] == ["squared_loss"]


def test_an_update_that_divides_is_not_asked_within_a_reference_whose_update_does_not():
    """And the other way round; within one of its own kind it is."""
    summed = BUILTIN["functional"]
    references = {
        "mean": R(B, loss=functools.partial(B.loss)),
        "none": R(summed, loss=functools.partial(summed.loss)),
    }
    for mine, side in (("mean", S), ("none", SCRATCH["functional"])):
        subject = R(side, optimizer=functools.partial(side.optimizer), name="subject")
        for theirs, reference in references.items():
            case = CaseComparison(SMALL, subject, reference, forced_pass=False)
            assert bool(asked.askings(OPTIMIZER, [case])) is (mine == theirs)


# -- optimizers that remember --------------------------------------------------


class Adaptive:
    """The adaptive rules as one usually writes them; settings are ways to go wrong."""

    def __init__(self, rule, parameters, lr, *, eps=None, beta2=0.999, decay=0.0, early=False):
        self.parameters, self.lr, self.n = parameters, lr, 0
        defaults = {"adagrad": 1e-10, "adadelta": 1e-6}
        self.eps = defaults.get(rule, 1e-8) if eps is None else eps
        self.beta2, self.decay, self.early, self.coupled = beta2, decay, early, rule != "adamw"
        self.direction = getattr(self, rule.removesuffix("w"))
        self.states = [{"v": 0.0, "m": 0.0, "b": 0.0} for _ in parameters]

    def step(self, _length):
        """Update every parameter."""
        self.n += 1
        with torch.no_grad():
            for p, state in zip(self.parameters, self.states, strict=True):
                g = p.grad + self.decay * p if self.coupled else p.grad
                change = self.direction(state, g)
                p -= self.lr * (change if self.coupled else change + self.decay * p)

    def zero_grad(self):
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None

    def adagrad(self, s, g):
        """Divide by the root of all squares."""
        s["v"] = s["v"] + g * g
        return g / (s["v"].sqrt() + self.eps)

    def rmsprop(self, s, g):
        """Centered, with momentum, as in the default case."""
        s["v"], s["m"] = 0.9 * s["v"] + 0.1 * g * g, 0.9 * s["m"] + 0.1 * g
        s["b"] = 0.5 * s["b"] + g / ((s["v"] - s["m"] ** 2).sqrt() + self.eps)
        return s["b"]

    def adadelta(self, s, g):
        """Size steps by earlier steps."""
        s["v"] = 0.9 * s["v"] + 0.1 * g * g
        change = ((s["b"] + self.eps) / (s["v"] + self.eps)) ** 0.5 * g
        s["b"] = 0.9 * s["b"] + 0.1 * change * change
        return change

    def adam(self, s, g):
        """Correct both averages; `early` adds eps before that."""
        s["m"], s["v"] = 0.9 * s["m"] + 0.1 * g, self.beta2 * s["v"] + (1 - self.beta2) * g * g
        root = math.sqrt(1 - self.beta2**self.n)
        size = s["v"].sqrt() / root + (self.eps / root if self.early else self.eps)
        return s["m"] / (1 - 0.9**self.n) / size


class InTensors(Adaptive):
    """Adam whose powers are tensors of torch's default dtype."""

    def adam(self, s, g):
        """Correct both averages by rounded numbers."""
        b1, b2 = torch.tensor(0.9), torch.tensor(self.beta2)
        s["m"], s["v"] = b1 * s["m"] + (1 - b1) * g, b2 * s["v"] + (1 - b2) * g * g
        return s["m"] / (1 - b1**self.n) / ((s["v"] / (1 - b2**self.n)).sqrt() + self.eps)


DECAY = {"adam": 0.01, "adamw": 0.1}
RULES = ["adagrad", "rmsprop", "adadelta", "adam", "adamw"]
CASES = {name: R(case, dtype="float32") for name, case in zip(RULES, named(RULES), strict=True)}
LATE: dict[str, dict[str, float | bool]] = {
    "eps 1e-7": {"eps": 1e-7},
    "eps 1e-4": {"eps": 1e-4},
}
OF_ADAM: dict[str, dict[str, float | bool]] = {
    "beta2 .99901": {"beta2": 0.99901},
    "eps before the correction": {"early": True},
}


def under(rule, made=Adaptive, **changes):
    """Return what comes of a hand-written rule on its default case, in float32."""
    changes = {"decay": DECAY.get(rule, 0.0)} | changes
    piece = functools.partial(made, rule, **changes)
    return compare(R(S, optimizer=piece), cases=[R(CASES[rule], num_examples=53, epochs=2)])


@pytest.mark.parametrize("rule", RULES)
def test_a_right_rule_passes(rule):
    """The control of all the wrong ones."""
    result = under(rule)
    assert (result.findings, result.notes) == ([], [])
    assert result.verdict in AGREES


@pytest.mark.parametrize("rule", DECAY)
def test_powers_that_are_rounded_to_the_default_dtype_pass(rule):
    """Which is single precision where the subject was compared."""
    assert under(rule, InTensors).verdict == "rounding"
    assert torch.get_default_dtype() is torch.float32


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        *((rule, wrong) for rule in RULES for wrong in LATE.values()),
        *((rule, wrong) for rule in DECAY for wrong in OF_ADAM.values()),
        *((rule, {"decay": decay * 1.0001}) for rule, decay in DECAY.items()),
    ],
    ids=str,
)
def test_a_setting_that_hides_in_float32_is_different(rule, wrong):
    """It is asked in double precision and with gradients of the size of eps, always."""
    result = under(rule, **wrong)
    assert result.verdict == "different"
    assert [finding["component"] for finding in result.findings] == ["sgd"]


def test_the_cause_of_a_hidden_setting_is_named():
    """Where the catalogue has it."""
    (finding,) = under("adam", eps=1e-7).findings
    cause: Any = finding["cause"]
    assert cause["id"] == "adam.eps-value"


def test_settings_of_the_case_are_not_handed_to_an_own_optimizer():
    """It is said, where there are some."""
    bare = compare(R(S, optimizer=functools.partial(Adaptive, "adam")), cases=[CASES["adam"]])
    assert bare.verdict == "different"
    (note,) = bare.notes
    assert "adam(weight_decay=0.01)" in note
    assert "handed" in note
    assert under("adagrad").notes == []


# -- what used to end a comparison ---------------------------------------------


class Validating:
    """Plain SGD that refuses a rate that is none; `factor` makes it wrong."""

    def __init__(self, parameters, lr, factor=1.0):
        if not lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        self.parameters, self.lr = parameters, lr * factor

    def step(self, _length):
        """Update every parameter."""
        with torch.no_grad():
            for p in self.parameters:
                p -= self.lr * p.grad

    def zero_grad(self):
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None


def test_an_optimizer_that_validates_its_rate():
    """It was asked with a rate of NaN."""
    wrong = compare(R(S, optimizer=functools.partial(Validating, factor=1.01)), cases=[SMALL])
    assert wrong.verdict == "different"
    assert [finding["level"] for finding in wrong.findings] == ["different"]
    assert compare(R(S, optimizer=Validating), cases=[SMALL]).verdict in AGREES


@dataclasses.dataclass
class Squares:
    """A piece with eq and no hash."""

    factor: float = 1.0

    def __call__(self, y_hat, y):
        """Compute the mean of squares."""
        return self.factor * ((y_hat - y.reshape(y_hat.shape)) ** 2).mean()


@pytest.mark.parametrize("reference", [None, R(B, loss=Squares())], ids=["own", "unhashable"])
def test_pieces_that_cannot_be_hashed(reference):
    """On either side."""
    assert compare(R(S, loss=Squares(1.01)), reference, [SMALL]).verdict == "different"
    assert compare(R(S, loss=Squares()), reference, [SMALL]).verdict in AGREES


class BiasFirst(nn.Module):
    """A linear model whose parameters come the other way round; `third` adds one."""

    def __init__(self, d, *, third=False):
        super().__init__()
        self.b, self.w = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(d))
        self.scale = nn.Parameter(torch.ones(1)) if third else None

    def forward(self, X):
        """Predict."""
        return (X @ self.w).unsqueeze(-1) + self.b


@pytest.mark.parametrize("model", [BiasFirst, functools.partial(BiasFirst, third=True)])
def test_a_model_of_another_layout(model):
    """It is said in a sentence, whether it is subject or reference."""
    result = compare(R(S, model=model), cases=[SMALL])
    assert result.verdict == "error"
    assert result.reason
    assert "but the case starts from (2,), (1,)" in result.reason
    assert compare(S, R(B, model=model), [SMALL]).verdict == "inconclusive"


class Centred(nn.Module):
    """A layer that makes nothing of a single row."""

    def __init__(self, d, factor=1.0):
        super().__init__()
        self.linear, self.factor = nn.Linear(d, 1), factor

    def forward(self, X):
        """Predict from centred features."""
        if len(X) == 1:
            raise ValueError("expected more than 1 row")
        return self.factor * self.linear(X - X.mean(0))


def test_a_layer_that_makes_nothing_of_a_single_row():
    """It is asked with more."""
    case, reference = R(SMALL, num_examples=12, batch_size=4), R(B, model=Centred)
    right = compare(R(S, model=functools.partial(Centred)), reference, [case])
    assert right.verdict in AGREES
    assert right.notes == []
    wrong = compare(R(S, model=functools.partial(Centred, factor=1.01)), reference, [case])
    assert wrong.verdict == "different"
    assert wrong.findings


def test_a_fault_of_diagnosis_is_a_note(monkeypatch):
    """The verdict stands; what was called is not unseen."""
    monkeypatch.setattr(asked, "askings", raises)
    for factor, verdicts in ((1.0, AGREES), (1.01, ("different",))):
        result = compare(R(S, loss=Squares(factor)), cases=[SMALL])
        assert result.verdict in verdicts
        assert result.notes == ["loss could not be asked by itself: RuntimeError: called"]
    assert compare(R(S, clip=functools.partial(S.clip)), cases=[SMALL]).verdict == "inconclusive"


def test_the_reference_answers_first():
    """What it is not made for is not asked, and not held against the subject."""
    reference = R(B, init=raises)
    result = compare(R(S, init=functools.partial(S.init)), reference, [SMALL])
    assert result.verdict == "inconclusive"
    assert result.reason
    assert "init was given and never called" in result.reason
    assert any("does not answer" in note for note in result.notes)


def test_a_loop_is_asked_with_micro_batches():
    """Also where no case has them: they weigh by their rows."""

    def unweighed(side):
        for _ in range(side.case.epochs):
            for X, y in side.train_dataloader():
                side.zero_grad()
                size = side.case.micro_batch_size or len(X)
                parts = list(zip(X.split(size), y.split(size), strict=True))
                for part in parts:
                    (side.training_step(part) / len(parts)).backward()
                side.step()

    result = compare(R(S, loop=unweighed), cases=[SMALL])
    assert result.verdict == "different"
    (finding,) = result.findings
    cause: Any = finding["cause"]
    assert cause["id"] == "train.accumulation-uneven"
    assert compare(R(S, loop=functools.partial(S.loop)), cases=[SMALL]).verdict in AGREES


def test_each_rule_is_asked_once():
    """However many cases have it."""
    cases = [R(SMALL, name=name, optimizer=UpdateRule.of(name)) for name in ("sgd", "adam")]
    compared = compare(R(S, optimizer=Validating), cases=[*cases, *cases]).cases
    (component, piece), *others = asked.pieces(compared)
    assert (piece, others) == ("optimizer", [])
    assert len(asked.askings(component, compared)) == 2
    assert LINEAR.replaced(compared[0].subject) == ("optimizer",)
