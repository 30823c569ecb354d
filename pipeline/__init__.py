"""Word2Vec from scratch as a configurable, cached, tracked pipeline.

From Python:

    embeddings = pipeline.load("last")           # a run, or a file of vectors
    pipeline.find_most_similar(embeddings, "germany", top_k=5)
    pipeline.word_analogy(embeddings, "France", "Paris", "Germany", top_k=5)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.core.analogy import word_analogy
    from pipeline.core.similarity import find_most_similar
    from pipeline.loading import load

__all__ = ["find_most_similar", "load", "word_analogy"]


def __getattr__(name: str) -> Any:
    # Each is imported when it is first asked for, so that `w2v --help` does not
    # wait for NumPy.
    if name == "find_most_similar":
        from pipeline.core.similarity import find_most_similar

        return find_most_similar
    if name == "word_analogy":
        from pipeline.core.analogy import word_analogy

        return word_analogy
    if name == "load":
        from pipeline.loading import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
