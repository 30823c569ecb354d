"""What counts as the same when a run is repeated."""

from dataclasses import replace

import pytest

from pipeline import provenance
from pipeline.provenance import Environment
from pipeline.records import (
    GitRecord,
    ProcessRecord,
    RunRecord,
    StageRecord,
    TrackingRecord,
)
from pipeline.verdict import elsewhere, judge

HERE = Environment(
    python="CPython 3.11.7",
    system="Linux-6.1-x86_64-with-glibc2.36",
    processor="a processor",
    vector_features=("X86_V3",),
    threads=2,
    settings={},
    packages={"numpy": "2.4.6", "ruff": "0.8"},
)
ELSEWHERE = replace(HERE, processor="another processor")
RECORD = RunRecord(
    run_id="a" * 32,
    name="newswire d200",
    status="FINISHED",
    message="",
    started="2026-11-22T10:00:00.000001+00:00",
    ended=None,
    overrides=(),
    config={},
    params={},
    metrics={
        "corpus/tokens": 100.0,
        "train/loss": 2.5,
        "category/purity": 0.5,
        "train/words_per_second": 1000.0,
        "train/live_loss": 2.0,
        "stage/train_seconds": 3.0,
        "system/memory": 9.0,
    },
    stages={
        name: StageRecord("key", f"digest of {name}", cached=False, seconds=1.0)
        for name in ("ingest", "vocab", "train")
    },
    artifact_uri="",
    artifacts=("vectors/vectors.npz",),
    tracking=TrackingRecord("off", ""),
    git=GitRecord(commit=None, dirty=False),
    environment=HERE,
    process=ProcessRecord("host", 42, 1.5),
    artifact_digests={"vectors/vectors.npz": "1", "config.yaml": "2"},
)


@pytest.fixture(autouse=True)
def needed(monkeypatch):
    monkeypatch.setattr(provenance, "runtime_packages", lambda: frozenset({"numpy"}))


def metric(name: str, value: float) -> RunRecord:
    return replace(RECORD, metrics={**RECORD.metrics, name: value})


def stage(name: str, digest: str) -> RunRecord:
    changed = replace(RECORD.stages[name], digest=digest)
    return replace(RECORD, stages={**RECORD.stages, name: changed})


def verdicts(again: RunRecord, environment: Environment = HERE) -> dict[str, str]:
    """Name -> verdict of all that is not identical."""
    rows = judge(RECORD, replace(again, environment=environment))
    return {row.name: row.verdict for row in rows if row.verdict != "identical"}


def test_the_same_run_is_identical_in_every_stage_metric_and_artifact():
    rows = judge(RECORD, RECORD)

    assert {row.verdict for row in rows} == {"identical"}
    assert [(row.kind, row.name) for row in rows] == [
        ("stage", "ingest"),
        ("stage", "vocab"),
        ("stage", "train"),
        ("metric", "corpus/tokens"),
        ("metric", "train/loss"),
        ("metric", "category/purity"),
        ("artifact", "vectors/vectors.npz"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "train/words_per_second",
        "train/live_loss",
        "train/live_words_per_second",
        "stage/train_seconds",
        "stage/train_cached",
        "system/memory",
    ],
)
def test_metrics_that_measure_time_are_no_part_of_the_verdict(name):
    assert verdicts(metric(name, 1e6)) == {}


def test_on_the_same_machine_the_last_bit_counts():
    assert verdicts(metric("train/loss", 2.5 + 1e-15)) == {"train/loss": "differs"}


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(2.549, "within tolerance"), (2.451, "within tolerance"), (2.56, "differs")],
)
def test_elsewhere_a_metric_may_differ_by_two_percent(value, verdict):
    assert verdicts(metric("train/loss", value), ELSEWHERE) == {"train/loss": verdict}


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.519, "within tolerance"), (0.53, "differs")]
)
def test_elsewhere_a_score_may_differ_by_two_hundredths(value, verdict):
    again = metric("category/purity", value)

    assert verdicts(again, ELSEWHERE) == {"category/purity": verdict}


def test_counts_must_be_identical_everywhere():
    again = metric("corpus/tokens", 101.0)

    assert verdicts(again, ELSEWHERE) == {"corpus/tokens": "differs"}


@pytest.mark.parametrize("name", ["ingest", "vocab"])
def test_what_only_reads_and_counts_must_be_identical_everywhere(name):
    assert verdicts(stage(name, "x"), ELSEWHERE) == {name: "differs"}


def test_a_digest_is_within_tolerance_if_every_metric_is():
    again = replace(stage("train", "x"), artifact_digests={"vectors/vectors.npz": "9"})
    expected = dict.fromkeys(("train", "vectors/vectors.npz"), "within tolerance")
    assert verdicts(again, ELSEWHERE) == expected
    assert set(verdicts(again).values()) == {"differs"}

    far = replace(again, metrics={**RECORD.metrics, "train/loss": 3.0})
    assert set(verdicts(far, ELSEWHERE).values()) == {"differs"}


def test_what_is_missing_or_new_differs_everywhere():
    fewer = {k: v for k, v in RECORD.metrics.items() if k != "train/loss"}
    again = replace(
        RECORD,
        metrics={**fewer, "new/score": 0.1},
        stages={k: v for k, v in RECORD.stages.items() if k != "train"},
        artifact_digests={},
    )

    for environment in (HERE, ELSEWHERE):
        names = ("train/loss", "new/score", "train", "vectors/vectors.npz")
        assert verdicts(again, environment) == dict.fromkeys(names, "differs")


def test_a_changed_input_differs_everywhere():
    read = replace(RECORD.stages["ingest"], files={"a.txt": "1"})
    changed = replace(read, files={"a.txt": "2"})
    recorded = replace(RECORD, stages={"ingest": read})
    again = replace(RECORD, stages={"ingest": changed}, environment=ELSEWHERE)

    (row,) = [row for row in judge(recorded, again) if row.kind == "input"]
    assert (row.name, row.verdict) == ("ingest: a.txt", "differs")


def test_a_record_older_than_artifact_digests_is_judged_without_them():
    rows = judge(replace(RECORD, artifact_digests={}), RECORD)

    assert not any(row.kind == "artifact" for row in rows)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"processor": "x"}, ("processor",)),
        ({"vector_features": ()}, ("vector features",)),
        ({"python": "CPython 3.12.1"}, ("python",)),
        ({"system": "Linux-6.9-x86_64-with-glibc2.41"}, ("libc",)),
        ({"system": "Linux-6.9-x86_64-with-glibc2.36"}, ()),  # another kernel only
        ({"packages": {"numpy": "2.5.0", "ruff": "0.8"}}, ("numpy",)),
        ({"packages": {"numpy": "2.4.6", "ruff": "0.9"}}, ()),  # not needed to run
        ({"threads": 64}, ()),
    ],
)
def test_only_what_rounds_otherwise_grants_a_tolerance(change, named):
    assert elsewhere(RECORD, replace(RECORD, environment=replace(HERE, **change))) == (
        named
    )
