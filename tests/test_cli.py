"""The command line, as a user meets it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import forks
import pytest

from pipeline import cli, composition
from pipeline.composition import compose_config
from pipeline.errors import ConfigError

STAGES = ("ingest", "vocab", "train", "controls", "evaluate", "visualize")
SMOKE = ("experiment=smoke", "visualize.projections=[]")


def w2v(*arguments: str, home: Path, **options) -> subprocess.CompletedProcess:
    environment = os.environ | {"W2V_HOME": str(home)} | options.pop("env", {})
    return forks.run(*arguments, env=environment, **options)


def last_line(text: str) -> str:
    return text.splitlines()[-1]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(home) -> str:
    """The id of a finished run."""
    done = w2v("run", *SMOKE, home=home)
    assert done.returncode == 0, done.stderr
    match = re.fullmatch(r"run_id: ([0-9a-f]{32})", last_line(done.stdout))
    assert match, done.stdout
    return match[1]


def test_a_run_prints_its_table_and_ends_with_its_id(first, home):
    again = w2v("run", *SMOKE, home=home)

    assert again.returncode == 0
    for stage in STAGES:
        assert re.search(rf"^{stage} +cached ", again.stdout, re.MULTILINE)
    assert re.search(r"^train/loss +\d", again.stdout, re.MULTILINE)
    assert re.search(r"^pictures: /", again.stdout, re.MULTILINE)
    assert "words/s" not in again.stderr  # no bar for what did not run


def test_show_gives_scripts_one_object(first, home):
    done = w2v("show", first, "--json", home=home)

    shown = json.loads(done.stdout)
    assert list(shown) == [
        "run_id",
        "status",
        "params",
        "metrics",
        "stages",
        "artifacts",
    ]
    assert (shown["run_id"], shown["status"]) == (first, "FINISHED")
    assert shown["params"]["train.dim"] == "16"
    assert set(shown["stages"]) == set(STAGES)
    assert set(shown["stages"]["train"]) == {"key", "digest", "cached", "seconds"}
    assert shown["metrics"]["train/loss"] > 0
    for path in shown["artifacts"]:
        assert Path(path).is_file()
    names = {Path(path).name for path in shown["artifacts"]}
    assert {"config.yaml", "vectors.npz", "loss.html", "loss.png"} <= names
    assert any(name.startswith("checkpoint-") for name in names)


def test_a_run_is_found_by_last_and_by_the_start_of_its_id(first, home):
    assert w2v("show", first[:8], home=home).returncode == 0
    assert w2v("show", "last", home=home).returncode == 0


def test_an_unknown_run_is_an_error(first, home):
    done = w2v("show", "feedface", home=home)

    assert done.returncode == 1
    assert "error: no run 'feedface'" in done.stderr


def test_similar_lists_neighbors(first, home):
    done = w2v("similar", "Germany", "--run", first, "--top-k", "3", home=home)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_analogy_answers(first, home):
    arguments = ("analogy", "France", "Paris", "Germany", "--json", "--top-k", "2")
    done = w2v(*arguments, "--run", first, home=home)

    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 2


def test_an_unknown_word_is_an_error(first, home):
    done = w2v("similar", "germanny", home=home)

    assert done.returncode == 1
    assert "germanny" in done.stderr
    assert "germany" in done.stderr
    assert "Traceback" not in done.stderr


def test_explain_says_hit_and_why_not(first, home):
    done = w2v("explain", *SMOKE, home=home)
    assert set(done.stdout.splitlines()) == {f"{stage}: hit" for stage in STAGES}

    done = w2v("explain", *SMOKE, "train.window=2", home=home)
    assert "train: miss - train.window: 5 -> 2" in done.stdout
    assert "controls: hit" in done.stdout
    assert "evaluate: waits" in done.stdout


def test_targets_run_only_what_they_need(first, home):
    done = w2v("run", *SMOKE, "targets=[vocab]", "tracking=off", home=home)

    assert done.returncode == 0
    record = json.loads(w2v("show", "last", "--json", home=home).stdout)
    assert set(record["stages"]) == {"ingest", "vocab"}


@pytest.mark.slow
def test_multirun_makes_a_run_of_each_value(first, home):
    arguments = ("-m", "train.dim=8,12", "targets=[train]", "tracking=off")
    done = w2v("run", *SMOKE, *arguments, home=home)

    assert done.returncode == 0, done.stderr
    sweep = json.loads(w2v("sweep", "show", "last", "--json", home=home).stdout)
    ids = [trial["run_id"] for trial in sweep["trials"]]
    dims = [
        json.loads(w2v("show", i, "--json", home=home).stdout)["params"]["train.dim"]
        for i in ids
    ]
    assert dims == ["8", "12"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train=3"], "a group takes the name of one of its options"),
        (["train.dmi=3"], "train.dmi: no such key; did you mean train.dim"),
        (["train.dim=-3"], "train.dim: expected greater than or equal to 1"),
        (["ingest=nope"], "Could not find 'ingest/nope'"),
        (["train.dim"], "missing EQUAL"),
        (["--nope"], "unrecognized arguments: --nope"),
        (["--experimental-rerun=x.pkl"], "pickle"),
        (["targets=[trian]"], "targets: expected some of"),
        (["targets=5"], "targets: expected a valid array, found 5"),
        (["-m", "targets=5", "train.dim=8,12"], "targets: expected a valid array"),
        (["-m", "train.dim=0", "tracking=off"], "train.dim: expected greater"),
        (["-m", "train=3"], "a group takes the name of one of its options"),
        (["-m", "hydra/launcher=nope"], "Could not find 'hydra/launcher/nope'"),
    ],
)
def test_bad_usage_exits_with_2_and_one_clear_error(arguments, message, tmp_path):
    done = w2v("run", *arguments, home=tmp_path)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("flag", [(), ("-m",)])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("tag.word_classes=none/x.npz", "targets=[tag]"),
            "tag.word_classes: expected a file, found none at",
        ),
        (
            ("evaluate.against=none/x.npz",),
            "evaluate.against: expected a file, found none at",
        ),
        (
            ("evaluate.similarity_files=[none.txt]",),
            "evaluate.similarity_files: expected a file or files",
        ),
        (
            ("ingest=conll_files", "ingest.path=none"),
            "ingest.path: expected a folder, found none at none",
        ),
    ],
)
def test_a_file_that_is_not_there_is_named_before_anything_runs(
    tmp_path, arguments, message, flag
):
    done = w2v(
        *("run", *flag, "ingest=newswire", *arguments), home=tmp_path / "home",
        cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 2, done.stderr
    assert f"error: {message}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_a_stage_that_does_not_run_need_not_be_there(tmp_path):
    arguments = ("tag.word_classes=none/x.npz", "targets=[vocab]", "tracking=off")
    done = w2v("run", "experiment=smoke", *arguments, home=tmp_path)

    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(Path("/kaggle").exists(), reason="this is Kaggle")
@pytest.mark.parametrize("corpus", [(), ("ingest=newswire",)])
def test_the_preset_of_another_machine_is_refused_before_anything_is_made(
    tmp_path, corpus
):
    elsewhere = {"W2V_HOME": "/kaggle/working/runs"}  # as the preset has it
    done = w2v(
        "run", "experiment=kaggle", *corpus, home=tmp_path, env=elsewhere, cwd=tmp_path
    )

    assert done.returncode == 2
    assert done.stderr == (
        "error: home: /kaggle/working/runs lies below /kaggle, which is not on this "
        "machine. Set home, or W2V_HOME, to another folder\n"
    )
    assert not Path("/kaggle").exists()

    # With another home, the corpus is what is missed.
    done = w2v("run", "experiment=kaggle", home=tmp_path / "home", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: ingest.path: expected a folder, found none at /kaggle" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_command_exits_with_2(tmp_path):
    assert w2v("fly", home=tmp_path).returncode == 2


@pytest.mark.slow
def test_a_failing_stage_marks_the_run_and_keeps_what_was_done(first, home, tmp_path):
    (tmp_path / "pairs.txt").write_text("cat dog notanumber extra words\n" * 3)
    files = f"evaluate.similarity_files=[{tmp_path / 'pairs.txt'}]"
    done = w2v("run", *SMOKE, files, home=home)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "pairs.txt" in last_line(done.stderr)
    shown = json.loads(w2v("show", "last", "--json", home=home).stdout)
    assert shown["status"] == "FAILED"
    assert shown["stages"]["train"]["cached"] is True


def test_debug_shows_the_traceback(tmp_path):
    done = w2v("run", "train.dim=0", home=tmp_path, env={"W2V_DEBUG": "1"})

    assert done.returncode != 0
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 130, marks=pytest.mark.slow)],
)
def test_an_interrupted_run_is_marked_killed(tmp_path, sent, code):
    process = forks.start(
        *("run", "experiment=smoke", "tracking=off"),
        *("train.epochs=100000", "targets=[train]"),
        env=os.environ | {"W2V_HOME": str(tmp_path)},
    )
    # It trains once the first checkpoint is there.
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("cache/workspaces/train-*/checkpoint-*.npz")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)

    assert process.returncode == code
    assert "Traceback" not in err
    shown = json.loads(w2v("show", "last", "--json", home=tmp_path).stdout)
    assert shown["status"] == "KILLED"
    assert last_line(out) == f"run_id: {shown['run_id']}"
    assert list(tmp_path.glob("cache/workspaces/train-*/checkpoint-*.npz"))


@pytest.mark.slow
def test_nothing_is_written_outside_home(tmp_path):
    for folder in ("user", "cwd", "tmp", "home"):
        (tmp_path / folder).mkdir()
    environment = {"HOME": str(tmp_path / "user"), "TMPDIR": str(tmp_path / "tmp")}
    # In a process of its own: libraries look for folders as they are imported.
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", *SMOKE],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path / "cwd",
        env=os.environ
        | environment
        | {
            "W2V_HOME": str(tmp_path / "home"),
            "XDG_CACHE_HOME": "",
            "MPLCONFIGDIR": "",
        },
        timeout=240,
    )

    assert done.returncode == 0, done.stderr
    for folder in ("user", "cwd", "tmp"):
        assert list((tmp_path / folder).rglob("*")) == []


@pytest.mark.parametrize("kind", ["a file", "below a file"])
@pytest.mark.parametrize("command", ["run", "show"])
def test_a_home_that_cannot_be_is_named(tmp_path, kind, command):
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / ("" if kind == "a file" else "deep")
    arguments = ("experiment=smoke", "tracking=off") if command == "run" else ("last",)
    done = w2v(command, *arguments, home=home)

    assert done.returncode == 1
    assert str(tmp_path / "file") in last_line(done.stderr)
    assert "defect" not in done.stderr


@pytest.mark.parametrize("command", [("run",), ("show", "last"), ("doctor",)])
def test_a_home_of_nobody_is_an_error_of_usage(tmp_path, command):
    done = w2v(*command, home=Path("~no-such-user/x"), cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith("error: ~no-such-user/x: expected a path or the home")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_under_the_output_is_said_once(first, home):
    with Path("/dev/full").open("w") as full:
        done = w2v("show", first, home=home, stdout=full)

    assert done.returncode == 1
    told = "error: cannot write the output: No space left on device\n"
    assert done.stderr == told


def test_an_end_of_file_is_no_interrupt(monkeypatch, capsys):
    def cut_short(*_):
        raise EOFError("the stream ended in the middle")

    monkeypatch.setattr("pipeline.records.load_record", cut_short)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit, match=r"^1$"):
        cli.main(["show", "last"])

    told = capsys.readouterr().err
    assert "EOFError: the stream ended in the middle" in told
    assert "interrupted" not in told


def test_a_config_file_that_holds_no_keys_is_named(tmp_path, monkeypatch):
    conf = shutil.copytree(cli.config_folder(), tmp_path / "conf")
    (conf / "vocab" / "default.yaml").write_text("3\n")
    monkeypatch.setattr(composition, "config_folder", lambda: conf)

    with pytest.raises(ConfigError, match=r"conf: .*int: expected keys and values"):
        compose_config(())


def test_home_may_begin_with_a_tilde(first, home):
    user = {"HOME": str(home.parent)}

    done = w2v("show", first, home=Path("~") / home.name, env=user)

    assert done.returncode == 0, done.stderr


def test_an_interrupt_while_modules_load_ends_as_one(tmp_path):
    # pydantic makes an error of its own of what is raised while it looks at an enum,
    # which MLflow's import has it do some fifty times.
    script = """
import enum, os, signal, sys, types
from pydantic import TypeAdapter

class Number(enum.Enum):
    ONE = 1

    @types.DynamicClassAttribute
    def value(self):
        os.kill(os.getpid(), signal.SIGINT)
        return 1

class Finder:
    def find_spec(self, name, *_):
        if name == "pipeline.run":
            sys.meta_path.remove(self)
            TypeAdapter(Number)

sys.modules.pop("pipeline.run")
sys.meta_path.insert(0, Finder())
sys.argv = ["w2v", "run", "experiment=smoke", "tracking=off", "targets=[ingest]"]
from pipeline.__main__ import main
main()
"""
    done = w2v(home=tmp_path, code=script)

    assert done.returncode == 130, done.stderr
    assert done.stderr.strip() == "error: interrupted"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "moment",
    [
        "environment",
        pytest.param("open_tracker", marks=pytest.mark.slow),
        pytest.param("end", marks=pytest.mark.slow),
    ],
)
def test_an_interrupt_at_the_edges_leaves_no_run_running(tmp_path, moment):
    script = f"""
import os, signal, sys
from pipeline import provenance, run
from pipeline.tracking import off_tracker

def interrupting(function):
    def wrapped(*arguments, **options):
        result = function(*arguments, **options)
        os.kill(os.getpid(), signal.SIGINT)
        return result
    return wrapped

holder, name = {{
    "environment": (provenance, "environment"),
    "open_tracker": (run, "open_tracker"),
    "end": (off_tracker.OffTracker, "end"),
}}[{moment!r}]
setattr(holder, name, interrupting(getattr(holder, name)))
sys.argv = ["w2v", "run", "experiment=smoke", "tracking=off", "targets=[ingest]"]
from pipeline.cli import main
main()
"""
    done = w2v(home=tmp_path, code=script)

    assert done.returncode == 130, done.stderr
    statuses = [
        json.loads(path.read_text())["status"]
        for path in tmp_path.glob("runs/*/run.json")
    ]
    expected = {"environment": [], "open_tracker": ["KILLED"], "end": ["FINISHED"]}
    assert statuses == expected[moment]


def test_help_lists_the_subcommands_and_the_groups(tmp_path):
    top = w2v("--help", home=tmp_path).stdout
    commands = ("run", "rerun", "diff", "explain", "show", "similar", "analogy", "ui")
    for command in (*commands, "evaluate", "export"):
        assert re.search(rf"^  {command} ", top, re.MULTILINE)

    groups = w2v("run", "--help", home=tmp_path).stdout
    assert re.search(r"^ingest: conll2003, conll_files", groups, re.MULTILINE)
    assert re.search(r"^experiment: .*quickstart", groups, re.MULTILINE)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "train.dim=0"]])
def test_help_and_a_config_error_import_nothing_heavy(arguments, tmp_path):
    heavy = {"mlflow", "umap", "numba", "datasets", "sklearn"}
    script = (
        "import sys\n"
        f"sys.argv = ['w2v', *{arguments}]\n"
        "from pipeline.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"assert not {heavy} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"W2V_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr


def test_tracking_off_imports_no_mlflow(tmp_path):
    script = (
        "import sys\n"
        "sys.argv = ['w2v', 'run', 'experiment=smoke', 'tracking=off',"
        " 'targets=[train]']\n"
        "from pipeline.cli import main\n"
        "main()\n"
        "assert 'mlflow' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"W2V_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
