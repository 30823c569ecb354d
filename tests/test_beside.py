"""Stages that do not need each other run at once, and nobody can tell by the result."""

import errno
import functools
import importlib.util
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pipeline import beside, engine, ingredients, sources
from pipeline.cache import Cache
from pipeline.errors import CacheError, DataError, StorageError
from pipeline.report import Report

NAME = "pipeline.stages.toy_stages"
ALL = ["count", "add", "double", "multiply"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of the package that has the toys among its stages."""
    root = tmp_path_factory.mktemp("tree")
    package = Path(sources.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, root / "pipeline", ignore=ignore)
    toys = Path(__file__).parent / "toy_stages.py"
    shutil.copyfile(toys, root / "pipeline" / "stages" / "toy_stages.py")
    return root


@pytest.fixture
def toys(tree, monkeypatch):
    """The toys, as this process has loaded them."""
    path = tree / "pipeline" / "stages" / "toy_stages.py"
    before = path.read_text()
    spec = importlib.util.spec_from_file_location(NAME, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, NAME, module)
    spec.loader.exec_module(module)
    monkeypatch.syspath_prepend(str(tree))
    sources.describe.cache_clear()
    describe = functools.partial(sources.describe, root=tree)
    monkeypatch.setattr(ingredients, "describe", describe)
    yield module
    path.write_text(before)


class Notes:
    """An observer that writes down what it is told."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.finished: list[tuple[str, bool]] = []
        self.values: dict[str, object] = {}
        self.said: dict[str, list[object]] = {}
        self._trouble = trouble

    def begin(self, stage: str) -> Report:
        said, trouble = self.said.setdefault(stage, []), self._trouble

        class Listening(Report):
            def start(self, total, unit):
                said.append(("start", total, unit))

            def advance(self, amount, shown=""):
                said.append(("advance", amount, shown))

            def metrics(self, values, step=None):
                said.append(("metrics", dict(values), step))
                if trouble and stage == "multiply":
                    raise trouble

        return Listening()

    def finish(self, result, artifacts) -> None:
        self.finished.append((result.name, result.cached))
        self.values |= artifacts()


class Lab:
    """A cache, a folder of notes, and runs of the toys in them."""

    def __init__(self, toys, folder: Path) -> None:
        self.toys, self.folder = toys, folder
        self.cache = Cache(folder / "cache")
        self.notes = folder / "notes"

    def run(self, *, mode="use", beside=True, notes=None, plus=0, edits=False, **deeds):
        shutil.rmtree(self.notes, ignore_errors=True)
        self.notes.mkdir(parents=True)
        configs: dict[str, object] = {"count": self.toys.CountConfig(5, edits)}
        for name in ("add", "double", "multiply"):
            deed = deeds.get(name, "work")
            configs[name] = self.toys.ToyConfig(plus, deed, self.notes)
        notes = notes or Notes()
        results = engine.run(
            self.toys.STAGES, configs, self.cache, notes, mode=mode, beside=beside
        )
        return results, notes

    def process(self, stage: str) -> int:
        """Return the process that computed a stage."""
        return int((self.notes / stage).read_text())

    def in_cache(self) -> set[str]:
        return {path.parent.name for path in self.cache.record_paths()}


@pytest.fixture
def lab(toys, tmp_path) -> Lab:
    return Lab(toys, tmp_path)


def gone(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_both_stages_work_at_once_and_give_what_they_give_one_by_one(
    lab, toys, tmp_path, caplog
):
    caplog.set_level(logging.INFO)
    together, told = lab.run(add="meet", multiply="meet")
    assert lab.process("add") == os.getpid()
    assert gone(lab.process("multiply"))
    logged = [r.getMessage() for r in caplog.records if r.name == NAME]

    other = Lab(toys, tmp_path / "other")
    caplog.clear()
    alone, heard = other.run(beside=False)
    assert other.process("multiply") == os.getpid()

    assert list(together) == list(alone) == ALL
    for name, result in alone.items():
        assert together[name].record.ingredients == result.record.ingredients
        assert together[name].record.outputs == result.record.outputs
        assert list(together[name].record.metrics) == list(result.record.metrics)
        assert not together[name].cached
    assert told.finished == heard.finished
    assert told.values == heard.values
    assert told.said == heard.said  # to the last bit of a third
    assert sorted(logged) == sorted(
        r.getMessage() for r in caplog.records if r.name == NAME
    )
    assert logged.count("multiply has 100% begun") == 1


def test_a_stage_beside_two_others_is_begun_once(lab, monkeypatch):
    started = []
    popen = subprocess.Popen

    def starting(*arguments, **options):
        started.append(arguments)
        return popen(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", starting)
    _, notes = lab.run(multiply="meet")

    assert notes.finished == [(name, False) for name in ALL]
    assert len(started) == 1


def test_no_process_is_started_where_there_is_nothing_to_compute_beside(
    lab, monkeypatch
):
    lab.run()
    monkeypatch.setattr(subprocess, "Popen", None)  # whoever starts one fails

    _, notes = lab.run()
    assert notes.finished == [(name, True) for name in ALL]
    for stage in ALL[1:]:
        for path in lab.cache.record_paths(stage):
            path.unlink()
        _, notes = lab.run()
        assert [name for name, cached in notes.finished if not cached] == [stage]
        assert lab.process(stage) == os.getpid()


@pytest.mark.parametrize("mode", ["refresh", "verify"])
def test_what_is_to_be_computed_anew_is_computed_beside(lab, mode):
    first, _ = lab.run()
    again, notes = lab.run(mode=mode, add="meet", multiply="meet")

    assert notes.finished == [(name, False) for name in ALL]
    assert lab.process("multiply") != os.getpid()
    for name in first:
        assert again[name].record.outputs == first[name].record.outputs


def test_a_result_that_differs_on_verification_is_told_from_beside(lab, tree):
    lab.run()
    (path,) = lab.cache.record_paths("multiply")
    record = json.loads(path.read_text())
    (total,) = lab.cache.record_paths("add")
    record["outputs"]["product"] = json.loads(total.read_text())["outputs"]["total"]
    path.write_text(json.dumps(record))

    with pytest.raises(CacheError, match="multiply: computed again, product differ"):
        lab.run(mode="verify")


def test_the_error_of_a_stage_beside_comes_after_what_was_before_it(lab):
    notes = Notes()
    with pytest.raises(DataError) as told:
        lab.run(notes=notes, multiply="fail")

    assert str(told.value) == "multiply: expected 1, found 'zwölf'"
    assert [name for name, _ in notes.finished] == ALL[:-1]
    assert lab.in_cache() == set(ALL[:-1])
    assert 'raise DataError(f"{name}: expected' in told.value.__notes__[0]
    _, notes = lab.run()
    assert notes.finished == [(name, name != "multiply") for name in ALL]


def test_the_error_of_a_stage_stops_the_one_beside_it(lab, toys, monkeypatch):
    def failing(*arguments):
        toys.wait_for(lab.notes / "multiply")
        raise DataError("add: bad")

    monkeypatch.setattr(toys, "act", failing)  # in this process only
    with pytest.raises(DataError, match=r"^add: bad$"):
        lab.run(multiply="hang")
    assert gone(lab.process("multiply"))
    assert (lab.notes / "multiply stopped").exists()
    assert lab.in_cache() == {"count"}
    monkeypatch.undo()


def test_an_error_that_is_none_of_ours_keeps_its_name_and_its_trace(lab):
    with pytest.raises(RuntimeError) as told:
        lab.run(multiply="break")
    assert str(told.value) == "KeyError: 'multiply'"
    assert "raise KeyError(name)" in told.value.__notes__[0]


def test_a_stage_that_ends_its_process_is_told(lab):
    with pytest.raises(RuntimeError, match="SystemExit: 3") as told:
        lab.run(multiply="exit")
    assert "sys.exit(3)" in told.value.__notes__[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_it_is_handled_ends_the_run_as_later(number):
    assert isinstance(beside._killed("multiply", -number), KeyboardInterrupt)


def test_a_signal_without_a_name_is_told_by_its_number():
    told = beside._killed("multiply", -(signal.SIGRTMIN + 2))
    assert f"killed by signal {signal.SIGRTMIN + 2}" in str(told)


def test_a_path_among_the_places_of_modules_is_left_out(lab, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, Path("/none")])
    results, _ = lab.run()
    assert not results["multiply"].cached


def test_a_process_killed_as_by_a_full_memory_is_named(lab):
    expected = "multiply: its process was killed by SIGKILL, as the system does where"
    with pytest.raises(StorageError, match=expected):
        lab.run(multiply="die")
    assert lab.in_cache() == set(ALL[:-1])

    results, _ = lab.run()
    assert not results["multiply"].cached


def test_a_process_told_to_end_ends_the_run_as_ctrl_c_does(lab):
    with pytest.raises(KeyboardInterrupt):
        lab.run(multiply="leave")
    assert gone(lab.process("multiply"))


def test_what_cannot_be_told_of_a_stage_beside_ends_the_run(lab):
    full = StorageError("the disk is full")
    with pytest.raises(StorageError, match="the disk is full"):
        lab.run(notes=Notes(full), multiply="hang")
    assert gone(lab.process("multiply"))


def test_code_that_is_edited_after_it_was_loaded_is_not_run(lab):
    results, _ = lab.run(edits=True)  # by the first stage
    assert lab.process("multiply") == os.getpid()
    again, _ = lab.run(plus=1)

    code = results["multiply"].record.ingredients.code
    assert again["multiply"].record.ingredients.code == code


def test_without_room_for_a_second_process_stages_take_turns(lab, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(beside.subprocess, "Popen", full)
    results, _ = lab.run()
    assert list(results) == ALL
    assert lab.process("multiply") == os.getpid()


DRIVER = """
import sys
from pathlib import Path
from pipeline import engine
from pipeline.cache import Cache
from pipeline.report import Report
from pipeline.stages import toy_stages as toys

class Silent:
    def begin(self, stage):
        return Report()
    def finish(self, result, artifacts):
        pass

folder = Path(sys.argv[1])
config = toys.ToyConfig(0, "hang", folder)
configs = {"count": toys.CountConfig(5, False)}
configs |= dict.fromkeys(("add", "double", "multiply"), config)
cache = Cache(folder / "cache")
engine.run(toys.STAGES, configs, cache, Silent(), mode="use", beside=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_with_the_run_the_process_beside_it_ends(tree, tmp_path, number):
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(tree)},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    names = ("add", "multiply")
    wait_until(lambda: all((tmp_path / name).exists() for name in names))
    other = int((tmp_path / "multiply").read_text())
    assert not gone(other)
    began = time.monotonic()
    driver.send_signal(number)
    _, errors = driver.communicate()  # ends when both have: both hold stderr

    assert time.monotonic() - began < 30  # or it would have slept for 60 s
    wait_until(lambda: gone(other))
    assert (tmp_path / "multiply stopped").exists()
    # Nothing is left that would hold the next run up.
    assert not list((tmp_path / "cache" / "tmp").glob("*"))
    if number == signal.SIGINT:
        assert (tmp_path / "add stopped").exists()
        assert errors.count("KeyboardInterrupt") == 1
        assert not list((tmp_path / "cache" / "locks").iterdir())
    else:
        assert not errors
