"""How often the judge is right: every known mistake, and right ways to write things, put to it.

    svb list proof tests/corpus --write docs/proof.md

Wrong are the catalogue's own forms, in each convention and with several draws of the questions;
answers that were written without the catalogue, in a worker like a learner's; and optimizers that
were written likewise, which run in this process: prove only with files that you trust. Right are
both sides themselves, other answers and other optimizers. What the judge made of each is counted
and held against its floor, and so is what came of the files and killed runs of `ordeal`. Not
covered: a judge that is itself broken, which the tests marked `mutation` break on purpose.
"""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from harness.diagnosis.finding import Finding, find
from harness.engine.case import UpdateRule
from harness.engine.components import (
    COMPONENTS,
    DATA_ITERATOR,
    OPTIMIZER,
    Component,
    Question,
    Reply,
)
from harness.engine.components.contract import TARGETS, targets_of
from harness.engine.pieces import ObjectSGD
from harness.engine.recipe import Recipe
from harness.errors import InputError
from harness.grading.grade import Grader, Submission, afresh
from harness.grading.result import Checked, Judged
from harness.mistakes.catalogue import MISTAKES, named
from harness.mistakes.mistake import Mistake
from harness.pairs.linear import BUILTIN, SCRATCH, Form
from harness.selftest.robustness import Held, Ordeal, cores, endure

FORMS: tuple[Form, ...] = ("functional", "object", "mse")
SEEDS = 3
INDEPENDENT = 2  # forms of a mistake that the catalogue did not serve as model for
VARIANTS = 60

Kind = Literal["catalogue", "answer", "optimizer"]
Told = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """One wrong piece, and what the judge made of it.

    `mistake` is what it was written to be, `name` which one it is: a file, or a form with its
    convention and seed. `shows` is the stage that can first show it. `component` says whether the
    part at fault, and no other, was called wrong, None where only this part was asked. `stages` are
    where each failed question first went wrong, `causes` the ids that were named, `also` those that
    could not be told from them.
    """

    mistake: str
    kind: Kind
    name: str
    shows: str
    caught: bool
    component: bool | None
    stages: tuple[str, ...]
    causes: tuple[str, ...]
    also: tuple[str, ...]
    said: str

    @property
    def stage(self) -> bool:
        """Whether the stage that can first show it did so; none may where no number is wrong."""
        nowhere = self.shows == "none" and self.caught and not self.stages
        return nowhere or self.shows in self.stages

    @property
    def exact(self) -> bool:
        """Whether it was named, and nothing else was."""
        return {*self.causes, *self.also} == {self.mistake}

    @property
    def astray(self) -> bool:
        """Whether something else was named, and it was not."""
        return bool(self.causes) and self.mistake not in (*self.causes, *self.also)


@dataclass(frozen=True)
class Variant:
    """One right piece or answer, and whether it passed."""

    kind: Kind
    name: str
    passed: bool
    said: str


@dataclass(frozen=True)
class Measure:
    """How many of how many, and the share that it must have; nothing counted is never enough.

    `least` is a floor; `most`, where it is less than 1, a ceiling.
    """

    what: str
    count: int
    of: int
    least: float = 0.0
    most: float = 1.0

    @property
    def met(self) -> bool:
        """Whether the share is as it must be."""
        return self.of > 0 and self.least * self.of <= self.count <= self.most * self.of

    @property
    def floor(self) -> str:
        """What is asked of the share, in words."""
        return f"at least {self.least:.0%}" if self.least else f"{self.most:.0%}"


@dataclass(frozen=True)
class Proof:
    """All of `mistakes` that was tried; `corpus` is the folder of files, None where there was none.

    `seeds` are the draws of the questions; `ordeal` is None without files or for a few mistakes.
    """

    mistakes: tuple[Mistake, ...]
    trials: tuple[Trial, ...]
    variants: tuple[Variant, ...]
    corpus: str | None = None
    seeds: int = SEEDS
    seconds: float = 0.0
    ordeal: Ordeal | None = None

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The totals, with the floors that they are held against."""
        trials, placed = self.trials, [t for t in self.trials if t.component is not None]
        alarms = sum(not variant.passed for variant in self.variants)
        found = [
            Measure("caught", sum(t.caught for t in trials), len(trials), 1.0),
            Measure("at the right stage", sum(t.stage for t in trials), len(trials), 1.0),
            Measure("named exactly", sum(t.exact for t in trials), len(trials), 0.95),
            Measure("wrongly named", sum(t.astray for t in trials), len(trials), most=0.0),
            Measure("false alarms", alarms, len(self.variants), most=0.0),
        ]
        if self.corpus is None:
            return tuple(found)
        right = sum(bool(t.component) for t in placed)
        found.insert(1, Measure("in the right component", right, len(placed), 1.0))
        others = [t for t in trials if t.kind != "catalogue"]
        exact = sum(t.exact for t in others)
        found.insert(4, Measure("of independent forms alone", exact, len(others), 0.95))
        written = sum(row.independent >= INDEPENDENT for row in self.rows)
        files = sum(variant.kind != "catalogue" for variant in self.variants)
        return (
            *found,
            Measure(f"mistakes in {INDEPENDENT} independent forms", written, len(self.rows), 1.0),
            Measure(f"right files, of {VARIANTS} wanted", min(files, VARIANTS), VARIANTS, 1.0),
            *(_endured(self.ordeal) if self.ordeal else ()),
        )

    @property
    def missed(self) -> tuple[Measure, ...]:
        """The totals that are not as they must be."""
        return tuple(measure for measure in self.measures if not measure.met)

    @property
    def exit_status(self) -> int:
        """0 where every floor is met, else 1."""
        return 1 if self.missed else 0

    @property
    def rows(self) -> tuple[Row, ...]:
        """What was found of each mistake that could be tried."""
        tried = [
            Row(mistake, tuple(t for t in self.trials if t.mistake == mistake.id))
            for mistake in self.mistakes
        ]
        return tuple(row for row in tried if row.trials or self.corpus is not None)

    @property
    def unnamed(self) -> tuple[Trial, ...]:
        """Those that were not named exactly."""
        return tuple(trial for trial in self.trials if not trial.exact)

    @property
    def faults(self) -> tuple[Trial, ...]:
        """Those for which more than the name is not as it must be."""
        return tuple(
            t
            for t in self.trials
            if not (t.caught and t.stage and t.component is not False and not t.astray)
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values: `svb.proof/1`."""
        return {
            "schema": "svb.proof/1",
            "corpus": self.corpus,
            "seeds": self.seeds,
            "seconds": round(self.seconds, 1),
            "measures": [
                {"what": m.what, "count": m.count, "of": m.of, "floor": m.floor, "met": m.met}
                for m in self.measures
            ],
            "mistakes": [row.to_dict() for row in self.rows],
            "unnamed": [_plain(trial) for trial in self.unnamed],
            "faults": [_plain(trial) for trial in self.faults],
            "false_alarms": [f"{v.name}: {v.said}" for v in self.variants if not v.passed],
            "ordeal": list(self.ordeal.faults) if self.ordeal else None,
        }


def _endured(ordeal: Ordeal) -> Iterator[Measure]:
    """What came of files with a manifest, as far as there are any, and of killed runs."""
    if ordeal.learners:
        yield _as_stated("learners' files as stated", ordeal.learners)
    if ordeal.hostile:
        yield _as_stated("hostile or broken as stated", ordeal.hostile)
        yield Measure("forged verdicts", len(ordeal.forged), len(ordeal.hostile), most=0.0)
    killed = ordeal.killed
    started = len(ordeal.learners) + len(ordeal.hostile) + killed.wanted
    yield Measure("escaped processes", len(ordeal.escaped), started, most=0.0)
    yield Measure("runs killed while judging", killed.kills, killed.wanted, 1.0)
    yield Measure("lost results", len(killed.lost), killed.results, most=0.0)


def _as_stated(what: str, answers: Sequence[Held]) -> Measure:
    return Measure(what, sum(one.as_stated for one in answers), len(answers), 1.0)


def _plain(trial: Trial) -> dict[str, Any]:
    return {
        "mistake": trial.mistake,
        "name": trial.name,
        "stages": sorted(set(trial.stages)),
        "causes": list(trial.causes),
        "also": list(trial.also),
        "said": trial.said,
    }


@dataclass(frozen=True)
class Row:
    """What was found of one mistake."""

    mistake: Mistake
    trials: tuple[Trial, ...] = field(repr=False)

    @property
    def independent(self) -> int:
        """Forms that the catalogue did not serve as model for."""
        return len({trial.name for trial in self.trials if trial.kind != "catalogue"})

    @property
    def cells(self) -> dict[str, str]:
        """The row of the table, by the names of its columns."""
        trials = self.trials
        placed = [t for t in trials if t.component is not None]
        return {
            "mistake": self.mistake.id,
            "forms": str(len(self.mistake.forms) + self.independent),
            "independent": str(self.independent),
            "caught": _share(t.caught for t in trials),
            "component": _share(bool(t.component) for t in placed),
            "stage": _share(t.stage for t in trials),
            "named": _share(t.exact for t in trials),
            "wrongly": str(sum(t.astray for t in trials)),
        }

    def to_dict(self) -> dict[str, Any]:
        """The row as plain values, its stage and its files with it."""
        files = [trial.name for trial in self.trials if trial.kind != "catalogue"]
        return {**self.cells, "first_stage": self.mistake.first_stage, "files": files}


def _share(held: Iterable[bool]) -> str:
    """How many hold, of how many."""
    found = list(held)
    return f"{sum(found)}/{len(found)}" if found else "-"


# -- what is tried ---------------------------------------------------------------


def prove(
    corpus: Path | None = None,
    seeds: int = SEEDS,
    told: Told = lambda _: None,
    mistakes: Sequence[Mistake] | None = None,
) -> Proof:
    """Try everything; `told` hears what is done next, `mistakes` are all where none are given.

    `corpus` holds wrong/ID/*.py and valid/*.py, answers, and optimizers/ID/*.py and
    optimizers/right/*.py, whose classes `Optimizer(params, lr)` are run in this process. Raises
    InputError where it does not. What else it holds is tried by `endure` where all mistakes are.
    """
    started = time.perf_counter()
    wanted = list(MISTAKES.values() if mistakes is None else mistakes)
    with _one_thread():
        found = list(_everything(wanted, corpus, seeds, told))
        ordeal = endure(corpus, told) if corpus and mistakes is None else None
    return Proof(
        mistakes=tuple(wanted),
        trials=tuple(one for one in found if isinstance(one, Trial)),
        variants=tuple(one for one in found if isinstance(one, Variant)),
        corpus=corpus.as_posix() if corpus else None,
        seeds=seeds,
        seconds=time.perf_counter() - started,
        ordeal=ordeal,
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """All tensors are small: more threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _everything(
    mistakes: Sequence[Mistake], corpus: Path | None, seeds: int, told: Told
) -> Iterator[Trial | Variant]:
    for mistake in mistakes:
        told(mistake.id)
        yield from _own_forms(mistake, seeds)
    told("both sides")
    yield from _both_sides(mistakes, seeds)
    if corpus is not None:
        ids = [mistake.id for mistake in mistakes]
        yield from _optimizers(corpus, ids, seeds)
        yield from _answers(corpus, ids, told)


def folder(given: str | None) -> Path | None:
    """The corpus to try: the one given, or the checkout's own where this is one, or None."""
    if given is None:
        own = Path("tests") / "corpus"
        return own if (own / "wrong").is_dir() else None
    if not Path(given).is_dir():
        raise InputError(f"{given} is no folder; give one with wrong/, valid/ and optimizers/.")
    return Path(given)


def _own_forms(mistake: Mistake, seeds: int) -> Iterator[Trial]:
    """The catalogue's forms of a mistake, wherever it can be made."""
    rule = mistake.where.get("optimizer", UpdateRule())
    for form in FORMS:
        right, reference = _sides(form, rule)
        for written in mistake.forms:
            if written.make(right) is None:
                continue
            made = partial(_made, written.make, right)
            for seed in range(seeds):
                finding = _found(made, _part(mistake), reference, form, seed, rule)
                name = f"{written.name} ({form}, seed {seed})"
                yield _trial(mistake.id, "catalogue", name, finding)


def _made(make: Callable[[Recipe], Recipe | None], right: Recipe) -> Recipe:
    made = make(right)
    assert made is not None
    return made


def _part(mistake: Mistake) -> Component[Any]:
    assert mistake.component is not None
    return mistake.component


def _sides(form: Form, rule: UpdateRule) -> tuple[Recipe, Recipe]:
    """Both sides of a form, updated by a rule."""
    mine, reference = SCRATCH[form], BUILTIN[form]
    if rule.is_plain:
        return mine, reference
    return (
        replace(mine, optimizer=mine.optimizer_for(rule)),
        replace(reference, optimizer=reference.optimizer_for(rule)),
    )


def _found(
    made: Callable[[], Recipe],
    component: Component[Any],
    reference: Recipe,
    form: Form,
    seed: int,
    rule: UpdateRule,
) -> Finding:
    """What is found about one component; `made` gives the subject anew, as a new process would."""
    asked = component.questions(reference, form, seed, rule)

    def replies(shift: int = 0) -> list[tuple[Question, Reply]]:
        subject = made()
        return [(question, component.ask(subject, question, shift)) for question in asked]

    mine = replies()
    finding = find(component, mine, made(), reference)
    if component is DATA_ITERATOR and finding.cause and finding.cause.also:
        return find(component, afresh(mine, replies(shift=1)), made(), reference)
    return finding


def _trial(mistake: str, kind: Kind, name: str, finding: Finding) -> Trial:
    cause = finding.cause
    return Trial(
        mistake,
        kind,
        name,
        named(mistake).first_stage,
        caught=finding.level in ("different", "error"),
        component=None,
        stages=finding.stages,
        causes=(cause.id,) if cause else (),
        also=cause.also if cause else (),
        said=_said(finding),
    )


def _said(finding: Finding) -> str:
    parts = [finding.first.message] if finding.first else []
    parts += [f"raises {finding.raised.kind}: {finding.raised.message}"] if finding.raised else []
    return "; ".join([*parts, *finding.measured])


def _both_sides(mistakes: Sequence[Mistake], seeds: int) -> Iterator[Variant]:
    """The hand-written side in every component and by every rule that a mistake was tried with."""
    rules = {mistake.where.get("optimizer", UpdateRule()) for mistake in mistakes}
    for rule in sorted(rules | {UpdateRule()}, key=str):
        components = COMPONENTS if rule.is_plain else (OPTIMIZER,)
        for form in FORMS if rule.is_plain else FORMS[1:]:
            right, reference = _sides(form, rule)
            for component in components:
                for seed in range(seeds):
                    finding = _found(lambda r=right: r, component, reference, form, seed, rule)  # type: ignore[misc]
                    name = f"scratch {component} by {rule} ({form}, seed {seed})"
                    yield Variant("catalogue", name, finding.passed, _said(finding))


# -- optimizers in files ---------------------------------------------------------


def _optimizers(corpus: Path, ids: Sequence[str], seeds: int) -> Iterator[Trial | Variant]:
    """Files that define an optimizer, each with as many draws of the questions."""
    for id_, path in _files(corpus / "optimizers", [*ids, "right"]):
        rule = _rule(path)
        name = path.relative_to(corpus).as_posix()
        findings = [_found_optimizer(path, rule, seed) for seed in range(seeds)]
        for finding in findings:
            if id_ == "right":
                yield Variant("optimizer", name, finding.passed, _said(finding))
            else:
                yield _trial(id_, "optimizer", name, finding)


def _found_optimizer(path: Path, rule: UpdateRule, seed: int) -> Finding:
    right, reference = _sides("mse", rule)

    def made() -> Recipe:
        optimizer = runpy.run_path(str(path))["Optimizer"]
        return replace(right, name=path.stem, optimizer=partial(ObjectSGD, optimizer))

    return _found(made, OPTIMIZER, reference, "mse", seed, rule)


def _rule(path: Path) -> UpdateRule:
    """The rule that a file says it follows, in its first line: `# rule: adamw weight_decay=0.1`."""
    first = path.read_text("utf-8").partition("\n")[0]
    try:
        name, *settings = first.removeprefix("# rule:").split()
        pairs = [setting.split("=") for setting in settings]
        return UpdateRule.of(name, **{key: float(value) for key, value in pairs})
    except ValueError as error:
        raise InputError(
            f"{path}, line 1: {first!r} is no rule; write `# rule: adamw weight_decay=0.1`."
        ) from error


def _files(folder: Path, ids: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The Python files of a folder for each id that it has a folder of."""
    for id_ in ids:
        for path in sorted((folder / id_).glob("*.py")):
            yield id_, path


# -- answers ---------------------------------------------------------------------


def _answers(corpus: Path, ids: Sequence[str], told: Told) -> Iterator[Trial | Variant]:
    """Answers, each judged as a learner's is, in a worker."""
    wrong = list(_files(corpus / "wrong", ids))
    right = [("", path) for path in sorted((corpus / "valid").glob("*"))]
    if not (wrong and right):
        raise InputError(f"{corpus} holds no answers; give a folder with wrong/ID/*.py and valid/.")
    files = [*wrong, *((id_, path) for id_, path in right if path.suffix in (".py", ".ipynb"))]
    with Grader(seed=0, jobs=cores(), answers=len(files)) as grader:
        for at, checked in grader.check_all(Submission.of(path) for _, path in files):
            id_, path = files[at]
            name = path.relative_to(corpus).as_posix()
            told(name)
            if id_:
                yield _tried_answer(id_, name, path, checked)
            else:
                yield Variant("answer", name, checked.verdict == "pass", _complaints(checked))


def _tried_answer(mistake: str, name: str, path: Path, checked: Checked) -> Trial:
    failed, stated = _failed(checked), _stated(path)
    causes = [one.cause["id"] for one in failed if one.cause]
    return Trial(
        mistake,
        "answer",
        name,
        _stage(path) or named(mistake).first_stage,
        caught=checked.verdict == "fail",
        component=bool(failed) and all(stated in _parts(one) for one in failed),
        stages=tuple(stage for one in failed for stage in one.stages),
        causes=tuple(dict.fromkeys(causes)) if len(causes) == len(failed) else (),
        also=tuple(id_ for one in failed for id_ in one.also),
        said=_complaints(checked),
    )


def _failed(checked: Checked) -> list[Judged]:
    return [one for one in checked.components if one.status in ("fail", "error")]


def _complaints(checked: Checked) -> str:
    parts = [f"{one.name}: {one.message}" for one in _failed(checked)]
    return "; ".join([*parts, *([str(checked.error["message"])] if checked.error else [])])


def _stated(path: Path) -> Component[Any]:
    """The part that is wrong, as the first line of an answer says: `# component: sgd`."""
    first = path.read_text("utf-8").partition("\n")[0]
    stated = first.removeprefix("# component:").strip()
    if stated not in TARGETS:
        raise InputError(f"{path}, line 1: {first!r} names no part; write `# component: sgd`.")
    return TARGETS[stated].component


def _stage(path: Path) -> str | None:
    """The stage that an answer's second line may name, where it is not the catalogue's."""
    second = "".join(path.read_text("utf-8").splitlines()[1:2])
    return second.removeprefix("# stage: ") if second.startswith("# stage: ") else None


def _parts(judged: Judged) -> set[Component[Any]]:
    """The parts that a component of an answer stands for; of a class all where none is named."""
    return {
        target.component for target in targets_of(judged.name) if judged.part in ("", target.part)
    }


# -- what is printed -------------------------------------------------------------

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
    found: dict[tuple[str, str], Trial] = {}
    for trial in trials:
        found.setdefault((trial.mistake, trial.name), trial)
    return list(found.values())


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
    found = "".join(f"- {pair}\n" for pair in pairs) or "none.\n"
    return f"\nNamed together in any of the {len(proof.trials)} trials: {found}"


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
