"""The command `svb`: what to compare, where to write it, and the exit status.

Exit status: 0 all agree; 1 something differs; 2 the call or its input was wrong; 3 inconclusive or
could not run, and nothing differs. torch is imported only when a command needs it, so that
`svb --help` answers at once. Results go to standard output, progress and complaints to standard
error.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.case import Case
    from harness.comparison import Comparison

FORMATS = ("text", "json", "markdown", "csv")
OVERRIDES = ("batch_size", "lr", "epochs", "seed", "dtype")


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
    _add_compare(
        commands.add_parser(
            "compare",
            help="train scratch beside built-in and judge every stage of every step",
            description="Train scratch beside built-in, judge batch, prediction, loss, gradient "
            "and parameter of every step, print the verdicts and write the report.",
        )
    )
    _add_report(
        commands.add_parser(
            "report",
            help="render a report.json again, without running anything",
            description="Render report.md, report.csv and report.html from a report.json.",
        )
    )
    _add_list(
        commands.add_parser(
            "list", help="show what there is", description="Show what there is to choose from."
        )
    )
    return parser


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--case",
        action="append",
        metavar="NAME",
        help="run this case only; may be given several times (svb list cases)",
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
    _add_output(parser)
    parser.set_defaults(run=_compare)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a report.json")
    _add_output(parser)
    parser.set_defaults(run=_report)


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("cases",), help="cases: what svb compare runs")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=_list)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the report is written (default: reports/NAME, or beside FILE)",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="what is printed on standard output (default: text)",
    )


def _compare(arguments: argparse.Namespace) -> int:
    from harness import report

    name, cases = _chosen(arguments)
    out = arguments.out or Path("reports") / name
    report.check_writable(out)
    comparison = _run(name, cases, printed=not (arguments.case or arguments.data))
    found = comparison.to_dict()
    written = report.write(found, out)
    _print(found, arguments.format)
    print(f"report: {written['html']}", file=sys.stderr)
    return comparison.exit_status


def _run(name: str, cases: list[Case], *, printed: bool) -> Comparison:
    """Compare with a progress bar; `printed` adds the figures that the sources print."""
    from rich.progress import Progress

    from harness.comparison import compare
    from harness.published import RUNS, published

    # the bar counts steps; a printed run is one of about as many
    steps = sum(case.total_steps for case in cases)
    per_run = steps / len(cases)
    with Progress(console=_console(sys.stderr), transient=True) as bar:
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


def _console(file: Any) -> Any:
    from rich.console import Console

    return Console(file=file, soft_wrap=False)


def _chosen(arguments: argparse.Namespace) -> tuple[str, list[Case]]:
    """The name of the run and its cases, with what was asked for put in."""
    from harness.case import devices, named

    if arguments.target and not arguments.data:
        raise InputError("--target names a column of a file; say which one with --data FILE.")
    settings = {name: getattr(arguments, name) for name in OVERRIDES}
    settings = {name: value for name, value in settings.items() if value is not None}
    if arguments.data:
        name, cases = _on_table(arguments)
    else:
        cases = list(named(arguments.case))
        name = "-".join(case.name for case in cases) if arguments.case else "default"
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
    from harness.case import named, on_table
    from harness.dataset import load_table

    table = load_table(
        Path(arguments.data), arguments.target, standardise=not arguments.no_standardise
    )
    return table.name, on_table(table, named(arguments.case) if arguments.case else None)


def _print(found: dict[str, Any], form: str) -> None:
    from harness import report

    if form == "text":
        console = _console(sys.stdout)
        console.print(report.to_table(found, console.width))
        for line in report.summary_lines(found):
            console.print(line, markup=False, highlight=False)
        return
    render = {"json": report.to_json, "markdown": report.to_markdown, "csv": report.to_csv}
    sys.stdout.write(render[form](found))


def _report(arguments: argparse.Namespace) -> int:
    from harness import report

    found = report.read(arguments.file)
    report.write(found, arguments.out or Path(arguments.file).parent)
    _print(found, arguments.format)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from harness.case import DEFAULT_CASES

    rows = [{"name": case.name, "purpose": case.purpose} for case in DEFAULT_CASES]
    if arguments.format == "json":
        import json

        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    from rich.table import Table

    table = Table("case", "what it is for", box=None)
    for row in rows:
        table.add_row(row["name"], row["purpose"])
    _console(sys.stdout).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
