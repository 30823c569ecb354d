"""Two trainings word by word: which words moved, and which neighbors they share."""

from dataclasses import dataclass

import numpy as np

from pipeline.core.alignment import (
    aligned_layouts,
    layout_depth,
    procrustes,
    widened,
)
from pipeline.core.geometry import DEPTH, overlap
from pipeline.core.labels import shown
from pipeline.core.projection import neighbor_graph, one_thread, pca
from pipeline.core.similarity import unit_vectors
from pipeline.core.types import Counts, Doubles, Embeddings, Floats, Ids
from pipeline.errors import DataError

# With fewer words there is no neighborhood to compare.
FEWEST_SHARED = 5

# Neighbors that count on the maps, as on those of a run.
_PERPLEXITY = 30.0


@dataclass(frozen=True)
class Comparison:
    """The same words in two trainings, a and b.

    Attributes:
        words: n words, in a's order.
        shared: Words that both vocabularies hold; the n are the first of these.
        sizes: Words in a's and in b's vocabulary.
        dims: Width of a's and of b's vectors.
        moved: Shape (n,). 1 - cosine of the word's two vectors, those of b turned
            onto those of a.
        near_a: Shape (n, K). The nearest of the n words in a; K = min(10, n - 1).
        near_b: In b.
        cosines_a: Shape (n, K). Theirs.
        cosines_b: In b.
        kept: Shape (n,). How many neighbors a and b share, 0..K.
        map_a: Shape (n, 2). A map of a.
        map_b: Shape (n, 2). A map of b, laid out from a's.
    """

    words: tuple[str, ...]
    shared: int
    sizes: tuple[int, int]
    dims: tuple[int, int]
    moved: Doubles
    near_a: Ids
    near_b: Ids
    cosines_a: Doubles
    cosines_b: Doubles
    kept: Counts
    map_a: Floats
    map_b: Floats

    @property
    def share_kept(self) -> float:
        """The part of a word's nearest neighbors that both have, on average."""
        return float(self.kept.mean() / self.near_a.shape[1])

    @property
    def most_moved(self) -> Ids:
        """The words, those that moved most first; ties by a's order."""
        return np.argsort(-self.moved, kind="stable").astype(np.int32)


def compare(first: Embeddings, second: Embeddings, most: int) -> Comparison:
    """Compare two trainings by the center vectors of the words that they share.

    Words are the same if they are spelled alike. Where widths differ, the narrower
    vectors are widened by zeros, which leaves their cosines as they are.

    Args:
        first: a.
        second: b.
        most: Words compared, at most: the first of those shared, by a's order.

    Raises:
        DataError: if they share fewer than five words, or a number is not finite.
    """
    shared = [word for word in first.words if word in second.ids]
    if len(shared) < FEWEST_SHARED:
        some = ", ".join(shown(word, 20) for word in second.words[:3])
        raise DataError(
            f"expected at least {FEWEST_SHARED} words that both vocabularies hold, "
            f"found {len(shared)}: {len(first.words):,} words and "
            f"{len(second.words):,}, such as {some}. Are both of one language, and "
            "lowercased alike?"
        )
    words = tuple(shared[:most])
    unit_a, unit_b = (
        unit_vectors(np.asarray(each.center)[[each.ids[word] for word in words]])
        for each in (first, second)
    )
    depth = max(layout_depth(len(words), _PERPLEXITY), DEPTH)
    graph_a, graph_b = (neighbor_graph(unit, depth) for unit in (unit_a, unit_b))
    map_a, map_b = aligned_layouts([graph_a, graph_b], pca(unit_a, 2), _PERPLEXITY)
    near_a, near_b = graph_a.ids[:, :DEPTH], graph_b.ids[:, :DEPTH]
    return Comparison(
        words=words,
        shared=len(shared),
        sizes=(len(first.words), len(second.words)),
        dims=(first.center.shape[1], second.center.shape[1]),
        moved=_moved(unit_a, unit_b),
        near_a=near_a,
        near_b=near_b,
        cosines_a=graph_a.cosines[:, :DEPTH],
        cosines_b=graph_b.cosines[:, :DEPTH],
        kept=overlap(near_a, near_b),
        map_a=map_a,
        map_b=map_b,
    )


def _moved(first: Doubles, second: Doubles) -> Doubles:
    """Return 1 - cosine of each row with its own, the second ones turned."""
    dim = max(first.shape[1], second.shape[1])
    first, second = widened(first, dim), widened(second, dim)
    turn = procrustes(second, first)
    with one_thread():
        turned = second @ turn
    cosine = np.einsum("ij,ij->i", first, turned)
    moved: Doubles = 1 - np.clip(cosine, -1, 1)
    return moved
