"""Score a tagger: entities as conlleval counts them, and tags one by one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.core.conlleval import (
    Tagset,
    count_matches,
    entity_score,
    find_entities,
    read_tags,
)
from pipeline.core.findings import Findings, Score, findings
from pipeline.core.intervals import interval_of, ratios, resampled_sums
from pipeline.core.randomness import generator
from pipeline.core.span_scores import resampled_measures, span_groups
from pipeline.core.types import Counts, Doubles, Ids

# Logarithms and their sums differ in the last digits between processors; confidences
# are not known to more than these.
_DIGITS = 6


@dataclass(frozen=True)
class Tagged:
    """A split, what its tags are, and what a tagger says they are.

    Attributes:
        split: Its name.
        table: Its sentences; column `tokens` is list<string>.
        offsets: Shape (S + 1,). Of the sentences.
        tags: T tags.
        gold: Shape (N,). Positions in `tags`.
        found: Shape (N,). What the tagger says.
        confidence: Shape (N,), in [0, 1]. How probable the tagger holds that to be.
        known: Shape (N,), bool. Whether the tagger has learned from the token's word.
        likelihoods: Shape (S,), nats.
    """

    split: str
    table: pa.Table
    offsets: Counts
    tags: tuple[str, ...]
    gold: Ids
    found: Ids
    confidence: Doubles
    known: npt.NDArray[np.bool_]
    likelihoods: Doubles


def score_tags(tagged: Tagged, *, spans: bool, seed: int) -> Findings:
    """Score what a tagger says of a split.

    `tag/<split>/accuracy` is the share of tokens with the right tag, `accuracy_unknown`
    that of tokens whose words were not learned from, and `unknown` their share. Where
    tags are spans, `tag/<split>/f1`, `/precision` and `/recall` are those of spans of
    all types together (micro), `tag/<split>/f1/<type>` and the like those of one type.

    Args:
        tagged: Both sides.
        spans: Whether tags are spans in IOB.
        seed: Of the intervals.

    Returns:
        The metrics, and the tables `tag_scores` (each metric with its interval),
        `tag_confusion` (tokens by tag and by tag found), `tag_sentences` and
        `tag_tokens`.
    """
    sentences = len(tagged.offsets) - 1
    tokens = len(tagged.gold)
    right = tagged.gold == tagged.found
    prefix = f"tag/{tagged.split}"
    scores: dict[str, Score | float | None] = {}
    tables = {
        "tag_confusion": _confusion(tagged),
        "tag_tokens": _token_table(tagged),
    }
    sentence_columns = {
        "sentence": np.arange(sentences),
        "tokens": np.diff(tagged.offsets),
        "wrong": _sums(~right, tagged.offsets),
        "log_likelihood": np.round(tagged.likelihoods, _DIGITS),
    }
    if not tokens:
        return Findings({}, {})
    tagset = read_tags(tagged.tags) if spans else None
    if tagset and tagset.kinds:
        counts = count_matches(
            find_entities(tagset, tagged.gold, tagged.offsets),
            find_entities(tagset, tagged.found, tagged.offsets),
            tagged.offsets,
            len(tagset.kinds),
        )  # (S, kinds, 3)
        scores |= _span_scores(prefix, tagset, counts, tagged, seed)
        for i, name in enumerate(("correct", "found", "gold")):
            sentence_columns[name] = counts[:, :, i].sum(axis=1)
    for ending, counted in (
        ("", np.ones(tokens, np.bool_)),
        ("_unknown", ~tagged.known),
    ):
        parts = np.stack(
            [_sums(right & counted, tagged.offsets), _sums(counted, tagged.offsets)], 1
        )
        correct, of = parts.sum(axis=0).tolist()
        sums = resampled_sums(_stream(seed, prefix, f"accuracy{ending}"), parts)
        scores[f"{prefix}/accuracy{ending}"] = Score(
            correct / of if of else None,
            "tokens",
            tokens,
            int(tagged.known.sum()),
            interval=interval_of(ratios(*sums.T)),
            note=f"{correct} of {of} tokens right",
            headline=not ending,
        )
    scores[f"{prefix}/unknown"] = 1 - float(tagged.known.mean())
    found = findings(scores)
    tables["tag_sentences"] = _with_split(tagged.split, pa.table(sentence_columns))
    return Findings(
        found.scores,
        {"tag_scores": found.tables["scores"]} | tables,
    )


def _span_scores(
    prefix: str, tagset: Tagset, counts: Counts, tagged: Tagged, seed: int
) -> dict[str, Score]:
    """Return F1, precision and recall, of all types and of each."""
    kinds = len(tagset.kinds)
    # Sentences are what is drawn: the entities of one are not independent.
    sums = resampled_sums(
        _stream(seed, prefix, "spans"), counts.reshape(-1, 3 * kinds)
    ).reshape(-1, kinds, 3)
    scores: dict[str, Score] = {}
    for ending, chosen in span_groups(tagset):
        own = entity_score(*counts[:, chosen].sum(axis=(0, 1)).tolist())
        if not own.gold + own.found:
            continue
        for measure, values in resampled_measures(sums[:, chosen]).items():
            scores[f"{prefix}/{measure}{ending}"] = Score(
                getattr(own, measure),
                "tokens",
                len(tagged.gold),
                int(tagged.known.sum()),
                interval=interval_of(values),
                note=f"{own.correct} correct, {own.found} found, {own.gold} gold",
                headline=measure == "f1" and not ending,
            )
    return scores


def _stream(seed: int, *path: str) -> np.random.Generator:
    return generator(seed, "tag", "bootstrap", *path)


def _sums(what: npt.NDArray[np.bool_], offsets: Counts) -> Counts:
    """Return how many of each sentence's tokens are so: shape (S,), int64."""
    running = np.concatenate([[0], np.cumsum(what)])
    sums: Counts = running[offsets[1:]] - running[offsets[:-1]]
    return sums


def _confusion(tagged: Tagged) -> pa.Table:
    """Return a row for each pair of tags that occurs: in the corpus, and as found."""
    size = len(tagged.tags)
    pairs, tokens = np.unique(
        tagged.gold.astype(np.int64) * size + tagged.found, return_counts=True
    )
    tags = pa.array(tagged.tags, pa.string())
    columns = {
        "gold": tags.take(pa.array(pairs // max(size, 1))),
        "found": tags.take(pa.array(pairs % max(size, 1))),
        "tokens": tokens,
    }
    return _with_split(tagged.split, pa.table(columns))


def _token_table(tagged: Tagged) -> pa.Table:
    """Return a row for each token."""
    tags = pa.array(tagged.tags, pa.string())
    lengths = np.diff(tagged.offsets)
    starts = np.repeat(tagged.offsets[:-1], lengths)
    text = [chunk.flatten() for chunk in tagged.table.column("tokens").chunks]
    columns = {
        "sentence": np.repeat(np.arange(len(lengths)), lengths),
        "token": np.arange(len(tagged.gold)) - starts,  # from 0, like sentences
        "text": pa.chunked_array(text, pa.string()),
        "gold": tags.take(pa.array(tagged.gold)),
        "found": tags.take(pa.array(tagged.found)),
        "confidence": np.round(tagged.confidence, _DIGITS),
        "known": tagged.known,
    }
    return _with_split(tagged.split, pa.table(columns))


def _with_split(split: str, table: pa.Table) -> pa.Table:
    name = pa.array([split] * table.num_rows, pa.string())
    return table.add_column(0, "split", name)
