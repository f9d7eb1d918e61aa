"""What the proof tries: wrong and right pieces, and what the judge makes of each.

Wrong are the catalogue's own forms, in each convention and with several draws of the questions;
answers that were written without the catalogue, in a worker like a learner's; and optimizers that
were written likewise, which run in this process: prove only with files that you trust. Right are
both sides themselves, other answers and other optimizers.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from harness.diagnosis.finding import Finding, find
from harness.engine.case import UpdateRule
from harness.engine.components import (
    DATA_ITERATOR,
    OPTIMIZER,
    Component,
    Question,
    Reply,
    of_pair,
)
from harness.engine.components.contract import TARGETS, targets_of
from harness.engine.pair import Pair
from harness.engine.pieces import ObjectSGD
from harness.engine.recipe import Recipe
from harness.errors import InputError
from harness.grading.grade import Grader, Submission, afresh
from harness.grading.result import Checked, Judged
from harness.mistakes.catalogue import named
from harness.mistakes.mistake import Mistake
from harness.pairs.catalogue import PAIRS
from harness.pairs.linear import LINEAR
from harness.pairs.softmax import SOFTMAX
from harness.selftest.robustness import cores

FORMS = {LINEAR.name: ("functional", "object", "mse"), SOFTMAX.name: ("functional", "object")}
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


@contextmanager
def one_thread() -> Iterator[None]:
    """All tensors are small: more threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def everything(
    mistakes: Sequence[Mistake], corpus: Path | None, seeds: int, progress: Told
) -> Iterator[Trial | Variant]:
    """Try the catalogue's forms, both sides, and the files of a corpus where there is one."""
    for mistake in mistakes:
        progress(mistake.id)
        yield from _own_forms(mistake, seeds)
    progress("both sides")
    yield from _both_sides(mistakes, seeds)
    if corpus is not None:
        ids = [mistake.id for mistake in mistakes]
        yield from _optimizers(corpus, ids, seeds)
        yield from _answers(corpus, ids, progress)


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
    pair = PAIRS[mistake.pair or LINEAR.name]
    for form in FORMS[pair.name]:
        right, reference = _sides(pair, form, rule)
        shown = form if pair is LINEAR else f"{pair.name} {form}"
        for written in mistake.forms:
            if written.make(right) is None:
                continue
            made = partial(_made, written.make, right)
            for seed in range(seeds):
                finding = _finding(made, _part(mistake), reference, form, seed, rule)
                name = f"{written.name} ({shown}, seed {seed})"
                yield _trial(mistake.id, "catalogue", name, finding)


def _made(make: Callable[[Recipe], Recipe | None], right: Recipe) -> Recipe:
    made = make(right)
    assert made is not None
    return made


def _part(mistake: Mistake) -> Component[Any]:
    assert mistake.component is not None
    return mistake.component


def _sides(pair: Pair, form: str, rule: UpdateRule) -> tuple[Recipe, Recipe]:
    """Both sides of a form of a pair, updated by a rule."""
    mine, reference = pair.forms[form].both
    if rule.is_plain:
        return mine, reference
    return (
        replace(mine, optimizer=mine.optimizer_for(rule)),
        replace(reference, optimizer=reference.optimizer_for(rule)),
    )


def _finding(
    made: Callable[[], Recipe],
    component: Component[Any],
    reference: Recipe,
    form: str,
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
    pairs = {LINEAR.name, *(mistake.pair for mistake in mistakes if mistake.pair)}
    for pair in [pair for pair in PAIRS.values() if pair.name in pairs]:
        for rule in sorted(rules | {UpdateRule()}, key=str):
            components = of_pair(pair) if rule.is_plain else (OPTIMIZER,)
            for form in FORMS[pair.name]:
                if rule.is_plain or form != "functional":
                    yield from _right_side(pair, form, rule, components, seeds)


def _right_side(
    pair: Pair, form: str, rule: UpdateRule, components: Sequence[Component[Any]], seeds: int
) -> Iterator[Variant]:
    right, reference = _sides(pair, form, rule)
    shown = form if pair is LINEAR else f"{pair.name} {form}"
    for component in components:
        if not component.questions(reference, form, 0, rule):  # the pair asks nothing of it
            continue
        for seed in range(seeds):
            finding = _finding(lambda: right, component, reference, form, seed, rule)
            name = f"scratch {component.name_in(pair)} by {rule} ({shown}, seed {seed})"
            yield Variant("catalogue", name, finding.passed, _said(finding))


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
    right, reference = _sides(LINEAR, "mse", rule)

    def made() -> Recipe:
        optimizer = runpy.run_path(str(path))["Optimizer"]
        return replace(right, name=path.stem, optimizer=partial(ObjectSGD, optimizer))

    return _finding(made, OPTIMIZER, reference, "mse", seed, rule)


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


def _answers(corpus: Path, ids: Sequence[str], progress: Told) -> Iterator[Trial | Variant]:
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
            progress(name)
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
