"""The cache is listed, and pruned of what nobody uses."""

import logging
import multiprocessing
import os
from pathlib import Path

import pytest

from pipeline.cache import MANIFEST, Cache, Ingredients
from pipeline.core.types import Metrics
from pipeline.locks import held
from pipeline.pruning import list_entries, prune


def put(root: Path, name: str, used: int, inputs: dict | None = None) -> str:
    """Store a result that was last used at a time, and return its object."""
    cache = Cache(root)
    ingredients = Ingredients("toy", {}, {"name": name}, inputs or {}, {}, {})
    values = {f"{name}{i}": float(i) for i in range(100)}
    record = cache.store(ingredients, {"metrics": Metrics(values)}, [], 0.1)
    digest = record.outputs["metrics"]
    os.utime(cache.object_folder(digest) / MANIFEST, (used, used))
    return digest


def key_of(name: str, inputs: dict | None = None) -> str:
    return Ingredients("toy", {}, {"name": name}, inputs or {}, {}, {}).key


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "cache"


def names(root: Path) -> list[str]:
    return [entry.name for entry in list_entries(Cache(root))]


def test_the_least_recently_used_goes_first(root):
    digests = [put(root, name, used) for name, used in (("a", 3), ("b", 1), ("c", 2))]
    a, b, c = digests
    assert names(root) == [b, c, a]

    size = list_entries(Cache(root))[0].bytes
    (removed,) = prune(Cache(root), 2 * size + size // 2)

    assert removed.name == b
    assert names(root) == [c, a]


def test_being_found_is_being_used(root):
    a, b = put(root, "a", 1), put(root, "b", 2)
    assert Cache(root).find("toy", key_of("a"))

    assert names(root) == [b, a]


def test_what_was_pruned_is_a_quiet_miss(root, caplog):
    put(root, "a", 1)
    prune(Cache(root), 0)

    with caplog.at_level(logging.WARNING):
        assert Cache(root).find("toy", key_of("a")) is None
    assert caplog.text == ""
    assert list_entries(Cache(root)) == []
    assert list((root / "tmp").iterdir()) == []


def test_a_result_stays_when_its_input_goes(root):
    a = put(root, "a", 1)
    b = put(root, "b", 2, inputs={"x": a})
    size = list_entries(Cache(root))[0].bytes

    prune(Cache(root), size + size // 2)

    assert names(root) == [b]
    assert Cache(root).find("toy", key_of("b", {"x": a}))


def _use(root: Path, key: str, ready, done) -> None:
    cache = Cache(root)
    assert cache.find("toy", key)
    ready.set()
    done.wait(60)
    # Not read before: it must still be there.
    (digest,) = cache.find("toy", key).outputs.values()
    assert cache.load(digest, Metrics)


def test_an_object_that_another_process_uses_stays(root):
    a, b = put(root, "a", 1), put(root, "b", 2)
    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Event(), spawn.Event()
    user = spawn.Process(target=_use, args=(root, key_of("a"), ready, done))
    user.start()
    assert ready.wait(60)

    assert {e.name: e.in_use for e in list_entries(Cache(root))} == {a: True, b: False}
    assert [entry.name for entry in prune(Cache(root), 0)] == [b]
    done.set()
    user.join()
    assert user.exitcode == 0

    assert [entry.name for entry in prune(Cache(root), 0)] == [a]


def test_an_object_just_written_stays_while_its_writer_lives(root):
    cache = Cache(root)
    digest = cache._put(Metrics({"a": 1.0}))  # its record is not written yet

    assert prune(Cache(root), 0) == []
    del cache
    assert [entry.name for entry in prune(Cache(root), 0)] == [digest]


def test_the_workspace_of_a_stage_at_work_stays(root):
    cache = Cache(root)
    for key in ("busy", "dead"):
        (cache.workspace("train", key) / "checkpoint").write_bytes(b"123")

    with held(cache.lock_path("train-busy")):
        removed = prune(cache, 0)

    assert [entry.name for entry in removed] == ["train-dead"]
    assert names(root) == ["train-busy"]


def _store_and_read(root: Path, rounds: int) -> None:
    for number in range(rounds):
        cache = Cache(root)
        name = f"n{number % 3}"
        with cache.lock("toy", key_of(name)):
            record = cache.find("toy", key_of(name))
            if record is None:
                values = {f"{name}{i}": float(i) for i in range(100)}
                ingredients = Ingredients("toy", {}, {"name": name}, {}, {}, {})
                outputs = {"metrics": Metrics(values)}
                record = cache.store(ingredients, outputs, [], 0.1)
        for digest in record.outputs.values():
            assert len(cache.load(digest, Metrics).values) == 100


@pytest.mark.slow
def test_pruning_while_others_store_and_read_costs_nobody_a_result(root):
    spawn = multiprocessing.get_context("spawn")
    workers = [
        spawn.Process(target=_store_and_read, args=(root, 150)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    pruned = 0
    while any(worker.is_alive() for worker in workers):
        pruned += len(prune(Cache(root), 0))
    for worker in workers:
        worker.join()

    assert [worker.exitcode for worker in workers] == [0, 0]
    assert pruned > 10
