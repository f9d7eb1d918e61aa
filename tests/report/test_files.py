"""Reports: the four files, what is refused, and that hostile text stays text."""

from __future__ import annotations

import copy
import csv
import io
import json
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.errors import InputError
from harness.report import files, view

HOSTILE = '<script>alert("x")</script> | `a` *b* [c](d) [red]e[/red] \x1b[31m \x00 \ud800'
MESSAGE = "loss[epoch 0 step 3] = 2.41, but should be 1.20 (gap 1.2e0, allowed 2e-7)"


def stage(level: str = "rounding", **changes: Any) -> dict[str, Any]:
    """One stage as a comparison reports it."""
    gaps = {"max_gap": 1.9e-6, "allowed": 7e-6, "max_gap_ulps": 2.0, "allowed_ulps": 16.0}
    return {"level": level, "first_divergence": None, **gaps, "steps": 6, **changes}


def stages() -> dict[str, Any]:
    """The five stages of a case that agrees."""
    return {name: stage("identical" if name == "batch" else "rounding") for name in view.STAGES}


def curve() -> dict[str, Any]:
    """A short curve with a null, an infinity and a zero in it."""
    gaps = [0.0, 0.5, 2.0, None, "inf", 1.0]
    by_stage = dict.fromkeys(view.STAGES[1:], gaps)
    paths = [
        [0.0, 1.0, 1.5, 1.8, "nan", 2.0],
        [0.0, -1.0, -2.0, -3.0, -3.2, -3.4],
        [0.0, 2.0, 3.0, 4.0, 4.1, 4.2],
    ]
    return {
        "step": [0, 1, 2, 3, 4, 5],
        "subject_loss": [16.0, 4.0, 1.0, "inf", None, 1e-4],
        "reference_loss": [16.0, 4.0, 1.0, 0.1, 0.01, 1e-4],
        "gap_ulps": by_stage,
        "allowed_ulps": {name: [16.0] * 6 for name in by_stage},
        "parameters": {"names": ["w[0]", "w[1]", "b"], "subject": paths, "reference": paths},
    }


def case(name: str, verdict: str = "rounding", **changes: Any) -> dict[str, Any]:
    """A complete case."""
    ends = {"w": [2.0, -3.4], "b": 4.2, "loss": 1e-4}
    return {
        "name": name,
        "purpose": "the reference setting",
        "device": "cpu",
        "dtype": "float32",
        "verdict": verdict,
        "reason": None,
        "subject": "scratch (mse)",
        "reference": "builtin (mse)",
        "convention": None,
        "order": "reproduced",
        "settings": {"n": 20, "batch_size": 10, "lr": 0.03},
        "steps": 6,
        "stages": stages(),
        "runs": {"forced": stages(), "free": stages()},
        "drift": {
            "step": [0, 1, 2],
            "gap_ulps": [0.0, 1.0, 3.0],
            "max_gap": 1e-6,
            "explained": True,
        },
        "curve": curve(),
        "final": {
            "scratch": ends,
            "builtin": ends,
            "truth": {"w": [2.0, -3.4], "b": 4.2},
            "least_squares": ends,
        },
        "epoch_loss": {"subject": [1.0, "inf"], "reference": [1.0, None]},
        "notes": ["one | note"],
        "seconds": 0.4,
        **changes,
    }


def differing() -> dict[str, Any]:
    """A case whose loss differs, with a stage not judged."""
    worse = stages() | {
        "loss": stage(
            "different", first_divergence={"stage": "loss", "message": MESSAGE}, max_gap="inf"
        )
    }
    forced = worse | {"batch": None, "not_judged": {"batch": "the batches are fed"}}
    return case(
        "wrong-loss",
        "different",
        stages=worse | {"batch": None},
        runs={"forced": forced, "free": worse},
    )


def bare() -> dict[str, Any]:
    """A case that could not run: everything optional is null or absent."""
    keys = {"name": "broken", "device": "cpu", "dtype": "float64", "verdict": "error", "stages": {}}
    return keys | {
        "reason": "the model raised ValueError.",
        "curve": None,
        "final": None,
        "runs": None,
    }


@pytest.fixture
def sample() -> dict[str, Any]:
    """A report with one case of each kind."""
    row = {
        "source": "000 a|b",
        "quantity": "final loss",
        "printed": 5e-5,
        "median": 4.9e-5,
        "low": 4.5e-5,
    }
    return {
        "schema": "svb.compare/1",
        "name": "default",
        "verdict": "different",
        "summary": {
            "identical": 0,
            "rounding": 2,
            "convention": 0,
            "different": 1,
            "inconclusive": 0,
            "error": 1,
        },
        "cases": [
            case("mse-d2"),
            case(HOSTILE, notes=[HOSTILE], purpose=HOSTILE),
            differing(),
            bare(),
        ],
        "published": {
            "seeds": 20,
            "rows": [row | {"high": 5.4e-5, "bound": "near 5e-5", "ok": True}, row | {"ok": False}],
        },
        "environment": {"python": "3.11.7", "threads": 2, "commit": None, "host": HOSTILE},
    }


def svgs(html: str) -> list[ET.Element]:
    """Every plot of a page, parsed as XML."""
    return [ET.fromstring(found) for found in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]


def shown(sample: dict[str, Any], width: int = 200) -> str:
    """The terminal table as text."""
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(files.to_table(sample))
    return console.export_text()


# -- files ---------------------------------------------------------------------


def test_write_makes_the_folder_and_four_files(sample: dict[str, Any], tmp_path: Path) -> None:
    paths = files.write(sample, tmp_path / "new" / "folder")
    assert sorted(paths) == ["csv", "html", "json", "md"]
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted(
        p.name for p in paths.values()
    )


def test_what_was_written_reads_back_and_renders_to_the_same_bytes(
    sample: dict[str, Any], tmp_path: Path
) -> None:
    first = files.write(sample, tmp_path / "a")
    again = files.read(first["json"])
    assert again == sample
    second = files.write(again, tmp_path / "b")
    assert all(first[key].read_bytes() == second[key].read_bytes() for key in first)


def test_floats_that_are_not_finite_become_strings(sample: dict[str, Any], tmp_path: Path) -> None:
    sample["cases"][0]["stages"]["loss"]["max_gap"] = math.nan
    path = files.write(sample, tmp_path)["json"]
    assert files.read(path)["cases"][0]["stages"]["loss"]["max_gap"] == "nan"


@pytest.mark.parametrize("broken", ["render", "replace"])
def test_a_failure_leaves_old_files_and_nothing_else(
    sample: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    before = {p: p.read_bytes() for p in files.write(sample, tmp_path).values()}

    def fail(*_: object) -> str:
        raise OSError(28, "No space left on device")

    if broken == "render":
        monkeypatch.setitem(files.RENDERERS, "html", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises((InputError, OSError), match="No space left"):
        files.write(sample | {"name": "changed"}, tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_write_refuses_a_file_in_the_place_of_the_folder(
    sample: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("mine")
    for out in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(InputError, match="is not a folder"):
            files.write(sample, out)
    assert (tmp_path / "taken").read_text() == "mine"


def test_write_refuses_a_folder_in_the_place_of_a_file(
    sample: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InputError, match=r"report\.html is a folder"):
        files.write(sample, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        (b"{", "is not JSON"),
        (b'{"schema": NaN}', "is not JSON"),
        (b"\xff\xfe{\x00", "is not UTF-8"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "not an object"),
        (b"{}", "schema"),
        (b'{"schema": "svb.check/1"}', "svb.compare/1"),
        (b'{"schema": "svb.compare/1"}', "lacks the key 'name'"),
    ],
)
def test_read_refuses_in_one_sentence(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "report.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        files.read(path)
    assert "\n" not in str(caught.value)


def test_read_refuses_a_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        files.read(tmp_path)


@pytest.mark.parametrize("key", [*files.REPORT_KEYS, *files.CASE_KEYS])
def test_each_required_key_is_missed_by_name(
    sample: dict[str, Any], tmp_path: Path, key: str
) -> None:
    broken = copy.deepcopy(sample)
    del (broken if key in files.REPORT_KEYS and key != "name" else broken["cases"][1])[key]
    (tmp_path / "r.json").write_text(json.dumps(broken))
    with pytest.raises(InputError, match=key):
        files.read(tmp_path / "r.json")


def test_an_unknown_verdict_is_refused(sample: dict[str, Any], tmp_path: Path) -> None:
    sample["cases"][0]["verdict"] = "pass"
    with pytest.raises(InputError, match="verdict 'pass'"):
        files.write(sample, tmp_path)


@pytest.mark.parametrize(
    "junk", [None, 3, "text", [], {}, [None], {"step": 3}, [["x"]], 10**400, True]
)
def test_optional_parts_of_the_wrong_kind_are_left_out(
    sample: dict[str, Any], tmp_path: Path, junk: Any
) -> None:
    required = set(files.CASE_KEYS)
    case = {key: value if key in required else junk for key, value in sample["cases"][0].items()}
    case["stages"] = dict.fromkeys(view.STAGES, junk)
    files.write(sample | {"cases": [case], "published": junk, "environment": {"a": junk}}, tmp_path)
    shown(sample | {"cases": [case]})
    files.to_frame(sample | {"cases": [case]})


# -- pages ---------------------------------------------------------------------


def test_html_shows_hostile_text_as_text(sample: dict[str, Any]) -> None:
    html = files.to_html(sample)
    assert "&lt;script&gt;alert(" in html  # the control: the text did arrive
    assert "<script" not in html.lower()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", html)


def test_html_needs_no_network(sample: dict[str, Any]) -> None:
    html = files.to_html(sample)
    assert not re.search(r"http|@import|url\(|<link|<img|<iframe|src=|\bon\w+=", html)


def test_html_links_lead_to_sections_and_ids_are_unique(sample: dict[str, Any]) -> None:
    html = files.to_html(sample)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)
    assert set(" ".join(re.findall(r'aria-labelledby="([^"]+)"', html)).split()) <= set(ids)


def test_html_puts_what_differs_first_and_open(sample: dict[str, Any]) -> None:
    html = files.to_html(sample)
    opened = re.findall(r'<details class="case v-(\w+)"( open)?', html)
    assert opened == [("different", " open"), ("error", ""), ("rounding", ""), ("rounding", "")]
    assert MESSAGE in html
    assert "the batches are fed" in html


def test_html_says_the_verdict_with_counts(sample: dict[str, Any]) -> None:
    assert "4 cases: 1 differs, 1 could not run, 2 agree within rounding." in files.to_html(sample)
    alone = sample | {"cases": [case("a", "identical")]}
    assert "1 case: 1 identical." in files.to_html(alone)
    assert "nothing was compared" in files.to_html(sample | {"cases": []})


def test_every_plot_is_xml_with_title_and_description(sample: dict[str, Any]) -> None:
    plots = svgs(files.to_html(sample))
    assert len(plots) == 3 * 7  # loss, parameters, four gaps and the drift, for each case that ran
    for svg in plots:
        assert svg.get("role") == "img"
        assert all((svg.findtext(tag) or "").strip() for tag in ("title", "desc"))
        assert not re.search("inf|nan", " ".join(path.get("d", "") for path in svg.iter("path")))


def test_every_plot_has_its_numbers(sample: dict[str, Any]) -> None:
    html = files.to_html(sample)
    assert (
        len(re.findall("<figure>", html))
        == len(re.findall("<summary>Numbers</summary>", html))
        == len(svgs(html))
    )


def test_a_case_that_is_identical_has_no_empty_gap_plots(sample: dict[str, Any]) -> None:
    quiet = curve() | {"gap_ulps": {name: [0.0] * 6 for name in view.STAGES}}
    html = files.to_html(sample | {"cases": [case("a", "identical", curve=quiet, drift=None)]})
    assert [svg.findtext("title") for svg in svgs(html)] == ["Loss by step", "Parameters by step"]


def test_a_case_that_could_not_run_says_why_instead_of_a_table(sample: dict[str, Any]) -> None:
    html = files.to_html(sample | {"cases": [bare()]})
    assert "the model raised ValueError." in html
    assert "Stages of" not in html
    assert "Stages of" in files.to_html(sample | {"cases": [case("a")]})


def test_final_values_stand_beside_their_differences(sample: dict[str, Any]) -> None:
    html = files.to_html(sample)
    assert all(head in html for head in ("least squares", "scratch − builtin", "scratch − truth"))
    assert '<tr><th scope="row">w[1]</th><td class="num">-3.4</td>' in html


def test_published_figures_show_printed_and_spread(sample: dict[str, Any]) -> None:
    html = files.to_html(sample)
    assert all(
        text in html
        for text in ("near 5e-5", "4.5e-5 to 5.4e-5", "✓ yes", "✗ no", "spread of 20 seeds")
    )
    assert "Published" not in files.to_html(sample | {"published": None})


def test_a_full_report_stays_small(sample: dict[str, Any]) -> None:
    noisy = [2.0 + math.sin(12.9898 * i) for i in range(200)]
    long = curve() | {"step": list(range(200)), "subject_loss": noisy, "reference_loss": noisy}
    long["gap_ulps"] = dict.fromkeys(view.STAGES[1:], noisy)
    long["allowed_ulps"] = dict.fromkeys(view.STAGES[1:], [16.0] * 200)
    smooth = [2 - 2 * math.exp(-i / 40) + 0.01 * v for i, v in enumerate(noisy)]
    paths = {"subject": [smooth] * 3, "reference": [smooth] * 3}
    long["parameters"] = {"names": ["w[0]", "w[1]", "b"], **paths}
    drift = {"step": list(range(200)), "gap_ulps": noisy, "explained": True}
    cases = [case(f"case-{i}", curve=long, drift=drift) for i in range(35)]
    assert len(files.to_html(sample | {"cases": cases}).encode()) < 1_500_000


# -- Markdown, CSV, frame, table, notebook -------------------------------------


def test_markdown_tables_keep_their_columns(sample: dict[str, Any]) -> None:
    text = files.to_markdown(sample)
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(blocks) >= 6
    for block in blocks:
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block


def test_markdown_shows_hostile_text_as_text(sample: dict[str, Any]) -> None:
    text = files.to_markdown(sample)
    assert r"\<script\>" in text
    assert not re.search(r"(?<!\\)<", text)
    assert r"[c\](d)" in text
    assert not re.search(r"(?<!\\)\]\(", text)
    assert "\x1b" not in text
    assert MESSAGE in text


def test_markdown_leaves_plain_text_plain(sample: dict[str, Any]) -> None:
    text = files.to_markdown(sample | {"cases": [case("mse_d2")]})
    assert "batch size 10, lr 0.03" in text
    assert "| mse_d2 | ≈ rounding | = identical | ≈ rounding 1.9e-6 of 7e-6 |" in text


def test_frame_has_a_row_per_case_and_stage(sample: dict[str, Any]) -> None:
    frame = files.to_frame(sample)
    assert list(frame.columns) == list(files.COLUMNS)
    assert len(frame) == 4 * 5
    loss = frame[(frame.case == "wrong-loss") & (frame.stage == "loss")].iloc[0]
    assert (loss.level, loss.max_gap, loss.first_divergence) == ("different", math.inf, MESSAGE)
    assert (frame[frame.case == "broken"].level == "not judged").all()
    assert files.to_frame(sample | {"cases": []}).empty


def test_csv_has_the_rows_of_the_frame(sample: dict[str, Any]) -> None:
    sample["cases"][0]["name"] = "=1+1"
    rows = list(csv.DictReader(io.StringIO(files.to_csv(sample))))
    assert len(rows) == len(files.to_frame(sample))
    assert rows[0]["case"] == "'=1+1"
    assert float(rows[1]["max_gap"]) == 1.9e-6


@pytest.mark.parametrize("width", [40, 80, 200])
def test_table_renders_at_any_width(sample: dict[str, Any], width: int) -> None:
    text = shown(sample, width)
    assert "✗" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width


def test_table_shows_verdict_stages_and_devices(sample: dict[str, Any]) -> None:
    text = shown(sample)
    assert "✗ different" in text
    assert "≈ 2e-6 of 7e-6" in text
    assert "float64" in text
    assert "cpu" not in text  # one device only: no column for it
    assert "[red]e[/red]" in text
    assert "device" not in shown(sample | {"cases": [case("a")]})


def test_notebook_fragment_is_escaped_and_has_no_dead_links(sample: dict[str, Any]) -> None:
    html = files.notebook_html(sample)
    assert html.lstrip().startswith("<table")
    assert "href" not in html
    assert "<script" not in html


def test_lines_below_the_table_say_what_it_leaves_out(sample: dict[str, Any]) -> None:
    """Why a case does not agree, every note on one line, and the bounds that were broken."""
    lines = files.summary_lines(sample)
    assert all("\n" not in line for line in lines)
    why = [c for c in sample["cases"] if c["verdict"] in view.URGENT and c.get("reason")]
    assert [line[0] for line in lines[: len(why)]] == [
        view.GLYPHS[c["verdict"]]
        for c in sorted(why, key=lambda c: view.URGENT.index(c["verdict"]))
    ]
    notes = [note for c in sample["cases"] for note in c.get("notes") or []]
    assert sum(line.startswith("· ") for line in lines) == len(notes) > 0
    assert any("1 of 2 bounds kept" in line for line in lines)
    assert files.summary_lines(sample | {"cases": [], "published": None}) == []
