import numpy as np
import pytest
from scipy.stats import spearmanr

from pipeline.core.geometry import isotropy
from pipeline.core.geometry_scores import score_geometry, score_stability
from pipeline.core.similarity import find_most_similar, random_vectors, unit_vectors
from pipeline.core.types import Controls, Embeddings, Normalization

PLAIN = Normalization(lowercase=False, digits="keep")


def embeddings_of(vectors, words=None):
    center = np.array(vectors, np.float32)
    words = tuple(words or (f"w{i}" for i in range(len(center))))
    return Embeddings(words, center, np.zeros_like(center), PLAIN)


def geometry(embeddings, counts, words=100, **controls):
    return score_geometry(
        embeddings,
        unit_vectors(embeddings.center),
        np.array(counts),
        controls=Controls(controls, 3),
        words=words,
        seed=1,
    )


def stability(embeddings, other, words=100):
    controls = Controls({}, 3)
    return score_stability(embeddings, other, controls=controls, words=words, seed=1)


def audit(found):
    return {row["metric"]: row for row in found.tables["scores"].to_pylist()}


def test_norms_are_correlated_with_frequency(rng):
    vectors = rng.normal(size=(40, 5))
    counts = np.sort(rng.integers(1, 9, 40))[::-1]

    found = geometry(embeddings_of(vectors), counts)

    norms = np.linalg.norm(vectors.astype(np.float32), axis=1)
    known = spearmanr(norms, counts).statistic
    assert found.scores["geometry/norm_frequency"] == pytest.approx(known, abs=1e-12)
    bands = found.tables["geometry_norms"].to_pylist()
    assert [(b["count_from"], b["count_below"]) for b in bands] == [
        (1, 2),
        (2, 4),
        (4, 8),
        (8, 16),
    ]
    assert sum(band["words"] for band in bands) == 40
    few = norms[(counts >= 2) & (counts < 4)].mean()
    assert bands[1]["mean_norm"] == pytest.approx(few, abs=1e-5)


def test_counts_that_are_not_known_make_no_bands_and_no_correlation(rng):
    found = geometry(embeddings_of(rng.normal(size=(20, 4))), [0] * 20)

    assert "geometry/norm_frequency" not in found.scores
    assert audit(found)["geometry/norm_frequency"]["note"] == "counts are not known"
    assert "geometry_norms" not in found.tables
    words = found.tables["geometry_words"]
    assert words.column("count").to_pylist() == [None] * 20


def test_only_the_most_frequent_words_are_looked_at(rng):
    vectors = rng.normal(size=(50, 4))
    counts = np.arange(50, 0, -1)

    found = geometry(embeddings_of(vectors), counts, words=20)

    alone = geometry(embeddings_of(vectors[:20]), counts[:20])
    for metric in ("isotropy", "mean_cosine", "hubness", "norm_frequency"):
        name = f"geometry/{metric}"
        assert found.scores[name] == alone.scores[name]
    row = audit(found)["geometry/hubness"]
    assert (row["asked"], row["found"], row["coverage"]) == (50, 20, 0.4)
    assert row["low"] < row["value"] < row["high"]


def test_controls_are_those_given_and_random_vectors_of_the_same_mean_norm(rng):
    embeddings = embeddings_of(3 * rng.normal(size=(50, 4)))
    given = {"geometry/mean_cosine": 0.25, "geometry/hubness": 0.5}

    found = geometry(embeddings, range(50, 0, -1), words=20, **given)

    rows = audit(found)
    assert {name: rows[name]["random"] for name in given} == given
    random = unit_vectors(random_vectors(50, 4, 3))[:20]
    mean = np.linalg.norm(embeddings.center[:20], axis=1).mean()
    # A ratio that is rounded to six digits.
    assert rows["geometry/isotropy"]["random"] == pytest.approx(
        isotropy(mean * random), abs=2e-6
    )
    assert rows["geometry/norm_frequency"]["random"] is None


def test_words_are_listed_with_how_often_they_are_neighbors(rng):
    found = geometry(embeddings_of(rng.normal(size=(30, 4))), np.arange(30, 0, -1))

    rows = found.tables["geometry_words"].to_pylist()
    assert [row["word"] for row in rows[:2]] == ["w0", "w1"]
    assert sum(row["neighbor_of"] for row in rows) == 300


@pytest.mark.parametrize("vectors", [[[1.0, 2.0]], np.zeros((1, 2)), np.zeros((4, 2))])
def test_a_vocabulary_of_one_word_and_zero_vectors_have_what_is_defined(vectors):
    found = geometry(embeddings_of(vectors), [1] * len(vectors))

    assert "geometry/isotropy" in found.scores
    assert "geometry/norm_frequency" not in found.scores
    assert np.isfinite(list(found.scores.values())).all()


def test_equal_spaces_agree_wholly_and_random_ones_by_chance(rng):
    ours = embeddings_of(rng.normal(size=(200, 5)))
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    same = embeddings_of(3 * ours.center @ rotation)

    found = stability(ours, same)

    metric = "stability/overlap_at_10"
    # Rotated float32 vectors may swap the tenth and eleventh neighbor.
    assert found.scores[metric] > 0.99
    assert found.scores[f"{metric}_random"] < 0.2
    rows = found.tables["stability_words"].to_pylist()
    assert len(rows) == 100


def test_overlap_is_that_of_neighbor_lists_among_the_common_words(rng):
    words = [f"w{i}" for i in range(30)]
    ours = embeddings_of(rng.normal(size=(30, 4)), words)
    others = [*reversed(words[5:]), "new"]
    theirs = embeddings_of(rng.normal(size=(26, 6)), others)

    found = stability(ours, theirs)

    left = embeddings_of(ours.center[5:], words[5:])
    right = embeddings_of(theirs.center[:-1], others[:-1])
    shares = []
    for word in words[5:]:
        near, there = (
            {name for name, _ in find_most_similar(space, word, top_k=10)}
            for space in (left, right)
        )
        shares.append(len(near & there) / 10)
    rows = found.tables["stability_words"].to_pylist()
    assert [row["word"] for row in rows] == words[5:]
    assert [row["overlap"] for row in rows] == shares
    assert found.scores["stability/overlap_at_10"] == pytest.approx(np.mean(shares))
    assert audit(found)["stability/overlap_at_10"]["coverage"] == 25 / 30


@pytest.mark.parametrize("common", [[], ["w1"]])
def test_vocabularies_with_too_little_in_common_have_no_overlap(common):
    found = stability(
        embeddings_of(np.eye(3)), embeddings_of(np.eye(3), [*common, *"xyz"][:3])
    )

    assert found.scores == {}
    (row,) = found.tables["scores"].to_pylist()
    assert row["note"] == f"needs at least 2 words in common, found {len(common)}"
