"""Zips are read within limits, and nothing in them is believed."""

import io
import stat
import struct
import zipfile

import pytest

from harness.grading import zipped
from harness.grading.names import is_copy, is_copy_of, is_hidden, safe_name
from harness.grading.zipped import ZipError, unzipped


def packed(files, method=zipfile.ZIP_DEFLATED):
    """Bytes of a zip with these files, by name or ZipInfo."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_files_come_out_as_they_went_in():
    files = {"answer.ipynb": b"{}", "data/x.csv": b"1,2", "empty.txt": b""}
    assert unzipped(packed(files)) == (files, [])
    assert unzipped(packed(files, zipfile.ZIP_STORED)) == (files, [])
    assert unzipped(packed({})) == ({}, [])


def test_what_nobody_made_is_left_out():
    names = ("__MACOSX/._a.py", ".DS_Store", "x/.ipynb_checkpoints/a.ipynb", "x/__pycache__/a.pyc")
    assert unzipped(packed(dict.fromkeys((*names, "x/a.py"), b"1"))) == ({"x/a.py": b"1"}, [])


@pytest.mark.parametrize(
    "name",
    ["../up.py", "a/../../up.py", "/etc/cron.d/x", "C:/x.py", "..\\up.py", "\\x.py",
     "a\x1b.py", "x" * 201, "/".join("a" * 17)],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_left_out(name):
    """Said once; the control is the file beside it."""
    contents, notes = unzipped(packed({name: b"bad", "a.py": b"good"}))
    assert contents == {"a.py": b"good"}
    assert len(notes) == 1
    assert notes[0].startswith("1 of its files left out")


def test_a_link_is_left_out():
    """The control: a file that is marked as one."""
    link, file = zipfile.ZipInfo("link.py"), zipfile.ZipInfo("file.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    file.external_attr = (stat.S_IFREG | 0o644) << 16
    contents, notes = unzipped(packed({link: "/etc/passwd", file: b"x"}))
    assert list(contents) == ["file.py"]
    assert notes


def test_a_bomb_is_not_unpacked(monkeypatch):
    """However small it says it is; the control fits exactly."""
    monkeypatch.setattr(zipped, "MOST_UNZIPPED", 1 << 20)
    fits = packed({"a.csv": bytes(1 << 19), "b.csv": bytes(1 << 19)})
    assert len(unzipped(fits)[0]) == 2
    bomb = packed({"a.csv": bytes((1 << 20) + 1)})
    with pytest.raises(ZipError, match="unpacks to more than 1 MB"):
        unzipped(bomb)
    size = struct.pack("<I", (1 << 20) + 1)
    lying = bomb.replace(size, struct.pack("<I", 7))
    assert lying != bomb
    with pytest.raises(ZipError):
        unzipped(lying)


def test_too_many_files_are_not_read(monkeypatch):
    """Counted before all of them are read, too; the control has as many as may be."""
    monkeypatch.setattr(zipped, "MOST_MEMBERS", 10)
    assert len(unzipped(packed({f"{n}.py": b"" for n in range(10)}))[0]) == 10
    for count in (11, 21):
        with pytest.raises(ZipError, match="more than 10 files"):
            unzipped(packed({f"{n}.py": b"" for n in range(count)}))


def test_a_zip_that_is_too_large_is_not_opened(monkeypatch):
    monkeypatch.setattr(zipped, "MOST_ZIPPED", 100)
    with pytest.raises(ZipError, match="has more than"):
        unzipped(bytes(101))


def test_what_is_no_ordinary_zip_is_told_in_a_sentence():
    with pytest.raises(ZipError, match="cannot be opened: File is not a zip file"):
        unzipped(b"Rar!\x1a\x07")
    with pytest.raises(ZipError, match="cannot be opened"):
        unzipped(packed({"a.py": b"x" * 999})[:-40])
    damaged = bytearray(packed({"a.py": bytes(range(256)) * 9}))
    damaged[60:70] = bytes(10)
    with pytest.raises(ZipError, match="cannot be opened"):
        unzipped(bytes(damaged))
    with pytest.raises(ZipError, match="packed in a way"):
        unzipped(packed({"a.py": b"x" * 999}, zipfile.ZIP_LZMA))


def test_an_encrypted_zip_is_told_in_a_sentence():
    data = bytearray(packed({"a.py": b"x"}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    with pytest.raises(ZipError, match="is encrypted"):
        unzipped(bytes(data))


def test_names_are_told_apart():
    assert safe_name("./a//b.py") is None
    assert safe_name("./a/b c (1).py") == "a/b c (1).py"
    assert safe_name("a\udcff.py") is None
    assert is_hidden("a/.git/b")
    assert not is_hidden("a.b/c.d")
    assert is_copy("a-Copy12.ipynb")
    assert is_copy("a-checkpoint.py")
    assert not is_copy("Copy1.ipynb")
    assert not is_copy("homework 1 (1).ipynb")
    assert is_copy_of("a-Copy1.ipynb", {"a.ipynb"})
    assert not is_copy_of("a-Copy1.ipynb", {"a.py"})
