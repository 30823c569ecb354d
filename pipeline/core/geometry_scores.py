"""Score how vectors fill their space, and how they agree with those of another run."""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.core.correlation import spearman, spearman_interval
from pipeline.core.findings import Findings, Row, Score, findings, share
from pipeline.core.geometry import (
    isotropy,
    mean_cosine_of,
    neighbor_counts,
    overlap,
    shared_neighbors,
    skewness,
)
from pipeline.core.intervals import Interval, interval_of, ratio_interval, resamples
from pipeline.core.randomness import generator
from pipeline.core.similarity import random_vectors, unit_vectors, word_ids
from pipeline.core.types import UNKNOWN, Controls, Counts, Doubles, Embeddings


def score_geometry(
    embeddings: Embeddings,
    unit: Doubles,
    counts: Counts,
    *,
    controls: Controls,
    words: int,
    seed: int,
) -> Findings:
    """Score how the vectors of the most frequent words fill their space.

    `geometry/isotropy` is the ratio of partition functions, `/mean_cosine` that of
    two different words, `/hubness` the skewness of how often a word is among the
    ten nearest neighbors, and `/norm_frequency` Spearman's ρ of a vector's norm and
    its word's frequency. Random vectors are given the mean norm of these.

    Args:
        embeddings: Word vectors.
        unit: Shape (V, d). Their `unit_vectors`.
        counts: Shape (V,). Occurrences of the words, falling; all 0 where they are
            not known.
        controls: What random vectors score.
        words: How many words to look at, the most frequent.
        seed: Of the intervals.
    """
    raw = embeddings.center[:words].astype(np.float64)
    unit, counts = unit[:words], counts[:words]
    norms = np.sqrt(np.einsum("ij,ij->i", raw, raw))  # (V,)
    # Norms are compared and shown: not with the digits that sums round apart in.
    norms = norms.astype(np.float32).astype(np.float64)
    hubs = neighbor_counts(unit)
    mean_cosine = mean_cosine_of(unit)
    random = unit_vectors(random_vectors(len(unit), unit.shape[1], controls.seed))
    once = np.ones((1, len(unit)), np.int64)
    frequency = counts.astype(np.float64)
    counted = bool(counts.any())

    def stream(measure: str) -> np.random.Generator:
        return generator(seed, "evaluate", "bootstrap", f"geometry/{measure}")

    def interval(measure: str, of: Callable[[Counts], Doubles]) -> Interval | None:
        drawn = resamples(stream(measure), len(unit))
        return interval_of(np.concatenate([of(times) for times in drawn]))

    def score(
        value: float | None,
        ends: Interval | None,
        random: float | None,
        note: str = "",
    ) -> Score:
        return Score(
            value, "words", len(embeddings.words), len(unit), ends, random, note
        )

    measured = {
        "isotropy": score(
            isotropy(raw),
            None,
            isotropy(random * norms.mean()),  # which depends on these vectors
            "an extreme over directions: it has no interval",
        ),
        "mean_cosine": score(
            _only(mean_cosine(once)),
            interval("mean_cosine", mean_cosine),
            controls.scores.get("geometry/mean_cosine"),
        ),
        "hubness": score(
            _only(skewness(hubs, once)),
            interval("hubness", lambda times: skewness(hubs, times)),
            controls.scores.get("geometry/hubness"),
        ),
        "norm_frequency": score(
            spearman(norms, frequency),
            spearman_interval(stream("norm_frequency"), norms, frequency),
            None,
            "random vectors have one norm" if counted else "counts are not known",
        ),
    }
    table: dict[str, Sequence[object] | Counts | Doubles] = {
        "word": embeddings.words[:words],
        "norm": norms,
        "neighbor_of": hubs,
    }
    if counted:
        table["count"] = counts
    return findings(
        {f"geometry/{measure}": value for measure, value in measured.items()},
        {
            "geometry_words": table,
            "geometry_norms": _bands(counts, norms) if counted else [],
        },
    )


def _only(values: Doubles) -> float | None:
    """Return the one value of an array, rounded as an interval's; None for NaN."""
    (value,) = values.tolist()
    return round(value, 9) if np.isfinite(value) else None


def _bands(counts: Counts, norms: Doubles) -> list[Row]:
    """Return the mean norm of words by frequency, in bands that double."""
    band = np.log2(np.maximum(counts, 1)).astype(np.int64)  # (V,)
    return [
        {
            "count_from": 2**i,
            "count_below": 2 ** (i + 1),
            "words": int((band == i).sum()),
            "mean_norm": round(float(norms[band == i].mean()), 6),
        }
        for i in sorted(set(band.tolist()))
    ]


def score_stability(
    embeddings: Embeddings,
    other: Embeddings,
    *,
    controls: Controls,
    words: int,
    seed: int,
) -> Findings:
    """Score how many of the nearest neighbors another training agrees on.

    `stability/overlap_at_10` is the mean share of a word's ten nearest neighbors
    that are among its ten nearest in the other space, neighbors being taken from
    the words that both have, over the most frequent of them.

    Args:
        embeddings: Word vectors.
        other: Another training's, of any vocabulary and width.
        controls: Say which random vectors these are compared with too.
        words: How many words to look at, the most frequent.
        seed: Of the interval.
    """
    theirs = word_ids(other, embeddings.words)
    (ours,) = np.nonzero(theirs != UNKNOWN)
    names = [embeddings.words[i] for i in ours]
    rows = np.arange(min(words, len(ours)), dtype=np.int32)
    metric = "stability/overlap_at_10"
    if len(ours) < 2:
        note = f"needs at least 2 words in common, found {len(ours)}"
        nothing = Score(None, "words", len(embeddings.words), len(ours), note=note)
        return findings({metric: nothing})
    second = unit_vectors(other.center[theirs[ours]])
    near, nearby = shared_neighbors(unit_vectors(embeddings.center[ours]), second, rows)
    shared = overlap(near, nearby)
    depth = np.full(len(shared), near.shape[1])
    random = random_vectors(
        len(embeddings.words), embeddings.center.shape[1], controls.seed
    )
    chance = overlap(*shared_neighbors(unit_vectors(random[ours]), second, rows))
    score = Score(
        share(int(shared.sum()), int(depth.sum())),
        "words",
        len(embeddings.words),
        len(ours),
        interval=ratio_interval(
            generator(seed, "evaluate", "bootstrap", metric), shared, depth
        ),
        random=share(int(chance.sum()), int(depth.sum())),
        note=f"of the {len(rows)} most frequent words in common",
        headline=True,
    )
    table: list[Row] = [
        {
            "word": names[row],
            "overlap": count / near.shape[1],
            "neighbors": " ".join(names[i] for i in near[row]),
            "neighbors_there": " ".join(names[i] for i in nearby[row]),
        }
        for row, count in zip(rows.tolist(), shared.tolist(), strict=True)
    ]
    return findings({metric: score}, {"stability_words": table})
