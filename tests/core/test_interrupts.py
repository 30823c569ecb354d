import os
import signal
import threading

import pytest

from pipeline.core.interrupts import held_interrupts


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
