"""The same seed gives the same bits, whatever surrounds the run.

Each test compares all digests of stages, all artifacts and all metrics (but those
that measure time) of whole runs. That the parts keep this too, each with more
cases, is held by their own tests: kernels and threads in core/test_replicas, stops
at any moment in stages/test_train, hash order in core/test_newswire.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core.newswire.stream import generate
from pipeline.diff import artifacts, digests, measures
from pipeline.records import RunRecord, load_record
from pipeline.watcher import StageReport

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("ingest", "vocab", "train", "controls", "evaluate", "visualize")
# Lines whose case, order or encoding a locale might change.
ODD_LINES = "Zoë saß in İSTANBUL\nÅngström ångström\n茶 \u200f שלום\n" * 9


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a text to learn from."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = [
        " ".join(sentence)
        for batch in generate(1, "train", 400)
        for sentence in batch["tokens"].to_pylist()
    ]
    text = "\n".join(lines) + "\n" + ODD_LINES
    (folder / "corpus.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def typed(folder) -> tuple[str, ...]:
    """What is typed for each run: small, but through every stage."""
    return (
        *("ingest=text_files", f"ingest.path={folder / 'corpus.txt'}"),
        *("ingest.heldout_every=10", "tracking=off"),
        # More than one block, so that copies merge and the end of a run is uneven.
        *("train.dim=16", "train.epochs=3", "train.staleness=750"),
        *("train.threads=2", "train.checkpoint_share=1"),
        "visualize.projections=[]",  # maps take long; the slow test below has them
    )


@pytest.fixture(scope="module")
def first(make_run, typed, tmp_path_factory) -> RunRecord:
    """The run that all others are compared with."""
    return make_run(tmp_path_factory.mktemp("first"), *typed)


@pytest.fixture
def run_again(make_run, typed, tmp_path) -> Callable[..., RunRecord]:
    """Run the same in this process, in a home of the test's own."""
    return lambda *changes: make_run(tmp_path / "home", *typed, *changes)


def results(record: RunRecord) -> dict[str, object]:
    assert record.status == "FINISHED"
    assert tuple(record.stages) == STAGES
    return {
        "stages": digests(record),
        "artifacts": artifacts(record),
        "metrics": measures(record.metrics),
    }


def computed(record: RunRecord) -> list[str]:
    return [name for name, stage in record.stages.items() if not stage.cached]


def in_another_process(home: Path, *overrides: str, cwd: Path = ROOT, **changed: str):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **changed}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", f"home={home}", *overrides],
        env=environment,
        cwd=cwd,
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return load_record(home, "last")


@pytest.mark.slow
def test_another_seed_gives_other_bits(run_again, first):
    """What follows would mean nothing if every run were the same."""
    other = run_again("seed=2")

    same = {
        path
        for path, digest in artifacts(other).items()
        if artifacts(first).get(path) == digest
    }
    assert {"vectors/vectors.npz", "figures/heatmap.html"} <= artifacts(other).keys()
    assert same == {"tables/vocab.json"}


def test_twice_in_one_process(run_again, first):
    again = run_again()

    assert computed(again) == list(STAGES)
    assert results(again) == results(first)


@pytest.mark.parametrize(
    "changed",
    [
        # This process has a hash order of its own: whichever pytest began with.
        pytest.param({"PYTHONHASHSEED": "1"}, id="hash order"),
        pytest.param(
            # Text then is ASCII wherever no encoding is named.
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            id="locale",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "NUMBA_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
            id="libraries on one thread",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_in_another_process(typed, first, tmp_path, changed):
    again = in_another_process(tmp_path, *typed, **changed)

    assert computed(again) == list(STAGES)
    assert results(again) == results(first)


@pytest.mark.slow
def test_in_another_directory_with_a_relative_path(typed, first, folder, tmp_path):
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "corpus.txt").write_bytes((folder / "corpus.txt").read_bytes())

    again = in_another_process(
        tmp_path / "home", *typed, "ingest.path=corpus.txt", cwd=place
    )

    assert computed(again) == list(STAGES)
    assert results(again) == results(first)
    assert [path.name for path in place.iterdir()] == ["corpus.txt"]


@pytest.mark.parametrize("threads", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_at_any_number_of_threads(run_again, first, threads):
    again = run_again(f"train.threads={threads}")

    assert "train" in computed(again)
    assert results(again) == results(first)


def test_with_the_cache_cold_warm_or_refreshed(run_again, first):
    cold, warm, anew = run_again(), run_again(), run_again("cache.mode=refresh")

    assert [computed(run) for run in (cold, warm, anew)] == [
        list(STAGES),
        [],
        list(STAGES),
    ]
    assert results(cold) == results(warm) == results(anew) == results(first)


@pytest.fixture
def interrupt_in(monkeypatch) -> Callable[[str], None]:
    """Send Ctrl-C as soon as the named stage has done some work."""
    advance = StageReport.advance

    def interrupt(stage: str) -> None:
        def advance_and_stop(self, amount, shown=""):
            advance(self, amount, shown)
            if self._stage == stage and amount:
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(StageReport, "advance", advance_and_stop)

    return interrupt


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(name, marks=() if name == "train" else pytest.mark.slow)
        for name in STAGES
    ],
)
def test_interrupted_in_any_stage(run_again, first, tmp_path, interrupt_in, stage):
    interrupt_in(stage)
    with pytest.raises(KeyboardInterrupt):
        run_again()
    interrupt_in("none")
    stopped = load_record(tmp_path / "home", "last")
    assert stopped.status == "KILLED"
    assert list(stopped.stages) == list(STAGES[: STAGES.index(stage)])
    if stage == "train":
        assert list(tmp_path.rglob("checkpoint-*.npz"))

    again = run_again()

    assert again.run_id == stopped.run_id
    assert results(again) == results(first)


@pytest.mark.slow
def test_all_at_once_with_the_readable_kernel(make_run, typed, tmp_path):
    settings = (*typed, "train.kernel=numpy")
    one = make_run(tmp_path / "one", *settings)
    other = in_another_process(
        *(tmp_path / "other", *settings),
        cwd=tmp_path,
        PYTHONHASHSEED="7",
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
    )

    assert computed(other) == list(STAGES)
    assert results(other) == results(one)


@pytest.mark.slow
def test_all_pictures_in_two_processes_with_other_surroundings(tmp_path):
    settings = ("experiment=smoke", "tracking=off")
    one = in_another_process(tmp_path / "one", *settings, PYTHONHASHSEED="1")
    other = in_another_process(
        *(tmp_path / "other", *settings, "train.threads=1"),
        cwd=tmp_path,
        PYTHONHASHSEED="2",
        NUMBA_NUM_THREADS="1",
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
        LC_ALL="C",
    )

    assert any("umap" in path for path in artifacts(one))
    assert results(other) == results(one)
