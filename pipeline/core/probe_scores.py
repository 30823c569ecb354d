"""Score vectors by the entities that a linear probe finds with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.core.conlleval import (
    Entities,
    Tagset,
    count_matches,
    entity_score,
    find_entities,
    read_tags,
)
from pipeline.core.findings import Findings, Row, Score, findings, put_together
from pipeline.core.intervals import interval_of, resampled_sums
from pipeline.core.probe import Classifier, Training, windows_of
from pipeline.core.randomness import generator
from pipeline.core.span_scores import resampled_measures, span_groups
from pipeline.core.tags import read_column
from pipeline.core.types import UNKNOWN, Corpus, Counts, Doubles, EncodedCorpus, Ids
from pipeline.errors import DataError

# What the vectors are compared with: random ones, and words told apart.
_CONTROLS = ("random", "onehot")


@dataclass(frozen=True)
class TaggedSplit:
    """A split's tags beside its words.

    Attributes:
        name: The split.
        tags: Shape (N,), int32. Positions in the tagset.
        table: The sentences as written.
    """

    name: str
    tags: Ids
    table: pa.Table


def read_entities(
    corpus: Corpus, encoded: EncodedCorpus, splits: Sequence[str]
) -> tuple[Tagset, Mapping[str, TaggedSplit]]:
    """Return the entity tags of splits, and the tagset that they share.

    Raises:
        DataError: if a tag is not one of IOB, or tags and words do not line up.
    """
    tables = {name: corpus.splits[name] for name in splits}
    tags, codes = read_column(tables, "ner")
    tagset = read_tags(tags)
    tagged = {}
    for name, table in tables.items():
        if len(codes[name]) != len(encoded.splits[name].ids):
            raise DataError(
                f"split {name}: expected a tag for each of its "
                f"{len(encoded.splits[name].ids)} tokens, found {len(codes[name])}"
            )
        tagged[name] = TaggedSplit(name, codes[name], table)
    return tagset, tagged


def score_probe(
    corpus: Corpus,
    encoded: EncodedCorpus,
    unit: Doubles,
    random: Doubles,
    *,
    train: str,
    scored: Mapping[str, str],
    window: int,
    shrinkage: float,
    seed: int,
) -> Findings:
    """Train a probe on a split's entity tags and score it on others.

    `probe/f1`, `/precision` and `/recall` are those of entities of all types
    together (micro), `probe/f1/<type>` and the like those of one type. Beside them
    stand `probe/f1_random`, with random vectors, `probe/f1_onehot`, with the d most
    frequent words told apart and all others alike, and `probe/unknown`, the share
    of tokens that have no vector. They count like all others: the classifier gives
    them the mean vector.

    Args:
        corpus: Has the column `ner` in each split named.
        encoded: The same corpus as ids.
        unit: Shape (V, d). The `unit_vectors` of the words.
        random: Shape (V, d). Those of random vectors.
        train: Split to train on.
        scored: Prefix of the metrics -> split to score, such as `probe`.
        window: Words at each side of a token that the classifier sees.
        shrinkage: See `Training.fit`.
        seed: Of the intervals.

    Raises:
        DataError: if a tag is not one of IOB.
    """
    names = list(dict.fromkeys([train, *scored.values()]))
    tagset, tagged = read_entities(corpus, encoded, names)
    training = Training(
        windows_of(encoded.splits[train], window), tagged[train].tags, tagset, len(unit)
    )
    onehot = np.eye(*unit.shape)  # ids are ranks by frequency
    classifiers = {
        name: training.fit(vectors, shrinkage)
        for name, vectors in zip(
            ("vectors", *_CONTROLS), (unit, random, onehot), strict=True
        )
    }
    return put_together(
        [
            _score_split(
                prefix,
                tagged[split],
                encoded,
                tagset,
                classifiers,
                window=window,
                seed=seed,
            )
            for prefix, split in scored.items()
        ]
    )


def _score_split(
    prefix: str,
    tagged: TaggedSplit,
    encoded: EncodedCorpus,
    tagset: Tagset,
    classifiers: Mapping[str, Classifier],
    *,
    window: int,
    seed: int,
) -> Findings:
    split = encoded.splits[tagged.name]
    windows = windows_of(split, window)
    gold = find_entities(tagset, tagged.tags, split.offsets)
    found = {
        name: find_entities(tagset, classifier.tag(windows), split.offsets)
        for name, classifier in classifiers.items()
    }
    counts = {
        name: count_matches(gold, entities, split.offsets, len(tagset.kinds))
        for name, entities in found.items()
    }  # (S, kinds, 3) each
    tokens = len(split.ids)
    known = int((np.asarray(split.ids) != UNKNOWN).sum())
    scores: dict[str, Score | float | None] = {}
    scores[f"{prefix}/unknown"] = 1 - known / tokens if tokens else None
    if not (tokens and tagset.kinds):
        return findings(scores)
    # Sentences are what is drawn: the entities of one are not independent.
    sums = resampled_sums(
        generator(seed, "evaluate", "bootstrap", prefix),
        counts["vectors"].reshape(-1, 3 * len(tagset.kinds)),
    ).reshape(-1, len(tagset.kinds), 3)
    for ending, kinds in span_groups(tagset):
        own, chance, onehot = (
            entity_score(*count[:, kinds].sum(axis=(0, 1)).tolist())
            for count in (counts[name] for name in ("vectors", *_CONTROLS))
        )
        if not own.gold + own.found:
            continue
        for measure, values in resampled_measures(sums[:, kinds]).items():
            scores[f"{prefix}/{measure}{ending}"] = Score(
                getattr(own, measure),
                "tokens",
                tokens,
                known,
                interval=interval_of(values),
                random=getattr(chance, measure),
                note=f"{own.correct} correct, {own.found} found, {own.gold} gold",
                headline=measure == "f1" and not ending,
            )
        if not ending:
            scores[f"{prefix}/f1_onehot"] = onehot.f1
    rows = _entity_rows(tagged, tagset, split.offsets, gold, found["vectors"])
    return findings(scores, {"probe_entities": rows})


def _entity_rows(
    tagged: TaggedSplit,
    tagset: Tagset,
    offsets: Counts,
    gold: Entities,
    found: Entities,
) -> list[Row]:
    """Return a row for each entity that the corpus or the probe has."""
    spans: dict[tuple[int, int], Row] = {}
    for column, entities in (("gold", gold), ("found", found)):
        for start, end, kind in zip(
            entities.starts.tolist(),
            entities.ends.tolist(),
            entities.kinds.tolist(),
            strict=True,
        ):
            spans.setdefault((start, end), {})[column] = tagset.kinds[kind]
    words = [
        word
        for chunk in tagged.table.column("tokens").chunks
        for word in chunk.flatten()
    ]
    rows: list[Row] = []
    for (start, end), types in sorted(spans.items()):
        sentence = int(np.searchsorted(offsets, start, side="right")) - 1
        rows.append(
            {
                "split": tagged.name,
                "sentence": sentence,
                "token": start - int(offsets[sentence]),
                "tokens": end - start,
                "text": " ".join(word.as_py() for word in words[start:end]),
            }
            | types
        )
    return rows
