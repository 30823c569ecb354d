import os
import signal
import threading

import forks
import pytest

from pipeline.core.interrupts import before_interrupts, held_interrupts


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def interrupt(request):
    """Send a signal that raises KeyboardInterrupt, as the command line sees to."""

    def terminate(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(request.param, terminate)
    yield lambda: os.kill(os.getpid(), request.param)
    assert signal.signal(request.param, before) is terminate


def work(steps, reached):
    """Take steps in turn, and note each that was passed."""
    with held_interrupts() as let_interrupt:
        for step in steps:
            (let_interrupt if step == "let" else step)()
            reached.append(step)


def test_an_interrupt_waits_until_it_is_let(interrupt):
    reached = []
    with pytest.raises(KeyboardInterrupt):
        work(["let", interrupt, "let", "let"], reached)
    assert reached == ["let", interrupt]


def test_an_interrupt_waits_for_the_end_at_most(interrupt):
    reached = []
    with pytest.raises(KeyboardInterrupt):
        work(["let", interrupt], reached)
    assert reached == ["let", interrupt]


def test_a_second_interrupt_takes_effect_at_once(interrupt):
    reached = []
    with pytest.raises(KeyboardInterrupt):
        work([interrupt, interrupt, "let"], reached)
    assert reached == [interrupt]


def test_nothing_is_held_in_another_thread(interrupt):
    handlers = []

    def note():
        handlers.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work, args=(["let", note], []))
    thread.start()
    thread.join()
    assert handlers == [before]


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with held_interrupts():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_something_is_done_before_an_interrupt(interrupt):
    done = []
    with pytest.raises(KeyboardInterrupt), before_interrupts(lambda: done.append(1)):
        interrupt()
    assert done == [1]


def test_nothing_is_done_without_an_interrupt(interrupt):
    done = []
    with before_interrupts(lambda: done.append(1)):
        pass
    assert done == []


def test_a_second_interrupt_cuts_short_what_is_done_before(interrupt):
    done = []

    def slowly():
        done.append("begun")
        interrupt()
        done.append("ended")

    with pytest.raises(KeyboardInterrupt), before_interrupts(slowly):
        interrupt()
    assert done == ["begun"]


# In a process of its own: the timer is one of the whole process, and pytest's.
LOADING = """
import os, pathlib, signal, sys
from pipeline.core.interrupts import allow_interrupts

number, times, lines = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
pathlib.Path("slow.py").write_text("import inner\\nloaded = 1")
pathlib.Path("inner.py").write_text(
    "import os, time\\n"
    f"def send(): [os.kill(os.getpid(), {number}) for _ in range({times})]\\n"
    "def stop(): send(); time.sleep(0.1)\\n"
    + lines
)
sys.path.insert(0, "")
allow_interrupts()
try:
    import slow
    while True:
        signal.pause()
except KeyboardInterrupt:
    print("loaded" if hasattr(sys.modules.get("slow"), "loaded") else "cut")
"""


@pytest.mark.parametrize(("times", "found"), [(1, "loaded"), (2, "cut")])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_what_loading_modules_call(
    tmp_path, number, times, found
):
    arguments = str(number.value), str(times), "stop()"
    done = forks.run(*arguments, code=LOADING, env=os.environ, cwd=tmp_path)
    assert done.stdout.split() == [found], done.stderr


def test_an_interrupt_does_not_wait_for_all_modules_to_load(tmp_path):
    lines = "send()\nwhile True: time.sleep(0.01)"
    arguments = str(signal.SIGINT.value), "1", lines
    done = forks.run(*arguments, code=LOADING, env=os.environ, cwd=tmp_path, timeout=60)
    assert done.stdout.split() == ["cut"], done.stderr


def test_an_interrupt_that_waited_is_held_where_others_are(tmp_path):
    script = """
import os, pathlib, signal, sys, time
from pipeline.core.interrupts import allow_interrupts, held_interrupts

pathlib.Path("slow.py").write_text(
    "import os\\ndef send(): os.kill(os.getpid(), 2), sum([1])\\nsend()"
)
sys.path.insert(0, "")
allow_interrupts()
try:
    import slow
    with held_interrupts():
        time.sleep(0.2)
        print("held")
except KeyboardInterrupt:
    print("interrupted")
"""
    done = forks.run(code=script, env=os.environ, cwd=tmp_path)
    assert done.stdout.split() == ["held", "interrupted"], done.stderr


def test_an_interrupt_that_python_drops_comes_again(tmp_path):
    script = """
import os, signal, weakref
from pipeline.core.interrupts import allow_interrupts

class Thing: pass

allow_interrupts()
thing = Thing()
kept = weakref.ref(thing, lambda _: (os.kill(os.getpid(), signal.SIGINT), sum([1])))
try:
    del thing
    print("dropped")
    while True:
        signal.pause()
except KeyboardInterrupt:
    print("interrupted")
"""
    done = forks.run(code=script, env=os.environ, cwd=tmp_path, timeout=30)
    assert done.stdout.split() == ["dropped", "interrupted"]
    assert done.stderr == ""


def test_what_has_done_its_work_ends_at_once(tmp_path):
    script = """
import atexit, os, signal, time
from pipeline.core.interrupts import allow_interrupts, leave_at_interrupts

atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(60)))
allow_interrupts()
leave_at_interrupts(77)
"""
    done = forks.run(code=script, env=os.environ, cwd=tmp_path, timeout=30)
    assert (done.returncode, done.stderr) == (77, "")


def test_an_ignored_interrupt_stays_ignored(tmp_path):
    script = """
import os, signal
from pipeline.core.interrupts import allow_interrupts

signal.signal(signal.SIGINT, signal.SIG_IGN)
allow_interrupts()
os.kill(os.getpid(), signal.SIGINT)
"""
    done = forks.run(code=script, env=os.environ, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
