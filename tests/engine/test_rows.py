"""The batch stage: every mistake on batches is found where it is, any fresh order is right."""

import dataclasses
import itertools
import random
import re

import numpy as np
import pytest
import torch

from harness.engine.case_comparison import CaseComparison
from harness.engine.comparison import compare
from harness.engine.rows import RowIndex, RowJudge, _order_of
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase
from harness.pairs.table import Table

# 63 rows in tens: seven batches an epoch, the last of three rows
CASE = LinearCase("rows", "a tail, three epochs", num_examples=63, epochs=3)
LAST = 6


def judged(batches, case=CASE) -> CaseComparison:
    """Return the case judged with the scratch recipe and this piece."""
    subject = dataclasses.replace(SCRATCH[case.form], name="subject", batches=batches)
    return compare(subject, None, [case]).cases[0]


class Rows:
    """Batches of the rows that `order(epoch)` lists, each epoch anew; subclasses go wrong."""

    def __init__(self, features, labels, size, generator):
        self.X, self.y, self.size, self.generator = features, labels, size, generator
        self.epoch = -1

    def order(self):
        """Return the row numbers of an epoch."""
        return torch.randperm(len(self.X)).tolist()

    def cut(self, rows):
        """Return the row numbers of each batch."""
        return [rows[i : i + self.size] for i in range(0, len(rows), self.size)]

    def pick(self, rows, _index):
        """Return one batch."""
        return self.X[rows], self.y[rows]

    def __iter__(self):
        self.epoch += 1
        for index, rows in enumerate(self.cut(self.order())):
            yield self.pick(rows, index)


class DropsTail(Rows):
    """Leaves the short batch out."""

    def cut(self, rows):
        """Return whole batches only."""
        return [part for part in super().cut(rows) if len(part) == self.size]


class PadsTail(Rows):
    """Fills the last batch up with the first rows."""

    def cut(self, rows):
        """Return whole batches only, the last one filled up."""
        return super().cut(rows + rows[: -len(rows) % self.size])


class Overlaps(Rows):
    """Each batch begins with the last row of the one before."""

    def cut(self, rows):
        """Return batches whose borders overlap."""
        whole = super().cut(rows)
        return [whole[0], *([a[-1], *b[1:]] for a, b in itertools.pairwise(whole))]


class WithReplacement(Rows):
    """Draws every row from all rows."""

    def order(self):
        """Return row numbers that repeat."""
        return torch.randint(len(self.X), (len(self.X),)).tolist()


class MissesFirst(Rows):
    """Counts from 1."""

    def order(self):
        """Return row numbers without 0."""
        return [row for row in super().order() if row]


class MissesFirstLate(Rows):
    """Serves row 1 in the place of row 0, in epoch 1."""

    def order(self):
        """Return row numbers, 1 twice."""
        return [1 if row == 0 and self.epoch == 1 else row for row in super().order()]


class Unpaired(Rows):
    """Shuffles features and labels each on their own."""

    def pick(self, rows, _index):
        """Return features with labels of other rows."""
        return self.X[rows], self.y[rows[::-1]]


class UnpairedLate(Rows):
    """Mixes up the labels of one batch."""

    def pick(self, rows, index):
        """Return other labels in epoch 2 step 4."""
        right = (self.epoch, index) != (2, 4)
        return self.X[rows], self.y[rows if right else rows[1:] + rows[:1]]


class Stored(Rows):
    """Never shuffles."""

    def order(self):
        """Return 0, 1, 2 ..."""
        return list(range(len(self.X)))


class ShuffledOnce(Rows):
    """Shuffles when it is made, and then no more."""

    def order(self):
        """Return the first order again."""
        if self.epoch == 0:
            self.first = super().order()
        return self.first


class Seeded(Rows):
    """Seeds inside, so that every epoch is the same."""

    def order(self):
        """Return the order of seed 0."""
        return np.random.default_rng(0).permutation(len(self.X)).tolist()


class ReturnsToFirst(Rows):
    """Serves in epoch 2 the order of epoch 0."""

    def order(self):
        """Return an order by epoch."""
        return np.random.default_rng(self.epoch % 2).permutation(len(self.X)).tolist()


class TooLong(Rows):
    """Takes one row too many."""

    def cut(self, rows):
        """Return batches of eleven."""
        return [rows[i : i + 11] for i in range(0, len(rows), 11)]


class WrongDtype(Rows):
    """Serves double precision to a model that is cast for it."""

    def pick(self, rows, _index):
        """Return doubles."""
        return self.X[rows].double(), self.y[rows]


class EmptyBatch(Rows):
    """Serves an empty batch at the end."""

    def cut(self, rows):
        """Return all batches and an empty one."""
        return [*super().cut(rows), []]


class EmptyFirst(Rows):
    """Serves an empty batch at the start."""

    def cut(self, rows):
        """Return an empty batch and all others."""
        return [[], *super().cut(rows)]


class Scaled(Rows):
    """Changes the features on the way."""

    def pick(self, rows, _index):
        """Return features that are a hair larger."""
        return self.X[rows] * 1.000001, self.y[rows]


class OneBatchMore(Rows):
    """Serves the first batch again at the end of epoch 1."""

    def cut(self, rows):
        """Return all batches, in epoch 1 the first one twice."""
        whole = super().cut(rows)
        return whole + whole[:1] * (self.epoch == 1)


class OneBatchLess(Rows):
    """Stops one batch early in epoch 1."""

    def cut(self, rows):
        """Return all batches but the last in epoch 1."""
        whole = super().cut(rows)
        return whole[:-1] if self.epoch == 1 else whole


MISTAKES = [
    (DropsTail, 0, None, r"ends the epoch after 60 rows of 63|is missing"),
    (PadsTail, 0, LAST, r"has 10 rows, but should have 3"),
    (Overlaps, 0, 1, r"serves row \d+ of the data set once too often"),
    (WithReplacement, 0, None, r"serves row \d+ of the data set once too often"),
    (MissesFirst, 0, LAST, r"has 2 rows, but should have 3"),
    (MissesFirstLate, 1, None, r"serves row 1 of the data set once too often"),
    (Unpaired, 0, 0, r"row 0 is no row of the data set: features and label"),
    (UnpairedLate, 2, 4, r"row 0 is no row of the data set: features and label"),
    (Stored, 0, LAST, r"serves the rows in stored order, but should shuffle"),
    (ShuffledOnce, 1, LAST, r"repeats the order of epoch 0, but should shuffle anew"),
    (Seeded, 1, LAST, r"repeats the order of epoch 0, but should shuffle anew"),
    (ReturnsToFirst, 2, LAST, r"repeats the order of epoch 0, but should shuffle anew"),
    (TooLong, 0, 0, r"has 11 rows, but should have 10"),
    (EmptyBatch, 0, 7, r"serves features \(0, 2\) .* with labels \(0, 1\)"),
    (EmptyFirst, 0, 0, r"serves features \(0, 2\) .* with labels \(0, 1\)"),
    (Scaled, 0, 0, r"row 0 is no row of the data set"),
    (OneBatchMore, 1, 7, r"has 10 rows|once too often|comes after"),
    (OneBatchLess, 1, None, r"ends the epoch after 60 rows of 63|is missing"),
]


EMPTY = (EmptyBatch, EmptyFirst)


@pytest.mark.parametrize("wrong", EMPTY)
def test_an_empty_batch_that_stops_the_update_is_no_pass(wrong):
    """The functional update divides by the length of the batch, which is 0 here."""
    result = judged(wrong, dataclasses.replace(CASE, form="functional"))
    assert result.verdict in ("different", "error")


@pytest.mark.parametrize(
    ("form", "wrong", "epoch", "step", "words"),
    [
        pytest.param(form, *mistake, id=f"{mistake[0].__name__}-{form}")
        for form in ("mse", "functional")
        for mistake in MISTAKES
        if form == "mse" or mistake[0] not in EMPTY
    ],
)
def test_each_mistake_is_found_where_it_is(form, wrong, epoch, step, words):
    """Different at the batch stage only, at its epoch and step, with the words for it."""
    case = dataclasses.replace(CASE, form=form)
    assert judged(Rows, case).rows.level == "identical"  # the control
    result = judged(wrong, case)
    first = result.rows.first
    assert result.verdict == "different"
    assert first is not None
    assert result.first_divergence == first
    assert re.search(words, first.message), first.message
    assert first.epoch == epoch, first.message
    assert step is None or first.step == step, first.message
    assert first.message.startswith(f"batch[epoch {first.epoch} step {first.step}] ")
    others = {name: s["level"] for name, s in result.stages.items() if name != "batch"}
    assert "different" not in others.values(), others


@pytest.mark.parametrize("epochs", [1, 2, 4])
def test_epochs_more_or_less_are_found(epochs):
    """A loop that makes another number of epochs than asked."""

    def loop(side):
        for _ in range(epochs):
            for batch in side.loader:
                side.zero_grad()
                side.training_step(batch).backward()
                side.step()

    subject = dataclasses.replace(SCRATCH["mse"], name="subject", loop=loop)
    result = compare(subject, None, [CASE]).cases[0]
    first = result.rows.first
    assert first is not None
    assert (first.epoch, first.step) == (min(epochs, 3), 0)
    right = dataclasses.replace(CASE, epochs=epochs)
    assert compare(subject, None, [right]).verdict == "identical"


def test_one_epoch_less_is_said_in_words():
    """The sentence counts epochs."""

    def loop(side):
        for batch in side.loader:
            side.zero_grad()
            side.training_step(batch).backward()
            side.step()

    subject = dataclasses.replace(SCRATCH["mse"], name="subject", loop=loop)
    assert "makes 1 epochs of 3" in (compare(subject, None, [CASE]).cases[0].why or "")


def test_a_wrong_dtype_is_different():
    """Double features in a float32 case, for a model that casts them: said with both dtypes."""

    def model(d):
        made = SCRATCH["mse"].model(d)
        w, b = made.parameters()
        made.forward = lambda X: X.to(w.dtype) @ w + b  # type: ignore[method-assign]
        return made

    subject = dataclasses.replace(SCRATCH["mse"], name="subject", model=model)
    assert compare(subject, None, [CASE]).exit_status == 0
    result = compare(dataclasses.replace(subject, batches=WrongDtype), None, [CASE]).cases[0]
    assert result.verdict == "different"
    assert (result.why or "").startswith("batch[epoch 0 step 0] serves features (10, 2)")
    assert "torch.float64" in (result.why or "")
    assert judged(WrongDtype).verdict in ("different", "error")  # torch refuses to multiply


# Right ways.


class PythonShuffle(Rows):
    """random.shuffle, as the book does."""

    def order(self):
        """Return an order by `random`."""
        rows = list(range(len(self.X)))
        random.shuffle(rows)
        return rows


class NumpyShuffle(Rows):
    """The global generator of NumPy."""

    def order(self):
        """Return an order by NumPy."""
        return np.random.permutation(len(self.X)).tolist()


class OwnGenerator(Rows):
    """A generator of its own, seeded by nobody."""

    def order(self):
        """Return an order that is another in each run."""
        generator = torch.Generator()
        generator.seed()
        return torch.randperm(len(self.X), generator=generator).tolist()


class RowByRow(Rows):
    """Stacks single rows."""

    def pick(self, rows, _index):
        """Return one batch, row by row."""
        return torch.stack([self.X[i] for i in rows]), torch.stack([self.y[i] for i in rows])


class IndexTensor(Rows):
    """Picks with index_select, and hands out a view."""

    def pick(self, rows, _index):
        """Return one batch by a tensor of row numbers."""
        at = torch.tensor(rows)
        return self.X.index_select(0, at)[:], self.y.index_select(0, at).view(len(rows), -1)


class PermutedThenSplit(Rows):
    """Permutes all the data, then cuts it up."""

    def __iter__(self):
        order = torch.randperm(len(self.X))
        X, y = self.X[order], self.y[order]
        yield from zip(X.split(self.size), y.split(self.size), strict=True)


class ThroughNumpy(Rows):
    """Takes the rows in NumPy."""

    def pick(self, rows, _index):
        """Return one batch by way of NumPy."""
        return torch.from_numpy(self.X.numpy()[rows]), torch.from_numpy(self.y.numpy()[rows])


class AllAtOnce(Rows):
    """A list of all batches instead of a generator."""

    def __iter__(self):
        return iter(list(super().__iter__()))


class Machine(Rows):
    """An iterator class with __next__."""

    def __iter__(self):
        self.rows, self.at = torch.randperm(len(self.X)), 0
        return Machine.Cursor(self)

    class Cursor:
        """Where an epoch stands."""

        def __init__(self, home):
            self.home, self.at, self.rows = home, 0, torch.randperm(len(home.X))

        def __iter__(self):
            return self

        def __next__(self):
            part = self.rows[self.at : self.at + self.home.size]
            self.at += self.home.size
            if not len(part):
                raise StopIteration
            return self.home.X[part], self.home.y[part]


class Reused(Rows):
    """Writes every batch into one buffer."""

    def pick(self, rows, _index):
        """Return views of the buffer."""
        if not hasattr(self, "buffer"):
            self.buffer = self.X.new_empty(self.size, 3)
        part = self.buffer[: len(rows)]
        part[:, :2], part[:, 2:] = self.X[rows], self.y[rows].reshape(-1, 1)
        return part[:, :2], part[:, 2:]


RIGHT = [
    Rows, PythonShuffle, NumpyShuffle, OwnGenerator, RowByRow, IndexTensor, PermutedThenSplit,
    ThroughNumpy, AllAtOnce, Machine, Reused,
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("right", RIGHT, ids=[r.__name__ for r in RIGHT])
def test_any_fresh_order_is_right(right, dtype):
    """Whatever draws it and however the rows are picked."""
    result = judged(right, dataclasses.replace(CASE, dtype=dtype))
    assert result.verdict in ("identical", "rounding"), result.why
    assert result.stages["batch"]["level"] == "identical"
    assert result.to_dict()["order"] == "observed"


def test_the_references_own_order_is_called_reproduced():
    """Equal seeds, equal draws: nothing had to be looked up."""
    result = compare(cases=[CASE]).cases[0]
    assert result.rows.reproduced
    assert result.to_dict()["order"] == "reproduced"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_every_row_of_a_large_data_set_is_found(dtype):
    """The keys are 64 bits wide in every dtype, so that no two rows are mistaken for each other."""
    case = LinearCase("large", "many rows", num_examples=60_000, dtype=dtype)
    data = case.data()
    rows = torch.randperm(case.n, generator=torch.Generator().manual_seed(0))
    found = RowIndex(data).find(data.features[rows], data.labels[rows].reshape(-1))
    assert (found >= 0).all()
    assert torch.equal(data.features[found], data.features[rows])
    wrong = data.labels[rows].reshape(-1).clone()
    wrong[7] += 1
    assert RowIndex(data).find(data.features[rows], wrong)[7] == -1


def table(features, labels) -> Table:
    """Return a data set of these values."""
    names = tuple(f"x{i}" for i in range(features.shape[1]))
    return Table("made", names, features, labels.reshape(-1, 1), "y", "none")


def doubled(n=40, copies=2) -> LinearCase:
    """Return a case in which every row stands so many times."""
    generator = np.random.default_rng(0)
    features = np.repeat(generator.normal(size=(n // copies, 2)), copies, 0)
    return LinearCase("doubled", "equal rows", table=table(features, features.sum(1)), epochs=3)


def test_equal_rows_are_right():
    """Rows that cannot be told apart are counted together."""
    assert judged(Rows, doubled()).verdict == "identical"
    assert judged(PythonShuffle, doubled()).verdict == "identical"


def test_one_copy_too_many_is_found():
    """Row 0 three times, where it stands twice."""

    class OneTooMany(Rows):
        def order(self):
            return [0 if row == 5 else row for row in super().order()]

    result = judged(OneTooMany, doubled())
    assert result.verdict == "different"
    assert "serves row 0 of the data set once too often" in (result.why or "")


def test_stored_order_is_found_among_equal_rows():
    """Copies do not hide that nothing was shuffled."""
    result = judged(Stored, doubled())
    assert "stored order" in (result.why or "")


@pytest.mark.parametrize(
    "case",
    [
        LinearCase("equal", "all rows equal", table=table(np.ones((20, 2)), np.ones(20)), epochs=5),
        LinearCase("few", "one row differs", epochs=20,
             table=table(np.vstack((np.zeros((1, 2)), np.ones((19, 2)))), np.arange(20.0) > 0)),
        LinearCase("eight", "eight rows in 400 epochs", num_examples=8, batch_size=8, epochs=400),
        LinearCase("tiny", "two rows", num_examples=2, epochs=30),
    ],
    ids=lambda case: case.name,
)  # fmt: skip
def test_an_order_that_repeats_by_chance_is_right(case):
    """With few rows that can be told apart, or many epochs, equal orders prove nothing."""
    assert judged(PythonShuffle, case).stages["batch"]["level"] == "identical"


def test_nan_rows_are_rows():
    """A row is found by its bits: NaN in the data set is no mistake of the iterator."""
    features = np.random.default_rng(0).normal(size=(30, 2))
    labels = features.sum(1)
    labels[3] = np.nan
    result = judged(PythonShuffle, LinearCase("nan", "a NaN", table=table(features, labels)))
    assert result.stages["batch"]["level"] == "identical"


def test_an_iterator_for_one_pass_serves_one_epoch_on_both_sides():
    """Used up after the first epoch, as the reference's is; a fresh one in its place differs."""
    case = dataclasses.replace(CASE, one_pass_iterator=True)
    result = judged(SCRATCH["mse"].batches, case)
    assert result.verdict == "identical"
    assert any("[7, 0, 0] on both sides" in note for note in result.notes)
    assert judged(Rows, case).verdict == "identical"

    class Reborn(Rows):
        def __iter__(self):
            return Reborn.Again(super().__iter__, self)

        class Again:
            def __init__(self, start, home):
                self.start, self.home = start, home

            def __iter__(self):
                return Rows.__iter__(self.home)

            def __next__(self):
                raise StopIteration

    result = judged(Reborn, case)
    assert result.verdict == "different", result.why


@pytest.mark.parametrize("chunk", [1, 4, 64])
def test_mistakes_are_found_in_any_chunk(chunk, monkeypatch):
    """Also where the first chunks were the reference's own batches, bit for bit."""
    monkeypatch.setattr("harness.engine.lockstep.chunk_steps", lambda *_: chunk)

    class Late:
        def __init__(self, *given):
            self.right, self.wrong = SCRATCH["mse"].batches(*given), UnpairedLate(*given)
            self.epoch = -1

        def __iter__(self):
            self.epoch += 1
            self.wrong.epoch = self.epoch - 1
            return iter(self.wrong if self.epoch == 2 else self.right)

    result = judged(Late)
    first = result.rows.first
    assert first is not None
    assert (first.epoch, first.step) == (2, 4), first.message


def test_rows_served_before_the_first_strange_batch_count():
    """The rows of an epoch are counted from its beginning, however late the orders part."""

    class Repeats:
        def __init__(self, *given):
            self.right = SCRATCH["mse"].batches(*given)

        def __iter__(self):
            served = list(self.right)
            served[5] = served[0]
            return iter(served)

    result = judged(Repeats)
    first = result.rows.first
    assert first is not None
    assert (first.epoch, first.step) == (0, 5)
    assert "once too often" in first.message


def test_two_orders_share_no_fingerprint():
    """Of thousands of orders of a few rows: also those with the same sum of row times place."""
    generator = torch.Generator().manual_seed(0)
    orders = {tuple(torch.randperm(13, generator=generator).tolist()) for _ in range(3000)}
    places = torch.arange(13)
    prints = {_order_of(torch.tensor(order), places) for order in orders}
    assert len(prints) == len(orders)
    whole = torch.randperm(13, generator=generator)
    parts = _order_of(whole[:5], places[:5]) + _order_of(whole[5:], places[5:])
    assert parts % 2**64 == _order_of(whole, places)


def served(change=lambda epochs: epochs):
    """Return a judge that looked at epochs served outside of any training."""
    case = LinearCase("served", "for a test", num_examples=23, batch_size=5, epochs=3)
    data = case.data()
    rows = [torch.randperm(23, generator=torch.Generator().manual_seed(k)) for k in range(3)]
    epochs = [[(data.features[r], data.labels[r]) for r in order.split(5)] for order in rows]
    judge = RowJudge(case, data, BUILTIN["mse"])
    judge.judge_served(change(epochs))
    return judge


def test_epochs_served_outside_a_training_are_judged():
    """Right ones, in any order."""
    judge = served()
    assert (judge.level, judge.first, judge.steps) == ("identical", None, 15)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda epochs: [], "makes 0 epochs of 3"),
        (lambda epochs: [[], [], []], "is missing: the epoch ends after 0 of 5 batches"),
        (lambda epochs: epochs[:2], "makes 2 epochs of 3"),
        (lambda epochs: [epochs[0]] * 3, "repeats the order of epoch 0"),
        (lambda epochs: [*epochs[:2], epochs[2][:-1]], "ends the epoch after 20 rows of 23"),
        (lambda epochs: [*epochs[:2], epochs[2][:1] * 5], "once too often"),
        (lambda epochs: [[(X[:0], y[:0]) for X, y in epoch] for epoch in epochs], "has 0 rows"),
        (lambda epochs: [[(X[:, 0], y) for X, y in epoch] for epoch in epochs], "has shapes (5,)"),
        (lambda epochs: [[(y, X) for X, y in epoch] for epoch in epochs], "has shapes (5, 1) and"),
        (
            lambda epochs: [[(X, y.flip(0)) for X, y in epoch] for epoch in epochs],
            "is no row of the data set",
        ),
        (
            lambda epochs: [[(X * torch.nan, y) for X, y in epoch] for epoch in epochs],
            "is no row of the data set",
        ),
    ],
)
def test_wrong_epochs_are_different(change, said):
    """With the first thing that is wrong."""
    judge = served(change)
    assert judge.level == "different"
    assert said in judge.first.message
