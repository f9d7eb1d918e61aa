"""The warden's own parts; what it does with a call is shown in tests/test_worker.py."""

import os
import socket

import pytest

from harness.isolation import call, supervisor
from harness.isolation.frames import (
    HEADER_BYTES,
    Failure,
    readable_text,
    receive_body,
    receive_header,
    send_frame,
    size,
)


@pytest.fixture
def wires():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    ("count", "text"), [(2 << 30, "2 GiB"), (100 << 20, "100 MiB"), (1 << 18, "0.25 MiB")]
)
def test_sizes_are_readable(count, text):
    assert size(count) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain\n\ttext", "plain\n\ttext"),
        ("ŷ − y".encode(), "ŷ − y"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]8;;http://x\x07link\x1b]8;;\x1b\\", "link"),
        (b"a\rb\x08c\x00", "abc"),
        (b"\xff", "\ufffd"),
        ("a\u202eb\u2028c".encode(), "abc"),
    ],
)
def test_texts_are_harmless(data, text):
    """Words stay; what moves the cursor, colours or reorders goes."""
    assert readable_text(data) == text


def test_a_frame_arrives_as_it_was_sent(wires):
    ours, theirs = wires
    send_frame(ours, {"sizes": [3]}, b"abc")
    assert receive_header(theirs) == {"sizes": [3]}
    assert receive_body(theirs, 3) == b"abc"


@pytest.mark.parametrize("sent", [b"", b"\x00\x00\x00\x09{}", b"\xff\xff\xff\xff"])
def test_a_frame_that_is_cut_short_is_an_end(wires, sent):
    ours, theirs = wires
    ours.sendall(sent)
    ours.shutdown(socket.SHUT_WR)
    assert HEADER_BYTES < 0xFFFFFFFF
    with pytest.raises(EOFError):
        receive_header(theirs)


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b"crash raised ValueError: no", Failure("crash", "raised ValueError: no")),
        (b"exit a\x1b[31m\nb", Failure("exit", "a b")),
        (b"unconfined was not run", Failure("unconfined", "was not run")),
        (b"crash " + b"x" * 1000, Failure("crash", "x" * 500)),
        (b"time ran", Failure("malformed", "sent back what is not an answer")),
        (b"", Failure("malformed", "sent back what is not an answer")),
    ],
)
def test_a_failure_told_by_a_child_is_one_of_its_own(data, failure):
    """It cannot claim what only the warden can know, nor write more than a sentence."""
    assert call._failure_told(data) == failure


@pytest.mark.parametrize("depth", [0, 1100])
def test_a_folder_is_removed_however_deep(tmp_path, depth):
    """With folders that nobody may enter, and deeper than Python can recurse."""
    start = os.open(tmp_path, os.O_RDONLY)
    folder = tmp_path / "left"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.fchmod(here, 0)
    os.close(here)
    os.close(start)
    call._remove(str(folder))
    assert list(tmp_path.iterdir()) == []


def test_memory_of_a_child_is_its_own():
    """A forked child that writes to it changes nothing here."""
    memory = call._memory(16)
    child = os.fork()
    if not child:
        memory[:2] = b"xx"
        os._exit(0)
    os.waitpid(child, 0)
    assert memory[:2] == b"\0\0"
    memory.close()


def test_threads_are_told_of(monkeypatch, tmp_path):
    """One thread is no matter, two are."""
    (tmp_path / "1").mkdir()
    monkeypatch.setattr(supervisor, "Path", lambda _: tmp_path)
    assert supervisor._threads() == []
    (tmp_path / "2").mkdir()
    assert "2 threads" in supervisor._threads()[0]
