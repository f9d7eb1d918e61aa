"""What the commands share: options for a report, a console, rows as a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - has no other name


FORMATS = ("text", "json", "markdown", "csv")
SUFFIXES = {"json": "json", "markdown": "md", "csv": "csv"}


def add_output(parser: argparse.ArgumentParser) -> None:
    """`--out` and `--format`, as every command that writes a report has them."""
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


def console_on(file: Any) -> Any:
    """A console of rich on a stream."""
    from rich.console import Console

    return Console(file=file, soft_wrap=False)


def print_rows(rows: list[dict[str, Any]], heads: dict[str, str], form: str) -> int:
    """Rows as JSON, or the columns in `heads` as a table."""
    if form == "json":
        import json

        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    from rich.table import Table

    table = Table(*heads.values(), box=None)
    for row in rows:
        table.add_row(*(str(row[name]) for name in heads))
    console_on(sys.stdout).print(table)
    return 0
