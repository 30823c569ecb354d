import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import jit, plain_kernel, replicas, shares
from pipeline.core.groups import make_noise
from pipeline.core.heldout import Heldout
from pipeline.core.kernel import compile_kernel
from pipeline.core.replicas import Method, ReplicaTrainer
from pipeline.core.sampling import blocks, build_alias_table
from pipeline.core.sgns import Objective, batch_loss
from pipeline.core.shares import Text
from pipeline.core.simd import aligned
from pipeline.core.types import EncodedSplit
from pipeline.errors import ShapeError

WORDS, DIM = 60, 20


@pytest.fixture(scope="module")
def cache(kernel_cache):
    return kernel_cache


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
        "staleness": 150,
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


def heldout_of(method, splits, noise):
    return Heldout(blocks(splits), method.window, method.negatives, 64, noise, 5)


def make_trainer(method, splits, matrices, cache, threads=1):
    known = np.concatenate([split.ids for split in splits])
    noise = build_alias_table(np.arange(1.0, WORDS + 1))
    return ReplicaTrainer(
        method,
        splits,
        *matrices,
        counts=np.bincount(known[known >= 0], minlength=WORDS),
        noise=noise,
        heldout=heldout_of(method, splits, noise),
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
    for tokens in (20, 10**6):
        method = make_method(replicas=1, epochs=1, staleness=tokens)
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
        assert sum(p.words for p in found[2]) == np.count_nonzero(ids >= 0) > words
        assert sum(p.pairs for p in found[2]) == pairs
        assert found[2][-1].rate == pytest.approx(0.001)


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=3),
    st.integers(1, 40),
    st.integers(1, 12),
)
@settings(max_examples=200)
def test_shares_hold_each_token_once_and_cut_only_long_sentences(
    splits, count, longest
):
    encoded, first = [], 0
    for lengths in splits:
        offsets = np.cumsum([0, *lengths]).astype(np.int64)
        ids = np.arange(first, first + offsets[-1], dtype=np.int32)
        encoded.append(EncodedSplit(ids, offsets))
        first += len(ids)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shares, "LONGEST_SENTENCE", longest)
        whole = Text(encoded)
        borders = [whole.tokens * n // count for n in range(count + 1)]
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


@pytest.mark.parametrize("threads", [1, 2])
def test_heldout_loss_is_that_of_the_reference(cache, threads):
    method, splits, (center, context) = make_method(), text(), start()
    context *= 20  # scores on both sides of the clip
    with make_trainer(method, splits, (center, context), cache, threads) as trainer:
        loss, pairs = trainer.heldout_loss()
        again = trainer.heldout_loss()
    objective = Objective(5, 64, method.score_clip, 5.0, method.log_epsilon)
    noise = build_alias_table(np.arange(1.0, WORDS + 1))
    heldout = heldout_of(method, splits, noise)
    expected = [
        (batch_loss(objective, center, context, *batch), len(batch[0]))
        for number in range(len(heldout.blocks))
        for batch in heldout.batches(number)
    ]

    assert again == (loss, pairs)
    assert pairs == sum(count for _, count in expected) > 2000
    # Sums of float32 terms, each right to some units in the last place.
    assert loss == pytest.approx(sum(term for term, _ in expected), rel=2e-6)


def test_heldout_text_without_pairs_has_no_loss(cache):
    split = EncodedSplit(np.array([3, 5], np.int32), np.arange(3, dtype=np.int64))
    with make_trainer(make_method(), [split], start(), cache) as trainer:
        assert trainer.heldout_loss() == (0.0, 0)


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
    kernel = compile_kernel(occupied, left_over=False)
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
