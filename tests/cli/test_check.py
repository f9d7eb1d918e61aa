"""`svb check`: what it asks for, refuses, writes and ends with, of one answer and of a class."""

import csv
import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness import cli
from harness.grading.marks import PARTS
from harness.grading.result import Checked, Judged
from harness.isolation.confine import Limits


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The complaint about a call that must end with status 2: one line, no traceback."""
    assert cli.main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("svb: ")
    return lines[0]


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


def school(folder, **students):
    """Students' folders, each with a file called as its verdict."""
    for student, verdict in students.items():
        (folder / student / "ps1").mkdir(parents=True)
        if verdict:
            (folder / student / "ps1" / f"{verdict}.py").write_text(f"# {student}\n")
    return str(folder)


def test_check_puts_every_student_on_every_list(answers, tmp_path):
    """Also who handed in nothing, with 0 points of as many as the others have, and no status 2."""
    words = ["check", school(answers, ann="pass", bob="fail", eve=""), "--out", str(tmp_path / "o")]
    assert cli.main(words) == 1
    with (tmp_path / "o" / "grades.csv").open(encoding="utf-8") as file:
        grades = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {name: row["score"] for name, row in grades.items()} == {
        "ann": "1.0",
        "bob": "1.0",
        "eve": "0.0",
    }
    assert {row["max_score"] for row in grades.values()} == {"5.0"}
    for name in ("check.json", "check.csv", "check.md", "check.html", "results.json", "junit.xml"):
        text = (tmp_path / "o" / name).read_text("utf-8")
        assert all(student in text for student in grades), name
    found = json.loads((tmp_path / "o" / "check.json").read_text("utf-8"))
    assert [answer["student"] for answer in found["answers"]] == ["ann", "bob", "eve"]
    assert found["summary"] == {
        "pass": 0, "incomplete": 1, "fail": 1, "error": 1, "inconclusive": 0
    }  # fmt: skip


def test_check_asks_for_parts(answers, capsys):
    """The fake passes the first part of all; the controls ask for no other, or for none."""
    put(answers, "pass")
    first, *_ = PARTS
    words = ["check", str(answers / "pass.py")]
    assert cli.main(words) == 0
    assert "1 of 5 parts, all right" in capsys.readouterr().out
    assert cli.main([*words, "--parts", first]) == 0
    assert "1 of 1 right" in capsys.readouterr().out
    assert cli.main([*words, "--parts", ",".join(PARTS)]) == 3
    assert "incomplete" in capsys.readouterr().out
    assert cli.main([*words, "--parts", ",".join(PARTS), "--partial"]) == 0


def test_check_asks_for_the_parts_of_weights(answers, tmp_path, capsys):
    put(answers, "pass")
    first, second, *_ = PARTS
    weights = tmp_path / "weights.toml"
    weights.write_text(f"[weights]\n{first} = 2\n{second} = 3\n")
    words = ["check", str(answers / "pass.py"), "--weights", str(weights), "--format"]
    assert cli.main([*words, "json"]) == 3
    assert json.loads(capsys.readouterr().out)["summary"]["incomplete"] == 1
    assert cli.main([*words, "gradescope", "--parts", first]) == 0
    (test,) = json.loads(capsys.readouterr().out)["tests"]
    assert (test["score"], test["max_score"]) == (2, 2)


def test_check_asks_files_side_by_side_for_nothing(answers, capsys):
    """Only in a class of students' folders are the parts of the form asked."""
    put(answers, "pass")
    (answers / "other").mkdir()
    (answers / "other" / "pass.py").write_text("# another\n")
    assert cli.main(["check", str(answers / "pass.py"), str(answers / "other" / "pass.py")]) == 0
    assert cli.main(["check", school(answers.with_name("class"), ann="pass", bob="pass")]) == 3


def test_check_judges_all_again(answers, tmp_path, capsys):
    put(answers, "pass", "fail")
    words = ["check", str(answers), "--out", str(tmp_path / "out")]
    cli.main(words)
    cli.main(words)
    assert "2 of 2 answers have not changed" in capsys.readouterr().err
    cli.main([*words, "--again"])
    assert "have not changed" not in capsys.readouterr().err


def test_check_takes_a_folder_as_one(answers, capsys):
    put(answers, "pass", "fail")
    assert cli.main(["check", str(answers), "--as-one", "--format", "json"]) in {0, 1}
    (found,) = json.loads(capsys.readouterr().out)["answers"]
    assert found["student"] == answers.name


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
        (*right, "--parts", "linreg,sdg"): "did you mean sgd",
        (*right, "--parts", ""): "--parts",
        (*right, "--parts", "sgd", "--exercise", "huber"): "--exercise",
        (*right, "--with", str(tmp_path / "gone")): "--with",
        (*right, "--with", str(blocked)): "--with",
        (str(tmp_path / "empty"), "--as-one"): "empty",
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
