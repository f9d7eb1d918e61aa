"""Messages: what may cross comes back as it was; whatever else arrives is refused."""

import json
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.isolation.codec import DTYPES, MARK, MalformedError, Message, decode, encode
from harness.isolation.confine import Limits

LIMITS = Limits()


def framed(header, body=b""):
    """Bytes of a message with a header of one's own making."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return MARK + struct.pack(">I", len(text)) + text + body


def stated(dtype, shape, body, facts=None):
    """Bytes of a message that states one array."""
    return framed({"facts": facts or {}, "arrays": [["x", dtype, shape]]}, body)


FACTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ARRAYS = hnp.arrays(
    dtype=st.sampled_from(sorted(DTYPES)),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(
    st.dictionaries(st.text(), FACTS, max_size=3), st.dictionaries(st.text(), ARRAYS, max_size=3)
)
def test_what_may_cross_comes_back(facts, arrays):
    """Facts and arrays are equal to what was sent, bit for bit, NaN included."""
    back = decode(encode(Message(facts, arrays)), LIMITS)
    assert back.facts == facts
    assert list(back.arrays) == list(arrays)
    for name, array in arrays.items():
        got = back.arrays[name]
        assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert got.flags.writeable
        assert got.flags.aligned


@given(st.binary(max_size=200))
def test_noise_is_refused(data):
    with pytest.raises(MalformedError):
        decode(data, LIMITS)


@given(st.data())
def test_a_byte_changed_never_breaks_the_reader(data):
    """Whatever one byte becomes, there is a message or a refusal, and no other exception."""
    good = bytearray(encode(Message({"a": [1, "é"]}, {"x": np.eye(2), "y": np.arange(3) > 1})))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedError):
        assert isinstance(decode(good, LIMITS), Message)


def test_other_layouts_are_sent_as_plain_ones():
    """Strides, byte order and subclasses do not cross."""
    array = np.arange(6.0).reshape(2, 3)
    sent = Message(
        {"nan": float("nan")}, {"t": array.T, "b": array.astype(">f4"), "m": np.ma.array(array)}
    )
    back = decode(encode(sent), LIMITS)
    assert np.array_equal(back.arrays["t"], array.T)
    assert back.arrays["b"].dtype == np.dtype("float32")
    assert np.array_equal(back.arrays["b"], array)
    assert {type(a) for a in back.arrays.values()} == {np.ndarray}
    assert back.facts["nan"] != back.facts["nan"]


def test_a_lone_surrogate_becomes_a_question_mark():
    assert decode(encode(Message({"a": "x\ud800"})), LIMITS).facts == {"a": "x?"}


@pytest.mark.parametrize(
    "message",
    [
        Message({"a": object()}),
        Message({"a": "x" * (5 << 20)}),
        Message({}, {"x": np.array([object()])}),
        Message({}, {"x": np.array([1j])}),
        Message({}, {"x": np.array(["text"])}),
        Message({}, {"x": [1.0]}),  # type: ignore[dict-item]
    ],
    ids=["object", "large", "object-array", "complex", "text", "list"],
)
def test_what_may_not_cross_is_not_sent(message):
    with pytest.raises(MalformedError):
        encode(message)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "begin"),
        (b"PK" + encode(Message())[2:], "begin"),
        (encode(Message()) + b"x", "left over"),
        (encode(Message({}, {"x": np.zeros(3)}))[:-1], "cut short"),
        (encode(Message({"a": 1}))[:-1], "cut short"),
        (MARK + b"\xff\xff\xff\xff" + b"{}" * 50, "cut short"),
        (framed(b"[" * 100_000), "not JSON"),
        (framed(b'{"facts": ' + b"1" * 5000 + b"}"), "not JSON"),
        (framed(b"\xff"), "not JSON"),
        (framed({"facts": {"a": "\ud800"}, "arrays": []}), "not JSON"),
        (framed([]), "lacks"),
        (framed({"facts": {}}), "lacks"),
        (framed({"facts": [], "arrays": []}), "not what"),
        (framed({"facts": {}, "arrays": [1]}), "cannot be"),
        (stated("object", [1], b"x" * 8), "cannot be"),
        (stated("complex128", [1], b"x" * 16), "cannot be"),
        (stated("float64", [-1], b""), "cannot be"),
        (stated("float64", [True], b"x" * 8), "cannot be"),
        (stated("float64", [1.0], b"x" * 8), "cannot be"),
        (stated("uint8", [1 << 39, 1 << 39], b"x"), "cut short"),
        (stated("uint8", [0] + [1 << 39] * 3, b""), "cannot be"),
        (stated("uint8", [1] * 100, b"x"), "cannot be"),
        (stated("bool", [1], b"\x02"), "neither"),
        (framed({"facts": {}, "arrays": [["x", "uint8", [0]]] * 2}), "twice"),
    ],
)
def test_what_was_tampered_with_is_refused(data, reason):
    with pytest.raises(MalformedError, match=reason):
        decode(data, LIMITS)


def test_the_reader_control():
    """Control: the same hand-made bytes, right, are read."""
    back = decode(stated("bool", [1], b"\x01", {"a": 1}), LIMITS)
    assert (back.facts, back.arrays["x"].tolist()) == ({"a": 1}, [True])


def test_the_size_is_limited():
    """A message of exactly the limit is read, one byte more is not."""
    data = encode(Message({}, {"x": np.zeros(100)}))
    assert decode(data, Limits(reply_bytes=len(data))).arrays["x"].size == 100
    with pytest.raises(MalformedError, match="more than"):
        decode(data, Limits(reply_bytes=len(data) - 1))
