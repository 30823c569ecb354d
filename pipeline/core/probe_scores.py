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
from pipeline.core.findings import Columns, Findings, Score, findings, put_together
from pipeline.core.intervals import interval_of, resampled_sums
from pipeline.core.probe import Classifier, count_windows, windows_of
from pipeline.core.randomness import generator
from pipeline.core.span_scores import resampled_measures, span_groups
from pipeline.core.tags import read_column
from pipeline.core.types import (
    UNKNOWN,
    Controls,
    Corpus,
    Counts,
    Doubles,
    EncodedCorpus,
    Ids,
)
from pipeline.errors import DataError

ONEHOT = "f1_onehot"  # ends the metric of frequent words told apart


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
    *,
    train: str,
    scored: Mapping[str, str],
    window: int,
    shrinkage: float,
    controls: Controls,
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
        train: Split to train on.
        scored: Prefix of the metrics -> split to score, such as `probe`.
        window: Words at each side of a token that the classifier sees.
        shrinkage: See `Training.fit`.
        controls: What random vectors score, and frequent words told apart.
        seed: Of the intervals.

    Raises:
        DataError: if a tag is not one of IOB.
    """
    names = list(dict.fromkeys([train, *scored.values()]))
    tagset, tagged = read_entities(corpus, encoded, names)
    training = count_windows(
        *(encoded.splits[train], tagged[train].tags, tagset),
        window=window,
        words=len(unit),
    )
    classifier = training.fit(unit, shrinkage)
    return put_together(
        [
            _score_split(
                prefix,
                tagged[split],
                encoded,
                tagset,
                classifier,
                window=window,
                controls=controls,
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
    classifier: Classifier,
    *,
    window: int,
    controls: Controls,
    seed: int,
) -> Findings:
    split = encoded.splits[tagged.name]
    gold = find_entities(tagset, tagged.tags, split.offsets)
    tags = classifier.tag(windows_of(split, window))
    found = find_entities(tagset, tags, split.offsets)
    counts = count_matches(gold, found, split.offsets, len(tagset.kinds))  # (S, k, 3)
    tokens = len(split.ids)
    known = int((np.asarray(split.ids) != UNKNOWN).sum())
    scores: dict[str, Score | float | None] = {}
    scores[f"{prefix}/unknown"] = 1 - known / tokens if tokens else None
    if not (tokens and tagset.kinds):
        return findings(scores)
    # Sentences are what is drawn: the entities of one are not independent.
    sums = resampled_sums(
        generator(seed, "evaluate", "bootstrap", prefix),
        counts.reshape(-1, 3 * len(tagset.kinds)),
    ).reshape(-1, len(tagset.kinds), 3)
    for ending, kinds in span_groups(tagset):
        own = entity_score(*counts[:, kinds].sum(axis=(0, 1)).tolist())
        if not own.gold + own.found:
            continue
        for measure, values in resampled_measures(sums[:, kinds]).items():
            metric = f"{prefix}/{measure}{ending}"
            scores[metric] = Score(
                getattr(own, measure),
                "tokens",
                tokens,
                known,
                interval=interval_of(values),
                # Not there where random vectors find none of what there is none of.
                random=controls.scores.get(metric, 0.0),
                note=f"{own.correct} correct, {own.found} found, {own.gold} gold",
                headline=measure == "f1" and not ending,
            )
        if not ending:
            onehot = f"{prefix}/{ONEHOT}"
            scores[onehot] = controls.scores.get(onehot, 0.0)
    entities = _entity_columns(tagged, tagset, split.offsets, gold, found)
    return findings(scores, {"probe_entities": entities})


def _entity_columns(
    tagged: TaggedSplit,
    tagset: Tagset,
    offsets: Counts,
    gold: Entities,
    found: Entities,
) -> Columns:
    """Return a row for each span that the corpus or the probe has as an entity."""
    spans, sides = _spans(gold, found)
    kinds = (*tagset.kinds, None)  # the last, -1, is that of no entity
    sentences = np.searchsorted(offsets, spans[:, 0], side="right") - 1
    tokens = tagged.table.column("tokens")
    words = [word for chunk in tokens.chunks for word in chunk.flatten().to_pylist()]
    return {
        "split": [tagged.name] * len(spans),
        "sentence": sentences,
        "token": spans[:, 0] - offsets[sentences],
        "tokens": spans[:, 1] - spans[:, 0],
        "text": [" ".join(words[start:end]) for start, end in spans.tolist()],
        "gold": [kinds[kind] for kind in sides[0].tolist()],
        "found": [kinds[kind] for kind in sides[1].tolist()],
    }


def _spans(gold: Entities, found: Entities) -> tuple[Counts, Ids]:
    """Return the spans of entities, ascending, and the type of each in both readings.

    Returns:
        First token and the one past the last, shape (n, 2); and types, shape (2, n),
        -1 where a reading has no such entity.
    """
    each = [np.stack([side.starts, side.ends], axis=1) for side in (gold, found)]
    spans, place = np.unique(np.concatenate(each), axis=0, return_inverse=True)
    kinds = np.full((2, len(spans)), -1, np.int32)
    kinds[0, place[: len(gold.starts)]] = gold.kinds
    kinds[1, place[len(gold.starts) :]] = found.kinds
    return spans, kinds
