"""Values cross by their types and come back the same; whatever is of another type is refused."""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.isolation.codec import MalformedError
from harness.isolation.payload import LONGEST, Batch, Packer, Parts, Payload


@dataclasses.dataclass(frozen=True)
class Part:
    """Something with a number and perhaps a text."""

    number: float
    text: str | None = None


class Pair:
    """Two tensors; no dataclass."""

    def __init__(self, first, second):
        self.first, self.second = first, second


def not_negative(part):
    """Check a part."""
    if part.number < 0:
        raise ValueError("negative")


PACKER = Packer(
    checks={Part: not_negative},
    parts={Pair: Parts({"first": Tensor, "second": Tensor}, vars, Pair)},
)


def crossed(kind, value):
    """Return a value that went through JSON and bare arrays."""
    packed = PACKER.pack(kind, value)
    return PACKER.unpack(kind, Payload(json.loads(json.dumps(packed.facts)), packed.arrays))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (bool, True),
        (int, -3),
        (float, math.inf),
        (float, 2),
        (str, "text"),
        (str | None, None),
        (Literal["a", "b"], "b"),
        (list[int], []),
        (tuple[int, ...], (1, 2, 3)),
        (tuple[int, str], (1, "one")),
        (dict[int, str], {1: "one", -2: ""}),
        (Mapping[str, float | str], {"a": 1.5, "b": "c"}),
        (Part, Part(0.5)),
        (list[Part | None], [Part(0.0, "zero"), None]),
        (dict[str, tuple[int, Part]], {"a": (3, Part(2.5, ""))}),
        (Any, 3),
        (Any, [1.5, 2.5]),
    ],
)
def test_plain_values_come_back(kind, value):
    """Of every type; under `Any` a list is a tuple of numbers."""
    expected = tuple(value) if kind is Any and isinstance(value, list) else value
    assert crossed(kind, expected) == expected


@pytest.mark.parametrize("kind", [Tensor, np.ndarray, Tensor | None, Any])
def test_arrays_come_back_to_the_bit(kind):
    """In copies of their own, numbers too."""
    for plain in (np.arange(6.0).reshape(2, 3), np.array(3), np.zeros((0, 2), np.float32)):
        given = torch.from_numpy(plain) if kind in (Tensor, Tensor | None) else plain
        back = crossed(kind, given)
        assert (type(back), back.shape, back.dtype) == (type(given), given.shape, given.dtype)
        assert (back == given).all()
        assert back is not given


def test_what_has_no_plain_dtype_crosses_as_double():
    """Which holds it."""
    assert crossed(Tensor, torch.ones(2, dtype=torch.bfloat16)).dtype == torch.float64


@pytest.mark.parametrize(
    ("values", "arrays"),
    [
        ([torch.ones(2, 3), torch.zeros(1, 3)], 1),
        ([torch.ones(2, 3), torch.zeros(1, 2)], 2),
        ([torch.ones(2), torch.ones(2).double()], 2),
        ([torch.tensor(1.0), torch.tensor(2.0)], 2),
        ([torch.empty(0, 0)], 0),
        ([], 0),
    ],
)
def test_tensors_alike_are_joined_on_the_way(values, arrays):
    """The others are not; batches have two columns of them."""
    assert len(PACKER.pack(list[Tensor], values).arrays) == arrays
    back = crossed(list[Tensor], values)
    assert [(v.dtype, v.tolist()) for v in back] == [(v.dtype, v.tolist()) for v in values]
    batches = crossed(list[Batch], [(value, value) for value in values])
    assert [[part.tolist() for part in batch] for batch in batches] == [
        [value.tolist()] * 2 for value in values
    ]


def test_a_class_that_is_no_dataclass_has_parts():
    """And is made of them."""
    pair = crossed(Pair, Pair(torch.ones(2), torch.zeros(3)))
    assert (type(pair), len(pair.first), len(pair.second)) == (Pair, 2, 3)


def test_texts_are_cut():
    """No longer than anybody reads."""
    assert crossed(str, "x" * 2 * LONGEST) == "x" * LONGEST


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        (bool, 1),
        (int, True),
        (int, 1.0),
        (float, "1"),
        (str, None),
        (str | None, 3),
        (Literal["a"], "b"),
        (Literal["a"], []),
        (list[int], {"0": 1}),
        (list[int], [1, "2"]),
        (tuple[int, str], [1]),
        (tuple[int, str], [1, "a", 2]),
        (dict[int, str], {"a": "b"}),
        (dict[int, str], {"1": "b", "01": "c"}),
        (dict[str, int], [1]),
        (Part, [1.0, None]),
        (Part, {"number": 1.0}),
        (Part, {"number": 1.0, "text": None, "more": 1}),
        (Part, {"number": -1.0, "text": None}),
        (Tensor, {"array": True}),
        (Tensor, {"array": 1, "more": 2}),
        (np.ndarray, {"array": False}),
        (list[Tensor], {"whole": {"array": True}, "lengths": [1]}),
        (list[Tensor], {"parts": [{"array": True}]}),
        (list[Tensor], {"count": 10**9}),
        (list[Batch], [{"parts": []}]),
        (Any, {"a": 1}),
        (Any, [1, [2]]),
    ],
)
def test_facts_of_another_type_are_refused(kind, facts):
    """Fewer parts too, more of them, and arrays that are not there."""
    with pytest.raises(MalformedError):
        PACKER.unpack(kind, Payload(facts, {}))


def test_lengths_that_do_not_add_up_are_refused():
    """Control: those that do are read."""
    arrays = {"0": np.ones((3, 2))}
    for lengths, right in (([1, 2], True), ([1, 1], False), ([4, -1], False)):
        payload = Payload([{"whole": {"array": True}, "lengths": lengths}], arrays)
        if right:
            assert len(PACKER.unpack(list[list[Tensor]], payload)[0]) == 2
        else:
            with pytest.raises(MalformedError):
                PACKER.unpack(list[list[Tensor]], payload)


PAYLOAD = Payload({"a": 1}, {"x": np.array([1.0, 2.0], np.float32)})


@pytest.mark.parametrize(
    "change",
    [
        {"facts": {"a": 2}},
        {"facts": {"b": 1}},
        {"arrays": {"y": PAYLOAD.arrays["x"]}},
        {"arrays": {"x": PAYLOAD.arrays["x"].astype(np.float64)}},
        {"arrays": {"x": PAYLOAD.arrays["x"].reshape(2, 1)}},
        {"arrays": {"x": np.nextafter(PAYLOAD.arrays["x"], np.float32(3))}},
        {"arrays": {"x": PAYLOAD.arrays["x"].view(np.int32)}},
        {"arrays": {}},
    ],
)
def test_a_digest_is_of_every_bit(change):
    """Facts, names, dtypes, shapes and values; the control is the same again."""
    same = Payload(dict(PAYLOAD.facts), {"x": PAYLOAD.arrays["x"].copy()})
    assert same.digest == PAYLOAD.digest
    assert dataclasses.replace(PAYLOAD, **change).digest != PAYLOAD.digest
