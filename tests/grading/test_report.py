"""What is shown of checked answers: right in every format, and nothing of an answer gets loose."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from harness.grading import exports, marks, report
from harness.grading import pages as site
from harness.grading.classroom import Record
from harness.grading.marks import Roll
from harness.grading.result import VERDICTS, Checked, Judged
from harness.grading.terminal import in_short

HOSTILE = "<script>alert(1)</script> [red]x[/red] \x1b[2J\x07 ]]> & \"'\ud800\u202e\n=cmd()"
FIRST = {"stage": "loss", "epoch": 0, "step": 3, "got": 2.41, "expected": 1.2, "gap": 1.2}
WRONG = Judged(
    "squared_loss",
    "fail",
    "different",
    FIRST | {"allowed": 2e-7, "message": "said"},
    {"id": "loss.no-reshape", "evidence": "the ratio is m"},
    2,
    "loss[epoch 0 step 3] = 2.41, but should be 1.20 (gap 1.2e0, allowed 2e-7)",
    hint="Look at the shapes.",
    what="It broadcasts.",
    fix="Reshape y.",
)
RAISES = Judged("linreg", "error", line=1, message="raises NameError: no net", raised="NameError")
PASSED = Judged("sgd", "pass", "rounding", line=1, message="agrees within rounding")
MISSING = Judged("train", "missing", message="not there yet")
CODE = ("def linreg(X, w, b):", "    return y_hat - y")


def record(student="ann", *components, verdict="fail", **facts):
    told = {"path": f"{student}.py", "verdict": verdict, "components": components} | facts
    return Record(student, Checked(**told), 7, CODE)


def crashed(student="eve", message="ended with SIGSEGV"):
    error = {"type": "crash", "message": message, "line": None}
    return record(student, verdict="error", error=error)


ONE = Roll([record("ann", WRONG, PASSED, MISSING)], 7)
CLASS = Roll(
    [
        record("ann", WRONG, PASSED, MISSING),
        record("bob", WRONG, RAISES),
        record("cyd", PASSED, verdict="pass"),
        crashed(),
    ],
    7,
    isolation=(("Memory is limited.",), ("The network may be reached.",)),
)
EVIL = Judged(
    "sgd",
    "fail",
    "different",
    FIRST | {"message": HOSTILE},
    {"id": HOSTILE, "evidence": HOSTILE},
    1,
    HOSTILE,
    hint=HOSTILE,
    what=HOSTILE,
    fix=HOSTILE,
)
EVIL_RECORD = replace(
    record(
        HOSTILE,
        EVIL,
        error={"type": HOSTILE, "message": HOSTILE, "line": 2},
        notes=(HOSTILE,),
        output=HOSTILE,
    ),
    code=(HOSTILE, "\x00"),
)
EVIL_ROLLS = [Roll([EVIL_RECORD] * n, 7, hints=3) for n in (1, 2, 4)]


def text(roll):
    return report.RENDERERS["text"](roll)


# -- a terminal ----------------------------------------------------------------


def test_one_answer_is_told_what_where_and_a_hint():
    found = text(ONE)
    assert "✗ fail  ann.py: 1 of 2 right" in found
    assert re.search(r"✗ fail +squared_loss\n +line 2: return y_hat - y\n +loss\[epoch 0", found)
    assert "cause: loss.no-reshape, the ratio is m" in found
    assert re.search(r"✓ pass +sgd +agrees within rounding", found)
    assert re.search(r"· missing +train", found)
    assert "--seed 7" in found


@pytest.mark.parametrize("hints", [0, 1, 2, 3])
def test_hints_tell_more_and_more(hints):
    found = text(replace(ONE, hints=hints))
    telling = ["squared_loss", "Look at the shapes.", "It broadcasts.", "Reshape y."]
    assert [words in found for words in telling] == [n <= hints for n in range(4)]
    assert ("loss.no-reshape" in found) == ("line 2" in found) == (hints > 0)


def test_what_raised_is_not_told_twice():
    cause = {"id": "model.raises", "evidence": RAISES.message}
    found = text(Roll([record("bob", replace(RAISES, cause=cause))], 7))
    assert found.count("NameError") == 1
    assert "cause: model.raises\n" in found


def test_a_class_is_told_part_by_part_and_mistake_by_mistake():
    found = text(CLASS)
    assert found.startswith("4 answers: 1 pass, 2 fail, 1 error\n")
    assert re.search(r"part +pass +fail +error +missing\n", found)
    assert re.search(r"squared_loss +· +2 +· +·\n", found)
    assert "2 of 4 diverge at squared_loss: loss.no-reshape\n  It broadcasts.\n  ann, bob" in found
    assert "1 of 4 diverges at linreg: raises NameError" in found
    assert "1 of 4 could not be judged in full: crash\n  ended with SIGSEGV" in found
    assert "cyd:" not in found


def test_a_class_does_not_flood_a_terminal():
    """The control: as many answers as fit are all listed."""
    many = [
        record(f"s{n}", replace(WRONG, cause={"id": f"c{n}", "evidence": ""})) for n in range(99)
    ]
    found = text(Roll(many, 7))
    assert "and 59 more; --out DIR" in found
    assert "and 89 less frequent" in found
    assert "more; --out" not in text(Roll(many[:40], 7))


def test_seeds_of_earlier_runs_are_told():
    earlier = replace(record("old", PASSED, verdict="pass"), seed=3)
    assert "seeds: 3, 7" in text(Roll([*ONE.records, earlier], 7))


# -- clusters and marks --------------------------------------------------------


def test_answers_are_clustered_by_part_and_mistake():
    found = [(c.part, c.cause, len(c.members)) for c in marks.clusters(CLASS.records)]
    assert found == [
        ("squared_loss", "loss.no-reshape", 2),
        ("", "crash", 1),
        ("linreg", "raises NameError", 1),
    ]
    unknown = replace(WRONG, cause=None)
    (cluster,) = marks.clusters([record("ann", unknown, unknown)])
    assert cluster.cause == "first at the loss, by no known mistake"
    assert len(cluster.members) == 1


def test_one_exception_may_be_of_several_mistakes():
    """A cluster has one cause, and one text."""
    causes = [{"id": id_, "evidence": "seen"} for id_ in ("train.stale-forward", "model.raises")]
    raised = [replace(RAISES, cause=cause, what=cause["id"]) for cause in causes]
    school = [record(str(at), one) for at, one in enumerate([*raised, raised[0]])]
    school += [crashed(), crashed(message="ended with SIGKILL"), crashed()]
    found = [(c.cause, c.what, len(c.members)) for c in marks.clusters(school)]
    assert found == [
        ("crash", "ended with SIGSEGV", 2),
        ("train.stale-forward", "train.stale-forward", 2),
        ("crash", "ended with SIGKILL", 1),
        ("model.raises", "model.raises", 1),
    ]


def test_mistakes_that_cannot_be_told_apart_are_all_named():
    """Wherever a cause is shown; the control is `ONE`, whose cause is certain."""
    roll = Roll([record("ann", replace(WRONG, also=["loss.row-labels"]))], 7)
    assert "cause: loss.no-reshape or loss.row-labels, the ratio is m" in text(roll)
    (cluster,) = marks.clusters(roll.records)
    assert cluster.title(1).endswith("squared_loss: loss.no-reshape or loss.row-labels")
    (row,) = rows(exports.to_csv(roll))
    assert row["cause"] == "loss.no-reshape or loss.row-labels"
    test = json.loads(exports.to_gradescope(roll))["tests"][2]
    assert test["tags"] == ["loss.no-reshape", "loss.row-labels"]
    assert "loss.no-reshape or loss.row-labels" in site.to_html(roll)
    (component,) = json.loads(exports.to_json(roll))["answers"][0]["components"]
    assert component["cause"] == WRONG.cause
    for shown in (text(ONE), site.to_html(ONE), exports.to_csv(ONE)):
        assert " or loss" not in shown


def points(found, weights=None):
    return {mark.part: (mark.score, mark.most) for mark in marks.marks(found, weights)}


def test_parts_are_worth_points():
    parts = ("data_iter", "linreg", "squared_loss", "sgd", "train")
    alone = dict.fromkeys(parts, (0.0, 1.0))
    assert points(ONE.records[0]) == alone | {"sgd": (1.0, 1.0)}
    assert points(crashed()) == alone
    found = record("ann", PASSED, Judged("init_params", "fail"))
    assert points(found)["init_params"] == (0.0, 1.0)
    assert points(found, {"sgd": 3, "train": 2}) == {"sgd": (3, 3), "train": (0.0, 2)}


def test_the_object_form_is_worth_as_much():
    """The class stands for the parts inside it, where weights name those."""
    model = Judged("LinearRegressionScratch", "pass")
    found = record("ann", model, replace(PASSED, name="SGD"))
    assert points(found) == {"sgd": (1.0, 1.0), "LinearRegressionScratch": (1.0, 1.0)}
    assert points(found, {"linreg": 1, "sgd": 1, "train": 1})["linreg"] == (1, 1)
    failed = record("ann", replace(model, status="fail"))
    assert points(failed, {"linreg": 1}) == {"linreg": (0.0, 1)}
    named = record("ann", Judged("mse_loss", "pass"), Judged("squared_loss", "missing"))
    assert points(named)["squared_loss"] == (1.0, 1.0)


def test_an_exercise_is_worth_itself():
    assert points(record("ann", Judged("huber", "pass"))) == {"huber": (1.0, 1.0)}


# -- files ---------------------------------------------------------------------


def test_json_is_the_contract():
    found = json.loads(exports.to_json(CLASS))
    assert found["schema"] == "svb.check/1"
    assert found["summary"] == dict(zip(VERDICTS, (1, 0, 2, 1, 0), strict=True))
    component = found["answers"][0]["components"][0]
    assert component["first_divergence"]["gap"] == 1.2
    assert (component["line"], component["where"]) == (2, "line 2")
    assert found["isolation"]["not_in_force"] == ["The network may be reached."]


def rows(table):
    return list(csv.DictReader(io.StringIO(table)))


def test_csv_has_a_row_for_each_component_and_each_broken_file():
    found = rows(exports.to_csv(CLASS))
    assert [row["component"] for row in found] == [
        *("squared_loss", "sgd", "train"),
        *("squared_loss", "linreg"),
        "sgd",
        "file",
    ]
    assert found[0]["cause"] == "loss.no-reshape"
    assert (found[0]["stage"], found[0]["allowed"]) == ("loss", "2e-07")


def test_grades_have_a_row_for_each_student():
    """Of one with several answers the best: points of several files are never added up."""
    twice = Roll([*CLASS.records, record("ann", PASSED, replace(PASSED, name="linreg"))], 7)
    found = {row["student_id"]: row for row in rows(exports.to_grades(twice))}
    assert list(found) == ["ann", "bob", "cyd", "eve"]
    assert found["ann"]["score"] == found["ann"]["raw_score"] == "2.0"
    assert {row["max_score"] for row in found.values()} == {"5.0"}
    assert json.loads(exports.to_gradescope(twice))["score"] == 3


def test_junit_tells_failures_errors_and_what_is_missing():
    root = ET.fromstring(exports.to_junit(CLASS).encode())
    suites = {suite.get("name"): suite for suite in root}
    ann = suites["ann.py"]
    assert [ann.get(key) for key in ("tests", "failures", "errors", "skipped")] == list("3101")
    assert [child.tag for case in ann for child in case] == ["failure", "skipped"]
    assert "ended with SIGSEGV" in str(suites["eve.py"][0][0].get("message"))
    assert [child for case in suites["cyd.py"] for child in case] == []
    assert "loss[" in exports.to_junit(ONE)
    assert "loss[" not in exports.to_junit(replace(ONE, hints=0))


KNOWN = {
    *("score", "max_score", "status", "name", "number", "output", "output_format"),
    *("visibility", "tags", "extra_data"),
}


def test_gradescope_gets_a_test_for_each_part():
    found = json.loads(exports.to_gradescope(replace(ONE, weights={"sgd": 3, "linreg": 1})))
    assert found["score"] == 3
    assert [(t["name"], t["score"], t["max_score"]) for t in found["tests"]] == [
        ("sgd", 3, 3),
        ("linreg", 0.0, 1),
    ]
    assert [t["status"] for t in found["tests"]] == ["passed", "failed"]
    assert all(set(test) <= KNOWN for test in found["tests"])
    wrong = json.loads(exports.to_gradescope(ONE))["tests"][2]
    assert wrong["tags"] == ["loss.no-reshape"]
    assert "hint: Look at the shapes." in wrong["output"]


def test_gradescope_gets_a_result_of_a_crash_and_of_a_class():
    found = json.loads(exports.to_gradescope(Roll([crashed()], 7)))
    assert found["score"] == 0
    assert "SIGSEGV" in found["output"]
    assert {test["status"] for test in found["tests"]} == {"failed"}
    whole = json.loads(exports.to_gradescope(CLASS))
    assert [test["name"] for test in whole["tests"]] == ["ann", "bob", "cyd", "eve"]
    assert whole["score"] == 2


class Page(HTMLParser):
    """What a page refers to, and whether its tags are closed."""

    VOID = ("meta", "br", "wbr", "link", "img")

    def __init__(self, html):
        super().__init__()
        self.open, self.links, self.ids, self.tags = [], [], set(), set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note a tag, its target and its id."""
        told = dict(attrs)
        self.tags.add(tag)
        self.ids |= {told["id"]} if "id" in told else set()
        self.links += [told[name] for name in ("href", "src") if name in told]
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag):
        """The innermost open tag, and no other, ends."""
        assert self.open.pop() == tag


def pages(roll):
    yield site.to_html(roll, {"version": HOSTILE})
    for found in roll.records:
        yield site.answer_html(roll, found)


@pytest.mark.parametrize("roll", [ONE, CLASS, *EVIL_ROLLS, Roll([], 7)])
def test_pages_stand_alone(roll):
    """Well formed, without script and without anything from elsewhere; every anchor is there."""
    for html in pages(roll):
        page = Page(html)
        assert page.open == []
        assert not page.tags & {"script", "link", "img", "iframe", "object"}
        assert all(link.startswith(("#", "answers/", "../../")) for link in page.links)
        assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
        assert not re.search(r"url\(|@import|https?:", html)


def test_a_page_of_a_class_links_every_answer():
    links = Page(site.to_html(CLASS)).links
    for found in CLASS.records:
        assert f"answers/{site.address(found)}/index.html" in links


def test_code_stands_on_its_page_with_the_line_marked():
    html = site.answer_html(CLASS, CLASS.records[0])
    assert re.search(r'<tr id="L2" class="fail"><th scope="row">2</th><td>    return', html)
    assert 'href="../../check.html"' in html
    assert "../../" not in site.to_html(ONE)


@pytest.mark.parametrize("roll", EVIL_ROLLS)
@pytest.mark.parametrize("form", report.RENDERERS)
def test_nothing_of_an_answer_gets_loose(roll, form):
    """No control character, no lone surrogate, no formula, no markup."""
    found = report.RENDERERS[form](roll)
    found.encode()
    shown = json.dumps(json.loads(found), ensure_ascii=False) if found[0] == "{" else found
    if form != "json":  # there the strings are data, escaped
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", shown)
    if form == "markdown":
        assert "<script" not in found.replace(r"\<script", "")
    if form == "junit":
        ET.fromstring(found.encode())
    if form == "csv":
        assert not re.search("(?m)(^|,)=", found)


def test_no_page_holds_markup_of_an_answer():
    for roll in EVIL_ROLLS:
        for html in pages(roll):
            assert "&lt;script&gt;" in html
            assert "<script" not in html
            assert "\x1b" not in html


# -- writing -------------------------------------------------------------------


def test_everything_is_written(tmp_path):
    page = report.write(CLASS, tmp_path / "out", {"version": "1"})
    assert page == tmp_path / "out" / "check.html"
    names = {path.name for path in page.parent.iterdir()}
    files = ("json", "csv", "md", "html")
    assert names == {
        *(f"check.{suffix}" for suffix in files),
        *("junit.xml", "results.json", "grades.csv", "answers"),
    }
    for found in CLASS.records:
        folder = page.parent / "answers" / site.address(found)
        assert {path.name for path in folder.iterdir()} == {"index.html", "results.json"}
        told = json.loads((folder / "results.json").read_text())
        assert "summary" not in told["extra_data"], "an answer's own file tells nothing of others"


def test_one_answer_has_one_page(tmp_path):
    report.write(ONE, tmp_path, {})
    assert not (tmp_path / "answers").exists()
    assert "squared_loss" in (tmp_path / "check.html").read_text()


def test_answers_with_like_names_have_folders_of_their_own():
    names = ["a b", "a-b", "../../etc", "=cmd", "一", ""]
    found = {site.address(record(name)) for name in names}
    assert len(found) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9-]+", name) for name in found)


def test_what_is_not_judged_says_what_it_is():
    """Of another chapter or framework; an answer of which nothing was compared says nothing."""
    chapter = record("ann", verdict="inconclusive", chapter="softmax")
    framework = record("bob", verdict="inconclusive", framework="jax")
    assert [in_short(each) for each in (chapter, framework)] == [
        "not judged: softmax",
        "not judged: jax",
    ]
    assert in_short(record("eve", verdict="inconclusive")) == ""
    assert in_short(record("kim", verdict="pass", framework="mxnet")) == ""
