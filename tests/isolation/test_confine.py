"""The sandbox apart from its effect, which tests/test_worker.py shows: what is said and allowed."""

import os
import resource
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest

from harness.isolation import confine
from harness.isolation.confine import Limits, Sandbox, python_readable

FULL = Sandbox(
    folder="/nowhere",
    readable=(),
    namespaces=True,
    proc=True,
    landlock=6,
    other_user=True,
    own_limit=True,
)


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [(Limits(), 10), (Limits(seconds=0.5), 1), (Limits(seconds=60, cpu_seconds=3), 3)],
)
def test_processor_time_follows_the_clock(limits, seconds):
    """Unless it is given, a call may compute for as long as it may last."""
    assert limits.processor_seconds == seconds


def test_all_in_force_lacks_nothing():
    assert FULL.not_in_force() == ()
    assert len(FULL.in_force()) == 7


@pytest.mark.parametrize(
    ("lacking", "word"),
    [
        ({"namespaces": False}, "network"),
        ({"namespaces": False}, "leaves behind"),
        ({"landlock": 0}, "file system can be read"),
        ({"landlock": 0, "reads_all": True}, "right to read every file"),
        ({"other_user": False}, "user who started it"),
        ({"own_limit": False}, "counted 20 times"),
        ({"memory": False}, "Memory is not limited"),
        ({"proc": False}, "not counted together"),
    ],
)
def test_what_lacks_is_said(lacking, word):
    """Each part that is not in force has a sentence, and one less is claimed."""
    found = replace(FULL, **lacking)
    assert any(word in sentence for sentence in found.not_in_force())
    assert not any(word in sentence for sentence in FULL.not_in_force())
    assert not set(found.in_force()) & set(found.not_in_force())


def covers(readable, path):
    """Whether a path is, or lies in, one of those that are readable."""
    return any(Path(path).resolve().is_relative_to(folder) for folder in readable)


def test_python_stays_readable_and_the_tests_do_not():
    readable = python_readable()
    assert covers(readable, os.__file__)
    assert covers(readable, pytest.__file__)
    assert covers(readable, confine.__file__)
    assert covers(readable, sysconfig.get_path("purelib"))
    assert not covers(readable, Path(confine.__file__).parents[2] / "README.md")
    assert not covers(readable, Path.home() / ".ssh")


def test_folders_within_others_need_no_rule():
    paths = map(Path, ["/a/b", "/a/b/c", "/a/bc", "/", "/a/b/d/e"])
    assert confine._outermost(paths) == ("/a/b", "/a/bc")


def test_a_limit_is_never_raised(monkeypatch):
    """Where the ceiling is lower than what is asked for, it stays."""
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (5, 7))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: asked.append(pair))
    confine._set_limit(0, 6)
    confine._set_limit(0, 8, 9)
    assert asked == [(6, 6), (7, 7)]


def test_what_is_possible_is_tried_elsewhere(tmp_path):
    """The attempt is made in a process of its own, and its failure is an answer."""
    assert confine._possible(lambda: os.chdir(tmp_path))
    assert Path.cwd() != tmp_path
    assert not confine._possible(lambda: os.chdir(tmp_path / "missing"))
    assert not confine._possible(lambda: os._exit(3))
