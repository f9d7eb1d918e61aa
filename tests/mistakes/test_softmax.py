"""The mistakes of softmax regression: each form is seen, at its stage, in every base it is for."""

import dataclasses
from functools import partial
from itertools import combinations

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - the name everyone knows

import scratch
from harness.engine.pieces import Functional
from harness.engine.recipe import Recipe
from harness.mistakes import softmax
from harness.mistakes.softmax import MISTAKES, predicts
from harness.pairs.linear import SCRATCH

STAGES = ("prediction", "loss", "gradient")
FORMS = [
    pytest.param(mistake, form, id=f"{mistake.id}: {form.name}")
    for mistake in MISTAKES
    for form in mistake.forms
]
TRAINED = [mistake for mistake in MISTAKES if mistake.first_stage in STAGES]
TRAINED_FORMS = [param for param in FORMS if param.values[0] in TRAINED]


class Linear(Functional):
    """A right model, whose leaves lie as nn.Linear's do."""

    def __init__(self, net, d, q):
        super().__init__(net, (torch.zeros(q, d), torch.zeros(q)))

    def forward(self, X):
        """Features (m, d) -> predictions (m, q)."""
        return self.net(X, self.w.T, self.b)


def base_of(form, net, loss):
    """Return a recipe of right pieces, of which only model, loss and accuracy are used here."""
    held = {f.name: getattr(SCRATCH[form], f.name) for f in dataclasses.fields(Recipe)}
    pieces = {"model": partial(Linear, net), "loss": loss, "metric": scratch.accuracy}
    return Recipe(**{**held, **pieces})


BASES = {
    "probabilities": base_of("functional", scratch.softmax_regression, scratch.cross_entropy),
    "logits": base_of("mse", lambda X, W, b: X @ W + b, scratch.CrossEntropy()),
}


def state(m, d, q, dtype=torch.float64, shift=0.0, scale=1.0):
    """Return features (m, d), weight (q, d), bias (q,) and labels (m,); bias is moved by shift."""
    generator = torch.Generator().manual_seed(m + 10 * d + 100 * q)
    X, weight = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) * scale
        for shape in ((m, d), (q, d))
    )
    bias = torch.linspace(-1, 1, q, dtype=torch.float64) + shift
    return X.to(dtype), weight.to(dtype), bias.to(dtype), torch.arange(m) % q


COMMON = {
    "float64": state(6, 3, 4),
    "float32": state(6, 3, 4, torch.float32),
    "square": state(5, 3, 3),
}
FAR = {
    "all logits far above 0": state(6, 3, 4, torch.float32, shift=200.0),
    "all logits far below 0": state(6, 3, 4, torch.float32, shift=-200.0),
}
APART = {"logits far apart": state(6, 3, 4, scale=4.0)}
STATES = COMMON | FAR | APART


def replies(recipe, question):
    """Return prediction, loss and gradients of the recipe's pieces in a state; None where none."""
    X, weight, bias, y = question
    model = recipe.model(weight.shape[1], weight.shape[0])
    leaves = list(model.parameters())
    for leaf, value in zip(leaves, (weight, bias), strict=True):
        leaf.data = value.clone()
    try:
        y_hat = model.forward(X)
    except RuntimeError:
        return dict.fromkeys(STAGES)  # shapes that do not fit
    loss = recipe.loss(y_hat, y)
    gradients = torch.autograd.grad(loss.sum(), leaves, materialize_grads=True, allow_unused=True)
    return {
        "prediction": y_hat,
        "loss": loss,
        "gradient": torch.cat([g.ravel() for g in gradients]),
    }


def alike(ours, theirs):
    """Tell whether two replies are the same up to rounding; a missing one is none."""
    if ours is None or theirs is None:
        return ours is theirs
    ulps = 64 * torch.finfo(theirs.dtype).eps
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=ulps, atol=ulps)


def first_stage(ours, theirs):
    """Return the first stage at which two replies differ; None where they do not."""
    return next((stage for stage in STAGES if not alike(ours[stage], theirs[stage])), None)


def first_stages(recipe, base, states):
    """Return the first stage at which two recipes differ in each state."""
    return {
        name: first_stage(replies(recipe, question), replies(base, question))
        for name, question in states.items()
    }


def named(id_):
    """Return the mistake with this id."""
    (mistake,) = (mistake for mistake in MISTAKES if mistake.id == id_)
    return mistake


def made(form):
    """Return base and wrong recipe, for every base that can have the form."""
    recipes = [(base, form.make(base)) for base in BASES.values()]
    return [(base, wrong) for base, wrong in recipes if wrong is not None]


@pytest.mark.parametrize(("mistake", "form"), FORMS)
def test_a_form_changes_one_piece(mistake, form):
    """That of its component; and somebody can have it."""
    assert made(form)
    for base, wrong in made(form):
        changed = [
            field.name
            for field in dataclasses.fields(base)
            if getattr(base, field.name) is not getattr(wrong, field.name)
        ]
        assert changed == [mistake.component.piece]


@pytest.mark.parametrize(("mistake", "form"), TRAINED_FORMS)
def test_a_form_is_seen_at_its_stage(mistake, form):
    """In one of the states at least, and in none before its stage."""
    for base, wrong in made(form):
        seen = set(first_stages(wrong, base, STATES).values())
        assert next(stage for stage in STAGES if stage in seen) == mistake.first_stage


def test_the_right_pieces_are_seen_nowhere():
    """Control: torch's own pieces, in every state, differ at no stage from those by hand."""
    built_in = {
        "probabilities": (
            lambda X, W, b: torch.softmax(F.linear(X, W.T, b), dim=1),
            lambda y_hat, y: F.nll_loss(y_hat.log(), y, reduction="none"),
        ),
        "logits": (lambda X, W, b: F.linear(X, W.T, b), F.cross_entropy),
    }
    for name, (net, loss) in built_in.items():
        right = dataclasses.replace(BASES[name], model=partial(Linear, net), loss=loss)
        assert set(first_stages(right, BASES[name], STATES).values()) == {None}


@pytest.mark.parametrize("id_", ["softmax.no-shift", "softmax.loss-no-shift"])
def test_a_missing_shift_shows_in_far_logits_only(id_):
    """On common logits a softmax without the shift is right."""
    mistake = named(id_)
    for form in mistake.forms:
        ((base, wrong),) = made(form)
        assert set(first_stages(wrong, base, COMMON).values()) == {None}
        assert None not in first_stages(wrong, base, FAR).values()


def test_a_number_under_the_logarithm_hides_in_float32():
    """1e-8 is not to be seen in float32 on common logits, and is in float64."""
    mistake = named("softmax.log-eps")
    (form,) = (form for form in mistake.forms if form.name == "log(p + 1e-08)")
    assert mistake.where == {"dtype": "float64"}
    for base, wrong in made(form):
        seen = first_stages(wrong, base, COMMON)
        assert seen == {"float64": "loss", "float32": None, "square": "loss"}


def test_a_weight_as_it_lies_fits_where_it_is_square():
    """In the other shapes it raises, which is seen as well; reshaped it always fits."""
    mistake = named("softmax.untransposed")
    reshaped, as_it_lies = mistake.forms
    for _, wrong in made(as_it_lies):
        assert replies(wrong, STATES["square"])["prediction"] is not None
        assert replies(wrong, STATES["float64"])["prediction"] is None
    for base, wrong in made(reshaped):
        assert replies(wrong, STATES["float64"])["prediction"] is not None
        one_class = {"one class": state(5, 3, 1), "one feature": state(5, 1, 3)}
        assert set(first_stages(wrong, base, one_class).values()) == {None}


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_mistakes_can_be_told_apart(base):
    """No two of them reply alike in all the states, whatever their forms."""
    asked = [
        (mistake.id, [replies(recipe, question) for question in STATES.values()])
        for mistake in TRAINED
        for form in mistake.forms
        if (recipe := form.make(base)) is not None
    ]
    assert len(asked) > 10
    for (name, ours), (other, theirs) in combinations(asked, 2):
        if name != other:
            assert any(map(first_stage, ours, theirs)), (name, other)


def test_a_wrong_accuracy_is_another_number():
    """Or raises, where there are not as many examples as classes."""
    mistake = named("softmax.accuracy-axis")
    by_rows, of_all = (form.make(BASES["logits"]).metric for form in mistake.forms)
    y_hat, y = (
        torch.tensor([[0.0, 1.0, 0.5], [0.0, 0.1, 0.2], [9.0, 8.0, 7.0]]),
        torch.tensor([1, 2, 0]),
    )
    assert scratch.accuracy(y_hat, y) == 1  # control
    assert by_rows(y_hat, y) == pytest.approx(1 / 3)
    assert of_all(y_hat, y) == 0
    with pytest.raises(RuntimeError):
        by_rows(y_hat[:2], y[:2])
    assert all(form.make(SCRATCH["mse"]) is None for form in mistake.forms)  # without an accuracy


def test_what_a_base_predicts():
    """A loss per example takes probabilities, a mean takes logits."""
    assert {name: predicts(base) for name, base in BASES.items()} == {
        "probabilities": "probabilities",
        "logits": "logits",
    }


def test_ids_are_unique_and_forms_are_several():
    """Every mistake is written in two ways at least, each under a name of its own."""
    assert len({mistake.id for mistake in MISTAKES}) == len(MISTAKES)
    for mistake in softmax.MISTAKES:
        assert mistake.id.startswith("softmax.")
        assert len({form.name for form in mistake.forms}) == len(mistake.forms) >= 2
