"""What a student handed in: which file is judged, what lies beside it, and what is left out."""

import io
import json
import os
import time
import zipfile
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.grading import handed_in
from harness.grading.collect import Entry, NoAnswerError
from harness.grading.handed_in import hand_in, parts_of, read_beside

LINREG = "def linreg(X, w, b):\n    return X @ w + b\n"
LOSS = "def squared_loss(y_hat, y):\n    return (y_hat - y) ** 2 / 2\n"
SGD = "class SGD:\n    def step(self):\n        pass\n"
LOOP = "for X, y in data_iter(10, features, labels):\n    loss(net(X), y).sum().backward()\n"


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]})


def write(folder, files):
    """Files by their paths, as texts or bytes."""
    for name, data in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def handed(tmp_path):
    """Hand in files as one student does, and read them."""

    def hand(files, beside=None):
        write(tmp_path / "ann", files)
        return hand_in(Entry("ann", "ann", folder=tmp_path / "ann"), beside or {})

    return hand


def judged(found):
    """The file that is judged, by its path below the student's folder."""
    return os.path.relpath(found.path, found.path.split("/ann/")[0] + "/ann")


# -- which file --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        ({"a.py": LINREG, "b.py": LINREG + LOSS}, "b.py"),
        ({"a.py": LINREG + LOSS, "b.ipynb": notebook(LINREG, LOSS)}, "b.ipynb"),
        ({"a.py": "x = 1", "b.py": LOOP}, "b.py"),
        ({"z.py": LINREG, "deep/a.py": LINREG}, "z.py"),
        ({"a.ipynb": notebook(LINREG), "a-Copy1.ipynb": notebook(LINREG, LOSS)}, "a.ipynb"),
        ({"a-Copy1.ipynb": notebook(LINREG)}, "a-Copy1.ipynb"),
        ({"a.py": LINREG, ".ipynb_checkpoints/b.py": LINREG + LOSS}, "a.py"),
        ({"notes.py": "", "empty.py": ""}, "empty.py"),
    ],
)
def test_the_file_that_defines_most_is_judged(handed, files, chosen):
    """A notebook before a script that has as much; copies only where there is nothing else."""
    assert judged(handed(files)) == chosen


def test_what_a_file_imports_is_its_own(handed):
    """The control: a file that only imports is somebody's test of the answer."""
    lib = LINREG + LOSS
    main = notebook("import torch\nfrom mylib import *", SGD)
    assert judged(handed({"mylib.py": lib, "main.ipynb": main})) == "main.ipynb"
    assert not handed({}).notes


def test_a_test_of_the_answer_is_not_the_answer(handed):
    files = {"solution.py": LINREG + LOSS, "test_it.py": "import os, solution\nassert solution"}
    found = handed(files)
    assert judged(found) == "solution.py"
    assert set(found.files) == {"test_it.py"}


def test_imports_are_followed(handed):
    """Through packages, and in circles; each is laid beside the answer."""
    files = {
        "ps1/main.py": "from parts.model import linreg\nfrom util import x\n" + SGD,
        "ps1/parts/__init__.py": "",
        "ps1/parts/model.py": LINREG + LOSS,
        "ps1/util.py": "import main\nx = 1",
    }
    found = handed(files)
    assert (judged(found), found.folder, found.notes) == ("ps1/main.py", "ps1", ())
    assert set(found.files) == set(files) - {"ps1/main.py"}


def test_other_files_with_parts_are_told(handed):
    found = handed({"a.py": LINREG + LOSS, "b.py": LINREG, "c.py": "x = 1"})
    assert found.notes == ("also handed in, and not judged: b.py",)


def test_parts_are_told_from_the_text():
    assert parts_of(LINREG.encode()) == {"linreg"}
    assert parts_of(notebook("import torch\n" + LOSS, SGD).encode()) == {"squared_loss", "sgd"}
    assert parts_of(b"def mse_loss(a, b): pass\nclass LinearRegressionScratch: pass") == {
        "squared_loss",
        "LinearRegressionScratch",
    }
    assert parts_of(LOOP.encode()) == {"train"}
    assert parts_of(b"undef linreg; linreg(X)") == frozenset()


@pytest.mark.parametrize(
    "text", ["\n", " ", "\t\n", ";", "from ", "import a,", "def ", "\\n", "x."]
)
def test_a_text_of_any_kind_is_soon_read(handed, text):
    """Nothing in it makes the search start over and over: it is read in the judge's own process."""
    started = time.monotonic()
    handed({"a.py": text * (3_000_000 // len(text)), "b.py": LINREG})
    assert time.monotonic() - started < 3


# -- beside it ---------------------------------------------------------------------


def test_data_and_modules_lie_beside_the_answer(handed):
    found = handed({"ps1/a.ipynb": notebook(LINREG), "ps1/b.ipynb": notebook("1"),
                    "ps1/x.csv": "1,2", "data/y.csv": b"\xff", "ps1/lib.py": "z = 1"})  # fmt: skip
    assert found.folder == "ps1"
    assert found.files == {"ps1/x.csv": b"1,2", "data/y.csv": b"\xff", "ps1/lib.py": b"z = 1"}


def test_what_an_instructor_lays_there_counts(handed):
    """Before a student's file of that name; also beside a single file, and below its folder."""
    found = handed({"ps1/a.py": LINREG, "ps1/x.csv": "mine", "x.csv": "up", "ps1/d": "file"},
                   {"x.csv": b"theirs", "d/y.csv": b"y"})  # fmt: skip
    assert found.files == {"ps1/x.csv": b"theirs", "ps1/d/y.csv": b"y", "x.csv": b"up"}
    alone = hand_in(Entry("-", "stdin", piped=b"x = 1"), {"x.csv": b"theirs"})
    assert (alone.files, alone.folder, alone.source) == ({"x.csv": b"theirs"}, "", b"x = 1")


def test_links_and_pipes_are_not_followed(handed, tmp_path):
    write(tmp_path, {"secret/s.csv": "1", "secret/s.py": LINREG + LOSS})
    folder = tmp_path / "ann"
    folder.mkdir()
    (folder / "s.csv").symlink_to(tmp_path / "secret" / "s.csv")
    (folder / "s.py").symlink_to(tmp_path / "secret" / "s.py")
    (folder / "all").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe.csv")
    found = handed({"a.py": LINREG})
    assert (judged(found), dict(found.files)) == ("a.py", {})
    assert "s.csv: is a link" in found.notes[0]
    assert "pipe.csv: is a link or a device" in found.notes[0]


def test_the_digest_is_of_all_that_counts(handed):
    first = handed({"a.py": LINREG, "x.csv": "1"}).digest
    assert handed({}).digest == first
    assert handed({"x.csv": "2"}).digest != first
    assert handed({"x.csv": "1", "y.csv": ""}).digest != first
    assert handed({}, {"z.csv": b"1"}).digest != handed({}).digest


# -- limits ------------------------------------------------------------------------


def test_what_is_too_much_is_left_out_and_told(handed, monkeypatch):
    """The largest first, so that no picture costs an answer its data; the answer stays."""
    monkeypatch.setattr(handed_in, "MOST_BYTES", 100)
    monkeypatch.setattr(handed_in._Reading, "beside_room", 100)
    found = handed({"a.py": LINREG * 9, "film.mp4": bytes(101), "x.csv": bytes(60)})
    assert judged(found) == "a.py"
    assert set(found.files) == {"x.csv"}
    assert "left out: film.mp4: 200 files or 0 MB beside an answer are the most" in found.notes


def test_too_many_files_are_left_out_and_told(handed, monkeypatch):
    monkeypatch.setattr(handed_in, "MOST_FILES", 3)
    found = handed({"a.py": LINREG, **{f"{n}.csv": "" for n in range(5)}})
    assert len(found.files) == 3
    assert "4.csv: 3 files" in found.notes[-1]
    monkeypatch.setattr(handed_in, "MOST_NAMES", 6)
    write_more = {f"z{n}.txt": "" for n in range(3)}
    assert "only the first 6 files were looked at" in handed(write_more).notes[-1]


def test_files_beside_every_answer_have_limits_too(tmp_path, monkeypatch):
    write(tmp_path, {"with/x.csv": "1", "with/sub/y.csv": "2", "with/.hidden": "3", "file": ""})
    assert read_beside(tmp_path / "with") == {"x.csv": b"1", "sub/y.csv": b"2"}
    assert read_beside(None) == {}
    for name in ("gone", "file"):
        with pytest.raises(InputError, match=f"--with .*{name} is no folder"):
            read_beside(tmp_path / name)
    (tmp_path / "with" / "link.csv").symlink_to(tmp_path / "file")
    with pytest.raises(InputError, match=r"link\.csv: is a link"):
        read_beside(tmp_path / "with")
    (tmp_path / "with" / "link.csv").unlink()
    monkeypatch.setattr(handed_in, "MOST_FILES", 1)
    with pytest.raises(InputError, match="holds more than 1 files"):
        read_beside(tmp_path / "with")


# -- zips --------------------------------------------------------------------------


def test_a_zip_is_opened_where_it_lies(handed):
    data = zipped({"a.ipynb": notebook(LINREG), "x.csv": "1", "../up.csv": "2"})
    found = handed({"ps1/answer.zip": data})
    assert judged(found) == "ps1/answer.zip/a.ipynb"
    assert (found.folder, found.files) == ("ps1", {"ps1/x.csv": b"1"})
    assert found.notes == (
        "left out: ps1/answer.zip: 1 of its files left out: links, or names that lead elsewhere",
    )


def test_a_zip_may_be_all_of_an_answer(tmp_path):
    path = tmp_path / "ann.zip"
    path.write_bytes(zipped({"ps1/a.py": LINREG, "ps1/x.csv": "1"}))
    found = hand_in(Entry("ann.zip", "ann", file=path), {})
    assert (found.path, found.folder) == ("ann.zip/ps1/a.py", "ps1")
    path.write_bytes(b"no zip")
    with pytest.raises(NoAnswerError, match="the zip cannot be opened"):
        hand_in(Entry("ann.zip", "ann", file=path), {})


def test_what_lies_there_already_comes_before_what_is_in_a_zip(handed):
    """A file that is a folder in the zip, too, and a zip within it, which is not opened."""
    inner = zipped({"b.py": LINREG + LOSS})
    data = zipped({"a.py": LOSS, "x/y.csv": "1", "inner.zip": inner})
    found = handed({"a.py": LINREG, "x": "file", "answer.zip": data})
    assert found.source == LINREG.encode()
    assert found.files == {"x": b"file"}
    (note,) = found.notes
    assert "a.py: there is another of that name" in note
    assert "inner.zip: a zip within a zip is not opened" in note


# -- nothing -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({".gitkeep": ""}, "nothing was handed in: a .py or .ipynb file, or a zip with one"),
        ({"report.pdf": "%PDF"}, "no answer was handed in, only report.pdf: a .py"),
        ({"a.rar": "x", "b.tex": "x"}, "only a.rar, b.tex"),
        ({"a.zip": "no zip"}, r"can be read was handed in \(a.zip cannot be opened"),
        ({"a.zip": zipped({"b.txt": "x"})}, "only b.txt"),
        ({f"{n}.png": "" for n in range(9)}, "0.png, 1.png, 2.png and 6 more"),
    ],
)
def test_where_there_is_no_answer_a_sentence_says_so(handed, files, said):
    with pytest.raises(NoAnswerError, match=said):
        handed(files)
