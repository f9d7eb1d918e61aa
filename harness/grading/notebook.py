"""`check`: what a notebook or a module has defined, asked and judged where it lives.

The engine is that of `svb check`: the same questions, judged by the same rules. What differs is
that the learner's code runs in the process of the one who asks: nothing is isolated, there is no
limit on time, and what it says of itself is believed. So nothing here is a grade. Only a training
loop at the top level of a cell, which would change the notebook, runs in a process of its own.
"""

from __future__ import annotations

import ast
import inspect
import io
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

from harness.answers import top_level
from harness.answers.answer import Answer, gathered
from harness.answers.classes import models
from harness.answers.component import Piece
from harness.answers.definitions import Uses
from harness.answers.definitions import definitions as defined_in
from harness.answers.live import Definition, Definitions, Session, definitions, restored, statements
from harness.answers.roles import assign
from harness.engine.components import LOOP, LOSS
from harness.engine.components.contract import TARGETS, Target, targets_of
from harness.engine.seeding import determinism
from harness.errors import InputError
from harness.grading import warmup
from harness.grading.child import has, interviewed
from harness.grading.classroom import Record
from harness.grading.grade import Grader, Submission, judged, verdict_of
from harness.grading.marks import GLYPHS
from harness.grading.result import HINTS, Check, Checked, Judged
from harness.grading.terminal import Line, answer_lines, plain
from harness.isolation.codec import Message, decode, encode
from harness.isolation.confine import Limits
from harness.isolation.pool import Outcome
from harness.report import files

if TYPE_CHECKING:
    from pandas import DataFrame

ROLES = tuple(dict.fromkeys(target.role.name for target in TARGETS.values()))
LOSSES = tuple(role.name for role in LOSS.roles)  # by these the other pieces know their scale
COLUMNS = ("component", "verdict", "line", "message", "hint", "cause")


@dataclass(frozen=True)
class Result:
    """What was found, for a notebook (a table), a terminal (text) and a program.

    `hints` is how much is given away: 0 nothing, 1 the hint, 2 also what the code does, 3 the fix.
    `graded` says that a worker ran it, as for `svb check`.
    """

    checked: Checked
    seed: int
    hints: int = 1
    graded: bool = False

    @property
    def passed(self) -> bool:
        """Whether everything that is there is right."""
        return self.checked.verdict == "pass"

    def to_dict(self) -> dict[str, Any]:
        """The object `svb.check/1`."""
        return Check([self.checked], self.seed).to_dict(self.hints)

    def to_frame(self) -> DataFrame:
        """A row for each component."""
        import pandas as pd

        return pd.DataFrame([_row(one, self.hints) for one in self.checked.components])[[*COLUMNS]]

    def __repr__(self) -> str:
        record = Record(self.checked.path, self.checked, self.seed)
        return plain([*answer_lines(record, self.hints), Line(2, f"seed {self.seed}")])

    def _repr_html_(self) -> str:
        template = files.templates(html=True).get_template("notebook.html.j2")
        rows = [_row(one, self.hints) for one in self.checked.components]
        return template.render(
            rows=[row | {"glyph": GLYPHS[row["verdict"]]} for row in rows],
            explained=self.hints > 0,
            error=self.checked.error,
            notes=self.checked.notes,
            seed=self.seed,
            graded=self.graded,
        )


def _row(one: Judged, hints: int) -> dict[str, Any]:
    cause = " or ".join(one.causes) or None
    values = (one.name, one.status, one.line, one.message, one.help(hints), cause)
    return dict(zip(COLUMNS, values, strict=True))


def check(
    thing: Any = None, *, role: str | None = None, hints: int = 1, seed: int | None = None
) -> Result:
    """Judge a function or class, a module, an answer file, or all that the caller has defined.

    `check(squared_loss)` judges one component, `check()` those of the notebook or module that it is
    called from; what is missing there is filled with the reference. Your code runs here, in this
    process: nothing is isolated or stopped, and nothing is graded. `check("answer.py")` runs the
    file in a process of its own, as `svb check` does; for grading use that. Generators, default
    dtype, and the names of the module are put back afterwards. The last training loop at the top
    level of a cell is judged in a process of its own, in which all cells are run again.

    `role` says which component a function is where its name and arguments do not tell. `hints` from
    0 to 3 gives away more and more. `seed` repeats a check on the same inputs.

    Raises InputError for what is no component, and for a path that cannot be read.
    """
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    _refuse(thing, role, hints)
    if isinstance(thing, str | Path):
        return Result(_file(Path(thing), seed), seed, hints, graded=True)
    if thing is None:
        caller = inspect.currentframe()
        assert caller is not None
        assert caller.f_back is not None
        return Result(_all(caller.f_back.f_globals, seed), seed, hints)
    if isinstance(thing, ModuleType):
        return Result(_all(vars(thing), seed), seed, hints)
    return Result(_one(thing, role, seed), seed, hints)


def _refuse(thing: Any, role: str | None, hints: int) -> None:
    """InputError for what cannot be checked."""
    if hints not in HINTS:
        raise InputError(f"check: hints is {hints!r}; it should be 0, 1, 2 or 3.")
    if role is not None and role not in ROLES:
        raise InputError(f"check: {role!r} is no component; role is one of {', '.join(ROLES)}.")
    several = thing is None or isinstance(thing, str | Path | ModuleType)
    if role and several:
        raise InputError("check: role goes with one function or class; hand it over, too.")
    if not several and not callable(thing):
        raise InputError(
            f"check: something of type {type(thing).__name__} is no component; hand over a "
            "function, a class or the path of an answer, or nothing for all that is defined here."
        )


def _file(path: Path, seed: int) -> Checked:
    try:
        submission = Submission.of(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        message = f"check: {path} cannot be read ({reason}); give the path of an answer file."
        raise InputError(message) from None
    with Grader(seed=seed) as grader:
        return grader.check(submission)


def _all(namespace: dict[str, Any], seed: int) -> Checked:
    """All that a namespace defines."""
    name = str(namespace.get("__name__"))
    defined = definitions(namespace)
    checked, pieces = _judged(name, defined, namespace, {}, tuple(TARGETS.values()), seed)
    if LOOP.name not in pieces:
        checked = _with_loop(checked, pieces, namespace, seed)
    if all(one.status == "missing" for one in checked.components):
        raise InputError(
            f"check: {name} defines no component yet; define one, such as squared_loss(y_hat, y), "
            "or hand over a function with role=."
        )
    return checked


def _with_loop(
    checked: Checked, pieces: dict[str, Piece], namespace: dict[str, Any], seed: int
) -> Checked:
    """What was found, and what comes of the training loop at the top level, where there is one.

    Of a session it is the last one, judged where all cells are run once more; that of a module is
    only spoken of.
    """
    session = Session.of(namespace)
    run = list(session.source.statements()) if session else statements(namespace)
    loops = [one for one in run if top_level.find([one], pieces, namespace, "")]
    loop = top_level.find(loops[::-1], pieces, namespace, "")
    if loop is None:
        return checked
    if session is None:
        file = Path(str(namespace.get("__file__"))).name
        note = f"the training loop at line {loop.line} has run already and is not judged here"
        return _noted(checked, f"{note}; `svb check {file}` judges it, too")
    others = [one for one in loops if not _holds(one, loop.line)]
    checks = [one for one in run if _checks(one, namespace)]
    elsewhere = _elsewhere(session.without([*others, *checks]), seed)
    return _with_train(checked, elsewhere, session, loop.line)


def _with_train(checked: Checked, elsewhere: Checked, session: Session, line: int) -> Checked:
    """What was found here, and what was found elsewhere of the loop at this line of a session."""
    where = "the training loop at In [{}] line {}".format(*session.within(line))
    loops = [
        one for one in elsewhere.components if one.name == LOOP.name and one.status != "missing"
    ]
    if not loops:
        error = elsewhere.error
        why = f" ({error['type']}: {error['message']})" if error else ""
        note = f"{where} could not be run again in a process of its own{why}"
        return _noted(checked, f"{note}; make it a function train to have it judged")
    (train,) = loops
    train = replace(train, line=session.within(train.line)[1] if train.line else None)
    components = (*(one for one in checked.components if one.name != LOOP.name), train)
    checked = replace(checked, components=components, verdict=verdict_of(components))
    return _noted(checked, f"train is {where}, run again in a process of its own")


def _noted(checked: Checked, note: str) -> Checked:
    return replace(checked, notes=(*checked.notes, note))


def _holds(statement: ast.stmt, line: int) -> bool:
    return statement.lineno <= line <= (statement.end_lineno or 0)


def _checks(statement: ast.stmt, namespace: dict[str, Any]) -> bool:
    """Whether a statement calls `check`, which has no business where the cells are run again."""
    return any(
        isinstance(node, ast.Call) and _value(node.func, namespace) is check
        for node in ast.walk(statement)
    )


def _value(node: ast.expr, namespace: dict[str, Any]) -> Any:
    """What a name, or a name in a module, stands for."""
    if isinstance(node, ast.Name):
        return namespace.get(node.id)
    if not isinstance(node, ast.Attribute):
        return None
    owner = _value(node.value, namespace)
    return vars(owner).get(node.attr) if isinstance(owner, ModuleType) else None


def _elsewhere(notebook: bytes, seed: int) -> Checked:
    """A notebook judged by a worker."""
    submission = Submission("session.ipynb", notebook)
    with determinism(seed), warmup.start() as workshop:
        return judged(submission, workshop.run(submission.request(seed)), seed, lambda _: None)


def _one(thing: Any, role: str | None, seed: int) -> Checked:
    """One function or class, beside what it needs of its module to be understood."""
    namespace = getattr(inspect.unwrap(thing), "__globals__", None)
    if namespace is None:
        namespace = vars(inspect.getmodule(thing) or ModuleType("answer"))
    mine = Definition.of(_name(thing, role, namespace), thing)
    component = role or _recognised(mine)
    context = () if component == LOOP.name else LOSSES
    others = [other for other in definitions(namespace) if other.value is not thing]
    if context:
        others = [other for other in others if _recognised_as(other, context)]
    with restored(namespace):
        namespace[mine.name] = thing
        mapped = {component: mine.name}
        checked, _ = _judged(
            mine.name, [*others, mine], namespace, mapped, targets_of(component), seed
        )
        return checked


def _name(thing: Any, role: str | None, namespace: dict[str, Any]) -> str:
    """What a thing is called; a lambda goes by the name that it is bound to."""
    own = getattr(thing, "__name__", "")
    bound = [name for name, value in namespace.items() if value is thing]
    return next((name for name in (own, *bound, role or "") if name.isidentifier()), "answer")


def _recognised(mine: Definition) -> str:
    """The component that a definition is."""
    component = _role_of(mine)
    if component is None:
        raise InputError(
            f"check: {mine.name} looks like no component; say which it is with role=, "
            f"one of {', '.join(ROLES)}."
        )
    return component


def _recognised_as(one: Definition, components: Sequence[str]) -> bool:
    return _role_of(one) in components


def _role_of(one: Definition) -> str | None:
    defined = list(defined_in([one.statement]))
    assigned, _ = assign(defined, Uses.of([one.statement]), {})
    classes = models(defined, {})
    return next((name for name in (*assigned, *classes) if name in ROLES), None)


def _judged(
    name: str,
    defined: list[Definition],
    namespace: dict[str, Any],
    mapped: dict[str, str],
    targets: tuple[Target, ...],
    seed: int,
) -> tuple[Checked, dict[str, Piece]]:
    """The components among some definitions, asked here and judged as those of a file are.

    With all pieces that there are.
    """
    with _undisturbed(namespace, seed) as printed:
        answer = gathered(Definitions.of(defined, name), namespace, mapped)
        files = {one.name: one.file for one in defined}
        reply = _joined([_reply(answer, target, files, seed) for target in targets])
        outcome = Outcome(reply, None, printed.getvalue(), "", 0.0)
        checked = judged(Submission(name, b""), outcome, seed, lambda _: None)
    names = {target.role.name for target in targets}
    components = tuple(one for one in checked.components if one.name in names)
    return replace(checked, components=components), answer.pieces


def _reply(answer: Answer, target: Target, files: dict[str, str], seed: int) -> Message | None:
    """What one component replies; lines of evidence are those of the file that it is from."""
    if not has(answer, target):
        return None
    piece = answer.pieces[target.role.name]
    source = replace(answer.source, name=files.get(piece.name, answer.source.name))
    return interviewed(replace(answer, source=source), {"seed": seed, "only": [target.name]})


def _joined(replies: list[Message | None]) -> Message:
    """Replies of one answer as one, by way of bytes, just as they come from a worker."""
    facts: dict[str, Any] = {
        "answer": {
            "targets": {},
            "stubs": [],
            "failures": [],
            "stand_ins": [],
            "notes": [],
            "signs": [],
            "unparsed": [],
            "framework": None,
        },
        "replies": [],
    }
    arrays: dict[str, Any] = {}
    for reply in filter(None, replies):
        description = reply.facts["answer"]
        facts["answer"] |= description | {
            "targets": facts["answer"]["targets"] | description["targets"]
        }
        facts["replies"] += reply.facts["replies"]
        arrays |= reply.arrays
    return decode(encode(Message(facts, arrays)), Limits())


@contextmanager
def _undisturbed(namespace: dict[str, Any], seed: int) -> Iterator[io.StringIO]:
    """Let learner's code run without a trace: names and generators put back, prints kept."""
    printed = io.StringIO()
    with (
        determinism(seed),
        restored(namespace),
        redirect_stdout(printed),
        redirect_stderr(printed),
    ):
        torch.set_num_threads(1)
        yield printed
