"""`svb report`: a saved report rendered again, or two benchmarks held together."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.bench import print_bench
from harness.cli.compare import print_report
from harness.cli.output import SUFFIXES, add_output
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.cli.output import Commands


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "report",
        help="render a report.json or bench.json again, or hold two bench.json together",
        description="Render Markdown, CSV and HTML from a report.json or a bench.json. With "
        "two bench.json, old and new, print how the ratios moved.",
    )
    parser.add_argument("file", metavar="FILE", help="a report.json or a bench.json")
    parser.add_argument("new", nargs="?", metavar="NEW", help="a newer bench.json to hold beside")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Render a saved report again, or hold two benchmarks together; the exit status."""
    from harness.report import files

    loaded = files.load(arguments.file)
    if arguments.new or (isinstance(loaded, dict) and loaded.get("schema") == "svb.bench/1"):
        return _report_bench(loaded, arguments)
    document = files.read(arguments.file)
    files.write(document, arguments.out or Path(arguments.file).parent)
    print_report(document, arguments.format)
    return 0


def _report_bench(document: Any, arguments: argparse.Namespace) -> int:
    """Render a benchmark again, or hold two of them together."""
    from harness.bench import differences, report
    from harness.report import files

    old = report.validate(document, arguments.file)
    if arguments.new is None:
        report.write(old, arguments.out or Path(arguments.file).parent)
        print_bench(old, arguments.format)
        return 0
    if arguments.out:
        raise InputError("--out goes with one report; two are only printed.")
    moved = differences.differences(old, report.validate(files.load(arguments.new), arguments.new))
    render = differences.RENDERERS[SUFFIXES.get(arguments.format, "md")]
    sys.stdout.write(render(moved))
    return 0
