"""The cases that `svb compare` runs by default for linear regression, and those on one's own table.

An edge case is just another case: a batch size that does not divide the data, zero initial values,
flat labels, accumulated gradients, and so on, each with what it is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.engine.case import UpdateRule
from harness.errors import InputError
from harness.pairs.linear import Form, LinearCase

if TYPE_CHECKING:
    from harness.pairs.table import Table

_FORM_PURPOSES: dict[Form, str] = {
    "mse": "mean of squares",
    "object": "mean of ½ squares",
    "functional": "½ squares per example, summed gradient",
}
D5 = (2.0, -3.4, 5.6, 3.2, -0.6)

CASES: tuple[LinearCase, ...] = (
    LinearCase(
        "object-d2", "d2l's object form: mean of ½ squares, the book's setting", form="object"
    ),
    LinearCase(
        "object-against-mse",
        "d2l's published pair: ½ squares by hand against MSELoss, equal only with lr halved",
        form="object",
        against="mse",
    ),
    LinearCase(
        "functional-d2",
        "d2l's functional form: ½ squares per example, summed gradient divided in sgd",
        form="functional",
    ),
    LinearCase(
        "functional-against-mse",
        "the functional form against MSELoss: factors ½ and batch length, named",
        form="functional",
        against="mse",
    ),
    LinearCase("mse-d2", "scratch beside built-in with MSE: nothing to reconcile"),
    LinearCase("mse-d5", "the concise form's setting: five features, MSELoss", weight=D5),
    LinearCase(
        "functional-d5", "five features in the functional form", form="functional", weight=D5
    ),
    LinearCase(
        "tail-batch",
        "a batch size that does not divide n: 1003 rows make 101 batches, the last of 3",
        num_examples=1003,
    ),
    LinearCase(
        "tail-batch-summed",
        "the short last batch in the functional form: the update divides by its true length",
        form="functional",
        num_examples=1003,
    ),
    LinearCase(
        "batch-over-n",
        "a batch larger than the data set: one short batch an epoch",
        num_examples=7,
        batch_size=16,
        epochs=20,
    ),
    LinearCase(
        "batch-1",
        "one example a step: no averaging hides an error",
        num_examples=200,
        batch_size=1,
        lr=0.01,
    ),
    LinearCase(
        "n-1", "a single example: the smallest data set there is", num_examples=1, epochs=20
    ),
    LinearCase(
        "one-feature", "d = 1: where a transpose and a reshape look the same", weight=(2.0,)
    ),
    LinearCase(
        "zero-init",
        "all parameters start at 0: a convex problem trains all the same",
        initial_std=0.0,
    ),
    LinearCase(
        "large-init",
        "weights drawn with standard deviation 1000: far away, large residuals",
        initial_std=1000.0,
    ),
    LinearCase(
        "labels-flat",
        "labels of shape (n,): without a reshape the difference broadcasts to (m, m)",
        flat_labels=True,
    ),
    LinearCase(
        "labels-flat-functional",
        "labels of shape (n,) in the functional form",
        form="functional",
        flat_labels=True,
    ),
    LinearCase(
        "accumulate-even",
        "gradients accumulated over two micro-batches of 5",
        micro_batch_size=5,
    ),
    LinearCase(
        "accumulate-uneven",
        "micro-batches of 4, 4 and 2, and a tail of 3: each weighs by its rows",
        micro_batch_size=4,
        num_examples=1003,
    ),
    LinearCase(
        "clearing-forgotten",
        "nobody clears the gradient: both sides must go wrong in the same way",
        clear_gradients=False,
        lr=0.001,
        epochs=1,
    ),
    LinearCase("clipped", "gradient norm clipped at 1: active early, idle late", clip=1.0),
    LinearCase(
        "iterator-used-twice",
        "one iterator made once for all epochs: used up after the first, on both sides",
        one_pass_iterator=True,
    ),
    LinearCase("float64", "double precision: rounding 5e8 times smaller", dtype="float64"),
    LinearCase(
        "bfloat16", "8 bits of precision: the tolerance follows the dtype", dtype="bfloat16"
    ),
    LinearCase(
        "strided", "features that are a strided view, not contiguous", strided_features=True
    ),
    LinearCase(
        "collinear",
        "one feature is twice another: no unique solution, the paths must still agree",
        weight=(2.0, -3.4, 1.5),
        collinear=True,
    ),
    LinearCase(
        "diverges",
        "a learning rate far too large: both must overflow alike, at the same step",
        lr=3.0,
    ),
    LinearCase(
        "constant-label",
        "every label is 4.2: the weights must go to 0",
        weight=(0.0, 0.0),
        noise=0.0,
        initial_std=1.0,
    ),
    LinearCase("no-noise", "labels without noise: the loss goes down to rounding", noise=0.0),
    LinearCase(
        "momentum",
        "a velocity that remembers: undamped at the first step only",
        num_examples=503,
        optimizer=UpdateRule.of("sgd", momentum=0.9, dampening=0.5),
        lr=0.01,
    ),
    LinearCase(
        "nesterov",
        "momentum that looks one step ahead, and weight decay",
        num_examples=503,
        optimizer=UpdateRule.of("sgd", momentum=0.9, nesterov=True, weight_decay=0.01),
        lr=0.01,
    ),
    LinearCase(
        "adagrad",
        "steps divided by the root of all squared gradients; eps outside the root",
        num_examples=503,
        optimizer=UpdateRule.of("adagrad"),
        lr=0.5,
    ),
    LinearCase(
        "rmsprop",
        "steps divided by a running root mean square, centered, with momentum",
        num_examples=503,
        optimizer=UpdateRule.of("rmsprop", alpha=0.9, momentum=0.5, centered=True),
        lr=0.01,
    ),
    LinearCase(
        "adadelta",
        "steps sized by earlier steps",
        num_examples=503,
        optimizer=UpdateRule.of("adadelta"),
        lr=1.0,
    ),
    LinearCase(
        "adam",
        "both averages corrected for having started at zero; weight decay inside the gradient",
        num_examples=503,
        optimizer=UpdateRule.of("adam", weight_decay=0.01),
        lr=0.1,
    ),
    LinearCase(
        "adamw",
        "Adam with the weight decay beside it, in double precision",
        num_examples=503,
        optimizer=UpdateRule.of("adamw", weight_decay=0.1),
        lr=0.1,
        dtype="float64",
    ),
    LinearCase(
        "hidden-layer",
        "a layer of 8 rectified units: weights that lie transposed, and a gradient with kinks",
        form="object",
        num_examples=503,
        weight=D5,
        hidden=8,
        initial_std=0.5,
    ),
    LinearCase(
        "hidden-layer-adam",
        "as many units as features, where a transpose has the same shape; trained by Adam",
        num_examples=503,
        weight=D5,
        hidden=5,
        initial_std=0.5,
        optimizer=UpdateRule.of("adam"),
        lr=0.01,
    ),
)


def named_linear(names: list[str]) -> list[LinearCase]:
    """The cases with these names; InputError for one that is none of linear regression."""
    table = {case.name: case for case in CASES}
    for name in names:
        if name not in table:
            raise InputError(
                f"there is no case {name!r} of linear regression; `svb list cases` shows them all."
            )
    return [table[name] for name in dict.fromkeys(names)]


def on_table(table: Table, cases: Sequence[LinearCase] | None = None) -> list[LinearCase]:
    """Cases that train on a reader's table instead of synthetic data.

    The settings of `cases` where some are given, else each of the three forms once.
    """
    if cases is None:
        return [
            LinearCase(
                f"{table.name}-{form}",
                f"{table.target} of {table.name}, {purpose}",
                form=form,
                table=table,
            )
            for form, purpose in _FORM_PURPOSES.items()
        ]
    return [
        replace(case, name=f"{table.name}-{case.name}", table=table, collinear=False)
        for case in cases
    ]
