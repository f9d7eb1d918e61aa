"""Every exercise passes its right answers, and fails each wrong one for the stated reason.

The answers stand in tests/corpus/exercises: `right*.py`, and `wrong_FAULT*.py` for each fault.
"""

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import cli
from harness.errors import InputError
from harness.exercises import training
from harness.exercises.catalogue import (
    EXERCISES,
    named,
    page,
    perform,
    plain,
)
from harness.exercises.exercise import (
    CALLS,
    HINTS,
    PACKER,
    REPLIES,
    Call,
    Reply,
    is_stub,
    plain_arrays,
)
from harness.exercises.given import Given
from harness.exercises.memory import Growth
from harness.isolation.codec import MalformedError
from harness.isolation.payload import Payload

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "corpus" / "exercises"
PAGE = ROOT / "docs" / "exercises.md"
SEEDS = range(5)
SLOW = {"larger-than-memory"}  # writes a file for each answer: one seed is quick enough
FILES = [
    pytest.param(EXERCISES[folder.name], file, id=f"{folder.name}/{file.stem}")
    for folder in sorted(CORPUS.iterdir())
    for file in sorted(folder.glob("*.py"))
]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Files that an exercise hands over lie in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def loaded(file):
    """Return what an answer defines."""
    namespace = {"__name__": "answer"}
    exec(compile(file.read_text("utf-8"), str(file), "exec"), namespace)
    return namespace


def judged(subject, namespace, seed=0):
    """Return the verdict on an answer's functions, as learners run them: warnings are shown."""
    calls = subject.questions(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        replies = [perform(namespace, call) for call in calls]
    return subject.judge(calls, replies)


def stated(file):
    """Return the fault that a file's name states; None where it is right."""
    return None if file.stem.startswith("right") else file.stem.split("_")[1]


def answering(subject, value):
    """Return a namespace in which every function of the exercise returns this."""
    return {wanted.function: lambda *_: value for wanted in subject.contract}


# The first right answer of each exercise and its first wrong one; all, on every seed, below.
FIRST = [
    pytest.param(EXERCISES[folder.name], file, id=f"{folder.name}/{file.stem}")
    for folder in sorted(CORPUS.iterdir())
    for kind in ("right*.py", "wrong*.py")
    for file in sorted(folder.glob(kind))[:1]
]


@pytest.mark.parametrize(("subject", "file"), FIRST)
def test_an_answer_gets_its_verdict(subject, file):
    """Right answers pass on every seed; wrong ones fail for the reason in their name."""
    seeds = SEEDS if stated(file) is None and subject.name not in SLOW else SEEDS[:1]
    verdicts = [judged(subject, loaded(file), seed) for seed in seeds]
    assert {verdict.fault for verdict in verdicts} == {stated(file)}, verdicts[0].message
    for verdict in verdicts:
        assert verdict.passed == (stated(file) is None)
        assert verdict.message
        assert bool(verdict.hint) != verdict.passed


@pytest.mark.slow
@pytest.mark.parametrize(("subject", "file"), FILES)
def test_an_answer_gets_its_verdict_on_every_seed(subject, file):
    faults = {judged(subject, loaded(file), seed).fault for seed in range(12)}
    assert faults == {stated(file)}


def test_every_exercise_has_its_answers():
    """A right one, and at least three wrong ones of different faults that have hints."""
    assert sorted(EXERCISES) == sorted(folder.name for folder in CORPUS.iterdir())
    for subject in EXERCISES.values():
        files = list((CORPUS / subject.name).glob("*.py"))
        faults = {stated(file) for file in files}
        assert None in faults
        assert len(faults) >= 4, subject.name
        assert faults - {None} <= {*subject.hints, *HINTS}


VACUOUS = {
    "none": None,
    "empty": [],
    "nan": torch.full((1,), torch.nan),
    "zero": 0.0,
    "text": "right",
    "dict": {"w": 1.0},
    "truth of the book": (torch.tensor([[2.0], [-3.4]]), torch.tensor([4.2])),
    "a batch of nothing": [(torch.empty(0, 2), torch.empty(0, 1))],
    "nan batches": [(torch.full((5, 2), torch.nan), torch.full((5, 1), torch.nan))],
}


@pytest.mark.parametrize("value", VACUOUS.values(), ids=list(VACUOUS))
def test_nothing_passes_by_default(value):
    """Empty, NaN and constant answers fail every exercise, with a message and a hint."""
    for subject in EXERCISES.values():
        if subject.name in SLOW:
            continue
        verdict = judged(subject, answering(subject, value))
        assert not verdict.passed, subject.name
        assert verdict.message
        assert verdict.hint


def test_nothing_passes_by_default_in_a_file():
    """The same for the exercise that writes a file."""
    subject = EXERCISES["larger-than-memory"]
    calls = [call for call in subject.questions(0) if call.observe == "batches"]
    for value in VACUOUS.values():
        replies = [perform(answering(subject, value), call) for call in calls]
        assert not subject.judge(calls, replies).passed


@pytest.mark.parametrize("kind", ["absent", "pass", "ellipsis", "docstring", "raises", "number"])
def test_a_stub_is_missing(kind):
    def passes(*_):
        pass

    def ellipsis(*_): ...

    def docstring(*_):
        """Do it later."""

    def raises(*_):
        raise NotImplementedError("your code here")

    stubs = {"pass": passes, "ellipsis": ellipsis, "docstring": docstring, "raises": raises}
    functions = {name: {"huber_loss": stub} for name, stub in stubs.items()}
    namespace = {"absent": {}, "number": {"huber_loss": 3}, **functions}[kind]
    assert judged(EXERCISES["huber"], namespace).fault == "missing"


def test_a_stub_is_missing_control():
    """Control: a function that does something, or returns something, is none."""
    assert not is_stub(lambda x: x)
    assert not is_stub(lambda: 3)
    assert not is_stub(torch.nn.MSELoss())
    assert is_stub(lambda: None)


def test_what_is_raised_is_told():
    def huber_loss(*_):
        raise ValueError("no sigma")

    verdict = judged(EXERCISES["huber"], {"huber_loss": huber_loss})
    assert verdict.fault == "raises"
    assert verdict.message == "huber_loss[call 0] raised ValueError: no sigma"


def test_values_are_told_in_the_grammar():
    verdict = judged(EXERCISES["huber"], loaded(CORPUS / "huber" / "wrong_delta-form.py"))
    number = r"-?[\d.e+-]+"
    assert re.fullmatch(
        rf"huber_loss\[call 0\] entry \(0, 0\) = {number}, but should be {number} "
        rf"\(gap {number}, allowed {number}\)",
        verdict.message,
    )


@pytest.mark.parametrize("subject", EXERCISES.values(), ids=list(EXERCISES))
def test_questions_are_drawn_anew(subject):
    """The same for the same seed, others for another; calls have arguments and nothing more."""
    first, again, other = (PACKER.pack(CALLS, subject.questions(seed)).digest for seed in (0, 0, 1))
    assert first == again
    assert first != other
    functions = {call.function for call in subject.questions(0)}
    assert functions == {wanted.function for wanted in subject.contract}


def crossing(kind, value):
    """Return a value that went through JSON and bare arrays."""
    packed = PACKER.pack(kind, value)
    return PACKER.unpack(kind, Payload(json.loads(json.dumps(packed.facts)), packed.arrays))


@pytest.mark.parametrize("subject", EXERCISES.values(), ids=list(EXERCISES))
def test_calls_and_replies_cross(subject):
    """What was packed as JSON and arrays is judged like the original."""
    calls = subject.questions(0)[:2] if subject.name in SLOW else subject.questions(0)
    crossed = crossing(CALLS, calls)
    answer = loaded(CORPUS / subject.name / "right.py")
    replies = [perform(answer, call) for call in crossed]
    back = crossing(REPLIES, tuple(replies))
    assert [len(reply.arrays) for reply in back] == [len(reply.arrays) for reply in replies]
    assert subject.judge(calls, back).passed
    assert not subject.judge(calls, back[:-1]).passed


REPLY = PACKER.pack(Reply, Reply((np.ones(2),), (1,)))


@pytest.mark.parametrize(
    "facts",
    [
        {},
        [3],
        [{}],
        [{"arrays": 10**9}],
        [REPLY.facts | {"batches": [-1]}],
        [REPLY.facts | {"batches": [True]}],
        [REPLY.facts | {"untouched": 1}],
        [REPLY.facts | {"raised": ["loss", "ValueError"]}],
        [REPLY.facts | {"verdict": "pass"}],
        [REPLY.facts],
    ],
)
def test_forged_replies_are_refused(facts):
    """Facts of another type, fewer or more of them, an array that is not there."""
    with pytest.raises(MalformedError):
        PACKER.unpack(REPLIES, Payload(facts, {}))


def test_a_reply_that_is_none_is_refused_for_what_is_wrong_with_it():
    """Control: with its array, the last of them is read."""
    (reply,) = PACKER.unpack(REPLIES, Payload([REPLY.facts], {"0.arrays.0": np.ones(2)}))
    assert (len(reply.arrays), reply.batches) == (1, (1,))


@pytest.mark.parametrize("subject", EXERCISES.values(), ids=list(EXERCISES))
def test_forged_arrays_do_not_pass(subject):
    """Arrays of any number and shape are judged, none crashes the judge."""
    calls = subject.questions(0)
    shapes = [(), (0,), (1,), (3, 0), (2, 2, 2), (5, 2)]
    for count in (0, 1, 2, 3, 6):
        for shape in shapes:
            arrays = tuple(np.ones(shape) for _ in range(count))
            for batches in ((), (count // 2,), (count // 2, 0), (-1, 1)):
                replies = [Reply(arrays, batches)] * len(calls)
                assert not subject.judge(calls, replies).passed
    huge = [Reply((np.full((5, 2), 1e300), np.full((5, 1), 1e300)), (1,))] * len(calls)
    assert not subject.judge(calls, huge).passed


def test_results_become_plain_arrays():
    cases = {
        "number": (3.5, [()]),
        "tensor": (torch.ones(2, 1, requires_grad=True), [(2, 1)]),
        "numbers": ([1.0, torch.tensor(2.0)], [(2,)]),
        "lists": ([[1, 2, 3], [4, 5, 6]], [(2, 3)]),
        "pair": ((torch.ones(2, 1), torch.ones(1)), [(2, 1), (1,)]),
        "array": (np.ones(3, dtype=np.int64), [(3,)]),
    }
    for value, shapes in cases.values():
        assert [array.shape for array in plain_arrays(value)] == shapes


@pytest.mark.parametrize("value", [None, "text", {"a": 1}, [None], object(), 1j, [[1], [2, 3]]])
def test_other_results_are_refused(value):
    with pytest.raises((TypeError, ValueError)):
        plain_arrays(value)


def test_generators_are_seen():
    """A call that draws leaves them changed; one that does not, does not."""
    call = Call("f", {})
    assert not perform({"f": lambda: torch.rand(1)}, call).untouched
    assert not perform({"f": lambda: float(np.random.rand())}, call).untouched
    assert perform({"f": lambda: 1.0}, call).untouched
    first, again, other = (
        perform({"f": lambda: torch.rand(1)}, replace(call, seed=seed)).arrays[0]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_an_endless_iterator_ends():
    call = Call("f", {}, observe="batches", most=7)
    assert perform({"f": lambda: iter(lambda: (torch.ones(1), torch.ones(1)), None)}, call).endless
    two = [(torch.ones(1), torch.ones(1))] * 2
    assert perform({"f": lambda: two}, call).batches == (2,)


def test_arguments_are_the_learners_own():
    """What a function does to its arguments does not reach the next call's."""

    def spoil(x):
        x.zero_()
        return x

    call = Call("f", {"x": np.ones(3, dtype=np.float32)})
    assert not perform({"f": spoil}, call).arrays[0].any()
    assert call["x"].all()


def test_given_things_are_made_of_plain_values():
    values = {"a": 2.0, "b": 0.5}
    x = torch.tensor([0.3])
    made = Given("sine-and-cube", values).make()(x)
    assert float(made) == pytest.approx(np.sin(0.6) + 0.5 * 0.3**3)
    assert float(Given("bell", values).make()(x)) == pytest.approx(2 * np.exp(-0.5 * 0.09))
    name = Given("file-of-rows", {"seed": 3, "n": 4, "columns": 2}).make()
    assert np.load(name).shape == (4, 2)


def test_a_data_set_is_malicious_only_where_the_order_hurts():
    """The engine's own runs, on sorted rows and on the same rows shuffled."""
    sorted_data = loaded(CORPUS / "reshuffle" / "right.py")["malicious_data"]
    torch.manual_seed(0)
    X, y = (part.numpy() for part in sorted_data(200))
    order = np.random.default_rng(0).permutation(200)
    judge = training._judge_malice
    assert judge("here", 200, Reply((X, y))) is None
    wrong = judge("here", 200, Reply((X[order], y[order])))
    assert wrong is not None
    assert wrong.fault == "no-harm"


def test_memory_is_seen():
    """Holding many bytes shows, whoever allocates them; holding few does not."""
    grown = {}
    for name, hold in {
        "numpy": lambda: np.ones(8 << 20, dtype=np.uint8),
        "torch": lambda: torch.ones(8 << 20, dtype=torch.uint8),
        "little": lambda: np.ones(8 << 10, dtype=np.uint8),
    }.items():
        with Growth() as growth:
            held = hold()
            growth.look()
            del held
        grown[name] = growth.most
    assert grown["numpy"] >= 8 << 20
    assert grown["torch"] >= 7 << 20
    assert grown["little"] < 4 << 20


def test_named_finds_and_refuses():
    assert named("huber") is EXERCISES["huber"]
    with pytest.raises(InputError, match=r"'hubert'; did you mean 'huber'\?"):
        named("hubert")
    with pytest.raises(InputError, match=r"no exercise 'zzzz'\. `svb list exercises`"):
        named("zzzz")


@pytest.mark.parametrize("subject", EXERCISES.values(), ids=list(EXERCISES))
def test_words(subject):
    """Whole sentences in the task, a signature that can be typed, hints that ask."""
    assert re.fullmatch(r"[a-z][a-z0-9-]+", subject.name)
    assert subject.task[0].isupper()
    assert subject.task[-1] in ".?"
    assert subject.source.startswith("d2l ")
    for wanted in subject.contract:
        assert wanted.signature.startswith(f"{wanted.function}(")
        assert wanted.returns
    assert all(hint[-1] in ".?" for hint in subject.hints.values())


def test_the_page_is_current():
    """`python -m harness.exercises > docs/exercises.md` makes it so."""
    assert PAGE.read_text("utf-8") == page()


def test_the_page_control():
    """Control: a page without one of them is another page."""
    assert re.findall(r"^## (.+)$", page(), re.MULTILINE) == list(EXERCISES)
    assert page().replace("## huber", "## hubert") != PAGE.read_text("utf-8")


def test_list_exercises(capsys):
    assert cli.main(["list", "exercises", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [plain(one) for one in EXERCISES.values()]
    assert cli.main(["list", "exercises"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in EXERCISES)


def test_list_one_exercise(capsys):
    assert cli.main(["list", "exercises", "huber"]) == 0
    shown = capsys.readouterr().out
    (wanted,) = EXERCISES["huber"].contract
    assert all(text in shown for text in (wanted.signature, wanted.returns))
    assert "delta-form" not in shown  # what is wrong with other answers is not given away
    assert cli.main(["list", "exercises", "huber", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [plain(EXERCISES["huber"])]


def test_list_refuses(capsys):
    assert cli.main(["list", "exercises", "hubert"]) == 2
    assert "did you mean 'huber'?" in capsys.readouterr().err
