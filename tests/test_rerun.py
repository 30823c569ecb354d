"""A run is built again from its record, whatever the record says."""

import json
import os
import signal
import typing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock

from pipeline import ingredients
from pipeline.artifacts import file_digests
from pipeline.cli import cli
from pipeline.errors import ConfigError, DataError, TrackingError
from pipeline.fields import Unkeyed
from pipeline.inputs import FILE_KEYS, named_by_user
from pipeline.records import RunRecord, load_record, load_records, save_record
from pipeline.rerun import rerun
from pipeline.sources import Source, describe
from pipeline.stages.evaluate import EvaluateConfig
from pipeline.stages.ingest import IngestConfig
from pipeline.stages.tag import TagConfig
from pipeline.watcher import StageReport

TINY = ("experiment=smoke", "tracking=off", "targets=[train]", "train.kernel=numpy")
STAGES = ["ingest", "vocab", "train"]


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run(make_run, shared_home) -> RunRecord:
    """A finished run of the built-in corpus."""
    return make_run(shared_home, *TINY)


@pytest.fixture
def home(run, tmp_path) -> Path:
    """A home that holds nothing but the record of that run."""
    home = tmp_path / "home"
    save_record(home, run)
    return home


@pytest.fixture
def text(tmp_path) -> Path:
    path = tmp_path / "corpus" / "text.txt"
    path.parent.mkdir()
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "the", "dog", "sat", "too"]
    lines = [" ".join(words[n % 5 :] + words[: n % 7]) for n in range(200)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def of_text(make_run, text, tmp_path) -> RunRecord:
    """A finished run of a text file, with its record below `tmp_path / home`."""
    read = ("ingest=text_files", f"ingest.path={text}")
    return make_run(tmp_path / "home", *TINY[1:], *read, "train.dim=8")


def tamper(home: Path, record: RunRecord, /, **config) -> RunRecord:
    """Store a record whose config holds something else, and return it."""
    changed = json.loads(json.dumps(record.config))
    for key, value in config.items():
        group, _, name = key.partition("__")
        if name:
            changed[group][name] = value
        else:
            changed[group] = value
    changed = replace(record, config=changed)
    save_record(home, changed)
    return changed


def w2v(home: Path, *arguments: str):
    return CliRunner().invoke(cli, [*arguments, "--home", str(home)])


def test_a_rerun_computes_all_anew_and_comes_out_identical(run, home):
    done = rerun(home, run.run_id, tracking="off")

    assert done.same
    assert {row.verdict for row in done.judged} == {"identical"}
    kinds = {row.kind for row in done.judged}
    assert kinds == {"stage", "metric", "artifact"}
    assert [s for s, stage in done.again.stages.items() if not stage.cached] == STAGES


def test_a_rerun_is_a_run_of_its_own_that_names_the_first(run, home):
    done = rerun(home, "last", tracking="off")

    again = load_record(home, done.again.run_id)
    assert again == done.again
    assert again.run_id != run.run_id
    assert (again.repeats, again.status) == (run.run_id, "FINISHED")
    assert load_record(home, run.run_id) == run


def test_a_rerun_is_told_to_mlflow_with_the_run_it_repeats(run, home):
    from pipeline.tracking.mlflow_store import import_mlflow

    import_mlflow()  # without the warnings that are its own
    from mlflow.tracking import MlflowClient

    done = rerun(home, run.run_id, tracking="local")

    stored = MlflowClient(f"sqlite:///{home / 'mlflow.db'}").get_run(done.again.run_id)
    assert stored.data.tags["repeats"] == run.run_id
    assert stored.info.status == "FINISHED"
    assert done.same


def test_a_rerun_leaves_the_cache_alone_and_no_scratch_behind(
    make_run, tmp_path, monkeypatch
):
    run = make_run(tmp_path, *TINY)
    before = file_digests(tmp_path / "cache")
    from pipeline.stages import train

    begin = train.initial_vectors  # a result that differs for the same key
    monkeypatch.setattr(
        train, "initial_vectors", lambda *a: tuple(m * 0.5 for m in begin(*a))
    )
    done = rerun(tmp_path, run.run_id, tracking="off")

    assert not done.same
    assert done.again.stages["train"].key == run.stages["train"].key
    verdicts = {row.name: row.verdict for row in done.judged}
    assert (verdicts["vocab"], verdicts["train"]) == ("identical", "differs")
    assert verdicts["vectors/vectors.npz"] == "differs"
    after = file_digests(tmp_path / "cache")
    assert {k: v for k, v in after.items() if not k.startswith("locks/")} == {
        k: v for k, v in before.items() if not k.startswith("locks/")
    }
    assert list((tmp_path / "reruns").iterdir()) == []


def test_with_the_cache_nothing_is_computed(run, shared_home):
    done = rerun(shared_home, run.run_id, tracking="off", use_cache=True)

    assert done.same
    assert all(stage.cached for stage in done.again.stages.values())


def test_exit_0_and_a_table_that_ends_with_the_new_run(run, home):
    done = w2v(home, "rerun", run.run_id, "--tracking", "off")

    assert done.exit_code == 0, done.stdout
    lines = done.stdout.splitlines()
    assert any(line.startswith("stage     train ") for line in lines)
    assert any(line.startswith("metric    train/loss ") for line in lines)
    assert any(line.startswith("artifact  vectors/vectors.npz ") for line in lines)
    assert lines[-2].startswith("the same: ")
    assert lines[-1] == f"run_id: {load_records(home)[0].run_id}"


@pytest.mark.parametrize("changed", ["stage", "metric", "artifact"])
def test_exit_1_where_one_thing_differs(run, home, changed):
    if changed == "stage":
        train = replace(run.stages["train"], digest="0" * 64)
        run = replace(run, stages={**run.stages, "train": train})
    if changed == "metric":
        run = replace(run, metrics={**run.metrics, "train/loss": 1.0})
    if changed == "artifact":
        digests = {**run.artifact_digests, "vectors/vectors.npz": "0" * 64}
        run = replace(run, artifact_digests=digests)
    save_record(home, run)

    done = w2v(home, "rerun", run.run_id, "--tracking", "off", "--json")

    assert done.exit_code == 1
    plain = json.loads(done.stdout)
    assert plain["same"] is False
    assert plain["tolerance"] == 0
    (row,) = [row for row in plain["verdicts"] if row["verdict"] != "identical"]
    assert (row["kind"], row["verdict"]) == (changed, "differs")


def test_a_metric_within_tolerance_is_the_same_only_on_another_machine(run, home):
    loss = run.metrics["train/loss"] * 1.01
    near = replace(run, metrics={**run.metrics, "train/loss": loss})
    save_record(home, near)
    here = rerun(home, run.run_id, tracking="off")

    other = replace(run.environment, processor="another")
    save_record(home, replace(near, environment=other))
    there = rerun(home, run.run_id, tracking="off")

    verdicts = [
        row.verdict
        for done in (here, there)
        for row in done.judged
        if row.name == "train/loss"
    ]
    assert verdicts == ["differs", "within tolerance"]
    assert (here.same, there.same) == (False, True)


def test_changed_code_is_named_with_the_stages_that_reach_it(run, home, monkeypatch):
    name = "pipeline/core/sgns.py: initial_vectors"

    def edited(module: str) -> Source:
        source = describe(module)
        if name not in source.definitions:
            return source
        return replace(source, definitions={**source.definitions, name: "f" * 64})

    monkeypatch.setattr(ingredients, "describe", edited)
    done = w2v(home, "rerun", run.run_id, "--tracking", "off")

    assert done.exit_code == 0  # other code, the same bits
    assert f"  {name}: {run.stages['train'].code[name]} -> {'f' * 12}  (train)" in (
        done.stdout.splitlines()
    )


def test_a_killed_rerun_is_gone_on_with(run, home, monkeypatch):
    live = StageReport.metrics

    def interrupt(self, values, step=None):
        live(self, values, step)
        if "train/loss" in values:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(StageReport, "metrics", interrupt)
    with pytest.raises(KeyboardInterrupt):
        rerun(home, run.run_id, tracking="off")
    monkeypatch.undo()
    assert list((home / "reruns" / run.run_id).rglob("checkpoint-*.npz"))
    killed = load_record(home, "last")
    assert (killed.status, killed.repeats) == ("KILLED", run.run_id)

    done = rerun(home, run.run_id, tracking="off")

    assert done.same
    assert done.again.run_id == killed.run_id  # it went on
    assert not (home / "reruns" / run.run_id).exists()


def test_another_seed_reaches_every_group(run, home):
    done = rerun(home, run.run_id, tracking="off", changes=["seed=13"])

    config = done.again.config
    assert {config[group]["seed"] for group in ("ingest", "train")} == {13}
    assert not done.same


def test_a_tracking_that_is_none_is_a_config_error(run, home):
    with pytest.raises(ConfigError, match=r"tracking\.uri|uri: expected"):
        rerun(home, run.run_id, tracking="blah")


def test_two_reruns_of_one_run_do_not_mix(run, home):
    lock = home / "cache" / "locks" / f"rerun-{run.run_id}.lock"
    lock.parent.mkdir(parents=True)

    with (
        FileLock(lock),
        pytest.raises(TrackingError, match="is being repeated by another process"),
    ):
        rerun(home, run.run_id, tracking="off")


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED"])
def test_a_run_without_a_whole_result_is_refused(run, home, status):
    save_record(home, replace(run, status=status))

    with pytest.raises(TrackingError, match=f"is {status}: expected a finished run"):
        rerun(home, run.run_id)


def test_a_changed_byte_of_an_input_stops_the_rerun(of_text, text, tmp_path):
    content = bytearray(text.read_bytes())
    content[7] ^= 1
    text.write_bytes(content)

    done = w2v(tmp_path / "home", "rerun", "last", "--tracking", "off")

    assert done.exit_code == 1
    assert isinstance(done.exception, DataError)
    assert f"input changed: {text} is not what" in str(done.exception)
    assert len(load_records(tmp_path / "home")) == 1


def test_a_changed_input_that_the_user_names_is_run_and_judged(of_text, text, tmp_path):
    text.write_text(text.read_text().replace("cat", "cow"))

    done = rerun(
        tmp_path / "home", "last", tracking="off", changes=[f"ingest.path={text}"]
    )

    assert not done.same
    verdicts = {(row.kind, row.name): row.verdict for row in done.judged}
    assert verdicts["input", "ingest: text.txt"] == "differs"
    assert verdicts["stage", "ingest"] == "differs"


def test_an_input_that_moved_is_named_by_the_user(of_text, text, tmp_path):
    place = text.rename(tmp_path / "other.txt")
    with pytest.raises(DataError, match=r"no file fits .* --set ingest\.path=PATH"):
        rerun(tmp_path / "home", "last", tracking="off")

    done = rerun(
        tmp_path / "home", "last", tracking="off", changes=[f"ingest.path={place}"]
    )

    assert done.same
    assert ("input", "identical") in {(row.kind, row.verdict) for row in done.judged}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.dim", "expected KEY=VALUE"),
        ("=1", "expected KEY=VALUE"),
        ("train.dmi=3", "train.dmi: the run's config has no such key"),
        ("train.dim.x=3", "has no such key"),
        ("nope=3", "has no such key"),
        ("home=/x", "there are --home and --tracking"),
        ("tracking.uri=http://x", "there are --home and --tracking"),
        ("train.kernel_cache=/x", "there are --home and --tracking"),
        ("evaluate.kernel_cache=/x", "there are --home and --tracking"),
        (f"train.dim={'[' * 100_000}", "train.dim: nested too deeply"),
        ("train.dim=0", "train.dim: expected greater than or equal to 1, found 0"),
    ],
)
def test_a_bad_change_is_an_error_of_usage(run, home, change, message):
    with pytest.raises(ConfigError, match=message):
        rerun(home, run.run_id, tracking="off", changes=[change])


@pytest.mark.parametrize("where", ["nowhere", "ftp://host", "http://user:pw@host"])
def test_a_bad_store_is_an_error(run, home, where):
    with pytest.raises((ConfigError, TrackingError), match="uri"):
        rerun(home, run.run_id, tracking=where)


def test_exact_takes_no_cache(run, home):
    done = w2v(home, "rerun", run.run_id, "--exact", "--cache")

    assert done.exit_code == 2


# A record may come from a stranger.


def test_a_record_cannot_say_where_a_rerun_writes(run, home, tmp_path, monkeypatch):
    monkeypatch.delenv("W2V_KERNEL_CACHE")
    evil = tmp_path / "evil"
    tamper(
        home,
        run,
        home=str(evil),
        cache={"mode": "refresh"},
        tracking={
            "backend": "server",
            "experiment": "../../evil",
            "uri": "http://127.0.0.1:9",
            "system_seconds": 0.0,
        },
        train__kernel="numba",
        train__kernel_cache=str(evil / "compiled"),
        evaluate__kernel_cache=str(evil / "compiled"),
    )

    done = rerun(home, run.run_id, tracking="off")

    assert not evil.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"home"}
    assert done.again.config["home"] == str(home)
    assert done.again.config["tracking"] == {"backend": "off"}
    # Compiled code is unpickled when read: it must not be a stranger's.
    for group in ("train", "evaluate"):
        folder = done.again.config[group]["kernel_cache"]
        assert folder == str(home / "cache" / "numba")
    assert list((home / "cache" / "numba").rglob("*.nbi"))


def test_a_record_cannot_say_where_results_come_from(run, home, tmp_path):
    tamper(home, run, cache={"mode": "use", "earlier": [str(tmp_path / "*")]})

    done = rerun(home, run.run_id, tracking="off")

    assert done.again.config["cache"] == {"mode": "use", "earlier": []}
    assert not any(stage.cached for stage in done.again.stages.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hydra": {"launcher": {"_target_": "os.system"}}}, "hydra: no such key"),
        ({"train__": {"_target_": "os.system"}}, "no such key"),
        ({"train": {"_target_": "os.system"}}, "train"),
        ({"train": "numba"}, "train: expected"),
        ({"targets": ["train", "rm"]}, "targets: expected some of"),
        ({"train__dim": 10**12}, "train.dim: expected less than"),
        ({"train__lr": "${oc.env:HOME}"}, "train.lr: expected"),
        ({"ingest__reader": "pickle"}, "ingest.reader: expected"),
        ({"tracking": {"experiment": 3}}, None),
    ],
)
def test_a_config_of_a_record_is_checked_like_one_that_is_typed(
    run, home, change, message
):
    tamper(home, run, **change)

    if message is None:  # the user's tracking takes its place
        assert rerun(home, run.run_id, tracking="off").same
        return
    with pytest.raises((ConfigError, TrackingError), match=message):
        rerun(home, run.run_id, tracking="off")
    assert len(load_records(home)) == 1


def test_a_record_cannot_have_a_file_read_whose_content_it_does_not_know(
    of_text, tmp_path
):
    secret = tmp_path / "secret" / "text.txt"
    secret.parent.mkdir()
    secret.write_text("the password is swordfish\n" * 50)
    home, word = tmp_path / "home", b"swordfish"

    tamper(home, of_text, ingest__path=str(secret))
    with pytest.raises(DataError, match="input changed"):
        rerun(home, of_text.run_id, tracking="off")

    stages = {k: replace(v, files={}) for k, v in of_text.stages.items()}
    tamper(home, replace(of_text, stages=stages), ingest__path=str(secret))
    with pytest.raises(DataError, match=r"found text\.txt, which it did not"):
        rerun(home, of_text.run_id, tracking="off")

    tamper(home, replace(of_text, stages={}), ingest__path=str(secret))
    with pytest.raises(DataError, match=r"found text\.txt, which it did not"):
        rerun(home, of_text.run_id, tracking="off")
    held = [p.name for p in home.rglob("*") if p.is_file() and word in p.read_bytes()]
    assert set(held) <= {"uncommitted.diff"}  # of this very test, while it is edited


def test_another_change_of_a_stage_does_not_vouch_for_its_files(of_text, tmp_path):
    secret = tmp_path / "secret" / "text.txt"
    secret.parent.mkdir()
    secret.write_text("the password is swordfish\n" * 50)
    tamper(tmp_path / "home", of_text, ingest__path=str(secret))

    with pytest.raises(DataError, match="input changed"):
        rerun(
            tmp_path / "home",
            of_text.run_id,
            tracking="off",
            changes=["ingest.heldout_every=50"],
        )


def test_a_user_vouches_for_stages_all_of_whose_files_are_named():
    values = {
        "seed": 1,
        "ingest": {"path": "a.txt", "splits": None},
        "evaluate": {"similarity_files": ["b"], "analogy_files": ["c"]},
    }
    one = ["ingest.path=x", "evaluate.similarity_files=[]"]

    assert named_by_user(values, ["seed=1", "train.dim=2"]) == set()
    assert named_by_user(values, one) == {"ingest"}
    both = [*one, "evaluate.analogy_files=[]"]
    assert named_by_user(values, both) == {"ingest", "evaluate"}


def test_every_key_that_names_files_is_known():
    kinds = [*typing.get_args(typing.get_args(IngestConfig)[0])]
    kinds += [EvaluateConfig, TagConfig]
    readers = [kind for kind in kinds if hasattr(kind, "input_files")]
    naming = {
        field
        for kind in readers
        for field, hint in typing.get_type_hints(kind, include_extras=True).items()
        if any(isinstance(m, Unkeyed) for m in getattr(hint, "__metadata__", ()))
    }

    assert naming == {*FILE_KEYS, "kernel_cache"}  # which names none to read


def test_a_file_that_is_gone_from_a_pattern_is_named(of_text, text, tmp_path):
    ingest = of_text.stages["ingest"]
    files = {**ingest.files, "b.txt": "0" * 64}
    stages = {**of_text.stages, "ingest": replace(ingest, files=files)}
    save_record(tmp_path / "home", replace(of_text, stages=stages))

    with pytest.raises(DataError, match=r"found no b\.txt"):
        rerun(tmp_path / "home", of_text.run_id, tracking="off")


def test_a_record_of_before_these_digests_were_kept_still_loads(run, home):
    path = home / "runs" / run.run_id / "run.json"
    plain = json.loads(path.read_text())
    del plain["artifact_digests"], plain["repeats"]
    for stage in plain["stages"].values():
        for name in ("outputs", "files", "code", "versions"):
            del stage[name]
    path.write_text(json.dumps(plain))

    done = w2v(home, "rerun", run.run_id, "--tracking", "off")

    assert done.exit_code == 0, done.stdout
    assert "not judged: the digests of its artifacts" in done.stdout
    assert not any(line.startswith("artifact ") for line in done.stdout.splitlines())
