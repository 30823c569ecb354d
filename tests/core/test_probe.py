import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from threadpoolctl import threadpool_limits

from pipeline.core import probe
from pipeline.core.conlleval import read_tags
from pipeline.core.probe import Training, count_windows, windows_of
from pipeline.core.types import UNKNOWN, EncodedSplit

TAGSET = read_tags(["B-LOC", "B-PER", "O"])


def split_of(*sentences):
    ids = np.array([i for sentence in sentences for i in sentence], np.int32)
    return EncodedSplit(ids, np.cumsum([0, *map(len, sentences)]))


def random_split(rng, sentences=300, words=40):
    lengths = rng.integers(1, 9, sentences)
    return split_of(*(rng.integers(-1, words, length) for length in lengths))


def features(windows, vectors):
    """Return the windows' vectors side by side, zero for no word."""
    padded = np.vstack([vectors, np.zeros(vectors.shape[1])])
    return np.concatenate([padded[ids] for ids in windows.ids], axis=1)


def tags_by_word(rng, split, words=40):
    """Return noisy tags that hang on the word and the one before it."""
    ids = np.asarray(split.ids)
    noise = rng.integers(0, 3, len(ids))
    return np.where(rng.random(len(ids)) < 0.7, (ids + np.roll(ids, 1)) % 3, noise)


def test_windows_stop_at_the_ends_of_a_sentence():
    windows = windows_of(split_of([1, 2, 3], [4], [5, -1]), window=2)

    none = UNKNOWN
    assert windows.ids.tolist() == [
        [none, none, 1, none, none, none],
        [none, 1, 2, none, none, 5],
        [1, 2, 3, 4, 5, none],
        [2, 3, none, none, none, none],
        [3, none, none, none, none, none],
    ]


@pytest.mark.parametrize("window", [0, 1, 5])
def test_windows_equal_a_naive_loop(rng, window):
    split = random_split(rng, sentences=30)

    windows = windows_of(split, window)

    for start, end in zip(split.offsets, split.offsets[1:], strict=False):
        for t in range(start, end):
            around = range(t - window, t + window + 1)
            known = [split.ids[s] if start <= s < end else UNKNOWN for s in around]
            assert windows.ids[:, t].tolist() == known


@pytest.mark.parametrize("sentences", [[], [[]], [[3]]])
def test_windows_of_next_to_nothing(sentences):
    windows = windows_of(split_of(*sentences), window=2)

    assert windows.ids.shape == (5, sum(map(len, sentences)))


@pytest.mark.parametrize("window", [0, 2])
def test_scores_equal_scikit_learns_discriminant_analysis(rng, window):
    split = random_split(rng)
    tags = tags_by_word(rng, split).astype(np.int32)
    vectors = rng.normal(size=(40, 6))
    windows = windows_of(split, window)

    classifier = Training(windows, tags, TAGSET, 40).fit(vectors, shrinkage=1e-12)

    known = np.asarray(split.ids)[np.asarray(split.ids) >= 0]
    points = features(windows, vectors - vectors[known].mean(axis=0))
    oracle = LinearDiscriminantAnalysis(solver="lsqr").fit(points, tags)
    ours = classifier.bias + sum(
        part[ids] for part, ids in zip(classifier.scores, windows.ids, strict=True)
    )
    theirs = oracle.decision_function(points)
    # Scores that differ by the same for every tag are the same classifier.
    ours -= ours.mean(axis=1, keepdims=True)
    theirs -= theirs.mean(axis=1, keepdims=True)
    # The ε is 1e-12 of the variance, and the rest is rounding.
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)
    assert (classifier.tag(windows) == oracle.predict(points)).all()


def test_tags_do_not_depend_on_scale_or_origin_of_the_vectors(rng):
    split = random_split(rng, words=39)  # never the 40th
    tags = tags_by_word(rng, split).astype(np.int32)
    split = EncodedSplit(np.where(split.ids < 0, 0, split.ids), split.offsets)
    vectors = rng.normal(size=(40, 6))
    windows = windows_of(split, 1)
    training = Training(windows, tags, TAGSET, 40)

    first = training.fit(vectors, 1e-4).tag(windows)
    second = training.fit(1000 * vectors + 5, 1e-4).tag(windows)

    assert (first == second).all()


def test_tags_that_the_vectors_tell_apart_are_all_found():
    split = split_of(*([0, 1, 2] for _ in range(20)))
    tags = np.tile([0, 1, 2], 20).astype(np.int32)
    windows = windows_of(split, 0)

    classifier = Training(windows, tags, TAGSET, 3).fit(np.eye(3), 1e-4)

    assert (classifier.tag(windows) == tags).all()


def test_an_unknown_word_is_taken_for_the_mean_word():
    # Word 0 is O, 9 times in 10; the mean of the two vectors lies nearer to it.
    split = split_of([0] * 9 + [1])
    tags = np.array([2] * 9 + [1], np.int32)
    training = Training(windows_of(split, 0), tags, TAGSET, 2)

    classifier = training.fit(np.array([[1.0, 0], [0, 1]]), 1e-4)

    assert classifier.tag(windows_of(split_of([-1, 1]), 0)).tolist() == [2, 1]


def test_a_tag_that_training_never_saw_is_never_given(rng):
    split = random_split(rng)
    tags = np.where(rng.random(len(split.ids)) < 0.5, 1, 2).astype(np.int32)
    windows = windows_of(split, 1)

    classifier = Training(windows, tags, TAGSET, 40).fit(rng.normal(size=(40, 6)), 1e-4)

    assert set(classifier.tag(windows)) <= {1, 2}


def test_vectors_that_are_all_zero_give_every_token_the_commonest_tag(rng):
    split = split_of([0, 1, 0])
    tags = np.array([2, 2, 0], np.int32)
    windows = windows_of(split, 2)

    classifier = Training(windows, tags, TAGSET, 2).fit(np.zeros((2, 4)), 1e-4)

    assert classifier.tag(windows).tolist() == [2, 2, 2]


def test_a_vocabulary_of_one_word_can_be_trained_on():
    windows = windows_of(split_of([0], [0]), 2)

    classifier = Training(windows, np.array([2, 2], np.int32), TAGSET, 1).fit(
        np.ones((1, 3)), 1e-4
    )

    assert classifier.tag(windows).tolist() == [2, 2]


def test_the_classifier_is_the_same_bits_for_any_number_of_threads(rng):
    split = random_split(rng, sentences=2000, words=500)
    tags = rng.integers(0, 3, len(split.ids)).astype(np.int32)
    vectors = rng.normal(size=(500, 60))
    training = Training(windows_of(split, 2), tags, TAGSET, 500)
    with threadpool_limits(1):
        first = training.fit(vectors, 1e-4)

    second = training.fit(vectors, 1e-4)

    assert first.scores.tobytes() == second.scores.tobytes()
    assert first.bias.tobytes() == second.bias.tobytes()


def tell_apart(rng, *, words=40, sentences=(9, 11)):
    """Yield a split with tags and settings, and others that differ in one thing."""
    ids, tags = (rng.integers(0, top, 20).astype(np.int32) for top in (words, 3))
    split = EncodedSplit(ids, np.cumsum([0, *sentences]))
    settings = {"window": 1, "words": words}
    yield split, tags, TAGSET, settings
    yield EncodedSplit(ids, np.array([0, 8, 20])), tags, TAGSET, settings
    yield EncodedSplit(np.roll(ids, 1), split.offsets), tags, TAGSET, settings
    yield split, np.roll(tags, 1), TAGSET, settings
    yield split, tags, read_tags(["B-LOC", "B-PER", "O", "B-ORG"]), settings
    yield split, tags, TAGSET, settings | {"window": 2}
    yield split, tags, TAGSET, settings | {"words": words + 1}


def test_counted_windows_are_those_of_what_is_given(rng):
    vectors = rng.normal(size=(41, 3))

    for split, tags, tagset, settings in tell_apart(rng):
        words = settings["words"]
        windows = windows_of(split, settings["window"])
        fresh = Training(windows, tags, tagset, words).fit(vectors[:words], 1e-4)
        for _ in range(2):
            counted = count_windows(split, tags, tagset, **settings)
            found = counted.fit(vectors[:words], 1e-4)
            assert (found.scores == fresh.scores).all()
            assert (found.bias == fresh.bias).all()


def test_windows_are_counted_once_unless_they_are_many(rng, monkeypatch):
    split, tags, tagset, settings = next(tell_apart(rng))
    same = EncodedSplit(split.ids.copy(), split.offsets.copy())

    first = count_windows(split, tags, tagset, **settings)
    assert count_windows(same, tags.copy(), tagset, **settings) is first
    monkeypatch.setattr(probe, "_MOST_KEPT", 0)
    assert count_windows(split, tags, tagset, **settings) is not first
