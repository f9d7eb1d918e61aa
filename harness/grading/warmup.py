"""Starts the workshop in which answers are judged, before its judge is imported.

Both import torch, which takes longest of all: so they do it side by side. What the workshop runs
is `interview`, named here and not imported; the judging is `grade`'s.
"""

from __future__ import annotations

from harness.isolation.confine import Limits
from harness.isolation.pool import Workshop

ENTRY = "harness.grading.child:respond"
PRELOAD = ("torch", "harness.grading.child")
REHEARSAL = "harness.grading.rehearsal:rehearse"
CLASS = 16  # so many answers make up for the time that a rehearsal takes


def start(
    limits: Limits | None = None, jobs: int = 1, *, answers: int = 1, seed: int = 0
) -> Workshop:
    """A workshop for so many answers, which gets ready in the background; close it in the end.

    `seed` is the one that they are most likely to be asked with.
    """
    return Workshop(
        ENTRY,
        preload=PRELOAD,
        rehearsal=(REHEARSAL, seed) if answers >= CLASS else (),
        limits=limits or Limits(),
        jobs=jobs,
    )
