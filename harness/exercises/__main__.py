"""Print docs/exercises.md."""

import sys

from harness.exercises.catalogue import page

sys.stdout.write(page())
