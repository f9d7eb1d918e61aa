"""Loops of all kinds, run on another side's pieces: the right ones agree, the wrong ones differ."""

import pytest
import torch

from harness.answers.answer import load
from harness.answers.source import read
from harness.engine.comparison import compare
from harness.engine.components import LOOP, Fit
from harness.pairs.linear import SCRATCH, Form, LinearCase

pytestmark = pytest.mark.filterwarnings("ignore")
FORMS: dict[tuple[str, bool], Form] = {
    ("none", True): "functional",
    ("mean", True): "object",
    ("mean", False): "mse",
}
HEAD = "import torch\n"
TRAIN = "def train(features, labels, w, b, lr, num_epochs, batch_size):\n"
EPOCHS = TRAIN + "    for epoch in range(num_epochs):\n"
BATCHES = EPOCHS + "        for X, y in data_iter(batch_size, features, labels):\n"
ROWS = EPOCHS + "        for rows in torch.randperm(len(features)).split(batch_size):\n"
STEP = "            "
CALLS = BATCHES + STEP + "squared_loss(linreg(X, w, b), y).sum().backward()\n"
CLEAR = STEP + "w.grad = b.grad = None\n"
BY_HAND = (
    STEP + "with torch.no_grad():\n" + STEP + "    w -= lr * w.grad; b -= lr * b.grad\n" + CLEAR
)
HALF = STEP + "(((X @ w + b - y) ** 2).mean() / 2).backward()\n"
END = "    return w, b\n"

SLOPES = (
    STEP + "with torch.no_grad():\n"
    "                r = linreg(X, w, b) - y.reshape(-1, 1)\n"
    "                w -= lr * X.T @ r / len(X); b -= lr * r.mean(0)\n"
)
NAMED = (
    BATCHES
    + STEP
    + "loss = squared_loss(linreg(X, *kept.values()), y).mean()\n"
    + STEP
    + "slopes = torch.autograd.grad(loss, list(kept.values()))\n"
    + STEP
    + "for name, g in zip(list(kept), slopes):\n"
    + STEP
    + "    kept[name] = (kept[name] - lr * g).detach().requires_grad_()\n"
).replace("    for epoch", "    kept = {'w': w, 'b': b}\n    for epoch")
IN = "in data_iter(batch_size, features, labels)"
LISTED = (CALLS + STEP + "sgd([w, b], lr, len(y))\n" + CLEAR).replace(
    "        for X, y " + IN,
    "        batches = data_iter(batch_size, features, labels)\n        for X, y in batches",
)

RIGHT = {
    "calls all": CALLS + STEP + "sgd([w, b], lr, len(y))\n" + CLEAR + END,
    "returns nothing": CALLS + STEP + "sgd([w, b], lr, len(y))\n" + CLEAR,
    "own update": CALLS.replace(".sum()", ".mean()") + BY_HAND + END,
    "all by hand": BATCHES + HALF + BY_HAND + END,
    "no half": BATCHES + HALF.replace(" / 2", "") + BY_HAND + END,
    "own rows": ROWS
    + STEP
    + "squared_loss(linreg(features[rows], w, b), labels[rows]).sum().backward()\n"
    + STEP
    + "sgd([w, b], lr, len(rows))\n"
    + CLEAR
    + END,
    "own rows by hand": ROWS
    + HALF.replace("X @", "features[rows] @").replace("- y", "- labels[rows]")
    + BY_HAND
    + END,
    "rebinds": CALLS.replace(".sum()", ".mean()")
    + STEP
    + "w = (w - lr * w.grad).detach().requires_grad_()\n"
    + STEP
    + "b = (b - lr * b.grad).detach().requires_grad_()\n"
    + END,
    "autograd.grad": BATCHES
    + STEP
    + "gw, gb = torch.autograd.grad(squared_loss(linreg(X, w, b), y).mean(), (w, b))\n"
    + STEP
    + "with torch.no_grad():\n"
    + STEP
    + "    w -= lr * gw; b -= lr * gb\n"
    + END,
    "starts itself": (CALLS + STEP + "sgd([w, b], lr, len(y))\n" + CLEAR + END)
    .replace("labels, w, b,", "labels,")
    .replace(
        "    for epoch",
        "    w = torch.zeros(features.shape[1], 1, requires_grad=True)\n"
        "    b = torch.zeros(1, requires_grad=True)\n    for epoch",
    ),
    "prints an evaluation": CALLS
    + STEP
    + "sgd([w, b], lr, len(y))\n"
    + CLEAR
    + "        with torch.no_grad():\n"
    + STEP
    + "print(float(squared_loss(linreg(features, w, b), labels).mean()))\n"
    + END,
    "draws ahead": LISTED.replace("= data_iter(batch_size, features, labels)", "= list(d)").replace(
        "        batches", "        d = data_iter(batch_size, features, labels)\n        batches"
    ),
    "draws ahead, by hand": (BATCHES + HALF + BY_HAND + END)
    .replace(IN, "in list(d)")
    .replace("        for X", "        d = data_iter(batch_size, features, labels)\n        for X"),
    "slices": LISTED.replace("in batches", "in batches[:]"),
    "in a dictionary": NAMED + "    return kept['w'], kept['b']\n",
    "slopes by hand": BATCHES + SLOPES + END,
    "compares with the truth": CALLS
    + STEP
    + "sgd([w, b], lr, len(y))\n"
    + CLEAR
    + STEP
    + "with torch.no_grad():\n"
    + STEP
    + "    squared_loss(linreg(X, torch.ones_like(w).detach(), torch.ones(1)), y)\n"
    + END,
}
WRONG = {
    "slices the last off": LISTED.replace("in batches", "in batches[:-1]"),
    "in a dictionary, left there": NAMED + END,
    "slopes of all rows": BATCHES
    + SLOPES.replace("X", "features").replace("- y", "- labels")
    + END,
    "never clears": CALLS + STEP + "sgd([w, b], lr, len(y))\n" + END,
    "stops early": CALLS + STEP + "sgd([w, b], lr, len(y))\n" + CLEAR + STEP + "break\n" + END,
    "nominal length": CALLS + STEP + "sgd([w, b], lr, batch_size)\n" + CLEAR + END,
    "divides twice": CALLS.replace(".sum()", ".mean()")
    + STEP
    + "sgd([w, b], lr, len(y))\n"
    + CLEAR,
    "once an epoch": CALLS + "        sgd([w, b], lr, len(y))\n        w.grad = b.grad = None\n",
    "one iterator": (CALLS + STEP + "sgd([w, b], lr, len(y))\n" + CLEAR)
    .replace("in data_iter(batch_size, features, labels)", "in it")
    .replace("    for epoch", "    it = data_iter(batch_size, features, labels)\n    for epoch"),
    "updates twice": CALLS + 2 * (STEP + "sgd([w, b], lr, len(y))\n") + CLEAR,
    "adds by hand": BATCHES + HALF + BY_HAND.replace("-=", "+=") + END,
    "own rows by hand, unpaired": ROWS
    + HALF.replace("X @", "features[rows] @").replace("- y", "- labels[rows.flip(0)]")
    + BY_HAND
    + END,
    "own rows by hand, no half step": ROWS
    + HALF.replace("X @", "features[rows] @").replace("- y", "- labels[rows]")
    + BY_HAND.replace("lr *", "2 * lr *")
    + END,
    "broadcasts by hand": BATCHES + HALF.replace("- y)", "- y.reshape(-1))") + BY_HAND + END,
    "leaks": RIGHT["prints an evaluation"]
    .replace("with torch.no_grad()", "if True")
    .replace(
        "print(float(squared_loss(linreg(features, w, b), labels).mean()))",
        "squared_loss(linreg(features, w, b), labels).mean().backward()",
    )
    .replace("w.grad = b.grad = None", "w.grad.zero_(); b.grad.zero_()"),
    "raises": CALLS + STEP + "undefined\n",
}

CLEAR_COPIES = STEP + "v.grad = c.grad = None\n"
SGD = (
    "def sgd(params, lr, batch_size):\n    with torch.no_grad():\n        for param in params:\n"
    "            param -= lr * param.grad / batch_size\n            param.grad.zero_()\n"
)
COPIES = (CALLS + STEP + "sgd([v, c], lr, len(y))\n" + CLEAR_COPIES).replace(
    "w, b), y", "v, c), y"
).replace(
    "    for epoch",
    "    v, c = w.detach().clone().requires_grad_(), b.detach().clone().requires_grad_()\n"
    "    for epoch",
) + END


def verdict(text):
    answer = load(read((HEAD + text).encode(), "answer.py"))
    convention = answer.convention("train")
    assert convention is not None
    form = FORMS[convention.reduction, convention.half]
    case = LinearCase("loop", "a loop", form=form, num_examples=43, batch_size=10, epochs=2)
    compared = compare(answer.recipe("train", SCRATCH[form]), cases=[case])
    return str(compared.verdict), answer


@pytest.mark.parametrize("name", RIGHT)
def test_right_loops(name):
    found, _ = verdict(RIGHT[name])
    assert found in ("identical", "rounding")


@pytest.mark.parametrize("name", WRONG)
def test_wrong_loops(name):
    found, _ = verdict(WRONG[name])
    assert found in ("different", "error")


@pytest.mark.parametrize(
    ("name", "inlined"),
    [
        ("calls all", set()),
        ("own update", {"update"}),
        ("all by hand", {"prediction", "loss", "update"}),
        ("own rows", {"batch"}),
    ],
)
def test_habits_tell_what_was_not_seen(name, inlined):
    _, answer = verdict(RIGHT[name])
    assert answer.manner.habits is not None
    assert answer.manner.habits.inlined == inlined


def test_nothing_stays_patched():
    before = torch.autograd.backward, torch.autograd.grad
    _, answer = verdict(RIGHT["autograd.grad"])
    assert (torch.autograd.backward, torch.autograd.grad) == before
    assert not {"data_iter", "linreg", "squared_loss"} & answer.namespace.keys()


@pytest.mark.parametrize(
    ("text", "moves"), [(COPIES, False), (COPIES.replace("return w, b", "return v, c"), True)]
)
def test_what_is_returned_is_where_it_ends(text, moves):
    """A loop that trains copies takes the right steps, and returns where it started."""
    found, answer = verdict(text)
    case = LinearCase("loop", "a loop", form="functional", num_examples=43)
    data = case.data()
    side = answer.recipe("train", SCRATCH["functional"]).build(case, data)
    side.fit()
    assert found in ("identical", "rounding", "different")
    start, end = data.initial[0].flatten(), side.parameters()[0].flatten()
    assert (not torch.equal(start, end)) is moves


def recorded(text, **settings):
    """The run of a loop on a question, as it is judged."""
    answer = load(read((HEAD + text).encode(), "answer.py"))
    convention = answer.convention("train")
    assert convention is not None
    base = SCRATCH[FORMS[convention.reduction, convention.half]]
    question = LOOP.questions(base, "functional", fit=Fit(**settings))[0]
    run = LOOP.ask(answer.recipe("train", base), question)
    assert run is not None
    return run


@pytest.mark.parametrize(("text", "same"), [(COPIES, True), (WRONG["never clears"], False)])
def test_gradients_are_cleared_in_whatever_was_updated(text, same):
    """An update that clears its gradients leaves none to the next step, also those of copies."""
    file = SGD.replace("param.grad", "p.grad").replace("param", "p") if same else ""
    run, alone = (recorded(file + t) for t in (text.replace(CLEAR_COPIES, ""), RIGHT["calls all"]))
    assert torch.allclose(run.chunk.gradient, alone.chunk.gradient) is same


def test_names_that_are_bound_anew_at_each_step():
    run = recorded(NAMED + END)
    assert run.epochs == [3, 3, 3]
    assert len(run.chunk) == 9
    assert torch.equal(run.entered[8][0], run.chunk.after[7])
    assert not torch.equal(run.final, run.chunk.after[8])
    kept = recorded(RIGHT["in a dictionary"])
    assert torch.equal(kept.final, kept.chunk.after[8])


@pytest.mark.parametrize(("text", "rows"), [("slopes of all rows", 13), ("slopes by hand", 5)])
def test_what_a_closed_form_is_computed_on(text, rows):
    run = recorded({**RIGHT, **WRONG}[text])
    assert len(run.chunk) == 9
    assert len(torch.cat(run.entered[0][1])) == rows


@pytest.mark.parametrize(("line", "batches"), [("", 1), ("if len(y) == 5: continue\n", 3)])
def test_a_loop_that_raises_has_been_given_its_batch(line, batches):
    run = recorded(BATCHES + STEP + line + STEP + "(y * 1).sum().backward()\n")
    assert run.raised is not None
    assert (run.epochs, run.raised.epoch, run.raised.step) == ([batches], 0, batches - 1)


def test_reinitialised_after_an_evaluation():
    """Other tensors to start an epoch from are no update, whatever was computed before."""
    text = CALLS + STEP + "sgd([w, b], lr, len(y))\n" + CLEAR
    text += "        linreg(features, w, b)\n        w = torch.zeros_like(w, requires_grad=True)\n"
    run = recorded(text)
    assert len(run.chunk) == 9
    assert not torch.equal(run.entered[3][0], run.chunk.after[2])
