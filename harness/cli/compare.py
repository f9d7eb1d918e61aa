"""`svb compare`: scratch trained beside built-in, every stage of every step judged."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.output import SUFFIXES, add_output, console_on
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.cli.output import Commands
    from harness.engine.case import Case
    from harness.engine.comparison import Comparison


OVERRIDES = ("batch_size", "lr", "epochs", "seed", "dtype")


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "compare",
        help="train scratch beside built-in and judge every stage of every step",
        description="Train scratch beside built-in, judge batch, prediction, loss, gradient "
        "and parameter of every step, print the verdicts and write the report.",
    )
    parser.add_argument(
        "--case",
        action="append",
        metavar="NAME",
        help="run this case only; may be given several times (svb list cases)",
    )
    parser.add_argument(
        "--pair",
        metavar="NAME",
        help="what is compared: linear, where nothing else is said, or another (svb list pairs)",
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="train on a CSV file of numbers, or on a bundled set (diabetes)",
    )
    parser.add_argument("--target", metavar="COLUMN", help="the column of FILE to predict")
    parser.add_argument(
        "--no-standardise", action="store_true", help="take the columns of FILE as they are"
    )
    parser.add_argument("--batch-size", type=int, metavar="N")
    parser.add_argument("--lr", type=float, metavar="X", help="learning rate")
    parser.add_argument("--epochs", type=int, metavar="N")
    parser.add_argument("--seed", type=int, metavar="N")
    parser.add_argument("--dtype", metavar="NAME", help="float32, float64, bfloat16 or float16")
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="cpu or cuda; without it the cases run on both, where there are both",
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print the verdicts and write the report; the exit status."""
    from harness.report import files

    name, cases = _chosen(arguments)
    out = arguments.out or Path("reports") / name
    files.check_writable(out)
    comparison = _run(name, cases, printed=not (arguments.case or arguments.data))
    document = comparison.to_dict()
    written = files.write(document, out)
    print_report(document, arguments.format)
    print(f"report: {written['html']}", file=sys.stderr)
    return comparison.exit_status


def _run(name: str, cases: list[Case], *, printed: bool) -> Comparison:
    """Compare with a progress bar; `printed` adds the figures that the sources print."""
    from rich.progress import Progress

    from harness.engine.comparison import compare
    from harness.pairs.published import RUNS, published

    # the bar counts steps; a printed run is one of about as many
    steps = sum(case.total_steps for case in cases)
    per_run = steps / len(cases)
    with Progress(console=console_on(sys.stderr), transient=True) as bar:
        task = bar.add_task("", total=steps + (RUNS * per_run if printed else 0))
        done: dict[Case, int] = {}

        def advance(case: Case, judged: int) -> None:
            done[case] = judged
            bar.update(task, completed=sum(done.values()), description=f"{case.name:24}")

        comparison = compare(cases=cases, name=name, progress=advance)
        if printed:
            bar.update(task, completed=steps, description=f"{'printed figures':24}")
            comparison.published = published(lambda: bar.advance(task, per_run))
    return comparison


def _chosen(arguments: argparse.Namespace) -> tuple[str, list[Case]]:
    """The name of the run and its cases, with what was asked for put in."""
    from harness.engine.case import devices
    from harness.pairs.catalogue import named, named_pair

    if arguments.target and not arguments.data:
        raise InputError("--target names a column of a file; say which one with --data FILE.")
    settings = {name: getattr(arguments, name) for name in OVERRIDES}
    settings = {name: value for name, value in settings.items() if value is not None}
    if arguments.data:
        name, cases = _on_table(arguments)
    else:
        pair = named_pair(arguments.pair) if arguments.pair else None
        cases = list(named(arguments.case, pair))
        name = "-".join(case.name for case in cases) if arguments.case else "default"
        if pair and not arguments.case:
            name = pair.name
    if arguments.device and arguments.device not in devices():
        raise InputError(
            f"--device {arguments.device}: there is no such device here; take one of "
            f"{', '.join(devices())}."
        )
    places = [arguments.device] if arguments.device else devices()
    return name[:100], [
        replace(case, **settings, device=place) for place in places for case in cases
    ]


def _on_table(arguments: argparse.Namespace) -> tuple[str, list[Case]]:
    """The cases on the reader's own table: all three forms, or those asked for."""
    from harness.pairs.catalogue import named_pair
    from harness.pairs.linear import LINEAR
    from harness.pairs.linear_cases import named_linear, on_table
    from harness.pairs.table import load_table

    if arguments.pair and named_pair(arguments.pair) is not LINEAR:
        raise InputError(
            f"--data trains a linear regression; leave out --pair {arguments.pair}, or --data."
        )
    table = load_table(
        Path(arguments.data), arguments.target, standardise=not arguments.no_standardise
    )
    chosen = named_linear(arguments.case) if arguments.case else None
    return table.name, [*on_table(table, chosen)]


def print_report(document: dict[str, Any], form: str) -> None:
    """A comparison on standard output: a table and sentences, or one of the formats."""
    from harness.report import files

    if form == "text":
        console = console_on(sys.stdout)
        console.print(files.to_table(document, console.width))
        for line in files.summary_lines(document):
            console.print(line, markup=False, highlight=False)
        return
    sys.stdout.write(files.RENDERERS[SUFFIXES[form]](document))
