"""The cache keeps whole objects, and only whole ones."""

import logging
import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cache import Cache, Ingredients
from pipeline.core.types import Metrics, TrainingHistory
from pipeline.errors import CacheError


def ingredients(**changes) -> Ingredients:
    values = {
        "stage": "toy",
        "code": {"toy.py: toy": "1"},
        "config": {"dim": 3},
        "inputs": {"corpus": "c"},
        "files": {"a.txt": "1", "b.txt": "2"},
        "versions": {"numpy": "2"},
    }
    return Ingredients(**(values | changes))


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "cache")


def put(cache: Cache, value: float = 1.0, **changes):
    return cache.store(
        ingredients(**changes),
        {"metrics": Metrics({"a": value})},
        [("a", value, None)],
        0.5,
    )


def test_a_record_is_found_by_its_key(cache):
    record = put(cache)

    assert cache.find("toy", ingredients().key) == record
    assert cache.load(record.outputs["metrics"], Metrics) == Metrics({"a": 1.0})


def test_an_unknown_key_is_not_found(cache):
    assert cache.find("toy", ingredients().key) is None


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "other"},
        {"code": {"toy.py: toy": "2"}},
        {"config": {"dim": 4}},
        {"config": {"dim": "3"}},
        {"config": {"dim": 3.5}},
        {"inputs": {"corpus": "d"}},
        {"files": {"a.txt": "1", "b.txt": "3"}},
        {"files": {"b.txt": "2", "a.txt": "1"}},
        {"versions": {"numpy": "3"}},
    ],
    ids=str,
)
def test_each_ingredient_changes_the_key(change):
    assert ingredients(**change).key != ingredients().key


def test_the_key_does_not_depend_on_the_order_of_config_keys():
    one = ingredients(config={"a": 1, "b": 2})
    two = ingredients(config={"b": 2, "a": 1})

    assert one.key == two.key


def test_the_digest_speaks_of_content(cache):
    assert put(cache).digest == put(cache, versions={"numpy": "3"}).digest
    assert put(cache).digest != put(cache, value=2.0).digest


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "add"])
def test_a_damaged_object_counts_as_missing_and_is_named(cache, caplog, damage):
    record = put(cache)
    folder = cache.object_folder(record.outputs["metrics"])
    file = folder / "fields.json"
    content = file.read_bytes()
    if damage == "flip":
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif damage == "truncate":
        file.write_bytes(content[:-1])
    elif damage == "remove":
        file.unlink()
    else:
        (folder / "stray.npy").write_bytes(b"")

    with caplog.at_level(logging.WARNING):
        assert cache.find("toy", ingredients().key) is None
    assert str(folder) in caplog.text

    # Stored again, it is whole again.
    put(cache)
    assert cache.find("toy", ingredients().key) is not None


@given(cut=st.floats(0, 0.999))
def test_a_truncated_record_counts_as_missing(tmp_path_factory, cut):
    cache = Cache(tmp_path_factory.mktemp("cache"))
    put(cache)
    (path,) = (cache.root / "records" / "toy").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * cut)])

    assert cache.find("toy", ingredients().key) is None


def test_records_come_newest_first(cache):
    first = put(cache)
    second = put(cache, config={"dim": 9})

    assert cache.records("toy") == [second, first]
    assert cache.records("other") == []


def test_a_record_is_newer_than_all_that_can_be_read(cache):
    for dim in range(12):
        last = put(cache, config={"dim": dim})
    path = cache.root / "records" / "toy" / f"{last.ingredients.key}.json"
    path.write_text(path.read_text()[:-20])

    put(cache, config={"dim": 99})

    newest, *older = cache.records("toy")
    assert newest.ingredients.config == {"dim": 99}
    assert len(older) == 11
    assert newest.written > older[0].written


def _put(root: Path, keys: range, start) -> None:
    start.wait(60)
    for key in keys:
        put(Cache(root), versions={"numpy": str(key)})


@pytest.mark.slow
def test_equal_objects_of_different_keys_are_stored_at_once(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(3)
    processes = [
        spawn.Process(target=_put, args=(tmp_path, range(i * 20, i * 20 + 20), start))
        for i in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(Cache(tmp_path).records("toy")) == 60
    assert len(list((tmp_path / "objects").iterdir())) == 1


def test_a_store_that_is_killed_leaves_no_half_object(cache, monkeypatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.cache._sync_tree", killed)
    with pytest.raises(KeyboardInterrupt):
        put(cache)

    assert not list((cache.root / "tmp").iterdir())
    assert not (cache.root / "objects").exists()
    assert cache.find("toy", ingredients().key) is None


def test_an_equal_object_is_stored_once(cache):
    one, two = put(cache), put(cache, versions={"numpy": "3"})

    assert one.outputs == two.outputs
    assert len(list((cache.root / "objects").iterdir())) == 1


def test_loading_as_another_kind_is_an_error(cache):
    record = put(cache)

    with pytest.raises(CacheError, match="TrainingHistory"):
        cache.load(record.outputs["metrics"], TrainingHistory)


def test_arrays_survive(cache):
    history = TrainingHistory(np.array([2.0, 1.0]), np.zeros(0), np.array([0.1, 0.2]))
    record = cache.store(ingredients(), {"history": history}, [], 0.0)

    loaded = cache.load(record.outputs["history"], TrainingHistory)

    np.testing.assert_array_equal(loaded.loss, [2.0, 1.0])
    assert loaded.heldout_loss.shape == (0,)


def _hold(root: Path, entered, seconds: float, log: Path) -> None:
    with Cache(root).lock("toy", "k"):
        entered.set()
        with log.open("a") as file:
            file.write("in\n")
        time.sleep(seconds)
        with log.open("a") as file:
            file.write("out\n")


def test_a_key_is_held_by_one_process_at_a_time(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    entered, log = spawn.Event(), tmp_path / "log"
    other = spawn.Process(target=_hold, args=(tmp_path, entered, 0.3, log))
    other.start()
    assert entered.wait(30)

    with Cache(tmp_path).lock("toy", "k"), log.open("a") as file:
        file.write("in\n")

    other.join()
    assert log.read_text().split() == ["in", "out", "in"]


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    entered = spawn.Event()
    other = spawn.Process(target=_hold, args=(tmp_path, entered, 60, tmp_path / "l"))
    other.start()
    assert entered.wait(30)
    other.kill()
    other.join()

    with Cache(tmp_path).lock("toy", "k"):
        pass
