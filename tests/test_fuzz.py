"""All that is read from outside gives a value, or an error of this project's own.

Files are damaged at random (see `mutations`), made of random bytes, and built by
hand where only a sealed file reaches what lies deeper. No reader may raise another
error, give a number that the file does not hold, or take memory out of proportion.
"""

import contextlib
import gzip
import hashlib
import importlib.util
import io
import json
import logging
import math
import os
import re
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import PIECES, damaged

from pipeline import cli, composition
from pipeline.artifacts import load_artifact, save_artifact
from pipeline.cache import Cache, Ingredients
from pipeline.commands import inspect
from pipeline.composition import compose_config
from pipeline.config import check_config, read_config
from pipeline.core import npz
from pipeline.core.analogy import read_questions
from pipeline.core.checkpoint import Begun, Checkpoint, load_checkpoint, save_checkpoint
from pipeline.core.conll import read_conll
from pipeline.core.formats.reading import read_vectors
from pipeline.core.formats.writing import write_word2vec_binary
from pipeline.core.inspection import inspect_file
from pipeline.core.text import read_text
from pipeline.core.types import (
    Embeddings,
    Normalization,
    Snapshots,
    TrainingHistory,
    Vocab,
)
from pipeline.core.vectors import load_vectors, save_vectors
from pipeline.core.word_pairs import read_pairs
from pipeline.errors import ConfigError, DataError, W2VError
from pipeline.provenance import Environment
from pipeline.records import (
    GitRecord,
    RunRecord,
    StageRecord,
    TrackingRecord,
    load_record,
    load_records,
    save_record,
)
from pipeline.records import ProcessRecord as Process
from pipeline.reported import read_series
from pipeline.tracking.outbox import End, File, Outbox, Params, Points, Tags

NORMAL = Normalization(lowercase=True, digits="keep")
WORDS = Embeddings(
    ("a", "b", "c"), np.ones((3, 2), np.float32), np.zeros((3, 2), np.float32), NORMAL
)
HISTORY = TrainingHistory(np.array([2.5]), np.array([2.75]), np.array([0.025]))
CHECKPOINT = Checkpoint(
    epoch=1,
    words_done=6,
    center=WORDS.center,
    context=WORDS.context,
    vocab=Vocab(WORDS.words, np.array([3, 2, 1]), NORMAL),
    history=HISTORY,
    snapshots=Snapshots(np.arange(2, dtype=np.int32), np.ones((2, 3, 2), np.float16)),
    hyperparameters={"dim": 2},
    corpus="ab" * 32,
    begun=Begun(blocks=2, loss=1.5, pairs=4, rate=0.02),
)
INGREDIENTS = Ingredients(
    "train", {"pipeline/a.py: f": "1f"}, {"dim": 2}, {"vocab": "2e"}, {}, {"numpy": "2"}
)
RUN_ID = "0123456789abcdef" * 2
RECORD = RunRecord(
    run_id=RUN_ID,
    name="small",
    status="FINISHED",
    message="",
    started="2026-01-02T03:04:05.000006+00:00",
    ended="2026-01-02T03:04:06.000006+00:00",
    overrides=("train.dim=2",),
    config={"train": {"dim": 2}},
    params={"train.dim": "2"},
    metrics={"train/loss": 2.5},
    stages={"train": StageRecord("3d", "4c", cached=False, seconds=1.0)},
    artifact_uri="s3://bucket/x",
    artifacts=("vectors/vectors.npz",),
    tracking=TrackingRecord("off", ""),
    git=GitRecord("5b", dirty=True),
    environment=Environment("CPython 3.11.7", "Linux", "x86", ("SSE",), 2, {}, {}),
    process=Process("here", 1, 2.0),
)


@dataclass(frozen=True)
class Reader:
    """Something that reads files.

    Attributes:
        files: What it takes.
        read: Reads a path; checks what can be checked of what it gives.
    """

    files: tuple[bytes, ...]
    read: Callable[[Path], object]


def conll(path: Path) -> None:
    batches = list(read_conll(path, ("token", "pos", "chunk", "ner")))
    tokens = [t for b in batches for s in b["tokens"].to_pylist() for t in s]
    # The plain way, in bytes.
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    rows = [re.split(rb"[ \t\r]+", r.strip(b" \t\r")) for r in content.split(b"\n")]
    rows = [r for r in rows if r != [b""] and b"-DOCSTART-" not in r]
    if all(b"\r" not in t.encode() for t in tokens):
        assert [t.encode() for t in tokens] == [row[0] for row in rows]


def text(path: Path) -> None:
    batches = list(read_text(path))
    tokens = [t for b in batches for s in b["tokens"].to_pylist() for t in s]
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    assert [t.encode() for t in tokens] == content.split()


def pairs(path: Path) -> None:
    found = read_pairs(path)
    lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode().split("\n")
    for pair in found:
        assert math.isfinite(pair.score)
        numbers = re.findall(r"[-+.\deE]+", lines[pair.line - 1])
        assert pair.score in [float(n) for n in numbers if _is_number(n)]


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def questions(path: Path) -> None:
    found = read_questions(path)
    content = path.read_bytes().decode("utf-8-sig")
    for question in found:
        assert " ".join(question.words) in " ".join(content.split())


def vectors(path: Path) -> None:
    found = load_vectors(path)
    assert found.words == WORDS.words  # whatever was damaged, not what is sealed
    assert found.center.tobytes() == WORDS.center.tobytes()


def foreign_vectors(path: Path) -> None:
    found = read_vectors(path)
    assert len(set(found.words)) == len(found.words) == len(found.center) > 0
    assert np.isfinite(found.center).all()
    content = path.read_bytes()
    for word in found.words:
        assert word.encode() in content


def inspected(path: Path) -> None:
    found = inspect_file(path)
    told = json.dumps(inspect._plain(found), allow_nan=False)
    assert len(told) < 100_000
    assert all(line.isprintable() for line in inspect._lines(found))


def checkpoint(path: Path) -> None:
    found = load_checkpoint(path)
    assert (found.epoch, found.begun) == (CHECKPOINT.epoch, CHECKPOINT.begun)
    assert found.history.loss.tobytes() == HISTORY.loss.tobytes()


def cache_record(path: Path) -> None:
    cache = Cache(path.parent)
    target = cache._record_path("train", INGREDIENTS.key)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    found = cache.find("train", INGREDIENTS.key)
    for record in [*cache.records("train"), *([found] if found else [])]:
        assert record.ingredients.key == INGREDIENTS.key
        json.dumps(asdict(record), allow_nan=False)


def run_record(path: Path) -> None:
    folder = path.parent / "runs" / RUN_ID
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_bytes(path.read_bytes())
    for record in load_records(path.parent):
        assert record.run_id == RUN_ID
        assert all(map(math.isfinite, record.metrics.values()))
    load_record(path.parent, RUN_ID[:8])


def unsent(path: Path) -> None:
    (path.parent / "unsent.jsonl").write_bytes(path.read_bytes())
    outbox = Outbox(path.parent)
    for entry in outbox.entries():
        if isinstance(entry, File):
            kept = (path.parent / "unsent").resolve()
            assert entry.local.resolve().is_relative_to(kept)


def reported(path: Path) -> None:
    for (name, step), value in read_series(path):
        assert isinstance(name, str)
        assert step is None or isinstance(step, int)
        assert math.isfinite(value)


def artifact(path: Path) -> None:
    folder = path.parent / "artifact"
    save_artifact(HISTORY, folder)
    (folder / "loss.npy").write_bytes(path.read_bytes())
    try:
        assert load_artifact(TrainingHistory, folder).loss.dtype == np.float64
    finally:
        _remove(folder)


def fields(path: Path) -> None:
    folder = path.parent / "fields"
    save_artifact(Normalization(lowercase=True, digits="keep"), folder)
    (folder / "fields.json").write_bytes(path.read_bytes())
    try:
        load_artifact(Normalization, folder)
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def written(write: Callable[[Path], object], folder: Path, name: str) -> bytes:
    """Return what a function writes at a path."""
    write(folder / name)
    (content,) = [p.read_bytes() for p in folder.rglob("*") if p.name == name]
    return content


@pytest.fixture(scope="session")
def readers(tmp_path_factory) -> dict[str, Reader]:
    folder = tmp_path_factory.mktemp("valid")
    save_vectors(folder / "vectors.npz", WORDS)
    saved = save_checkpoint(folder, CHECKPOINT)
    cache = Cache(folder / "cache")
    cache.store(INGREDIENTS, {"history": HISTORY}, [("train/loss", 2.5, 1)], 1.0)
    (record,) = (folder / "cache" / "records" / "train").iterdir()
    save_record(folder, RECORD)
    outbox = Outbox(folder / "outbox")
    (folder / "picture.png").write_bytes(b"png")
    for entry in (
        Params({"a": "b"}),
        Points((("train/loss", 2.5, 1, 1_700_000_000_000),)),
        Tags({"c": "d"}),
        File(folder / "picture.png", "figures/picture.png"),
        End("FINISHED", 1_700_000_000_001),
    ):
        outbox.add(entry)
    array = io.BytesIO()
    np.save(array, HISTORY.loss)
    columns = (
        b"Oslo NNP I-NP I-LOC\nsleeps VBZ I-VP O\n\n-DOCSTART- -X- O O\n\nA B O O\n"
    )
    lines = b"a b c\nd e\n\n f\tg\n"
    scores = (b'word1,word2,score\na,b,1.5\n"c",d,2e1\n', b"a\tb\t1.5\n# x\nc\td\t-2\n")
    binary = written(
        lambda path: write_word2vec_binary(path, WORDS.words, WORDS.center),
        *(folder, "vectors.bin"),
    )
    asked = b"// x\n: capital\nathens greece oslo norway\n: b\na b c d\n"
    return {
        "CoNLL files": Reader((columns,), conll),
        "text files": Reader((lines,), text),
        "packed text": Reader((gzip.compress(lines, mtime=0),), _any(read_text)),
        "similarity files": Reader((*scores, b"a b 1\nc d 2\n"), pairs),
        "analogy files": Reader((asked,), questions),
        "vectors": Reader(((folder / "vectors.npz").read_bytes(),), vectors),
        "vectors of others": Reader(
            (b"3 2\n", b"a 1 -2.5\nb c 3e-1 .5\n", b"2 2\na 1 2\nb 3 4\n", binary),
            foreign_vectors,
        ),
        "inspected files": Reader(
            (saved.read_bytes(), binary, b"2 2\na 1 2\nb 3 4\n"), inspected
        ),
        "packed vectors": Reader((gzip.compress(binary, mtime=0),), read_vectors),
        "checkpoints": Reader((saved.read_bytes(),), checkpoint),
        "cache records": Reader((record.read_bytes(),), cache_record),
        "run records": Reader(
            ((folder / "runs" / RUN_ID / "run.json").read_bytes(),), run_record
        ),
        "unsent entries": Reader(
            ((folder / "outbox" / "unsent.jsonl").read_bytes(),), unsent
        ),
        "reported metrics": Reader((b'\n["a", 1.5, 1]\n\n["b", 2, null]\n',), reported),
        "arrays": Reader((array.getvalue(),), artifact),
        "fields": Reader((b'{"lowercase": true, "digits": "keep"}',), fields),
    }


def _any(read: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda path: list(read(path))


NAMES = (
    *("CoNLL files", "text files", "packed text", "similarity files"),
    *("analogy files", "vectors", "checkpoints", "cache records", "run records"),
    *("unsent entries", "reported metrics", "arrays", "fields"),
    *("vectors of others", "packed vectors", "inspected files"),
)

# A reader may hold a file some times over, as bytes, text, words and in errors, and
# a megabyte of its own: what it imports, and its buffers.
COPIES, OWN = 150, 4 << 20
_WARM: set[int] = set()


def give(reader: Reader, content: bytes, path: Path) -> None:
    """Have a file read; only our own errors may come of it."""
    if id(reader) not in _WARM:  # its first calls import what it needs
        _WARM.add(id(reader))
        for sound in reader.files:
            path.write_bytes(sound)
            with contextlib.suppress(W2VError):
                reader.read(path)
    path.write_bytes(content)
    tracemalloc.start()
    try:
        reader.read(path)
    except W2VError as error:
        assert len(str(error)) < 2000  # noqa: PT017  shown to people
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < COPIES * len(content) + OWN


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)  # each damaged file is warned of
    yield
    logging.disable(logging.NOTSET)


EXAMPLES = (40, pytest.param(2000, marks=pytest.mark.slow))

# Composing takes a quarter of a second.
FEWER = (
    10,
    pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
)


def many(examples: int):
    """Return settings for this many inputs."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[*HealthCheck],
        database=None,
    )


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_read_or_refused(
    readers, name, examples, tmp_path, record_property
):
    reader, tried = readers[name], []

    @many(examples)
    @given(content=damaged(reader.files))
    def attempt(content):
        tried.append(1)
        give(reader, content, tmp_path / "input")

    attempt()
    record_property("inputs tried", len(tried))


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_are_read_or_refused(
    readers, name, examples, tmp_path, record_property
):
    reader, tried = readers[name], []
    pieces = st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=8)

    @many(examples // 2)
    @given(content=pieces.map(b"".join))
    def attempt(content):
        tried.append(1)
        give(reader, content, tmp_path / "input")

    attempt()
    record_property("inputs tried", len(tried))


def sealed(members: dict[str, bytes]) -> bytes:
    """Return a file whose seal is right, whatever is in it."""
    seal = hashlib.sha256()
    for name, content in members.items():
        seal.update(name.encode() + b"\0" + content)
    digest = npz.npy_header("|u1", (32,)) + seal.digest()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in [*members.items(), (npz.SEAL, digest)]:
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("name", ["vectors", "checkpoints"])
def test_a_sealed_file_is_not_believed_for_its_seal(
    readers, name, examples, tmp_path, record_property
):
    load = load_vectors if name == "vectors" else load_checkpoint
    with zipfile.ZipFile(io.BytesIO(readers[name].files[0])) as archive:
        members = {n.removesuffix(".npy"): archive.read(n) for n in archive.namelist()}
    del members[npz.SEAL]
    tried = []

    def read(path: Path) -> None:
        found = load(path)
        vectors = found if name == "vectors" else found.embeddings
        assert len(vectors.words) == len(vectors.center) == len(vectors.context)
        assert np.isfinite(vectors.center).all()
        if name == "checkpoints":
            assert len(found.history.loss) == found.epoch
            assert np.isfinite(found.history.loss).all()

    @many(examples)
    @given(data=st.data())
    def attempt(data):
        tried.append(1)
        member = data.draw(st.sampled_from(sorted(members)))
        changed = members | {member: data.draw(damaged((members[member],)))}
        give(Reader((), read), sealed(changed), tmp_path / "input.npz")

    attempt()
    record_property("inputs tried", len(tried))


@pytest.mark.parametrize("count", [10**6, 10**12, 10**18 - 1])
def test_a_header_that_claims_much_takes_no_memory(tmp_path, count):
    content = npz.npy_header("<f4", (1, 1)).replace(b"(1, 1)", b"(%d, 9)" % count)
    members = dict.fromkeys(
        ("center", "context", "words_utf8", "words_offsets"), content
    )
    path = tmp_path / "input.npz"
    give(Reader((), load_vectors), sealed(members), path)
    with pytest.raises(DataError):
        load_vectors(path)


@pytest.mark.parametrize("read", [read_pairs, read_questions, _any(read_text)])
def test_a_bomb_of_zeros_takes_no_memory(read, tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(300 << 20), 1, mtime=0))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="found over"):
            read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What is let through is 64 MiB, held twice at most while it is read.
    assert peak < 150 << 20


def test_a_bomb_of_columns_takes_no_memory(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"a" * (40 << 20), 1, mtime=0))
    with pytest.raises(DataError, match=r"bomb.gz:1: .* 16 MiB without a line end"):
        list(read_conll(path, ("token",)))
    path.write_bytes(gzip.compress(b"a\n" * 1_000_002, 1, mtime=0))
    with pytest.raises(DataError, match="1,000,000 tokens without one"):
        list(read_conll(path, ("token",)))


# Plain values, of all kinds that a record or a YAML file can hold.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["\ud800", "x" * 10_000, "${home}", "${oc.env:X}", "../..", "???"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_config_read_from_a_record_is_checked(examples, record_property):
    _, values = read_config(compose_config(("ingest=newswire",)))
    places = [(g, k) for g, v in values.items() if isinstance(v, dict) for k in v]
    places += [(group, None) for group in values]
    tried = []

    @many(examples * 5)
    @given(
        place=st.sampled_from(places), value=VALUES, key=st.text(max_size=4) | st.none()
    )
    def attempt(place, value, key):
        tried.append(1)
        group, name = place
        changed = dict(values)
        changed[group] = (
            value if name is None else {**values[group], key or name: value}
        )
        try:
            check_config(changed)
        except ConfigError as error:
            assert len(str(error)) < 20_000  # noqa: PT017

    attempt()
    record_property("inputs tried", len(tried))


@pytest.mark.parametrize("examples", FEWER)
def test_an_override_is_taken_or_refused(examples, record_property):
    keys = [
        "train.dim",
        "seed",
        "train",
        "ingest",
        "vocab.splits",
        "+x",
        "~train.dim",
        "",
    ]
    texts = st.lists(
        st.sampled_from(
            [*"[]{}(),:=\\\"'$?~+@/.-_ \t\n", "null", "1e999", "nan", "${", "0x1"]
        )
        | st.text(max_size=3),
        max_size=8,
    ).map("".join)
    tried = []

    @many(examples)
    @given(key=st.sampled_from(keys) | texts, value=texts)
    def attempt(key, value):
        tried.append(1)
        refuse(f"{key}={value}")

    attempt()
    for value in ("[" * 5000, "{a:" * 5000, "9" * 5000, "x" * 10**6, "${" * 500):
        refuse(f"train.dim={value}")
    record_property("inputs tried", len(tried) + 5)


def refuse(override: str) -> None:
    """Compose with an override: what is raised must be one of usage errors."""
    try:
        read_config(compose_config((override,)))
    except Exception as error:
        assert cli._exit_code(error) == cli.EXIT_USAGE, repr(error)[:500]  # noqa: PT017


@pytest.mark.parametrize("examples", FEWER)
def test_a_yaml_file_is_taken_or_refused(
    examples, tmp_path, monkeypatch, record_property
):
    own = cli.config_folder()
    for path in own.rglob("*.yaml"):
        target = tmp_path / path.relative_to(own)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    monkeypatch.setattr(composition, "config_folder", lambda: tmp_path)
    valid = (own / "vocab" / "default.yaml").read_bytes()
    smallest = yaml.safe_dump(yaml.safe_load(valid)).encode()
    tried = []

    @many(examples)
    @given(
        content=damaged((smallest, valid, b"a: &a [x]\nb: *a\n", b"!!python/name:os\n"))
    )
    def attempt(content):
        tried.append(1)
        (tmp_path / "vocab" / "default.yaml").write_bytes(content)
        refuse("ingest=newswire")

    attempt()
    record_property("inputs tried", len(tried))


def test_a_bomb_of_aliases_is_refused(tmp_path):
    """Nine lists of nine aliases each would be 9⁹ values."""
    own = cli.config_folder()
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    for path in own.rglob("*.yaml"):
        target = tmp_path / path.relative_to(own)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "vocab" / "default.yaml").write_text("\n".join(lines))
    script = (
        "import resource, pathlib\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "from pipeline import cli, composition\n"
        f"composition.config_folder = lambda: pathlib.Path({str(tmp_path)!r})\n"
        "cli.main(['explain'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"W2V_HOME": str(tmp_path / "home")},
    )
    assert done.returncode == cli.EXIT_USAGE, done.stderr[-500:]
    assert "vocab/default.yaml" in done.stderr


GUIDED = (
    *("CoNLL files", "text files", "similarity files", "analogy files"),
    *("vectors", "checkpoints", "reported metrics"),
)
RUNS = 20_000  # inputs; a bound in time would try less on a busy machine


@pytest.mark.slow
@pytest.mark.parametrize("name", GUIDED)
def test_a_guided_fuzzer_finds_no_other_error(readers, name, tmp_path, record_property):
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("needs atheris, which has no wheel for this system")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, content in enumerate(readers[name].files):
        (corpus / str(number)).write_bytes(content)
    script = Path(__file__).with_name("fuzz_reader.py")
    options = (f"-runs={RUNS}", "-seed=1", "-max_len=4096", "-rss_limit_mb=1024")
    done = subprocess.run(
        [sys.executable, str(script), name, *options, "-timeout=60", str(corpus)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"Done {RUNS} runs" in done.stderr or f"#{RUNS}" in done.stderr
    record_property("inputs tried", RUNS)
