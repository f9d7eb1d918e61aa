"""The catalogue: complete, worded kindly, every form wrong in one piece and seen, bases right."""

import dataclasses
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import cli
from harness.engine.case import UpdateRule
from harness.engine.comparison import compare
from harness.engine.components import COMPONENTS, INITIALISATION, LOSS, METRIC, by_name
from harness.errors import InputError
from harness.mistakes.catalogue import MISTAKES, named, of, page, plain
from harness.mistakes.data import Batches
from harness.mistakes.mistake import based, optimizer_of
from harness.mistakes.right_loop import Loop
from harness.mistakes.stateful import Adam, Momentum
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mistakes.md"
# Component (of linear regression; or `pair/component`), prefix of the ids, first stage, and the ids
# in their order: others rely on all of it.
VOCABULARY = """
data_iter data batch no-shuffle shuffle-once reseeded unpaired drops-tail pads-tail overlaps
data_iter data batch with-replacement repeats-examples misses-examples out-of-range
data_iter data batch wrong-batch-size one-batch swapped mutates-input
linreg model prediction no-bias
linreg model gradient bias-sign
linreg model prediction elementwise reversed-product wrong-shape activation
linreg model gradient detached
linreg model prediction raises
squared_loss loss loss no-reshape row-labels no-half extra-half sum-for-mean divided-by-constant
squared_loss loss loss precedence absolute root sign no-square
squared_loss loss gradient detached
sgd sgd parameter ascends no-update tracks-graph first-parameter-only decays-parameter overwrites
sgd sgd parameter ignores-batch-size divides-twice double-step sign-only zeroes-first
train train gradient no-zero-grad partial-zero-grad
train train parameter zero-grad-after-backward
train train batch iterator-exhausted
train train parameter step-outside-loop
train train batch stops-early
train train prediction full-batch
train train batch same-batch
train train parameter reinitialises fixed-divisor trains-a-copy
train train batch epoch-count
train train gradient evaluation-leaks
train train parameter divides-twice double-step step-before-backward
train train gradient stale-forward accumulation-unscaled accumulation-uneven no-grad-loop
init_params init gradient no-grad non-leaf
init_params init prediction dtype
init_params init parameter scale constant-bias
sgd sgd parameter keeps-momentum
sgd momentum parameter dampening-first-step no-velocity-carry
sgd adagrad parameter eps-inside-root
sgd rmsprop parameter eps-inside-root
sgd adam parameter no-bias-correction eps-inside-root eps-value beta2 coupled-decay step-from-zero
sgd adam parameter second-moment-of-mean
softmax/linreg softmax prediction no-shift wrong-axis twice no-bias untransposed
softmax/squared_loss softmax loss loss-no-shift loss-wrong-axis
softmax/squared_loss softmax loss loss-twice mean-over-classes sum log-eps squared-error no-log sign
softmax/accuracy softmax evaluation accuracy-axis
"""
SMALL = LinearCase("small", "a tail, two epochs", num_examples=63, epochs=2)
# those of softmax regression are tried in `test_softmax` and `pairs/test_softmax`
FORMS = [
    (mistake, form)
    for mistake in MISTAKES.values()
    if mistake.pair != "softmax"
    for form in mistake.forms
]


def vocabulary():
    """Return id -> (component, first stage), in order."""
    found: dict[str, tuple[Any, str]] = {}
    for line in VOCABULARY.split("\n"):
        if line:
            place, prefix, stage, *names = line.split()
            component = place.rpartition("/")[2]
            found |= {f"{prefix}.{name}": (by_name(component), stage) for name in names}
    return found


def case_of(mistake, base, **settings):
    """Return the small case on which the mistake shows in this form."""
    return dataclasses.replace(SMALL, form=base, **{**settings, **mistake.where})


def bases_of(mistake):
    """Return the forms of recipe that a case with the mistake's settings can be written in."""
    trainer_only = {"micro_batch_size", "optimizer"} & set(mistake.where)
    return ("object", "mse") if trainer_only else ("object", "mse", "functional")


def subjects(mistake, form, sides=SCRATCH, **settings):
    """Return what the form makes of every base that can have it: base, wrong recipe, case."""
    found = []
    for name in bases_of(mistake):
        case = case_of(mistake, name, **settings)
        base = based(sides[name], case)
        wrong = form.make(base)
        if wrong is not None:
            found.append((base, wrong, case))
    return found


def passes(subject, case):
    """Return whether the comparison with the built-in passes."""
    return compare(subject, BUILTIN[case.form], [case]).exit_status == 0


def made(form, base):
    """Return the wrong recipe, where there has to be one."""
    wrong = form.make(base)
    assert wrong is not None
    return wrong


def parameters():
    """Return all forms as parameters."""
    return [pytest.param(mistake, form, id=f"{mistake.id}: {form.name}") for mistake, form in FORMS]


def words_in_common(hint, fix, length=4):
    """Return the runs of so many words that a hint shares with the fix, and code it gives away."""
    runs = []
    for text in (hint, fix):
        words = re.findall(r"\w+", text.lower())
        runs.append({" ".join(words[i : i + length]) for i in range(len(words) - length + 1)})
    code = {snippet for snippet in re.findall(r"`(.{3,}?)`", fix) if snippet in hint}
    return (runs[0] & runs[1]) | code


def changed(base, wrong):
    """Return the names of the pieces in which two recipes differ."""
    return [
        field.name
        for field in dataclasses.fields(base)
        if getattr(base, field.name) is not getattr(wrong, field.name)
    ]


def test_the_vocabulary_is_complete_and_in_order():
    found = {m.id: (m.component, m.first_stage) for m in MISTAKES.values()}
    assert found.pop("not-from-scratch") == (None, "none")
    assert list(found.items()) == list(vocabulary().items())
    assert len(found) == 98


def test_each_is_of_its_pair():
    """Updates, iterators and loops are those of any pair; models and losses are not."""
    for line in filter(None, VOCABULARY.split("\n")):
        place, prefix, _, *names = line.split()
        pair, _, component = place.rpartition("/")
        of_any = component in ("data_iter", "sgd", "train")
        for name in names:
            expected = pair or (None if of_any else "linear")
            assert named(f"{prefix}.{name}").pair == expected


def test_every_component_has_its_own():
    for component in (*COMPONENTS, METRIC):
        every = [name for name, (of_it, _) in vocabulary().items() if of_it is component]
        for pair, other in (("linear", "softmax."), ("softmax", ("model.", "loss.", "init."))):
            expected = [name for name in every if not name.startswith(other)]
            assert [m.id for m in of(component, pair)] == expected
    assert of(LOSS) == of(LOSS, "linear") != of(LOSS, "softmax")


def test_named_finds_and_refuses():
    assert named("loss.no-half") is MISTAKES["loss.no-half"]
    with pytest.raises(InputError, match=r"'loss.half'; did you mean 'loss.no-half'\?"):
        named("loss.half")
    with pytest.raises(InputError, match=r"no mistake 'zzzz'\. `svb list mistakes`"):
        named("zzzz")


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_words(mistake):
    """Whole sentences for the learner; the hint leaves the fix to be found."""
    assert mistake.what[0].isupper()
    assert mistake.what.endswith(".")
    assert mistake.hint[-1] in ".?"
    assert mistake.fix[-1] in ".`"
    assert mistake.tell
    assert not mistake.tell.endswith(".")
    assert words_in_common(mistake.hint, mistake.fix) == set()
    assert len({form.name for form in mistake.forms}) == len(mistake.forms)
    assert mistake.forms or mistake.id == "not-from-scratch"


@pytest.mark.parametrize(
    "hint",
    ["Did you think of `loss / 2`?", "You should divide the loss by the batch length, no?"],
)
def test_words_control(hint):
    """Control: a hint that shows the code or repeats the sentence is found."""
    assert words_in_common(hint, "Divide the loss by the batch length: `loss / 2`.")


@pytest.mark.parametrize(
    ("mistake", "form"), [pytest.param(m, f, id=f"{m.id}: {f.name}") for m, f in FORMS]
)
def test_a_form_changes_one_piece(mistake, form):
    """Of scratch and of built-in recipes alike."""
    found = subjects(mistake, form)
    assert found, "no base can have it"
    for base, wrong, _ in found + subjects(mistake, form, BUILTIN):
        assert changed(base, wrong) == [mistake.component.piece]


def test_a_form_changes_one_piece_control():
    """Control: two pieces, or none, are told from one."""
    base = SCRATCH["mse"]
    wrong = made(named("loss.sign").forms[0], base)
    assert changed(base, made(named("model.activation").forms[0], wrong)) == ["model", "loss"]
    assert changed(base, dataclasses.replace(base)) == []


@pytest.mark.parametrize(("mistake", "form"), parameters())
def test_a_form_is_seen(mistake, form):
    """Trained beside the built-in, the wrong recipe does not pass."""
    _, wrong, case = subjects(mistake, form)[0]
    assert not passes(wrong, case)


@pytest.mark.slow
@pytest.mark.parametrize(("mistake", "form"), parameters())
def test_a_form_is_seen_in_every_base(mistake, form):
    assert not any(passes(wrong, case) for _, wrong, case in subjects(mistake, form))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"weight": (2.0,), "num_examples": 40, "batch_size": 8},
        {"weight": (2.0, -3.4, 5.6, 3.2, -0.6), "dtype": "float64", "flat_labels": True},
    ],
    ids=["d1-even", "d5-float64-flat"],
)
@pytest.mark.parametrize(("mistake", "form"), parameters())
def test_a_form_is_seen_elsewhere(mistake, form, settings):
    """Other widths, dtypes, label shapes and lengths: what needs its own settings keeps them."""
    if "weight" in settings and form.name == "one square for all entries":
        settings = {"weight": (2.0, -3.4, 5.6)}  # with a single entry there is no mistake
    _, wrong, case = subjects(mistake, form, **settings)[0]
    assert not passes(wrong, case)


CONTROLS = {
    (str(m.where), base): case_of(m, base) for m in MISTAKES.values() for base in bases_of(m)
}


@pytest.mark.parametrize("case", CONTROLS.values(), ids=lambda c: f"{c.form} {c.settings()}")
def test_the_base_passes(case):
    """Control: on the same cases the base itself passes."""
    assert passes(SCRATCH[case.form], case)


@pytest.mark.parametrize("base", SCRATCH)
def test_the_right_loop_and_iterator_pass(base):
    """Control: what the wrong loops and iterators are changes of is right."""
    for settings in ({}, {"micro_batch_size": 4}, {"clip": 1.0}):
        if base == "functional" and settings:
            continue
        case = dataclasses.replace(SMALL, form=base, **settings)
        right = dataclasses.replace(
            SCRATCH[base], loop=lambda side: Loop(side).fit(), batches=Batches
        )
        assert passes(right, case)


class AdamW(Adam):
    """The right AdamW."""

    decoupled = True


@pytest.mark.parametrize(
    ("right", "rule"),
    [
        (Adam, UpdateRule.of("adam")),
        (Adam, UpdateRule.of("adam", weight_decay=0.1)),
        (AdamW, UpdateRule.of("adamw", weight_decay=0.1)),
        (Momentum, UpdateRule.of("sgd", momentum=0.9, dampening=0.5)),
        (Momentum, UpdateRule.of("sgd", momentum=0.9, nesterov=True)),
    ],
    ids=str,
)
def test_the_right_optimizers_pass(right, rule):
    """Control: what the wrong optimizers are changes of is right."""
    case = dataclasses.replace(SMALL, optimizer=rule)
    _, settings = optimizer_of(based(SCRATCH["mse"], case))
    assert passes(dataclasses.replace(SCRATCH["mse"], optimizer=partial(right, settings)), case)


@pytest.mark.parametrize("sides", [SCRATCH, BUILTIN], ids=["scratch", "builtin"])
def test_optimizer_of_reads_family_and_settings(sides):
    family, settings = optimizer_of(
        based(sides["mse"], dataclasses.replace(SMALL, optimizer=UpdateRule.of("adamw", eps=1e-6)))
    )
    assert (family, settings["eps"], settings["betas"]) == ("AdamW", 1e-6, (0.9, 0.999))
    assert optimizer_of(sides["functional"]) == ("SGD", {})
    assert optimizer_of(sides["object"])[0] == "SGD"


def test_optimizer_of_control():
    """Control: an optimizer of no known family is not taken for one."""
    other: Any = lambda _params, _lr: object()  # noqa: E731
    unknown = dataclasses.replace(SCRATCH["mse"], optimizer=other)
    assert optimizer_of(unknown) == (None, {})
    assert named("sgd.ascends").forms[0].make(unknown) is None
    assert named("adam.beta2").forms[0].make(SCRATCH["mse"]) is None
    assert named("sgd.ascends").forms[0].make(SCRATCH["mse"]) is not None


def init_fault(init):
    """Return what is wrong with freshly drawn parameters; None where nothing is."""
    w, b = init(1000)
    if not (w.requires_grad and b.requires_grad):
        return "init.no-grad"
    if not (w.is_leaf and b.is_leaf):
        return "init.non-leaf"
    if (w.dtype, b.dtype) != (torch.float32, torch.float32):
        return "init.dtype"
    if not 0.008 < float(w.detach().std()) < 0.012:
        return "init.scale"
    return "init.constant-bias" if b.any() else None


@pytest.mark.parametrize("base", [*SCRATCH.values(), *BUILTIN.values()], ids=lambda r: r.name)
def test_a_wrong_init_shows_in_what_it_draws(base):
    for mistake in of(INITIALISATION):
        for form in mistake.forms:
            w, b = made(form, base).init(3)
            assert [p.shape for p in (w, b)] == [p.shape for p in base.init(3)]
            expected = {"integer bias": "init.no-grad"}.get(form.name, mistake.id)
            assert init_fault(made(form, base).init) == expected
    assert init_fault(base.init) is None  # control


@pytest.mark.parametrize("base", SCRATCH)
def test_training_a_copy_shows_at_the_end(base):
    case = dataclasses.replace(SMALL, form=base)
    data = case.data()
    ends = []
    for recipe in (made(named("train.trains-a-copy").forms[0], SCRATCH[base]), SCRATCH[base]):
        side = recipe.build(case, data)
        side.fit()
        ends.append(torch.cat([p.detach().flatten() for p in side.parameters()]))
    start = torch.cat([p.flatten() for p in data.initial])
    assert torch.equal(ends[0], start)
    assert not torch.equal(ends[1], start)  # control


def test_forms_stay_apart():
    """A form made twice shares no state: the second run is seen like the first."""
    form = named("loss.divided-by-constant").forms[-1]
    y_hat, y = torch.ones(4, 1), torch.zeros(4, 1)
    first, second = (made(form, SCRATCH["mse"]).loss for _ in range(2))
    first(torch.ones(10, 1), torch.zeros(10, 1))
    assert float(first(y_hat, y)) == pytest.approx(0.4)
    assert float(second(y_hat, y)) == 1.0


def test_the_page_is_current():
    """`python -m harness.mistakes > docs/mistakes.md` makes it so."""
    assert PAGE.read_text("utf-8") == page()


def test_the_page_holds_every_mistake():
    text = page()
    assert sorted(re.findall(r"^#### (.+)$", text, re.MULTILINE)) == sorted(MISTAKES)
    for mistake in MISTAKES.values():
        assert f"#### {mistake.id}\n{mistake.what}\n" in text


def test_the_page_control():
    """Control: a page without one of them is another page."""
    assert page().replace("### loss.sign", "### loss.sing") != PAGE.read_text("utf-8")


def test_list_mistakes(capsys):
    assert cli.main(["list", "mistakes", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(
        json.dumps([plain(mistake) for mistake in MISTAKES.values()])
    )
    assert cli.main(["list", "mistakes"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in MISTAKES)


def test_list_one_mistake(capsys):
    assert cli.main(["list", "mistakes", "loss.no-half"]) == 0
    shown = capsys.readouterr().out
    mistake = named("loss.no-half")
    assert all(text in shown for text in (mistake.what, mistake.hint, mistake.fix, mistake.tell))
    assert cli.main(["list", "mistakes", "adam.beta2", "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["where"] == {"optimizer": "adam", "dtype": "float32"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mistakes", "loss.half"), "did you mean 'loss.no-half'?"),
        (("cases", "mse-d2"), "leave out 'mse-d2'"),
    ],
)
def test_list_refuses(capsys, words, message):
    assert cli.main(["list", *words]) == 2
    assert message in capsys.readouterr().err
