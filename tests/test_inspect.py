"""`w2v inspect` shows what is there and says whether it is sound, whatever it is."""

import gzip
import json
import os
import pickle
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import cli
from pipeline.artifacts import save_artifact
from pipeline.cache import Cache, Ingredients
from pipeline.core.checkpoint import Begun, Checkpoint, save_checkpoint
from pipeline.core.formats.writing import write_word2vec_binary, write_word2vec_text
from pipeline.core.snapshots import first_snapshot
from pipeline.core.types import Embeddings, Normalization, TrainingHistory, Vocab
from pipeline.core.vectors import save_vectors
from pipeline.errors import TrackingError, W2VError
from pipeline.inspection import inspect
from pipeline.loading import vectors_file

NORMAL = Normalization(lowercase=True, digits="keep")
HOSTILE = "bell\a\x1b[2J\x1b]0;title\a"
WORDS = ("the", "cat", "né", HOSTILE, "\u202egnp.exe", *map(str, range(40)))
CENTER = np.random.default_rng(7).normal(size=(len(WORDS), 4)).astype(np.float32)
CENTER[2] = 0
VECTORS = Embeddings(WORDS, CENTER, CENTER[::-1], NORMAL)
STATE = Checkpoint(
    epoch=3,
    words_done=300,
    center=CENTER,
    context=CENTER[::-1],
    vocab=Vocab(WORDS, np.arange(len(WORDS))[::-1] + 1, NORMAL),
    history=TrainingHistory(
        np.array([3.0, 2.5, 2.25]), np.array([3.5, 3.0, 3.25]), np.array([0.3, 0.2, 0])
    ),
    snapshots=first_snapshot(CENTER, 2),
    hyperparameters={"dim": 4, "lr": 0.3},
    corpus="ab" * 32,
    begun=Begun(blocks=2, loss=1.5, pairs=4, rate=0.02),
)


def call(*arguments: str) -> int:
    """Run the command in this process and return its exit code."""
    try:
        cli.cli.main(["inspect", *arguments], standalone_mode=False)
    except SystemExit as ended:
        return int(ended.code or 0)
    except W2VError as error:
        return cli._exit_code(error)
    return 0


@pytest.fixture
def inspected(tmp_path, capsys):
    """Return exit code and JSON of what is at a path; text must agree with it."""

    def inspect(path) -> tuple[int, dict]:
        codes, outputs = [], []
        for arguments in ((), ("--json",)):
            codes.append(call(str(path), "--home", str(tmp_path), *arguments))
            outputs.append(capsys.readouterr().out)
        controls = {c for c in outputs[0] if unicodedata.category(c) in {"Cc", "Cf"}}
        assert controls <= {"\n"}
        assert codes[0] == codes[1]
        told = json.loads(outputs[1])
        assert told["sound"] == (codes[0] == 0) == (told["damage"] == [])
        assert f"sound         {'yes' if told['sound'] else 'NO'}\n" in outputs[0]
        return codes[0], told

    return inspect


def test_a_sound_checkpoint_is_told_whole(tmp_path, inspected, capsys):
    path = save_checkpoint(tmp_path, STATE)

    code, told = inspected(path)

    assert (code, told["kind"]) == (0, "checkpoint")
    assert (told["epoch"], told["words_done"]) == (3, 300)
    assert told["begun"]["blocks"] == 2
    assert told["hyperparameters"] == {"dim": 4, "lr": 0.3}
    assert told["history"]["heldout_loss"] == [3.5, 3.0, 3.25]
    assert told["arrays"]["center"] == {"dtype": "<f4", "shape": [len(WORDS), 4]}
    vocabulary = told["vocabulary"]
    assert vocabulary["words"] == len(WORDS)
    assert vocabulary["head"][0] == {"word": "the", "count": len(WORDS)}
    assert vocabulary["head"][3]["word"] == HOSTILE  # JSON escapes it
    assert vocabulary["tail"][-1] == {"word": "39", "count": 1}
    norms = np.linalg.norm(CENTER.astype(np.float64), axis=1)
    assert told["norms"]["center"] == {
        "rows": len(WORDS),
        "mean": pytest.approx(norms.mean(), rel=1e-12),
        "low": 0.0,
        "high": pytest.approx(norms.max(), rel=1e-12),
        "zero": 1 / len(WORDS),
        "not_finite": 0.0,
    }


@pytest.mark.parametrize(("blocks", "said"), [(1, "1 block"), (2, "2 blocks")])
def test_what_is_done_of_the_next_epoch_is_told(tmp_path, capsys, blocks, said):
    path = save_checkpoint(tmp_path, replace(STATE, begun=Begun(blocks, 1.5, 4, 0.02)))

    assert call(str(path)) == 0

    assert f"after epoch 3 and {said} of the next; words" in capsys.readouterr().out


def test_the_loss_is_plotted(tmp_path, capsys):
    path = save_checkpoint(tmp_path, STATE)

    assert call(str(path)) == 0

    lines = capsys.readouterr().out.splitlines()
    (top,) = [i for i, line in enumerate(lines) if line.startswith("loss ")]
    plot = [line[14:] for line in lines[top : top + 4]]
    # 4 rows of eighths from 2.25 to 3: the middle value, a third up, is 11 high.
    assert plot == ["        3 █", " " * 10 + "█", " " * 10 + "█▃", "     2.25 ██▁"]


@pytest.mark.parametrize("epochs", [1, 59, 60, 61, 150, 1000])
def test_a_plot_has_at_most_sixty_columns(tmp_path, capsys, epochs):
    series = np.linspace(3, 2, epochs)
    history = TrainingHistory(series, np.empty(0), series)
    path = save_checkpoint(tmp_path, replace(STATE, epoch=epochs, history=history))

    assert call(str(path)) == 0

    lines = capsys.readouterr().out.splitlines()
    (top,) = [i for i, line in enumerate(lines) if line.startswith("loss ")]
    bars = lines[top + 3][24:]
    assert len(bars) == min(epochs, 60)


def forms(folder: Path) -> dict[str, Path]:
    save_vectors(folder / "vectors.npz", VECTORS)
    save_checkpoint(folder, STATE)
    # Words that all forms can hold.
    words = ("the", "cat", "né", *map(str, range(42)))
    write_word2vec_text(folder / "w.txt", words, CENTER)
    write_word2vec_binary(folder / "w.bin", words, CENTER)
    text = (folder / "w.txt").read_bytes()
    (folder / "glove.txt").write_bytes(text.partition(b"\n")[2])
    (folder / "w.txt.gz").write_bytes(gzip.compress(text, mtime=0))
    return {
        "vectors": folder / "vectors.npz",
        "checkpoint": folder / "checkpoint-0003-000002.npz",
        "word2vec text": folder / "w.txt",
        "word2vec binary": folder / "w.bin",
        "GloVe text": folder / "glove.txt",
        "packed": folder / "w.txt.gz",
    }


KINDS = (
    *("vectors", "checkpoint", "word2vec text", "word2vec binary"),
    *("GloVe text", "packed"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_is_told_and_its_first_half_too(tmp_path, inspected, kind):
    path = forms(tmp_path)[kind]

    code, told = inspected(path)

    assert code == 0
    assert told["kind"] == ("word2vec text" if kind == "packed" else kind)
    assert told["arrays"]["center"]["shape"] == [len(WORDS), 4]
    assert told["norms"]["center"]["rows"] == len(WORDS)
    assert told["vocabulary"]["words"] == len(WORDS)

    half = tmp_path / "half"
    content = path.read_bytes()
    half.write_bytes(content[: len(content) // 2])
    code, told = inspected(half)

    if kind == "GloVe text":  # cut in a row; nothing else could tell
        half.write_bytes(content[: len(content) // 2].rpartition(b" ")[0])
        code, told = inspected(half)
    assert code == 1
    assert str(half) in told["damage"][0]
    # The matrix stands at the start: some of it is still there.
    assert 0 < told["norms"]["center"]["rows"] <= len(WORDS)
    assert told["sha256"] != ""


@pytest.mark.parametrize("kind", ["vectors", "checkpoint"])
def test_a_flipped_bit_is_named_and_the_rest_is_told(tmp_path, inspected, kind):
    path = forms(tmp_path)[kind]
    content = bytearray(path.read_bytes())
    content[content.index(CENTER.tobytes()) + 3] ^= 0x40  # in the first number
    path.write_bytes(content)

    code, told = inspected(path)

    assert code == 1
    assert any(d.startswith("center does not have") for d in told["damage"])
    assert told["vocabulary"]["words"] == len(WORDS)
    assert told["norms"]["context"]["zero"] == 1 / len(WORDS)


def test_a_header_that_claims_much_takes_no_memory(tmp_path, inspected):
    import tracemalloc

    path = tmp_path / "huge.bin"
    path.write_bytes(b"1000000000000 1000000000000\na \x00\x01")
    inspected(path)  # imports what it needs
    tracemalloc.start()
    code, told = inspected(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert code == 1
    assert told["arrays"]["center"]["shape"] == [10**12, 10**12]
    assert peak < 8 << 20


@pytest.mark.parametrize("name", ["pipe", "device", "folder", "empty", "pickle", "no"])
def test_what_is_no_such_file_is_refused_without_waiting(tmp_path, inspected, name):
    path = tmp_path / name
    expected = {
        "pipe": "found a pipe",
        "device": "found a device",
        "folder": "found nothing",
        "empty": "found ''",
        "pickle": "found a pickle",
        "no": "found 'just words",
    }[name]
    match name:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path = Path(os.devnull)
        case "folder":
            path.mkdir()
        case "empty":
            path.touch()
        case "pickle":
            path.write_bytes(pickle.dumps({"a": 1}))
        case "no":
            path.write_text("just words\n")

    code, told = inspected(path)

    assert (code, told["kind"]) == (1, "unknown")
    assert expected in told["damage"][0]


def test_a_missing_file_or_run_is_bad_usage(tmp_path, capsys):
    for name in ("nothing.npz", "0123abcd", "last", "a\0b"):
        assert call(name, "--json", "--home", str(tmp_path)) == 2
        assert capsys.readouterr().out == ""


@pytest.fixture
def stored(tmp_path) -> dict[str, Path]:
    """Objects of a cache, by artifact."""
    cache = Cache(tmp_path / "cache")
    key = Ingredients("train", {}, {}, {}, {}, {})
    artifacts = {
        "embeddings": VECTORS,
        "history": STATE.history,
        "vocab": STATE.vocab,
    }
    record = cache.store(key, artifacts, [], 1.0)
    return {name: cache.object_folder(d) for name, d in record.outputs.items()}


def test_objects_of_the_cache_are_told(stored, inspected):
    told = {name: inspected(path) for name, path in stored.items()}

    for name, (code, found) in told.items():
        assert (code, found["kind"]) == (0, name)
        assert found["sha256"] == stored[name].name
    assert told["embeddings"][1]["norms"]["center"]["rows"] == len(WORDS)
    assert told["history"][1]["history"]["loss"] == [3.0, 2.5, 2.25]
    assert told["vocab"][1]["vocabulary"]["tail"][-1] == {"word": "39", "count": 1}


@pytest.mark.parametrize("harm", ["bit", "cut", "zip", "pipe", "gone", "manifest"])
def test_a_damaged_object_is_named(stored, inspected, harm):
    folder = stored["embeddings"]
    path = folder / "center.npy"
    content = path.read_bytes()
    named = "center.npy"
    match harm:
        case "bit":
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "cut":
            path.write_bytes(content[:-1])
        case "zip":
            path.write_bytes(b"PK\x03\x04" + content)
        case "pipe":
            path.unlink()
            os.mkfifo(path)
        case "gone":
            path.unlink()
        case "manifest":
            (folder / "manifest.json").write_text("[" * 100_000)
            named = "manifest.json is not JSON"

    code, told = inspected(folder)

    assert code == 1
    assert any(named in damage for damage in told["damage"])


def test_a_folder_without_a_manifest_is_told_as_far_as_it_fits(tmp_path, inspected):
    save_artifact(replace(VECTORS, words=WORDS[:-1]), tmp_path / "object")

    code, told = inspected(tmp_path / "object")

    assert (code, told["kind"]) == (1, "embeddings")
    assert told["damage"] == [
        f"{len(WORDS) - 1} words with center {CENTER.shape} and context {CENTER.shape}"
    ]


def test_a_run_is_told_by_its_last_checkpoint(make_run, tmp_path, capsys):
    record = make_run(
        tmp_path,
        *("experiment=smoke", "tracking=off", "targets=[train]", "train.kernel=numpy"),
    )
    arguments = (record.run_id[:8], "--home", str(tmp_path), "--json")

    assert call(*arguments) == 0
    told = json.loads(capsys.readouterr().out)

    assert (told["kind"], told["epoch"]) == ("checkpoint", 2)
    assert told["hyperparameters"]["dim"] == 16
    assert told["history"]["loss"][-1] == record.metrics["train/loss"]

    # Another file in its place is sound by itself, but not the run's.
    save_checkpoint(
        Path(told["path"]).parent,
        replace(STATE, epoch=2, begun=None, history=TrainingHistory(*[np.ones(2)] * 3)),
    )
    assert call(*arguments) == 1
    again = json.loads(capsys.readouterr().out)
    assert again["damage"] == [
        f"the run's record gives its SHA-256 as {told['sha256']}"
    ]


def test_a_run_that_was_not_to_train_says_so(make_run, tmp_path):
    record = make_run(tmp_path, "experiment=smoke", "tracking=off", "targets=[vocab]")

    for ask in (inspect, vectors_file):
        with pytest.raises(TrackingError, match=r"\(FINISHED\) .* not to train any"):
            ask(record.run_id, tmp_path)


def test_an_empty_name_is_no_folder(tmp_path, capsys):
    assert call("", "--home", str(tmp_path)) == 2
    assert capsys.readouterr().out == ""


def test_an_array_that_is_none_is_named_once(tmp_path, inspected):
    path = tmp_path / "big-endian.npz"
    np.savez(path, first=np.zeros(3, ">f4"))

    _, told = inspected(path)

    (damage,) = [text for text in told["damage"] if "header" in text]
    assert damage.startswith("first has an unexpected header")
