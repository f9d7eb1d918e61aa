"""The ordeal: what is forged, left behind or lost is counted, and nothing else is."""

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.answers.source import MAX_NOTEBOOK
from harness.errors import InputError
from harness.grading.grade import Submission
from harness.grading.result import Checked, Judged
from harness.selftest import proof, robustness
from harness.selftest.robustness import (
    Killed,
    Ordeal,
    Siege,
    Stated,
    Undisturbed,
    endure,
    held,
    overseen,
)

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
RIGHT = "def linreg(X, w, b):\n    return X @ w + b\n"
WRONG = RIGHT.replace("+", "-")


def missed(found):
    """Return the names of the totals that are not as they must be."""
    return {measure.what for measure in proof._endured(found) if not measure.met}


def put(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


# -- a class that is killed: judged by a stand-in, in no time ----------------------

JUDGE = """\
import json, pathlib, sqlite3, subprocess, sys, time

fault, _, answers, *words = sys.argv[1:]
database = sqlite3.connect(words[words.index("--out") + 1] + "/check.sqlite", isolation_level=None)
database.execute("CREATE TABLE IF NOT EXISTS answers (path, record, settings)")
time.sleep(0.1)  # before it judges
warm = subprocess.Popen(["sh", "-c", "trap 'kill $!' TERM; sleep 20 & wait"])


def kept():
    return dict(database.execute("SELECT path, record FROM answers").fetchall())


def keep(path, verdict):
    record = json.dumps({"checked": {"verdict": verdict, "seconds": time.time()}})
    database.execute("INSERT INTO answers VALUES (?, ?, ?)", (path, record, "judge"))


before = kept()
first = min(before, default=None)
if fault in ("forgets", "rejudges"):
    database.execute("DELETE FROM answers WHERE path = ?", (first,))
if first and fault in ("repeats", "rejudges"):
    keep(first, "pass")
if fault == "changes":
    database.execute("UPDATE answers SET settings = 'another judge'")
for path in sorted(map(str, pathlib.Path(answers).rglob("*.py"))):
    if path not in before:
        time.sleep(0 if fault == "hurries" else 0.03)
        keep(path, "fail" if before and fault == "wavers" else "pass")
warm.terminate()
warm.wait()
if fault == "dies":
    sys.exit("svb: no")
verdicts = {path: json.loads(record)["checked"]["verdict"] for path, record in kept().items()}
told = [{"path": path, "verdict": verdict} for path, verdict in verdicts.items()]
print(json.dumps({"answers": told}))
"""


@pytest.fixture
def besieged(tmp_path):
    """Give what kills a class of ten, judged with a fault."""
    put(tmp_path, {"judge.py": JUDGE, **{f"answers/{n}.py": RIGHT for n in range(10)}})
    answers = tmp_path / "answers"
    verdicts = {str(answers / f"{n}.py"): "pass" for n in range(10)}

    def besiege(fault, kills=3, seconds=0.2):
        siege = Siege(answers, tmp_path, (sys.executable, str(tmp_path / "judge.py"), fault))
        return siege, siege.killed(kills, Undisturbed(verdicts, seconds))

    return besiege


def after(killed):
    """Return what would be found, were this all that was done."""
    return Ordeal((), (), (), killed)


def test_a_sound_judge_loses_nothing(besieged):
    """It is killed as often as was asked for, and undisturbed comes to the same."""
    siege, found = besieged("sound")
    assert found == Killed(3, 3, found.results, ())
    assert found.results > 10
    assert missed(after(found)) == set()
    alone = siege.undisturbed()
    assert list(alone.verdicts.values()) == ["pass"] * 10
    assert alone.seconds >= 10 * 0.03


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("forgets", "was lost or judged again"),
        ("rejudges", "was lost or judged again"),
        ("repeats", " times"),
        ("wavers", " = fail, but should be pass"),
    ],
)
def test_a_broken_judge_is_noticed(besieged, fault, words):
    """The control: a result lost, judged again, there twice, or another than undisturbed."""
    _, found = besieged(fault)
    assert any(words in line and line.startswith("answers/") for line in found.lost), found.lost
    assert missed(after(found)) == {"lost results"}


def test_runs_that_ended_before_they_were_killed_do_not_count(besieged):
    """The control: there were none to kill on the way."""
    _, found = besieged("hurries", seconds=60.0)
    assert (found.kills, found.planned, found.lost) == (0, 3, ())
    assert missed(after(found)) == {"runs killed while judging"}


def test_what_says_nothing_of_the_judge_ends_it(besieged):
    """Its code was changed meanwhile, or it cannot judge."""
    with pytest.raises(InputError, match="run this again"):
        besieged("changes")
    siege, _ = besieged("sound", kills=0)
    unable = dataclasses.replace(siege, command=(*siege.command[:2], "dies"))
    with pytest.raises(InputError, match="svb: no"):
        unable.undisturbed()


def test_what_differs_is_said_once_each():
    verdicts = {"a": "pass", "b": "fail", "c": "pass"}
    assert robustness.otherwise(verdicts, list(verdicts.items())) == []
    assert robustness.otherwise(
        verdicts, [("a", "pass"), ("a", "pass"), ("b", "pass"), ("d", "x")]
    ) == [
        "a is there 2 times",
        "c is there 0 times",
        "d is no answer of the class",
        "b = pass, but should be fail",
    ]


def test_the_class_is_from_all_over_the_corpus(tmp_path):
    """Half right, half wrong, as many as there shall be."""
    folder = robustness.mixed(CORPUS, tmp_path / "answers")
    names = [path.name for path in folder.iterdir() if path.is_file()]
    assert sorted(name[:6] for name in names) == ["valid-"] * 20 + ["wrong-"] * 20
    assert len({n.rpartition("-")[0] for n in names if n.startswith("wrong-")}) > 15
    with pytest.raises(InputError, match="holds no answers"):
        robustness.mixed(tmp_path, tmp_path / "others")


# -- processes that are left -------------------------------------------------------

ORPHAN = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {!r}])"


def leave(code):
    """Start a process as an answer might that leaves one behind: its parent has ended."""
    subprocess.run([sys.executable, "-c", ORPHAN.format(code)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans on")
def test_a_process_that_goes_on_is_counted_and_ended():
    """The control: and one that was there before is not."""
    with subprocess.Popen(["sleep", "30"]) as before:
        with overseen(grace=0.2) as left:
            leave("import time; time.sleep(30)")
            assert left == []
        assert len(left) == 1
        assert "time.sleep(30)" in left[0]
        assert before.poll() is None
        before.kill()
    assert before.returncode == -signal.SIGKILL
    sound = Ordeal((), (), (), Killed(1, 1, 1, ()))
    assert missed(sound) == set()
    assert missed(dataclasses.replace(sound, escaped=tuple(left))) == {"escaped processes"}
    with overseen(grace=0.0) as again:
        pass
    assert again == []


def test_a_process_that_ends_by_itself_is_none():
    """Within the grace that it is given; without one left there is nothing to wait for."""
    with overseen() as left:
        leave("import time; time.sleep(0.2)")
    assert left == []
    started = time.monotonic()
    with overseen():
        pass
    assert time.monotonic() - started < 1


# -- files with a manifest -----------------------------------------------------------


def stated(*verdicts, **fields):
    return Stated("hostile/x.py", Submission("x.py", b""), verdicts, **fields)


def checked(verdict, **statuses):
    components = [Judged(name, status) for name, status in statuses.items()]
    return Checked("x.py", verdict, components=tuple(components))


@pytest.mark.parametrize(
    ("wanted", "found", "as_stated", "forged"),
    [
        (stated("error", right=frozenset()), checked("error"), True, ()),
        (stated("pass", right=frozenset({"sgd"})), checked("pass", sgd="pass"), True, ()),
        (stated("fail", right=frozenset({"sgd"})), checked("fail", sgd="pass"), True, ()),
        (stated("error", right=frozenset()), checked("fail", sgd="fail"), False, ()),
        (stated("fail", right=frozenset()), checked("pass"), False, ("the whole",)),
        (stated("fail", right=frozenset()), checked("fail", sgd="pass"), True, ("sgd",)),
        (stated("pass", right=frozenset({"linreg"})), checked("pass", sgd="pass"), True, ("sgd",)),
        (stated("fail"), checked("fail", sgd="pass", linreg="fail"), True, ()),
    ],
)
def test_a_pass_that_the_manifest_does_not_allow_is_forged(wanted, found, as_stated, forged):
    """Of the whole, or of a component that is not said to do its work."""
    result = held(wanted, found)
    assert (result.as_stated, result.forged) == (as_stated, forged)
    wrong = {"hostile or broken as stated": not as_stated, "forged verdicts": bool(forged)}
    assert missed(Ordeal((), (result,), (), Killed(1, 1, 1, ()))) == {w for w in wrong if wrong[w]}


def entry(path, **fields):
    """Return an entry of a manifest, which reads values as JSON writes them."""
    pairs = {"path": path, **fields}
    return "[[answer]]\n" + "".join(f"{key} = {value!r}\n" for key, value in pairs.items())


FAULT = {"verdict": "fail", "component": "linreg", "cause": "model.bias-sign"}
FILES = {
    "valid/a.py": RIGHT,
    "wrong/model.bias-sign/b.py": WRONG,
    "learners/right.py": RIGHT,
    "learners/wrong.py": WRONG,
    "hostile/broken.py": "(",
    "hostile/wrong.py": WRONG,
}
LEARNERS = [entry("right.py", verdict="pass"), entry("wrong.py", **FAULT)]
HOSTILE = [
    entry("wrong.py", kind="process", expect=["fail", "error"]),
    entry("broken.py", kind="broken", expect=["error"]),
    entry("right.py", kind="forge", expect=["fail"]),
]
LARGE = """\
[[generated]]
path = "large.py"
kind = "broken"
expect = ["error"]
head = "("
line = " "
bytes = 99
"""


def test_files_are_held_against_their_manifests(tmp_path):
    """Each is judged in a worker, also one that the manifest only describes; what is as stated is
    no fault, and the controls are: another cause, another verdict, a pass that is not allowed.
    """
    other = {**FAULT, "cause": "model.no-bias"}
    learners = [*LEARNERS, entry("other.py", **other)]
    hostile = [*HOSTILE, LARGE]
    put(tmp_path, {**FILES, "learners/other.py": WRONG, "hostile/right.py": RIGHT})
    put(tmp_path, {"learners/manifest.toml": "\n".join(learners), "judge.py": JUDGE})
    put(tmp_path, {"hostile/manifest.toml": "\n".join(hostile)})
    command = (sys.executable, str(tmp_path / "judge.py"), "sound")
    found = endure(tmp_path, kills=0, command=command)
    assert [one.name for one in found.learners if one.as_stated] == [
        "learners/right.py",
        "learners/wrong.py",
    ]
    assert [one.got.split()[0] for one in found.hostile] == ["error", "pass", "error", "fail"]
    caused = "learners/other.py = fail at linreg for model.bias-sign, but should be"
    assert found.faults == (
        f"{caused} fail at linreg for model.no-bias",
        "hostile/right.py = pass, but should be fail; linreg, the whole passed, but may not",
    )
    assert missed(dataclasses.replace(found, killed=Killed(1, 1, 1, ()))) == {
        "learners' files as stated",
        "hostile or broken as stated",
        "forged verdicts",
    }


def test_a_corpus_without_manifests(tmp_path):
    """It says what was not tried, and only what was is counted."""
    put(tmp_path, {"judge.py": JUDGE, **FILES})
    found = endure(tmp_path, kills=1, command=(sys.executable, str(tmp_path / "judge.py"), "sound"))
    assert found.untried == ("learners/manifest.toml", "hostile/manifest.toml")
    measures = [measure.what for measure in proof._endured(found)]
    assert measures == ["escaped processes", "runs killed while judging", "lost results"]


def test_what_is_generated_is_no_longer_than_what_is_read(tmp_path):
    """A head, then a line again and again; of a file without end as much as any file is read."""
    (small,) = robustness.stated(put(tmp_path / "a", {"manifest.toml": f"answer = []\n{LARGE}"}))
    assert small.submission.source == b"(" + b" " * 98
    endless = LARGE.replace("99", "9_000_000_000")
    (large,) = robustness.stated(put(tmp_path / "b", {"manifest.toml": f"answer = []\n{endless}"}))
    assert len(large.submission.source) == MAX_NOTEBOOK + 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("answer = ", "cannot be used"),
        ("", "lacks 'answer'"),
        ("[[answer]]\nverdict = 'pass'\n", "lacks 'path'"),
        ("[[answer]]\npath = 'gone.py'\nverdict = 'pass'\n", "gone.py"),
        ("[[answer]]\npath = 'manifest.toml'\n", "lacks 'verdict'"),
        ("answer = 3\n", "cannot be used"),
    ],
)
def test_a_broken_manifest_is_a_wrong_input(tmp_path, text, words):
    """One sentence, which names it."""
    put(tmp_path, {"manifest.toml": text})
    with pytest.raises(InputError, match=words):
        robustness.stated(tmp_path)


# -- the whole of it -----------------------------------------------------------------


@pytest.mark.slow
def test_the_corpus_comes_through():
    """Everything that there is: the figures of docs/proof.md."""
    found = endure(CORPUS)
    assert found.faults == ()
    assert (found.untried, missed(found)) == ((), set())
    assert (len(found.hostile) > 100, found.killed.kills) == (True, robustness.KILLS)
