"""What `svb_pytest` hands to pytest: tests per case, duels, and the tests of an answer.

`svb_pytest` declares options and fixtures and imports the modules here where they are used. What is
right is judged by `comparison` and `grade`, what is faster by `duel`; here both are only handed to
pytest, and the timings to pytest-benchmark, through their public hooks.
"""

from harness.pytest_plugin.checks import checks

__all__ = ["checks"]
