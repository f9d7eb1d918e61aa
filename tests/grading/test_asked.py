"""Which parts are asked for, what is incomplete without them, and points alike for all."""

import json
from dataclasses import replace

import pytest

from harness.errors import InputError
from harness.grading import asked, exports, marks, report
from harness.grading import pages as site
from harness.grading.classroom import Record
from harness.grading.marks import MODEL, PARTS, Roll
from harness.grading.result import Checked, Judged
from harness.grading.words import with_inlined

FORM = ("data_iter", "linreg", "squared_loss", "sgd", "train")
EMPTY = Record("eve", Checked("eve", "error", {"type": "x", "message": "", "line": None}), 7)


def record(student, passed, *others, verdict="pass"):
    """An answer whose parts of these names pass; all others of the book's form are missing."""
    names = {*passed, *(other.name for other in others)}
    missing = [Judged(part, "missing") for part in FORM if part not in names]
    parts = (*(Judged(part, "pass", "identical") for part in passed), *others, *missing)
    return Record(student, Checked(f"{student}.py", verdict, None, parts), 7)


def named(*names):
    """An answer that passes, and has components of these names and no others."""
    return Record(
        "cyd", Checked("c.py", "pass", None, tuple(Judged(name, "pass") for name in names)), 7
    )


WRONG = record("bob", FORM[:3], Judged("sgd", "fail"), verdict="fail")


def verdict(found, *parts, of_form=False):
    (one,) = asked.held_against([found], parts, of_form=of_form)
    return one.checked.verdict


# -- words --------------------------------------------------------------------------


def test_parts_are_read_from_words():
    assert asked.read_parts("sgd, data_iter,sgd,") == ("sgd", "data_iter")
    assert asked.read_parts("mse_loss,SGD") == ("squared_loss", "sgd")
    assert asked.read_parts(",".join(PARTS)) == PARTS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("linreg,sdg", "there is no part sdg; did you mean sgd"),
        ("dataiter", "did you mean data_iter"),
        ("", "names no part"),
        (" , ", "names no part"),
        ("quantum\x1b", "The parts are data_iter"),
    ],
)
def test_parts_that_are_none_are_refused_with_what_comes_close(words, said):
    with pytest.raises(InputError, match=said) as refused:
        asked.read_parts(words)
    assert "\x1b" not in str(refused.value)


def test_weights_are_read_or_refused(tmp_path):
    path = tmp_path / "weights.toml"
    path.write_text("[weights]\nsgd = 2\ntrain = 0.5\n")
    assert asked.read_weights(path) == {"sgd": 2.0, "train": 0.5}
    for bad in ("sgd = 2", "[weights]", "[weights]\nsgd = true", "[weights]\nsgd = -1", "=",
                "[weights]\nsgd = nan", "[weights]\nnet = 1", "weights = 3"):  # fmt: skip
        path.write_text(bad)
        with pytest.raises(InputError, match=r"weights\.toml"):
            asked.read_weights(path)
    path.write_text("[weights]\nsqared_loss = 1")
    with pytest.raises(InputError, match="did you mean squared_loss"):
        asked.read_weights(path)
    with pytest.raises(InputError, match="cannot be read"):
        asked.read_weights(tmp_path / "gone.toml")


def test_asked_are_the_parts_that_are_named_or_else_worth_something():
    weights = {"sgd": 2.0, "train": 1.0, "init_params": 0.0}
    assert asked.asked_parts((), None) == ()
    assert asked.asked_parts((), weights) == ("sgd", "train")
    assert asked.asked_parts(("linreg",), weights) == ("linreg",)
    assert asked.points_of((), weights) == weights
    assert asked.points_of(("linreg", "sgd"), weights) == {"linreg": 1.0, "sgd": 2.0}
    assert asked.points_of((), None) is None


# -- incomplete ---------------------------------------------------------------------


def test_without_an_asked_part_an_answer_is_incomplete():
    """The controls: all that is asked is there; nothing is asked; a part is wrong."""
    four = record("ann", FORM[:4])
    assert verdict(four, *FORM) == "incomplete"
    assert verdict(four, *FORM[:4]) == "pass"
    assert verdict(four) == "pass"
    assert verdict(WRONG, *FORM) == "fail"
    assert verdict(EMPTY, *FORM) == "error"
    assert four.checked.verdict == "pass", "what is kept does not hang on what was asked"


def test_a_missing_part_that_was_not_spoken_of_is_listed():
    (found,) = asked.held_against([record("ann", FORM)], ["init_params", "train"], of_form=False)
    assert found.checked.verdict == "incomplete"
    last = found.checked.components[-1]
    assert (last.name, last.status) == ("init_params", "missing")


def test_in_a_class_the_parts_of_the_form_are_asked():
    """Of the object form its classes; of an exercise itself; init_params of nobody."""
    assert verdict(record("ann", FORM[:4]), of_form=True) == "incomplete"
    assert verdict(record("bob", FORM), of_form=True) == "pass"
    assert verdict(named(MODEL, "SGD"), of_form=True) == "pass"
    assert verdict(named(MODEL), of_form=True) == "incomplete"
    assert verdict(named("huber"), of_form=True) == "pass"


def test_a_class_stands_for_its_parts_and_they_for_it():
    assert verdict(named(MODEL), "linreg", "squared_loss") == "pass"
    assert verdict(named(MODEL), "data_iter") == "incomplete"
    assert verdict(named("linreg", "squared_loss"), MODEL) == "pass"
    assert verdict(named("linreg"), MODEL) == "incomplete"


def test_what_a_loop_does_itself_counts_for_it():
    """The controls: a loop that does nothing itself, one that fails, a part that is there."""
    missing = [Judged(name, "missing") for name in ("data_iter", "squared_loss")]

    def told(*names, loop="pass"):
        there = [Judged("linreg", "pass"), Judged("sgd", "pass"), Judged("train", loop)]
        return Record(
            "ann", Checked("a.py", loop, None, with_inlined([*missing, *there], names)), 7
        )

    whole = told("batch", "loss", "gradient", "nonsense")
    assert verdict(whole, *FORM) == "pass"
    assert marks.total(marks.marks(whole, None)) == (5, 5)
    assert "the loop does this itself" in report.RENDERERS["text"](Roll([whole], 7))
    assert verdict(told("batch"), *FORM) == verdict(told(), *FORM) == "incomplete"
    assert marks.total(marks.marks(told("batch", "loss", loop="fail"), None)) == (2, 5)
    assert all(not component.within for component in told("prediction").checked.components)


# -- shown --------------------------------------------------------------------------


def roll(*records, **facts):
    return Roll(asked.held_against(records, FORM, of_form=False), 7, **facts)


def test_a_file_says_how_many_parts_are_there():
    """Of a single file nothing more is asked; the control is one that is whole, or wrong."""
    three = report.RENDERERS["text"](Roll([record("ann", FORM[:3])], 7))
    assert "✓ pass  ann.py: 3 of 5 parts, all right" in three
    assert "5 of 5 right" in report.RENDERERS["text"](Roll([record("ann", FORM)], 7))
    assert "3 of 4 right" in report.RENDERERS["text"](Roll([WRONG], 7))


def test_what_is_missing_is_told_everywhere():
    school = roll(*(record(f"s{n}", FORM[:4]) for n in range(4)), record("whole", FORM))
    text = report.RENDERERS["text"](school)
    assert text.startswith("5 answers: 1 pass, 4 incomplete\n")
    assert "◐ incomplete  s0: missing: train" in text
    found = json.loads(exports.to_json(school))
    assert found["summary"]["incomplete"] == 4
    assert found["answers"][0]["verdict"] == "incomplete"
    assert exports.to_csv(school).count("incomplete") == 20
    assert "◐ incomplete" in site.to_markdown(school)
    assert 'class="verdict incomplete"' in site.to_html(school)
    assert "missing: train" in site.to_html(school)
    one = report.RENDERERS["text"](roll(record("ann", FORM[:4])))
    assert "◐ incomplete  ann.py: 4 of 5 parts, all right" in one


def test_incomplete_ends_with_3_or_with_0_where_it_may_be():
    """The control is an answer that is wrong, which no word makes good."""
    four = record("ann", FORM[:4])
    assert roll(four).check.exit_status == 3
    assert roll(four, partial=True).check.exit_status == 0
    assert roll(record("ann", FORM)).check.exit_status == 0
    assert roll(four, WRONG, partial=True).check.exit_status == 1
    assert roll(four, EMPTY, partial=True).check.exit_status == 3


# -- points -------------------------------------------------------------------------


def most(found):
    return {marks.total(marks.marks_of(found, each))[1] for each in found.records}


def test_points_are_out_of_the_same_for_all():
    """Whatever else one of them defines; the control is each by itself."""
    more, objects = record("more", [*FORM, "init_params"]), named(MODEL)
    school = Roll([record("ann", FORM[:2]), more, objects, EMPTY], 7)
    assert most(school) == {5.0}
    assert {marks.total(marks.marks(each, None))[1] for each in school.records} == {2.0, 5.0, 6.0}
    assert most(replace(school, records=[objects, objects, more])) == {2.0}
    assert most(replace(school, weights={"sgd": 3.0})) == {3.0}


def test_an_exercise_has_the_same_points_for_those_who_have_none():
    assert most(Roll([named("huber"), EMPTY], 7)) == {1.0}
