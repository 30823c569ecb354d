"""Entries sent in order, through silence and refusals of a store."""

import logging
import threading

import pytest

from pipeline.errors import StorageError
from pipeline.tracking import sender as module
from pipeline.tracking.outbox import End, Entry, Outbox, Params, Points
from pipeline.tracking.sender import Refused, Sender, Unreachable


class Store:
    """A store that takes entries, is silent, or refuses those named."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.silent = False
        self.refuses: set[str] = set()
        self.asked = 0

    def __call__(self, entry: Entry) -> None:
        self.asked += 1
        if self.silent:
            raise Unreachable("connection refused")
        name = entry.values["name"]
        if name in self.refuses:
            raise Refused("no such run")
        self.taken.append(name)


def entry(name: object) -> Params:
    return Params({"name": str(name)})


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "run")


@pytest.fixture
def sender(store, outbox):
    return Sender(store, outbox, "http://store")


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is moved."""

    class Clock:
        now = 1_000.0

    monkeypatch.setattr(module.time, "monotonic", lambda: Clock.now)
    return Clock


def test_entries_go_straight_to_a_store_that_answers(sender, store, outbox):
    for i in range(3):
        sender.send(entry(i))

    assert store.taken == ["0", "1", "2"]
    assert outbox.empty


def test_nothing_is_lost_or_reordered_over_a_silence(sender, store, clock):
    sender.send(entry(0))
    store.silent = True
    sender.send(entry(1))
    sender.send(entry(2))
    assert sender.waiting == 2
    store.silent = False
    clock.now += 61

    sender.send(entry(3))

    assert store.taken == ["0", "1", "2", "3"]
    assert sender.waiting == 0


def test_a_silent_store_is_asked_once_a_minute(sender, store, clock):
    store.silent = True
    for _ in range(100):
        sender.send(entry("x"))
    assert store.asked == 1

    clock.now += 59
    sender.send(entry("x"))
    assert store.asked == 1

    clock.now += 2
    sender.send(entry("x"))
    assert store.asked == 2


def test_a_store_that_hangs_costs_at_most_a_twentieth_of_the_time(
    sender, store, clock, monkeypatch
):
    spent = 0.0

    def hang(_: Entry) -> None:
        nonlocal spent
        clock.now += 15
        spent += 15
        raise Unreachable("timed out")

    monkeypatch.setattr(sender, "_deliver", hang)
    began = clock.now
    for _ in range(300):
        clock.now += 10  # an epoch
        sender.send(entry("x"))

    assert spent > 0
    assert spent / (clock.now - began) <= 0.06


def test_silence_is_said_once(sender, store, clock, caplog):
    store.silent = True
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            clock.now += 100
            sender.send(entry("x"))

    (said,) = caplog.messages
    assert "http://store does not take what is logged (connection refused)" in said
    assert "the run goes on" in said


def test_a_refused_entry_does_not_hold_up_the_others(sender, store, outbox, caplog):
    store.refuses = {"1", "2"}
    for i in range(4):
        sender.send(entry(i))

    assert store.taken == ["0", "3"]
    assert outbox.empty
    refused = (outbox.folder / "refused.jsonl").read_text()
    assert refused.count('"name": "1"') == refused.count('"name": "2"') == 1
    assert len(caplog.messages) == 1


def test_an_entry_refused_after_a_silence_is_asked_about_once(sender, store, clock):
    store.silent = True
    sender.send(entry(1))
    sender.send(entry(2))
    store.silent, store.refuses = False, {"1"}
    clock.now += 61
    sender.send(entry(3))
    sender.send(entry(4))

    assert store.taken == ["2", "3", "4"]
    assert sender.waiting == 0


def test_a_silence_in_the_middle_keeps_the_rest(sender, store, outbox, clock):
    store.silent = True
    for i in range(4):
        sender.send(entry(i))
    store.silent = False
    deliver = sender._deliver

    def two_then_silent(e: Entry) -> None:
        store.silent = len(store.taken) >= 2
        deliver(e)

    sender._deliver = two_then_silent
    sender.flush()

    assert store.taken == ["0", "1"]
    assert [e.values["name"] for e in outbox.entries()] == ["2", "3"]


def test_another_process_sends_what_the_first_could_not(sender, store, outbox):
    store.silent = True
    for i in range(3):
        sender.send(entry(i))
    store.silent = False

    later = Sender(store, Outbox(outbox.folder), "http://store")
    later.flush()

    assert store.taken == ["0", "1", "2"]
    assert later.waiting == 0


@pytest.fixture
def sent():
    return []


@pytest.fixture
def gathering(sent, outbox):
    """What gathers measured values for five seconds."""
    return Sender(sent.append, outbox, "http://store", pause=5.0)


def point(step: int) -> tuple[str, float, int, int]:
    return ("loss", 1.0 / step, step, 0)


def test_values_measured_soon_after_others_are_sent_together(gathering, sent, clock):
    for step in range(1, 16):
        gathering.send(Points((point(step),)))
        clock.now += 0.5

    # At once, then what gathered in five seconds, and the rest is kept.
    assert sent == [
        Points((point(1),)),
        Points(tuple(point(step) for step in range(2, 12))),
    ]
    gathering.flush()
    assert sent[2] == Points(tuple(point(step) for step in range(12, 16)))
    gathering.flush()
    assert len(sent) == 3


def test_values_that_were_gathered_come_before_the_end_of_the_run(gathering, sent):
    end = End("FINISHED", 1)
    for logged in (Points((point(1),)), Points((point(2),)), end):
        gathering.send(logged)

    assert sent == [Points((point(1),)), Points((point(2),)), end]


def test_a_refused_value_takes_none_with_it(outbox):
    sent = []

    def deliver(entry: Entry) -> None:
        if point(3) in entry.points:
            raise Refused("no such value")
        sent.append(entry)

    sender = Sender(deliver, outbox, "http://store")
    sender.send(Points(tuple(point(step) for step in range(1, 6))))

    assert sent == [Points((point(step),)) for step in (1, 2, 4, 5)]
    assert sender.waiting == 0


def test_the_end_comes_though_values_could_not_be_kept(tmp_path, clock):
    end, sent, silent = End("FAILED", 1), [], True

    def deliver(entry: Entry) -> None:
        if silent:
            raise Unreachable("connection refused")
        sent.append(entry)

    (tmp_path / "run").write_text("a file where the folder should be")
    sender = Sender(deliver, Outbox(tmp_path / "run"), "http://store", pause=5.0)
    with pytest.raises(StorageError):
        sender.send(Points((point(1),)))
    silent = False
    clock.now += 1_000
    sender.send(end)

    assert sent == [end]


def test_other_entries_do_not_wait_for_values_that_gather(gathering, sent):
    gathering.send(Points((point(1),)))
    gathering.send(Points((point(2),)))
    gathering.send(entry("x"))

    assert sent == [Points((point(1),)), entry("x")]


def test_values_that_gathered_while_the_store_was_silent_wait_in_order(
    store, outbox, clock
):
    sender = Sender(store, outbox, "http://store", pause=5.0)
    store.silent = True
    sender.send(entry(0))
    sender.send(Points((point(1),)))
    sender.send(Points((point(2),)))
    sender.flush()

    assert outbox.entries() == [
        entry(0),
        Points((point(1),)),
        Points((point(2),)),
    ]


def test_threads_lose_nothing(sender, store):
    def work(start: int) -> None:
        for i in range(start, start + 100):
            sender.send(entry(i))

    threads = [threading.Thread(target=work, args=(k * 100,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(int, store.taken)) == list(range(400))


def test_a_full_disk_under_a_silent_store_is_an_error(tmp_path, store):
    (tmp_path / "run").write_text("a file where the folder should be")
    store.silent = True

    with pytest.raises(StorageError):
        Sender(store, Outbox(tmp_path / "run"), "http://store").send(entry(1))
