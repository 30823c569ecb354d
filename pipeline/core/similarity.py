"""Which words lie near each other.

Every cosine here is exact arithmetic on slightly rounded unit vectors (see
`unit_vectors`), so that no ranking depends on the BLAS library, its number of
threads or the order of its additions, and equal vectors tie exactly. Ties go to
the lower id, the more frequent word.
"""

import difflib
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.core.randomness import generator
from pipeline.core.types import UNKNOWN, Doubles, Embeddings, Floats, Ids
from pipeline.errors import ConfigError, DataError

# A component of a unit vector is a multiple of 1 / _GRID.
_GRID = 2.0**26

Places = npt.NDArray[np.intp]
Real = TypeVar("Real", Floats, Doubles)

# Rows of cosines held at a time: 64 MiB are 118 rows for 71,000 words.
_BATCH_BYTES = 64 * 2**20

# Scores of which the highest is looked at; more make fewer columns, and more of the
# other scores reach what the columns do.
_ROWS = 32

# Pairs whose vectors are held at a time: 26 MiB for 200 dimensions.
_PAIRS = 2**13

# Candidates for a close spelling: difflib takes about 5 µs for each.
_MAX_CANDIDATES = 20_000


def unit_vectors(vectors: Floats) -> Doubles:
    """Return the rows divided by their norms and rounded to multiples of 2⁻²⁶.

    With this rounding each product of two components is a multiple of 2⁻⁵², and
    each partial sum of a dot product too; being below 2 in size (Cauchy-Schwarz),
    it fits the 53 bits of a double. So dot products of these rows are exact,
    whatever the order of summation. The rounding moves a cosine by at most
    √d · 2⁻²⁶ (2e-7 for d = 200), typically by 1e-8: less than float32 did.

    Args:
        vectors: Shape (V, d), float32.

    Returns:
        Shape (V, d), float64. A zero row stays zero: its cosines are 0.

    Raises:
        DataError: if a component is NaN or infinite.
    """
    unit = vectors.astype(np.float64)
    # Neither BLAS nor a second (V, d) array is needed for the norms.
    norms = np.sqrt(np.einsum("ij,ij->i", unit, unit))  # (V,)
    broken = np.flatnonzero(~np.isfinite(norms))
    if broken.size:
        raise DataError(
            f"vectors: expected finite numbers, found NaN or infinity in "
            f"{broken.size} of {len(norms)} rows, first in row {broken[0]}. Did "
            "training diverge? Try a smaller learning rate"
        )
    unit /= np.where(norms > 0, norms, 1)[:, np.newaxis]
    unit *= _GRID
    np.rint(unit, out=unit)
    unit /= _GRID
    return unit


def random_vectors(words: int, dim: int, seed: int) -> Floats:
    """Return vectors in random directions, to score as others are scored.

    Those of fewer words are the first of those of more.

    Args:
        words: V.
        dim: d.
        seed: That of the controls.

    Returns:
        Shape (V, d), float32; not of length 1.
    """
    rng = generator(seed, "evaluate", "random")
    return rng.standard_normal((words, dim), np.float32)


def cosines(unit: Doubles, rows: Ids) -> Doubles:
    """Return the cosine of each given row with every row.

    Args:
        unit: Shape (V, d), from `unit_vectors`.
        rows: Shape (Q,). Ids.

    Returns:
        Shape (Q, V), in [-1, 1].
    """
    product: Doubles = unit[rows] @ unit.T  # (Q, V)
    # Rounding lets a vector's cosine with itself differ from 1 by 1e-8.
    return np.clip(product, -1, 1, out=product)


def batch_rows(words: int) -> int:
    """Return how many rows of cosines with `words` words make a batch."""
    return max(1, _BATCH_BYTES // (8 * max(words, 1)))


def best(scores: Doubles, top_k: int) -> Ids:
    """Return the ids of the highest scores, highest first, ties by id.

    Args:
        scores: Shape (V,), free of NaN.
        top_k: How many; at most V are returned.
    """
    top_k = min(top_k, len(scores))
    if top_k == 0:
        return np.empty(0, np.int32)
    if top_k == 1:
        return np.array([scores.argmax()], np.int32)  # the first of equals
    (least,) = _reached(scores[np.newaxis], top_k)
    candidates = np.flatnonzero(scores >= least)  # by id
    order = np.argsort(-scores[candidates], kind="stable")[:top_k]
    return candidates[order].astype(np.int32)


def _reached(scores: Real, top_k: int) -> Real:
    """Return for each row a number that at least `top_k` scores reach, and few more.

    Each column of a table of a row's scores has a highest one: the `top_k` highest of
    these are as many scores. That takes a fourth of the time of finding the
    `top_k`-th score itself.

    Args:
        scores: Shape (b, V).
        top_k: 1 to V.

    Returns:
        Shape (b,).
    """
    columns = scores.shape[1] // _ROWS
    if columns >= 4 * top_k:
        table = scores[:, : _ROWS * columns].reshape(-1, _ROWS, columns)
        scores = table.max(axis=1)
    return np.partition(scores, -top_k, axis=1)[:, -top_k]


def nearest(unit: Doubles, rows: Ids, top_k: int) -> tuple[Ids, Doubles]:
    """Return the nearest other words of each given word.

    Single precision says which words may be among the nearest, few more than there
    are; their exact cosines order them.

    Args:
        unit: Shape (V, d), from `unit_vectors`.
        rows: Shape (Q,). Ids of the words asked for.
        top_k: How many neighbors; at most the V - 1 other words.

    Returns:
        Ids, shape (Q, K), and cosines, shape (Q, K), nearest first, ties by id;
        K = min(top_k, V - 1).
    """
    top_k = min(top_k, len(unit) - 1)
    ids = np.empty((len(rows), top_k), np.int32)
    scores = np.empty((len(rows), top_k))
    for asked, which, near, _ in _near(unit, rows, top_k):
        exact = _exact(unit, rows[asked][which], near)
        order = _ranked(which, near, exact, top_k)
        ids[asked], scores[asked] = near[order], exact[order]
    return ids, scores


def nearest_sets(unit: Doubles, rows: Ids, top_k: int) -> Ids:
    """Return the nearest other words of each given word, in no order.

    The same words as `nearest` returns, in less time: most are told apart from the
    rest without their exact cosines.
    """
    top_k = min(top_k, len(unit) - 1)
    ids = np.empty((len(rows), top_k), np.int32)
    slack = slack_of(unit.shape[1])
    for asked, which, near, narrow in _near(unit, rows, top_k):
        scores = narrow.astype(np.float64)
        places = np.arange(len(ids[asked]))
        found = np.bincount(which, minlength=len(places))  # at least top_k each
        order = _ranked(which, near, scores, top_k)
        least = scores[order[:, -1]]
        # Where the next one comes near the last of them, exact cosines decide.
        close = np.bincount(which[scores >= (least - slack)[which]]) > top_k
        doubtful = (close & (found > top_k))[which]
        scores[doubtful] = _exact(unit, rows[asked][which[doubtful]], near[doubtful])
        ids[asked] = near[_ranked(which, near, scores, top_k)]
    return ids


def slack_of(dim: int) -> float:
    """Return twice what a cosine in single precision may be wrong by.

    Vectors of length 1, their products and d sums are each rounded by at most 2⁻²⁴; a
    few roundings more are for what is made of the cosine.
    """
    return 2 * (dim + 8) * 2.0**-24


def _near(
    unit: Doubles, rows: Ids, top_k: int
) -> Iterator[tuple[slice, Places, Places, Floats]]:
    """Yield the words that may be among the nearest, for some rows at a time.

    Yields:
        Which rows; for each word found its row among these, ascending, shape (n,);
        its id, ascending within a row; and its cosine in single precision. At least
        `top_k` words for each row.
    """
    if top_k < 1 or not len(rows):
        return
    narrow = unit.astype(np.float32)
    step = min(len(rows), max(1, batch_rows(len(unit)) // 4))
    slack = slack_of(unit.shape[1])
    # Written over by each: fresh memory costs as much as what is computed.
    blocks = np.empty((step, len(unit)), np.float32)
    for start in range(0, len(rows), step):
        asked = slice(start, min(start + step, len(rows)))
        block = blocks[: asked.stop - start]
        np.matmul(narrow[rows[asked]], narrow.T, out=block)  # (rows, V)
        # A word is no neighbor of itself.
        block[np.arange(len(block)), rows[asked]] = -np.inf
        least = _reached(block, top_k) - np.float32(slack)
        places = np.flatnonzero(block >= least[:, np.newaxis])
        which, near = np.divmod(places, len(unit))
        yield asked, which, near, block[which, near]


def _exact(unit: Doubles, first: Ids, second: Places) -> Doubles:
    """Return the cosine of each two words, shape (n,)."""
    found = np.empty(len(first))
    for start in range(0, len(first), _PAIRS):
        some = slice(start, start + _PAIRS)
        np.einsum("ij,ij->i", unit[first[some]], unit[second[some]], out=found[some])
    # Rounding lets a vector's cosine with itself differ from 1 by 1e-8.
    return np.clip(found, -1, 1, out=found)


def _ranked(which: Places, ids: Places, scores: Doubles, top_k: int) -> Places:
    """Return where the highest scores of each row are, ties by id: shape (Q, top_k).

    Args:
        which: Shape (n,). Row of each score, ascending; none is without `top_k`.
        ids: Shape (n,).
        scores: Shape (n,).
        top_k: How many of each row.
    """
    order = np.lexsort((ids, -scores, which))
    starts = np.flatnonzero(np.diff(which, prepend=-1))
    result: Places = order[starts[:, np.newaxis] + np.arange(top_k)]
    return result


def find_most_similar(
    embeddings: Embeddings, word: str, *, top_k: int = 10
) -> list[tuple[str, float]]:
    """Return the nearest words by cosine, nearest first, ties by frequency.

    Args:
        embeddings: Word vectors.
        word: Normalized as the vocabulary was: `Germany` finds `germany`.
        top_k: How many; fewer when the vocabulary has no more.

    Returns:
        Pairs of word and cosine.

    Raises:
        DataError: if the word is not in the vocabulary.
        ConfigError: if top_k is below 1.
    """
    check_top_k(top_k)
    row = np.array([word_id(embeddings, word)], np.int32)
    ids, scores = nearest(unit_vectors(embeddings.center), row, top_k)
    return named(embeddings, ids[0], scores[0])


def named(embeddings: Embeddings, ids: Ids, scores: Doubles) -> list[tuple[str, float]]:
    """Return words with their scores."""
    return [
        (embeddings.words[i], score)
        for i, score in zip(ids.tolist(), scores.tolist(), strict=True)
    ]


def check_top_k(top_k: int) -> None:
    """Raise ConfigError unless at least one result is asked for."""
    if top_k < 1:
        raise ConfigError(f"top_k: expected at least 1, found {top_k}")


def word_id(embeddings: Embeddings, word: str) -> int:
    """Return the id of a word, normalized as the vocabulary was.

    Raises:
        DataError: if the vocabulary lacks it; names close spellings.
    """
    normal = embeddings.normalization(word)
    found = embeddings.ids.get(normal)
    if found is not None:
        return found
    seen = f" (normalized from {word!r})" if normal != word else ""
    close = _close_spellings(embeddings.words, normal)
    hint = f" Close spellings: {', '.join(map(repr, close))}." if close else ""
    raise DataError(
        f"word {normal!r}{seen} is not among the {len(embeddings.words)} words of "
        f"the vocabulary.{hint}"
    )


def word_ids(embeddings: Embeddings, words: Sequence[str]) -> Ids:
    """Return the ids of words, normalized as the vocabulary was.

    Returns:
        Shape (len(words),), int32; `UNKNOWN` where the vocabulary lacks one.
    """
    find, normal = embeddings.ids.get, embeddings.normalization
    ids = {word: find(normal(word), UNKNOWN) for word in dict.fromkeys(words)}
    return np.array([ids[word] for word in words], np.int32)


def _close_spellings(words: Sequence[str], word: str) -> list[str]:
    """Return up to three words spelled much like this one, the closest first."""
    candidates: list[str] = []
    for candidate in words:
        if abs(len(candidate) - len(word)) <= 2:
            candidates.append(candidate)
            if len(candidates) == _MAX_CANDIDATES:
                break
    return difflib.get_close_matches(word, candidates, n=3, cutoff=0.7)
