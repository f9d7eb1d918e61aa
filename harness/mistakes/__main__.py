"""Print docs/mistakes.md."""

import sys

from harness.mistakes.catalogue import page

sys.stdout.write(page())
