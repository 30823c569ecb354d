"""Score vectors by how people judge pairs of words."""

from collections.abc import Sequence

import numpy as np

from pipeline.core.correlation import spearman, spearman_interval
from pipeline.core.findings import Findings, Row, Score, findings
from pipeline.core.randomness import generator
from pipeline.core.similarity import word_ids
from pipeline.core.types import Controls, Doubles, Embeddings
from pipeline.core.word_pairs import WordPair, score_pairs

ZERO = "_zero"  # ends the metric of the other policy


def score_similarity(
    embeddings: Embeddings,
    unit: Doubles,
    name: str,
    pairs: Sequence[WordPair],
    *,
    controls: Controls,
    seed: int,
) -> Findings:
    """Score a set of word pairs by Spearman's ρ, under both policies for words missing.

    `similarity/<name>` is over the pairs that the vocabulary covers, and
    `similarity/<name>_zero` over all, those not covered having cosine 0. The second
    compares vectors of different vocabularies on the same pairs, and punishes
    missing words; the first says how good the words are that are there.
    `similarity/<name>_coverage` is the share of pairs covered.

    Args:
        embeddings: Word vectors.
        unit: Shape (V, d). Their `unit_vectors`.
        name: The set's part of the metric name.
        pairs: At least one.
        controls: What random vectors score.
        seed: Of the intervals.
    """
    words = [word for pair in pairs for word in (pair.first, pair.second)]
    ids = word_ids(embeddings, words).reshape(-1, 2)
    human = np.array([pair.score for pair in pairs])
    result = score_pairs(unit, ids, human)
    covered, asked = int(result.found.sum()), len(pairs)
    metric = f"similarity/{name}"
    rng = generator(seed, "evaluate", "bootstrap", metric)
    skip = Score(
        result.spearman,
        "pairs",
        asked,
        covered,
        interval=spearman_interval(
            rng, result.cosines[result.found], human[result.found]
        ),
        random=controls.scores.get(metric),
        note=result.note,
        headline=True,
    )
    rng = generator(seed, "evaluate", "bootstrap", metric + ZERO)
    zero = Score(
        spearman(result.cosines, human),
        "pairs",
        asked,
        covered,
        interval=spearman_interval(rng, result.cosines, human),
        random=controls.scores.get(metric + ZERO),
        note="a pair that is not covered has cosine 0",
    )
    low, high = skip.interval or (None, None)
    total: Row = {
        "set": name,
        "asked": asked,
        "found": covered,
        "coverage": result.coverage,
        "spearman": result.spearman,
        "low": low,
        "high": high,
        "random": skip.random,
        "spearman_zero": zero.value,
        "note": result.note,
    }
    scored = zip(pairs, result.found.tolist(), result.cosines.tolist(), strict=True)
    rows: list[Row] = [
        {
            "set": name,
            "line": pair.line,
            "first": pair.first,
            "second": pair.second,
            "human": pair.score,
            "found": found,
            "cosine": cosine if found else None,
        }
        for pair, found, cosine in scored
    ]
    return findings(
        {metric: skip, metric + ZERO: zero, f"{metric}_coverage": result.coverage},
        {"similarity": [total], "similarity_pairs": rows},
    )
