"""The proof: counts what it should, misses its floors where it should, and is kept as a page."""

import ast
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import InputError
from harness.mistakes.catalogue import MISTAKES, named
from harness.mistakes.mistake import Form
from harness.selftest import page as page_module
from harness.selftest import proof, trials
from harness.selftest.page import page
from harness.selftest.proof import Measure, Proof, prove
from harness.selftest.robustness import Held, Killed, Ordeal

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "corpus"
PAGE = ROOT / "docs" / "proof.md"
FEW = [named(name) for name in ("loss.no-half", "sgd.ascends", "data.reseeded", "adam.beta2")]
WRITTEN_FOR_OPTIMIZERS = [
    name
    for name, mistake in MISTAKES.items()
    if name == "sgd.keeps-momentum" or "optimizer" in mistake.where
]


def missed(found):
    """Return the names of the totals that are not as they must be."""
    return {measure.what for measure in found.missed}


def put(corpus, path, source):
    """Write a file of a corpus."""
    place = corpus / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(source, "utf-8")


@pytest.fixture
def corpus(tmp_path):
    """Give a corpus of a mistake in two forms, a right answer and two right optimizers."""
    for path in (
        "wrong/loss.no-half/square.py",
        "wrong/loss.no-half/object_mean.py",
        "optimizers/right/adam_book.py",
        "optimizers/right/momentum_lists.py",
    ):
        put(tmp_path, path, (CORPUS / path).read_text("utf-8"))
    valid = next((CORPUS / "valid").glob("*.py"))
    put(tmp_path, f"valid/{valid.name}", valid.read_text("utf-8"))
    return tmp_path


# -- the floors ------------------------------------------------------------------


@pytest.fixture(scope="module")
def few():
    """Give the proof over a few mistakes of the catalogue."""
    return prove(None, 1, mistakes=FEW)


def test_a_sound_catalogue_meets_its_floors(few):
    """Every form is caught, and named, even where it takes another process to tell."""
    assert (missed(few), few.exit_status) == (set(), 0)
    assert [row.mistake for row in few.rows] == FEW
    assert {trial.causes for trial in few.trials} == {(mistake.id,) for mistake in FEW}
    assert all(trial.exact and trial.caught and trial.stage for trial in few.trials)
    assert len(few.variants) > len(FEW)


def forms_of(mistake, forms):
    """Return a mistake whose forms are not its own."""
    return dataclasses.replace(mistake, forms=forms)


def right_form():
    """Return a form that is no mistake."""
    return Form("right", lambda base: dataclasses.replace(base, name="right"))


BROKEN = {
    "right forms": (
        forms_of(named("loss.no-half"), (right_form(),)),
        {"caught", "at the right stage", "named exactly"},
    ),
    "forms of another": (
        forms_of(named("loss.no-half"), named("loss.sign").forms),
        {"named exactly", "wrongly named"},
    ),
    "nothing tried": (forms_of(named("loss.no-half"), ()), None),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_catalogue_misses_its_floors(fault):
    """The control: what is not wrong, or wrong in another way, or not there."""
    mistake, wanted = BROKEN[fault]
    found = prove(None, 1, mistakes=[mistake])
    every = {"caught", "at the right stage", "named exactly", "wrongly named"}
    assert missed(found) == (every if wanted is None else wanted)
    assert found.exit_status == 1


def test_another_stage_than_the_right_one_is_missed(few):
    """The control of the stage: the same trials, were they to show elsewhere."""
    moved = tuple(dataclasses.replace(trial, shows="gradient") for trial in few.trials)
    assert missed(dataclasses.replace(few, trials=moved)) == {"at the right stage"}


def test_two_names_are_not_exact_and_not_wrong(few):
    """What cannot be told apart is named together: that is honest, and counted as not exact."""
    both = tuple(dataclasses.replace(trial, also=("loss.sign",)) for trial in few.trials)
    assert missed(dataclasses.replace(few, trials=both)) == {"named exactly"}


@pytest.mark.parametrize(
    ("measure", "met"),
    [
        (Measure("all", 3, 3, 1.0), True),
        (Measure("not all", 2, 3, 1.0), False),
        (Measure("most", 95, 100, 0.95), True),
        (Measure("too few", 94, 100, 0.95), False),
        (Measure("none", 0, 3, most=0.0), True),
        (Measure("one", 1, 3, most=0.0), False),
        (Measure("nothing counted", 0, 0, 1.0), False),
        (Measure("no alarms, because nothing was tried", 0, 0, most=0.0), False),
    ],
    ids=lambda value: getattr(value, "what", ""),
)
def test_a_measure_is_held_against_its_floor(measure, met):
    """Nothing counted is never enough."""
    assert measure.met is met


# -- the ordeal --------------------------------------------------------------------

SOUND = Ordeal(
    learners=(Held("learners/a.py", "pass", "pass", as_stated=True),),
    hostile=(Held("hostile/b.py", "fail", "error", as_stated=True),),
    escaped=(),
    killed=Killed(20, 20, 800, ()),
)
ENDURED: dict[str, dict[str, Any]] = {
    "learners' files as stated": {
        "learners": (Held("learners/a.py", "pass", "fail", as_stated=False),)
    },
    "hostile or broken as stated": {
        "hostile": (Held("hostile/b.py", "error", "fail", as_stated=False),)
    },
    "forged verdicts": {
        "hostile": (Held("hostile/b.py", "fail", "fail", as_stated=True, forged=("sgd",)),)
    },
    "escaped processes": {"escaped": ("process 7: sleep 60",)},
    "runs killed while judging": {"killed": Killed(19, 20, 800, ())},
    "lost results": {"killed": Killed(20, 20, 800, ("a.py was lost or judged again",))},
}


def with_ordeal(few, **changed):
    """Return a proof that went through an ordeal as well; its other totals are left out."""
    endured = dataclasses.replace(SOUND, **changed)
    return dataclasses.replace(few, corpus="corpus", ordeal=endured)


@pytest.mark.parametrize("what", ENDURED)
def test_each_total_of_the_ordeal_has_a_floor(few, what):
    """Met where nothing is wrong, and missed by each thing that is, which the page lists."""
    sound, broken = with_ordeal(few), with_ordeal(few, **ENDURED[what])
    assert {measure.what for measure in sound.measures} >= {*ENDURED}
    assert not missed(sound) & {*ENDURED}
    assert missed(broken) & {*ENDURED} == {what}
    assert broken.exit_status == 1
    assert sound.to_dict()["ordeal"] == []
    assert "Not as stated: none." in page(sound)
    assert sum("not as stated" in line for line in page_module.lines(sound)) == 0
    for fault in broken.ordeal.faults:
        assert f"- {fault}\n" in page(broken)
        assert f"not as stated: {fault}" in page_module.lines(broken)


def test_what_was_not_there_to_be_tried_is_said(few):
    """Without such a folder its totals are left out; without any corpus there is no ordeal."""
    found = with_ordeal(few, hostile=(), untried=("hostile/manifest.toml",))
    assert not {"forged verdicts", "hostile or broken as stated"} & {m.what for m in found.measures}
    assert "not tried: there is no hostile/manifest.toml" in page_module.lines(found)
    assert "- not tried: there is no hostile/manifest.toml" in page(found)
    assert few.ordeal is None
    assert few.to_dict()["ordeal"] is None
    assert "killed" not in page(few)


def test_the_ordeal_is_for_all_mistakes(monkeypatch, corpus):
    """A few mistakes are tried without it."""
    asked = []

    def endured(*given):
        asked.append(given)
        return SOUND

    monkeypatch.setattr(proof, "endure", endured)
    monkeypatch.setattr(proof, "everything", lambda *_: [])
    assert prove(corpus, 1, mistakes=FEW).ordeal is None
    assert prove(None, 1).ordeal is None
    assert not asked
    assert prove(corpus, 1).ordeal is SOUND
    assert [given[0] for given in asked] == [corpus]


# -- files -----------------------------------------------------------------------


def test_files_are_tried(corpus):
    """Answers in a worker, optimizers here; a corpus too small is told."""
    found = prove(corpus, 1, mistakes=[named("loss.no-half")])
    answers = [trial for trial in found.trials if trial.kind == "answer"]
    assert len(answers) == 2
    assert all(t.component and t.caught and t.stage and t.exact for t in answers)
    assert all(variant.passed for variant in found.variants)
    assert {v.kind for v in found.variants} == {"answer", "optimizer", "catalogue"}
    assert missed(found) == {"right files, of 60 wanted"}


def test_wrong_files_among_the_right_ones_are_alarms(corpus):
    """The control: an optimizer and an answer that are wrong, and a part that is misnamed."""
    for path, target in (
        ("optimizers/adam.beta2/lists.py", "optimizers/right/x.py"),
        ("wrong/loss.sign/plus.py", "valid/x.py"),
    ):
        put(corpus, target, (CORPUS / path).read_text("utf-8"))
    path = "wrong/loss.no-half/square.py"
    source = (CORPUS / path).read_text("utf-8")
    put(corpus, path, source.replace("component: squared_loss", "component: sgd"))
    found = prove(corpus, 1, mistakes=[named("loss.no-half")])
    assert missed(found) >= {"false alarms", "in the right component"}
    assert [v.name for v in found.variants if not v.passed] == [
        "optimizers/right/x.py",
        "valid/x.py",
    ]
    assert [t.name for t in found.faults] == ["wrong/loss.no-half/square.py"]


@pytest.mark.parametrize(
    ("path", "source", "words"),
    [
        ("optimizers/right/x.py", "class Optimizer: ...\n", "is no rule"),
        ("optimizers/right/x.py", "# rule: sgd momentum=high\n", "is no rule"),
        ("optimizers/right/x.py", "# rule:\n", "is no rule"),
        ("wrong/loss.no-half/x.py", "import torch\n", "names no part"),
    ],
)
def test_a_file_that_does_not_say_what_it_is(corpus, path, source, words):
    """The first line is needed."""
    put(corpus, path, source)
    with pytest.raises(InputError, match=words):
        prove(corpus, 1, mistakes=[named("loss.no-half")])


def test_a_folder_without_answers(tmp_path):
    """Nothing to try is said so."""
    with pytest.raises(InputError, match="holds no answers"):
        prove(tmp_path, 1, mistakes=[named("loss.no-half")])
    with pytest.raises(InputError, match="is no folder"):
        trials.folder(str(tmp_path / "nowhere"))
    assert trials.folder(str(tmp_path)) == tmp_path


def test_the_checkouts_own_corpus_is_taken(monkeypatch, tmp_path):
    """Where the command is run in a checkout; elsewhere there is none."""
    monkeypatch.chdir(ROOT)
    assert trials.folder(None) == Path("tests/corpus")
    monkeypatch.chdir(tmp_path)
    assert trials.folder(None) is None


def test_every_mistake_of_an_optimizer_has_independent_forms():
    """At least two each, none written twice, and right ones of every family."""
    folders = {path.name for path in (CORPUS / "optimizers").iterdir()}
    assert folders == {*WRITTEN_FOR_OPTIMIZERS, "right"}
    files = sorted((CORPUS / "optimizers").glob("*/*.py"))
    for folder in folders:
        assert sum(path.parent.name == folder for path in files) >= proof.INDEPENDENT, folder
    trees = {ast.dump(ast.parse(path.read_text("utf-8"))) for path in files}
    assert len(trees) == len(files)
    right = [trials._rule(path).name for path in files if path.parent.name == "right"]
    assert {*right} == {"sgd", "adagrad", "rmsprop", "adadelta", "adam", "adamw"}


# -- what is printed ---------------------------------------------------------------


def test_the_page_shows_what_was_found(few):
    """Rows, totals and what was missed."""
    shown = page(few)
    assert "| loss.no-half | 1 | 0 | 2/2 | - | 2/2 | 2/2 | 0 |" in shown
    assert "## Not as it must be" not in shown
    wrong = tuple(dataclasses.replace(trial, causes=("loss.sign",)) for trial in few.trials)
    shown = page(dataclasses.replace(few, trials=wrong))
    assert "## Not as it must be" in shown
    assert re.search(r"\| wrongly named \| (\d+) of \1 \(100.0%\) \| 0% \| no \|", shown)


def test_the_kept_page_is_complete_and_met():
    """`svb list proof tests/corpus --write docs/proof.md` makes it so."""
    kept = PAGE.read_text("utf-8")
    assert re.findall(r"^\| ([a-z]+[.-][\w.-]+) \|", kept, re.MULTILINE) == [*MISTAKES]
    assert "| no |" not in kept
    assert "## Not as it must be" not in kept
    assert "`python -m pytest -m mutation`" in kept
    assert all(f"| {what} | " in kept for what in ENDURED)
    assert "Not as stated: none." in kept


def test_the_command_prints_the_table(few, monkeypatch, capsys, tmp_path):
    """Exit status 0 where all is met; the page is written, and the numbers are there as JSON."""
    monkeypatch.setattr(proof, "prove", lambda *_: few)
    target = tmp_path / "proof.md"
    assert main(["list", "proof", str(CORPUS), "--write", str(target)]) == 0
    printed = capsys.readouterr().out
    assert all(mistake.id in printed for mistake in FEW)
    assert "MISSED" not in printed
    assert target.read_text("utf-8") == page(few)
    assert main(["list", "proof", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], len(told["mistakes"])) == ("svb.proof/1", len(FEW))
    assert all(measure["met"] for measure in told["measures"])


def test_the_command_ends_with_1_where_a_floor_is_missed(few, monkeypatch, capsys):
    """And says which, and of what."""
    wrong = tuple(dataclasses.replace(trial, causes=("loss.sign",)) for trial in few.trials)
    found = dataclasses.replace(few, trials=wrong)
    monkeypatch.setattr(proof, "prove", lambda *_: found)
    assert main(["list", "proof"]) == 1
    printed = capsys.readouterr().out
    assert "MISSED" in printed
    assert "not as it must be: sgd.ascends" in printed


def test_the_command_says_that_there_are_no_answers(few, monkeypatch, capsys, tmp_path):
    """Outside a checkout only the catalogue is tried; what makes no sense is refused."""
    monkeypatch.setattr(proof, "prove", lambda *_: few)
    monkeypatch.chdir(tmp_path)
    assert main(["list", "proof"]) == 0
    assert "only the catalogue's own forms" in capsys.readouterr().err
    for call in (["proof", "nowhere"], ["proof", "--seeds", "0"], ["cases", "--seeds", "2"]):
        assert main(["list", *call]) == 2


# -- the whole of it -----------------------------------------------------------------


@pytest.mark.slow
def test_the_judge_is_right():
    """Every mistake, in one draw: the figures of docs/proof.md, which has three. The ordeal has its
    own test.
    """
    found = prove(CORPUS, 1, mistakes=list(MISTAKES.values()))
    assert missed(found) == set(), [page_module.described(trial) for trial in found.faults]
    assert isinstance(found, Proof)
    assert len(found.trials) > 700
    assert min(len(row.mistake.forms) + row.independent for row in found.rows) >= 2
    assert sum(variant.kind == "answer" for variant in found.variants) >= proof.VARIANTS
