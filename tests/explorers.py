"""A small explorer whose words, neighbors and analogies are known."""

import numpy as np

from pipeline.core.figures.explorer.page import (
    NO_LABEL,
    ExplorerWords,
    Grouping,
    Measure,
    WordMap,
    explorer_html,
)
from pipeline.core.projection import neighbor_graph, neighbors_kept, pca
from pipeline.core.similarity import unit_vectors

HOSTILE = (
    "</script><script>document.title='broken'</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "&lt;&amp;",
    "'quote\"`$(x)${x}",
    "\u202eturned",
    "\U0001f469\u200d\U0001f4bb",
    "nul\0nul",
    "\ud800lone",
    "x" * 1_000_000,
    "__proto__",
    "שלום",
)
NAMED = ("germany", "france", "paris", "berlin", "president", "Soccer")
DEPTH = 5


def some_words(n: int = 240, dim: int = 24) -> tuple[tuple[str, ...], np.ndarray]:
    """Return words and unit vectors in eight clusters.

    Berlin is to Germany as Paris is to France, but for a little noise.
    """
    words = (*NAMED, *HOSTILE, *(f"word{i}" for i in range(n)))[:n]
    rng = np.random.default_rng(11)
    vectors = 2 * rng.normal(size=(8, dim))[np.arange(n) % 8]
    vectors += rng.normal(size=(n, dim))
    vectors[3] = vectors[2] - vectors[1] + vectors[0] + 0.05 * rng.normal(size=dim)
    return words, unit_vectors(vectors.astype(np.float32))


def some_explorer(n: int = 240, dim: int = 24, measures: tuple[Measure, ...] = ()):
    words, unit = some_words(n, dim)
    graph = neighbor_graph(unit, 10)
    start = pca(unit, 3).astype(np.float32)
    rng = np.random.default_rng(12)
    turned = start @ np.linalg.qr(rng.normal(size=(3, 3)))[0].astype(np.float32)
    maps = [
        WordMap(
            *(key, name, places[:, :dims]),
            neighbors_kept(graph, places[:, :dims], 10),
            f"Note on {name} in {dims}D.",
        )
        for key, name, places in (("tsne", "t-SNE", turned), ("pca", "PCA", start))
        for dims in (2, 3)
    ]
    label = (np.arange(n) % 3 - 1).astype(np.int32)
    label[label < 0] = NO_LABEL
    counts = np.arange(n, 0, -1)
    return explorer_html(
        "Some <words>",
        ["A note & more."],
        ExplorerWords(
            words=words,
            ranks=np.arange(n, dtype=np.int32),
            counts=counts,
            unit=unit,
            neighbors=graph.ids[:, :DEPTH],
            cosines=graph.cosines[:, :DEPTH],
        ),
        maps,
        groupings=[
            Grouping("ner", "Entity", "entity", ("LOC", "<b>PER"), label, "none"),
            Grouping(
                *("cluster", "Cluster", "cluster", tuple("abcdefgh")),
                (np.arange(n) % 8).astype(np.int32),
                "",
            ),
        ],
        measures=[
            Measure("count", "Frequency", "", counts.astype(float), logarithmic=True),
            *measures,
        ],
        kept_depth=10,
    )
