import dataclasses
import logging

import numpy as np
import pytest

from pipeline.core import checkpoint, npz
from pipeline.core.checkpoint import (
    Begun,
    Checkpoint,
    CheckpointWriter,
    find_checkpoints,
    keep_newest,
    load_checkpoint,
    save_checkpoint,
    sound_checkpoints,
)
from pipeline.core.types import Normalization, Snapshots, TrainingHistory, Vocab
from pipeline.core.vectors import load_vectors, save_vectors
from pipeline.errors import DataError, StorageError


def checkpoint_of(epoch=2, heldout=True, words=("the", "cat", "né")):
    rng = np.random.default_rng(epoch)
    matrices = rng.normal(size=(2, len(words), 4)).astype(np.float32)
    return Checkpoint(
        epoch=epoch,
        words_done=100 * epoch,
        center=matrices[0],
        context=matrices[1],
        vocab=Vocab(
            tuple(words),
            np.arange(len(words))[::-1] + 2**40,
            Normalization(lowercase=True, digits="keep"),
        ),
        history=TrainingHistory(
            loss=rng.random(epoch),
            heldout_loss=rng.random(epoch if heldout else 0),
            learning_rate=rng.random(epoch),
        ),
        snapshots=Snapshots(
            np.arange(min(epoch, 3) + 1, dtype=np.int32),
            rng.normal(size=(min(epoch, 3) + 1, 2, 4)).astype(np.float16),
        ),
        hyperparameters={"lr": 0.1 + 0.2, "heldout_split": None, "kernel": "numpy"},
        corpus="ab" * 32,
    )


def same(a, b):
    """Say whether two checkpoints are equal, arrays bit by bit."""
    arrays = [
        lambda c: c.center,
        lambda c: c.context,
        lambda c: c.vocab.counts,
        lambda c: c.history.loss,
        lambda c: c.history.heldout_loss,
        lambda c: c.history.learning_rate,
        lambda c: c.snapshots.epochs,
        lambda c: c.snapshots.vectors,
    ]
    return (
        all(
            get(a).dtype == get(b).dtype and get(a).tobytes() == get(b).tobytes()
            for get in arrays
        )
        and a.center.shape == b.center.shape
        and (a.epoch, a.words_done, a.corpus) == (b.epoch, b.words_done, b.corpus)
        and a.vocab.words == b.vocab.words
        and a.vocab.normalization == b.vocab.normalization
        and a.hyperparameters == b.hyperparameters
    )


@pytest.mark.parametrize("heldout", [True, False])
@pytest.mark.parametrize("epoch", [0, 1, 12])
def test_a_checkpoint_comes_back_bit_by_bit(tmp_path, epoch, heldout):
    state = checkpoint_of(epoch, heldout)

    path = save_checkpoint(tmp_path, state)

    assert path == tmp_path / f"checkpoint-{epoch:04d}.npz"
    assert same(load_checkpoint(path), state)


def test_a_checkpoint_within_an_epoch_comes_back_and_comes_first(tmp_path):
    begun = Begun(blocks=17, loss=0.1 + 0.2, pairs=2**40, rate=0.01)
    within = dataclasses.replace(checkpoint_of(2), begun=begun)

    path = save_checkpoint(tmp_path, within)
    whole = save_checkpoint(tmp_path, checkpoint_of(2))
    next_one = save_checkpoint(tmp_path, checkpoint_of(3))

    assert path.name == "checkpoint-0002-000017.npz"
    assert load_checkpoint(path).begun == begun
    assert find_checkpoints(tmp_path) == [next_one, path, whole]


def test_an_equal_checkpoint_is_an_equal_file(tmp_path):
    first = save_checkpoint(tmp_path, checkpoint_of()).read_bytes()

    assert save_checkpoint(tmp_path, checkpoint_of()).read_bytes() == first


def test_a_checkpoint_is_a_plain_npz_and_a_file_of_vectors(tmp_path):
    checkpoint = checkpoint_of()
    path = save_checkpoint(tmp_path, checkpoint)

    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["center"], checkpoint.center)
        np.testing.assert_array_equal(file["loss"], checkpoint.history.loss)
    vectors = load_vectors(path)
    assert vectors.words == checkpoint.vocab.words
    assert vectors.normalization == checkpoint.vocab.normalization
    np.testing.assert_array_equal(vectors.context, checkpoint.context)


def test_a_loaded_checkpoint_can_be_trained_on(tmp_path):
    found = load_checkpoint(save_checkpoint(tmp_path, checkpoint_of()))

    found.center[0] += 1  # raises if read-only
    assert found.embeddings.center is found.center


def test_a_file_of_vectors_is_no_checkpoint(tmp_path):
    save_vectors(tmp_path / "vectors.npz", checkpoint_of().embeddings)

    with pytest.raises(DataError, match="it holds no counts, loss"):
        load_checkpoint(tmp_path / "vectors.npz")


def rewrite(path, **changed):
    """Change arrays of a checkpoint and seal it anew."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files if name != npz.SEAL}
    layout = {name: (a.dtype.str, a.ndim) for name, a in arrays.items()}
    for name, change in changed.items():
        arrays[name] = change(arrays[name])
    npz.write_arrays(path, arrays, layout)


def with_settings(**changed):
    def change(text):
        return npz.pack_json({**npz.unpack_json("x", text), **changed})

    return change


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": lambda a: a[:1]}, "history that is not of 2 epochs"),
        ({"learning_rate": lambda a: a[:0]}, "history that is not of 2 epochs"),
        ({"heldout_loss": lambda a: a[:1]}, "history that is not of 2 epochs"),
        ({"counts": lambda a: a[:2]}, "counts that do not fit"),
        ({"center": lambda a: a[:2]}, "3 words with center vectors"),
        ({"center": lambda a: a * np.nan}, "not finite"),
        ({"snapshots": lambda a: a[1:]}, "snapshots that are not of 2 epochs"),
        ({"snapshots": lambda a: a[:, :, 1:]}, "snapshots that are not"),
        ({"snapshots": lambda a: a.repeat(2, axis=1)}, "snapshots that are not"),
        ({"snapshots": lambda a: a * np.float16(np.nan)}, "snapshots that are not"),
        ({"snapshot_epochs": lambda a: a + 1}, "snapshots that are not"),
        ({"snapshot_epochs": lambda a: a[::-1]}, "snapshots that are not"),
        ({"snapshot_epochs": lambda a: a * 2}, "snapshots that are not"),
        ({"settings": with_settings(epoch="2")}, "settings"),
        ({"settings": with_settings(epoch=-1)}, "history that is not of -1 epochs"),
        ({"settings": with_settings(checkpoint=99)}, "'checkpoint': 99"),
        ({"settings": with_settings(hyperparameters=[])}, "settings"),
        ({"settings": lambda a: a[:-1]}, "settings that are not JSON"),
    ],
)
def test_a_checkpoint_whose_parts_do_not_fit_is_refused(tmp_path, changed, message):
    path = save_checkpoint(tmp_path, checkpoint_of())
    rewrite(path, **changed)

    with pytest.raises(DataError, match=rf"checkpoint-0002\.npz: .*{message}"):
        load_checkpoint(path)


def test_the_newest_is_that_of_the_highest_epoch(tmp_path):
    for epoch in (9, 10, 2):
        save_checkpoint(tmp_path, checkpoint_of(epoch))
    save_checkpoint(tmp_path, checkpoint_of(12_345))
    for name in ("checkpoint-0099.npz.part", "checkpoint-x.npz", "notes.txt"):
        (tmp_path / name).touch()

    assert [path.name for path in find_checkpoints(tmp_path)] == [
        "checkpoint-12345.npz",
        "checkpoint-0010.npz",
        "checkpoint-0009.npz",
        "checkpoint-0002.npz",
    ]
    newest, _ = next(sound_checkpoints(tmp_path))
    assert newest == tmp_path / "checkpoint-12345.npz"


def test_a_folder_without_checkpoints_has_no_newest(tmp_path):
    assert list(sound_checkpoints(tmp_path)) == []
    assert list(sound_checkpoints(tmp_path / "absent")) == []


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_checkpoint_is_named_and_passed_over(tmp_path, caplog, damage):
    for epoch in (1, 2, 3):
        save_checkpoint(tmp_path, checkpoint_of(epoch))
    path = tmp_path / "checkpoint-0003.npz"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        # Within a matrix, away from the zip's own fields.
        content[content.index(checkpoint_of(3).center.tobytes())] ^= 16
    path.write_bytes({"truncated": content[:-7], "empty": b""}.get(damage, content))

    with caplog.at_level(logging.WARNING):
        found = list(sound_checkpoints(tmp_path))

    assert [checkpoint.epoch for _, checkpoint in found] == [2, 1]
    assert len(caplog.records) == 1
    assert "checkpoint-0003.npz" in caplog.text


def test_only_the_newest_are_kept_and_none_of_a_later_epoch(tmp_path):
    for epoch in (1, 2, 3, 4, 9):
        save_checkpoint(tmp_path, checkpoint_of(epoch))
    (tmp_path / "checkpoint-mine.npz").touch()

    keep_newest(tmp_path / "checkpoint-0004.npz", count=2)

    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "checkpoint-0003.npz",
        "checkpoint-0004.npz",
        "checkpoint-mine.npz",
    ]


def test_a_failed_write_keeps_the_checkpoint_of_that_name(tmp_path, monkeypatch):
    path = save_checkpoint(tmp_path, checkpoint_of())

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(path), "replace", interrupt)
    other = dataclasses.replace(checkpoint_of(), words_done=7)

    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, other)
    assert same(load_checkpoint(path), checkpoint_of())
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def writer_of(tmp_path):
    writers = []

    def make(share, folder=tmp_path):
        writers.append(CheckpointWriter(folder, 2, share))
        return writers[-1]

    yield make
    for writer in writers:
        writer.close()


def test_a_writer_keeps_the_newest_of_what_it_wrote(tmp_path, writer_of):
    writer = writer_of(1.0)
    for epoch in range(1, 5):
        assert writer.due()
        writer.write(checkpoint_of(epoch))
    writer.wait()

    assert [p.name for p in find_checkpoints(tmp_path)] == [
        "checkpoint-0004.npz",
        "checkpoint-0003.npz",
    ]


def test_a_writer_takes_no_more_than_its_share_of_the_time(writer_of, monkeypatch):
    now = 0.0
    monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: now)

    def save(folder, _):
        nonlocal now
        now += 2
        path = folder / "checkpoint-0001.npz"
        path.touch()
        return path

    monkeypatch.setattr(checkpoint, "save_checkpoint", save)
    writer = writer_of(0.05)
    assert writer.due()  # what the first costs is not known

    writer.write(checkpoint_of(1))
    writer.wait()
    now = 39.9
    assert not writer.due()
    now = 40.1
    assert writer.due()


def test_what_a_writer_could_not_do_is_said_where_it_is_waited_for(tmp_path, writer_of):
    for then in ("wait", "write"):
        writer = writer_of(1.0, tmp_path / "absent")
        writer.write(checkpoint_of(1))
        with pytest.raises(StorageError, match="cannot be written"):
            getattr(writer, then)(*([checkpoint_of(2)] if then == "write" else []))
