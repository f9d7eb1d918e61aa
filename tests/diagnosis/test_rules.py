"""Facts that name a mistake: each with a reply that shows it and one that only looks like it."""

import math

import pytest
import torch

from harness.diagnosis.rules import Serving, _as_by_chance, _tail, told
from harness.engine.components import (
    COMPONENTS,
    DATA_ITERATOR,
    INITIALISATION,
    LOSS,
    MODEL,
    Matched,
    Served,
)
from harness.engine.pieces import Functional
from harness.mistakes.catalogue import of
from harness.mistakes.data import Batches
from harness.pairs.linear import BUILTIN, SCRATCH

MSE = SCRATCH["mse"]


def names(component, piece, form="mse"):
    """Return the ids that the facts give away for scratch with one piece replaced."""
    subject = component.put_into(SCRATCH[form], piece)
    asked = [q for q in component.questions(BUILTIN[form], form) if q.judged]
    replies = [(q, component.ask(subject, q)) for q in asked]
    verdicts = [component.judge(*pair, subject, BUILTIN[form]) for pair in replies]
    found = list(told(component, replies, verdicts, BUILTIN[form]))
    assert all(evidence for _, evidence in found)
    return [name for name, _ in found]


def test_only_what_is_drawn_at_random_is_decided_by_facts_alone():
    """The others are matched by value first."""
    decided = {c for c in COMPONENTS if not isinstance(c, Matched)}
    assert decided == {DATA_ITERATOR, INITIALISATION}


@pytest.mark.parametrize("component", [c for c in COMPONENTS if c is not INITIALISATION], ids=str)
@pytest.mark.parametrize("form", ["functional", "mse"])
def test_nothing_is_told_of_what_is_right(component, form):
    """In any component."""
    assert names(component, component.of(SCRATCH[form]), form) == []


def raising(error):
    """Return an iterator that raises."""

    def batches(*_given):
        raise error

    return batches


class Doubled(Batches):
    """Right rows in double precision."""

    def pick(self, rows):
        """In float64."""
        X, y = super().pick(rows)
        return X.double(), y.double()


class Flat(Batches):
    """A feature less than there should be."""

    def pick(self, rows):
        """The first only."""
        X, y = super().pick(rows)
        return X[:, 0], y


class Ragged(Batches):
    """Another number of features in every batch."""

    def __iter__(self):
        for at, (X, y) in enumerate(super().__iter__()):
            yield X[:, : 1 + at % 2], y


class Torn(Batches):
    """Features with the next row's labels."""

    def pick(self, rows):
        """Two rows."""
        return self.features[rows], self.labels[(rows + 1) % self.n]


class Invented(Batches):
    """Labels that are nobody's."""

    def pick(self, rows):
        """Made up."""
        X, y = super().pick(rows)
        return X, y + 0.5


class Nothing(Batches):
    """No batches."""

    def __iter__(self):
        return iter(())


class Empty(Batches):
    """Batches without rows."""

    def __iter__(self):
        return iter([(self.features[:0], self.labels[:0])] * 5)


@pytest.mark.parametrize(
    ("batches", "ids"),
    [
        (raising(IndexError("index 23 is out of bounds for dimension 0 with size 23")), "range"),
        (raising(IndexError("list index out of range")), "range"),
        (raising(IndexError("index out of range in self")), "range"),
        (raising(IndexError("too many indices for tensor of dimension 1")), ""),
        (raising(IndexError("Dimension out of range (expected to be in range of [-1, 0])")), ""),
        (raising(IndexError("tensors used as indices must be long")), ""),
        (raising(KeyError("index out of range")), ""),
        (Torn, "unpaired"),
        (Invented, ""),
        (Doubled, ""),
        (Flat, ""),
        (Ragged, ""),
        (Nothing, ""),
        (Empty, ""),
    ],
)
def test_iterators_are_told_by_their_rows(batches, ids):
    """What is like a known mistake but is none has no name."""
    full = {"range": ["data.out-of-range"], "unpaired": ["data.unpaired"], "": []}
    assert names(DATA_ITERATOR, batches) == full[ids]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        pytest.param(mistake.id, written, id=f"{mistake.id}-{at}")
        for mistake in of(DATA_ITERATOR)
        for at, written in enumerate(mistake.forms)
    ],
)
def test_each_mistake_of_an_iterator_is_told_by_its_rows(name, written):
    """By its own name, first of all; within one process a seed inside looks like one order kept."""
    subject = written.make(MSE)
    assert subject is not None
    given = names(DATA_ITERATOR, subject.batches)
    assert given[0] == name
    assert set(given[1:]) <= {"data.shuffle-once"}


def serving(orders):
    """Return one question answered with these orders of its rows, an epoch each."""
    question = DATA_ITERATOR.questions(BUILTIN["mse"], "mse")[0]
    data, size = question.data, question.case.batch_size
    epochs = [
        [(data.features[rows], data.labels[rows]) for rows in torch.tensor(order).split(size)]
        for order in orders
    ]
    served = Served(epochs, [], data.features, data.labels, None, endless=False)
    return Serving(question, served)


@pytest.mark.parametrize(
    ("different", "by_chance"), [(20, False), (21, True), (37, True), (38, False)]
)
def test_rows_drawn_one_by_one_are_as_many_as_chance_gives_within_four_deviations(
    different, by_chance
):
    """Of 23 rows, drawn as often in each of two epochs: 29.5 ± 4 · 2.12, by Feller."""
    n = 23
    one, two = (1 - 1 / n) ** n, (1 - 2 / n) ** n  # that a row, and that two rows, never come
    mean = 2 * n * (1 - one)
    variance = 2 * (n * one + n * (n - 1) * two - (n * one) ** 2)
    assert (abs(different - mean) <= 4 * math.sqrt(variance)) is by_chance
    counts = (different // 2, different - different // 2)
    orders = [[row % count for row in range(n)] for count in counts]
    assert _as_by_chance(serving(orders)) is by_chance


def test_rows_that_fill_the_last_batch_up_are_counted_in_the_first_epoch():
    """As many as differ there, whatever a later epoch fills up with."""
    rows = list(range(23))
    for filled, again in (([[0, 1], [0, 0]], 2), ([[0, 0], [0, 1]], 1)):
        ((name, evidence),) = _tail([serving([rows + more for more in filled])])
        assert name == "data.pads-tail"
        assert evidence == f"the last batch has 5 rows, {again} of which came before"


def init(make):
    """Return an init piece that changes what was drawn."""

    def drawn(d):
        w, b = SCRATCH["functional"].init(d)
        return make(w.detach(), b.detach())

    return drawn


@pytest.mark.parametrize(
    ("make", "ids"),
    [
        (lambda w, b: ((3 * w).requires_grad_(), b.requires_grad_()), ["init.scale"]),
        (lambda w, b: (w.requires_grad_(), (b + 1).requires_grad_()), ["init.constant-bias"]),
        (lambda w, b: ((w * torch.nan).requires_grad_(), b.requires_grad_()), []),
        (lambda w, b: (w.requires_grad_(), (b * torch.nan).requires_grad_()), []),
        (lambda w, b: (w.T.clone().requires_grad_(), b.requires_grad_()), []),
        (lambda w, b: ((w + 0.5).requires_grad_(), b.requires_grad_()), []),
        (lambda w, b: (w.requires_grad_(), b.requires_grad_()), []),
    ],
)
def test_initial_parameters_are_told_by_their_facts(make, ids):
    """NaN is not a scale, and another mean or shape is not either."""
    assert names(INITIALISATION, init(make), "functional") == ids


def divided(number, *, slope=True):
    """Return a loss that is a sum over a number, or one whose value only is."""

    def loss(y_hat, y):
        total = (y_hat - y.reshape(y_hat.shape)).square().sum() / number
        right = MSE.loss(y_hat, y)
        return total if slope else total.detach() + (right - right.detach())

    return loss


@pytest.mark.parametrize(
    ("loss", "ids"),
    [
        (divided(7), ["loss.divided-by-constant"]),
        (divided(1003), ["loss.divided-by-constant"]),
        (divided(2.7), []),
        (divided(-7), []),
        (divided(7, slope=False), []),
        (lambda y_hat, y: MSE.loss(y_hat, y) / 7, []),  # then it is no sum that is divided
        (lambda y_hat, y: MSE.loss(y_hat, y) * torch.nan, []),
        (lambda y_hat, y: (y_hat - y.T) ** 2 / 7, []),
    ],
)
def test_a_sum_over_a_number_is_told(loss, ids):
    """A whole one, by the loss and by its slope."""
    assert names(LOSS, loss) == ids


def test_a_number_that_changes_with_the_calls_is_not_told():
    """A seventh, and an eighth when it is asked again."""
    calls = 0

    def loss(y_hat, y):
        nonlocal calls
        calls += 1
        return divided(7 + ((calls - 1) // 22) % 2)(y_hat, y)

    assert names(LOSS, loss) == []


def test_an_exception_of_the_model_is_told():
    """Where it raises on every input; not where it is merely wrong."""

    def raising_net(*_given):
        raise OverflowError("too much")

    def made(net):
        return lambda d: Functional(net, (torch.zeros(d, 1), torch.zeros(1)))

    assert names(MODEL, made(raising_net)) == ["model.raises"]
    assert names(MODEL, made(lambda X, w, b: 0.3 * (X @ w + b))) == []
