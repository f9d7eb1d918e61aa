"""A table of the reader's own: a CSV of numbers, checked and standardised, as two NumPy arrays.

Does not draw synthetic data (that is a `Case`), mend what is wrong with a table (it says what,
where and what to do), or know torch. pandas reads the file as bare cells, header and all, because a
complaint names its line, and pandas left to itself renames repeated columns and pads short lines.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.errors import InputError

FloatArray = NDArray[np.float64]

BUNDLED = Path(__file__).parent / "data"
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})  # compared in lower case
FLOAT32_MAX = float(np.finfo(np.float32).max)
NAMES_SHOWN = 12  # column names listed in one message
TEXT_SHOWN = 40  # characters of a file's own text quoted in one message


@dataclass(frozen=True, eq=False)
class Table:
    """Features and labels of n examples, with what was done to them on the way in."""

    name: str
    feature_names: tuple[str, ...]
    features: FloatArray  # (n, d)
    labels: FloatArray  # (n, 1)
    target: str
    scaling: str  # one phrase for a report
    means: FloatArray | None = None  # (d + 1,) of the raw columns, the target last; None: unscaled
    stds: FloatArray | None = None  # (d + 1,) likewise, population form (divided by n)


class _Grid(NamedTuple):
    """The cells of a file as text: a column for each name, each row labelled by its line."""

    where: str
    names: tuple[str, ...]
    cells: pd.DataFrame


def bundled_names() -> tuple[str, ...]:
    """Names of the data sets that come with the package."""
    return tuple(sorted(file.stem for file in BUNDLED.glob("*.csv")))


def bundled(name: str) -> Path:
    """Path of a data set that comes with the package; InputError for a name it does not have."""
    if name not in bundled_names():
        raise InputError(
            f"there is no bundled data set called {_quote(name)}: "
            f"choose from {_listed(bundled_names())}"
        )
    return BUNDLED / f"{name}.csv"


def load_table(path: Path, target: str | None, standardise: bool = True) -> Table:
    """Read the CSV at `path`, or the bundled data set of that name; all but `target` are features.

    Unless told not to, each column is brought to mean 0 and standard deviation 1 (population form).
    Whatever is wrong with the file raises InputError: one sentence: what, where and what to do.
    """
    file = _locate(path)
    grid = _parse(_read_text(file), _quote(str(path)))
    label = _target_name(grid, target)
    _check_size(grid)
    names = [*(name for name in grid.names if name != label), label]
    values = pd.DataFrame({name: _numbers(grid, name) for name in names})
    means = stds = None
    scaling = "as in the file"
    if standardise:
        values, means, stds = _standardised(values, grid.where)
        scaling = "each column to mean 0 and standard deviation 1 (population)"
    return Table(
        name=file.stem,
        feature_names=tuple(names[:-1]),
        features=np.array(values[names[:-1]], order="C"),
        labels=np.array(values[[label]]),
        target=label,
        scaling=scaling,
        means=means,
        stds=stds,
    )


# ---- from a path to text


def _locate(path: Path) -> Path:
    """The file that `path` means: itself where it exists, else the bundled one of that name."""
    if path.exists() and not path.is_dir():
        return path
    if str(path) in bundled_names():
        return bundled(str(path))
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a directory: name a CSV file in it")
    raise InputError(
        f"there is no file {str(path)!r}: give the path of a CSV file, "
        f"or the name of a bundled data set ({_listed(bundled_names())})"
    )


def _read_text(file: Path) -> str:
    where = _quote(str(file))
    try:
        raw = file.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"{where} cannot be read ({reason}): check the file's permissions"
        ) from error
    if b"\0" in raw:
        raise InputError(f"{where} is a binary file, not text: export the table as CSV in UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{where} is not UTF-8 text (byte 0x{raw[error.start]:02x} on line {line}): "
            "save it as CSV in UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


# ---- from text to cells


def _parse(text: str, where: str) -> _Grid:
    if not text.strip():
        raise InputError(f"{where} is empty: it needs a line of column names and rows of numbers")
    cells = _cells(text, where)
    names = tuple(cells.iloc[0].dropna().str.strip())
    _check_header(names, where)
    fields = cells.notna().sum(axis=1)
    blank = (fields < 2) & (cells[0].fillna("").str.strip() == "")
    ragged = (fields != len(names)) & ~blank
    if ragged.any():
        field_count = _count(fields[ragged].iloc[0], "field")
        raise InputError(
            f"line {ragged.idxmax()} of {where} has {field_count} where the first line has "
            f"{len(names)}: give every line the same number of commas"
        )
    rows = cells[~blank].iloc[1:, : len(names)]
    return _Grid(where, names, rows.set_axis(names, axis=1).apply(lambda cell: cell.str.strip()))


def _cells(text: str, where: str) -> pd.DataFrame:
    """Every field as it stands, None where a line has no more; each row labelled by its last line.

    The Python engine, for only it tells a field that is absent from one that is empty.
    """
    unquoted = "".join(text.split('"')[::2])  # where a row is one line
    widest = 1 + max(line.count(",") for line in f"{text}\n{unquoted}".split("\n"))
    source = io.StringIO(text)
    try:
        cells = pd.read_csv(
            source,
            engine="python",
            header=None,
            names=list(range(widest)),  # room for the longest row, or pandas makes an index of it
            dtype=object,
            keep_default_na=False,
            skip_blank_lines=False,
            skipinitialspace=True,
        )
    except pd.errors.ParserError as error:
        line = 1 + text.count("\n", 0, source.tell() - 1)
        raise InputError(
            f"line {line} of {where} cannot be read as CSV ({error}): mend that line"
        ) from error
    lines = np.arange(1, len(cells) + 1)
    if '"' in text:  # only a quoted field can hold line ends
        lines += cells.apply(lambda cell: cell.str.count("\n")).sum(axis=1).cumsum().to_numpy(int)
    return cells.set_axis(lines)


def _check_header(names: Sequence[str], where: str) -> None:
    """The first line must name every column, each by a name of its own."""
    if not any(names):
        raise InputError(f"the first line of {where} is blank: put the column names there")
    if pd.to_numeric(pd.Series(names), errors="coerce").notna().all():
        raise InputError(
            f"{where} has no header: line 1 holds numbers ({_listed(names)}), "
            "so add a first line of column names"
        )
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            raise InputError(f"{where} is separated by {word}: save it with commas instead")
    if "" in names:
        raise InputError(
            f"column {names.index('') + 1} of {where} has no name: name it, or drop it where it is "
            "only an index (pandas: to_csv(..., index=False))"
        )
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InputError(
            f"{where} has {names.count(twice)} columns called {_quote(twice)}: "
            "give each column a name of its own"
        )


def _target_name(grid: _Grid, target: str | None) -> str:
    """Name of the target column, as the file has it."""
    names = grid.names
    if target is None:
        raise InputError(
            f"no target was named for {grid.where}: say with --target which column is to be "
            f"predicted, one of {_listed(names)}"
        )
    if target.strip() in names:
        return target.strip()
    folded = {name.casefold(): name for name in names}
    close = get_close_matches(target.strip().casefold(), folded, n=1)
    guess = f"did you mean {_quote(folded[close[0]])}? " if close else ""
    raise InputError(
        f"{grid.where} has no column {_quote(target)} to be the target: "
        f"{guess}its columns are {_listed(names)}"
    )


def _check_size(grid: _Grid) -> None:
    """Two rows and one feature are the least that a line can be fitted to."""
    if len(grid.cells) < 2:
        content = "a header but no rows" if grid.cells.empty else "only one row of data"
        raise InputError(f"{grid.where} has {content}: at least two rows are needed")
    if len(grid.names) < 2:
        raise InputError(
            f"{grid.where} has no feature column besides the target {_quote(grid.names[0])}: "
            "add at least one column to predict from"
        )


# ---- from cells to numbers


def _numbers(grid: _Grid, name: str) -> "pd.Series[float]":
    """One column as float64, each value exactly as Python reads it."""
    cells = grid.cells[name]
    column = f"column {_quote(name)} of {grid.where}"
    missing = cells.str.lower().isin(MISSING)
    if missing.any():
        raise InputError(
            f"{column} has {_count(missing.sum(), 'missing value')}, the first on line "
            f"{missing.idxmax()}: fill the gaps in, or drop those rows or the column"
        )
    readable = pd.to_numeric(cells, errors="coerce").notna()
    values = cells.where(readable).astype(float)  # not the above's, which some pandas round
    beyond = f"a value beyond float32's range of ±{FLOAT32_MAX:.1e}"
    for wrong, what, remedy in (
        (values.isna(), "holds text", "turn it into numbers, or drop the column"),
        (values.abs() == np.inf, "has an infinite value", "replace it or drop that row"),
        (values.abs() > FLOAT32_MAX, f"has {beyond}", "give the column in a larger unit"),
    ):
        if wrong.any():
            example = f"{_quote(cells[wrong].iloc[0])} on line {wrong.idxmax()}"
            raise InputError(f"{column} {what} ({example}): {remedy}")
    return values


def _standardised(values: pd.DataFrame, where: str) -> tuple[pd.DataFrame, FloatArray, FloatArray]:
    """Columns with mean 0 and standard deviation 1; the means and deviations they had.

    Centred twice and scaled by the largest distance first: so a column that hardly varies beside
    its size, or lies near the ends of float64's range, comes out as exact as any other.
    """
    constant = values.min() == values.max()  # a computed std may miss 0 by rounding
    if constant.any():
        name = str(constant.idxmax())
        role, remedy = "column", "drop the column"
        if name == values.columns[-1]:
            role, remedy = "the target column", "choose another target"
        raise InputError(
            f"{role} {_quote(name)} of {where} is {values[name].iloc[0]:g} in every row "
            f"and cannot be scaled to standard deviation 1: {remedy}, or use --no-standardise"
        )
    means = values.mean()
    centred = values - means
    centred -= centred.mean()
    reach = centred.abs().max()
    centred /= reach
    spread = centred.std(ddof=0)
    return centred / spread, means.to_numpy(), (spread * reach).to_numpy()


# ---- words


def _quote(text: str) -> str:
    """The text in quotes on one line, cut where it is long."""
    return repr(text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1] + "…")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    tail = f" and {more} more" if more > 0 else ""
    return ", ".join(map(_quote, names[:NAMES_SHOWN])) + tail


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
