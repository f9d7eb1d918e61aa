"""What a benchmark's report shows: read from its JSON alone, the same bytes each time."""

import copy
import csv
import io
import json
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bench import report as bench_report
from harness.bench.bench import Bench
from harness.bench.differences import (
    differences,
    differences_csv,
    differences_markdown,
)
from harness.bench.entries import COMPONENTS, Entry, plain, setting
from harness.bench.paired import Duel, Plan
from harness.bench.report import summary_lines, to_csv, to_html, to_markdown, to_table, validate
from harness.bench.timer import Row
from harness.bench.variants import FORM
from harness.bench.view import duration, interval, said, sentence, sizes, warnings
from harness.cli import main
from harness.errors import InputError
from harness.pairs.linear import BUILTIN, SCRATCH
from harness.report import files

CASE = setting("small", 40, 2, 10)
EVIL = "<script>alert(1)</script>|`x`\x1b[31m"


def match(first, second=1e-3, count=12, name="x"):
    return Duel(name, "scratch", "builtin", ((first, second),) * count, (3, 2), 1, 0.03, (0.1, 0.2))


def row(name, first, group="components", **more):
    entry = Entry(CASE, group, name, plain(SCRATCH[FORM]), plain(BUILTIN[FORM]))
    found = None if first is None else match(first)
    return Row(entry, more.pop("agreement", "identical"), duel=found, **more)


def bench(*rows, control=1e-3):
    every = [row(name, 0.4e-3) for name in COMPONENTS]
    every += [row("whole epoch", 5e-3, "epoch", memory=[12_300, 119_000]), *rows]
    return Bench("cpu", 1, 0, Plan(), [CASE], match(control), every)


def sweep(crossover=200.0):
    points = [
        {**row("p", cost).to_dict(), "x": x, "memory": [100 * x, 200 * x]}
        for x, cost in ((100, 0.5e-3), (400, 2e-3))
    ]
    return {
        "name": "over n",
        "over": "n",
        "first": "scratch",
        "second": "builtin",
        "points": points,
        "crossover": crossover,
    }


@pytest.fixture
def report():
    """A report with one row of each kind."""
    found = bench(
        row("tie", 1.01e-3),
        row("differs", None, agreement="different", why="not timed: loss[epoch 0 step 0] = 2"),
    )
    found.sweeps = [sweep()]
    return json.loads(json.dumps(found.to_dict()))


class Reader(HTMLParser):
    """Collects tags, and what must not be there."""

    def __init__(self):
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        """Keep count of what is open."""
        self.tags.append(tag)
        if tag not in ("meta", "br", "path", "circle", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Every end tag closes the one that is open."""
        if tag in ("path", "circle", "rect"):
            return
        assert self.open.pop() == tag


# -- texts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(3.41e-6, "3.41 µs"), (0.0128, "12.8 ms"), (1.25, "1.25 s"), (99.96e-3, "100 ms")],
        *[(150e-9, "150 ns"), (4e-6, "4.00 µs"), (None, "–"), (250.0, "250 s")],
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([12_300, 119_000], "12.3 | 119 kB"),
        ([410_000, 1_160_000], "0.41 | 1.16 MB"),
        ([0, 5], "0 | 5 B"),
        ([None, 1_000_000], "– | 1 MB"),
        ([None, None], "–"),
    ],
)
def test_sizes(counts, text):
    assert sizes(counts) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *[(0.5e-3, "◀ 2.00 × faster"), (2e-3, "▶ 2.00 × slower"), (1e-3, "= tie")],
        (0.0095e-3, "◀ 105 × faster"),
    ],
)
def test_the_direction_is_said_in_words(seconds, words):
    assert said(match(seconds)) == words


def test_small_ratios_keep_their_digits():
    assert interval(match(0.0128e-3)) == "0.0128 [0.0128, 0.0128]"
    assert interval(match(12e-3)) == "12.0 [12.0, 12.0]"


def test_the_sentence_counts_and_tells_the_noise_floor(report):
    assert sentence(report) == (
        "8 rows: 1 not timed because the sides differ, 5 faster, 1 slower, 1 tie; 2 sizes: "
        "1 faster, 1 slower; noise floor: a side against itself gives 1.000 [1.000, 1.000], and "
        "within ±3% is a tie."
    )


def test_warnings_only_where_there_is_something_to_doubt(report):
    report["control"]["load"] = [0.1, 0.1]
    assert warnings(report) == []
    noisy = bench(control=1.2e-3).to_dict()
    noisy["control"]["load"], noisy["environment"]["cores"] = [4.0, 4.0], 2
    assert [line.split(":")[0] for line in warnings(noisy)] == [
        "The control is no tie",
        "The machine was busy",
    ]
    report["rows"][0]["duel"] |= {"pairs": [[1, 1], [3, 1], [3, 1]] * 10, "block": 3}
    assert warnings(report) == [
        "Blocks and plain ratios disagree, so doubt these: small/components/data iterator."
    ]


# -- renderers -----------------------------------------------------------------


def test_html_is_whole_and_needs_no_script(report):
    page = to_html(report)
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert "script" not in reader.tags
    assert "http" not in page
    assert page.count("<svg") == page.count('role="img"') == page.count("<desc")
    # a forest, the anatomy, time and memory of the sweep, and the pairs of seven rows
    assert page.count("<svg") == 1 + 1 + 2 + 7
    assert "crossover 200" in page
    assert "loss[epoch 0 step 0] = 2" in page


def test_every_format_says_the_same(report):
    for render in (to_html, to_markdown, to_csv):
        text = render(report)
        assert "whole epoch" in text
        assert "tie" in text
    table = str(to_table(report, 120))
    assert "5.000 [5.000, 5.000] ▶ 5.00 × slower = identical 12.3 | 119 kB" in " ".join(
        table.split()
    )


def test_the_table_fits_the_terminal(report):
    for width in (80, 120):
        lines = str(to_table(report, width)).splitlines()
        assert max(map(len, lines)) <= width
        assert any(line.strip().startswith("whole epoch") for line in lines)


def test_csv_has_a_line_a_row_and_a_size(report):
    rows = list(csv.DictReader(io.StringIO(to_csv(report))))
    assert len(rows) == 8 + 2
    assert rows[5]["first_seconds"] == "0.005"
    assert (rows[5]["verdict"], rows[7]["verdict"]) == ("slower", "")
    assert rows[7]["agreement"] == "different"


def test_markdown_tables_are_rectangular(report):
    lines = [line for line in to_markdown(report).splitlines() if line.startswith("|")]
    for head, rule in pairwise(lines):
        if set(rule) <= set("|-: "):
            assert head.count("|") == rule.count("|")


def test_summary_lines_name_what_was_not_timed(report):
    lines = summary_lines(report)
    assert "✗ small/components/differs: not timed: loss[epoch 0 step 0] = 2" in lines
    assert "  They cross at about n = 200." in lines
    assert lines[-1].startswith("8 rows: 1 not timed")


def test_hostile_texts_stay_texts(report):
    for each in (report["rows"][0], report["sweeps"][0], report["settings"][0]):
        each["name"] = EVIL
    report["rows"][7]["why"] = EVIL
    assert "<script>" not in to_html(report)
    pages = [render(report) for render in (to_html, to_markdown, to_csv)]
    assert "\x1b" not in "".join(pages)
    assert "\x1b" not in "\n".join([str(to_table(report)), *summary_lines(report)])


def test_rendering_again_gives_the_same_bytes(report, tmp_path, capsys):
    bench_report.write(report, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["report", str(tmp_path / "bench.json"), "--format", "markdown"]) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert capsys.readouterr().out == before["bench.md"].decode()


# -- reading -------------------------------------------------------------------


def test_a_saved_report_is_valid(report):
    assert validate(report, "x") == report


@pytest.mark.parametrize("key", ["rows", "environment", "sweeps", "verdict"])
def test_a_missing_key_is_named(report, key):
    del report[key]
    with pytest.raises(InputError, match=f"x lacks the key '{key}'"):
        validate(report, "x")


def test_a_broken_duel_is_named(report):
    report["rows"][2]["duel"]["pairs"] = []
    with pytest.raises(InputError, match="the duel of row 2 lacks its pairs"):
        validate(report, "x")


@pytest.mark.parametrize(
    ("key", "value"),
    [("control", {"load": 1}), ("anatomy", [{}]), ("sweeps", [{"points": 3}]), ("rows", [3])],
)
def test_a_broken_part_is_refused_in_a_sentence(report, key, value):
    report[key] = value
    with pytest.raises(InputError, match=r"^x"):
        validate(report, "x")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.sampled_from(["pairs", "name", "calls"]), s),
    )
)
def test_whatever_stands_in_place_of_a_duel_is_refused_in_a_sentence(thing):
    found = bench().to_dict()
    found["rows"][0]["duel"] = thing
    try:
        validate(found, "x")
    except InputError as error:
        assert str(error).endswith(".")  # noqa: PT017 - both outcomes are right
    else:
        assert not thing


# -- two runs ------------------------------------------------------------------


def slower(report, factor):
    moved = copy.deepcopy(report)
    for pair in (pair for row in moved["rows"] if row["duel"] for pair in row["duel"]["pairs"]):
        pair[0] *= factor
    return moved


@pytest.mark.parametrize(("factor", "word"), [(1.0, "tie"), (1.5, "slower"), (0.5, "faster")])
def test_two_runs_say_how_the_ratios_moved(report, factor, word):
    found = differences(report, slower(report, factor))
    assert {row["verdict"] for row in found["rows"]} == {word}
    assert all(row["change"] == pytest.approx(factor) for row in found["rows"])
    assert found["warnings"] == []
    assert len(found["rows"]) == 7


def test_overlapping_intervals_are_unclear(report):
    """A change that is smaller than the noise of both runs is none."""
    wide, moved = copy.deepcopy(report), slower(report, 1.05)
    for each in (wide, moved):
        for i, pair in enumerate(each["rows"][0]["duel"]["pairs"]):
            pair[0] *= 1.2 if i % 2 else 1.0
    assert differences(wide, moved)["rows"][0]["verdict"] == "unclear"


def test_other_machines_are_warned_of(report):
    other = copy.deepcopy(report)
    other["environment"]["processor"] = "another"
    other["threads"] = 8
    lines = differences(report, other)["warnings"]
    assert [line.split(" was ")[0] for line in lines] == [
        "The environments differ: processor",
        "The environments differ: threads",
    ]


def test_rows_of_one_run_alone_are_named(report):
    fewer = copy.deepcopy(report)
    gone = fewer["rows"].pop(0)["id"]
    assert differences(report, fewer)["only_old"] == [gone]
    assert gone in differences_markdown(differences(fewer, report))


def test_two_runs_by_the_command(report, tmp_path, capsys):
    paths = [tmp_path / name for name in ("old.json", "new.json")]
    for path, found in zip(paths, (report, slower(report, 2)), strict=True):
        path.write_text(json.dumps(found))
    words = ["report", *map(str, paths)]
    assert main(words) == 0
    assert "7 rows in both: 7 slower." in capsys.readouterr().out
    assert main([*words, "--format", "json"]) == 0
    found = differences(report, slower(report, 2))
    assert capsys.readouterr().out == files.to_json(found)
    assert main([*words, "--format", "csv"]) == 0
    assert capsys.readouterr().out == differences_csv(found)
    assert main([*words, "--out", str(tmp_path)]) == 2
    assert "--out goes with one report" in capsys.readouterr().err


def test_two_reports_of_another_kind_are_refused(tmp_path, capsys):
    path = tmp_path / "report.json"
    path.write_text('{"schema": "svb.compare/1"}')
    assert main(["report", str(path), str(path)]) == 2
    assert "report.json" in capsys.readouterr().err
