"""Causes are named by value or not at all: every known mistake, several at once, and nonsense."""

import dataclasses
from functools import cache

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.diagnosis import finding, rules
from harness.diagnosis.finding import diagnose, find
from harness.engine.components import (
    COMPONENTS,
    DATA_ITERATOR,
    INITIALISATION,
    LOOP,
    LOSS,
    MODEL,
    OPTIMIZER,
    ComponentVerdict,
    SinglePiece,
    signature,
)
from harness.engine.components import (
    Loop as LoopComponent,
)
from harness.engine.pieces import Functional
from harness.mistakes.catalogue import MISTAKES, named
from harness.mistakes.right_loop import Loop
from harness.mistakes.stateful import Momentum
from harness.pairs.linear import BUILTIN, SCRATCH, Form

FORMS: tuple[Form, ...] = ("functional", "object", "mse")
WRITTEN = [
    (form, mistake.id, at)
    for form in FORMS
    for mistake in MISTAKES.values()
    if mistake.component in COMPONENTS and mistake.pair != "softmax"
    for at, written in enumerate(mistake.forms)
    if written.make(SCRATCH[form]) is not None
]
ONE_EACH = list({name: (form, name, at) for form, name, at in reversed(WRITTEN)}.values())
# A generator that is seeded inside and an order that is kept by the module reply the same within
# one process; only a fresh one parts them.
NOT_PARTED = {"data.reseeded": ("data.shuffle-once",)}


@cache
def asked(component, form, seed=0):
    """Return the questions for a component, drawn once."""
    return component.questions(BUILTIN[form], form, seed)


def found(component, subject, form="mse", seed=0):
    """Return what is found about one component of a recipe."""
    replies = [(q, component.ask(subject, q)) for q in asked(component, form, seed)]
    return find(component, replies, subject, BUILTIN[form])


def with_piece(component, piece, form="mse"):
    """Return scratch with one piece replaced."""
    return component.put_into(SCRATCH[form], piece, name="subject")


def judged(component, piece, form="mse"):
    """Return what is found about scratch with one piece replaced."""
    return found(component, with_piece(component, piece, form), form)


# -- the catalogue -------------------------------------------------------------


def named_exactly(form, name, at, seed=0):
    """Assert that a form of a mistake is caught at a stage and named, and nothing else is."""
    mistake = named(name)
    subject = mistake.forms[at].make(SCRATCH[form])
    result = found(mistake.component, subject, form, seed)
    assert not result.passed
    assert result.level in ("different", "error")
    assert result.stages
    assert result.cause is not None, result.measured
    assert (result.cause.id, result.cause.also) == (name, NOT_PARTED.get(name, ()))
    assert result.cause.evidence
    assert result.mistake is mistake


@pytest.mark.parametrize(("form", "name", "at"), ONE_EACH[::3])
def test_each_mistake_is_named(form, name, at):
    """One form of each name, in one convention."""
    named_exactly(form, name, at)


@pytest.mark.slow
@pytest.mark.parametrize(("form", "name", "at"), WRITTEN)
def test_each_form_of_each_mistake_is_named_in_each_convention(form, name, at):
    """With other questions than the quick test asks."""
    named_exactly(form, name, at, seed=1)


def test_every_mistake_of_a_component_is_tried():
    """The list above leaves out only those of optimizers that no question asks for."""
    tried = {name for _, name, _ in ONE_EACH}
    every = {name for name, m in MISTAKES.items() if m.forms and m.pair != "softmax"}
    rest = every - tried
    assert {name.partition(".")[0] for name in rest} <= {"momentum", "adagrad", "rmsprop", "adam"}
    assert len(tried) > 50


@pytest.mark.parametrize("form", FORMS)
def test_right_recipes_have_no_finding(form):
    """Both sides pass in every component, and nothing is named or measured."""
    for subject in (SCRATCH[form], BUILTIN[form]):
        for result in diagnose(subject, form=form):
            if subject is BUILTIN[form] and result.component is INITIALISATION:
                continue  # nn.Linear's weight is (1, d)
            assert result.passed, (result.component, result.first, result.raised)
            assert (result.cause, result.mistake, result.measured) == (None, None, ())
            assert (result.failed, result.first, result.raised, result.stages) == (
                (),
                None,
                None,
                (),
            )


def test_nothing_asked_is_no_pass():
    """A finding without a verdict is inconclusive, and has no cause."""
    result = find(OPTIMIZER, [], SCRATCH["mse"], BUILTIN["mse"])
    assert (result.passed, result.level, result.cause) == (False, "inconclusive", None)
    unjudged = [pair for pair in _replies(OPTIMIZER, SCRATCH["mse"]) if not pair[0].judged]
    assert unjudged
    assert find(OPTIMIZER, unjudged, SCRATCH["mse"], BUILTIN["mse"]).level == "inconclusive"


def _replies(component, subject):
    return [(question, component.ask(subject, question)) for question in asked(component, "mse")]


# -- several at once -----------------------------------------------------------

SEVERAL = [
    ("functional", {LOSS: "loss.no-half", LOOP: "train.fixed-divisor"}),
    ("mse", {MODEL: "model.bias-sign", OPTIMIZER: "sgd.ascends"}),
    (
        "object",
        {
            DATA_ITERATOR: "data.drops-tail",
            LOSS: "loss.no-reshape",
            INITIALISATION: "init.scale",
        },
    ),
]


@pytest.mark.parametrize(("form", "mistakes"), SEVERAL)
def test_independent_faults_are_each_named(form, mistakes):
    """Two or three pieces of one recipe are wrong: these are named, and no other."""
    subject = SCRATCH[form]
    for component, name in mistakes.items():
        wrong = named(name).forms[0].make(SCRATCH[form])
        subject = component.put_into(subject, component.of(wrong))
    results = diagnose(subject, form=form)
    assert [result.component for result in results] == list(COMPONENTS)
    causes = {result.component: result.cause.id for result in results if result.cause}
    assert causes == mistakes
    assert {result.component for result in results if not result.passed} == set(mistakes)


# -- what no known mistake explains --------------------------------------------


def scaled(fn, factor, offset=0.0):
    """Return a function whose value and slope are changed."""
    return lambda *given: fn(*given) * factor + offset


def net(formula):
    """Return a model piece of a formula of X @ w + b."""
    return lambda d: Functional(
        lambda X, w, b: formula(X @ w, b), (torch.zeros(d, 1), torch.zeros(1))
    )


def updated(rule):
    """Return an optimizer piece: `rule(p, gradient, lr, index)` gives the change."""

    class Updated:
        def __init__(self, parameters, lr):
            self.parameters, self.lr, self.calls = parameters, lr, 0

        def step(self, _length):
            self.calls += 1
            with torch.no_grad():
                for index, p in enumerate(self.parameters):
                    p.sub_(rule(p.grad, self.lr, index, self.calls))

        def zero_grad(self):
            for p in self.parameters:
                p.grad = None

    return Updated


MSE = SCRATCH["mse"]


def weighed(y_hat, y):
    """Return squared errors of which the later ones count more."""
    weights = torch.linspace(1, 2, len(y_hat))[:, None]
    return (weights * (y_hat - y.reshape(y_hat.shape)) ** 2).mean()


UNEXPLAINED = {
    "ratio": (LOSS, scaled(MSE.loss, 0.3), "loss: ratio constant = 0.3"),
    "order": (LOSS, weighed, "loss: depends on the order of the rows"),
    "growing": (
        OPTIMIZER,
        updated(lambda g, lr, _i, k: (1.3 + 0.1 * k) * lr * g),
        "update: grows with the step",
    ),
    "ratio of an update": (
        OPTIMIZER,
        updated(lambda g, lr, _i, _k: 0.3 * lr * g),
        "update: ratio constant = 0.3",
    ),
    "sign": (LOSS, scaled(MSE.loss, -1.0), "loss: sign flipped"),
    "offset": (LOSS, scaled(MSE.loss, 1.0, 7.5), "loss: constant offset 7.5"),
    "offset of a model": (
        MODEL,
        net(lambda product, b: product + b + 2.5),
        "prediction: constant offset 2.5",
    ),
    "short batches": (
        LOSS,
        lambda y_hat, y: MSE.loss(y_hat, y) * (1 if len(y_hat) == 5 else 0.3),
        "loss: only batches of 1 and 3 rows differ",
    ),
    "negative predictions": (
        MODEL,
        net(lambda product, b: torch.where(product + b < 0, 0.37, 1.0) * (product + b)),
        "prediction: only negative predictions differ",
    ),
    "bias": (
        OPTIMIZER,
        updated(lambda g, lr, index, _k: lr * g * (1 if index == 0 else 0.3)),
        "update: only the bias differs",
    ),
    "weight": (
        OPTIMIZER,
        updated(lambda g, lr, index, _k: lr * g * (0.3 if index == 0 else 1)),
        "update: only the weight differs",
    ),
    "first call": (
        OPTIMIZER,
        updated(lambda g, lr, _i, k: lr * g * (1 if k == 1 else 0.3)),
        "update: the first call is right, all later ones are not",
    ),
    "first three calls": (
        OPTIMIZER,
        updated(lambda g, lr, _i, k: lr * g * (1 if k < 4 else 0.3)),
        "update: the first 3 calls are right, all later ones are not",
    ),
}


@pytest.mark.parametrize("fault", UNEXPLAINED)
def test_what_can_be_measured_is_said(fault):
    """No cause, and the sentence that holds."""
    component, piece, sentence = UNEXPLAINED[fault]
    result = judged(component, piece)
    assert result.level == "different"
    assert result.cause is None
    assert sentence in [said.removesuffix(" where it differs") for said in result.measured]


def test_a_finding_tells_where_it_first_went_wrong():
    """The first divergence of the first failed question; else what was first raised."""
    result = judged(LOSS, scaled(MSE.loss, 0.3))
    assert result.first == result.failed[0].first
    assert (result.first.stage, result.raised) == ("loss", None)
    shown = result.to_dict()
    assert (shown["component"], shown["level"]) == ("squared_loss", "different")
    assert shown["message"] == result.first.message
    assert (shown["cause"], shown["also"], shown["what"]) == (None, [], None)
    assert shown["measured"] == list(result.measured)
    wrong = found(LOSS, named("loss.extra-half").forms[0].make(SCRATCH["object"]), "object")
    assert wrong.to_dict()["cause"] == {
        "id": "loss.extra-half",
        "evidence": wrong.cause.evidence,
    }
    assert wrong.to_dict()["what"] == named("loss.extra-half").what

    def refuses(y_hat, y):
        raise LookupError("not today")

    refused = judged(LOSS, refuses)
    assert refused.first is None
    assert refused.to_dict()["message"] == "raises LookupError: not today"


def test_findings_of_one_component_and_cause_are_shown_once():
    """The first of them; other causes and other components beside it."""
    loss, same = judged(LOSS, scaled(MSE.loss, 0.3)), judged(LOSS, scaled(MSE.loss, 0.4))
    known = found(LOSS, named("loss.sign").forms[0].make(MSE))
    update = judged(OPTIMIZER, updated(lambda g, lr, _i, _k: 0.3 * lr * g))
    shown = finding._distinct([loss, same, known, update, update])
    assert shown == [loss.to_dict(), known.to_dict(), update.to_dict()]


@pytest.mark.parametrize("fault", UNEXPLAINED)
def test_a_sentence_is_only_said_where_it_holds(fault):
    """The control: of the sentences above, others than its own hold for few of the faults."""
    component, piece, own = UNEXPLAINED[fault]
    said = {s.removesuffix(" where it differs") for s in judged(component, piece).measured}
    every = {sentence for _, _, sentence in UNEXPLAINED.values()}
    also = {
        "short batches": {"loss: ratio constant = 0.3"},
        "first call": {"update: ratio constant = 0.3"} - {own},
    }
    assert said & every <= {own} | also.get(fault, set())


def test_an_iterator_or_a_loop_is_not_measured():
    """Nothing is said in numbers about what has no columns of its own."""

    class Backwards(Loop):
        def update(self, rows):
            for p in self.side.parameters():
                assert p.grad is not None
                p.grad.mul_(0.37)
            super().update(rows)

    result = judged(LOOP, lambda side: Backwards(side).fit())
    assert (result.level, result.cause, result.measured) == ("different", None, ())
    assert judged(LOOP, lambda side: Loop(side).fit()).passed


# factors that no entry of the catalogue has: neither whole, nor half, nor one over a whole number
ODD = st.floats(0.01, 50).filter(lambda x: min(abs(y - round(y)) for y in (2 * x, 1 / x)) > 0.02)


FEW = settings(max_examples=6, phases=[Phase.generate])


@FEW
@given(factor=ODD, form=st.sampled_from(FORMS))
def test_a_strange_factor_is_never_named(factor, form):
    """A loss, a prediction and a step of the wrong size."""
    result = judged(LOSS, scaled(SCRATCH[form].loss, factor), form)
    assert (result.level, result.cause) == ("different", None)
    (said,) = [s for s in result.measured if s.startswith("loss: ratio constant = ")]
    assert float(said.rpartition(" ")[2]) == pytest.approx(factor, rel=2e-5)  # six digits shown


@FEW
@given(offset=st.floats(0.05, 9).filter(lambda x: abs(x - 1) > 0.1), form=st.sampled_from(FORMS))
def test_a_strange_offset_is_never_named(offset, form):
    """A loss with a constant added: its gradient is right."""
    result = judged(LOSS, scaled(SCRATCH[form].loss, 1.0, offset), form)
    assert (result.level, result.cause) == ("different", None)
    assert result.stages == ("loss",) * len(result.stages)


class Dropout:
    """A loss that leaves out terms at random."""

    def __call__(self, y_hat, y):
        """Return the mean of squares of some rows."""
        kept = torch.rand(len(y_hat), 1) < 0.5
        return ((y_hat - y.reshape(y_hat.shape)) ** 2 * kept).mean()


def stored_from(start):
    """Return an iterator that begins in the middle of a stored order."""

    def batches(features, labels, size, _generator):
        order = torch.arange(len(features)).roll(start)
        return [(features[rows], labels[rows]) for rows in order.split(size)]

    return batches


NONSENSE = {
    "random model": (MODEL, net(lambda product, b: torch.rand(len(product), 1) * b)),
    "random loss": (LOSS, lambda y_hat, _y: torch.rand(()) * y_hat.sum()),
    "dropout": (LOSS, Dropout()),
    "cubes": (LOSS, lambda y_hat, y: (y_hat - y.reshape(y_hat.shape)).pow(3).mean()),
    "random update": (OPTIMIZER, updated(lambda g, lr, _i, _k: lr * torch.rand_like(g))),
    "right value, wrong slope": (
        LOSS,
        lambda y_hat, y: MSE.loss(y_hat.detach(), y) + 0.7 * (y_hat - y_hat.detach()).sum(),
    ),
    "float index": (
        DATA_ITERATOR,
        lambda X, y, *_: (_ for _ in (X[torch.ones(2)], y)),
    ),
    "double": (
        DATA_ITERATOR,
        lambda X, y, size, _g: list(zip(X.double().split(size), y.split(size), strict=True)),
    ),
    "nothing served": (DATA_ITERATOR, lambda *_: []),
    "NaN": (INITIALISATION, lambda d: (torch.full((d, 1), torch.nan, requires_grad=True),
                                      torch.zeros(1, requires_grad=True))),
}  # fmt: skip


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_caught_and_never_named(name):
    """Arbitrary faults have no cause."""
    component, piece = NONSENSE[name]
    result = judged(component, piece)
    assert not result.passed
    assert result.level in ("different", "error", "inconclusive")
    assert result.cause is None


def test_a_jump_that_is_no_new_start_is_not_named():
    """A loop that shrinks the parameters between epochs, beside one that draws them anew."""

    class Shrinks(Loop):
        def epoch(self, number):
            if number:
                self.side.load([0.5 * p.detach() for p in self.side.parameters()])
            super().epoch(number)

    class Draws(Loop):
        def epoch(self, number):
            d = self.side.case.d
            self.side.load([0.01 * torch.randn(d), torch.zeros(1)])
            super().epoch(number)

    shrinks, draws = (judged(LOOP, lambda s, k=kind: k(s).fit()) for kind in (Shrinks, Draws))
    assert (shrinks.level, shrinks.cause) == ("different", None)
    assert draws.cause.id == "train.reinitialises"


# -- pieces with a state of their own ------------------------------------------


def momentum_in_a_global(momentum):
    """Return an optimizer piece whose velocity outlives the optimizer."""
    velocity: dict[tuple[int, ...], torch.Tensor] = {}

    class Global(Momentum):
        def __init__(self, parameters, lr):
            super().__init__({"momentum": momentum}, parameters, lr)

        def velocity(self, memory, gradient):
            key = tuple(gradient.shape)
            velocity[key] = momentum * velocity.get(key, 0.0) + gradient
            return velocity[key]

    return Global


def counting(loss):
    """Return a loss that is right but for the calls of a first question that is asked again."""
    steps = asked(LOSS, "mse")[0].steps
    calls = 0

    def counted(y_hat, y):
        nonlocal calls
        calls += 1
        return loss(y_hat, y) * (1.5 if steps < calls <= 2 * steps else 1)

    return counted


def test_a_loss_that_depends_on_the_calls_is_caught():
    """Right when it is asked, wrong when it is asked the same again."""
    result = judged(LOSS, counting(MSE.loss))
    assert result.level == "different"
    assert result.cause is None
    assert "asked the same again" in result.failed[0].first.message
    assert "asked the same again, it gives something else" in result.measured


def test_a_piece_that_raises_the_second_time_is_caught():
    """An exception counts whenever it comes."""
    calls = 0

    def tired(y_hat, y):
        nonlocal calls
        calls += 1
        if calls > 22:
            raise RuntimeError("enough")
        return MSE.loss(y_hat, y)

    result = judged(LOSS, tired)
    assert not result.passed
    assert result.failed[0].raised.message == "enough"


@pytest.mark.parametrize("momentum", [0.7, 0.9])
def test_momentum_in_a_global_is_caught(momentum):
    """Whether or not the catalogue has this number."""
    result = judged(OPTIMIZER, momentum_in_a_global(momentum))
    assert result.level == "different"
    assert result.cause is None or result.cause.id == "sgd.keeps-momentum"
    assert result.cause or "asked the same again, it gives something else" in result.measured


def test_an_iterator_that_depends_on_earlier_calls_is_caught():
    """A generator that is used up, and one that goes on where the last call stopped."""

    def used_up(features, labels, size, generator):
        return iter(list(MSE.batches(features, labels, size, generator)))

    place = 0

    class Goes:
        def __init__(self, features, labels, size, _generator):
            self.served = list(zip(features.split(size), labels.split(size), strict=True))

        def __iter__(self):
            nonlocal place
            place += 1
            order = torch.randperm(len(self.served)).tolist()
            return iter([self.served[k] for k in order][place % 2 :])

    for piece in (used_up, Goes):
        assert judged(DATA_ITERATOR, piece).level == "different"
    assert judged(DATA_ITERATOR, MSE.batches).passed


# -- the engine broken on purpose ----------------------------------------------


def caught(name, form="functional"):
    """Return whether a mistake is named exactly."""
    try:
        named_exactly(form, name, 0)
    except AssertionError:
        return False
    return True


def unnamed(name):
    """Return whether nonsense is caught and not named."""
    result = judged(*NONSENSE[name])
    return not result.passed and result.cause is None


CHECKS = {
    "right": lambda: all(judged(c, c.of(MSE)).passed for c in (LOSS, OPTIMIZER, DATA_ITERATOR)),
    "loss": lambda: caught("loss.sign"),
    "model": lambda: caught("model.activation"),
    "zeroes first": lambda: caught("sgd.zeroes-first", "mse"),
    "no update": lambda: caught("sgd.no-update", "mse"),
    "no shuffle": lambda: caught("data.no-shuffle"),
    "strange": lambda: judged(LOSS, scaled(MSE.loss, 0.3)).cause is None,
    "cubes": lambda: unnamed("cubes"),
    "nothing served": lambda: unnamed("nothing served"),
    "calls": lambda: not judged(LOSS, counting(MSE.loss)).passed,
}


def failing(names):
    """Run these checks; return those that do not hold or cannot be run."""
    failed = set()
    for name in names:
        try:
            held = CHECKS[name]()
        except Exception:  # noqa: BLE001 - a mutated engine may break anywhere
            held = False
        if not held:
            failed.add(name)
    return failed


def loose(monkeypatch):
    """Take everything for equal up to rounding."""
    monkeypatch.setattr(signature, "ROUNDINGS", 1e6 * signature.ROUNDINGS)


def once_only(monkeypatch):
    """Never look at what was replied the second time."""
    right = SinglePiece.judge

    def judge(self, question, reply, subject, reference):
        seen = dataclasses.replace(reply, again=tuple(reply.once))
        return right(self, question, seen, subject, reference)

    monkeypatch.setattr(SinglePiece, "judge", judge)


def guesses(monkeypatch):
    """Name something whatever the facts are."""
    last = {m.component: name for name, m in MISTAKES.items() if m.pair != "softmax"}
    monkeypatch.setattr(
        rules, "told", lambda component, *_: iter([(last[component], "it must be this")])
    )


def alike(monkeypatch):
    """Ask with inputs that are all equal."""
    right = finding.find

    def flattened(stack):
        names = ("X", "y", "prediction", "before", "gradient")
        ones = {name: torch.ones_like(getattr(stack, name)) for name in names}
        return dataclasses.replace(stack, **ones)

    def find_flat(component, replies, subject, reference):
        flat = [
            dataclasses.replace(
                question,
                stacks=tuple((flattened(s), torch.ones_like(up)) for s, up in question.stacks),
            )
            for question, _ in replies
        ]
        return right(component, [(q, component.ask(subject, q)) for q in flat], subject, reference)

    monkeypatch.setitem(globals(), "find", find_flat)


def unjudged(monkeypatch):
    """Judge no question."""
    right = finding.find

    def find_none(component, replies, subject, reference):
        replies = [(dataclasses.replace(q, judged=False), reply) for q, reply in replies]
        return right(component, replies, subject, reference)

    monkeypatch.setitem(globals(), "find", find_none)


def without_the_extra_question(monkeypatch):
    """Leave out the question that is there only to part one mistake from another."""
    right = finding.find

    def find_judged(component, replies, subject, reference):
        return right(component, [p for p in replies if p[0].judged], subject, reference)

    monkeypatch.setitem(globals(), "find", find_judged)


def ruled_out(monkeypatch):
    """Rule out every mistake at the first glance."""
    for kind in (SinglePiece, LoopComponent):
        monkeypatch.setattr(kind, "begins_like", lambda *_: False)


def pass_all(monkeypatch):
    """Let every question pass."""
    monkeypatch.setattr(ComponentVerdict, "passed", True)


MUTATIONS = {
    loose: {"loss", "model", "strange", "cubes"},
    once_only: {"calls"},
    guesses: {"no shuffle", "strange", "cubes", "nothing served"},
    alike: {"right"},
    unjudged: {"right", "loss"},
    without_the_extra_question: {"zeroes first", "no update"},
    ruled_out: {"loss", "model", "zeroes first", "no update"},
    pass_all: {"loss", "no shuffle", "calls", "nothing served"},
}


def test_all_checks_hold_on_the_engine_as_it_is():
    """The control: nothing fails where nothing is broken."""
    assert failing(CHECKS) == set()


@pytest.mark.mutation
@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_broken_engine_is_noticed(mutate, monkeypatch):
    """By each of the named checks."""
    with monkeypatch.context() as broken:
        mutate(broken)
        failed = failing(MUTATIONS[mutate])
    assert failed == MUTATIONS[mutate]


def test_every_check_is_there_for_some_mutation():
    """A check that notices nothing is no check."""
    assert set().union(*MUTATIONS.values()) == set(CHECKS)
