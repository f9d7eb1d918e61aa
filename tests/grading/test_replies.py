"""A reply crosses as facts and arrays and comes back the same; what is no reply is refused."""

import dataclasses
import json
from typing import Any

import pytest
import torch

from harness.engine.components import (
    COMPONENTS,
    DATA_ITERATOR,
    INITIALISATION,
    LOOP,
    LOSS,
    OPTIMIZER,
    ForcedReply,
    Served,
)
from harness.engine.forced_run import COLUMNS
from harness.engine.pair import Shapes
from harness.grading.replies import pack, unpack
from harness.isolation.codec import MalformedError
from harness.isolation.payload import LONGEST, Payload
from harness.pairs.linear import BUILTIN, SCRATCH

MSE = SCRATCH["mse"]


def crossed(reply):
    """Return a reply that went through JSON and bare arrays."""
    payload = pack(reply)
    return unpack(type(reply), Payload(json.loads(json.dumps(payload.facts)), dict(payload.arrays)))


def flat(value):
    """Return everything in a reply in order, tensors with dtype, shape and bits."""
    if isinstance(value, torch.Tensor):
        return [(str(value.dtype), tuple(value.shape), value.numpy().tobytes())]
    if dataclasses.is_dataclass(value):
        parts = [getattr(value, f.name) for f in dataclasses.fields(value)]
        # the shapes of a step are those of the question, and do not cross
        return [x for part in parts if not isinstance(part, Shapes) for x in flat(part)]
    if isinstance(value, dict):
        return [x for key in sorted(value) for x in (key, *flat(value[key]))]
    if isinstance(value, list | tuple):
        return [x for part in value for x in (len(value), *flat(part))]
    if type(value).__module__ == "harness.engine.trace":  # a lane
        return flat([value.filled(), value.counts, value.positions])
    return [value]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_every_reply_comes_back_to_the_bit(component):
    """Of every question."""
    for question in component.questions(BUILTIN["mse"], "mse"):
        reply = component.ask(MSE, question)
        assert flat(crossed(reply)) == flat(reply)


def test_what_was_raised_comes_back():
    """No more of its words than anybody reads."""

    def raising(*_given):
        raise LookupError("x" * 2 * LONGEST)

    recipe = dataclasses.replace(MSE, loss=raising)
    (forced, *_) = crossed(LOSS.ask(recipe, LOSS.questions(BUILTIN["mse"], "mse")[0])).once
    assert forced.raised["loss"].kind == "LookupError"
    assert forced.raised["loss"].message == "x" * LONGEST


X, Y = torch.arange(10.0).reshape(5, 2), torch.arange(5.0).reshape(5, 1)
EPOCHS = {
    "nothing": [],
    "an empty epoch": [[]],
    "alike": [[(X, Y), (X[:2], Y[:2])], [(X[1:], Y[1:])]],
    "no rows": [[(X[:0], Y[:0])]],
    "other widths": [[(X, Y), (X[:, :1], Y)]],
    "other dtypes": [[(X, Y), (X.double(), Y)]],
    "numbers": [[(X[0, 0], Y[0, 0]), (X[0, 1], Y[1, 0])]],
    "rows without columns": [[(X[0], Y[0]), (X[1], Y[:, 0])]],
}


@pytest.mark.parametrize("epochs", EPOCHS.values(), ids=EPOCHS.keys())
def test_batches_of_any_shape_come_back(epochs):
    """Those alike are joined on the way, the others are not."""
    reply = Served(epochs, epochs[:1], X, Y, None, endless=False)
    assert flat(crossed(reply)) == flat(reply)


def spoiled(payload):
    """Yield a reply's payload with one thing wrong."""
    for name in payload.arrays:
        yield Payload(payload.facts, {k: v for k, v in payload.arrays.items() if k != name})
    strange: list[Any] = [None, 7, "no", [1], [[{}]], {"columns": "loss"}]
    for value in strange:
        yield Payload(value, payload.arrays)
    for name in payload.facts:
        yield Payload({k: v for k, v in payload.facts.items() if k != name}, payload.arrays)


@pytest.mark.parametrize("component", [DATA_ITERATOR, LOSS, INITIALISATION, LOOP], ids=str)
def test_what_is_no_reply_is_refused(component):
    """An array or a fact less, or something else in its place; the control is read."""
    reply = component.ask(MSE, component.questions(BUILTIN["mse"], "mse")[0])
    payload = pack(reply)
    assert isinstance(unpack(type(reply), payload), component.reply_type)
    tried = 0
    for wrong in spoiled(payload):
        with pytest.raises(MalformedError):
            unpack(type(reply), wrong)
        tried += 1
    assert tried > 10


def test_a_column_that_nobody_asked_for_is_empty():
    """It takes no array; one that is said to be there and is not is no reply."""
    payload = pack(OPTIMIZER.ask(MSE, OPTIMIZER.questions(BUILTIN["mse"], "mse")[1]))
    assert {name.rpartition(".")[2] for name in payload.arrays} == {"parameter"}
    (first, *_) = payload.facts["once"]
    (got, *_) = unpack(ForcedReply, payload).once
    assert [len(getattr(got, name)) > 0 for name in COLUMNS] == [c == "parameter" for c in COLUMNS]
    first["loss"] = first["parameter"]
    with pytest.raises(MalformedError, match=r"once\.0\.loss"):
        unpack(ForcedReply, payload)


@pytest.mark.parametrize(
    ("component", "change"),
    [
        (DATA_ITERATOR, {"fresh": True}),
        (INITIALISATION, {"shapes": [[2, 1]]}),
        (LOSS, {"again": [3]}),
        (LOOP, {"epochs": [2.5]}),
    ],
)
def test_facts_that_no_such_reply_has_are_refused(component, change):
    """Of the right names; the control is read."""
    reply = component.ask(MSE, component.questions(BUILTIN["mse"], "mse")[0])
    payload = pack(reply)
    assert isinstance(unpack(type(reply), payload), component.reply_type)
    with pytest.raises(MalformedError):
        unpack(type(reply), Payload(payload.facts | change, payload.arrays))
