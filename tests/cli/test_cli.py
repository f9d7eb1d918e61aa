"""The command: exit status, output, complaints in one sentence, nothing written by halves."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import scratch
from harness import cli
from harness.engine.case_comparison import CaseComparison
from harness.engine.comparison import Comparison
from harness.pairs.catalogue import PAIRS
from harness.pairs.linear import BUILTIN, LINEAR, SCRATCH
from harness.pairs.linear_cases import CASES
from harness.report import files


def svb(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The complaint about a call that must end with status 2: one line, no traceback."""
    assert cli.main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("svb: ")
    return lines[0]


def test_help_answers_without_torch():
    """`--help` imports none of the heavy packages, whatever the command."""
    code = (
        "import sys\nfrom harness import cli\n"
        "for words in ([], ['compare'], ['check'], ['list']):\n"
        "    try: cli.main([*words, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'pandas', 'numpy', 'rich', 'jinja2'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.bench
def test_help_is_quick():
    """At most twice `python -c pass` plus 0.15 s; the best of five of each."""

    def best(*words: str) -> float:
        spent = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run([sys.executable, *words], capture_output=True, check=True)
            spent.append(time.perf_counter() - start)
        return min(spent)

    assert best("-m", "harness.cli", "--help") <= 2 * best("-c", "pass") + 0.15


def test_compare_agrees_and_writes_four_files(tmp_path, capsys):
    assert cli.main(["compare", "--case", "mse-d2", "--device", "cpu", "--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "mse-d2" in captured.out
    assert "report.html" in captured.err
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"report.{suffix}" for suffix in ("csv", "html", "json", "md")
    ]
    assert files.read(tmp_path / "report.json")["verdict"] in ("identical", "rounding")


def test_compare_ends_with_1_where_something_differs(tmp_path, monkeypatch, capsys):
    """The control: with a wrong side in the table the same call ends with 1 and says where."""
    wrong = dataclasses.replace(SCRATCH["mse"], loss=lambda y_hat, y: (y_hat - y).abs().mean())
    sides = dataclasses.replace(LINEAR.forms["mse"], scratch=wrong)
    monkeypatch.setitem(LINEAR.forms, "mse", sides)
    assert cli.main(["compare", "--case", "mse-d2", "--out", str(tmp_path)]) == 1
    assert "loss[epoch 0 step 0] = " in capsys.readouterr().out.replace("\n", "")


def test_compare_ends_with_3_where_nothing_was_compared(tmp_path, monkeypatch):
    """Labels and parameters of 0 on both sides: every stage holds zeros only."""
    nothing = dataclasses.replace(
        CASES[0], name="zeros", weight=(0.0,), bias=0.0, noise=0.0, initial_std=0.0
    )
    monkeypatch.setattr("harness.pairs.linear_cases.CASES", (nothing,))
    assert cli.main(["compare", "--case", "zeros", "--out", str(tmp_path)]) == 3


def test_broken_bound_on_printed_figures_is_a_difference():
    case = CaseComparison(CASES[4], SCRATCH["mse"], BUILTIN["mse"]).judge()
    comparison = Comparison("one", [case])
    assert comparison.exit_status == 0
    comparison.published = {"seeds": 1, "rows": [{"ok": True}, {"ok": None}]}
    assert comparison.exit_status == 0
    comparison.published = {"seeds": 1, "rows": [{"ok": True}, {"ok": False}]}
    assert comparison.exit_status == 1


@pytest.mark.slow
def test_json_on_standard_output_is_the_report(tmp_path):
    """One JSON object on standard output, everything else on standard error."""
    words = ["compare", "--case", "n-1", "--device", "cpu", "--format", "json"]
    done = svb(*words, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "report.json").read_text())
    assert {"schema", "verdict", "cases", "environment"} <= set(found)
    case = found["cases"][0]
    assert {"name", "device", "dtype", "verdict", "stages", "final"} <= set(case)
    assert set(case["stages"]) == {"batch", "prediction", "loss", "gradient", "parameter"}
    for stage in case["stages"].values():
        assert {"level", "first_divergence", "max_gap", "allowed"} <= set(stage)
    assert set(case["final"]) == {"scratch", "builtin", "truth", "least_squares"}


def test_own_data_runs_all_three_forms(tmp_path, capsys):
    words = ["compare", "--data", "diabetes", "--target", "target", "--epochs", "1"]
    assert cli.main([*words, "--device", "cpu", "--out", str(tmp_path)]) == 0
    found = files.read(tmp_path / "report.json")
    assert [c["name"] for c in found["cases"]] == [
        f"diabetes-{form}" for form in ("mse", "object", "functional")
    ]
    assert found["cases"][0]["settings"]["n"] == 442
    assert found["cases"][0]["final"].get("truth") is None
    assert "diabetes" in capsys.readouterr().out


def test_settings_are_put_in(tmp_path):
    words = [
        "--batch-size",
        "7",
        "--lr",
        "0.1",
        "--epochs",
        "2",
        "--seed",
        "5",
        "--dtype",
        "float64",
    ]
    out = ["--device", "cpu", "--out", str(tmp_path)]
    assert cli.main(["compare", "--case", "clipped", *words, *out]) == 0
    case = files.read(tmp_path / "report.json")["cases"][0]
    assert case["dtype"] == "float64"
    wanted = {"batch_size": 7, "lr": 0.1, "epochs": 2, "seed": 5, "clip": 1.0}
    assert wanted.items() <= case["settings"].items()


def test_bad_calls_get_one_sentence_and_status_2(tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n3,5\n")
    blocked = tmp_path / "file"
    blocked.write_text("")
    calls = {
        ("--case", "nonsense"): "nonsense",
        ("--target", "b"): "--data",
        ("--data", str(tmp_path / "gone.csv"), "--target", "b"): "gone.csv",
        ("--data", str(table)): "target",
        ("--data", str(table), "--target", "c"): "c",
        ("--case", "n-1", "--device", "tpu"): "tpu",
        ("--case", "n-1", "--dtype", "int8"): "int8",
        ("--case", "n-1", "--lr", "nan"): "lr",
        ("--case", "n-1", "--lr", "-1"): "lr",
        ("--case", "n-1", "--batch-size", "0"): "batch_size",
        ("--case", "n-1", "--epochs", "0"): "epochs",
        ("--case", "n-1", "--seed", "-1"): "seed",
        ("--case", "n-1", "--out", str(blocked)): str(blocked),
        ("--case", "n-1", "--out", str(blocked / "below")): str(blocked),
    }
    for words, key in calls.items():
        assert key in fails(capsys, "compare", *words), words
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "t.csv"]  # nothing was written


def test_report_renders_again_without_running(tmp_path, capsys):
    cli.main(["compare", "--case", "n-1", "--device", "cpu", "--out", str(tmp_path)])
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    for name in before:
        if name != "report.json":
            (tmp_path / name).unlink()
    assert cli.main(["report", str(tmp_path / "report.json")]) == 0
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    capsys.readouterr()
    assert "gone.json" in fails(capsys, "report", str(tmp_path / "gone.json"))


def test_list_cases_names_every_case(capsys):
    assert cli.main(["list", "cases", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    every = [case.name for pair in PAIRS.values() for case in pair.cases]
    assert [row["name"] for row in rows] == every
    assert every[: len(CASES)] == [case.name for case in CASES]
    assert all(row["purpose"] for row in rows)
    assert cli.main(["list", "cases"]) == 0
    assert CASES[-1].name in capsys.readouterr().out


def test_list_pairs_says_what_can_be_compared(capsys):
    """Every pair with its forms and cases; an unknown one is told, with what comes close."""
    assert cli.main(["list", "pairs", "--format", "json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {name: row["cases"] for name, row in rows.items()} == {
        name: len(pair.cases) for name, pair in PAIRS.items()
    }
    assert cli.main(["list", "pairs"]) == 0
    assert "softmax" in capsys.readouterr().out
    assert "did you mean 'softmax'" in fails(capsys, "list", "pairs", "softmacs")


def test_list_pairs_says_what_each_name_is_built_in(capsys):
    """Every public name of a pair stands there, with what torch has for it."""
    assert cli.main(["list", "pairs", "linear", "--format", "json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) <= set(scratch.__all__)
    assert "torch.optim.Adam" in rows["Adam"]["builtin"]
    assert cli.main(["list", "pairs", "softmax", "--format", "json"]) == 0
    others = {row["name"] for row in json.loads(capsys.readouterr().out)}
    assert {"softmax", "cross_entropy", "CrossEntropy"} <= others
    assert not others & set(rows)
    assert "nothing" in fails(capsys, "list", "pairs", "nothing")


def test_golden_sample_renders_as_it_is_kept():
    """reports/sample is what report.json renders to, byte for byte."""
    sample = Path(__file__).resolve().parents[2] / "reports" / "sample"
    found = files.read(sample / "report.json")
    for suffix, render in files.RENDERERS.items():
        assert (sample / f"report.{suffix}").read_text(encoding="utf-8") == render(found), suffix


def test_compare_takes_a_pair_by_its_name(capsys, tmp_path):
    """One of its cases, with the evaluation; an unknown pair is refused with what comes close."""
    words = ("--pair", "softmax", "--case", "softmax-batch-over-n", "--out", str(tmp_path))
    assert cli.main(["compare", *words]) == 0
    (case,) = json.loads((tmp_path / "report.json").read_text("utf-8"))["cases"]
    assert (case["name"], "evaluation" in case["stages"]) == ("softmax-batch-over-n", True)
    capsys.readouterr()
    assert "did you mean 'softmax'" in fails(capsys, "compare", "--pair", "softmacs")
