"""`svb bench`: scratch timed against built-in, in pairs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.output import SUFFIXES, add_output, console_on

if TYPE_CHECKING:
    from harness.cli.output import Commands


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "bench",
        help="time scratch against built-in, piece by piece, in pairs",
        description="Time scratch against built-in in pairs: every component, whole epochs, "
        "pieces swapped one at a time, loops by hand and torch's own options. Both sides are "
        "compared first; one that differs is not timed.",
        epilog="with --sweep, --stream or --aa only these are run, unless --only names rows. "
        "exit status: 0 all agree, whatever their speed; 1 a side differs; 2 the call was "
        "wrong; 3 nothing could be timed",
    )
    parser.add_argument("--quick", action="store_true", help="the small setting, fewer pairs")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="these rows only: a setting (small, medium, large), a group, a row, or a pattern such "
        "as 'medium/*/*iterator*'; large runs only when it is named, for it takes minutes",
    )
    parser.add_argument("--sweep", action="store_true", help="how cost grows with n, d and batch")
    parser.add_argument(
        "--stream",
        nargs="?",
        type=int,
        const=10_000_000,
        metavar="ROWS",
        help="train on rows in a file larger than --memory (default: 10 000 000; takes minutes)",
    )
    parser.add_argument(
        "--memory", type=int, default=1024, metavar="MIB", help="for --stream (default: 1024)"
    )
    parser.add_argument(
        "--aa", type=int, metavar="N", help="time a side against itself N times: false verdicts"
    )
    parser.add_argument(
        "--busy", type=int, metavar="K", help="with --aa: again, beside K endless loops"
    )
    parser.add_argument(
        "--budget", type=float, metavar="SECONDS", help="begin nothing after so many seconds"
    )
    parser.add_argument("--pairs", type=int, metavar="N", help="pairs a row (default: 60)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="threads for torch (default: 1)"
    )
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu (default) or cuda")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Time, print the ratios and write the report; the exit status."""
    from rich.progress import Progress, TextColumn

    from harness.bench import report, scaling
    from harness.report import files

    out = arguments.out or Path("reports") / "bench"
    files.check_writable(out)
    request = scaling.Wanted.of(arguments)
    # no refreshing by itself: that would be a second thread beside what is timed
    columns, console = TextColumn("{task.description}", markup=False), console_on(sys.stderr)
    with Progress(columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=None)
        bench = scaling.run_all(
            request, lambda what: bar.update(task, description=what, refresh=True)
        )
    document = bench.to_dict()
    written = report.write(document, out)
    print_bench(document, arguments.format)
    print(f"report: {written['html']}", file=sys.stderr)
    return bench.exit_status


def print_bench(document: dict[str, Any], form: str) -> None:
    """A benchmark on standard output: a table and sentences, or one of the formats."""
    from harness.bench import report

    if form != "text":
        sys.stdout.write(report.RENDERERS[SUFFIXES[form]](document))
        return
    console = console_on(sys.stdout)
    if document["rows"]:
        console.print(report.to_table(document, console.width))
    for line in report.summary_lines(document):
        console.print(line, markup=False, highlight=False)
