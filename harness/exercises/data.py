"""Exercises about data: the short last batch, a file larger than memory, fresh data and the same.

The short batch is judged by the engine's own rule for iterators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from harness.diagnosis.rules import told
from harness.engine.components import DATA_ITERATOR, ComponentVerdict, Question, Served
from harness.engine.components.initialisation import BAND
from harness.engine.recipe import Batch
from harness.exercises.exercise import (
    Argument,
    Call,
    Exercise,
    Observe,
    Reply,
    Wanted,
    Wrong,
    place,
)
from harness.exercises.given import Given, rows
from harness.exercises.rules import difference, regression
from harness.mistakes.catalogue import of
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase, LinearData


def _pairs(reply: Reply) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """The batches of each pass."""
    pairs = list(zip(reply.arrays[::2], reply.arrays[1::2], strict=True))
    ends = np.cumsum(reply.batches).tolist()
    return [pairs[end - count : end] for end, count in zip(ends, reply.batches, strict=True)]


# The batch size that does not divide n.


def _ask_tail(generator: np.random.Generator) -> list[Call]:
    calls = []
    for n, size, passes in ((23, 5, 3), (1003, 10, 2), (20, 5, 2), (3, 5, 2)):
        X, y, _ = regression(generator, n, 2)
        arguments: dict[str, Argument] = {"batch_size": size, "features": X, "labels": y}
        calls.append(Call(DATA_ITERATOR.name, arguments, observe="batches", passes=passes))
    return calls


def _question(call: Call) -> Question:
    """The same, as the engine asks it."""
    features, labels = (torch.from_numpy(call[name]) for name in ("features", "labels"))
    case = LinearCase(
        "tail",
        "an exercise",
        num_examples=len(features),
        weight=(0.0,) * features.shape[1],
        batch_size=call["batch_size"],
        epochs=call.passes,
    )
    return Question(DATA_ITERATOR, case, LinearData(features, labels, (), None))


def _served(call: Call, reply: Reply) -> Served:
    features, labels = (torch.from_numpy(call[name]) for name in ("features", "labels"))
    passes = [] if reply.raised else _pairs(reply)
    epochs: list[list[Batch]] = [
        [(torch.from_numpy(X), torch.from_numpy(y)) for X, y in batches] for batches in passes
    ]
    return Served(epochs or [[]], [], features, labels, reply.raised, reply.endless)


def _judge_tail(calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
    subject, reference = SCRATCH["mse"], BUILTIN["mse"]
    asked = [
        (_question(call), _served(call, reply)) for call, reply in zip(calls, replies, strict=True)
    ]
    verdicts = [DATA_ITERATOR.judge(*pair, subject, reference) for pair in asked]
    failed = next(((at, v) for at, v in enumerate(verdicts) if not v.passed), None)
    if failed is None:
        return None
    at, verdict = failed
    seen = [pair for pair in asked if _did_something(pair[1])]
    faults = [name for name, _ in told(DATA_ITERATOR, seen, verdicts, reference)] if seen else []
    fault = faults[0] if faults else _plain_fault(verdict)
    return Wrong(fault, _message(place(calls[at], at), verdict))


def _did_something(served: Served) -> bool:
    """Whether there is anything to tell a mistake by."""
    return any(served.epochs) or served.raised is not None


def _plain_fault(verdict: ComponentVerdict) -> str:
    return "raises" if verdict.raised else "value"


def _message(where: str, verdict: ComponentVerdict) -> str:
    if verdict.first:
        return f"{where} {verdict.first.message}"
    if verdict.raised:
        return f"{where} raised {verdict.raised.kind}: {verdict.raised.message}"
    return f"{where} serves nothing"


TAIL_BATCH = Exercise(
    name="tail-batch",
    title="A batch size that does not divide n",
    source="d2l 3.4, exercise 7, and 3.3, exercise 1",
    task="Write a data iterator that serves every row when the batch size does not divide their "
    "number: 1003 rows in batches of 10 are 101 batches, the last of 3.",
    contract=(
        Wanted(
            DATA_ITERATOR.name,
            "data_iter(batch_size, features, labels): features (n, d), labels (n, 1), float32",
            "an iterable over one epoch of pairs (X, y) of tensors (m, d) and (m, 1): every row "
            "once, in a fresh random order at each call, the last batch short",
        ),
    ),
    judged="the rows of every batch, over several passes",
    ask=_ask_tail,
    rule=_judge_tail,
    hints={mistake.id: mistake.hint for mistake in of(DATA_ITERATOR)},
    reads_raised=True,
)

# A file that is larger than memory.

_BIG = (3 * 2**12, 256)  # 12 MiB of float32: an answer may write no file larger than 16
_SHARE = 0.5  # of the file that may be held at a time


def _ask_stream(generator: np.random.Generator) -> list[Call]:
    def file(n: int, columns: int) -> Given:
        seed = int(generator.integers(2**31))
        return Given("file-of-rows", {"seed": seed, "n": n, "columns": columns})

    def call(size: int, path: Given, observe: Observe) -> Call:
        arguments: dict[str, Argument] = {"batch_size": size, "path": path}
        return Call("stream_iter", arguments, observe=observe, most=80)

    return [
        call(10, file(203, 4), "batches"),
        call(16, file(5, 2), "batches"),
        call(256, file(*_BIG), "memory"),
    ]


def _judge_stream(calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
    for at, (call, reply) in enumerate(zip(calls, replies, strict=True)):
        judge = _judge_memory if call.observe == "memory" else _judge_rows
        wrong = judge(call, at, reply)
        if wrong:
            return wrong
    return None


def _judge_rows(call: Call, at: int, reply: Reply) -> Wrong | None:
    """Whether every row of the file came once, in batches of the right lengths."""
    table = rows(call["path"].values)
    (batches,) = _pairs(reply)
    wrong = _lengths(call, at, len(table), table.shape[1] - 1, batches)
    if wrong:
        return wrong
    served = np.concatenate([np.concatenate((X, y), 1) for X, y in batches])
    keys = [{row.tobytes() for row in part.astype(np.float32)} for part in (served, table)]
    if not keys[0] <= keys[1]:
        message = f"{place(call, at)} serves a row that is not in the file"
        return Wrong("other-rows", message)
    if keys[0] != keys[1]:
        count = len(keys[1] - keys[0])
        return Wrong("rows-lost", f"{place(call, at)} never serves {count} of {len(table)} rows")
    return None


def _lengths(
    call: Call, at: int, n: int, d: int, batches: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Wrong | None:
    """Whether the batches have the right shapes: n rows of d features, the last batch short."""
    size = call["batch_size"]
    expected = [min(size, n - start) for start in range(0, n, size)]
    got = [len(X) if X.ndim else 1 for X, _ in batches]
    if sum(got) != n or got != expected:
        message = f"{place(call, at)} serves {sum(got)} rows in {len(got)} batches, "
        return Wrong("rows-lost", f"{message}but should serve {n} in {len(expected)}")
    for k, (X, y) in enumerate(batches):
        shapes = ((expected[k], d), (expected[k], 1))
        if (X.shape, y.shape) != shapes:
            message = f"{place(call, at)} batch {k} has the shapes {X.shape} and {y.shape}"
            return Wrong("shape", f"{message}, but should have {shapes[0]} and {shapes[1]}")
    return None


def _judge_memory(call: Call, at: int, reply: Reply) -> Wrong | None:
    """Whether a large file came whole, and never lay in memory as a whole."""
    count, sums, grown = reply.arrays
    table = rows(call["path"].values)
    if count != len(table) or sums.shape != table.shape[1:]:
        message = f"{place(call, at)} serves {float(count):g} rows of {len(table)}"
        return Wrong("rows-lost", message)
    expected = table.sum(0, dtype=np.float64)
    if not np.allclose(sums, expected, rtol=1e-6):
        return Wrong("other-rows", f"{place(call, at)} serves rows that are not those of the file")
    limit = _SHARE * table.nbytes
    if grown <= limit:
        return None
    message = f"{place(call, at)} takes {float(grown) / 2**20:.1f} MiB of memory for a file of "
    message += f"{table.nbytes / 2**20:.0f} MiB, but should take less than {limit / 2**20:.0f} MiB"
    return Wrong("loads-all", message)


LARGER_THAN_MEMORY = Exercise(
    name="larger-than-memory",
    title="A data set that is larger than memory",
    source="d2l 3.3, exercise 2",
    task="Serve batches from a file without ever holding all of it in memory.",
    contract=(
        Wanted(
            "stream_iter",
            "stream_iter(batch_size, path): the path of a .npy file that holds a float32 array "
            "(n, d + 1), the label in the last column",
            "an iterable over one epoch of pairs (X, y) of shapes (m, d) and (m, 1), every row "
            "once, in any order, the last batch short",
        ),
    ),
    judged="the rows of small files, and the memory that a file of 12 MiB takes: less than half "
    "of that (pages of a mapped file do not count)",
    ask=_ask_stream,
    rule=_judge_stream,
    hints={
        "loads-all": "Which line reads the whole file? Look up `mmap_mode` of `numpy.load`, and "
        "where a slice becomes a copy.",
        "rows-lost": "Add up the lengths of all batches of an epoch: is it the number of rows?",
        "other-rows": "Compare the first batch with the first rows of the file, column by column.",
    },
)

# Fresh data at each pass, and the same data.

_NOISE = 0.1


def _ask_made(generator: np.random.Generator, function: str, *, seeded: bool) -> list[Call]:
    *_, truth = regression(generator, 1, 2)
    w, b = truth[:2].reshape(2, 1), truth[2:]
    arguments: dict[str, Argument] = {"batch_size": 50, "n": 503, "w": w, "b": b, "noise": _NOISE}
    seed = int(generator.integers(2**31))
    seeds: list[dict[str, int]] = [{}, {}]
    if seeded:
        seeds = [{"seed": seed}, {"seed": seed}, {"seed": seed + 1}]
    return [Call(function, {**arguments, **extra}, observe="batches", passes=2) for extra in seeds]


@dataclass(frozen=True)
class Pass:
    """One pass of an iterator that makes data up: features (n, d) and labels (n, 1) in order."""

    X: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> Pass:
        """All batches joined."""
        X, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        return cls(X, y)

    @property
    def rows(self) -> set[bytes]:
        """The rows, whatever their order."""
        return {row.tobytes() for row in self.X}

    def equals(self, other: Pass) -> bool:
        """Whether all bits are the same, in the same order."""
        return self.X.tobytes() == other.X.tobytes() and self.y.tobytes() == other.y.tobytes()


def _made(calls: Sequence[Call], replies: Sequence[Reply]) -> list[list[Pass]] | Wrong:
    """The passes of every call, or the first that is no data of the stated kind."""
    passes_by_call = []
    for at, (call, reply) in enumerate(zip(calls, replies, strict=True)):
        passes = _pairs(reply)
        for batches in passes:
            wrong = _lengths(call, at, call["n"], len(call["w"]), batches)
            wrong = wrong or _unlike(call, at, Pass.of(batches))
            if wrong:
                return wrong
        passes_by_call.append([Pass.of(batches) for batches in passes])
    return passes_by_call


def _unlike(call: Call, at: int, made: Pass) -> Wrong | None:
    """Whether X ~ N(0, 1) and y = Xw + b + noise, within six standard errors."""
    where, n = place(call, at), call["n"]
    error = (made.y - made.X @ call["w"] - call["b"]).astype(np.float64)
    count, noise = made.X.size, call["noise"]
    if error.std() < noise / 100:
        message = f"{where} has labels without noise, but should have a deviation of {noise:g}"
        return Wrong("no-noise", message)
    if len(made.rows) < n:
        message = f"{where} has {len(made.rows)} different rows of {n}, but all should differ"
        return Wrong("repeats-rows", message)
    checks = (
        ("features-off", "mean of X", made.X.mean(), 0.0, 1 / np.sqrt(count)),
        ("features-off", "deviation of X", made.X.std(), 1.0, 1 / np.sqrt(2 * count)),
        ("labels-off", "mean of y - Xw - b", error.mean(), 0.0, noise / np.sqrt(n)),
        ("labels-off", "deviation of y - Xw - b", error.std(), noise, noise / np.sqrt(2 * n)),
    )
    for fault, name, got, expected, width in checks:
        limit = BAND * width
        seen = difference(f"{where} {name}", np.asarray(got), np.asarray(expected), limit)
        if seen:
            return Wrong(fault, seen)
    return None


_MADE_HINTS = {
    "no-noise": "Subtract Xw + b from your labels: what is left?",
    "repeats-rows": "Is every row of a pass drawn by itself?",
    "features-off": "Print mean and deviation of all features: what should they be?",
    "labels-off": "Subtract Xw + b from your labels: what should be left?",
    "rows-lost": "Add up the lengths of all batches of a pass: is it n?",
}
_SIZES = "w (d, 1), b (1,), float32; the deviation of the noise"
_SERVED = (
    "an iterable over n made-up rows, pairs (X, y) of shapes (m, d) and (m, 1), the last batch "
    "short: X ~ N(0, 1), y = Xw + b plus normal noise; "
)


def _judge_fresh(calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
    passes_by_call = _made(calls, replies)
    if isinstance(passes_by_call, Wrong):
        return passes_by_call
    passes = [(at, one) for at, made in enumerate(passes_by_call) for one in made]
    for (_, first), (at, second) in combinations(passes, 2):
        where = place(calls[at], at)
        if first.equals(second):
            return Wrong("same-each-pass", f"{where} serves the same data again")
        if first.rows & second.rows:
            return Wrong("reshuffled", f"{where} serves rows again that it served before")
    return None


FRESH_DATA = Exercise(
    name="fresh-data",
    title="Fresh data at each pass",
    source="d2l 3.3, exercise 3",
    task="Write an iterator that makes new data up every time it is called.",
    contract=(
        Wanted(
            "fresh_iter",
            f"fresh_iter(batch_size, n, w, b, noise): {_SIZES}",
            f"{_SERVED}new rows at every call",
        ),
    ),
    judged="four passes: mean and deviation of features and noise, and that no row comes again",
    ask=lambda generator: _ask_made(generator, "fresh_iter", seeded=False),
    rule=_judge_fresh,
    hints={
        **_MADE_HINTS,
        "same-each-pass": "When are your data drawn: at every call, or once?",
        "reshuffled": "Is it new data, or the old data in a new order?",
    },
)


def _judge_same(calls: Sequence[Call], replies: Sequence[Reply]) -> Wrong | None:
    passes_by_call = _made(calls, replies)
    if isinstance(passes_by_call, Wrong):
        return passes_by_call
    for at, (call, (first, second)) in enumerate(zip(calls, passes_by_call, strict=True)):
        if not first.equals(second):
            message = f"{place(call, at)} serves other data in its second pass"
            return Wrong("differs", message)
    same, again, other = (first for first, _ in passes_by_call)
    if not same.equals(again):
        message = f"{place(calls[1], 1)} serves other data when the global generators differ"
        return Wrong("differs", message)
    if same.rows & other.rows:
        message = f"{place(calls[2], 2)} serves rows of another seed's data"
        return Wrong("seed-ignored", message)
    if not all(reply.untouched for reply in replies):
        message = f"{place(calls[0], 0)} leaves the global generators changed, but should not"
        return Wrong("global-generator", message)
    return None


SAME_DATA = Exercise(
    name="same-data",
    title="The same data at each pass",
    source="d2l 3.3, exercise 4",
    task="Write an iterator that makes the same data up every time it is called with the same "
    "seed, and leaves everybody else's random numbers alone.",
    contract=(
        Wanted(
            "same_iter",
            f"same_iter(batch_size, n, w, b, noise, seed): {_SIZES}; the seed",
            f"{_SERVED}the same to the bit at every call with this seed, other data with another; "
            "the global generators are left as they were",
        ),
    ),
    judged="four passes with one seed and two with another, and the states of the generators of "
    "torch, NumPy and Python before and after",
    ask=lambda generator: _ask_made(generator, "same_iter", seeded=True),
    rule=_judge_same,
    hints={
        **_MADE_HINTS,
        "differs": "Which generator draws your data, and who else draws from it?",
        "seed-ignored": "What changes in your data when the seed does?",
        "global-generator": "What does `torch.manual_seed` change for everybody else? Look up "
        "`torch.Generator`.",
    },
)

EXERCISES = (TAIL_BATCH, LARGER_THAN_MEMORY, FRESH_DATA, SAME_DATA)
