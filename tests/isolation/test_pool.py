"""The worker: whatever a call does, there is one clear outcome, and nothing of it is left.

Each hostile deed has a control beside it: a harmless one of the same kind that must be answered.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.errors import InputError
from harness.isolation.pool import Limits, Message, Workshop

DEEDS = """
import ctypes, os, pathlib, resource, signal, socket, sys, time
import numpy as np
from harness.isolation.codec import Message, encode

seen = []

def act(message):
    reply = globals()[message.facts["do"]](*message.facts.get("with", []))
    return message if reply is None else reply

def answer(**facts):
    return Message(facts)

def nothing(): pass
def sleep(seconds): time.sleep(seconds)
def spin():
    while True: pass
def take(size, count=1):
    others = []
    while len(others) < count - 1 and 0 not in others: others.append(os.fork())
    kept = b"x" * size
    time.sleep(0.3 if others else 0)
    if 0 in others: os._exit(0)
def fault(): ctypes.string_at(0)
def kill(number): os.kill(os.getpid(), number); time.sleep(5)
def leave(status): os._exit(status)
def leave_politely(status): sys.exit(status)
def fail(): raise ValueError("no\\x1b[31m such\\nluck")
def none(): return answer_nothing
answer_nothing = 7
def forge(status):
    for number in range(3, 256):
        try: os.write(number, encode(Message({"forged": True})))
        except OSError: pass
    if status is not None: os._exit(status)
def forge_behind():
    if not os.fork():
        while True: forge(None)
    time.sleep(0.1)
def close_all(): os.closerange(3, 256)
def large(size): return Message({}, {"x": np.zeros(size, np.uint8)})
def say(text, stream, times):
    for _ in range(times): os.write(stream, text.encode())
    print("end of", stream)
def endless(stream):
    while True: os.write(stream, b"x" * 4096)
def breed(count):
    for _ in range(count):
        if not os.fork(): time.sleep(60); os._exit(0)
    time.sleep(0.3)
def escape(name, seconds):
    if not os.fork():
        os.setsid()
        if os.fork(): os._exit(0)
        for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
        ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)
        time.sleep(60)
    os.wait()
    time.sleep(seconds)
def once():
    seen.append(1)
    pathlib.Path("left").write_text("x")
    os.makedirs("a/b/c"); os.chmod("a/b", 0)
    return answer(seen=len(seen), files=sorted(os.listdir(".")))
def practise(*times): seen.extend(times)
def surroundings():
    numbers = []
    for number in range(256):
        try: os.fstat(number); numbers.append(number)
        except OSError: pass
    return answer(
        environment=dict(os.environ), open=numbers, stdin=sys.stdin.read(), user=os.getuid(),
        leader=os.getsid(0) == os.getpid(), argv=sys.argv, core=resource.getrlimit(4),
    )
def attempt(function, *arguments):
    try: function(*arguments)
    except OSError as error: return type(error).__name__
    return "done"
def look(path):
    os.listdir(path) if os.path.isdir(path) else pathlib.Path(path).read_bytes()
def reach(*paths): return answer(**{path: attempt(look, path) for path in paths})
def write(path): return answer(result=attempt(pathlib.Path(path).write_text, "x"))
def fill(size): return answer(result=attempt(pathlib.Path("f").write_bytes, b"x" * size))
def connect(port): return answer(result=attempt(socket.create_connection, ("127.0.0.1", port), 0.2))
def late():
    import xml.dom.minidom, sqlite3
def torch_take(size):
    import torch
    return answer(sum=float(torch.ones(size // 4).sum()), threads=torch.get_num_threads())
"""
QUICK = Limits(
    seconds=5,
    memory_bytes=100 << 20,
    processes=6,
    file_bytes=1 << 20,
    output_bytes=1 << 18,
    reply_bytes=1 << 20,
)
WITHOUT = """
import harness.isolation.confine
harness.isolation.confine._possible = lambda *steps: False
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the deeds lie as a module."""
    path = tmp_path_factory.mktemp("modules")
    (path / "deeds_for_tests.py").write_text(DEEDS, "utf-8")
    (path / "without_isolation.py").write_text(WITHOUT, "utf-8")
    return str(path)


def opened(folder, **options):
    options = {"preload": (), "limits": QUICK, **options}
    return Workshop("deeds_for_tests:act", path=[folder], **options)


@pytest.fixture(scope="module", params=["isolated", "bare"])
def shop(request, folder):
    """A workshop with all that this platform allows, and one that has to do without."""
    preload = {"isolated": (), "bare": ("without_isolation",)}[request.param]
    with opened(folder, preload=preload, jobs=2) as workshop:
        yield workshop


@pytest.fixture(scope="module")
def isolated(folder):
    with opened(folder) as workshop:
        yield workshop


def do(shop, name, *arguments, **limits):
    """Outcome of a deed, under limits of its own where given."""
    own = Limits(**{**vars(QUICK), **limits})
    return shop.run(Message({"do": name, "with": list(arguments)}), own)


def named(name):
    """Processes of that name on this machine that have not ended."""
    return [
        process
        for process in psutil.process_iter(["name", "status"])
        if process.info["name"] == name and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def needs(shop, word):
    """Skip where the platform lacks a part of the isolation."""
    if not any(word in sentence for sentence in shop.in_force):
        pytest.skip(f"not in force here: {' '.join(shop.not_in_force)}")


HOSTILE = [
    (("sleep", 9), {"seconds": 0.5}, "time", "ran longer than 0.5 s"),
    (("take", 200 << 20), {}, "memory", "needed more than 100 MiB of memory"),
    (("fault",), {}, "crash", "crashed with SIGSEGV (segmentation fault)"),
    (("kill", int(signal.SIGSEGV)), {}, "crash", "SIGSEGV"),
    (("kill", int(signal.SIGKILL)), {}, "crash", "SIGKILL"),
    (("leave", 0), {}, "exit", "ended itself with exit status 0 before answering (os._exit?)"),
    (("leave", 3), {}, "exit", "ended itself with exit status 3 before answering"),
    (("leave_politely", 0), {}, "exit", "exit status 0 before answering (SystemExit)"),
    (("leave_politely", "text"), {}, "exit", "exit status 1 before answering (SystemExit)"),
    (("fail",), {}, "crash", "raised ValueError: no such luck"),
    (("none",), {}, "malformed", "returned int instead of a message"),
    (("forge", 0), {}, "malformed", "wrote to the channel that is kept for its answer"),
    (("forge", None), {}, "malformed", "wrote to the channel"),
    (("forge_behind",), {}, "malformed", ""),
    (("close_all",), {}, "silent", "it had closed the channel"),
    (("large", 2 << 20), {}, "malformed", "sent back more than 1 MiB"),
    (("say", "x" * 1024, 1, 1024), {}, "output", "more than 0.25 MiB to standard output"),
    (("endless", 1), {}, "output", "standard output"),
    (("endless", 2), {}, "output", "standard error"),
    (("breed", 7), {}, "processes", "started more than 6 processes"),
]
HARMLESS = [
    ("nothing",),
    ("sleep", 0.01),
    ("take", 30 << 20),
    ("large", 1 << 18),
    ("say", "x" * 1024, 1, 128),
    ("say", "x" * 1024, 2, 128),
    ("breed", 3),
    ("late",),
]


@pytest.mark.parametrize(
    ("deed", "limits", "kind", "message"), HOSTILE, ids=[f"{d[0][0]}-{d[2]}" for d in HOSTILE]
)
def test_hostile(shop, deed, limits, kind, message):
    """A hostile call has the one failure that it earns, in a sentence, and no reply."""
    outcome = do(shop, *deed, **limits)
    assert outcome.reply is None
    assert outcome.failure.kind == kind
    assert message in outcome.failure.message
    assert outcome.seconds < limits.get("seconds", 5) + 1


@pytest.mark.slow
def test_processor_time_is_limited(isolated):
    """A loop that ends when it is told has used its second; a sleeper has used none."""
    failure = do(isolated, "spin", seconds=20, cpu_seconds=1).failure
    assert (failure.kind, failure.message) == ("time", "used more than 1 s of processor time")
    assert do(isolated, "sleep", 1.1, cpu_seconds=1).failure is None


@pytest.mark.parametrize("deed", HARMLESS, ids=[deed[0] for deed in HARMLESS])
def test_harmless(shop, deed):
    """Control: a call that stays within the same limits is answered."""
    outcome = do(shop, *deed)
    assert outcome.failure is None
    assert outcome.reply is not None


def test_processes_need_memory_together(isolated):
    """Three processes of 60 MiB break a limit of 100 MiB; with one of 250 MiB they do not."""
    assert do(isolated, "take", 60 << 20, 3).failure.kind == "memory"
    assert do(isolated, "take", 60 << 20, 3, memory_bytes=250 << 20).failure is None


def test_what_crosses(shop):
    """Facts and arrays come back as they were sent."""
    sent = Message({"do": "nothing", "é": [1, None]}, {"x": np.eye(3, dtype=np.float32)})
    reply = shop.run(sent).reply
    assert reply.facts == sent.facts
    assert np.array_equal(reply.arrays["x"], sent.arrays["x"])


def test_output_is_kept_without_what_moves_the_cursor(shop):
    outcome = do(shop, "say", "\x1b[2Ja\x07\x1b]0;title\x07\r\u202eb\tc\n", 1, 1)
    assert outcome.stdout == "ab\tc\nend of 1\n"
    assert outcome.stderr == ""
    assert do(shop, "say", "x\n", 2, 2).stderr == "x\nx\n"


def test_output_before_a_failure_is_kept(shop):
    """The end of it, however much there was."""
    outcome = do(shop, "endless", 1)
    assert set(outcome.stdout) == {"x"}
    assert len(outcome.stdout) <= 1 << 14


def test_a_call_finds_nothing_of_an_earlier_one(shop):
    """Neither its changes to modules, nor its files."""
    for _ in range(2):
        assert do(shop, "once").reply.facts == {"seen": 1, "files": ["a", "left"]}


def test_nothing_is_inherited(shop, monkeypatch):
    """No secret, no descriptor but the standard three and two of ours, no input, no core file."""
    monkeypatch.setenv("TOKEN_FOR_TESTS", "secret")
    with socket.socket() as ours:
        os.set_inheritable(ours.fileno(), True)
        facts = do(shop, "surroundings").reply.facts
    assert "TOKEN_FOR_TESTS" not in facts["environment"]
    assert facts["environment"]["OMP_NUM_THREADS"] == "1"
    assert len(facts["open"]) == 5
    assert facts["open"][:3] == [0, 1, 2]
    assert (facts["stdin"], facts["leader"], facts["argv"]) == ("", True, [""])
    assert facts["core"] == [0, 0]


def test_a_secret_of_before_is_not_inherited(folder, monkeypatch):
    """A variable that was set when the warm process started is not in it."""
    monkeypatch.setenv("TOKEN_FOR_TESTS", "secret")
    with opened(folder) as shop:
        assert "secret" not in json.dumps(do(shop, "surroundings").reply.facts)


def test_a_call_has_no_rights(isolated):
    needs(isolated, "user of its own")
    assert do(isolated, "surroundings").reply.facts["user"] not in {0, os.getuid()}


def test_the_file_system_cannot_be_seen(isolated, folder, tmp_path):
    """Not the tests, not another's folder, not the passwords; Python's library it may read."""
    needs(isolated, "Landlock")
    (tmp_path / "answer.py").write_text("x", "utf-8")
    hidden = [__file__, str(tmp_path), str(tmp_path / "answer.py"), "/etc/passwd", "/"]
    shown = [os.__file__, folder]
    facts = do(isolated, "reach", *hidden, *shown).reply.facts
    assert facts == dict.fromkeys(hidden, "PermissionError") | dict.fromkeys(shown, "done")


def test_files_are_written_only_to_the_working_folder(isolated, tmp_path):
    needs(isolated, "Landlock")
    assert do(isolated, "write", str(tmp_path / "x")).reply.facts["result"] == "PermissionError"
    assert not list(tmp_path.iterdir())
    assert do(isolated, "write", "x").reply.facts["result"] == "done"


def test_files_are_limited(shop):
    assert do(shop, "fill", 2 << 20).reply.facts["result"] == "OSError"
    assert do(shop, "fill", 1 << 19).reply.facts["result"] == "done"


def test_there_is_no_network(isolated):
    """The same port answers here."""
    needs(isolated, "no network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert do(isolated, "connect", port).reply.facts["result"] != "done"
        socket.create_connection(("127.0.0.1", port), 1).close()


@pytest.mark.parametrize("how", ["answers", "too-late"])
def test_none_escapes(shop, how):
    """A process that left session and parent, and ignores signals, is gone afterwards."""
    name = f"svb-{os.getpid() % 10000}-{how}"[:15]
    outcome = do(shop, "escape", name, {"answers": 0, "too-late": 9}[how], seconds=0.5)
    assert outcome.failure is None if how == "answers" else outcome.failure.kind == "time"
    assert not named(name)


def test_leaving_early_ends_what_is_under_way(shop):
    """Control for the above: the process is seen while its call runs, and gone when it is left."""
    name = f"svb-{os.getpid() % 10000}-early"
    lasting = {"do": "escape", "with": [name, 1.5]}
    calls = shop.map(Message(f) for f in ({"do": "sleep", "with": [0.4]}, lasting))
    assert next(calls)[0] == 0
    assert len(named(name)) == 1
    calls.close()
    assert gone(name)


def gone(name):
    """Whether no process has that name within two seconds."""
    end = time.monotonic() + 2
    while named(name) and time.monotonic() < end:
        time.sleep(0.01)
    return not named(name)


def test_an_interrupt_ends_what_is_under_way(shop):
    """Ctrl-C while waiting is passed on, after which nothing is left and the next call works."""
    name = f"svb-{os.getpid() % 10000}-ctrl"
    main = threading.main_thread().ident
    threading.Timer(0.4, signal.pthread_kill, [main, signal.SIGINT]).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        do(shop, "escape", name, 1.5)
    assert time.monotonic() - started < 1
    assert gone(name)
    assert do(shop, "nothing").failure is None


def test_map_gives_every_call_its_own_outcome(shop):
    """Hostile and harmless ones mixed, numbered as they were asked for."""
    deeds = [("nothing",), ("leave", 0), ("fault",), ("sleep", 0.05), ("forge", 0)] * 4
    requests = (Message({"do": name, "with": rest}) for name, *rest in deeds)
    kinds = {i: o.failure.kind if o.failure else None for i, o in shop.map(requests)}
    expected = [None, "exit", "crash", None, "malformed"] * 4
    assert [kinds[i] for i in range(20)] == expected


def test_map_runs_calls_at_once_and_draws_them_late(shop):
    """Two calls of 0.4 s take less than 0.8 s; of endless requests few are drawn ahead."""
    started = time.monotonic()
    list(shop.map([Message({"do": "sleep", "with": [0.4]})] * 2))
    assert time.monotonic() - started < 0.75
    numbers = count()
    calls = shop.map(Message({"do": "nothing", "number": n}) for n in numbers)
    for _ in range(5):
        index, outcome = next(calls)
        assert outcome.reply.facts["number"] == index
    calls.close()
    assert next(numbers) <= 5 + shop.jobs


def test_runs_within_a_map(shop):
    """A call may be asked for while others are under way."""
    for _, outcome in shop.map([Message({"do": "nothing"})] * 3):
        assert outcome.failure is None
        assert do(shop, "nothing").failure is None


@pytest.mark.parametrize("preload", [(), ("without_isolation",)])
def test_the_warm_process_is_started_anew(folder, preload):
    """Killed between calls or during one, it is replaced, and no call is lost or left."""
    name = f"svb-{os.getpid() % 10000}-anew"
    with opened(folder, preload=preload) as shop:
        assert do(shop, "nothing").failure is None
        shop._server.process.kill()
        shop._server.process.wait()
        assert do(shop, "nothing").failure is None
        threading.Timer(0.2, shop._server.process.kill).start()
        assert do(shop, "escape", name, 0.4).failure is None
        assert gone(name)


def test_a_warden_that_is_lost_twice_is_a_failure(folder):
    """The call is tried twice, not for ever."""
    with opened(folder) as shop:
        assert do(shop, "nothing").failure is None

        def kill_wardens():
            for child in psutil.Process(shop._server.process.pid).children(recursive=True):
                child.kill()

        for delay in (0.3, 0.7):
            threading.Timer(delay, kill_wardens).start()
        outcome = do(shop, "sleep", 1.5)
        assert outcome.failure.kind == "silent"
        assert do(shop, "nothing").failure is None


def test_a_rehearsal_is_once_for_all_calls(folder):
    """In the warm process, before the first call; without one there is none."""
    for rehearsal, calls in (((), 1), (("deeds_for_tests:practise", 7, 8), 3)):
        with opened(folder, rehearsal=rehearsal) as shop:
            assert [do(shop, "once").reply.facts["seen"] for _ in range(2)] == [calls, calls]


def test_a_rehearsal_that_fails_is_told(folder):
    """As an entry that cannot be imported is."""
    with (
        opened(folder, rehearsal=("deeds_for_tests:fail",)) as shop,
        pytest.raises(InputError, match="ValueError"),
    ):
        do(shop, "nothing")


def test_nothing_is_left_of_a_workshop(folder):
    """Neither processes, nor descriptors, nor folders; a second close does no harm."""
    before = psutil.Process().num_fds()
    with opened(folder) as shop:
        assert do(shop, "once").failure is None
        left = Path(shop._server.folder)
        warm = psutil.Process(shop._server.process.pid)
        children = [warm, *warm.children(recursive=True)]
    shop.close()
    assert len(children) > 1
    assert not [child for child in children if child.is_running()]
    assert not left.exists()
    assert psutil.Process().num_fds() == before


def test_nothing_outlives_a_caller_that_is_killed(folder):
    """Killed without warning in the middle of a call, it takes the call with it."""
    name = f"svb-{os.getpid() % 10000}-kill"
    request = {"do": "escape", "with": [name, 20]}
    code = (
        "from harness.isolation.pool import *\n"
        f"shop = Workshop('deeds_for_tests:act', preload=(), path=[{folder!r}])\n"
        f"print(shop._server.folder, flush=True); shop.run(Message({request!r}))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as caller:
        assert caller.stdout
        left = Path(caller.stdout.readline().strip())
        end = time.monotonic() + 20
        while not named(name) and time.monotonic() < end:
            time.sleep(0.02)
        seen = named(name)
        caller.kill()
    assert len(seen) == 1
    assert gone(name)
    assert gone_folder(left)


def gone_folder(path):
    """Whether a folder is removed within five seconds."""
    end = time.monotonic() + 5
    while path.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return not path.exists()


@pytest.mark.parametrize(
    ("entry", "preload"), [("no_such_module:f", ()), ("os:no_such", ()), ("os:fork", ("nowhere",))]
)
def test_what_cannot_start_says_so(entry, preload):
    with (
        Workshop(entry, preload=preload) as shop,
        pytest.raises(InputError, match="could not start"),
    ):
        shop.run(Message())


def test_a_closed_workshop_says_so(folder):
    shop = opened(folder)
    shop.close()
    with pytest.raises(InputError, match="closed"):
        shop.run(Message())


def test_isolation_is_told(shop):
    """Each part is either in force or not, in a sentence."""
    told = (*shop.in_force, *shop.not_in_force)
    assert len(told) == len(set(told)) >= 6
    assert all(sentence.endswith(".") for sentence in told)


def test_without_isolation_that_is_told(folder):
    """Control: what is not in force is not claimed."""
    with opened(folder, preload=("without_isolation",)) as bare:
        assert any("network may be reached" in sentence for sentence in bare.not_in_force)
        assert not any("no network" in sentence for sentence in bare.in_force)


def growth(shop, calls):
    """Bytes by which this process grows over so many calls."""
    requests = [Message({"do": "say", "with": ["x" * 100, 1, 10]}, {"x": np.zeros(1000)})]
    list(shop.map(requests * 20))
    before = psutil.Process().memory_info().rss
    assert all(o.failure is None for _, o in shop.map(requests[0] for _ in range(calls)))
    return psutil.Process().memory_info().rss - before


def test_memory_stays_flat(isolated):
    assert growth(isolated, 60) < 2 << 20


@pytest.mark.slow
def test_memory_stays_flat_over_thousands(isolated):
    assert growth(isolated, 3000) < 4 << 20


def test_torch_is_warm(folder):
    """A call has torch at once, with one thread, and its memory is limited."""
    with opened(folder, preload=("torch",)) as shop:
        outcome = do(shop, "torch_take", 4 << 20)
        assert outcome.reply.facts == {"sum": float(1 << 20), "threads": 1}
        assert outcome.seconds < 0.5
        assert do(shop, "torch_take", 400 << 20).failure.kind == "memory"


@pytest.mark.bench
def test_calls_are_quick(folder, capsys):
    """A trivial call takes 25 ms at most; two at once make 60 a second."""
    with opened(folder, preload=("torch",), jobs=2) as shop:
        nothing = Message({"do": "nothing"})
        shop.run(nothing)
        times = []
        for _ in range(50):
            started = time.perf_counter()
            shop.run(nothing)
            times.append(time.perf_counter() - started)
        list(shop.map([nothing] * 10))
        started = time.perf_counter()
        list(shop.map([nothing] * 200))
        rate = 200 / (time.perf_counter() - started)
    with capsys.disabled():
        print(f"\nrun: median {sorted(times)[25] * 1e3:.1f} ms; map, jobs=2: {rate:.0f} a second")
    assert sorted(times)[25] <= 0.025
    assert rate >= 60
