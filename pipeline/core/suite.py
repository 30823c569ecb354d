"""All that vectors are scored on, and the scores of random vectors on the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.core.analogy import Question
from pipeline.core.analogy_scores import score_analogies
from pipeline.core.category_scores import score_categories
from pipeline.core.findings import Findings
from pipeline.core.geometry_scores import score_geometry
from pipeline.core.probe_scores import ONEHOT, score_probe
from pipeline.core.similarity import random_vectors, unit_vectors
from pipeline.core.similarity_scores import score_similarity
from pipeline.core.types import (
    Controls,
    Corpus,
    Counts,
    Doubles,
    Embeddings,
    EncodedCorpus,
    Vocab,
)
from pipeline.core.word_pairs import WordPair


@dataclass(frozen=True)
class Probe:
    """What a linear probe learns and is scored on.

    Attributes:
        corpus: Has the column `ner` in each split named.
        encoded: The same corpus as ids.
        train: Split to train on.
        scored: Prefix of the metrics -> split to score.
        window: Words at each side of a token that it sees.
        shrinkage: See `probe.Training.fit`.
    """

    corpus: Corpus
    encoded: EncodedCorpus
    train: str
    scored: Mapping[str, str]
    window: int
    shrinkage: float

    def score(self, unit: Doubles, controls: Controls, seed: int) -> Findings:
        """Score unit vectors; see `score_probe`."""
        return score_probe(
            self.corpus,
            self.encoded,
            unit,
            train=self.train,
            scored=self.scored,
            window=self.window,
            shrinkage=self.shrinkage,
            controls=controls,
            seed=seed,
        )


@dataclass(frozen=True)
class Suite:
    """What vectors are scored on, by the name of its metrics.

    Attributes:
        pairs: Word pairs.
        questions: Analogies, by section.
        groups: Categories with their words; the built-in ones have no name.
        asked_words: The most frequent words that analogies are asked and answered
            among; None for all.
        geometry_words: The most frequent words whose geometry is looked at; None
            for all.
        probe: None where there is none.
        kernel_cache: Folder for compiled code, or None; see `jit.compiled`.
    """

    pairs: Mapping[str, Sequence[WordPair]]
    questions: Mapping[str, Mapping[str, Sequence[Question]]]
    groups: Mapping[str, Mapping[str, Sequence[str]]]
    asked_words: int | None
    geometry_words: int | None
    probe: Probe | None
    kernel_cache: Path | None

    @property
    def size(self) -> int:
        """How many pairs, questions and words of categories there are."""
        nested = (*self.questions.values(), *self.groups.values())
        return sum(map(len, self.pairs.values())) + sum(
            len(part) for parts in nested for part in parts.values()
        )


def score_suite(
    suite: Suite,
    embeddings: Embeddings,
    unit: Doubles,
    counts: Counts,
    *,
    controls: Controls,
    seed: int,
    advance: Callable[[int, str], None],
) -> list[Findings]:
    """Score vectors on a suite.

    Args:
        suite: What they are scored on.
        embeddings: Word vectors.
        unit: Shape (V, d). Their `unit_vectors`.
        counts: Shape (V,). Occurrences of the words; all 0 where not known.
        controls: What random vectors score.
        seed: Of k-means and of the intervals.
        advance: Takes how much of `suite.size` is done, and what to show.
    """
    parts = []
    for name, pairs in suite.pairs.items():
        parts.append(
            score_similarity(
                embeddings, unit, name, pairs, controls=controls, seed=seed
            )
        )
        advance(len(pairs), name)
    for name, sections in suite.questions.items():
        parts.append(
            score_analogies(
                embeddings,
                unit[: suite.asked_words],
                name,
                sections,
                controls=controls,
                seed=seed,
                cache=suite.kernel_cache,
                advance=advance,
            )
        )
    for name, groups in suite.groups.items():
        parts.append(
            score_categories(
                embeddings, unit, groups, controls=controls, seed=seed, name=name
            )
        )
        advance(sum(map(len, groups.values())), f"{name or 'built-in'} categories")
    if suite.probe:
        parts.append(suite.probe.score(unit, controls, seed))
    parts.append(
        score_geometry(
            embeddings,
            unit,
            counts,
            controls=controls,
            words=suite.geometry_words or len(unit),
            seed=seed,
        )
    )
    return parts


def score_controls(
    suite: Suite,
    vocab: Vocab,
    dim: int,
    *,
    seed: int,
    advance: Callable[[int, str], None],
) -> Controls:
    """Score random vectors on a suite, as vectors with a meaning are scored.

    A probe is scored with one more set of vectors: the d most frequent words told
    apart, and all others alike.

    Args:
        suite: What they are scored on.
        vocab: The words.
        dim: d, their width.
        seed: Of the random vectors and of k-means.
        advance: Takes how much of `suite.size` is done, and what to show.
    """
    center = random_vectors(len(vocab.words), dim, seed)
    random = Embeddings(vocab.words, center, center[:, :0], vocab.normalization)
    none = Controls({}, seed)
    found = score_suite(
        suite,
        random,
        unit_vectors(center),
        vocab.counts,
        controls=none,
        seed=seed,
        advance=advance,
    )
    scores = {
        row["metric"]: row["value"]
        for part in found
        for row in part.tables["scores"].to_pylist()
        if row["value"] is not None
    }
    if suite.probe:
        apart = suite.probe.score(np.eye(len(center), dim), none, seed).scores
        for prefix in suite.probe.scored:
            if f"{prefix}/f1" in apart:
                scores[f"{prefix}/{ONEHOT}"] = apart[f"{prefix}/f1"]
    return Controls(scores, seed)
