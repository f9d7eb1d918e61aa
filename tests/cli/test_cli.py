"""The command: exit status, output, complaints in one sentence, nothing written by halves."""

import dataclasses
import json
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import scratch
from harness import cli
from harness.engine.case_comparison import CaseComparison
from harness.engine.comparison import Comparison
from harness.grading.marks import PARTS
from harness.grading.result import Checked, Judged
from harness.isolation.confine import Limits
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


# -- svb check -----------------------------------------------------------------

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
RIGHT, WRONG = CORPUS / "valid" / "book.py", CORPUS / "wrong" / "loss.no-reshape" / "plain.py"


class FakeGrader:
    """Judges by the name of the file, so that no worker has to start."""

    def __init__(self, *, seed, workshop):
        self.seed, self.workshop = seed, workshop

    def __enter__(self):
        return self

    def __exit__(self, *ending):
        pass

    def check_all(self, submissions):
        """What a grader yields; an answer called `stop` is where somebody presses Ctrl-C."""
        for index, submission in enumerate(submissions):
            name = Path(submission.name).stem
            if name == "stop":
                raise KeyboardInterrupt
            statuses = {"pass": ["pass"], "fail": ["pass", "fail"]}.get(name, [])
            pairs = zip(PARTS, statuses, strict=False)
            components = tuple(Judged(part, cast("Any", status)) for part, status in pairs)
            error = None if components else {"type": "crash", "message": "it crashed", "line": None}
            yield index, Checked(submission.name, cast("Any", name), error, components)


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """A folder to put answers in, judged by the fake."""
    held = {"in_force": ("It is alone.",), "not_in_force": ("It has net.",), "limits": Limits()}
    workshop = nullcontext(SimpleNamespace(**held))
    monkeypatch.setattr("harness.grading.warmup.start", lambda *_, **__: workshop)
    monkeypatch.setattr("harness.grading.grade.Grader", FakeGrader)
    return tmp_path / "answers"


def put(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.py").write_text(f"# {name}\n")


@pytest.mark.parametrize(
    ("names", "status"),
    [(["pass"], 0), (["pass", "fail", "error"], 1), (["pass", "error"], 3), (["inconclusive"], 3)],
)
def test_check_ends_with_what_it_found(answers, capsys, names, status):
    put(answers, *names)
    assert cli.main(["check", str(answers)]) == status
    assert cli.main(["check", str(answers), "--exit-zero"]) == 0
    captured = capsys.readouterr()
    assert "seed" in captured.out
    assert "isolation: 1 of 2 parts in force" in captured.err
    assert "isolation: not in force: It has net." in captured.err


def test_check_prints_one_json_object(answers, capsys):
    put(answers, "pass", "error")
    assert cli.main(["check", str(answers), "--format", "json", "--seed", "4"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["seed"]) == ("svb.check/1", 4)
    assert found["summary"]["pass"] == 1


def test_check_writes_goes_on_and_keeps_what_was_judged(answers, tmp_path, capsys):
    out = tmp_path / "out"
    put(answers, "error", "fail", "stop")
    words = ["check", str(answers), "--out", str(out), "--format", "json"]
    assert cli.main([*words, "--seed", "1"]) == 130
    captured = capsys.readouterr()
    assert "interrupted; 2 of 3 answers were judged" in captured.err
    (answers / "stop.py").rename(answers / "pass.py")
    assert cli.main([*words, "--seed", "2"]) == 1
    captured = capsys.readouterr()
    assert "2 of 3 answers have not changed" in captured.err
    assert (out / "check.json").read_text() == captured.out
    assert {"check.html", "check.csv", "junit.xml", "results.json", "grades.csv"} <= {
        path.name for path in out.iterdir()
    }


@pytest.mark.parametrize("submission", ["empty", "empty/answer.py"])
def test_check_writes_a_result_where_nothing_was_handed_in(answers, tmp_path, capsys, submission):
    """No points and one sentence; status 2, but for who asks for none. Others are judged."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "READ.md").write_text("")
    out, path = tmp_path / "out", tmp_path / submission
    assert cli.main(["check", str(path), "--out", str(out)]) == 2
    assert f"svb: {path}" in capsys.readouterr().err
    found = json.loads((out / "results.json").read_text())
    assert found["score"] == 0
    assert found["output"].count(str(path)) == 2  # the headline and the sentence
    assert {test["status"] for test in found["tests"]} == {"failed"}
    assert {file.suffix for file in out.iterdir()} <= {".json", ".csv", ".md", ".xml", ".html",
                                                       ".sqlite"}  # fmt: skip
    words = ["check", str(path), "--format", "gradescope", "--exit-zero"]
    assert cli.main(words) == 0
    assert json.loads(capsys.readouterr().out)["score"] == 0
    put(answers, "pass")
    assert cli.main(["check", str(path), str(answers), "--out", str(out)]) == 2
    assert json.loads((out / "results.json").read_text())["score"] == 1
    assert cli.main(["check", str(answers), "--out", str(out)]) == 0


def test_check_refuses_bad_calls_before_anything_is_run(answers, tmp_path, monkeypatch, capsys):
    """One sentence, status 2, nothing written; the control is a call that is right."""
    put(answers, "pass")
    (tmp_path / "empty").mkdir()
    blocked = tmp_path / "file"
    blocked.write_text("")
    before = sorted(tmp_path.rglob("*"))
    right = [str(answers)]
    calls = {
        (*right, str(tmp_path / "gone.py")): "gone.py",
        (str(tmp_path / "empty"),): "empty",
        (*right, "--exercise", "hubert"): "huber",
        (*right, "--map", "linreg"): "--map",
        (*right, "--map", "net=linreg"): "--map",
        (*right, "--timeout", "0"): "--timeout",
        (*right, "--timeout", "nan"): "--timeout",
        (*right, "--memory", "1"): "--memory",
        (*right, "--jobs", "0"): "--jobs",
        (*right, "--seed", "-1"): "--seed",
        (*right, "--weights", str(tmp_path / "w.toml")): "w.toml",
        (*right, "--out", str(blocked)): str(blocked),
    }
    with monkeypatch.context() as patch:
        patch.setattr("harness.grading.grade.Grader", None)  # a call of it would fail
        for words, key in calls.items():
            assert key in fails(capsys, "check", *words), words
    assert sorted(tmp_path.rglob("*")) == before
    assert cli.main(["check", *right]) == 0


def test_a_first_check_tells_the_mistake_the_line_and_the_hint(capsys):
    """With the real worker: a right answer, a wrong one, one that crashes, and an exercise."""
    crash = CORPUS / "hostile" / "segfault.py"
    words = ["check", str(RIGHT), str(WRONG), str(crash), "--seed", "0", "--no-progress"]
    assert cli.main(words) == 1
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    assert f"✓ pass  {RIGHT}: 6 of 6 right" in captured.out
    assert f"! error  {crash}\n  the answer crashed with SIGSEGV" in captured.out
    told = captured.out[captured.out.index(f"✗ fail  {WRONG}") :]
    assert "line 2: def " in told
    assert "loss[epoch 0 step 0] has shape" in told
    assert "cause: loss.no-reshape" in told
    assert "hint: " in told


@pytest.mark.slow
@pytest.mark.parametrize(("name", "status"), [("right", 0), ("wrong_no-half", 1)])
def test_check_judges_exercises(capsys, name, status):
    answer = CORPUS / "exercises" / "huber" / f"{name}.py"
    assert cli.main(["check", str(answer), "--exercise", "huber", "--format", "json"]) == status
    (found,) = json.loads(capsys.readouterr().out)["answers"]
    (component,) = found["components"]
    assert component["name"] == "huber"
    assert (component["cause"] or {}).get("id") == (None if status == 0 else "huber.no-half")


@pytest.mark.slow
def test_check_reads_standard_input():
    words = [sys.executable, "-m", "harness.cli", "check", "-", "--format", "gradescope"]
    done = subprocess.run(words, input=RIGHT.read_bytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["score"] == 6


def test_compare_takes_a_pair_by_its_name(capsys, tmp_path):
    """One of its cases, with the evaluation; an unknown pair is refused with what comes close."""
    words = ("--pair", "softmax", "--case", "softmax-batch-over-n", "--out", str(tmp_path))
    assert cli.main(["compare", *words]) == 0
    (case,) = json.loads((tmp_path / "report.json").read_text("utf-8"))["cases"]
    assert (case["name"], "evaluation" in case["stages"]) == ("softmax-batch-over-n", True)
    capsys.readouterr()
    assert "did you mean 'softmax'" in fails(capsys, "compare", "--pair", "softmacs")
