"""`svb check`: answers of learners judged, one or a class."""

from __future__ import annotations

import argparse
import gc
import os
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.output import console_on
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.cli.output import Commands
    from harness.grading.classroom import Classroom, Record
    from harness.grading.collect import Entry
    from harness.grading.marks import Roll
    from harness.grading.terminal import Line
    from harness.isolation.confine import Limits
    from harness.isolation.pool import Workshop


FORMATS = ("text", "json", "csv", "markdown", "junit", "gradescope")


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "check",
        help="judge answers: a learner's file, a notebook, or a class",
        description="Judge answers part by part: data_iter, linreg, squared_loss, sgd, "
        "init_params and train, each beside the reference, with a hint where one differs. "
        "Every answer runs in a process of its own, without network or files.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a .py or .ipynb file, a folder of them or of students' folders (nbgrader's "
        "submitted/ too), a zip, or - for standard input",
    )
    parser.add_argument(
        "--as-one",
        action="store_true",
        help="each folder is that of one student, all of whose files are one answer",
    )
    parser.add_argument(
        "--with",
        type=Path,
        metavar="DIR",
        dest="beside",
        help="lay the files of this folder beside every answer: data, modules",
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
        choices=FORMATS,
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
        "--parts",
        metavar="PARTS",
        help="the parts that are asked for, such as data_iter,linreg,sgd: an answer without one of "
        "them is incomplete",
    )
    parser.add_argument(
        "--partial", action="store_true", help="an incomplete answer is as good as one that passes"
    )
    parser.add_argument(
        "--again", action="store_true", help="judge all anew, also what has not changed"
    )
    parser.add_argument(
        "--watch", action="store_true", help="check one file again each time it is saved"
    )
    parser.add_argument(
        "--exit-zero", action="store_true", help="end with 0 whatever the verdicts are"
    )
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Judge answers; the exit status."""
    from harness.grading import warmup
    from harness.grading.collect import collect

    keep = arguments.out is not None or arguments.format == "gradescope"
    entries = collect(arguments.paths, keep_absent=keep, as_one=arguments.as_one)
    limits = _limits(arguments)
    jobs = min(arguments.jobs or os.cpu_count() or 1, len(entries))
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    # before anything here imports torch: the workshop does so meanwhile
    with warmup.start(limits, jobs, answers=len(entries), seed=seed) as workshop:
        return _check_in(workshop, arguments, entries, seed)


def _check_in(
    workshop: Workshop,
    arguments: argparse.Namespace,
    entries: list[Entry],
    seed: int,
) -> int:
    gc.disable()  # imports leave little to collect, and looking through torch's objects takes long
    from harness.exercises.catalogue import named
    from harness.grading import asked, classroom, grade, marks, report
    from harness.grading.handed_in import read_beside
    from harness.report import files

    del grade  # needed in any case, and imported with the others
    gc.enable()
    roles = classroom.parse_roles(arguments.map)
    weights = asked.read_weights(arguments.weights) if arguments.weights else None
    named_parts = asked.read_parts(arguments.parts) if arguments.parts is not None else ()
    if arguments.exercise and (named_parts or weights):
        raise InputError("--exercise asks for one part, itself: leave out --parts and --weights.")
    asks = asked.asked_parts(named_parts, weights)
    beside = read_beside(arguments.beside)
    if arguments.out:
        files.check_writable(arguments.out)
    exercise = named(arguments.exercise).name if arguments.exercise else None
    if arguments.watch:
        return _watch(workshop, arguments, entries, roles, exercise, seed, beside, asks)
    settings = classroom.settings(workshop.limits, roles, exercise)
    with classroom.Register(arguments.out, settings) as register:
        room = classroom.Classroom(entries, register, roles, exercise, beside, arguments.again)
        isolation, interrupted = _judge_answers(workshop, arguments, room, seed)
        a_class = len(entries) > 1 and any(entry.folder for entry in entries)
        records = asked.held_against(room.records(), asks, of_form=a_class)
    points = asked.points_of(named_parts, weights)
    roll = marks.Roll(records, seed, arguments.hints, points, isolation, arguments.partial)
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
    beside: Mapping[str, bytes],
    asks: Sequence[str],
) -> int:
    """Judge one answer after each save, until somebody ends it."""
    if len(entries) != 1 or arguments.out or arguments.format != "text":
        raise InputError("--watch is for one file, on a terminal: leave out --out and --format.")
    from harness.grading.asked import held_against
    from harness.grading.grade import Grader
    from harness.grading.terminal import answer_lines
    from harness.grading.watch_file import watch

    console = console_on(sys.stdout)

    def show(record: Record, hints: int) -> None:
        (record,) = held_against([record], asks, of_form=False)
        _print_lines(console, answer_lines(record, hints))

    with Grader(seed=seed, workshop=workshop) as grader:
        return watch(
            entries[0],
            grader,
            console,
            show,
            roles=roles,
            exercise=exercise,
            beside=beside,
            hints=arguments.hints,
        )


def _limits(arguments: argparse.Namespace) -> Limits:
    """The limits of an answer; InputError where one makes no sense."""
    from harness.isolation.confine import Limits

    for name, least in (("timeout", 0.1), ("memory", 64), ("jobs", 1), ("seed", 0)):
        value = getattr(arguments, name)
        if value is not None and not least <= value < 2**31:
            raise InputError(f"--{name} {value}: give a number from {least} on.")
    from harness.grading.handed_in import MOST_BYTES

    room = Limits.file_bytes + 2 * MOST_BYTES  # for a student's files, and those of --with
    return Limits(seconds=arguments.timeout, memory_bytes=arguments.memory << 20, file_bytes=room)


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
                *columns, console=console_on(sys.stderr), transient=True, disable=hidden
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
    _print_lines(console_on(sys.stdout), terminal.lines(roll))


def _print_lines(console: Any, lines: Iterable[Line]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    for line in lines:
        console.print(
            Padding(Text(line.text or " ", line.style), (0, 0, 0, line.indent), expand=False)
        )
