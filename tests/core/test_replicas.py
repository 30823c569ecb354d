import itertools
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy._core import _multiarray_umath

from pipeline.core import jit, plain_kernel, replicas
from pipeline.core.groups import make_noise
from pipeline.core.kernel import compile_kernel
from pipeline.core.replicas import Method, Text, Trainer, available_cores
from pipeline.core.sampling import build_alias_table
from pipeline.core.simd import aligned
from pipeline.core.types import EncodedSplit
from pipeline.errors import ShapeError

WORDS, DIM = 60, 20


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("numba")


def make_method(**changed):
    values = {
        "epochs": 2,
        "window": 3,
        "negatives": 5,
        "shared_centers": 2,
        "lr": 0.05,
        "lr_min": 0.001,
        "score_clip": 10.0,
        "gradient_clip": 5.0,
        "log_epsilon": 1e-10,
        "replicas": 2,
        "block_tokens": 300,
        "seed": 7,
    }
    return Method(**{**values, **changed})


def make_split(rng, lengths):
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    ids = (WORDS * rng.random(offsets[-1]) ** 2).astype(np.int32)
    ids[rng.random(len(ids)) < 0.05] = -1
    return EncodedSplit(ids, offsets)


def text(seed=1, sentences=80):
    rng = np.random.default_rng(seed)
    return [
        make_split(rng, rng.integers(0, 25, n)) for n in (sentences, sentences // 4)
    ]


def start(seed=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, WORDS, DIM)).astype(np.float32) / 5


def make_trainer(method, splits, matrices, cache, threads=1):
    known = np.concatenate([split.ids for split in splits])
    return Trainer(
        method,
        splits,
        *matrices,
        counts=np.bincount(known[known >= 0], minlength=WORDS),
        noise=build_alias_table(np.arange(1.0, WORDS + 1)),
        keep=np.linspace(0.5, 1, WORDS),
        threads=threads,
        cache=cache,
    )


def train(method, splits, matrices, cache, threads=1):
    """Return new matrices and the progress of each block."""
    with make_trainer(method, splits, matrices, cache, threads) as trainer:
        done = [
            trainer.train_block(epoch, block)
            for epoch in range(method.epochs)
            for block in range(trainer.blocks)
        ]
        return trainer.center.copy(), trainer.context.copy(), done


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_result_is_the_same_bits_with_any_number_of_threads(cache, count):
    method = make_method(replicas=count)
    center, context, done = train(method, text(), start(), cache)

    for threads in (2, 4, 8):
        again = train(method, text(), start(), cache, threads)
        np.testing.assert_array_equal(again[0], center)
        np.testing.assert_array_equal(again[1], context)
        assert again[2] == done


def test_number_of_replicas_shapes_the_result(cache):
    one, two = (train(make_method(replicas=n), text(), start(), cache) for n in (1, 2))
    assert not np.array_equal(one[0], two[0])


# Trains in a process of its own, and prints what the result depends on.
DIGEST = """
import hashlib, json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_replicas import make_method, start, text, train
from pipeline.core.sgns import initial_vectors
from pipeline.core.randomness import generator
center, context = initial_vectors("xavier", (60, 20), generator(1, "train", "init"))
for replicas in (1, 3):
    method = make_method(replicas=replicas, gradient_clip=0.4)
    a, b, done = train(method, text(), (center, start()[1]), Path(sys.argv[1]))
    print(hashlib.sha256(a.tobytes() + b.tobytes()).hexdigest())
    print(json.dumps([p.loss for p in done]))
"""


def digest(folder, **environment):
    here = str(Path(__file__).parent)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", DIGEST, str(folder), here],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def numpy_features_beyond_avx2():
    known = _multiarray_umath.__cpu_features__
    return [
        name
        for name in _multiarray_umath.__cpu_dispatch__
        if known[name] and name.startswith(("X86_V4", "AVX512"))
    ]


def compiled_files(folder):
    return {path for kind in ("*.nbi", "*.nbc") for path in folder.rglob(kind)}


def test_processors_give_the_same_bits_and_processes_share_a_new_cache(tmp_path):
    package = Path(replicas.__file__).parent
    elsewhere = compiled_files(package)
    # An empty list of features as well: the name alone keeps those of this processor.
    haswell = {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "",
        "NPY_DISABLE_CPU_FEATURES": " ".join(numpy_features_beyond_avx2()),
    }
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(digest, tmp_path, **e) for e in ({}, haswell, {}, haswell)]
        results = [run.result() for run in runs]

    assert len(set(results)) == 1
    # Each processor has a folder of its own, with two functions in two files each.
    folders = list(tmp_path.iterdir())
    assert [len(compiled_files(folder)) for folder in folders] == [4, 4]
    assert compiled_files(package) == elsewhere


def test_any_block_can_be_entered_without_what_came_before(cache):
    method = make_method()
    expected = train(method, text(), start(), cache)

    with make_trainer(method, text(), start(), cache) as trainer:
        for block in range(trainer.blocks):
            trainer.train_block(0, block)
        trainer.train_block(1, 0)
        middle = trainer.center.copy(), trainer.context.copy()
    with make_trainer(method, text(), middle, cache) as trainer:
        for block in range(1, trainer.blocks):
            trainer.train_block(1, block)

        np.testing.assert_array_equal(trainer.center, expected[0])
        np.testing.assert_array_equal(trainer.context, expected[1])


def test_one_replica_is_the_plain_twin_whatever_the_blocks(cache):
    splits, (center, context) = text(sentences=30), start()
    ids = np.concatenate([split.ids for split in splits])
    noise = make_noise(
        build_alias_table(np.arange(1.0, WORDS + 1)), np.linspace(0.5, 1, WORDS)
    )
    for tokens in (40, 10**6):
        method = make_method(replicas=1, epochs=1, block_tokens=tokens)
        found = train(method, splits, start(), cache)

        plain = center.copy(), context.copy()
        loss = words = pairs = before = 0
        for split in splits:
            more = plain_kernel.train_share(
                split.ids,
                split.offsets,
                before,
                *plain,
                noise,
                replicas._settings(method, len(ids)),
            )
            loss, words, pairs = loss + more[0], words + more[1], pairs + more[2]
            before += len(split.ids)

        # Thousands of steps, each right to 1e-7.
        np.testing.assert_allclose(found[0], plain[0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(found[1], plain[1], rtol=0, atol=1e-5)
        assert sum(p.loss for p in found[2]) == pytest.approx(loss, rel=1e-6)
        assert sum(p.words for p in found[2]) == words
        assert sum(p.pairs for p in found[2]) == pairs
        assert sum(p.tokens for p in found[2]) == len(ids)
        assert found[2][-1].rate == pytest.approx(0.001)


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=3),
    st.integers(1, 40),
    st.integers(1, 12),
)
@settings(max_examples=200)
def test_shares_hold_each_token_once_and_cut_only_long_sentences(
    splits, shares, longest
):
    encoded, first = [], 0
    for lengths in splits:
        offsets = np.cumsum([0, *lengths]).astype(np.int64)
        ids = np.arange(first, first + offsets[-1], dtype=np.int32)
        encoded.append(EncodedSplit(ids, offsets))
        first += len(ids)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replicas, "LONGEST_SENTENCE", longest)
        whole = Text(encoded)
        borders = [whole.tokens * n // shares for n in range(shares + 1)]
        parts = [whole.read(*ends) for ends in itertools.pairwise(borders)]

    assert whole.tokens == first
    seen, cuts = [], set()
    for (ids, offsets, before), low, high in zip(
        parts, borders, borders[1:], strict=False
    ):
        assert (offsets[0], offsets[-1]) == (0, len(ids))
        assert (np.diff(offsets) >= 0).all()
        assert (ids.dtype, offsets.dtype) == (np.int32, np.int64)
        if len(ids):
            assert ids[0] == before
        starts = (offsets[:-1] + before)[np.diff(offsets) > 0]
        assert ((low <= starts) & (starts < high)).all()
        seen += ids.tolist()
        cuts |= set(starts.tolist())
    assert seen == list(range(first))

    expected, before = set(), 0
    for lengths in splits:
        for length in lengths:
            expected |= set(range(before, before + length, longest))
            before += length
    # Sentences are cut evenly or not, but nowhere that a short one would not begin.
    assert cuts == expected


@given(st.integers(0, 2**32), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_merging_adds_a_part_of_the_changes(cache, seed, count):
    rng = np.random.default_rng(seed)
    rows, width = 12, 32
    merged, copies = aligned(rows * width), aligned((count, rows * width))
    merged[:] = rng.normal(size=merged.shape)
    used = (rng.random((count, rows)) < 0.3).astype(np.uint8)
    # A row that is not marked as changed is not changed.
    changes = rng.normal(size=(count, rows, width)) * used[:, :, np.newaxis]
    copies[:] = merged + changes.reshape(count, -1)
    parts = rng.random(rows).astype(np.float32)
    expected = merged.reshape(rows, width) + parts[:, np.newaxis] * changes.sum(axis=0)

    merge = replicas._compile_merge(cache)
    for first, last in ((5, rows), (0, 5)):
        merge(merged, copies, used, parts, width, first, last)

    np.testing.assert_allclose(merged.reshape(rows, width), expected, atol=1e-5)
    np.testing.assert_array_equal(copies, np.broadcast_to(merged, copies.shape))
    assert not used.any()


def test_memory_mapped_text_gives_the_same_bits(cache, tmp_path):
    (split, _) = text()
    for name in ("ids", "offsets"):
        np.save(tmp_path / f"{name}.npy", getattr(split, name))
    mapped = EncodedSplit(
        np.load(tmp_path / "ids.npy", mmap_mode="r"),
        np.load(tmp_path / "offsets.npy", mmap_mode="r"),
    )

    expected = train(make_method(), [split], start(), cache)
    found = train(make_method(), [mapped], start(), cache)

    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("lengths", [[], [0, 0], [1], [2]])
def test_tiny_texts_train(cache, rng, lengths):
    split = EncodedSplit(
        np.arange(sum(lengths), dtype=np.int32),
        np.cumsum([0, *lengths]).astype(np.int64),
    )
    center, _, done = train(make_method(replicas=4), [split], start(), cache, 2)

    assert np.isfinite(center).all()
    # Each is the other's only neighbor.
    assert sum(p.pairs for p in done) in ((0, 2, 4) if lengths == [2] else (0,))


def train_until_interrupted(trainer):
    for epoch, block in itertools.product(range(1000), range(trainer.blocks)):
        trainer.train_block(epoch, block)
        trainer.done = epoch, block


def test_interrupt_waits_for_the_end_of_the_block(cache):
    method, splits = make_method(block_tokens=200, epochs=1000), text()
    with make_trainer(method, splits, start(), cache) as trainer:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            train_until_interrupted(trainer)
        (epoch, block), center = trainer.done, trainer.center.copy()

    # The signal came within a block or between two: all of the next one, or nothing.
    with make_trainer(method, splits, start(), cache) as again:
        states = []
        for step in range(epoch * again.blocks + block + 2):
            states = [*states[-1:], again.center.copy()]
            again.train_block(*divmod(step, again.blocks))
        states = [states[-1], again.center]
    assert any(np.array_equal(center, state) for state in states)


def test_matrices_that_do_not_fit_are_refused(cache):
    center, context = start()
    with pytest.raises(ShapeError, match=r"\(60, 20\), \(60, 19\)"):
        make_trainer(make_method(), text(), (center, context[:, :-1]), cache)
    with pytest.raises(ShapeError, match=r"\(59, 20\)"):
        make_trainer(make_method(), text(), (center[:-1], context[:-1]), cache)


@pytest.mark.parametrize(
    ("key", "value"),
    [("score_clip", 81.0), ("score_clip", 0.0), ("negatives", 65_001), ("window", 0)],
)
def test_settings_beyond_the_kernel_are_refused(key, value):
    with pytest.raises(ValueError, match=f"{key}="):
        make_method(**{key: value})


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, caplog):
    occupied = tmp_path / "file"
    occupied.write_text("not a folder")
    kernel = compile_kernel(occupied)
    assert callable(kernel)
    assert "cannot keep compiled code" in caplog.text


def test_compiled_code_of_other_source_is_not_used(tmp_path, monkeypatch):
    before = jit._fingerprint()
    copy = tmp_path / "jit.py"
    for name in jit._SOURCES:
        source = (jit.Path(jit.__file__).with_name(name)).read_text("utf-8")
        (tmp_path / name).write_text(source + "\n# edited\n", "utf-8")
    monkeypatch.setattr(jit, "__file__", str(copy))
    assert jit._fingerprint() != before


def test_available_cores_is_what_may_run():
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


def test_a_control_groups_quota_is_rounded_up(monkeypatch):
    texts = iter(["max 100000\n", "150000 100000\n", "50000 100000\n"])
    monkeypatch.setattr(replicas.Path, "read_text", lambda *_: next(texts))
    assert replicas._quota() > 10**6
    assert replicas._quota() == 2
    assert replicas._quota() == 1
