"""The run record: written whole, found again, and checked when read."""

import json
import logging
import os
import re
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.artifacts import file_digest, file_digests
from pipeline.errors import StorageError, TrackingError
from pipeline.provenance import Environment
from pipeline.records import (
    GitRecord,
    ProcessRecord,
    RunRecord,
    StageRecord,
    TrackingRecord,
    load_record,
    load_records,
    now,
    save_record,
    this_process,
)
from pipeline.sources import describe

ENVIRONMENT = Environment(
    python="CPython 3.11.7",
    system="Linux",
    processor="a processor",
    vector_features=("X86_V3",),
    threads=2,
    settings={},
    packages={"numpy": "2.4.6"},
)


def record(run_id: str = "a" * 32, started: str = "2026-11-22T10:00:00.000001+00:00"):
    return RunRecord(
        run_id=run_id,
        name="newswire d200",
        status="RUNNING",
        message="",
        started=started,
        ended=None,
        overrides=("train.dim=100", "evaluate.words=[a,b]"),
        config={"seed": 1, "train": {"dim": 100, "lr": 0.025, "splits": ["train"]}},
        params={"train.dim": "100"},
        metrics={"train/loss": 2.5},
        stages={"ingest": StageRecord("key", "digest", cached=True, seconds=0.5)},
        artifact_uri="mlflow-artifacts:/1/artifacts",
        artifacts=("config.yaml",),
        tracking=TrackingRecord("off", ""),
        git=GitRecord(commit=None, dirty=False),
        environment=ENVIRONMENT,
        process=ProcessRecord("host", 42, 1.5),
    )


def path_of(home: Path, run_id: str) -> Path:
    return home / "runs" / run_id / "run.json"


def test_a_record_reads_back_as_it_was_written(tmp_path):
    save_record(tmp_path, record())

    assert load_record(tmp_path, "a" * 32) == record()


@given(
    text=st.text(max_size=50),
    value=st.floats(allow_nan=False, allow_infinity=False),
    config=st.dictionaries(
        st.text(max_size=8),
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
        max_size=4,
    ),
)
@settings(max_examples=60, deadline=None)
def test_any_text_number_and_config_survive(tmp_path_factory, text, value, config):
    home = tmp_path_factory.mktemp("home")
    text = text.encode("utf-8", "replace").decode()
    config = json.loads(json.dumps(config).encode("utf-8", "replace"))
    odd = replace(
        record(), message=text, overrides=(text,), metrics={"m": value}, config=config
    )

    save_record(home, odd)

    assert load_record(home, "last") == odd


def test_bytes_of_a_command_line_that_are_not_utf8_do_not_spoil_the_record(tmp_path):
    typed = os.fsdecode(b"ingest.path=/data/caf\xe9")

    save_record(tmp_path, replace(record(), overrides=(typed,)))

    assert load_record(tmp_path, "last").overrides == ("ingest.path=/data/caf?",)


def test_a_later_save_replaces_the_record_and_leaves_nothing_else(tmp_path):
    save_record(tmp_path, record())
    save_record(tmp_path, replace(record(), status="FINISHED", ended=now()))

    assert load_record(tmp_path, "last").status == "FINISHED"
    assert [p.name for p in path_of(tmp_path, "a" * 32).parent.iterdir()] == [
        "run.json"
    ]


def test_a_save_that_is_cut_short_leaves_the_record_before_it(tmp_path, monkeypatch):
    save_record(tmp_path, record())

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        save_record(tmp_path, replace(record(), status="FINISHED"))

    assert load_record(tmp_path, "last") == record()


def test_a_disk_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")

    with pytest.raises(
        StorageError, match=r"runs.*: cannot be written: Not a directory"
    ):
        save_record(tmp_path, record())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_metric_that_is_not_finite_is_refused(tmp_path, value):
    with pytest.raises(TrackingError, match=r"'train/loss': expected a finite number"):
        save_record(tmp_path, replace(record(), metrics={"train/loss": value}))

    assert not path_of(tmp_path, "a" * 32).exists()


def test_last_is_the_run_that_started_last_not_the_file_written_last(tmp_path):
    save_record(tmp_path, record("b" * 32, "2026-11-22T10:00:00.000002+00:00"))
    save_record(tmp_path, record("a" * 32, "2026-11-22T10:00:00.000001+00:00"))

    assert load_record(tmp_path, "last").run_id == "b" * 32


def test_the_order_of_times_as_text_is_their_order():
    times = [now() for _ in range(50)]

    assert times == sorted(times)
    assert all(re.fullmatch(r"[-\d]{10}T[\d:]{8}\.\d{6}\+00:00", t) for t in times)


def test_six_characters_of_an_id_name_a_run(tmp_path):
    save_record(tmp_path, record("abcdef" + "0" * 26))
    save_record(tmp_path, record("abcdee" + "0" * 26))

    assert load_record(tmp_path, "abcdef").run_id == "abcdef" + "0" * 26


def test_an_id_that_begins_like_another_still_names_its_run(tmp_path):
    save_record(tmp_path, record("abcdef"))
    save_record(tmp_path, record("abcdef0"))

    assert load_record(tmp_path, "abcdef").run_id == "abcdef"


def test_a_prefix_of_two_runs_is_refused_naming_both(tmp_path):
    save_record(tmp_path, record("abcdef1"))
    save_record(tmp_path, record("abcdef2"))

    with pytest.raises(TrackingError, match=r"2 runs in .*\(abcdef1, abcdef2\)"):
        load_record(tmp_path, "abcdef")


def test_five_characters_are_too_few(tmp_path):
    save_record(tmp_path, record("abcdef1"))

    with pytest.raises(TrackingError, match="first 6 or more characters"):
        load_record(tmp_path, "abcde")


def test_an_unknown_run_is_answered_with_the_latest_ones(tmp_path):
    for second in range(7):
        started = f"2026-11-22T10:00:0{second}.000000+00:00"
        save_record(tmp_path, record(f"run{second}" + "0" * 10, started))

    with pytest.raises(TrackingError) as caught:
        load_record(tmp_path, "nonsense")

    text = str(caught.value)
    assert f"no run 'nonsense' in {tmp_path}" in text
    shown = re.findall(r"run\d", text)
    assert shown == ["run6", "run5", "run4", "run3", "run2"]
    assert "2026-11-22T10:00:06  RUNNING  newswire d200" in text


@pytest.mark.parametrize("run", ["last", "abcdef0"])
def test_a_home_without_runs_says_how_to_begin(tmp_path, run):
    with pytest.raises(
        TrackingError, match=r"there are no runs in .*w2v run.*W2V_HOME"
    ):
        load_record(tmp_path, run)


@pytest.mark.parametrize("run", ["../outside", "/etc/passwd", "a/../a", "", ".", "*"])
def test_a_run_is_never_read_as_a_path(tmp_path, run):
    save_record(tmp_path, record())
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.json").write_bytes(path_of(tmp_path, "a" * 32).read_bytes())

    with pytest.raises(TrackingError, match="no run"):
        load_record(tmp_path, run)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda text: text[: len(text) // 2], "the file"),
        (lambda text: "", "the file"),
        (lambda text: "[]", "the file"),
        (lambda text: text.replace('"RUNNING"', '"ASLEEP"'), "status"),
        (lambda text: text.replace("2.5", '"2.5"'), "metrics.train/loss"),
        (lambda text: text.replace("2.5", "NaN"), "metrics.train/loss"),
        (lambda text: text.replace("2026-11-22T", "22.11.2026 "), "started"),
        (lambda text: text.replace('"pid": 42', '"pid": true'), "process.pid"),
        (lambda text: text.replace('"pid": 42', '"pid": -1'), "process.pid"),
        (lambda text: text.replace('"name"', '"nome"'), "name"),
        (lambda text: "[" * 100_000, "the file"),
    ],
)
def test_a_damaged_record_is_an_error_that_names_file_and_place(
    tmp_path, damage, named
):
    save_record(tmp_path, record())
    path = path_of(tmp_path, "a" * 32)
    path.write_text(damage(path.read_text()))

    place = rf"record {re.escape(str(path))} is damaged: {re.escape(named)}: "
    with pytest.raises(TrackingError, match=place):
        load_record(tmp_path, "a" * 32)


def test_a_record_under_another_runs_name_is_damaged(tmp_path):
    save_record(tmp_path, record())
    other = path_of(tmp_path, "b" * 32)
    other.parent.mkdir()
    other.write_bytes(path_of(tmp_path, "a" * 32).read_bytes())

    with pytest.raises(TrackingError, match=r"damaged: it is of 'aaaa"):
        load_record(tmp_path, "b" * 32)


def test_a_damaged_record_is_named_and_does_not_hide_the_others(tmp_path, caplog):
    save_record(tmp_path, record("a" * 32))
    save_record(tmp_path, record("b" * 32, "2026-11-23T10:00:00.000000+00:00"))
    path_of(tmp_path, "b" * 32).write_text("{")

    with caplog.at_level(logging.WARNING):
        found = load_record(tmp_path, "last")

    assert found.run_id == "a" * 32
    assert str(path_of(tmp_path, "b" * 32)) in caplog.text
    assert [r.run_id for r in load_records(tmp_path)] == ["a" * 32]


def test_a_record_of_a_later_version_with_more_in_it_is_still_read(tmp_path):
    save_record(tmp_path, record())
    path = path_of(tmp_path, "a" * 32)
    path.write_text(path.read_text().replace('"name"', '"added_later": 1, "name"', 1))

    assert load_record(tmp_path, "last") == record()


def test_this_process_is_told_from_others_by_host_pid_and_start():
    mine = this_process()

    assert mine.pid == os.getpid()
    assert mine.started == pytest.approx(psutil.Process(mine.pid).create_time())
    assert mine.host


def test_a_run_records_all_that_it_is_made_of(make_run, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat and the dog sat too\n" * 100)
    made = make_run(
        tmp_path,
        *("ingest=text_files", f"ingest.path={text}", "tracking=off"),
        *("targets=[train]", "train.kernel=numpy", "train.dim=8", "train.epochs=1"),
    )

    record = load_record(tmp_path, "last")

    assert record == made
    ingest, train = record.stages["ingest"], record.stages["train"]
    assert ingest.files == {"text.txt": file_digest(text)}
    assert train.files == {}
    assert set(train.outputs) == {"embeddings", "history", "snapshots"}
    code = describe("pipeline.stages.train").definitions
    assert train.code == {name: digest[:12] for name, digest in code.items()}
    assert train.versions["numpy"] == record.environment.packages["numpy"]
    assert set(record.artifact_digests) == set(record.artifacts)
    folder = Path(record.artifact_uri.removeprefix("file://"))
    assert record.artifact_digests == file_digests(folder)
    assert record.repeats is None


def test_a_record_of_before_digests_were_kept_still_loads(tmp_path):
    save_record(tmp_path, record())
    path = path_of(tmp_path, "a" * 32)
    plain = json.loads(path.read_text())
    del plain["artifact_digests"], plain["repeats"]
    for name in ("outputs", "files", "code", "versions"):
        del plain["stages"]["ingest"][name]
    path.write_text(json.dumps(plain))

    assert load_record(tmp_path, "last") == record()
