"""The repository itself: the README's commands and tree, the versions, and what gets installed."""

import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("scratch", "builtin", "harness")
TEST_COMMAND = (
    "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt '.[test]' "
    "&& .venv/bin/python -m pytest"
)
OUTSIDE = ("../" + "shared", "/work" + "/")  # in two parts, so that this file is not found


def read(name: str) -> str:
    """Text of a file at the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def lines(name: str) -> list[str]:
    """Its lines, without indentation."""
    return [line.strip() for line in read(name).splitlines()]


def project() -> dict[str, Any]:
    """The metadata in pyproject.toml."""
    metadata: dict[str, Any] = tomllib.loads(read("pyproject.toml"))["project"]
    return metadata


def modules(package: str) -> list[Path]:
    """Every Python file of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def tree(readme: str) -> set[str]:
    """Paths that the README's tree names: the fenced block that begins with `scratch/`.

    A line is indented by two blanks a folder; it names one thing, or several side by side, and
    what it says of them stands behind two blanks or more.
    """
    block = re.search(r"^```\w*\n(scratch/.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert block, "README.md has no fenced block that begins with 'scratch/'"
    paths: set[str] = set()
    folders: list[str] = []
    for line in block[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.findall(r"\w+/?(?=  |$)", line)
        if not names:
            continue
        folders = [*folders[:depth], *([names[0].rstrip("/")] if names[0].endswith("/") else [])]
        inside = "/".join(folders if not names[0].endswith("/") else folders[:-1])
        paths |= {f"{inside}/{name}".strip("/") for name in names}
    return {path.rstrip("/") for path in paths}


def distribution(requirement: str) -> str:
    """Normalised name of a requirement such as `pytest-xdist>=3.6`."""
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def sources() -> list[Path]:
    """Every text file that is ours: the top folders that hold code or words, and the root."""
    folders = [ROOT / name for name in (*PACKAGES, "tests", "reports", ".ci")]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    files += [file for file in ROOT.iterdir() if file.is_file()]
    return [file for file in files if file.suffix != ".pyc"]


def test_readme_has_the_command_that_compares():
    """The first of the two commands installs the pinned versions and runs `svb compare`."""
    found = [line for line in lines("README.md") if re.search(r"\bsvb compare\b", line)]
    assert any("pip install -c constraints.txt" in line for line in found), found


def test_readme_has_the_command_that_tests():
    """The second stands there on a line of its own, to the letter."""
    assert TEST_COMMAND in lines("README.md")


def test_ci_runs_the_readmes_test_command():
    """What CI runs is what the README promises."""
    assert TEST_COMMAND in lines(".ci/run")


def test_ci_is_executable():
    """`.ci/run` can be called by its name."""
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


@pytest.mark.parametrize("package", PACKAGES)
def test_readme_tree_names_every_module(package):
    """A module that the README's tree does not name is lost on its reader."""
    files = [file.relative_to(ROOT).with_suffix("") for file in modules(package)]
    paths = {file.as_posix() for file in files if not file.name.startswith("__")}
    assert paths, f"{package}/ has no modules"
    unnamed = paths - tree(read("README.md"))
    assert not unnamed, f"not in README.md's tree: {sorted(unnamed)}"


def test_the_tree_is_read_by_folder():
    """Control: a name under one folder does not count for another, nor do the words behind it."""
    found = tree(
        "```\nscratch/  by hand\n  data  loss  a word\nharness/\n  engine/\n    case  a run\n```"
    )
    assert {"scratch/data", "scratch/loss", "harness/engine/case"} <= found
    assert not {"harness/data", "scratch/case", "engine/case", "harness/engine/a"} & found


def test_no_source_points_outside_the_repository():
    """A clone has nothing beside it: no path may lead out, or to the machine it was made on."""
    for file in sources():
        text = file.read_text(encoding="utf-8", errors="replace")
        for path in OUTSIDE:
            assert path not in text, f"{file.relative_to(ROOT)} mentions {path}"


def test_changelog_opens_with_the_version():
    """The newest entry of the changelog is the version that would be installed."""
    newest = re.search(r"^## \[?v?([\w.]+)", read("CHANGELOG.md"), re.MULTILINE)
    assert newest
    assert newest[1] == project()["version"]


def test_every_dependency_is_pinned():
    """Every direct dependency and extra has one exact version in constraints.txt."""
    meta = project()
    wanted = [*meta["dependencies"], *chain(*meta["optional-dependencies"].values())]
    pins = [line for line in lines("constraints.txt") if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins), pins
    assert {distribution(name) for name in wanted} <= {distribution(pin) for pin in pins}


def test_all_packages_come_from_the_checkout():
    """After a plain install there are two copies of the code: the tests must read this one."""
    import builtin
    import harness
    import scratch

    for module in (scratch, builtin, harness):
        # a folder without __init__.py has no __file__, and would be shadowed by the installed copy
        assert module.__file__ is not None, f"{module.__name__}/ has no __init__.py"
        assert Path(module.__file__).is_relative_to(ROOT)


@pytest.mark.slow
def test_the_wheel_holds_all_modules_and_data_and_no_tests(tmp_path):
    """What is installed is what is here: modules, templates, data, licence; nothing else."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    source = tmp_path / "source"  # a copy, so that no build/ is left behind or picked up
    source.mkdir()
    for file in sources():
        copy = source / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    done = subprocess.run(
        [*command, "--wheel-dir", str(tmp_path), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    data = [
        file
        for name in ("report/templates", "pairs/data")
        for file in (ROOT / "harness" / name).glob("*")
    ]
    here = [*(file for name in PACKAGES for file in modules(name)), *ROOT.glob("*.py"), *data]
    assert held == {file.relative_to(ROOT).as_posix() for file in here if file.is_file()}
