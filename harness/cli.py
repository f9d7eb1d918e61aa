"""The command `svb`: what to compare, where to write it, and the exit status.

Exit status: 0 all agree; 1 something differs; 2 the call or its input was wrong; 3 inconclusive or
could not run, and nothing differs. torch is imported only when a command needs it, so that
`svb --help` answers at once. Results go to standard output, progress and complaints to standard
error.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.engine.case import Case
    from harness.engine.comparison import Comparison
    from harness.grading.classroom import Classroom, Entry, Record
    from harness.grading.marks import Roll
    from harness.grading.terminal import Line
    from harness.isolation.confine import Limits
    from harness.isolation.pool import Workshop

FORMATS = ("text", "json", "markdown", "csv")
CHECK_FORMATS = ("text", "json", "csv", "markdown", "junit", "gradescope")
_SUFFIXES = {"json": "json", "markdown": "md", "csv": "csv"}
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
    _add_check(
        commands.add_parser(
            "check",
            help="judge answers: a learner's file, a notebook, or a class",
            description="Judge answers part by part: data_iter, linreg, squared_loss, sgd, "
            "init_params and train, each beside the reference, with a hint where one differs. "
            "Every answer runs in a process of its own, without network or files.",
        )
    )
    _add_bench(
        commands.add_parser(
            "bench",
            help="time scratch against built-in, piece by piece, in pairs",
            description="Time scratch against built-in in pairs: every component, whole epochs, "
            "pieces swapped one at a time, loops by hand and torch's own options. Both sides are "
            "compared first; one that differs is not timed.",
            epilog="with --sweep, --stream or --aa only these are run, unless --only names rows. "
            "exit status: 0 all agree, whatever their speed; 1 a side differs; 2 the call was "
            "wrong; 3 nothing could be timed",
        )
    )
    _add_report(
        commands.add_parser(
            "report",
            help="render a report.json or bench.json again, or hold two bench.json together",
            description="Render Markdown, CSV and HTML from a report.json or a bench.json. With "
            "two bench.json, old and new, print how the ratios moved.",
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


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a .py or .ipynb file, a folder of them (nbgrader's submitted/ too), or - for "
        "standard input",
    )
    parser.add_argument(
        "--exercise",
        metavar="NAME",
        help="judge answers to this exercise of the book (svb list exercises)",
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="ROLE=NAME",
        help="which name of the file is which part, such as linreg=net; may be given several times",
    )
    parser.add_argument(
        "--hints",
        type=int,
        choices=(0, 1, 2, 3),
        default=1,
        help="0: which part only; 1 (default): also why, and a hint; 2: also what the code does; "
        "3: also the fix",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of the questions (default: drawn)")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="answers at once (default: one for each core)"
    )
    parser.add_argument(
        "--timeout", type=float, default=10.0, metavar="S", help="seconds an answer (default: 10)"
    )
    parser.add_argument(
        "--memory", type=int, default=2048, metavar="MB", help="of an answer (default: 2048)"
    )
    parser.add_argument(
        "--format",
        choices=CHECK_FORMATS,
        default="text",
        help="what is printed on standard output (default: text)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="keep the results, write all formats and pages; a run that stopped goes on from there",
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="points of each part, a TOML file: [weights]"
    )
    parser.add_argument(
        "--watch", action="store_true", help="check one file again each time it is saved"
    )
    parser.add_argument(
        "--exit-zero", action="store_true", help="end with 0 whatever the verdicts are"
    )
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    parser.set_defaults(run=_check)


def _add_bench(parser: argparse.ArgumentParser) -> None:
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
    _add_output(parser)
    parser.set_defaults(run=_bench)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a report.json or a bench.json")
    parser.add_argument("new", nargs="?", metavar="NEW", help="a newer bench.json to hold beside")
    _add_output(parser)
    parser.set_defaults(run=_report)


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("cases", "mistakes", "exercises", "pairs", "proof"),
        help="cases: what svb compare runs; mistakes: the known ones, with hint and fix; "
        "pairs: what stands by hand beside what is built in; "
        "exercises: those of the book that svb check can judge, with what to write; proof: how "
        "often svb check is right, and what it withstands, tried anew, which takes minutes",
    )
    parser.add_argument(
        "id",
        nargs="?",
        metavar="ID",
        help="one mistake or exercise, in full; of proof the folder of answers to try "
        "(default: tests/corpus where there is one)",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="draws of the questions for proof (default: 3)"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="of proof: also as a page")
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
    from harness.report import files

    name, cases = _chosen(arguments)
    out = arguments.out or Path("reports") / name
    files.check_writable(out)
    comparison = _run(name, cases, printed=not (arguments.case or arguments.data))
    found = comparison.to_dict()
    written = files.write(found, out)
    _print(found, arguments.format)
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
    from harness.engine.case import devices, named

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
    from harness.engine.case import named, on_table
    from harness.pairs.table import load_table

    table = load_table(
        Path(arguments.data), arguments.target, standardise=not arguments.no_standardise
    )
    return table.name, on_table(table, named(arguments.case) if arguments.case else None)


def _print(found: dict[str, Any], form: str) -> None:
    from harness.report import files

    if form == "text":
        console = _console(sys.stdout)
        console.print(files.to_table(found, console.width))
        for line in files.summary_lines(found):
            console.print(line, markup=False, highlight=False)
        return
    render = {"json": files.to_json, "markdown": files.to_markdown, "csv": files.to_csv}
    sys.stdout.write(render[form](found))


def _check(arguments: argparse.Namespace) -> int:
    from harness.grading import classroom, warmup

    keep = arguments.out is not None or arguments.format == "gradescope"
    entries = classroom.collect(arguments.paths, keep_absent=keep)
    limits = _limits(arguments)
    jobs = min(arguments.jobs or os.cpu_count() or 1, len(entries))
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    with warmup.start(limits, jobs, answers=len(entries), seed=seed) as workshop:
        roles = classroom.parse_roles(arguments.map)  # torch with it, beside the workshop
        return _check_in(workshop, arguments, entries, roles, seed)


def _check_in(
    workshop: Workshop,
    arguments: argparse.Namespace,
    entries: list[Entry],
    roles: dict[str, str],
    seed: int,
) -> int:
    from harness.exercises.catalogue import named
    from harness.grading import classroom, marks, report
    from harness.report import files

    weights = marks.read_weights(arguments.weights) if arguments.weights else None
    if arguments.out:
        files.check_writable(arguments.out)
    exercise = named(arguments.exercise).name if arguments.exercise else None
    if arguments.watch:
        return _watch(workshop, arguments, entries, roles, exercise, seed)
    settings = classroom.settings(workshop.limits, roles, exercise)
    with classroom.Register(arguments.out, settings) as register:
        room = classroom.Classroom(entries, register, roles, exercise)
        isolation, interrupted = _judge_answers(workshop, arguments, room, seed)
        records = tuple(room.records())
    roll = marks.Roll(records, seed, arguments.hints, weights, isolation)
    if interrupted:
        kept = f"kept in {arguments.out}; the same call goes on from there" if arguments.out else ""
        done = f"{len(records)} of {len(entries)} answers were judged"
        print(f"svb: interrupted; {done}{kept and ' and are '}{kept}.", file=sys.stderr)
    _print_check(roll, arguments.format)
    if arguments.out:
        from harness.report.environment import describe

        page = report.write(roll, arguments.out, describe())
        print(f"report: {page}", file=sys.stderr)
    if interrupted:
        return 130
    return 0 if arguments.exit_zero else _say_absent(entries) or roll.check.exit_status


def _say_absent(entries: Iterable[Entry]) -> int:
    """2, the status of a wrong input, where a path led to no answer; else 0."""
    absent = [entry.absent for entry in entries if entry.absent]
    for sentence in absent:
        print(f"svb: {sentence}", file=sys.stderr)
    return 2 if absent else 0


def _watch(
    workshop: Workshop,
    arguments: argparse.Namespace,
    entries: list[Entry],
    roles: dict[str, str],
    exercise: str | None,
    seed: int,
) -> int:
    """Judge one answer after each save, until somebody ends it."""
    if len(entries) != 1 or arguments.out or arguments.format != "text":
        raise InputError("--watch is for one file, on a terminal: leave out --out and --format.")
    from harness.grading.grade import Grader
    from harness.grading.terminal import answer_lines
    from harness.grading.watch_file import watch

    console = _console(sys.stdout)

    def show(record: Record, hints: int) -> None:
        _print_lines(console, answer_lines(record, hints))

    with Grader(seed=seed, workshop=workshop) as grader:
        return watch(
            entries[0],
            grader,
            console,
            show,
            roles=roles,
            exercise=exercise,
            hints=arguments.hints,
        )


def _limits(arguments: argparse.Namespace) -> Limits:
    """The limits of an answer; InputError where one makes no sense."""
    from harness.isolation.confine import Limits

    for name, least in (("timeout", 0.1), ("memory", 64), ("jobs", 1), ("seed", 0)):
        value = getattr(arguments, name)
        if value is not None and not least <= value < 2**31:
            raise InputError(f"--{name} {value}: give a number from {least} on.")
    return Limits(seconds=arguments.timeout, memory_bytes=arguments.memory << 20)


def _judge_answers(
    workshop: Workshop, arguments: argparse.Namespace, room: Classroom, seed: int
) -> tuple[tuple[Sequence[str], Sequence[str]], bool]:
    """Judge with a progress bar; what the isolation is, and whether somebody interrupted it."""
    from rich import progress

    from harness.grading.grade import Grader

    unchanged = 0
    columns = (
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
    )
    hidden = arguments.no_progress or len(room.entries) == 1
    isolation: tuple[Sequence[str], Sequence[str]] = ((), ())
    try:
        with Grader(seed=seed, workshop=workshop) as grader:
            isolation = workshop.in_force, workshop.not_in_force
            _say_isolation(*isolation, in_full=len(room.entries) > 1)
            bar = progress.Progress(
                *columns, console=_console(sys.stderr), transient=True, disable=hidden
            )
            with bar:
                task = bar.add_task("", total=len(room.entries), rate="")

                def advance(fresh: bool) -> None:
                    nonlocal unchanged
                    unchanged += not fresh
                    speed = bar.tasks[0].speed
                    bar.update(task, advance=1, rate=f"{speed:.1f} a second" if speed else "")

                room.judge(grader, advance)
    except KeyboardInterrupt:
        return isolation, True
    if unchanged:
        print(
            f"{unchanged} of {len(room.entries)} answers have not changed: their results stand.",
            file=sys.stderr,
        )
    return isolation, False


def _say_isolation(held: Sequence[str], lacking: Sequence[str], *, in_full: bool) -> None:
    """What of the isolation holds, in full before a class; what does not hold, always."""
    parts, sentences = len(held) + len(lacking), f" {' '.join(held)}" if in_full else ""
    print(f"isolation: {len(held)} of {parts} parts in force.{sentences}", file=sys.stderr)
    if lacking:
        print(f"isolation: not in force: {' '.join(lacking)}", file=sys.stderr)


def _print_check(roll: Roll, form: str) -> None:
    """On a terminal lines are coloured and wrapped; in a pipe neither."""
    from harness.grading import report, terminal

    if form != "text" or not sys.stdout.isatty():
        sys.stdout.write(report.RENDERERS[form](roll))
        return
    _print_lines(_console(sys.stdout), terminal.lines(roll))


def _print_lines(console: Any, lines: Iterable[Line]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    for line in lines:
        console.print(
            Padding(Text(line.text or " ", line.style), (0, 0, 0, line.indent), expand=False)
        )


def _bench(arguments: argparse.Namespace) -> int:
    from rich.progress import Progress, TextColumn

    from harness.bench import report, scaling
    from harness.report import files

    out = arguments.out or Path("reports") / "bench"
    files.check_writable(out)
    wanted = scaling.Wanted.of(arguments)
    # no refreshing by itself: that would be a second thread beside what is timed
    columns, console = TextColumn("{task.description}", markup=False), _console(sys.stderr)
    with Progress(columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=None)
        bench = scaling.run_all(
            wanted, lambda what: bar.update(task, description=what, refresh=True)
        )
    found = bench.to_dict()
    written = report.write(found, out)
    _print_bench(found, arguments.format)
    print(f"report: {written['html']}", file=sys.stderr)
    return bench.exit_status


def _print_bench(found: dict[str, Any], form: str) -> None:
    from harness.bench import report

    if form != "text":
        sys.stdout.write(report.RENDERERS[_SUFFIXES[form]](found))
        return
    console = _console(sys.stdout)
    if found["rows"]:
        console.print(report.to_table(found, console.width))
    for line in report.summary_lines(found):
        console.print(line, markup=False, highlight=False)


def _report_bench(found: Any, arguments: argparse.Namespace) -> int:
    """Render a benchmark again, or hold two of them together."""
    from harness.bench import report
    from harness.report import files

    old = report.validate(found, arguments.file)
    if arguments.new is None:
        report.write(old, arguments.out or Path(arguments.file).parent)
        _print_bench(old, arguments.format)
        return 0
    if arguments.out:
        raise InputError("--out goes with one report; two are only printed.")
    moved = report.differences(old, report.validate(files.load(arguments.new), arguments.new))
    render = {
        "json": report.differences_json,
        "csv": report.differences_csv,
    }.get(arguments.format, report.differences_markdown)
    sys.stdout.write(render(moved))
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from harness.report import files

    loaded = files.load(arguments.file)
    if arguments.new or (isinstance(loaded, dict) and loaded.get("schema") == "svb.bench/1"):
        return _report_bench(loaded, arguments)
    found = files.read(arguments.file)
    files.write(found, arguments.out or Path(arguments.file).parent)
    _print(found, arguments.format)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    if arguments.what != "proof" and (arguments.seeds or arguments.write):
        raise InputError("--seeds and --write go with `svb list proof` only.")
    if arguments.what == "mistakes":
        return _list_mistakes(arguments.id, arguments.format)
    if arguments.what == "exercises":
        return _list_exercises(arguments.id, arguments.format)
    if arguments.what == "proof":
        return _list_proof(arguments)
    if arguments.what == "pairs" and not arguments.id:
        return _list_pairs(arguments.format)
    if arguments.id:
        raise InputError(
            f"svb list {arguments.what} shows them all; leave out {arguments.id!r}, or take "
            "`svb list mistakes ID`."
        )
    from harness.engine.case import DEFAULT_CASES

    rows = [{"name": case.name, "purpose": case.purpose} for case in DEFAULT_CASES]
    return _print_rows(rows, {"name": "case", "purpose": "what it is for"}, arguments.format)


def _list_mistakes(id: str | None, form: str) -> int:  # noqa: A002 - as the argument is called
    """All mistakes in a line each, or one in full."""
    from harness.mistakes.catalogue import MISTAKES, named, plain

    if id is None:
        rows = [plain(mistake) for mistake in MISTAKES.values()]
        heads = {"id": "mistake", "first_stage": "first seen", "what": "what the code does"}
        return _print_rows(rows, heads, form)
    fields = plain(named(id))
    if form == "json":
        return _print_rows([fields], {}, form)
    for name in ("what", "hint", "tell", "fix"):
        print(f"{name:5} {fields[name]}")
    return 0


def _list_exercises(name: str | None, form: str) -> int:
    """All exercises in a line each, or one with its contract."""
    from harness.exercises.catalogue import EXERCISES, lines, named, plain

    if name is None:
        rows = [plain(exercise) for exercise in EXERCISES.values()]
        heads = {"name": "exercise", "title": "what it is about", "source": "in the book"}
        return _print_rows(rows, heads, form)
    exercise = named(name)
    if form == "json":
        return _print_rows([plain(exercise)], {}, form)
    print("\n".join(lines(exercise)))
    return 0


def _list_pairs(form: str) -> int:
    """Every public name that both packages have, with what each side follows."""
    from harness.engine.recipe import pairs

    heads = {"name": "name", "scratch": "by hand, after", "builtin": "built in"}
    return _print_rows(pairs(), heads, form)


def _list_proof(arguments: argparse.Namespace) -> int:
    """Put the judge to the test; 1 where a floor is missed."""
    from rich.progress import Progress

    from harness.report import files
    from harness.selftest import proof

    seeds = proof.SEEDS if arguments.seeds is None else arguments.seeds
    if seeds < 1:
        raise InputError(f"--seeds {seeds}: give a number from 1 on.")
    corpus = proof.folder(arguments.id)
    if arguments.write:
        files.check_writable(arguments.write.parent)
    if corpus is None:
        print("no answers at hand: only the catalogue's own forms are tried.", file=sys.stderr)
    with Progress(console=_console(sys.stderr), transient=True) as bar:
        task = bar.add_task("", total=None)
        found = proof.prove(corpus, seeds, lambda what: bar.update(task, description=what))
    if arguments.write:
        arguments.write.write_text(proof.page(found), "utf-8")
    if arguments.format == "json":
        import json

        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return found.exit_status
    for line in proof.lines(found):
        print(line)
    return found.exit_status


def _print_rows(rows: list[dict[str, Any]], heads: dict[str, str], form: str) -> int:
    """Rows as JSON, or the columns in `heads` as a table."""
    if form == "json":
        import json

        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    from rich.table import Table

    table = Table(*heads.values(), box=None)
    for row in rows:
        table.add_row(*(row[name] for name in heads))
    _console(sys.stdout).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
