"""Questions part what a run cannot and come from a seed; replies keep what was raised."""

import dataclasses
import math

import pytest
import torch

from harness.engine.case import UpdateRule
from harness.engine.components import (
    COMPONENTS,
    DATA_ITERATOR,
    INITIALISATION,
    LOOP,
    LOSS,
    MODEL,
    OPTIMIZER,
    Fit,
    SinglePiece,
)
from harness.engine.components.loop import RunawayError
from harness.engine.forced_run import COLUMNS
from harness.mistakes.data import Batches
from harness.mistakes.right_loop import Loop
from harness.pairs.linear import BUILTIN, SCRATCH, Form
from harness.pairs.linear_questions import FAR

FORMS: tuple[Form, ...] = ("functional", "object", "mse")
MSE = SCRATCH["mse"]
SINGLE = [component for component in COMPONENTS if isinstance(component, SinglePiece)]


def ask(recipe, question):
    """Return what the component of a recipe replies."""
    return question.component.ask(recipe, question)


def glance(recipe, question, steps):
    """Return what it replies to the first steps."""
    return question.component.glance(recipe, question, steps)


def with_piece(component, piece):
    """Return scratch with one piece replaced."""
    return component.put_into(MSE, piece, name="subject")


def first(component, form="mse", seed=0):
    """Return the first question for a component."""
    return component.questions(BUILTIN[form], form, seed)[0]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_questions_are_drawn_from_the_seed(component):
    """Equal seeds give equal inputs, other seeds others."""
    mine, same, other = (component.questions(BUILTIN["mse"], "mse", seed) for seed in (3, 3, 4))
    assert [q.case for q in mine] == [q.case for q in same]
    for a, b, c in zip(mine, same, other, strict=True):
        assert torch.equal(a.data.features, b.data.features)
        assert not torch.equal(a.data.features, c.data.features)
        for (one, up), (two, down) in zip(a.stacks, b.stacks, strict=True):
            assert torch.equal(one.X, two.X)
            assert torch.equal(up, down)


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_the_piece_that_is_put_into_a_recipe_is_the_one_that_it_has(component):
    """And no other piece is touched."""
    changed = with_piece(component, raising)
    assert component.of(changed) is raising
    others = [other for other in COMPONENTS if other is not component]
    assert all(other.of(changed) is other.of(MSE) for other in others)


def test_only_a_loop_that_cuts_its_batches_itself_need_not_shuffle():
    """Batches in stored order are then no affair of its own."""
    ordered = dataclasses.replace(
        MSE, batches=lambda X, y, size, _g: list(zip(X.split(size), y.split(size), strict=True))
    )
    for cuts, passed in ((True, True), (False, False)):
        question, *_ = LOOP.questions(BUILTIN["mse"], "mse", fit=Fit(cuts=cuts))
        assert (
            LOOP.judge(question, ask(ordered, question), ordered, BUILTIN["mse"]).passed is passed
        )


@pytest.mark.parametrize(
    ("asked_for", "rows", "size", "epochs"),
    [
        ((2000, 10, 2), 2000, 10, 2),  # 200 batches, and 400 steps in all
        ((2010, 10, 2), 2000, 10, 2),
        ((2013, 10, 9), 2003, 10, 2),  # the last batch is as short as it was
        ((1000, 5, 3), 1000, 5, 2),
        ((1008, 5, 3), 1003, 5, 2),  # 201 batches, but never fewer than two epochs
        ((5000, 700, 500), 1500, 700, 133),  # two batches and a short one
        ((2000, 2000, 500), 2000, 2000, 400),
        ((9000, 3000, 401), 2000, 3000, 400),  # no batch is full
        ((13, 5, 1), 13, 5, 1),
    ],
    ids=str,
)
def test_the_numbers_of_a_files_own_loop_are_cut(asked_for, rows, size, epochs):
    """To 2000 rows and 200 full batches, and to 400 steps; what is smaller stays."""
    settings = dict(zip(("num_examples", "batch_size", "epochs"), asked_for, strict=True))
    case, *_ = Fit(**settings).cases([first(LOOP).case])
    assert (case.n, case.batch_size, case.epochs) == (rows, size, epochs)


def test_a_loop_is_asked_with_its_own_settings_and_as_wide_as_it_needs():
    """What it does not say stays as the case has it; all rows are one batch where it cuts none."""
    cases = [question.case for question in LOOP.questions(BUILTIN["mse"], "mse")]
    assert Fit().cases(cases) == tuple(cases)
    assert Fit(single=True).cases(cases) == tuple(cases[:1])
    assert {case.lr for case in Fit(lr=0.7).cases(cases)} == {0.7}
    assert [case.d for case in Fit(width=100).cases(cases[:1])] == [100]
    assert [case.d for case in Fit(width=101).cases(cases[:1])] == [100]
    (whole,) = Fit(whole=True, num_examples=70, batch_size=10).cases(cases[:1])
    assert (whole.n, whole.batch_size, whole.epochs) == (70, 70, cases[0].epochs)
    (large,) = Fit(whole=True, num_examples=2001, epochs=401).cases(cases[:1])
    assert (large.n, large.batch_size, large.epochs) == (2000, 2000, 400)


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_questions_without_a_seed_are_those_of_seed_0(component):
    """The very same."""
    plain = component.questions(BUILTIN["mse"], "mse")
    assert plain is component.questions(BUILTIN["mse"], "mse", 0)


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_questions_of_two_seeds_share_no_numbers(component):
    """Between two seeds there is room for 101 questions, each with a seed of its own."""
    for seed in (0, 3):
        seeds = [q.case.seed for q in component.questions(BUILTIN["mse"], "mse", seed) if q.judged]
        start = 101 * seed
        assert set(seeds) == set(range(start, start + len(set(seeds))))


def test_a_shift_moves_the_seeds_of_all_generators_and_not_the_question():
    """What is drawn is as if the question's seed were larger by it."""
    question = first(INITIALISATION, "functional")
    later = dataclasses.replace(question.case, seed=question.case.seed + 5)
    drawn = [
        INITIALISATION.ask(SCRATCH["functional"], asked, shift).weights
        for asked, shift in (
            (question, 5),
            (dataclasses.replace(question, case=later), 0),
            (question, 0),
        )
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("component", SINGLE, ids=str)
def test_states_part_what_a_run_cannot(component, form):
    """One, two and five features, but for a loss, which knows none; rows 5, 3 and 1; signs, large
    residuals, no value twice.
    """
    asked = [q for q in component.questions(BUILTIN[form], form) if q.judged]
    assert {q.case.d for q in asked} == ({1, 2} if component is LOSS else {1, 2, 5})
    for question in asked:
        assert [(stack.rows, len(stack)) for stack, _ in question.stacks] == [
            (5, 9),
            (3, 4),
            (1, 3),
        ]
        assert question.steps == 16
        positions = [k for stack, _ in question.stacks for k in stack.positions]
        assert positions == list(range(question.steps))
        for stack, upstream in question.stacks:
            for values in (stack.X, stack.y, stack.prediction, stack.gradient, upstream):
                assert values.isfinite().all()
                assert len(values.unique()) == values.numel()
                if stack.rows > 1:  # four single rows may be of one sign by chance
                    assert (values < 0).any()
                    assert (values > 0).any()
            assert stack.prediction.abs().max() > FAR / 10


def test_both_label_shapes_and_a_bias_that_is_not_0_are_asked():
    """And for the model one question whose bias is 0."""
    flat = {q.data.labels.ndim == 1 for q in LOSS.questions(BUILTIN["mse"], "mse")}
    assert flat == {True, False}
    biases = [
        bool(stack.before[:, -1].any())
        for q in MODEL.questions(BUILTIN["mse"], "mse")
        for stack, _ in q.stacks
    ]
    assert True in biases
    assert False in biases


def test_loops_and_iterators_are_asked_for_tails_and_several_epochs():
    """With n no multiple of the batch, n a multiple, and n below it."""
    cases = [q.case for q in DATA_ITERATOR.questions(BUILTIN["mse"], "mse")]
    assert {case.n % case.batch_size > 0 for case in cases} == {True, False}
    assert any(case.n < case.batch_size for case in cases)
    assert all(case.epochs > 1 for case in cases)
    loops = {form: LOOP.questions(BUILTIN[form], form) for form in FORMS}
    for asked in loops.values():
        assert {q.case.epochs for q in asked} >= {1, 3}
        assert all(float(q.data.initial[1]) for q in asked)
    micro = {form: [q.case.micro_batch_size for q in asked] for form, asked in loops.items()}
    assert not any(micro["functional"])
    assert any(micro["mse"])


def test_a_question_that_is_not_judged_tells_writing_from_not_writing():
    """The learning rate is NaN: what is written at all becomes NaN."""
    extra = [q for q in OPTIMIZER.questions(BUILTIN["mse"], "mse") if not q.judged]
    assert len(extra) == 1
    assert str(extra[0].lr) == "nan"
    (written, *_) = ask(MSE, extra[0]).once
    assert written.parameter.isnan().all()


def test_an_optimizer_with_a_state_is_asked_more():
    """In float64 too, and there also with gradients of 1e-7, beside which its eps shows."""
    adam = UpdateRule.of("adam")
    asked = OPTIMIZER.questions(BUILTIN["mse"], "mse", rule=adam)
    assert all(q.judged and q.case.optimizer == adam and q.case.lr == 0.01 for q in asked)
    assert [q.case.dtype for q in asked] == ["float32", "float32", "float64", "float64"]
    _, wide, exact, tiny = asked
    assert wide.case.d == exact.case.d == tiny.case.d == 5
    assert tiny.case.seed == exact.case.seed + 1  # the next seed, so that its states are others
    for question, size in ((wide, 1.0), (exact, 1.0), (tiny, 1e-7)):
        values = torch.cat([stack.gradient.reshape(-1) for stack, _ in question.stacks]).double()
        assert 0.85 < float(values.std()) / size < 1.15  # of some hundred normal numbers


@pytest.mark.parametrize("component", SINGLE, ids=str)
def test_a_single_piece_is_asked_its_columns_twice(component):
    """The columns of the others are empty; the second time gives the same."""
    question = first(component)
    reply = ask(MSE, question)
    for rounds in (reply.once, reply.again):
        for (stack, _), got in zip(question.stacks, rounds, strict=True):
            filled = {name for name in COLUMNS if len(getattr(got, name))}
            assert filled == set(component.columns)
            assert all(len(getattr(got, name)) == len(stack) for name in filled)
            assert not got.raised
            assert not got.faults
    name = component.columns[0]
    for once, again in zip(reply.once, reply.again, strict=True):
        assert torch.equal(getattr(once, name), getattr(again, name))


@pytest.mark.parametrize("component", SINGLE, ids=str)
def test_the_beginning_is_the_first_steps(component):
    """Asked alone, they give what they give in the whole question."""
    question = first(component)
    few = question.beginning(2)
    assert (few.steps, few.case, few.component) == (2, question.case, component)
    (begun,) = glance(MSE, question, 2).once
    whole = ask(MSE, question).once[0]
    for name in component.columns:
        assert torch.equal(getattr(begun, name), getattr(whole, name)[:2])
    assert question.beginning(99).steps == len(question.stacks[0][0])


def test_the_beginning_of_a_loop_is_its_first_updates():
    """The loop is stopped there, wherever its epochs end."""
    question = first(LOOP)
    begun, whole = glance(MSE, question, 2), ask(MSE, question)
    assert (len(begun.chunk), begun.raised.kind) == (2, "RunawayError")
    assert len(whole.chunk) == question.case.total_steps > 2
    assert begun.chunk.places == whole.chunk.places[:2]
    assert torch.equal(begun.chunk.after, whole.chunk.after[:2])


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_the_kits_own_reply_is_the_whole_one(component):
    """Asked once and kept, it is what asking gives."""
    question = first(component)
    kept, asked_now = component.own_reply(MSE, question), ask(MSE, question)
    assert component.own_reply(MSE, question) is kept
    if component in SINGLE:
        name = component.columns[0]
        for rounds in ((kept.once, asked_now.once), (kept.again, asked_now.again)):
            for mine, theirs in zip(*rounds, strict=True):
                assert torch.equal(getattr(mine, name), getattr(theirs, name))


def test_asking_leaves_the_generators_alone():
    """Whatever the component draws."""
    before = torch.get_rng_state()
    for component in COMPONENTS:
        ask(MSE, first(component))
    glance(MSE, first(MODEL), 2)
    glance(MSE, first(LOOP), 2)
    assert torch.equal(torch.get_rng_state(), before)


def raising(*_given):
    """Raise."""
    raise LookupError("nothing here")


@pytest.mark.parametrize(
    ("component", "piece", "stage"),
    [
        (DATA_ITERATOR, raising, "batch"),
        (LOSS, raising, "loss"),
        (INITIALISATION, raising, "parameter"),
        (LOOP, raising, "gradient"),
        (LOOP, lambda side: side.forward(torch.ones(3, 9)), "prediction"),
    ],
)
def test_what_a_component_raises_is_part_of_the_reply(component, piece, stage):
    """With its stage, kind and message; the right piece raises nothing."""
    question = first(component)
    for subject, wrong in ((with_piece(component, piece), True), (MSE, False)):
        reply = ask(subject, question)
        raised = reply.once[0].raised.get("loss") if component is LOSS else reply.raised
        assert bool(raised) == wrong
        if raised:
            assert (raised.stage, raised.epoch, raised.step) == (stage, 0, 0)
    if piece is raising:
        reply = ask(with_piece(component, piece), question)
        raised = reply.once[0].raised["loss"] if component is LOSS else reply.raised
        assert (raised.kind, raised.message) == ("LookupError", "nothing here")


def test_an_iterator_is_asked_for_epochs_and_for_another_seed():
    """Epochs in the order of the calls; batches are copies, and so is what is left behind."""
    question = first(DATA_ITERATOR)
    served = ask(MSE, question)
    n, size = question.case.n, question.case.batch_size
    assert [len(epoch) for epoch in served.epochs] == [math.ceil(n / size)] * question.case.epochs
    assert len(served.other) == 1
    assert not served.endless
    assert not served.repeats_itself
    assert torch.equal(served.features, question.data.features)
    assert served.features is not question.data.features


@pytest.mark.parametrize(
    ("order", "repeats"),
    [(lambda self: torch.arange(self.n), True), (Batches.order, False)],
)
def test_an_order_that_no_seed_changes_is_seen(order, repeats):
    """Also where nothing is left for the second seed."""
    kind = type("Ordered", (Batches,), {"order": order})
    served = ask(with_piece(DATA_ITERATOR, kind), first(DATA_ITERATOR))
    assert served.repeats_itself == repeats
    assert not dataclasses.replace(served, other=[]).repeats_itself
    assert not dataclasses.replace(served, other=[[]]).repeats_itself
    assert not dataclasses.replace(served, epochs=[[]], other=[[]]).repeats_itself


def test_an_iterator_that_does_not_end_is_stopped():
    """After a few batches more than any right one has."""

    def endless(features, labels, size, _generator):
        while True:
            yield features[:size], labels[:size]

    question = first(DATA_ITERATOR)
    served = ask(with_piece(DATA_ITERATOR, endless), question)
    assert served.endless
    assert served.raised is None
    n, size = question.case.n, question.case.batch_size
    most = 2 * math.ceil(n / size) + n
    assert [len(epoch) for epoch in served.epochs] == [most]
    for count, stopped in ((most - 1, False), (most, True)):

        def long(features, labels, size, _generator, count=count):
            return [(features[:size], labels[:size])] * count

        assert ask(with_piece(DATA_ITERATOR, long), question).endless is stopped


def test_where_an_iterator_raised_is_known():
    """By the epoch, and the batches that it had served there."""

    class Late(Batches):
        begun = 0

        def __iter__(self):
            type(self).begun += 1
            for index, batch in enumerate(super().__iter__()):
                if (self.begun, index) == (3, 2):
                    raise LookupError
                yield batch

    raised = ask(with_piece(DATA_ITERATOR, Late), first(DATA_ITERATOR)).raised
    assert (raised.kind, raised.epoch, raised.step) == ("LookupError", 2, 2)
    at_once = ask(with_piece(DATA_ITERATOR, raising), first(DATA_ITERATOR)).raised
    assert (at_once.epoch, at_once.step) == (0, 0)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (([1.0], [2.0]), "the iterator served list, but should serve two tensors"),
        (3, "cannot unpack"),
    ],
)
def test_what_is_no_batch_is_raised(batch, said):
    """In words for the learner."""
    subject = with_piece(DATA_ITERATOR, lambda *_: [batch])
    assert said in ask(subject, first(DATA_ITERATOR)).raised.message


def test_two_bare_tensors_are_one_batch():
    """`return` in the place of `yield`: more of them are no batch."""
    pair = with_piece(DATA_ITERATOR, lambda X, y, size, _g: (X[:size], y[:size]))
    assert [len(epoch) for epoch in ask(pair, first(DATA_ITERATOR)).epochs] == [1] * 4
    three = with_piece(DATA_ITERATOR, lambda X, y, *_: (X, y, X))
    assert "single tensors" in ask(three, first(DATA_ITERATOR)).raised.message


def test_a_loop_is_recorded_to_its_end():
    """Steps, epochs, where each step started, and what is left."""
    question = first(LOOP)
    run = ask(MSE, question)
    assert run.raised is None
    assert sum(run.epochs) == len(run.chunk) == question.case.total_steps
    assert torch.equal(run.final, run.chunk.after[-1])
    given = torch.cat([value.reshape(-1) for value in question.data.initial])
    assert torch.equal(run.entered[0][0], given)
    assert torch.equal(run.entered[1][0], run.chunk.after[0])


def test_a_loop_that_does_not_end_is_stopped():
    """With what it did so far."""

    class Endless(Loop):
        def fit(self):
            while True:
                self.epoch(0)

    run = ask(with_piece(LOOP, lambda side: Endless(side).fit()), first(LOOP))
    assert run.raised.kind == RunawayError.__name__
    assert run.chunk is not None


def test_a_loop_that_does_nothing_has_no_steps():
    """And no epochs: all that can be held against another run is where it ends."""
    question = first(LOOP)
    run = ask(with_piece(LOOP, lambda side: None), question)
    assert (run.chunk, run.epochs, run.raised) == (None, [], None)
    (values,) = LOOP.signature(run, MSE.convention).values
    given = torch.cat([value.reshape(-1) for value in question.data.initial])
    assert torch.equal(values, given.reshape(1, -1))


def test_a_run_begins_like_one_with_the_same_first_updates():
    """Without any update it begins like one without, and like no other."""
    question = first(LOOP)
    run, begun = ask(MSE, question), glance(MSE, question, 2)
    idle = ask(with_piece(LOOP, lambda side: None), question)
    right = LOOP.signature(run, MSE.convention)

    def begins_like(reply, beginning):
        return LOOP.begins_like(question, reply, beginning, right)

    assert begins_like(run, begun)
    assert begins_like(idle, idle)
    assert not begins_like(run, idle)
    assert not begins_like(idle, begun)
    after = begun.chunk.after.clone()
    after[1] *= 1.001
    other = dataclasses.replace(begun.chunk, after=after)
    assert not begins_like(run, dataclasses.replace(begun, chunk=other))
    later = dataclasses.replace(begun.chunk, places=[(0, 0), (0, 2)])
    assert not begins_like(run, dataclasses.replace(begun, chunk=later))


def test_initial_parameters_are_drawn_in_the_asked_width():
    """Facts of one draw, values of wide ones, and whether a step gives gradients."""
    drawn = ask(SCRATCH["functional"], first(INITIALISATION))
    assert drawn.shapes == [(2, 1), (1,)]
    assert drawn.dtypes == ["float32"] * 2
    assert drawn.requires_grad == drawn.is_leaf == drawn.gets_gradient == [True, True]
    assert drawn.weights.shape == (4, 1000)
    assert not drawn.biases.any()


@pytest.mark.parametrize("made", [3.0, "w"])
def test_initial_parameters_have_to_be_tensors(made):
    """What is none is said."""
    drawn = ask(with_piece(INITIALISATION, lambda _d: (made, made)), first(INITIALISATION))
    assert "but should return tensors" in drawn.raised.message
    assert drawn.shapes == []
