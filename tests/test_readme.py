"""What the README says is so: its commands run, its diffs apply, its files exist."""

import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from hubs import serve_dataset

from pipeline.cli import cli
from pipeline.core.newswire.stream import generate
from pipeline.dag import STAGES

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")
DATASET = "lhoestq/conll2003"  # what `w2v run` reads

# What makes commands cheap. The README's own values stay where they do not cost much.
_TINY = (
    "train.dim=8 train.epochs=1 evaluate.builtin_analogies=false "
    "visualize.projections=[pca] visualize.words=50"
)
_FILES = f"ingest=conll_files ingest.path=DIR {_TINY}"
_NEWS = (
    "ingest.sentences=3000 ingest.valid_sentences=200 ingest.test_sentences=50 "
    "train.epochs=2 train.dim=16 visualize.projections=[pca] visualize.words=50"
)
_SWEEP = (
    "ingest=conll_files ingest.path=DIR targets=[train] tracking=off "
    "hydra/launcher=basic train.epochs=1"
)
# Of a space that the README names, one value a key: hydra takes the last one.
_ONE = "train.dim=8 train.window=2 train.negatives=5"


@dataclass(frozen=True)
class Run:
    """How a command is run.

    Attributes:
        extra: Arguments that make it cheap.
        code: Its exit code.
    """

    extra: str = ""
    code: int = 0


@dataclass(frozen=True)
class Make:
    """A target: what it would run is looked at, as running it is what CI does.

    Attributes:
        runs: Parts of the command lines that it ends with.
        instead: What is run for it here, if its output is shown.
    """

    runs: tuple[str, ...]
    instead: str | None = None


@dataclass(frozen=True)
class Serve:
    """A server: started, and left running until all is done.

    Attributes:
        url: What it answers.
        extra: More arguments.
    """

    url: str
    extra: str = ""


@dataclass(frozen=True)
class Shell:
    """A line that changes the shell: what it sets holds from then on."""


@dataclass(frozen=True)
class Named:
    """Named in the text, and run by what is named here.

    Attributes:
        by: A command of this table, or the test that runs it.
    """

    by: str


_QUICKSTART = f"w2v run experiment=quickstart {_NEWS}"
COMMANDS: Mapping[str, Run | Make | Serve | Shell | Named] = {
    "make run": Make((".venv/bin/w2v run experiment=quickstart",), _QUICKSTART),
    "source .venv/bin/activate": Shell(),
    "w2v similar germany --top-k 5": Run(),
    "w2v analogy France Paris Germany --top-k 3": Run(),
    "w2v run": Run(f"'ingest.sentences={{train: 300, valid: 40, test: 40}}' {_TINY}"),
    "w2v run ingest=conll_files ingest.path=DIR": Run(_TINY),
    "w2v run ingest=text_files 'ingest.path=DIR/*.txt'": Run(_TINY),
    "w2v run experiment=quickstart train.dim=100": Run(f"{_NEWS} train.dim=20"),
    "w2v run targets=[evaluate]": Run(_FILES),
    "w2v explain train.window=2": Run(_FILES),
    "w2v show last --json": Run(),
    "w2v inspect last": Run(),
    "w2v run --help": Run(),
    "w2v run experiment=hmm ingest=conll_files ingest.path=DIR": Run(),
    "w2v run experiment=hmm ingest=conll_files ingest.path=DIR tag.word_classes=RUN": (
        Run()
    ),
    "w2v run train.time_budget=3600": Run(_FILES),
    "w2v run -m train.dim=50,100,200 train.window=2,5,10 train.negatives=5,10,15": Run(
        f"{_SWEEP} {_ONE} sweep.name=first"
    ),
    "w2v run -m +sweep=grid sweep.seeds=3": Run(f"{_SWEEP} {_ONE} sweep.seeds=2"),
    "w2v run -m +sweep=tpe 'train.dim=range(50,301,50)' "
    "'train.lr=interval(0.005,0.1)' sweep.trials=40": Run(
        f"{_SWEEP} 'train.dim=range(4,9,4)' sweep.trials=2 sweep.batch=1"
    ),
    "w2v run -m +sweep=grid hydra/launcher=basic": Run(f"{_SWEEP} {_ONE}"),
    "w2v sweep ls": Run(),
    "w2v sweep show SWEEP": Run(),
    "w2v sweep best SWEEP": Run(),
    "w2v sweep report SWEEP": Run(),
    "w2v ui": Serve("http://127.0.0.1:UI/health", "--port UI"),
    "w2v compare RUN_A RUN_B": Run("--words 20"),
    "w2v diff RUN_A RUN_B": Run(code=1),  # they differ
    "w2v rerun RUN": Run(),
    "w2v rerun RUN --exact": Named("tests/test_exact.py"),
    "w2v rerun RUN --set ingest.path=DIR": Run(),
    "w2v run 'evaluate.similarity_files=[DIR/*.txt]' "
    "'evaluate.analogy_files=[questions-words.txt]' targets=[evaluate]": Run(
        f"{_FILES} 'evaluate.similarity_files=[pairs/*.txt]'"
    ),
    "w2v run evaluate.against=RUN": Run(_FILES),
    "w2v run evaluate.probe.final=true": Run(_FILES),
    "w2v evaluate FILE ingest=conll_files ingest.path=DIR": Run(
        "evaluate.builtin_analogies=false"
    ),
    "w2v export last --format word2vec": Run(),
    "w2v export last --format projector": Run(),
    "export MLFLOW_TRACKING_URI=sqlite:///$PWD/runs/mlflow.db": Shell(),
    "mlflow models serve -m runs:/RUN/model --env-manager local -p 5001": Serve(
        "http://127.0.0.1:MODEL/ping"
    ),
    "curl 127.0.0.1:5001/invocations -H 'Content-Type: application/json' -d "
    '\'{"dataframe_records": [{"word": "germany"}, {"a": "France", "b": "Paris", '
    '"c": "Germany"}], "params": {"top_k": 3}}\'': Run("--silent --show-error --fail"),
    "w2v doctor": Run(),
    "w2v doctor --fix": Run(),
    "w2v cache ls": Run(),
    "w2v cache prune --keep 5GB": Run(),
    "w2v run cache.mode=verify": Run(_FILES),
    "w2v run ingest=json_lines ingest.path=FILE train.heldout_split=null": Named(
        "test_the_corpus_that_a_diff_adds_is_read"
    ),
    "w2v sweep show": Named("w2v sweep show SWEEP"),
    "mlflow server --host 127.0.0.1 --port 5002 --backend-store-uri STORE": Serve(
        "http://127.0.0.1:SERVER/health", "--workers 1"
    ),
    "w2v run tracking=server tracking.uri=http://HOST:5002": Run(_FILES),
    "w2v run tracking=off": Run(_FILES),
    "w2v run ingest=text_files ingest.path=FILE targets=[vocab] tracking=off": Run(),
    "make check": Make(("ruff format --check .", "ruff check .", "bin/mypy")),
    "make test": Make(("-m pytest --numprocesses",)),
    "make test-slow": Make(("-m pytest --run-slow -m slow",)),
    "make bench": Make(("python experiments/benchmark/benchmark.py",)),
    "make bench-scores": Make(("python experiments/benchmark/scores.py",)),
}

PROGRAMS = ("w2v", "make", "mlflow", "curl", "python", "source", "export")
KINDS = {"bash", "text", "python", "diff"}


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        kind: The word behind its fence.
        text: What it holds.
        output_of: The command that the comment above it names, if any.
    """

    kind: str
    text: str
    output_of: str | None


def blocks() -> list[Block]:
    pattern = (
        r"(?:^<!-- output of: (?P<output_of>.+?) -->\n)?"
        r"^```(?P<kind>\S*)\n(?P<text>.*?)^```$"
    )
    return [
        Block(found["kind"], found["text"], found["output_of"])
        for found in re.finditer(pattern, TEXT, re.MULTILINE | re.DOTALL)
    ]


def fenced_commands() -> list[str]:
    """Return the command lines of the blocks, without comments, in order."""
    lines: list[str] = []
    for block in blocks():
        waiting = ""
        for line in block.text.splitlines() if block.kind == "bash" else ():
            waiting = f"{waiting} {line.strip()}".strip()
            try:
                parts = shlex.split(waiting, comments=True)
            except ValueError:  # a quotation goes on in the next line
                continue
            if parts:
                lines.append(re.sub(r"\s+#\s.*", "", waiting))
            waiting = ""
        assert not waiting, waiting
    return lines


def named_commands() -> list[str]:
    """Return the commands within the text, between single backticks."""
    prose = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose))
    return [span for span in spans if span.startswith(tuple(f"{p} " for p in PROGRAMS))]


def test_every_block_is_of_a_kind_that_is_checked():
    assert {block.kind for block in blocks()} <= KINDS
    assert TEXT.count("```") == 2 * len(blocks())
    assert TEXT.count("<!-- output of: ") == sum(bool(b.output_of) for b in blocks())


def test_every_command_is_run_and_none_that_is_run_is_gone():
    written = {*fenced_commands(), *named_commands()}

    assert written - set(COMMANDS) == set(), "in the README, but not in COMMANDS"
    assert set(COMMANDS) - written == set(), "in COMMANDS, but not in the README"
    assert {b.output_of for b in blocks() if b.output_of} <= set(fenced_commands())


def test_what_is_run_elsewhere_is_run_there():
    for how in COMMANDS.values():
        if isinstance(how, Named):
            found = (
                how.by in COMMANDS or how.by in globals() or (ROOT / how.by).is_file()
            )
            assert found, how.by


def test_links_files_and_headings_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if "://" not in target:
            assert (ROOT / target).exists(), target
    for name in re.findall(r"`((?:tests|experiments|conf|\.ci)/[^`* ]*)`", TEXT):
        added = f"+++ b/{name}" in TEXT or name == "conf/ingest/"
        assert added or (ROOT / name).exists(), name


def test_every_command_named_has_help():
    commands = [*fenced_commands(), *named_commands()]
    names = {c.split()[1] for c in commands if c.startswith("w2v ")}

    assert names <= set(cli.commands)
    for name in names - {"run"}:  # Hydra's, below
        done = CliRunner().invoke(cli, [name, "--help"])
        assert done.exit_code == 0, done.output
        assert re.match(f"usage: .*{name}", done.output, re.IGNORECASE), done.output


def test_the_dag_is_drawn_whole():
    (drawn,) = (b.text for b in blocks() if b.text.startswith("ingest -> "))

    assert set(re.findall("[a-z]+", drawn.split("on request")[0])) == {
        stage.name for stage in STAGES
    }
    for stage in STAGES:
        assert f"\n| {stage.name} |" in TEXT


def test_presets_named_exist():
    for name in re.findall(r"experiment=(\w+)", TEXT):
        assert (ROOT / "conf" / "experiment" / f"{name}.yaml").is_file(), name


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def write_corpus(folder: Path) -> None:
    """Write some of the built-in corpus as column files and other forms."""
    conll, pairs = folder / "conll", folder / "pairs"
    conll.mkdir()
    pairs.mkdir()
    for split, count in (("train", 300), ("valid", 40), ("test", 40)):
        lines = []
        for batch in generate(1, split, count):
            for sentence in batch.to_pylist():
                columns = (sentence[name] for name in ("tokens", "pos", "chunk", "ner"))
                lines += [" ".join(row) for row in zip(*columns, strict=True)] + [""]
        (conll / f"{split}.txt").write_text("\n".join(lines) + "\n")
    (pairs / "pairs.txt").write_text("germany france 9\nmonday tuesday 8\nof in 3\n")
    (folder / "questions-words.txt").write_text(
        ": capitals\nparis france berlin germany\nrome italy paris france\n"
    )


def hub_files() -> dict[str, bytes]:
    """Return the same corpus as the hub's conversion of CoNLL-2003 holds it."""
    from datasets import ClassLabel, Dataset, Features, Sequence, Value

    files = {}
    columns = {"pos": "pos_tags", "chunk": "chunk_tags", "ner": "ner_tags"}
    rows = {
        split: [r for b in generate(1, split, count) for r in b.to_pylist()]
        for split, count in (("train", 300), ("valid", 40), ("test", 40))
    }
    every = [row for split in rows.values() for row in split]
    names = {
        column: sorted({tag for row in every for tag in row[column]})
        for column in columns
    }
    features = Features(
        {"tokens": Sequence(Value("string"))}
        | {
            theirs: Sequence(ClassLabel(names=names[ours]))
            for ours, theirs in columns.items()
        }
    )
    for split, name in (("train", "train"), ("valid", "validation"), ("test", "test")):
        table = {"tokens": [row["tokens"] for row in rows[split]]} | {
            theirs: [
                [names[ours].index(tag) for tag in row[ours]] for row in rows[split]
            ]
            for ours, theirs in columns.items()
        }
        file = io.BytesIO()
        Dataset.from_dict(table, features=features).to_parquet(file)
        files[f"default/{name}/0000.parquet"] = file.getvalue()
    return files


class Session:
    """A shell in a scratch checkout: its variables, servers and what was printed."""

    def __init__(self, folder: Path, hub: str) -> None:
        self.folder = folder
        self.printed: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.ids: list[str] = []  # of the runs that read column files
        self.servers: list[subprocess.Popen] = []
        self.ports = {name: free_port() for name in ("UI", "MODEL", "SERVER")}
        programs = folder / "bin"
        programs.mkdir()
        script = programs / "w2v"
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m pipeline "$@"\n')
        script.chmod(0o755)
        (folder / "experiments").symlink_to(ROOT / "experiments")
        clean = {
            name: value
            for name, value in os.environ.items()
            if "proxy" not in name.lower()
            and not name.startswith(("W2V_HOME", "MLFLOW"))
        }
        path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        python = os.pathsep.join(filter(None, (str(ROOT), clean.get("PYTHONPATH"))))
        self.variables = clean | {
            "PATH": path,
            "PYTHONPATH": python,
            "HF_HOME": str(folder / "hf"),
            "HF_ENDPOINT": hub,
        }

    def filled(self, text: str) -> str:
        """Return a command with something in each of its placeholders' places."""
        values = {
            "DIR": "conll",
            "FILE": "vectors.txt" if "evaluate FILE" in text else "conll/train.txt",
            "RUN": self.run_id(0),
            "RUN_A": self.run_id(0),
            "RUN_B": self.run_id(1),
            "SWEEP": "first",
            "HOST": "127.0.0.1",
            "STORE": "sqlite:///tracking.db",
            **{name: str(port) for name, port in self.ports.items()},
            "5001": str(self.ports["MODEL"]),
            "5002": str(self.ports["SERVER"]),
        }
        names = "|".join(sorted(values, key=len, reverse=True))
        return re.sub(rf"(?<!\w)(?:{names})(?!\w)", lambda m: values[m[0]], text)

    def run_id(self, number: int) -> str:
        """Return the n-th run's that read column files; the last one's before."""
        ids = self.ids
        return ids[min(number, len(ids) - 1)] if ids else "last"

    def run(self, command: str, code: int = 0) -> str:
        """Run a command and return what it printed."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, f"{command}\n{done.stderr}"
        return done.stdout

    def start(self, command: str, url: str) -> None:
        """Start a server, and wait until it answers."""
        log = self.folder / f"server-{len(self.servers)}.log"
        with log.open("w") as file:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.variables,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.servers.append(server)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + 120
        while True:
            try:
                with opener.open(url, timeout=5):
                    return
            except OSError:
                said = f"{command}\n{log.read_text()}"
                assert server.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(0.2)

    def stop(self) -> None:
        for server in self.servers:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
        for server in self.servers:
            with suppress(subprocess.TimeoutExpired):
                server.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait(20)


def make_target(session: Session, command: str, how: Make) -> str:
    """Look at what a target would run; return what stands for its output."""
    told = session.run(f"make -C {ROOT} --always-make --dry-run {command.split()[1]}")
    for part in how.runs:
        assert part in told, told
    for name in re.findall(r"python (\S+\.py)", told):
        assert (ROOT / name).is_file(), name
    return session.run(session.filled(how.instead)) if how.instead else told


def carry_out(session: Session, command: str) -> None:
    how = COMMANDS[command]
    if isinstance(how, Named):
        return
    if isinstance(how, Make):
        session.printed[command] = make_target(session, command, how)
        return
    if isinstance(how, Shell):
        name, _, value = command.removeprefix("export ").partition("=")
        if value:
            session.variables[name] = value.replace("$PWD", str(session.folder))
        else:
            assert ".venv" in (ROOT / "Makefile").read_text(), command
        return
    filled = session.filled(f"{command} {how.extra}".strip())
    if isinstance(how, Serve):
        session.start(filled, session.filled(how.url))
        return
    printed = session.run(filled, how.code)
    session.printed[command] = printed
    if "ingest=conll_files" in filled and "experiment=hmm" not in filled:
        session.ids += re.findall(r"^run_id: (\w+)$", printed, re.MULTILINE)


@pytest.fixture(scope="module")
def session(tmp_path_factory, kernel_cache) -> Iterator[Session]:
    """All commands, run in the README's order, then the rest."""
    folder = tmp_path_factory.mktemp("readme")
    write_corpus(folder)
    with serve_dataset(DATASET, hub_files()) as (endpoint, _):
        session = Session(folder, endpoint)
        try:
            fenced = fenced_commands()
            for command in [*fenced, *(c for c in COMMANDS if c not in fenced)]:
                if "evaluate FILE" in command:
                    session.run("w2v export last --format word2vec --to vectors.txt")
                try:
                    carry_out(session, command)
                except AssertionError as error:  # the others are tried all the same
                    session.failed[command] = str(error)
            yield session
        finally:
            session.stop()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_command_runs_in_the_order_of_the_page(session):
    run = {c for c, how in COMMANDS.items() if isinstance(how, Run | Make)}

    assert not session.failed, "\n\n".join(session.failed.values())
    assert set(session.printed) == run
    answers = session.printed[next(c for c in COMMANDS if c.startswith("curl"))]
    assert answers.count('"word"') >= 2, answers


def shape(line: str) -> str:
    """Return a line without what differs from run to run: numbers, digests, paths."""
    words = line.split()
    if len(words) > 1 and re.fullmatch(r"[a-z]+/[\w/]+", words[0]):
        return words[0]  # a metric: what stands beside it depends on the corpus
    return re.sub(r"\S*\d\S*", "#", " ".join(words))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "block", [b for b in blocks() if b.output_of], ids=lambda b: b.output_of
)
def test_outputs_shown_have_the_rows_of_the_real_ones(session, block):
    real = session.printed[block.output_of]
    shown, found = ([*map(shape, t.splitlines())] for t in (block.text, real))
    if " similar " in block.output_of:  # other vectors have other neighbors
        shown, found = (
            [" ".join(line.split()[1:]) for line in x] for x in (shown, found)
        )
    assert shown == found


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("block", [b for b in blocks() if b.kind == "python"])
def test_snippets_run(session, block):
    # The page's last run has no vectors.
    text = block.text.replace('"last"', f'"{session.run_id(0)}"')
    printed = session.run(f"python -c {shlex.quote(text)}")

    assert printed.count("('") >= 10


# How to add things: each diff in a copy of the tree, and what it adds at work.


@pytest.fixture
def changed(tmp_path, request) -> Path:
    """A copy of the tree with the diff that mentions something."""
    tree = tmp_path / "tree"
    for name in ("pipeline", "conf", "hydra_plugins"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tree / name, ignore=skipped)
    (diff,) = (b.text for b in blocks() if b.kind == "diff" and request.param in b.text)
    # Line numbers move; what is there does not.
    subprocess.run(
        ["git", "apply", "--unidiff-zero", "-"],
        cwd=tree,
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path)},
        input=diff,
        text=True,
        check=True,
    )
    return tree


def run_tree(tree: Path, *arguments: str) -> str:
    home = {"W2V_HOME": str(tree / "runs"), "PYTHONPATH": str(tree)}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=tree,
        env=os.environ | home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["JsonLinesConfig"], indirect=True)
def test_the_corpus_that_a_diff_adds_is_read(changed):
    (changed / "text.jsonl").write_text(
        '{"tokens": ["Rome", "wins", "."]}\n{"tokens": ["Paris", "wins"]}\n'
    )
    printed = run_tree(
        changed,
        *("run", "ingest=json_lines", "ingest.path=text.jsonl", "tracking=off"),
        *("train.heldout_split=null", "targets=[train]", "train.dim=4"),
    )

    assert re.search(r"^corpus/tokens +5$", printed, re.MULTILINE)
    assert re.search(r"^vocab/words +4$", printed, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["HeapsConfig"], indirect=True)
def test_the_stage_that_a_diff_adds_runs(changed):
    small = ("experiment=smoke", "targets=[heaps]", "tracking=off")

    assert re.search("^heaps +computed", run_tree(changed, "run", *small), re.MULTILINE)
    shown = json.loads(run_tree(changed, "show", "last", "--json"))
    assert 0 < shown["metrics"]["heaps/exponent"] < 1  # it grows ever more slowly
    assert "heaps: hit" in run_tree(changed, "explain", *small)


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["spectrum_png"], indirect=True)
def test_the_plot_that_a_diff_adds_is_drawn(changed):
    run_tree(
        changed,
        *("run", "experiment=smoke", "targets=[visualize]", "visualize.words=50"),
        "visualize.projections=[pca]",
    )

    (picture,) = (changed / "runs").glob("artifacts/**/figures/spectrum.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
