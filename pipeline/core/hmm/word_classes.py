"""Word vectors as classes of words that are used alike."""

from collections.abc import Callable

from pipeline.core.categories import cluster
from pipeline.core.hmm.features import NOTHING
from pipeline.core.similarity import unit_vectors
from pipeline.core.types import Embeddings


def word_classes(
    embeddings: Embeddings, classes: int, seed: int
) -> Callable[[str], int]:
    """Return a function from a token to the class of its word.

    Classes are the k-means clusters of the center vectors, scaled to length 1. A token
    whose word has no vector is in none: `NOTHING`.

    Args:
        embeddings: Vectors, with how tokens become their words.
        classes: How many there are.
        seed: Where k-means starts.
    """
    found = cluster(unit_vectors(embeddings.center), classes, seed, starts=1).tolist()

    def class_of(token: str) -> int:
        word = embeddings.ids.get(embeddings.normalization(token))
        return NOTHING if word is None else found[word]

    return class_of
