import dataclasses
import logging
import math
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy._core import _multiarray_umath
from pydantic import TypeAdapter

from pipeline.core import sampling, session
from pipeline.core.checkpoint import find_checkpoints, load_checkpoint
from pipeline.core.randomness import generator
from pipeline.core.sampling import build_alias_table
from pipeline.core.sgns import pair_loss
from pipeline.core.types import (
    UNKNOWN,
    EncodedCorpus,
    EncodedSplit,
    Normalization,
    Vocab,
)
from pipeline.errors import ConfigError, DataError, StoppedError, StorageError
from pipeline.report import Report
from pipeline.stages.train import TrainConfig, train

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = yaml.safe_load((ROOT / "conf/train/default.yaml").read_text("utf-8"))
# Small enough for a loop over pairs; all else as configured.
CONFIG = TrainConfig(
    **DEFAULTS
    | {"kernel": "numpy", "dim": 6, "epochs": 3, "negatives": 3, "batch_size": 32}
    | {"checkpoint_share": 1.0, "seed": 5}
)
LOWER = Normalization(lowercase=True, digits="keep")


class Recorder(Report):
    """Keep what is said; stop at a metric or a block as if by Ctrl-C."""

    def __init__(self, stop_after_epoch=None, stop_after_blocks=None):
        self.total, self.steps, self.shown, self.by_epoch = None, [], [], {}
        self.stop_after_epoch = stop_after_epoch
        self.stop_after_blocks = stop_after_blocks

    def start(self, total, unit):
        self.total = (total, unit)

    def advance(self, amount, shown=""):
        self.steps.append(amount)
        self.shown.append(shown)
        # The first step tells of what was done before.
        if len(self.steps) - 1 == self.stop_after_blocks:
            raise KeyboardInterrupt

    def metrics(self, values, step=None):
        assert step not in self.by_epoch
        self.by_epoch[step] = dict(values)
        if step == self.stop_after_epoch:
            raise KeyboardInterrupt


def split_of(sentences):
    offsets = np.cumsum([0, *map(len, sentences)]).astype(np.int64)
    return EncodedSplit(np.array([i for s in sentences for i in s], np.int32), offsets)


def encode(train_sentences, **others):
    """Return a corpus and its vocabulary, of the ids that are trained on."""
    ids = np.array([i for s in train_sentences for i in s if i != UNKNOWN])
    counts = np.bincount(ids)
    vocab = Vocab(tuple(f"w{i}" for i in range(len(counts))), counts, LOWER)
    splits = {"train": split_of(train_sentences)}
    splits |= {name: split_of(sentences) for name, sentences in others.items()}
    return EncodedCorpus(splits, ("train",)), vocab


@pytest.fixture
def corpus(monkeypatch):
    """40 short sentences, one in five tokens unknown, in blocks of 50 tokens."""
    monkeypatch.setattr(sampling, "BLOCK_TOKENS", 50)
    rng = np.random.default_rng(11)

    def sentences(count):
        lengths = rng.integers(1, 9, size=count)
        drawn = [rng.zipf(1.5, size=n) % 25 - 1 for n in lengths]
        return [s.tolist() for s in drawn]

    # All 24 words at least once.
    return encode([list(range(24)), *sentences(40)], valid=sentences(15))


def run(folder, corpus, config=CONFIG, report=None):
    folder.mkdir(exist_ok=True)
    return train(config, *corpus, workspace=folder, report=report or Report())


def bits(result):
    embeddings, history, snapshots = result
    return [
        array.tobytes()
        for array in (
            embeddings.center,
            embeddings.context,
            history.loss,
            history.heldout_loss,
            history.learning_rate,
            snapshots.epochs,
            snapshots.vectors,
        )
    ]


# A naive twin: the same random streams, everything else by plain loops in float64.


def naive_blocks(split):
    """Yield the known words of each block, sentence by sentence."""
    block, tokens, limit = [], 0, 50
    for first, last in zip(split.offsets[:-1], split.offsets[1:], strict=True):
        if tokens >= limit:
            yield block
            block = []
            while limit <= tokens:
                limit += 50
        block.append([i for i in split.ids[first:last].tolist() if i != UNKNOWN])
        tokens += int(last - first)
    yield block


def naive_pairs(block, window, keep, rng):
    if min(keep) < 1:
        coins = iter(rng.random(sum(map(len, block))))
        block = [[i for i in s if next(coins) < keep[i]] for s in block]
    radii = iter(rng.integers(1, window, endpoint=True, size=sum(map(len, block))))
    pairs = []
    for sentence in block:
        for i, center in enumerate(sentence):
            radius = next(radii)
            for j, context in enumerate(sentence):
                if i != j and abs(i - j) <= radius:
                    pairs.append((center, context))
    return [pairs[i] for i in rng.permutation(len(pairs))]


def naive_batches(pairs, size, negatives, noise, rng):
    """Yield (center, context, negatives other than the context), by minibatch."""
    for first in range(0, len(pairs), size):
        batch = pairs[first : first + size]
        columns = rng.integers(len(noise.alias), size=(len(batch), negatives))
        coins = rng.random((len(batch), negatives))
        drawn = []
        for b, (center, context) in enumerate(batch):
            sampled = [
                int(c) if coin < noise.threshold[c] else int(noise.alias[c])
                for c, coin in zip(columns[b], coins[b], strict=True)
            ]
            drawn.append((center, context, [n for n in sampled if n != context]))
        yield drawn


def naive_noise(config, vocab):
    power = config.noise_power
    return build_alias_table(np.array([float(c) ** power for c in vocab.counts]))


def naive_heldout(config, corpus, center, context):
    encoded, vocab = corpus
    losses = []
    for number, block in enumerate(naive_blocks(encoded.splits["valid"])):
        rng = generator(config.seed, "train", "heldout", number)
        pairs = naive_pairs(block, config.window, [1] * len(vocab.words), rng)
        for batch in naive_batches(
            pairs, config.batch_size, config.negatives, naive_noise(config, vocab), rng
        ):
            losses += [
                pair_loss(center[c], context[t], context[np.array(n, int)])
                for c, t, n in batch
            ]
    return sum(losses) / len(losses)


def naive_train(config, corpus):
    encoded, vocab = corpus
    size, noise = (len(vocab.words), config.dim), naive_noise(config, vocab)
    uniform = generator(config.seed, "train", "init").random(size, np.float32)
    bound = math.sqrt(6 / sum(size)) if config.init == "xavier" else 0.5 / config.dim
    center = (2 * uniform.astype(np.float64) - 1) * bound
    context = np.zeros(size)
    share = vocab.counts / vocab.counts.sum()
    keep = [
        min(1, math.sqrt(config.subsample / f)) if config.subsample else 1
        for f in share
    ]
    words, done = int(vocab.counts.sum()), 0
    history = []
    for epoch in range(1, config.epochs + 1):
        total, count, rate = 0.0, 0, 0.0
        for number, block in enumerate(naive_blocks(encoded.splits["train"])):
            rng = generator(config.seed, "train", epoch, number)
            pairs = naive_pairs(block, config.window, keep, rng)
            passed = done / (words * config.epochs)
            rate = config.lr * (1 - passed) + config.lr_min * passed
            done += sum(map(len, block))
            for batch in naive_batches(
                pairs, config.batch_size, config.negatives, noise, rng
            ):
                by_center, by_context = np.zeros(size), np.zeros(size)
                for c, t, negatives in batch:
                    for target in [t, *negatives]:
                        score = np.clip(center[c] @ context[target], -10, 10)
                        sigmoid = 1 / (1 + math.exp(-score))
                        slope = sigmoid - (target == t)
                        by_center[c] += slope * context[target]
                        by_context[target] += slope * center[c]
                        likelihood = sigmoid if target == t else 1 - sigmoid
                        total -= math.log(likelihood + 1e-10)
                count += len(batch)
                for matrix, gradient in ((center, by_center), (context, by_context)):
                    norms = np.linalg.norm(gradient, axis=1, keepdims=True)
                    matrix[:] -= rate * gradient * (5 / np.maximum(norms, 5))
        heldout = naive_heldout(config, corpus, center, context)
        history.append((total / count, heldout, rate))
    return center, context, np.array(history)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"subsample": 0.02},
        {"batch_size": 1, "epochs": 1},
        {"lr": 0.5, "window": 2},
        {"noise_power": 0.0, "init": "word2vec"},
    ],
)
def test_training_matches_a_naive_replay(tmp_path, corpus, changed):
    config = dataclasses.replace(CONFIG, **changed)
    center, context, expected = naive_train(config, corpus)

    embeddings, history, _ = run(tmp_path, corpus, config)

    np.testing.assert_allclose(history.loss, expected[:, 0], rtol=1e-6)
    np.testing.assert_allclose(history.heldout_loss, expected[:, 1], rtol=1e-6)
    np.testing.assert_allclose(history.learning_rate, expected[:, 2], rtol=1e-12)
    # Float32 rounds each of some hundred steps by up to 1e-7 of the values' size.
    np.testing.assert_allclose(embeddings.center, center, atol=1e-5)
    np.testing.assert_allclose(embeddings.context, context, atol=1e-5)


def test_heldout_loss_is_that_of_the_vectors_by_brute_force(tmp_path, corpus):
    config = dataclasses.replace(CONFIG, lr=0.3, epochs=10)

    embeddings, history, _ = run(tmp_path, corpus, config)

    expected = naive_heldout(config, corpus, embeddings.center, embeddings.context)
    assert history.heldout_loss[-1] == pytest.approx(expected, rel=1e-6)


def test_heldout_pairs_and_negatives_are_the_same_in_each_epoch(tmp_path, corpus):
    # With nothing learned, only another draw could change the loss.
    config = dataclasses.replace(CONFIG, lr=1e-30, lr_min=0.0)

    _, history, _ = run(tmp_path, corpus, config)

    assert len(set(history.heldout_loss.tolist())) == 1
    # The output vectors stay zero: log 2 for each of the terms that count.
    assert math.log(2) < history.heldout_loss[0] <= 4 * math.log(2)


def test_the_rate_falls_linearly_with_the_words_done(tmp_path, corpus):
    config = dataclasses.replace(CONFIG, epochs=2)
    report = Recorder()

    _, history, _ = run(tmp_path, corpus, config, report)

    blocks = np.array(report.steps[1:])
    before = np.cumsum(blocks) - blocks
    rates = 0.025 + (2.5e-6 - 0.025) * before / blocks.sum()
    ends = [len(blocks) // 2 - 1, len(blocks) - 1]
    np.testing.assert_allclose(history.learning_rate, rates[ends], rtol=1e-12)


def planted():
    """Six groups of four words; a word stands among the fillers of its group."""
    rng = np.random.default_rng(3)
    sentences = []
    for _ in range(3_000):
        group = rng.integers(6)
        member = group * 4 + rng.integers(4)
        fillers = 24 + group * 5 + rng.integers(5, size=4)
        sentences.append([*fillers[:2].tolist(), int(member), *fillers[2:].tolist()])
    return encode(sentences, valid=sentences[:200])


@pytest.mark.parametrize("kernel", ["numba", "numpy"])
def test_words_of_the_same_contexts_become_neighbors(tmp_path, kernel_cache, kernel):
    changed = {"kernel": kernel, "kernel_cache": kernel_cache, "seed": 1}
    config = TrainConfig(**DEFAULTS | {"dim": 16, "epochs": 5} | changed)

    embeddings, history, _ = run(tmp_path, planted(), config)

    unit = embeddings.center / np.linalg.norm(embeddings.center, axis=1, keepdims=True)
    cosines = unit[:24] @ unit[:24].T
    np.fill_diagonal(cosines, -1)
    nearest = np.argsort(-cosines, axis=1)[:, :3]
    assert (nearest // 4 == np.arange(24)[:, np.newaxis] // 4).all()
    assert (np.diff(history.loss) < 0).all()
    assert (np.diff(history.heldout_loss) < 0).all()


def test_unknown_tokens_are_as_if_they_were_not_there(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr(sampling, "BLOCK_TOKENS", 10_000)
    encoded, vocab = corpus

    def without_unknown(split):
        return split_of(
            [
                [i for i in split.ids[a:b].tolist() if i != UNKNOWN]
                for a, b in zip(split.offsets[:-1], split.offsets[1:], strict=True)
            ]
        )

    splits = {name: without_unknown(split) for name, split in encoded.splits.items()}
    assert len(splits["train"].ids) < len(encoded.splits["train"].ids)

    with_unknown = run(tmp_path / "a", corpus)
    without = run(tmp_path / "b", (EncodedCorpus(splits, ("train",)), vocab))

    assert bits(with_unknown) == bits(without)


def test_the_result_depends_on_the_seed_and_on_nothing_else(tmp_path, corpus):
    first = bits(run(tmp_path / "a", corpus))

    assert bits(run(tmp_path / "b", corpus)) == first
    other = dataclasses.replace(CONFIG, seed=6)
    assert bits(run(tmp_path / "c", corpus, other)) != first


def test_several_splits_are_trained_on_one_after_another(tmp_path, corpus):
    encoded, vocab = corpus
    both = EncodedCorpus(encoded.splits, ("train", "valid"))
    config = dataclasses.replace(CONFIG, heldout_split=None)
    report = Recorder()

    _, history, _ = run(tmp_path, (both, vocab), config, report)

    known = sum(np.count_nonzero(s.ids != UNKNOWN) for s in encoded.splits.values())
    assert report.total == (3 * known, "words")
    assert len(history.heldout_loss) == 0
    assert all("train/heldout_loss" not in v for v in report.by_epoch.values())


def test_metrics_and_progress_tell_of_each_epoch(tmp_path, corpus):
    report = Recorder()

    _, history, _ = run(tmp_path, corpus, report=report)

    words = int(corpus[1].counts.sum())
    assert report.total == (3 * words, "words")
    assert sum(report.steps) == 3 * words
    assert "loss" in report.shown[-1]
    assert "lr" in report.shown[-1]
    assert sorted(report.by_epoch) == [1, 2, 3]
    for epoch, values in report.by_epoch.items():
        assert values.pop("train/words_per_second") > 0
        assert values == {
            "train/loss": history.loss[epoch - 1],
            "train/heldout_loss": history.heldout_loss[epoch - 1],
            "train/learning_rate": history.learning_rate[epoch - 1],
        }


# Stopping and going on.


def stop(folder, corpus, config=CONFIG, **when):
    with pytest.raises(KeyboardInterrupt):
        run(folder, corpus, config, Recorder(**when))


@pytest.mark.parametrize(
    "when",
    [
        {"stop_after_epoch": 1},
        {"stop_after_epoch": 2},
        {"stop_after_blocks": 1},
        {"stop_after_blocks": 9},
    ],
)
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, corpus, when):
    expected = run(tmp_path / "whole", corpus)
    stop(tmp_path / "stopped", corpus, **when)
    report = Recorder()

    result = run(tmp_path / "stopped", corpus, report=report)

    assert bits(result) == bits(expected)
    # The curve is told whole, and the bar ends where it should.
    assert sorted(report.by_epoch) == [1, 2, 3]
    assert sum(report.steps) == report.total[0]
    last = Path("checkpoint-0003.npz")
    whole, stopped = tmp_path / "whole" / last, tmp_path / "stopped" / last
    assert whole.read_bytes() == stopped.read_bytes()


def test_a_run_stopped_while_it_writes_goes_on_from_the_epoch_before(
    tmp_path, corpus, monkeypatch
):
    expected = run(tmp_path / "whole", corpus)
    folder, replace = tmp_path / "stopped", Path.replace

    def interrupt(path, target):
        if target.name != "checkpoint-0001.npz":
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupt)
        stop(folder, corpus)

    assert [path.name for path in folder.iterdir()] == ["checkpoint-0001.npz"]
    assert bits(run(folder, corpus)) == bits(expected)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path, corpus, caplog
):
    expected = run(tmp_path / "whole", corpus)
    folder = tmp_path / "stopped"
    stop(folder, corpus, stop_after_epoch=2)
    newest = folder / "checkpoint-0002.npz"
    newest.write_bytes(newest.read_bytes()[:-100])
    report = Recorder()

    with caplog.at_level(logging.WARNING):
        result = run(folder, corpus, report=report)

    assert bits(result) == bits(expected)
    assert "checkpoint-0002.npz" in caplog.text
    assert report.steps[0] == corpus[1].counts.sum()  # words of one epoch
    assert load_checkpoint(newest).epoch == 2


def test_a_finished_run_is_read_and_not_trained_again(tmp_path, corpus):
    expected = run(tmp_path, corpus)
    report = Recorder()

    result = run(tmp_path, corpus, report=report)

    assert bits(result) == bits(expected)
    assert report.steps == [report.total[0]]


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"lr": 0.03}, "lr"), ({"epochs": 4}, "epochs"), ({"dim": 7}, "dim, width")],
)
def test_other_settings_start_afresh(tmp_path, corpus, caplog, changed, named):
    config = dataclasses.replace(CONFIG, **changed)
    expected = run(tmp_path / "fresh", corpus, config)
    stop(tmp_path / "old", corpus, stop_after_epoch=2)

    with caplog.at_level(logging.INFO):
        result = run(tmp_path / "old", corpus, config)

    assert bits(result) == bits(expected)
    assert f"it differs in {named}" in caplog.text


@pytest.mark.parametrize("changed", ["corpus", "vocabulary"])
def test_another_corpus_or_vocabulary_starts_afresh(tmp_path, corpus, caplog, changed):
    encoded, vocab = corpus
    stop(tmp_path / "old", corpus, stop_after_epoch=2)
    if changed == "corpus":
        splits = dict(encoded.splits)
        ids = splits["train"].ids.copy()
        ids[:2] = ids[1::-1]
        splits["train"] = EncodedSplit(ids, splits["train"].offsets)
        other = EncodedCorpus(splits, ("train",)), vocab
    else:
        words = (*vocab.words[:-1], "changed")
        other = encoded, dataclasses.replace(vocab, words=words)

    with caplog.at_level(logging.INFO):
        result = run(tmp_path / "old", other)

    assert bits(result) == bits(run(tmp_path / "fresh", other))
    assert result[0].words == other[1].words
    assert f"it differs in {changed}" in caplog.text


def test_how_many_checkpoints_are_kept_does_not_change_the_result(tmp_path, corpus):
    expected = bits(run(tmp_path / "two", corpus))
    one = dataclasses.replace(CONFIG, keep_checkpoints=1)
    stop(tmp_path / "one", corpus, one, stop_after_epoch=2)
    assert len(find_checkpoints(tmp_path / "one")) == 1

    assert bits(run(tmp_path / "one", corpus)) == expected
    assert [path.name for path in find_checkpoints(tmp_path / "two")] == [
        "checkpoint-0003.npz",
        "checkpoint-0002.npz",
    ]


def test_old_checkpoints_of_other_settings_give_way(tmp_path, corpus):
    long = dataclasses.replace(CONFIG, epochs=5)
    run(tmp_path, corpus, long)

    run(tmp_path, corpus)

    # Else the newest of the folder would be another run's.
    assert [path.name for path in find_checkpoints(tmp_path)] == [
        "checkpoint-0003.npz",
        "checkpoint-0002.npz",
    ]


def test_the_last_checkpoint_holds_the_result(tmp_path, corpus):
    result = run(tmp_path, corpus)

    found = load_checkpoint(find_checkpoints(tmp_path)[0])

    assert bits((found.embeddings, found.history, found.snapshots)) == bits(result)
    assert found.vocab.words == corpus[1].words
    assert found.words_done == 3 * corpus[1].counts.sum()
    assert found.hyperparameters["lr"] == 0.025
    assert "keep_checkpoints" not in found.hyperparameters


def test_snapshots_are_the_vectors_after_each_epoch(tmp_path, corpus):
    config = dataclasses.replace(CONFIG, snapshots=7, keep_checkpoints=9)

    embeddings, _, snapshots = run(tmp_path, corpus, config)

    assert snapshots.epochs.tolist() == [0, 1, 2, 3]
    assert snapshots.vectors.shape == (4, 7, 6)
    uniform = generator(config.seed, "train", "init").random((24, 6), np.float32)
    start = (2 * uniform - 1) / 12
    np.testing.assert_array_equal(snapshots.vectors[0], start[:7].astype(np.float16))
    for epoch, path in enumerate(reversed(find_checkpoints(tmp_path)), 1):
        center = load_checkpoint(path).center
        np.testing.assert_array_equal(
            snapshots.vectors[epoch], center[:7].astype(np.float16)
        )
    np.testing.assert_array_equal(
        snapshots.vectors[-1], embeddings.center[:7].astype(np.float16)
    )


@pytest.mark.parametrize(("asked", "kept"), [(0, 0), (1000, 24)])
def test_snapshots_change_no_vector(tmp_path, corpus, asked, kept):
    config = dataclasses.replace(CONFIG, snapshots=asked)

    result = run(tmp_path / "here", corpus, config)

    assert result[2].vectors.shape == (4, kept, 6)
    assert bits(result)[:5] == bits(run(tmp_path / "there", corpus))[:5]


# The compiled kernel, in the stage. Its arithmetic is tested with its twin.


@pytest.fixture
def fast(kernel_cache):
    """Two replicas that meet every 50 tokens."""
    return dataclasses.replace(
        CONFIG, kernel="numba", kernel_cache=kernel_cache, staleness=25, threads=1
    )


@pytest.mark.parametrize(
    "when",
    [
        {"stop_after_epoch": 1},
        {"stop_after_epoch": 2},
        {"stop_after_blocks": 1},
        {"stop_after_blocks": 6},
    ],
)
def test_a_stopped_compiled_run_goes_on_to_the_same_bits(tmp_path, corpus, fast, when):
    expected = run(tmp_path / "whole", corpus, fast)
    stop(tmp_path / "stopped", corpus, fast, **when)
    # A stop loses nothing: what is left is all that is trained.
    left = load_checkpoint(find_checkpoints(tmp_path / "stopped")[0]).words_done
    report = Recorder()

    result = run(tmp_path / "stopped", corpus, fast, report=report)

    assert bits(result) == bits(expected)
    assert report.steps[0] == left > 0
    assert sum(report.steps) == report.total[0]
    assert sorted(report.by_epoch) == [1, 2, 3]


def test_a_time_budget_says_how_far_training_came(tmp_path, corpus, fast):
    soon = dataclasses.replace(fast, time_budget=1e-9)

    for done in (1, 2):
        said = rf"after {done} of \d+ blocks of epoch 1 of {soon.epochs}, at"
        with pytest.raises(StoppedError, match=said):
            run(tmp_path, corpus, soon)


def test_threads_are_no_part_of_the_result(tmp_path, corpus, fast):
    one = run(tmp_path / "one", corpus, fast)
    two = run(tmp_path / "two", corpus, dataclasses.replace(fast, threads=2))
    auto = run(tmp_path / "auto", corpus, dataclasses.replace(fast, threads="auto"))

    assert bits(one) == bits(two) == bits(auto)
    assert (
        find_checkpoints(tmp_path / "one")[0].read_bytes()
        == find_checkpoints(tmp_path / "two")[0].read_bytes()
    )


def test_a_run_goes_on_with_other_threads(tmp_path, corpus, fast):
    expected = bits(run(tmp_path / "whole", corpus, fast))
    stop(tmp_path / "stopped", corpus, fast, stop_after_blocks=3)

    two = dataclasses.replace(fast, threads=2, kernel_cache=None)
    assert bits(run(tmp_path / "stopped", corpus, two)) == expected


def test_both_kernels_measure_the_same_heldout_loss(tmp_path, corpus, fast):
    # With nothing learned, both have the same vectors to measure.
    still = {"lr": 1e-30, "lr_min": 0.0, "epochs": 1}
    losses = [
        run(tmp_path / c.kernel, corpus, dataclasses.replace(c, **still))[1]
        for c in (CONFIG, fast)
    ]

    # Sums of float32 terms against float64.
    assert losses[1].heldout_loss[0] == pytest.approx(losses[0].heldout_loss[0], 1e-6)


def test_a_compiled_training_that_diverges_stops_too(tmp_path, corpus, fast):
    config = dataclasses.replace(fast, lr=1e38, gradient_clip=1e30)

    with pytest.raises(ConfigError, match="training diverged in epoch 1"):
        run(tmp_path, corpus, config)
    assert list(tmp_path.iterdir()) == []


def test_a_long_epoch_tells_of_itself_and_saves_what_is_done(
    tmp_path, corpus, fast, monkeypatch
):
    monkeypatch.setattr(session, "LIVE_SECONDS", 0.0)
    report = Recorder()
    report.metrics = lambda values, step=None: told.append((step, dict(values)))
    told = []
    config = dataclasses.replace(fast, keep_checkpoints=100, epochs=1)

    _, history, _ = run(tmp_path, corpus, config, report)

    *live, (_, last) = told
    assert len(live) > 2
    assert all(values["train/live_words_per_second"] > 0 for _, values in live)
    losses = [values["train/live_loss"] for _, values in live]
    assert min(losses) < history.loss[0] < max(losses)
    assert last["train/loss"] == history.loss[0]
    # One for each block but those that came while the one before was written.
    names = [path.name for path in find_checkpoints(tmp_path)]
    assert names[0] == "checkpoint-0001.npz"
    assert "checkpoint-0000-000001.npz" in names


def test_ctrl_c_ends_at_the_next_block_with_a_checkpoint(tmp_path, corpus, fast):
    long = dataclasses.replace(fast, epochs=100_000, staleness=5_000)
    (tmp_path / "w").mkdir()

    class Patient(Report):
        def advance(self, amount, shown=""):
            self.words = getattr(self, "words", 0) + amount

    report = Patient()
    threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "w", corpus, long, report)

    newest = load_checkpoint(find_checkpoints(tmp_path / "w")[0])
    assert newest.words_done == report.words > 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"score_clip": 100.0}, "score_clip=100 must be at most 80 with kernel=numba"),
        ({"negatives": 70_000}, "negatives=70000 must be at most 65,000"),
    ],
)
def test_what_the_compiled_kernel_cannot_do_is_refused(fast, changed, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(fast, **changed)


# Trains in a process of its own, and prints what the result depends on.
DIGEST = """
import hashlib, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import numpy as np
from test_train import CONFIG, bits, encode, run
from dataclasses import replace
rng = np.random.default_rng(1)
drawn = [(60 * rng.random(n) ** 2).astype(int).tolist() for n in range(60)]
corpus = encode([list(range(60)), *drawn], valid=drawn[:20])
with tempfile.TemporaryDirectory() as folder:
    for changed in ({}, {"replicas": 3, "gradient_clip": 0.4, "subsample": 1e-2}):
        config = replace(CONFIG, kernel="numba", kernel_cache=Path(sys.argv[1]))
        config = replace(config, dim=20, staleness=250, **changed)
        result = run(Path(folder) / str(len(changed)), corpus, config)
        for part in bits(result):
            print(hashlib.sha256(part).hexdigest())
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


@pytest.mark.slow
def test_processors_give_the_same_bits_and_processes_share_a_new_cache(tmp_path):
    package = ROOT / "pipeline"
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
    assert len(results[0].split()) == 14
    # Each processor has a folder of its own, with three functions in two files each.
    folders = list(tmp_path.iterdir())
    assert [len(compiled_files(folder)) for folder in folders] == [6, 6]
    assert compiled_files(package) == elsewhere


# What cannot be trained.


@pytest.mark.parametrize(
    ("heldout", "message"),
    [
        ("test", "heldout_split=test: the corpus has no such split, only train, valid"),
        ("train", "heldout_split=train: this split is trained on"),
    ],
)
def test_a_held_out_split_must_exist_and_be_held_out(
    tmp_path, corpus, heldout, message
):
    config = dataclasses.replace(CONFIG, heldout_split=heldout)

    with pytest.raises(ConfigError, match=message):
        run(tmp_path, corpus, config)


@pytest.mark.parametrize(
    ("train_sentences", "valid", "message"),
    [
        ([[0, 1]], [], "split 'valid': expected words of the vocabulary, found 0 in 0"),
        ([[0, 1]], [[-1, -1]], "split 'valid': .* found 0 in 2 tokens"),
        ([[0], [1], [0]], [[0, 1]], "splits trained on: expected two words"),
        ([[0, 1]], [[0], [1]], "held-out split 'valid': expected two words"),
    ],
)
def test_splits_without_pairs_are_refused(tmp_path, train_sentences, valid, message):
    with pytest.raises(DataError, match=message):
        run(tmp_path, encode(train_sentences, valid=valid))


def test_ids_of_another_vocabulary_are_refused(tmp_path, corpus):
    encoded, vocab = corpus
    smaller = Vocab(vocab.words[:9], vocab.counts[:9], LOWER)

    with pytest.raises(DataError, match="'train': expected ids from -1 to 8, found"):
        run(tmp_path, (encoded, smaller))


def test_training_that_diverges_stops_and_leaves_no_checkpoint(tmp_path, corpus):
    config = dataclasses.replace(CONFIG, lr=1e38, gradient_clip=1e30)
    report = Recorder()

    with pytest.raises(ConfigError, match=r"lr=1e\+38: training diverged in epoch 1"):
        run(tmp_path, corpus, config, report)
    assert list(tmp_path.iterdir()) == []
    # Not at the end of the epoch, which may be hours away.
    assert sum(report.steps) < report.total[0] / config.epochs / 2


def test_a_last_step_that_overflows_is_found_too(tmp_path):
    # One minibatch: the loss was taken before the step, and is fine.
    config = dataclasses.replace(CONFIG, lr=1e40, epochs=1, heldout_split=None)

    with pytest.raises(ConfigError, match="training diverged in epoch 1"):
        run(tmp_path, encode([[0, 1]]), config)


def test_a_corpus_of_one_word_is_trained_without_negatives(tmp_path):
    # Every negative is the context itself.
    embeddings, history, _ = run(tmp_path, encode([[0, 0, 0]], valid=[[0, 0]]))

    assert np.isfinite(embeddings.center).all()
    assert history.loss[0] == pytest.approx(math.log(2), rel=1e-2)


def test_a_workspace_that_cannot_be_written_is_named(tmp_path, corpus):
    with pytest.raises(StorageError, match=r"checkpoint-0001\.npz: cannot be written"):
        train(CONFIG, *corpus, workspace=tmp_path / "absent", report=Report())


def test_the_defaults_are_legal():
    assert DEFAULTS["seed"] == "${seed}"

    config = TypeAdapter(TrainConfig).validate_python({**DEFAULTS, "seed": 1})

    assert (config.dim, config.epochs, config.window, config.negatives) == (
        200,
        15,
        5,
        10,
    )


def test_a_rate_that_would_rise_is_refused():
    with pytest.raises(ValueError, match=r"lr_min=0.1 must be at most lr=0.025"):
        dataclasses.replace(CONFIG, lr_min=0.1)


@pytest.mark.parametrize(
    "kernel", ["numba", pytest.param("numpy", marks=pytest.mark.slow)]
)
def test_two_epochs_on_conll_2003_bring_countries_to_germany(
    tmp_path, shared, kernel_cache, kernel
):
    sentences = {}
    for name in ("train", "valid"):
        text = (shared / f"data/conll2003/{name}.txt").read_text("utf-8")
        sentences[name] = [
            [line.split(" ")[0].lower() for line in part.split("\n")]
            for part in text.strip("\n").split("\n\n")
            if not part.startswith("-DOCSTART-")
        ]
    words, counts = np.unique(
        [w for s in sentences["train"] for w in s], return_counts=True
    )
    order = np.lexsort((words, -counts))
    vocab = Vocab(tuple(words[order].tolist()), counts[order], LOWER)
    encoded = EncodedCorpus(
        {
            name: split_of([[vocab.ids.get(w, UNKNOWN) for w in s] for s in lists])
            for name, lists in sentences.items()
        },
        ("train",),
    )
    changed = {"kernel": kernel, "kernel_cache": kernel_cache, "seed": 1}
    config = TrainConfig(**DEFAULTS | {"dim": 32, "epochs": 2} | changed)

    embeddings, history, _ = run(tmp_path, (encoded, vocab), config)

    # All pairs start at 11 log 2 = 7.6 nats.
    assert history.loss[0] > history.loss[1]
    assert 2.5 < history.heldout_loss[1] < history.heldout_loss[0] < 4
    unit = embeddings.center / np.linalg.norm(embeddings.center, axis=1, keepdims=True)
    nearest = np.argsort(-(unit @ unit[vocab.ids["germany"]]))[1:11]
    found = {vocab.words[i] for i in nearest}
    countries = {"france", "italy", "spain", "sweden", "belgium", "japan", "australia"}
    assert len(found & countries) >= 3
