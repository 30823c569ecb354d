"""The engine runs what must run, skips what need not, and says why."""

import errno
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import engine, ingredients
from pipeline.cache import Cache
from pipeline.core.types import Metrics, Tables
from pipeline.engine import Stage
from pipeline.errors import CacheError, ConfigError, DataError, StorageError
from pipeline.fields import Unkeyed
from pipeline.report import Report
from pipeline.sources import Source


@dataclass(frozen=True)
class Numbers:
    values: tuple[int, ...]


@dataclass(frozen=True)
class Total:
    value: int


@dataclass(frozen=True)
class MakeConfig:
    count: int
    threads: Annotated[int, Unkeyed()]
    path: Annotated[Path | None, Unkeyed()]

    def input_files(self) -> Mapping[str, Path]:
        return {} if self.path is None else {self.path.name: self.path}


@dataclass(frozen=True)
class AddConfig:
    plus: int


CALLS: list[str] = []


def make(config: MakeConfig, *, workspace: Path, report: Report) -> Numbers:
    CALLS.append("make")
    report.start(config.count, "numbers")
    report.advance(config.count)
    report.metrics({"make/count": config.count})
    return Numbers(tuple(range(config.count)))


def add(
    config: AddConfig, numbers: Numbers, *, workspace: Path, report: Report
) -> Total:
    CALLS.append("add")
    return Total(sum(numbers.values) + config.plus)


def judge(
    config: AddConfig,
    numbers: Numbers,
    total: Total,
    *,
    workspace: Path,
    report: Report,
) -> tuple[Metrics, Numbers]:
    CALLS.append("judge")
    return Metrics({"judge/total": float(total.value)}), numbers


STAGES = (
    Stage(make, gives=("numbers",)),
    Stage(add, gives=("total",)),
    Stage(judge, gives=("metrics", "again")),
)


class Notes:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.states: dict[str, bool] = {}
        self.artifacts: dict[str, object] = {}
        self.live: list[tuple[str, float, int | None]] = []

    def begin(self, stage: str) -> Report:
        self.begun.append(stage)
        notes = self

        class Listening(Report):
            def metrics(self, values, step=None):
                notes.live += [(k, v, step) for k, v in values.items()]

        return Listening()

    def finish(self, result, artifacts) -> None:
        self.states[result.name] = result.cached
        self.artifacts |= artifacts()


@pytest.fixture(autouse=True)
def source(monkeypatch):
    CALLS.clear()
    sources = {"code": {"toy.py: make": "1"}, "versions": {"numpy": "2.0"}}
    monkeypatch.setattr(
        ingredients,
        "describe",
        lambda _: Source(dict(sources["code"]), dict(sources["versions"])),
    )
    return sources


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "cache")


def configs(**changes) -> dict[str, object]:
    values = {
        "make": MakeConfig(count=4, threads=1, path=None),
        "add": AddConfig(plus=0),
        "judge": AddConfig(plus=0),
    }
    return values | changes


def go(cache, settings=None, *, stages=STAGES, mode="use"):
    CALLS.clear()
    notes = Notes()
    results = engine.run(stages, settings or configs(), cache, notes, mode=mode)
    return results, notes


def test_stages_run_in_order_and_feed_each_other(cache):
    results, notes = go(cache)

    assert CALLS == ["make", "add", "judge"]
    assert notes.artifacts["metrics"] == Metrics({"judge/total": 6.0})
    assert notes.artifacts["again"] == Numbers((0, 1, 2, 3))
    assert not any(result.cached for result in results.values())
    assert notes.live == [("make/count", 4, None)]


def test_a_second_run_computes_nothing_and_gives_the_same(cache):
    first, one = go(cache)
    second, two = go(cache)

    assert CALLS == []
    assert one.artifacts == two.artifacts
    assert all(result.cached for result in second.values())
    assert {n: r.record.digest for n, r in first.items()} == {
        n: r.record.digest for n, r in second.items()
    }
    assert second["make"].record.metrics == [("make/count", 4.0, None)]


def test_a_changed_key_runs_its_stage_and_what_depends_on_it(cache):
    go(cache)
    go(cache, configs(add=AddConfig(plus=1)))

    assert CALLS == ["add", "judge"]


def test_equal_bytes_upstream_leave_what_follows_cached(cache):
    go(cache)

    def same(config: AddConfig, numbers: Numbers, *, workspace, report) -> Total:
        CALLS.append("add")
        return Total(6)

    same.__name__ = "add"
    # Another config, the same bytes: only the stage itself runs.
    stages = (STAGES[0], Stage(same, gives=("total",)), STAGES[2])
    go(cache, configs(add=AddConfig(plus=5)), stages=stages)
    assert CALLS == ["add"]


def test_an_unkeyed_field_changes_nothing(cache):
    go(cache)
    go(cache, configs(make=MakeConfig(count=4, threads=8, path=None)))

    assert CALLS == []


def test_code_and_versions_count(cache, source):
    go(cache)
    source["code"]["toy.py: make"] = "2"
    go(cache)
    assert CALLS == ["make", "add", "judge"]  # they share the module

    source["versions"]["numpy"] = "2.1"
    go(cache)
    assert CALLS == ["make", "add", "judge"]


def test_a_file_counts_by_content_and_not_by_place(cache, tmp_path):
    for folder, text in [("one", "x"), ("two", "x"), ("three", "y")]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "in.txt").write_text(text)

    def ran(folder: str) -> list[str]:
        path = tmp_path / folder / "in.txt"
        go(cache, configs(make=MakeConfig(count=4, threads=1, path=path)))
        return list(CALLS)

    assert ran("one")[0] == "make"
    assert ran("two") == []
    assert ran("three") == ["make"]


def test_refresh_computes_anew(cache):
    go(cache)
    results, _ = go(cache, mode="refresh")

    assert CALLS == ["make", "add", "judge"]
    assert not any(result.cached for result in results.values())


def test_verify_accepts_equal_results_and_names_those_that_differ(cache):
    go(cache)
    go(cache, mode="verify")
    assert CALLS == ["make", "add", "judge"]

    def unsteady(config: AddConfig, numbers: Numbers, *, workspace, report) -> Total:
        return Total(7)

    unsteady.__name__ = "add"
    held = cache.records("add")
    with pytest.raises(CacheError, match="add: computed again, total differ"):
        go(
            cache,
            stages=(STAGES[0], Stage(unsteady, gives=("total",)), STAGES[2]),
            mode="verify",
        )
    assert cache.records("add") == held
    assert not list((cache.root / "workspaces").iterdir())


def test_only_what_a_target_needs_is_selected():
    chosen = engine.select(STAGES, ["add"])

    assert [stage.name for stage in chosen] == ["make", "add"]
    assert engine.select(STAGES, []) == STAGES


def test_a_stage_on_request_runs_only_where_it_is_asked_for():
    asked = Stage(add, gives=("total",), on_request=True)
    stages = (STAGES[0], asked)

    assert engine.select(stages, []) == STAGES[:1]
    assert engine.select(stages, ["add"]) == stages
    # What needs it asks for it.
    assert engine.select((*stages, STAGES[2]), []) == (*stages, STAGES[2])


def test_an_unknown_target_names_the_legal_ones():
    with pytest.raises(ConfigError, match=r"targets: expected some of \['make'.*'mak'"):
        engine.select(STAGES, ["mak"])


def test_a_stage_that_fails_keeps_those_before_it(cache):
    def failing(config: AddConfig, numbers: Numbers, *, workspace, report) -> Total:
        raise DataError("bad")

    failing.__name__ = "add"
    with pytest.raises(DataError, match="bad"):
        go(cache, stages=(STAGES[0], Stage(failing, gives=("total",))))
    go(cache)

    assert CALLS == ["add", "judge"]


def test_a_killed_stage_finds_its_workspace_and_its_metrics_again(cache):
    interrupted = [True]

    def slow(config: AddConfig, numbers: Numbers, *, workspace, report) -> Total:
        done = workspace / "done"
        if not done.exists():
            report.metrics({"loss": 2.0}, step=1)
            done.write_text("1")
            if interrupted.pop():
                raise KeyboardInterrupt
        report.metrics({"loss": 1.0}, step=2)
        return Total(1)

    slow.__name__ = "add"
    stages = (STAGES[0], Stage(slow, gives=("total",)))
    with pytest.raises(KeyboardInterrupt):
        go(cache, stages=stages)
    results, notes = go(cache, stages=stages)

    assert notes.live == [("loss", 1.0, 2)]
    assert results["add"].record.metrics == [("loss", 2.0, 1), ("loss", 1.0, 2)]
    assert not list((cache.root / "workspaces").iterdir())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_not_finite_is_an_error(cache, value):
    def diverging(config: MakeConfig, *, workspace, report) -> Numbers:
        report.metrics({"train/loss": value}, step=3)
        return Numbers(())

    diverging.__name__ = "make"
    with pytest.raises(DataError, match=r"train/loss is .* at step 3: expected"):
        go(cache, stages=(Stage(diverging, gives=("numbers",)),))


def test_a_report_cut_off_by_a_kill_loses_its_last_line_only(cache):
    calls = []

    def cut(config: MakeConfig, *, workspace, report) -> Numbers:
        calls.append(1)
        report.metrics({"a": 1.0}, step=len(calls))
        if len(calls) == 1:
            path = workspace / "reported.jsonl"
            path.write_text(path.read_text() + '["b", 2')
            raise KeyboardInterrupt
        return Numbers(())

    cut.__name__ = "make"
    stages = (Stage(cut, gives=("numbers",)),)
    with pytest.raises(KeyboardInterrupt):
        go(cache, stages=stages)
    results, _ = go(cache, stages=stages)

    assert results["make"].record.metrics == [("a", 1.0, 1), ("a", 1.0, 2)]


def test_an_input_that_cannot_be_read_is_named(cache, tmp_path):
    settings = configs(make=MakeConfig(count=4, threads=1, path=tmp_path))

    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        go(cache, settings)


def test_too_little_memory_is_named(cache):
    def vast(config: MakeConfig, *, workspace, report) -> Numbers:
        np.empty((1 << 20, 1 << 28))  # 2 PiB
        return Numbers(())

    vast.__name__ = "make"
    with pytest.raises(StorageError, match="make: not enough memory: Unable to alloc"):
        go(cache, stages=(Stage(vast, gives=("numbers",)),))


def test_a_full_disk_is_named(cache):
    def full(config: MakeConfig, *, workspace, report) -> Numbers:
        raise OSError(errno.ENOSPC, "No space left on device", "/some/file")

    full.__name__ = "make"
    with pytest.raises(StorageError, match=r"make: cannot write /some/file: No space"):
        go(cache, stages=(Stage(full, gives=("numbers",)),))


def test_another_input_error_is_not_taken_for_a_full_disk(cache):
    def missing(config: MakeConfig, *, workspace, report) -> Numbers:
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")

    missing.__name__ = "make"
    with pytest.raises(FileNotFoundError):
        go(cache, stages=(Stage(missing, gives=("numbers",)),))


def test_a_damaged_object_is_computed_again(cache, caplog):
    results, _ = go(cache)
    folder = cache.object_folder(results["add"].record.outputs["total"])
    (folder / "fields.json").write_text("{}")

    with caplog.at_level(logging.WARNING):
        go(cache)

    assert CALLS == ["add"]
    assert "damaged" in caplog.text


def explained(cache, settings=None) -> dict[str, tuple[str, tuple[str, ...]]]:
    answers = engine.explain(STAGES, settings or configs(), cache)
    return {a.name: (a.state, a.reasons) for a in answers}


def test_explain_says_never_run_and_who_waits(cache):
    assert explained(cache) == {
        "make": ("miss", ("never run",)),
        "add": ("waits", ("waits for numbers",)),
        "judge": ("waits", ("waits for numbers, total",)),
    }


def test_explain_names_the_key_that_changed(cache):
    go(cache)

    answers = explained(cache, configs(add=AddConfig(plus=3)))

    assert answers["make"] == ("hit", ())
    assert answers["add"] == ("miss", ("add.plus: 0 -> 3",))
    assert answers["judge"] == ("waits", ("waits for total",))


def test_explain_compares_with_the_nearest_result(cache, source):
    go(cache)
    go(cache, configs(make=MakeConfig(count=9, threads=1, path=None)))
    source["code"]["toy.py: make"] = "2"

    assert explained(cache)["make"] == ("miss", ("toy.py: make changed",))


def test_explain_names_the_function_and_the_version_that_changed(cache, source):
    go(cache)
    source["code"] |= {"toy.py: make": "2", "toy.py: helper": "1"}
    source["versions"]["numpy"] = "2.1"

    assert explained(cache)["make"] == (
        "miss",
        ("toy.py: helper added", "toy.py: make changed", "numpy 2.0 -> 2.1"),
    )


def test_explain_names_the_file_and_the_input_that_changed(cache, tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("1")
    settings = configs(make=MakeConfig(count=4, threads=1, path=path))
    go(cache, settings)
    path.write_text("2")
    assert explained(cache, settings)["make"] == ("miss", ("file in.txt changed",))

    go(cache, configs(make=MakeConfig(count=5, threads=1, path=path)))
    # A run with other numbers came last; `add` is asked about with the first.
    path.write_text("1")
    assert explained(cache, settings)["add"] == ("hit", ())


def test_explain_runs_nothing_and_writes_nothing(cache):
    go(cache)
    before = sorted(cache.root.rglob("*"))
    CALLS.clear()

    explained(cache, configs(make=MakeConfig(count=9, threads=1, path=None)))

    assert CALLS == []
    assert sorted(cache.root.rglob("*")) == before


def test_the_dag_must_hold_together():
    engine.check(STAGES)

    with pytest.raises(TypeError, match="add takes 'numbers', which no stage"):
        engine.check(STAGES[1:])

    def wrong(config: AddConfig, numbers: Total, *, workspace, report) -> Total: ...

    with pytest.raises(TypeError, match=r"takes 'numbers' as Total, but .* as Numbers"):
        engine.check((STAGES[0], Stage(wrong, gives=("total",))))
    with pytest.raises(ValueError, match="zip"):
        engine.check((STAGES[0], Stage(add, gives=("total", "more"))))


@given(
    edits=st.lists(
        st.tuples(st.sampled_from(["make", "add", "judge"]), st.integers(0, 3)),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=15)  # each runs the stages up to 14 times
def test_a_cached_run_always_equals_a_fresh_one(tmp_path_factory, edits):
    warm = Cache(tmp_path_factory.mktemp("warm"))
    settings = configs()
    for stage, value in edits:
        if stage == "make":
            settings |= {"make": MakeConfig(count=value, threads=value, path=None)}
        else:
            settings |= {stage: AddConfig(plus=value)}
        _, notes = go(warm, settings)
        _, fresh = go(Cache(tmp_path_factory.mktemp("cold")), settings)
        assert notes.artifacts == fresh.artifacts


def test_stages_may_return_tables_and_arrays_untouched_by_the_cache(cache):
    @dataclass(frozen=True)
    class Nothing:
        pass

    def tables(config: Nothing, *, workspace: Path, report: Report) -> Tables:
        return Tables({})

    stage = Stage(tables, gives=("tables",))
    results = engine.run((stage,), {"tables": Nothing()}, cache, Notes(), mode="use")

    loaded = cache.load(results["tables"].record.outputs["tables"], Tables)
    assert loaded == Tables({})
    assert np.size(loaded.tables) == 1


@pytest.mark.parametrize(
    "tamper",
    [
        lambda record: record["outputs"].clear(),
        lambda record: record["outputs"].update(more=record["outputs"]["total"]),
        lambda record: record["outputs"].update(total="../../../../etc"),
        lambda record: record["outputs"].update(total="a" * 5000),
        lambda record: record["ingredients"]["config"].update(plus=999),
        lambda record: record.update(metrics=[["a", float("nan"), 1]]),
    ],
)
def test_a_record_of_anyones_making_is_computed_again(cache, tamper):
    go(cache)
    (path,) = (cache.root / "records" / "add").iterdir()
    record = json.loads(path.read_text())
    tamper(record)
    path.write_text(json.dumps(record))
    CALLS.clear()

    results, _ = go(cache)

    assert CALLS == ["add"]
    assert set(results["add"].record.outputs) == {"total"}


def test_what_is_edited_while_a_run_goes_on_is_not_what_ran(cache, monkeypatch):
    """The description is that of the beginning, as the loaded code is."""
    asked = []

    def describe(_: str) -> Source:
        asked.append(list(CALLS))
        return NONE

    monkeypatch.setattr(ingredients, "describe", describe)
    CALLS.clear()
    go(cache)

    assert asked[: len(STAGES)] == [[]] * len(STAGES)


NONE = Source({}, {})
