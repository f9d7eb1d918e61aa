"""`dataset`: every way a table can be wrong has its own sentence; a right one comes back."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.errors import InputError
from harness.pairs.table import bundled, bundled_names, load_table

DIABETES = "age,sex,bmi,bp,tc,ldl,hdl,tch,ltg,glu,target"
GOOD = "a,b,y\n1,2,3\n4,5,7\n7,9,8\n"


@pytest.fixture
def table(tmp_path):
    """Write content (text or bytes) to a CSV file and give its path."""

    def write(content):
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def complaint(path, target="y", standardise=True):
    """The one sentence that loading the table raises."""
    with pytest.raises(InputError) as caught:
        load_table(Path(path), target, standardise)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


# ---- what is right


def test_a_good_table(table):
    """Columns in the file's order but the target, wherever it stands; shapes (n, d) and (n, 1)."""
    loaded = load_table(table(GOOD), "b", standardise=False)
    assert loaded.name == "table"
    assert loaded.feature_names == ("a", "y")
    assert loaded.target == "b"
    np.testing.assert_array_equal(loaded.features, [[1, 3], [4, 7], [7, 8]])
    np.testing.assert_array_equal(loaded.labels, [[2], [5], [9]])
    assert loaded.features.dtype == loaded.labels.dtype == np.float64
    assert loaded.features.flags.c_contiguous
    assert loaded.scaling == "as in the file"
    assert loaded.means is None
    assert loaded.stds is None


def test_standardised_by_hand(table):
    """Values 1, 4, 7: mean 4, population deviation √6."""
    loaded = load_table(table(GOOD), "y")
    np.testing.assert_allclose(loaded.features[:, 0], np.array([-3, 0, 3]) / 6**0.5, rtol=1e-15)
    assert loaded.means is not None
    assert loaded.stds is not None
    np.testing.assert_allclose(loaded.means, [4, 16 / 3, 6], rtol=1e-15)
    np.testing.assert_allclose(loaded.stds[[0, 2]], [6**0.5, (14 / 3) ** 0.5], rtol=1e-15)
    assert "standard deviation 1" in loaded.scaling


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\n\n"),
        GOOD + "  \n",
        GOOD.rstrip("\n"),
        GOOD.replace(",", " , "),
        '"a","b","y"\n"1",2,3\n4,5e0,7.\n+7,9,8\n',
    ],
    ids=[
        "crlf",
        "cr",
        "bom",
        "blank lines",
        "white last line",
        "no last newline",
        "spaces",
        "quotes",
    ],
)
def test_the_same_table_written_otherwise(table, content):
    """Line ends, a byte order mark, blank lines, spaces and quotes change nothing."""
    np.testing.assert_array_equal(
        load_table(table(content), "y", standardise=False).features, [[1, 2], [4, 5], [7, 9]]
    )


def test_a_constant_column_is_allowed_unscaled(table):
    """What cannot be scaled can still be used as it is."""
    loaded = load_table(table("a,y\n0.1,2\n0.1,3\n"), "y", standardise=False)
    np.testing.assert_array_equal(loaded.features, [[0.1], [0.1]])


@pytest.mark.parametrize(
    "values", [("1e12", "1000000000000.0002"), ("-3e38", "3e38"), ("0", "1e-320")]
)
def test_extreme_columns_are_standardised_exactly(table, values):
    """Two values are -1 and 1 once standardised, however close or far apart."""
    loaded = load_table(table(f"a,y\n{values[0]},0\n{values[1]},1\n"), "y")
    np.testing.assert_allclose(loaded.features, [[-1], [1]], rtol=1e-12)


finite = st.floats(-1e30, 1e30, allow_subnormal=False)
frames = st.integers(2, 12).flatmap(
    lambda n: st.integers(2, 4).flatmap(lambda d: arrays(np.float64, (n, d), elements=finite))
)


@given(values=frames)
def test_any_numbers_written_by_pandas(tmp_path_factory, values):
    """Unscaled, the values come back bit for bit; standardised, with mean 0 and deviation 1."""
    path = tmp_path_factory.mktemp("frame") / "frame.csv"
    names = [f"x{i}" for i in range(values.shape[1])]
    pd.DataFrame(values, columns=names).to_csv(path, index=False)

    raw = load_table(path, names[-1], standardise=False)
    np.testing.assert_array_equal(np.hstack([raw.features, raw.labels]), values)

    if (values == values[0]).all(axis=0).any():
        assert "in every row" in complaint(path, names[-1])
        return
    scaled = load_table(path, names[-1])
    both = np.hstack([scaled.features, scaled.labels])
    np.testing.assert_allclose(both.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(both.std(axis=0), 1, rtol=1e-12)


# ---- the shipped data


def test_diabetes():
    """442 patients, ten features, raw units; the first row as in the source."""
    loaded = load_table(Path("diabetes"), "target", standardise=False)
    assert loaded.name == "diabetes"
    assert loaded.features.shape == (442, 10)
    assert loaded.feature_names == tuple(DIABETES.split(",")[:-1])
    np.testing.assert_array_equal(
        loaded.features[0], [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]
    )
    assert loaded.labels[0] == 151
    assert loaded.labels.mean() == pytest.approx(152.13348416)


def test_digits():
    """1797 images of 64 whole numbers from 0 to 16, in ten classes of nearly equal size."""
    loaded = load_table(Path("digits"), "digit", standardise=False)
    names = tuple(f"pixel_{i}_{j}" for i in range(8) for j in range(8))
    assert (loaded.feature_names, loaded.target) == (names, "digit")
    assert (loaded.features.shape, loaded.labels.shape) == ((1797, 64), (1797, 1))
    np.testing.assert_array_equal(loaded.features, loaded.features.round())
    assert (loaded.features.min(), loaded.features.max()) == (0, 16)
    classes, counts = np.unique(loaded.labels, return_counts=True)
    assert classes.tolist() == list(range(10))
    assert (counts.min(), counts.max()) == (174, 183)
    assert len(np.unique(loaded.features, axis=0)) == 1797
    assert loaded.features[0, :8].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert loaded.labels[:5, 0].tolist() == [0, 1, 2, 3, 4]


def test_digits_have_pixels_that_cannot_be_scaled():
    """Three pixels are never inked, which the notice says too; unscaled they are read."""
    loaded = load_table(Path("digits"), "digit", standardise=False)
    never = np.array(loaded.feature_names)[np.ptp(loaded.features, axis=0) == 0]
    assert never.tolist() == ["pixel_0_0", "pixel_4_0", "pixel_4_7"]
    assert "column 'pixel_0_0' of 'digits' is 0 in every row" in complaint("digits", "digit")


def test_bundled_names_have_files_and_a_notice():
    """Every shipped data set can be found by name and is described beside it."""
    assert "diabetes" in bundled_names()
    notice = (bundled("diabetes").parent / "README.md").read_text(encoding="utf-8")
    for name in bundled_names():
        assert bundled(name).is_file()
        assert f"## {name}" in notice


@pytest.mark.parametrize("name", ["iris", "../dataset", "", "diabetes.csv"])
def test_bundled_knows_no_other(name):
    """Only the names it lists."""
    with pytest.raises(InputError, match=r"no bundled data set called .*'diabetes'"):
        bundled(name)


def test_a_file_goes_before_a_bundled_name(tmp_path, monkeypatch):
    """A file called `diabetes` in the folder is what was meant; a folder of that name is not."""
    monkeypatch.chdir(tmp_path)
    Path("diabetes").mkdir()
    assert load_table(Path("diabetes"), "target").features.shape == (442, 10)
    Path("diabetes").rmdir()
    Path("diabetes").write_text(GOOD)
    assert load_table(Path("diabetes"), "y").feature_names == ("a", "b")


# ---- what is wrong: the file


def test_missing_file(tmp_path, monkeypatch):
    """Names the path and the bundled data sets."""
    monkeypatch.chdir(tmp_path)
    message = complaint("none.csv")
    assert message.startswith("there is no file 'none.csv'")
    assert "bundled data set ('diabetes', 'digits')" in message


def test_directory(tmp_path, monkeypatch):
    """A folder is not a table."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    assert complaint("folder") == "'folder' is a directory: name a CSV file in it"


def test_unreadable_file(table, monkeypatch):
    """The system's reason, without its traceback."""

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "cannot be read (Permission denied)" in complaint(table(GOOD))


def test_binary_file(table):
    """A spreadsheet or an archive."""
    assert "is a binary file, not text" in complaint(table(b"PK\x03\x04\x00\x00"))


def test_not_utf8(table):
    """The byte and its line."""
    message = complaint(table(b"a,y\n1,2\n\xe9,3\n"))
    assert "is not UTF-8 text (byte 0xe9 on line 3)" in message


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_empty_file(table, content):
    """Nothing, or nothing but white space."""
    assert "is empty" in complaint(table(content))


# ---- what is wrong: lines and header


def test_header_only(table):
    """Column names and no rows."""
    assert "has a header but no rows: at least two" in complaint(table("a,y\n"))


def test_one_row(table):
    """A line through one point fits anything."""
    assert "has only one row of data: at least two" in complaint(table("a,y\n1,2\n"))


def test_no_header(table):
    """Numbers where the names should be."""
    message = complaint(table("1,2.5\n3,4\n5,6\n"))
    assert "has no header: line 1 holds numbers ('1', '2.5')" in message


def test_blank_first_line(table):
    """The names must stand on the first line."""
    assert "the first line of" in complaint(table("\na,y\n1,2\n"))
    assert "is blank" in complaint(table(",\n1,2\n3,4\n"))


def test_duplicate_names(table):
    """Two columns of one name cannot be told apart, spaces aside."""
    assert "has 2 columns called 'a'" in complaint(table("a, a,y\n1,2,3\n4,5,6\n"))


def test_unnamed_column(table):
    """What pandas writes for its index."""
    message = complaint(table(",a,y\n0,1,2\n1,3,4\n"))
    assert "column 1 of" in message
    assert "has no name" in message
    assert "index=False" in message


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators(table, separator, word):
    """Said as such, not as a missing target."""
    assert f"is separated by {word}" in complaint(table(GOOD.replace(",", separator)))


@pytest.mark.parametrize(("line", "fields"), [("4,5", "2 fields"), ("4,5,7,", "4 fields")])
def test_ragged_lines(table, line, fields):
    """Too short and too long alike, by line."""
    message = complaint(table(GOOD.replace("4,5,7", line)))
    assert message.startswith("line 3 of")
    assert f"has {fields} where the first line has 3" in message


def test_broken_quotes(table):
    """A quote that is never closed."""
    message = complaint(table('a,y\n1,2\n"3,4\n'))
    assert re.match(r"line 3 of .* cannot be read as CSV", message)


# ---- what is wrong: the target


def test_no_target(table):
    """Asks for one and lists the columns."""
    message = complaint(table(GOOD), target=None)
    assert "no target was named" in message
    assert "--target" in message
    assert "one of 'a', 'b', 'y'" in message


@pytest.mark.parametrize("typed", ["Price", "pirce", "prices"])
def test_target_that_is_nearly_there(table, typed):
    """Suggests the closest column."""
    message = complaint(table("size,price\n1,2\n3,4\n"), target=typed)
    assert f"has no column '{typed}'" in message
    assert "did you mean 'price'?" in message
    assert "its columns are 'size', 'price'" in message


def test_target_that_is_nowhere_near(table):
    """No guess, only the columns; a long list is cut."""
    names = [f"c{i}" for i in range(40)]
    message = complaint(table(",".join(names) + "\n"), target="weight")
    assert "did you mean" not in message
    assert "'c11' and 28 more" in message


def test_no_feature_left(table):
    """The target alone."""
    assert "has no feature column besides the target 'y'" in complaint(table("y\n1\n2\n"))


# ---- what is wrong: values


@pytest.mark.parametrize("gap", ["", "NA", "nan", " null "])
def test_missing_values(table, gap):
    """Which column, how many, and the first line."""
    message = complaint(table(f"a,y\n1,2\n\n{gap},3\n5,6\n{gap},7\n"))
    assert message.startswith("column 'a' of")
    assert "has 2 missing values, the first on line 4" in message


def test_missing_target_value(table):
    """The target is a column like any other; one is not plural."""
    assert "column 'y' of" in complaint(table("a,y\n1,\n3,4\n"))
    assert "has 1 missing value, the first on line 2" in complaint(table("a,y\n1,\n3,4\n"))


@pytest.mark.parametrize("word", ["red", "True", "1_000", "$5", "12/05/2020"])
def test_text_column(table, word):
    """Which column, an example, and its line."""
    message = complaint(table(f"a,y\n1,2\n{word},3\n5,6\n"))
    assert message.startswith("column 'a' of")
    assert f"holds text ({word!r} on line 3)" in message


def test_text_with_newline_stays_one_line(table):
    """A quoted cell may hold anything; the sentence stays a sentence."""
    message = complaint(table('a,y\n"x\n' + "long " * 50 + '",2\n3,4\n'))
    assert "holds text ('x\\nlong" in message
    assert len(message) < 300


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e999"])
@pytest.mark.parametrize("standardise", [True, False])
def test_infinite_value(table, value, standardise):
    """With or without scaling."""
    message = complaint(table(f"a,y\n1,2\n{value},3\n"), standardise=standardise)
    assert f"has an infinite value ({value!r} on line 3)" in message


@pytest.mark.parametrize("value", ["1e39", "-3.5e38"])
def test_beyond_float32(table, value):
    """A finite number that float32 cannot hold."""
    message = complaint(table(f"a,y\n1,2\n{value},3\n"), standardise=False)
    assert f"beyond float32's range of ±3.4e+38 ({value!r} on line 3)" in message


def test_constant_feature(table):
    """0.1 in every row: its computed deviation need not be 0."""
    message = complaint(table("a,b,y\n1,0.1,2\n2,0.1,3\n3,0.1,5\n"))
    assert message.startswith("column 'b' of")
    assert "is 0.1 in every row" in message
    assert "drop the column, or use --no-standardise" in message


def test_constant_target(table):
    """Nothing to predict."""
    message = complaint(table("a,y\n1,2\n3,2\n"))
    assert message.startswith("the target column 'y' of")
    assert "choose another target, or use --no-standardise" in message
