"""The plugin as pytest loads it: nothing behind it before use, and beside a `harness` of others."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OWN = """
    import harness

    def test_own():
        assert harness.whose == "the user's"
"""
DUEL = """
    def test_duel(duel):
        raise AssertionError("never run")
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with a package `harness` of its own, in which pytest runs by itself."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    (pytester.path / "harness").mkdir()
    file = pytester.path / "harness" / "__init__.py"
    file.write_text('whose = "the user\'s"\n', "utf-8")

    def run(source, *arguments):
        pytester.makepyfile(test_it=source)
        words = ("-m", "pytest", "-p", "pytest_benchmark.plugin", "-p", "svb_pytest")
        return pytester.run(sys.executable, *words, "-p", "no:cacheprovider", *arguments)

    return run


def test_a_project_with_a_harness_of_its_own_never_notices(project):
    """Control: its own package is imported, and all passes without a word of ours."""
    result = project(OWN)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*svb*")
    result.stderr.no_fnmatch_line("*")


def test_the_fixture_names_the_package_in_the_way(project, pytester):
    """Once, and for the test that uses it alone."""
    result = project(OWN + DUEL)
    result.assert_outcomes(passed=1, errors=1)
    sentence = "*/harness/__init__.py comes before the package 'harness' that the fixture*"
    result.stdout.fnmatch_lines([sentence])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*never run*")


@pytest.mark.parametrize("option", [["--svb-answer", "a.py"], ["--svb-fail-slower", "1.1"]])
def test_an_option_names_the_package_in_the_way(project, option):
    """The call is wrong: nothing is run."""
    result = project(OWN, *option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"*/harness/__init__.py comes before the package 'harness' that {option[0]} needs*"]
    )


def test_the_plugin_costs_other_sessions_nothing():
    """A few milliseconds beside pytest, without torch or the harness."""
    code = (
        "import pytest, sys, time; started = time.process_time(); import svb_pytest\n"
        "took = time.process_time() - started\n"
        "print(took, 'torch' in sys.modules, 'harness' in sys.modules)"
    )
    times = []
    for _ in range(3):
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
        took, *loaded = done.stdout.split()
        times.append(float(took))
        assert loaded == ["False", "False"]
    assert min(times) <= 0.005


def test_what_is_installed_names_the_doors():
    """The entry points are the modules at the root, and these are installed."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert settings["project"]["entry-points"]["pytest11"] == {"svb": "svb_pytest"}
    assert settings["project"]["scripts"] == {"svb": "svb_command:main"}
    doors = {path.stem for path in ROOT.glob("*.py")}
    assert set(settings["tool"]["setuptools"]["py-modules"]) == doors
