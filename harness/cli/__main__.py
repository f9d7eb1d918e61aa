"""`python -m harness.cli`, the command without an installation."""

import sys

from harness.cli import main

sys.exit(main())
