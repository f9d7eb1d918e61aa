"""`svb list`: cases, pairs, mistakes and exercises there are; and the proof, tried anew."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.output import console_on, print_rows
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.cli.output import Commands


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "list", help="show what there is", description="Show what there is to choose from."
    )
    parser.add_argument(
        "what",
        choices=("cases", "mistakes", "exercises", "pairs", "proof"),
        help="cases: what svb compare runs; mistakes: the known ones, with hint and fix; "
        "pairs: what can be compared, and with its name what stands by hand beside what is "
        "built in; "
        "exercises: those of the book that svb check can judge, with what to write; proof: how "
        "often svb check is right, and what it withstands, tried anew, which takes minutes",
    )
    parser.add_argument(
        "id",
        nargs="?",
        metavar="ID",
        help="one mistake, exercise or pair, in full; of proof the folder of answers to try "
        "(default: tests/corpus where there is one)",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="draws of the questions for proof (default: 3)"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="of proof: also as a page")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show what there is; the exit status."""
    if arguments.what != "proof" and (arguments.seeds or arguments.write):
        raise InputError("--seeds and --write go with `svb list proof` only.")
    if arguments.what == "mistakes":
        return _list_mistakes(arguments.id, arguments.format)
    if arguments.what == "exercises":
        return _list_exercises(arguments.id, arguments.format)
    if arguments.what == "proof":
        return _list_proof(arguments)
    if arguments.what == "pairs":
        return _list_pairs(arguments.id, arguments.format)
    if arguments.id:
        raise InputError(
            f"svb list {arguments.what} shows them all; leave out {arguments.id!r}, or take "
            "`svb list mistakes ID`."
        )
    from harness.pairs.catalogue import PAIRS

    rows = [
        {"name": case.name, "pair": pair.name, "purpose": case.purpose}
        for pair in PAIRS.values()
        for case in pair.cases
    ]
    heads = {"name": "case", "pair": "pair", "purpose": "what it is for"}
    return print_rows(rows, heads, arguments.format)


def _list_mistakes(id: str | None, form: str) -> int:  # noqa: A002 - as the argument is called
    """All mistakes in a line each, or one in full."""
    from harness.mistakes.catalogue import MISTAKES, named, plain

    if id is None:
        rows = [plain(mistake) for mistake in MISTAKES.values()]
        heads = {"id": "mistake", "first_stage": "first seen", "what": "what the code does"}
        return print_rows(rows, heads, form)
    fields = plain(named(id))
    if form == "json":
        return print_rows([fields], {}, form)
    for name in ("what", "hint", "tell", "fix"):
        print(f"{name:5} {fields[name]}")
    return 0


def _list_exercises(name: str | None, form: str) -> int:
    """All exercises in a line each, or one with its contract."""
    from harness.exercises.catalogue import EXERCISES, lines, named, plain

    if name is None:
        rows = [plain(exercise) for exercise in EXERCISES.values()]
        heads = {"name": "exercise", "title": "what it is about", "source": "in the book"}
        return print_rows(rows, heads, form)
    exercise = named(name)
    if form == "json":
        return print_rows([plain(exercise)], {}, form)
    print("\n".join(lines(exercise)))
    return 0


def _list_pairs(name: str | None, form: str) -> int:
    """All pairs in a line each, or the public names that both packages have for one of them."""
    from harness.pairs.catalogue import PAIRS, named_pair

    if name is None:
        rows: list[dict[str, object]] = [
            {
                "name": pair.name,
                "title": pair.title,
                "forms": ", ".join(pair.forms),
                "cases": len(pair.cases),
                "source": pair.source,
            }
            for pair in PAIRS.values()
        ]
        heads = {"name": "pair", "title": "what it is", "forms": "forms", "cases": "cases"}
        return print_rows(rows, heads, form)
    heads = {"name": "name", "scratch": "by hand, after", "builtin": "built in"}
    return print_rows(named_pair(name).public_names(), heads, form)


def _list_proof(arguments: argparse.Namespace) -> int:
    """Put the judge to the test; 1 where a floor is missed."""
    from rich.progress import Progress

    from harness.report import files
    from harness.selftest import page, proof, trials

    seeds = proof.SEEDS if arguments.seeds is None else arguments.seeds
    if seeds < 1:
        raise InputError(f"--seeds {seeds}: give a number from 1 on.")
    corpus = trials.folder(arguments.id)
    if arguments.write:
        files.check_writable(arguments.write.parent)
    if corpus is None:
        print("no answers at hand: only the catalogue's own forms are tried.", file=sys.stderr)
    with Progress(console=console_on(sys.stderr), transient=True) as bar:
        task = bar.add_task("", total=None)
        result = proof.prove(corpus, seeds, lambda what: bar.update(task, description=what))
    if arguments.write:
        arguments.write.write_text(page.page(result), "utf-8")
    if arguments.format == "json":
        import json

        print(json.dumps(result.to_dict(), indent=2, ensure_ascii=False))
        return result.exit_status
    for line in page.lines(result):
        print(line)
    return result.exit_status
