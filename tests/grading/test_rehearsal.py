"""What is gone through before a class is a whole answer, and the class's own questions."""

import pytest
import torch

from harness.engine.components import COMPONENTS, MODEL, component
from harness.engine.components.contract import TARGETS
from harness.grading import child, rehearsal, warmup
from harness.grading.child import asked

SEED = 271828


@pytest.fixture
def replies(monkeypatch):
    """Return what the answers of rehearsals replied, the number of threads being put back."""
    found = []
    threads = torch.get_num_threads()

    def respond(request):
        found.append(child.respond(request))
        return found[-1]

    monkeypatch.setattr(rehearsal, "respond", respond)
    yield found
    torch.set_num_threads(threads)


def test_every_component_is_gone_through(replies):
    """Nothing of the answer fails or is missing."""
    rehearsal.rehearse(SEED)
    (reply,) = replies
    assert reply.facts["answer"]["failures"] == []
    assert {c.name for c in COMPONENTS} <= reply.facts["answer"]["targets"].keys()
    assert {entry["target"] for entry in reply.facts["replies"]} >= {c.name for c in COMPONENTS}


def test_questions_are_drawn_for_the_answers_to_come(replies):
    """Asked for again with the same seed, they are there; with another, they are not."""
    rehearsal.rehearse(SEED)
    (reply,) = replies
    told = reply.facts["answer"]["targets"][MODEL.name]

    def drawn_anew(seed):
        before = component._questions.cache_info().misses
        asked(TARGETS[MODEL.name], told, seed)
        return component._questions.cache_info().misses - before

    assert (drawn_anew(SEED), drawn_anew(SEED + 1)) == (0, 1)


def test_nothing_is_done_beside_an_accelerator(replies, monkeypatch):
    """Autograd's threads would not outlive the fork."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    rehearsal.rehearse(SEED)
    assert replies == []


@pytest.mark.parametrize(("answers", "rehearsed"), [(1, False), (warmup.CLASS, True)])
def test_only_a_class_is_worth_it(answers, rehearsed, monkeypatch):
    """One answer would only wait for it."""
    given = {}
    monkeypatch.setattr(warmup, "Workshop", lambda *_, **settings: given.update(settings))
    warmup.start(answers=answers, seed=SEED)
    assert given["rehearsal"] == ((warmup.REHEARSAL, SEED) if rehearsed else ())
