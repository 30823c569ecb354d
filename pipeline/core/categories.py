"""Whether words of a category lie together."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.columns import read_columns, read_lines
from pipeline.core.randomness import generator
from pipeline.core.similarity import nearest
from pipeline.core.text import quoted
from pipeline.core.types import Counts, Doubles, Ids
from pipeline.errors import DataError

PRECISION_DEPTH = 10

# k-means keeps the best of this many starts. With about ten clusters of a few
# hundred points more starts find no better one.
_STARTS = 10


def neighbor_precision(
    unit: Doubles, groups: Mapping[str, Ids]
) -> Mapping[str, tuple[Ids, Doubles]]:
    """Return the neighbors of categories' words and the share inside the category.

    A word's neighbors are its nearest min(10, m - 1) of the whole vocabulary, so
    that a category of fewer than eleven words can still reach 1.

    Args:
        unit: Shape (V, d), from `unit_vectors`.
        groups: Category -> shape (m,). Ids of its words, each once.

    Returns:
        Category -> neighbors, shape (m, K), nearest first, and shares, shape (m,), in
        [0, 1]; K = min(10, m - 1). A single member has no neighbor to expect: both are
        empty.
    """
    words = np.unique(np.concatenate([np.empty(0, np.int32), *groups.values()]))
    neighbors, _ = nearest(unit, words, PRECISION_DEPTH)
    found = {}
    for name, members in groups.items():
        if len(members) < 2:
            found[name] = np.empty((0, 0), np.int32), np.empty(0)
            continue
        depth = min(PRECISION_DEPTH, len(members) - 1)
        near = neighbors[np.searchsorted(words, members), :depth]
        found[name] = near, np.isin(near, members).mean(axis=1)
    return found


def cluster(
    points: Doubles, clusters: int, seed: int, *, starts: int = _STARTS
) -> npt.NDArray[np.int32]:
    """Return the k-means cluster of each point.

    Args:
        points: Shape (n, d). Unit vectors, so that squared distances are
            2 - 2 cos.
        clusters: How many; fewer where fewer points are distinct.
        seed: The run's seed.
        starts: The best of how many is kept.

    Returns:
        Shape (n,), int32, numbered from 0 by first appearance.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import (
        threadpool_limits,
    )

    distinct = len(np.unique(points, axis=0))
    start = int(generator(seed, "evaluate", "kmeans").integers(2**32))
    model = KMeans(min(clusters, distinct), n_init=starts, random_state=start)
    # k-means adds up its centers thread by thread; with one thread the order of
    # the sums, and so a point between two centers, is always the same.
    with threadpool_limits(1):
        labels = model.fit(points).labels_
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int32)


def read_categories(path: Path) -> Mapping[str, tuple[str, ...]]:
    """Read categories with their words, in one of three forms.

    A line `: name` opens a category, and any other holds words of it, separated by
    white space; or each line is a category, `name: word word` or `name: word, word`;
    or each line holds a word and its category, in two columns separated as
    `read_columns` says. A header may name the columns, and then either may come
    first. Blank lines and lines that start with # are skipped.

    Returns:
        Category -> its words, each once, in the order of the file.

    Raises:
        DataError: if the file cannot be read, is not UTF-8, has a line of another
            form (file and line are named), holds no word, or several categories and
            none of two words.
    """
    lines = [
        (number, stripped)
        for number, line in enumerate(read_lines(path), 1)
        if (stripped := line.strip()) and not stripped.startswith("#")
    ]
    first = lines[0][1] if lines else ""
    if first.startswith(":"):
        members = _read_sections(path, lines)
    elif _LISTED.match(first):
        members = _read_lists(path, lines)
    else:
        members = _read_members(path)
    found: dict[str, dict[str, None]] = {}
    for category, word in members:
        found.setdefault(category, {})[word] = None
    if not found:
        raise DataError(f"{path}: expected words with their categories, found none")
    if len(found) > 1 and max(map(len, found.values())) == 1:
        raise DataError(
            f"{path}: expected categories of several words, found one word in each. "
            "Is the category the first column? Then put a header above: category word"
        )
    return {category: tuple(words) for category, words in found.items()}


def _read_sections(
    path: Path, lines: Iterable[tuple[int, str]]
) -> Iterator[tuple[str, str]]:
    """Yield category and word of words below `: category` lines."""
    category = ""
    for number, line in lines:
        if line.startswith(":"):
            category = line.removeprefix(":").strip()
            if not category:
                raise DataError(f"{path}:{number}: expected a name after the colon")
        else:
            yield from ((category, word) for word in line.split())


def _read_lists(
    path: Path, lines: Iterable[tuple[int, str]]
) -> Iterator[tuple[str, str]]:
    """Yield category and word of `category: word word` lines."""
    for number, line in lines:
        listed = _LISTED.match(line)
        if not listed:
            raise DataError(
                f"{path}:{number}: expected 'category: word word', found {quoted(line)}"
            )
        words = line[listed.end() :].replace(",", " ").split()
        yield from ((listed[1], word) for word in words)


def _read_members(path: Path) -> Iterator[tuple[str, str]]:
    """Yield category and word of lines with a word and its category."""
    swapped = False
    for i, (number, fields) in enumerate(read_columns(path, ("word", "category"))):
        if i == 0:
            names = [field.lower() for field in fields]
            swapped = names[0] in _HEADERS and names[1] in _WORDS
            if swapped or names[1] in _HEADERS:
                continue
        word, category = reversed(fields) if swapped else fields
        if not word:
            raise DataError(f"{path}:{number}: expected a word of {category!r}")
        if not category:
            raise DataError(f"{path}:{number}: expected a category of {word!r}")
        yield category, word


# What a header calls the columns.
_HEADERS = ("category", "class", "label")
_WORDS = ("word", "concept", "noun")

# A category with its words in one line.
_LISTED = re.compile(r"([^\s:,][^:,\t]*):\s+(?=[^\s,])")


def crossed(
    classes: npt.NDArray[np.int32], clusters: npt.NDArray[np.int32]
) -> tuple[Counts, tuple[int, int]]:
    """Return in which cell of the table clusters x classes each point lies.

    Args:
        classes: Shape (n,), n ≥ 1. Non-negative.
        clusters: Shape (n,). Non-negative.

    Returns:
        Shape (n, cells), int64: 1 in the point's cell, row by row, else 0; and the
        table's shape.
    """
    shape = int(clusters.max()) + 1, int(classes.max()) + 1
    cells = clusters.astype(np.int64) * shape[1] + classes
    return (cells[:, np.newaxis] == np.arange(shape[0] * shape[1])).astype(
        np.int64
    ), shape


def purity(tables: Counts) -> Doubles:
    """Return the share of points in their cluster's most common class.

    purity = 1/n Σ_k max_j |cluster k ∩ class j|

    Args:
        tables: Shape (..., clusters, classes). Points in each cell, n ≥ 1 in all.

    Returns:
        Shape (...), in (0, 1].

    Source: Manning, Raghavan and Schütze 2008, "Introduction to Information
    Retrieval", section 16.3.
    """
    result: Doubles = tables.max(axis=-1).sum(axis=-1) / tables.sum(axis=(-2, -1))
    return result


def adjusted_rand(tables: Counts, squares: Counts) -> Doubles:
    """Return how well clusters and classes agree on pairs, less what chance gives.

    (Σ_kj pairs(k, j) - E) / (½ (Σ_k pairs(k) + Σ_j pairs(j)) - E),
    E = Σ_k pairs(k) Σ_j pairs(j) / pairs

    Points may stand in the table several times, as in a resample. A point makes no
    pair with itself: m points that stand there w_i times make
    (Σ w_i)² / 2 - Σ w_i² / 2 pairs.

    Args:
        tables: Shape (..., clusters, classes). Σ w_i of each cell.
        squares: Shape (..., clusters, classes). Σ w_i² of each cell.

    Returns:
        Shape (...), at most 1; about 0 by chance, and 1 where both are trivial (all
        points together, or each alone).

    Source: Hubert and Arabie 1985, "Comparing Partitions".
    """

    def pairs(points: Counts, own: Counts) -> Doubles:
        return (points**2 - own) / 2

    rows = pairs(tables.sum(axis=-1), squares.sum(axis=-1)).sum(axis=-1)
    columns = pairs(tables.sum(axis=-2), squares.sum(axis=-2)).sum(axis=-1)
    every = pairs(tables.sum(axis=(-2, -1)), squares.sum(axis=(-2, -1)))
    both = pairs(tables, squares).sum(axis=(-2, -1))
    expected = rows * columns / np.maximum(every, 1)
    possible = (rows + columns) / 2 - expected
    result: Doubles = np.ones(np.shape(every))
    np.divide(both - expected, possible, out=result, where=possible > 0)
    return result
