"""The proof as a page of the docs, and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.mistakes.catalogue import named
from harness.selftest.proof import Measure, Proof
from harness.selftest.robustness import Ordeal, cores
from harness.selftest.trials import Trial

HEADS = {
    "mistake": "mistake",
    "forms": "forms",
    "independent": "independent",
    "caught": "caught",
    "component": "right component",
    "stage": "right stage",
    "named": "named exactly",
    "wrongly": "wrongly named",
}
_PREFACE = """\
# How often the judge is right

Every known mistake, and right ways to write the same things, put to the judge. This page is written
by `svb list proof tests/corpus --write docs/proof.md`, which ends with 1 where a floor is missed;
`tox -e proof` runs it.

Each form of the catalogue is tried in every convention that can have it, with {seeds} draws of the
questions. The independent forms are files that were written without the catalogue: answers, run in
a worker like a learner's, and optimizers. The component can be wrong only for answers: a form of
the catalogue is one piece, and only this piece is asked. The stage is right where one of the
questions first goes wrong at the stage that can first show the mistake. Named exactly is named, and
nothing beside it. A mistake that is not named is not guessed at: what was measured is said instead.
"""
_ORDEAL = """\
Each of these files is judged in a worker and held against what its manifest states: of learners'
files the verdict, and where it fails also the component and the cause; of hostile or broken ones
the verdicts that are right, and the components that may pass. Any other pass is a forged verdict.
A process that was started meanwhile, by an answer or for one, and outlives the judging has escaped.

A class of right and wrong answers is judged by `svb check --out`, which is killed at random moments
of its judging, with its process group, and called again, up to five times before the class comes
to its end. After each kill every result kept before must still be there, to the letter; in the end
each must be there once, with the verdict that it has where nobody disturbs. A kill that came
before the first answer was handed out, or after the last result, does not count and is tried again.
"""
_BROKEN = """\
The project's tests break it on purpose, in one way after the other, and each has to be noticed:
`python -m pytest -m mutation`.
"""
_APART = """\
`data.reseeded` and `data.shuffle-once` serve the same within one process: an order that is drawn
again from the same seed in every call, and one that was drawn once and kept. Another process with
another seed tells them apart, a second run of the answer that only this pair is worth. Where there
is no other process, both are named.

`not-from-scratch` gives the right numbers, by means that are not allowed: the names that the code
uses tell it, and where they are hidden well enough nothing does.

A state that is kept outside the optimizer also outlives a question. It is caught, and is named only
where it begins anew with every question, as the catalogue's own does.
"""


def page(proof: Proof) -> str:
    """The proof as a page of the docs, in Markdown."""
    sections = {
        "Totals": _markdown(_TOTALS, map(_total, proof.measures)) + f"\n{took(proof)}\n",
        "By mistake": _markdown(HEADS, (row.cells for row in proof.rows)),
        "Not as it must be": _listed(proof.faults),
        "Caught, and not named exactly": _listed(set_apart(proof)),
        "Right and called wrong": _alarms(proof),
        "Learners' files, hostile files, killed runs": _endurance(proof.ordeal),
        "Right ways to write it": _kinds(proof),
        "First seen at another stage than in the catalogue": _elsewhere(proof),
        "What cannot be told apart": _APART + _together(proof),
        "What if the judge itself is broken": _BROKEN,
    }
    shown = "".join(f"\n## {title}\n\n{text}" for title, text in sections.items() if text)
    return _PREFACE.format(seeds=proof.seeds) + shown


_TOTALS = {"what": "", "measured": "measured", "floor": "must be", "met": "met"}


def lines(proof: Proof) -> Iterator[str]:
    """The table, totals, and what is not as it must be, for a terminal of 80 columns."""
    yield _line("mistake", "forms", "caught", "part", "stage", "named", "wrongly")
    for row in proof.rows:
        mistake, _, independent, *shares = row.cells.values()
        yield _line(mistake, f"{len(row.mistake.forms)}+{independent}", *shares)
    yield "forms are the catalogue's + independent ones; of all trials so many are as they must be"
    for total in map(_total, proof.measures):
        missed = "" if total["met"] == "yes" else ": MISSED"
        yield f"{total['what']:31} {total['measured']:21} must be {total['floor']}{missed}"
    yield took(proof)
    for title, trials in (("not as it must be", proof.faults), ("not named", set_apart(proof))):
        for trial in once_each(trials):
            yield f"{title}: {described(trial)}"
    for variant in proof.variants:
        if not variant.passed:
            yield f"called wrong: {variant.name}: {variant.said}"
    if proof.ordeal:
        yield from (f"not as stated: {fault}" for fault in proof.ordeal.faults)
        yield from (f"not tried: there is no {missing}" for missing in proof.ordeal.untried)


def _line(mistake: str, forms: str, *shares: str) -> str:
    return f"{mistake:31} {forms:>5} " + " ".join(f"{share:>7}" for share in shares)


def _total(measure: Measure) -> dict[str, str]:
    share = f" ({measure.count / measure.of:.1%})" if measure.of else ""
    return {
        "what": measure.what,
        "measured": f"{measure.count} of {measure.of}{share}",
        "floor": measure.floor,
        "met": "yes" if measure.met else "no",
    }


def took(proof: Proof) -> str:
    """How long it took, and on what."""
    return f"It took {proof.seconds:.0f} s on {cores()} cores."


def set_apart(proof: Proof) -> list[Trial]:
    """What was not named exactly, and is otherwise as it must be."""
    return [trial for trial in proof.unnamed if trial not in proof.faults]


def once_each(trials: Iterable[Trial]) -> list[Trial]:
    """The first trial of each file or form: other draws of the questions say the same."""
    first_trials: dict[tuple[str, str], Trial] = {}
    for trial in trials:
        first_trials.setdefault((trial.mistake, trial.name), trial)
    return list(first_trials.values())


def _markdown(heads: dict[str, str], rows: Iterable[dict[str, str]]) -> str:
    lines = [list(heads.values()), ["---"] * len(heads), *([row[h] for h in heads] for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def described(trial: Trial) -> str:
    """A trial in a line: what it is, what was named, where it went wrong, what was said."""
    named_as = ", ".join((*trial.causes, *trial.also)) or "nothing"
    stages = ", ".join(sorted(set(trial.stages))) or "no stage"
    part = ", in another part" if trial.component is False else ""
    return f"{trial.mistake}, {trial.name}: names {named_as}, at {stages}{part}. {trial.said}"


def _listed(trials: Iterable[Trial]) -> str:
    return "".join(f"- {described(trial)}\n" for trial in once_each(trials))


def _alarms(proof: Proof) -> str:
    return "".join(f"- {v.name}: {v.said}\n" for v in proof.variants if not v.passed)


def _endurance(ordeal: Ordeal | None) -> str:
    """What was done, and what of it was not as stated."""
    if ordeal is None:
        return ""
    faults = [f"- {fault}\n" for fault in ordeal.faults]
    faults += [f"- not tried: there is no {missing}\n" for missing in ordeal.untried]
    return f"{_ORDEAL}\nNot as stated: {'none.' if not faults else ''}\n{''.join(faults)}"


def _elsewhere(proof: Proof) -> str:
    """Trials that are written so that another stage than the catalogue's shows them first."""
    rows = [t for t in proof.trials if t.shows != named(t.mistake).first_stage]
    return "".join(
        f"- {t.name}: {t.shows}, not {named(t.mistake).first_stage}, as its second line says\n"
        for t in rows
    )


def _together(proof: Proof) -> str:
    """Which mistakes were named together, as far as it was tried."""
    pairs = sorted({" and ".join(sorted({*t.causes, *t.also})) for t in proof.trials if t.also})
    listed = "".join(f"- {pair}\n" for pair in pairs) or "none.\n"
    return f"\nNamed together in any of the {len(proof.trials)} trials: {listed}"


def _kinds(proof: Proof) -> str:
    """How many right ones of each kind there are, and the files by name."""
    words = {"catalogue": "the hand-written side", "answer": "answers", "optimizer": "optimizers"}
    lines = []
    for kind, what in words.items():
        these = [variant for variant in proof.variants if variant.kind == kind]
        files = sorted({Path(v.name).stem for v in these}) if kind != "catalogue" else []
        shown = f": {', '.join(files)}" if files else ""
        lines += [f"- {what}, {sum(v.passed for v in these)} of {len(these)} passed{shown}\n"]
    return "".join(lines)
