"""Time for one thing: what takes too long is ended, and nothing else is."""

import signal
import sys
import threading
import time
from importlib import import_module

import pytest

from harness.answers import budget
from harness.answers.budget import Budget, OutOfTimeError, limited


def spin(seconds):
    """Take so much processor time."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_what_takes_too_long_is_ended():
    """Also where it catches every Exception; and what does not is left alone (control)."""

    def endless():
        while True:
            try:
                spin(10)
            except Exception:  # noqa: BLE001 - as learners do
                continue

    started = time.process_time()
    with pytest.raises(OutOfTimeError, match=r"after 0\.2 s of processor time"), limited(0.2):
        endless()
    assert 0.1 < time.process_time() - started < 1
    with limited(5):
        spin(0.05)


def test_waiting_is_ended_by_the_clock():
    """It takes no processor time, and is granted several times as long."""
    started = time.monotonic()
    with pytest.raises(OutOfTimeError), limited(0.1):
        threading.Event().wait(30)
    assert 0.3 < time.monotonic() - started < 5


def test_handlers_and_timers_are_put_back():
    before = signal.getsignal(signal.SIGPROF), signal.getsignal(signal.SIGALRM)
    with pytest.raises(OutOfTimeError), limited(0.05):
        spin(10)
    assert (signal.getsignal(signal.SIGPROF), signal.getsignal(signal.SIGALRM)) == before
    assert signal.getitimer(signal.ITIMER_PROF) == signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_another_thread_has_no_signals():
    """There the process's own limits hold alone."""
    done = []

    def run():
        with limited(0.05):
            spin(0.1)
            done.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == [True]


def test_a_budget_shares_out_what_is_left():
    """A quarter for each statement, until half is gone; a little in any case."""
    whole = Budget(8.0)
    assert whole.statement() == pytest.approx(2.0)
    late = Budget(8.0, started=time.process_time() - 3.5)
    assert late.statement() == pytest.approx(0.5, abs=0.1)
    assert late.question() == pytest.approx(2.0)
    gone = Budget(8.0, started=time.process_time() - 9)
    assert gone.statement() == gone.question() == 0.1


def test_a_library_is_imported_to_its_end(tmp_path, monkeypatch):
    """Half a library would be of no use to what comes later; a learner's own module may hang."""
    text = "import time\nuntil = time.process_time() + 0.4\n"
    text += "while time.process_time() < until:\n    pass\nwhole = True\n"
    (tmp_path / "svb_slow_library.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(OutOfTimeError), limited(0.1):
        import_module("svb_slow_library")
    assert "svb_slow_library" not in sys.modules
    monkeypatch.setattr(budget, "_LIBRARIES", (*budget._LIBRARIES, str(tmp_path)))
    with pytest.raises(OutOfTimeError), limited(0.1):
        spin(10 if import_module("svb_slow_library").whole else 0)
    del sys.modules["svb_slow_library"]
