"""What the nearest neighbors of category words are, run by run.

    python experiments/recommended/neighbors.py RUN...

A row for each run, over the words of the built-in categories that it knows:

    precision    of ten neighbors, those of the same category (category/precision_at_10)
    rare         of ten neighbors, those seen fewer than five times
    beside       of ten neighbors, those that stood within the window of the word
    precision 5  the first, with neighbors among the words seen five times or more
    centered     the first, with the mean vector taken away from all
    cosine       mean cosine of two words
    norm 1, 16   mean norm of words seen once, and 16 to 31 times
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.cache import Cache
from pipeline.core.files import expanded
from pipeline.core.geometry import mean_cosine
from pipeline.core.similarity import unit_vectors, word_ids
from pipeline.core.types import (
    UNKNOWN,
    Counts,
    Doubles,
    Embeddings,
    EncodedCorpus,
    Ids,
    Vocab,
)
from pipeline.core.wordlists import CATEGORIES
from pipeline.records import RunRecord, load_record

DEPTH = 10
RARE = 5
WIDTH = 80  # columns for a run's settings
COLUMNS = "precision  rare  beside  precision 5  centered  cosine  norm 1  norm 16"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--home", default="runs", type=Path)
    arguments = parser.parse_args()
    home = expanded(arguments.home).absolute()
    records = [load_record(home, run) for run in arguments.runs]
    print(f"{'run':<{WIDTH}}{COLUMNS}")
    for record in records:
        numbers = measure(record, Cache(home / "cache"))
        widths = (9, 6, 8, 13, 10, 8, 8, 9)
        row = "".join(
            f"{number:>{width}.2f}" if i not in (0, 3, 4) else f"{number:>{width}.3f}"
            for i, (number, width) in enumerate(zip(numbers, widths, strict=True))
        )
        print(f"{_name(record):<{WIDTH}}{row}")


def _name(record: RunRecord) -> str:
    keys = ("lr", "epochs", "window", "subsample", "init")
    settings = [f"{key} {record.params[f'train.{key}']}" for key in keys]
    min_count, seed = record.params["vocab.min_count"], record.params["seed"]
    return f"{' '.join(settings)} min_count {min_count} seed {seed}"


def measure(record: RunRecord, cache: Cache) -> tuple[float, ...]:
    """Return a run's row of the table."""
    outputs = {
        n: d for stage in record.stages.values() for n, d in stage.outputs.items()
    }
    vocab = cache.load(outputs["vocab"], Vocab)
    encoded = cache.load(outputs["encoded"], EncodedCorpus)
    embeddings = cache.load(outputs["embeddings"], Embeddings)
    window = int(record.params["train.window"])
    groups = {
        group: ids[ids != UNKNOWN]
        for group, words in CATEGORIES.items()
        for ids in [np.unique(word_ids(embeddings, words))]
    }
    groups = {group: ids for group, ids in groups.items() if len(ids) > 1}
    known = np.asarray(vocab.counts) >= RARE
    unit = unit_vectors(embeddings.center)
    centered = embeddings.center - embeddings.center.mean(axis=0)
    near = neighbors(unit, groups, np.ones(len(unit), bool))
    once = np.ones((1, len(unit)), np.int64)
    norms = np.linalg.norm(embeddings.center.astype(np.float64), axis=1)
    return (
        precision(near, groups),
        mean_share({g: ~known[found] for g, found in near.items()}),
        mean_share(beside(near, groups, encoded, window)),
        precision(neighbors(unit, groups, known), groups),
        precision(
            neighbors(unit_vectors(centered), groups, np.ones(len(unit), bool)), groups
        ),
        float(mean_cosine(unit, once)[0]),
        *(_mean(norms[_seen(vocab.counts, low)]) for low in (1, 16)),
    )


def _seen(counts: Counts, low: int) -> np.ndarray:
    return (counts >= low) & (counts < 2 * low)


def _mean(values: Doubles) -> float:
    """Return the mean; NaN where there is nothing."""
    return float(values.mean()) if len(values) else math.nan


def neighbors(
    unit: Doubles, groups: Mapping[str, Ids], among: np.ndarray
) -> dict[str, Ids]:
    """Return the nearest neighbors of each category's words.

    Args:
        unit: Shape (V, d), from `unit_vectors`.
        groups: Category -> ids of its m words.
        among: Shape (V,), bool. The words that may be neighbors.

    Returns:
        Category -> ids of shape (m, min(10, m - 1)).
    """
    found = {}
    for group, ids in groups.items():
        cosines = unit[ids] @ unit.T  # (m, V)
        cosines[:, ~among] = -np.inf
        cosines[np.arange(len(ids)), ids] = -np.inf
        depth = min(DEPTH, len(ids) - 1)
        found[group] = np.argsort(-cosines, axis=1, kind="stable")[:, :depth]
    return found


def precision(near: Mapping[str, Ids], groups: Mapping[str, Ids]) -> float:
    """Return the mean share of a word's neighbors that are of its category."""
    return mean_share({g: np.isin(found, groups[g]) for g, found in near.items()})


def mean_share(parts: Mapping[str, np.ndarray]) -> float:
    """Return the mean over words of the share of neighbors that are true."""
    return float(np.concatenate([part.mean(axis=1) for part in parts.values()]).mean())


def beside(
    near: Mapping[str, Ids],
    groups: Mapping[str, Ids],
    encoded: EncodedCorpus,
    window: int,
) -> dict[str, np.ndarray]:
    """Say which neighbors stood within the window of the word, somewhere."""
    asked: dict[int, set[int]] = {int(i): set() for ids in groups.values() for i in ids}
    for name in encoded.train_splits:
        split = encoded.splits[name]
        for start, end in zip(split.offsets, split.offsets[1:], strict=False):
            _note(split.ids[start:end].tolist(), window, asked)
    return {
        group: np.array(
            [
                [int(j) in asked[int(i)] for j in row]
                for i, row in zip(groups[group], found, strict=True)
            ]
        )
        for group, found in near.items()
    }


def _note(sentence: Sequence[int], window: int, asked: Mapping[int, set[int]]) -> None:
    for at, word in enumerate(sentence):
        if word in asked:
            asked[word].update(sentence[max(0, at - window) : at])
            asked[word].update(sentence[at + 1 : at + 1 + window])


if __name__ == "__main__":
    main()
