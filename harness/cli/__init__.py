"""The command `svb`: what to compare, where to write it, and the exit status.

Exit status: 0 all agree; 1 something differs; 2 the call or its input was wrong; 3 inconclusive or
could not run, and nothing differs. torch is imported only when a command needs it, so that
`svb --help` answers at once. Results go to standard output, progress and complaints to standard
error.
"""

from __future__ import annotations

import argparse
import sys

from harness.cli import bench, check, compare, listing, report
from harness.errors import InputError


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except InputError as error:
        print(f"svb: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("svb: interrupted; nothing was written.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        return 141


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="svb",
        description="Is what you wrote from scratch the same as torch's built-in, where does it "
        "first differ, and by how much?",
        epilog="exit status: 0 all agree, 1 something differs, 2 the call or its input was wrong, "
        "3 inconclusive or could not run",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (compare, check, bench, report, listing):
        command.add(commands)
    return parser
