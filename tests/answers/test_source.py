"""Reading answer files: Python comes through with its lines, all else is told in words."""

import ast
import json

import pytest

from harness.answers.source import MAX_CODE, SourceError, read


def notebook(*cells):
    """The bytes of a notebook with these code cells."""
    kinds = [{"cell_type": "markdown", "source": ["# text"]}]
    kinds += [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": kinds, "nbformat": 4}).encode()


def names(source):
    return [node.name for node in source.statements() if isinstance(node, ast.FunctionDef)]


def test_script_keeps_its_lines(tmp_path):
    path = tmp_path / "answer.py"
    path.write_text("import torch\n\n\ndef linreg(X, w, b):\n    return X @ w + b\n")
    source = read(path, "answer.py")
    assert (source.kind, names(source)) == ("py", ["linreg"])
    assert [node.lineno for node in source.statements()] == [1, 4]
    assert source.where(4) == "line 4"


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffx = 1".encode(),
        b"x = 1\r\ny = 2\r\n",
        "# coding: gbk\nx = '梯度'\n".encode("gbk"),
        "x = 'größer'".encode(),
    ],
)
def test_encodings_that_python_reads(content):
    assert len(list(read(content, "answer.py").statements())) >= 1


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", "empty", "empty"),
        (b"# nothing\n", "empty", "empty"),
        (b"x = '\xff\xfe'", "encoding", "UTF-8"),
        (b"\x7fELF\0\0", "binary", "binary"),
        (b"x = (1\n", "SyntaxError", "line 1"),
        (b"return 3\n", "SyntaxError", "line 1"),
        (b"x = 1\n" + b"#" * MAX_CODE, "too-large", "2 MB"),
    ],
)
def test_scripts_that_cannot_be_read(content, kind, words):
    with pytest.raises(SourceError, match=words) as caught:
        read(content, "answer.py")
    assert caught.value.type == kind


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(SourceError, match=r"gone\.py does not exist"):
        read(tmp_path / "gone.py", "gone.py")
    with pytest.raises(SourceError, match="is a folder"):
        read(tmp_path, "here")


def test_notebook_lines_are_told_by_cell():
    source = read(notebook("x = 1\ny = 2", "def sgd():\n    pass"), "a.ipynb")
    (function,) = [n for n in source.statements() if isinstance(n, ast.FunctionDef)]
    assert source.where(function.lineno) == "cell 2 line 1"
    assert source.text.splitlines()[function.lineno - 1] == "def sgd():"


@pytest.mark.parametrize(
    "cell",
    [
        "%matplotlib inline\nx = 1",
        "!pip install d2l\nx = 1",
        "%%time\nx = 1",
        "files = !ls\nx = 1",
        "torch.normal?\nx = 1",
        "%time x = 1",
        "if True:\n    %timeit f()\nx = 1",
    ],
)
def test_magics_are_left_out_and_the_rest_stays(cell):
    source = read(notebook(cell), "a.ipynb")
    stored = {n.id for s in source.statements() for n in ast.walk(s) if isinstance(n, ast.Name)}
    assert "x" in stored
    assert source.notes == ()


def test_a_percent_sign_of_python_is_no_magic():
    source = read(notebook("x = (7\n% 4)"), "a.ipynb")
    (assignment,) = source.statements()
    assert ast.unparse(assignment) == "x = 7 % 4"


def test_a_broken_cell_is_skipped_and_noted():
    source = read(notebook("def f(:", "def g():\n    pass", "%%bash\nfor i in *; do"), "a.ipynb")
    assert names(source) == ["g"]
    assert source.notes == ("cell 1 was skipped: it is not Python",)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"{", "notebook"),
        (b"[1, 2]", "notebook"),
        (b'{"cells": 3}', "notebook"),
        (b'{"cells": []}', "empty"),
        (b"\xff{}", "encoding"),
        (b"[" * 100_000, "notebook"),
    ],
)
def test_broken_notebooks(content, kind):
    with pytest.raises(SourceError) as caught:
        read(content, "a.ipynb")
    assert caught.value.type == kind


def test_old_notebooks_have_worksheets():
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1\n", "y = 2"]}]}]}
    assert len(list(read(json.dumps(old).encode(), "a.ipynb").statements())) == 2


NOTES = """# Notes

Some words, `linreg` among them.

```python
import torch
def linreg(X, w, b):
    return X @ w + b
```

```bash
pip install torch
```

~~~
def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
~~~
"""


def test_fenced_python_of_markdown_is_read():
    """Also where no language is said; other languages are none. Lines are those of the file."""
    source = read(NOTES.encode(), "notes.md")
    assert (source.kind, source.in_cells) == ("md", True)
    assert [cell.first_line for cell in source.cells] == [6, 16]
    lines = [statement.lineno for statement in source.statements()]
    assert lines == [6, 7, 16]
    assert source.where(7) == "line 7"


def test_a_fence_ends_with_its_own_kind():
    """Within backticks, a line of tildes is text; a longer fence ends a shorter one."""
    source = read(b"```py\na = 1\n~~~\n```\n````\nb = 2\n```\n````\n", "notes.md")
    assert [cell.code for cell in source.cells] == []
    assert source.notes == tuple(f"cell {n} was skipped: it is not Python" for n in (1, 2))


def test_a_cell_that_does_not_parse_is_kept_with_its_line_and_names():
    cells = ["import torch", "def squared_loss(y_hat, y)\n    return y", "x ="]
    document = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    source = read(json.dumps(document).encode(), "answer.ipynb")
    (broken,) = source.broken  # the last defines nothing
    assert (broken.number, broken.line, broken.defines) == (2, 2, ("squared_loss",))
    assert source.where(2) == "cell 2 line 1"
    assert source.text.split("\n")[1] == "def squared_loss(y_hat, y)"
