"""Score vectors by how well words of a category lie together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core.categories import (
    adjusted_rand,
    cluster,
    crossed,
    neighbor_precision,
    purity,
)
from pipeline.core.findings import Findings, Row, Score, findings, share, slug
from pipeline.core.intervals import (
    Interval,
    interval_of,
    ratio_interval,
    resamples,
    whole_sums,
)
from pipeline.core.randomness import generator
from pipeline.core.similarity import word_ids
from pipeline.core.types import UNKNOWN, Controls, Doubles, Embeddings, Ids

# Shares of up to ten neighbors are whole multiples of 1 / 2520: sums are exact.
_PARTS = 2520


def score_categories(
    embeddings: Embeddings,
    unit: Doubles,
    groups: Mapping[str, Sequence[str]],
    *,
    controls: Controls,
    seed: int,
    name: str = "",
) -> Findings:
    """Score how well words of a category lie together.

    `category/precision_at_10` is the mean over words of `neighbor_precision`,
    `category/<category>/precision_at_10` that of one category's words,
    `category/purity` and `category/adjusted_rand` those of k-means with as many
    clusters as categories. Of a named set they are `category/<name>/...`, and its
    categories have rows in the tables only.

    Intervals draw words. Those of purity and adjusted Rand hold the clusters fixed.

    Args:
        embeddings: Word vectors.
        unit: Shape (V, d). Their `unit_vectors`.
        groups: Category -> its words.
        controls: What random vectors score.
        seed: The run's seed.
        name: The set's part of the metric name; none for the built-in categories.
    """
    prefix = f"category/{name}" if name else "category"
    # Words that differ only in what the vocabulary ignores are one.
    words = {
        group: tuple(dict.fromkeys(map(embeddings.normalization, listed)))
        for group, listed in groups.items()
    }
    ids = {group: word_ids(embeddings, listed) for group, listed in words.items()}
    members = {group: found[found != UNKNOWN] for group, found in ids.items()}
    near = neighbor_precision(unit, members)
    asked, found = (sum(map(len, part.values())) for part in (ids, members))

    def precision(metric: str, chosen: Sequence[str], *, headline: bool) -> Score:
        shares = np.concatenate([near[group][1] for group in chosen])
        parts = np.rint(shares * _PARTS).astype(np.int64)
        return Score(
            share(int(parts.sum()), _PARTS * len(parts)),
            "words",
            sum(len(ids[group]) for group in chosen),
            sum(len(members[group]) for group in chosen),
            interval=ratio_interval(
                generator(seed, "evaluate", "bootstrap", metric),
                parts,
                np.full(len(parts), _PARTS),
            ),
            random=controls.scores.get(metric),
            headline=headline,
        )

    scores: dict[str, Score | float | None] = {}
    metric = f"{prefix}/precision_at_10"
    scores[metric] = precision(metric, tuple(groups), headline=True)
    clusters = _cluster(unit, list(members.values()), seed, metric=prefix)
    for measure in ("purity", "adjusted_rand"):
        scores[f"{prefix}/{measure}"] = Score(
            clusters.values.get(measure),
            "words",
            asked,
            found,
            interval=clusters.intervals.get(measure),
            random=controls.scores.get(f"{prefix}/{measure}"),
            headline=True,
        )
    scores[f"{prefix}/coverage"] = share(found, asked)
    totals: list[Row] = []
    for group in groups:
        metric = f"{prefix}/{slug(group)}/precision_at_10"
        score = precision(metric, [group], headline=False)
        coverage = share(len(members[group]), len(ids[group]))
        if not name:
            scores[metric] = score
            scores[f"{prefix}/{slug(group)}/coverage"] = coverage
        totals.append(
            {
                "set": name or "builtin",
                "category": group,
                "asked": score.asked,
                "found": score.found,
                "coverage": coverage,
                "precision_at_10": score.value,
            }
        )
    rows: list[Row] = []
    for group, listed in words.items():
        for word, i in zip(listed, ids[group].tolist(), strict=True):
            row: Row = {"set": name or "builtin", "category": group, "word": word}
            rows.append(row | {"found": i != UNKNOWN, "cluster": clusters.of.get(i)})
        # Shares and neighbors are those of the words found, in the same order.
        known = [row for row in rows[-len(listed) :] if row["found"]]
        neighbors, shares = near[group]
        for row, part, nearby in zip(known, shares.tolist(), neighbors, strict=False):
            row["precision_at_10"] = part
            row["neighbors"] = " ".join(embeddings.words[i] for i in nearby)
    return findings(scores, {"categories": totals, "category_words": rows})


@dataclass(frozen=True)
class _Clusters:
    """K-means of category words.

    Attributes:
        of: Word id -> cluster.
        values: Measure -> value.
        intervals: Measure -> interval.
    """

    of: Mapping[int, int]
    values: Mapping[str, float]
    intervals: Mapping[str, Interval | None]


def _cluster(
    unit: Doubles, members: Sequence[Ids], seed: int, *, metric: str
) -> _Clusters:
    """Cluster the words of categories.

    A word of several categories has no one right cluster and is left out. A
    single category is pure however it is clustered: then there is no score.
    """
    rows, times = np.unique(np.concatenate(members), return_counts=True)
    several = rows[times > 1]
    parts = [part[~np.isin(part, several)] for part in members]
    parts = [part for part in parts if len(part)]
    if len(parts) < 2:
        return _Clusters({}, {}, {})
    points = np.concatenate(parts)
    sizes = [len(part) for part in parts]
    classes = np.repeat(np.arange(len(parts), dtype=np.int32), sizes)
    labels = cluster(unit[points], len(parts), seed)
    by_id = dict(zip(points.tolist(), labels.tolist(), strict=True))
    rng = generator(seed, "evaluate", "bootstrap", metric, "clusters")
    return _Clusters(by_id, *_agreement(classes, labels, rng))


def _agreement(
    classes: npt.NDArray[np.int32],
    labels: npt.NDArray[np.int32],
    rng: np.random.Generator,
) -> tuple[Mapping[str, float], Mapping[str, Interval | None]]:
    """Return how well clusters agree with classes, and the intervals."""
    cells, shape = crossed(classes, labels)
    table = cells.sum(axis=0).reshape(shape)
    values = {
        "purity": float(purity(table)),
        "adjusted_rand": float(adjusted_rand(table, table)),
    }
    pure: list[Doubles] = []
    agreed: list[Doubles] = []
    for times in resamples(rng, len(classes)):
        tables, squares = (
            whole_sums(weights, cells).reshape(-1, *shape)
            for weights in (times, times**2)
        )
        pure.append(purity(tables))
        agreed.append(adjusted_rand(tables, squares))
    return values, {
        "purity": interval_of(np.concatenate(pure)),
        "adjusted_rand": interval_of(np.concatenate(agreed)),
    }
