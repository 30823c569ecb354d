"""Whatever is edited, the cache gives what a run without it would give.

Random small edits are made to a copy of the whole source, its config, its input
files and the versions of its libraries. What depends on what is found out without
the cache: by running each stage alone and looking at which files and libraries
the interpreter has loaded, and by what a run with an empty cache gives.
"""

import ast
import importlib.metadata
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from edits import SILENT, TELLING, Edit, harmless_statement

ROOT = Path(__file__).resolve().parent.parent

# Stage -> what it takes, as the README draws it.
TAKES = {
    "ingest": (),
    "vocab": ("corpus",),
    "train": ("encoded", "vocab"),
    "controls": ("corpus", "encoded", "vocab"),
    "evaluate": ("corpus", "encoded", "vocab", "embeddings", "controls"),
    "visualize": (
        *("corpus", "encoded", "vocab", "embeddings", "history", "snapshots"),
    ),
}
SMALL = (
    "train.dim=4",
    "train.epochs=2",
    "train.kernel=numpy",
    "visualize.projections=[]",
    "visualize.heatmap_per_category=1",
    "evaluate.builtin_analogies=false",
    "tracking=off",
)
NEWSWIRE = (
    "ingest=newswire",
    "ingest.sentences=60",
    "ingest.valid_sentences=10",
    "ingest.test_sentences=10",
)

# Override -> the stages whose own it is. By hand: the test's own word.
CONFIG_EDITS = {
    "seed=7": ("ingest", "train", "evaluate", "visualize"),
    "ingest.sentences=61": ("ingest",),
    "ingest.valid_sentences=0": ("ingest",),
    "ingest.seed=9": ("ingest",),
    "vocab.lowercase=false": ("vocab",),
    "vocab.digits=zero": ("vocab",),
    "vocab.min_count=2": ("vocab",),
    "vocab.max_size=50": ("vocab",),
    "vocab.splits=[train,test]": ("vocab",),
    "train.dim=5": ("train", "controls"),
    "train.epochs=1": ("train",),
    "train.window=2": ("train",),
    "train.lr=0.05": ("train",),
    "train.subsample=0.01": ("train",),
    "train.init=xavier": ("train",),
    "train.noise_power=0": ("train",),
    "train.batch_size=64": ("train",),
    "train.heldout_split=null": ("train",),
    "train.threads=1": (),
    "train.kernel_cache=null": (),
    "evaluate.kernel_cache=null": (),
    "train.keep_checkpoints=1": (),
    "train.checkpoint_share=1": (),
    "controls.seed=2": ("controls",),
    "evaluate.top_k=3": ("evaluate",),
    "evaluate.neighbors_of=[France]": ("evaluate",),
    "evaluate.analogies=[]": ("evaluate",),
    "evaluate.restrict_vocab=100": ("controls", "evaluate"),
    "evaluate.builtin_categories=false": ("controls", "evaluate"),
    "visualize.heatmap_words=[the]": ("visualize",),
    "visualize.category_min_count=1": ("visualize",),
    "visualize.umap_epochs=10": ("visualize",),
    "home=elsewhere": (),
    "tracking.backend=off": (),
}


class Bench:
    """A copy of the source with a warm cache, and a process to run it in."""

    def __init__(self, folder: Path, kernels: Path) -> None:
        self.folder, self.tree = folder, folder / "tree"
        self.common = {
            "tree": str(self.tree),
            "fonts": str(folder / "fonts"),
            "kernels": str(kernels),
        }
        for name in ("pipeline", "conf"):
            shutil.copytree(
                ROOT / name,
                self.tree / name,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        self.sources = {
            path: path.read_text(encoding="utf-8")
            for path in sorted((self.tree / "pipeline").rglob("*.py"))
        }
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self.worker = subprocess.Popen(
            [sys.executable, "-P", str(ROOT / "tests" / "run_trees.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=folder,
        )
        self.pairs = folder / "pairs.txt"
        self.pairs.write_text("france germany 3.5\nmonday friday 8\nsoccer tennis 7\n")
        self.overrides = [
            *NEWSWIRE,
            *SMALL,
            f"evaluate.similarity_files=[{self.pairs}]",
        ]
        first = self.run(folder / "warm")
        assert not first["error"], first
        self.values, self.before = first["values"], first["stages"]
        mine = [name for name in first["libraries"] if name != "pipeline"]
        deeper = ["plotly.graph_objects", "matplotlib.backends.backend_agg"]
        self.ask({"preload": [*mine, *deeper, "sklearn.cluster", "scipy.stats"]})

    def close(self) -> None:
        with self.worker:
            self.worker.stdin.close()

    def ask(self, job: dict) -> dict:
        self.worker.stdin.write(json.dumps(job) + "\n")
        self.worker.stdin.flush()
        return json.loads(self.worker.stdout.readline())

    def run(self, home: Path, *overrides: str, paths: tuple[str, ...] = ()) -> dict:
        job = {"home": str(home), "overrides": [*self.overrides, *overrides]}
        return self.ask({**self.common, **job, "paths": paths})

    def config(self, stage: str) -> dict:
        """Return a stage's config; that of the controls has keys of other groups."""
        values = self.values[stage]
        if stage != "controls":
            return values
        evaluate = self.values["evaluate"]
        own = ("seed", "top_k", "neighbors_of", "analogies", "against")
        scored = {key: evaluate[key] for key in evaluate if key not in own}
        return {
            **values,
            "train": {"dim": self.values["train"]["dim"]},
            "evaluate": scored,
        }

    def loaded(self, stage: str, **changed: object) -> set[str]:
        """Return the files that running one stage alone loads."""
        outputs = {k: v for s in self.before.values() for k, v in s["outputs"].items()}
        job = {
            "stage": stage,
            "home": str(self.folder / "warm"),
            "config": self.config(stage) | changed,
            "inputs": [outputs[name] for name in TAKES[stage]],
        }
        return set(self.ask({**self.common, **job})["files"])

    def compare(self, *overrides: str, paths: tuple[str, ...] = ()) -> "Outcome | None":
        """Run with a copy of the warm cache, and with an empty one.

        None where the edit made a loop endless, or memory run out.
        """
        warm, empty = self.folder / "copy", self.folder / "empty"
        for home in (warm, empty):
            shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.folder / "warm", warm, copy_function=os.link)
        fresh = self.run(empty, *overrides, paths=paths)
        if "stages" not in fresh:
            return None
        cached = self.run(warm, *overrides, paths=paths)
        return Outcome(fresh, cached, self.before) if "stages" in cached else None

    def edit(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")

    def restore(self, path: Path) -> None:
        path.write_text(self.sources[path], encoding="utf-8")


class Outcome:
    """What an edited pipeline gave with a warm cache and with an empty one."""

    def __init__(self, fresh: dict, cached: dict, before: dict) -> None:
        self.fresh, self.cached, self.before = fresh, cached, before

    def check(self, own: set[str], what: object) -> None:
        """Check that results are the same, and that just what depends ran again.

        Args:
            own: The stages that the edit itself touches.
            what: The edit, for the message.
        """
        assert self.cached["error"] == self.fresh["error"], what
        outputs = [
            {name: stage["outputs"] for name, stage in run["stages"].items()}
            for run in (self.cached, self.fresh)
        ]
        assert outputs[0] == outputs[1], what
        ran = {n for n, stage in self.cached["stages"].items() if not stage["cached"]}
        assert ran == self.expected(own), what

    def expected(self, own: set[str]) -> set[str]:
        """Return the stages that depend, of those that were reached.

        An edited stage, and one that an input of changed: by its bytes, of which
        a run without a cache tells.
        """
        old, new = (
            {name: d for stage in run.values() for name, d in stage["outputs"].items()}
            for run in (self.before, self.fresh["stages"])
        )
        return {
            stage
            for stage in self.fresh["stages"]
            if stage in own or any(old[n] != new[n] for n in TAKES[stage])
        }

    def explained(self) -> tuple[str, list[str]]:
        """Return the first stage that was explained as a miss, and the reasons."""
        for stage, (state, *reasons) in self.cached["explained"].items():
            if state == "miss":
                return stage, reasons
        return "", []


@pytest.fixture(scope="module")
def bench(tmp_path_factory, kernel_cache):
    bench = Bench(tmp_path_factory.mktemp("trust"), kernel_cache)
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def loaded(bench) -> dict[str, set[str]]:
    """Stage -> the files of the package that running it loads."""
    found = {stage: bench.loaded(stage) for stage in TAKES}
    # The other kernel is of other files.
    found["train"] |= bench.loaded("train", kernel="numba")
    # And what analogies are searched by, of which so small a corpus has none.
    core = bench.tree / "pipeline/core"
    search = {str(core / f"{name}.py") for name in ("analogy_kernel", "jit", "simd")}
    for stage in ("controls", "evaluate"):
        found[stage] |= search
    return found


def edited(bench: Bench, rng: random.Random, kinds) -> tuple[Path, Edit]:
    """Return a random edit of a random file of the package."""
    while True:
        path = rng.choice(list(bench.sources))
        edit = rng.choice(kinds)(bench.sources[path], rng)
        if edit is not None and edit.text != bench.sources[path]:
            return path, edit


def quick_and_slow(quick: int, slow: int):
    """Take a few seeds, and many where slow tests run too."""
    seeds = [
        *range(quick),
        *(pytest.param(s, marks=pytest.mark.slow) for s in range(quick, slow)),
    ]
    return pytest.mark.parametrize("seed", seeds)


@quick_and_slow(1, 8)
def test_an_edited_helper_reruns_what_loads_it(bench, loaded, seed, record_property):
    rng, tried = random.Random(seed), 0
    while tried < (3 if seed else 1):
        path, edit = edited(bench, rng, TELLING)
        own = {s for s, found in loaded.items() if str(path) in found}
        if not own:  # of the engine, say, where another number breaks anything
            edit = harmless_statement(bench.sources[path], rng)
            if edit is None:
                continue
        label = f"{path.relative_to(bench.tree).as_posix()}: {edit.definition}"
        bench.edit(path, edit.text)
        try:
            outcome = bench.compare()
        finally:
            bench.restore(path)
        if outcome is None:
            continue
        tried += 1
        outcome.check(own, f"{label}: {edit.what}")
        if own and outcome.cached["explained"]:
            first = min(own, key=list(TAKES).index)
            assert outcome.explained() == (first, [f"{label} changed"])
    record_property("edits tried", tried)


@quick_and_slow(1, 6)
def test_comments_docstrings_and_layout_rerun_nothing(bench, seed, record_property):
    rng, count = random.Random(seed), 40
    try:
        for _ in range(count):  # all at once, as none of them may count
            path, edit = edited(bench, rng, SILENT)
            bench.edit(path, edit.text)
        outcome = bench.run(bench.folder / "warm")
    finally:
        for path in bench.sources:
            bench.restore(path)

    assert not outcome["error"]
    assert all(stage["cached"] for stage in outcome["stages"].values())
    record_property("edits tried", count)


@quick_and_slow(1, 8)
def test_a_config_key_reruns_its_own_stage(bench, seed, record_property):
    chosen = list(CONFIG_EDITS)[seed::8] if seed else ["train.window=2"]
    for override in chosen:
        outcome = bench.compare(override)
        outcome.check(set(CONFIG_EDITS[override]), override)
    record_property("edits tried", len(chosen))


@quick_and_slow(0, 6)
def test_a_byte_of_an_input_file_reruns_its_reader(
    bench, seed, tmp_path, record_property
):
    rng = random.Random(seed)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the quick fox saw a dog\nthe dog saw the fox in france\n" * 20)
    overrides = (
        "~ingest",
        f"+ingest={{reader: text_files, path: {corpus}, heldout_every: 3}}",
    )
    warm = Bench.__new__(Bench)
    warm.__dict__ |= {**bench.__dict__, "folder": tmp_path}
    warm.overrides = [*overrides, *SMALL, bench.overrides[-1]]
    warm.before = warm.run(tmp_path / "warm")["stages"]
    for path, own in ((corpus, {"ingest"}), (bench.pairs, {"controls", "evaluate"})):
        content = path.read_bytes()
        flipped = bytearray(content)
        place = rng.choice([i for i, byte in enumerate(content) if chr(byte).isalnum()])
        flipped[place] = ord("7") if chr(content[place]).isdigit() else ord("q")
        path.write_bytes(flipped)
        try:
            outcome = warm.compare()
        finally:
            path.write_bytes(content)
        outcome.check(own if bytes(flipped) != content else set(), (path.name, place))
    record_property("edits tried", 2)


# Distribution -> the stages that need it, for themselves or for what they import.
USERS = {
    "Pillow": {"visualize"},  # matplotlib's images
    "mlflow": set(),
    "numpy": set(TAKES),
    "pyarrow": set(TAKES),
    "scipy": {"train", "controls", "evaluate", "visualize"},
    "scikit-learn": {"controls", "evaluate", "visualize"},
    "numba": {"train", "controls", "evaluate", "visualize"},
    "llvmlite": {"train", "controls", "evaluate", "visualize"},
    "matplotlib": {"visualize"},
    "plotly": {"visualize"},
    "umap-learn": {"visualize"},
    "pynndescent": {"visualize"},
    "datasets": {"ingest"},
    "pandas": {"ingest"},
    "hydra-core": set(),
    "omegaconf": set(),
    "pytest": set(),
}


@quick_and_slow(0, len(USERS))
def test_a_librarys_version_reruns_what_uses_it(bench, seed, tmp_path, record_property):
    name = list(USERS)[seed]
    # Found before the real one, as it is further up on the path.
    stub = tmp_path / name / f"{name.replace('-', '_')}-77.0.dist-info"
    stub.mkdir(parents=True)
    real = importlib.metadata.distribution(name).read_text("METADATA")
    changed = re.sub("^Version: .*", "Version: 77.0", real, count=1, flags=re.M)
    (stub / "METADATA").write_text(changed, encoding="utf-8")

    outcome = bench.compare(paths=(str(stub.parent),))

    outcome.check(USERS[name], name)
    if USERS[name]:
        _, (reason,) = outcome.explained()
        version = importlib.metadata.version(name)
        assert reason == f"{name.lower()} {version} -> 77.0"
    record_property("edits tried", 1)


@pytest.mark.slow
def test_what_was_edited_back_is_found_again(bench):
    path = bench.tree / "pipeline/core/sampling.py"
    home = bench.folder / "back"
    shutil.copytree(bench.folder / "warm", home, copy_function=os.link)
    bench.edit(path, f"{bench.sources[path]}\n\nADDED = 1\n")
    try:
        bench.run(home)
    finally:
        bench.restore(path)

    assert all(stage["cached"] for stage in bench.run(home)["stages"].values())


@pytest.mark.slow
def test_no_stage_reads_what_nothing_describes(bench, loaded):
    """All that running a stage loads is in its description; else edits go unseen."""
    job = "import sys; sys.path.insert(0, sys.argv[1]); from pipeline import sources; "
    job += "import json; print(json.dumps({s: [*sources.describe('pipeline.stages.' "
    job += "+ s).definitions] for s in sys.argv[2:]}))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", job, str(bench.tree), *TAKES],
        capture_output=True,
        text=True,
        check=True,
    )
    for stage, definitions in json.loads(done.stdout).items():
        described = {str(bench.tree / name.partition(": ")[0]) for name in definitions}
        modules = {path for path in described if path.endswith(".py")}
        assert modules == loaded[stage], stage
        # What lies beside modules is read by those that lie there.
        folders = {str(Path(path).parent) for path in modules}
        assert {str(Path(path).parent) for path in described - modules} <= folders


def w2v(bench: Bench, home: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command from the copy of the source."""
    environment = os.environ | {"W2V_HOME": str(home), "PYTHONPATH": str(bench.tree)}
    return subprocess.run(
        [sys.executable, "-B", "-m", "pipeline", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=bench.folder,
        timeout=200,
    )


def warm_copy(bench: Bench, name: str) -> Path:
    home = bench.folder / name
    shutil.copytree(bench.folder / "warm", home)
    return home


def test_explain_names_the_function_that_changed(bench):
    path = bench.tree / "pipeline/core/sampling.py"
    name = re.findall(r"^def (\w+)\(", bench.sources[path], re.MULTILINE)[0]
    tree = ast.parse(bench.sources[path])
    (function,) = [node for node in tree.body if getattr(node, "name", "") == name]
    function.body.insert(1, ast.parse("_edited = 1").body[0])
    bench.edit(path, ast.unparse(tree))
    try:
        done = w2v(bench, bench.folder / "warm", "explain", *bench.overrides)
    finally:
        bench.restore(path)

    assert done.stdout.splitlines() == [
        "ingest: hit",
        "vocab: hit",
        f"train: miss - pipeline/core/sampling.py: {name} changed",
        "controls: hit",
        "evaluate: waits - waits for embeddings",
        "visualize: waits - waits for embeddings, history, snapshots",
    ], done.stderr


@pytest.mark.slow
def test_verify_finds_a_record_that_was_tampered_with(bench):
    """Another sound object stands in for the vectors: only computing anew tells."""
    home = warm_copy(bench, "tampered")
    other = bench.run(home, "train.seed=99")["stages"]["train"]["outputs"]
    right = bench.before["train"]["outputs"]
    (path,) = [
        path
        for path in (home / "cache" / "records" / "train").iterdir()
        if right["embeddings"] in path.read_text()
    ]
    path.write_text(path.read_text().replace(right["embeddings"], other["embeddings"]))

    believed = w2v(bench, home, "run", *bench.overrides, "targets=[train]")
    checked = w2v(
        bench, home, "run", *bench.overrides, "targets=[train]", "cache.mode=verify"
    )

    assert re.search(r"^train +cached", believed.stdout, re.MULTILINE)
    assert checked.returncode == 1
    assert "error: train: computed again, embeddings differ" in checked.stderr


@pytest.mark.slow
def test_verify_finds_a_stage_that_is_not_deterministic(bench):
    path = bench.tree / "pipeline/stages/vocab.py"
    unsteady = "    import os\n\n    words.counts[:1] += os.urandom(1)[0] + 1\n"
    text = bench.sources[path].replace(
        "    encoded, metrics = {}", f"{unsteady}    encoded, metrics = {{}}"
    )
    assert text != bench.sources[path]
    home = warm_copy(bench, "unsteady")
    arguments = ("run", *bench.overrides, "targets=[vocab]")
    bench.edit(path, text)
    try:
        assert w2v(bench, home, *arguments).returncode == 0
        runs = [w2v(bench, home, *arguments, "cache.mode=verify") for _ in range(2)]
    finally:
        bench.restore(path)

    # A byte is the same twice in 256 cases; twice in a row hardly ever.
    failed = [done for done in runs if done.returncode]
    assert failed
    assert "the stage does not always give the same result" in failed[0].stderr


@pytest.mark.slow
def test_verify_accepts_what_is_deterministic(bench):
    home = warm_copy(bench, "steady")
    done = w2v(bench, home, "run", *bench.overrides, "cache.mode=verify")

    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" computed ") == len(TAKES)
