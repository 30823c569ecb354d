"""Every map of some words: all methods, in two and in three dimensions.

The neighbors of the words are found once and shared by all methods and by the share
of them that each map keeps.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.core.projection import (
    FEWEST_WORDS,
    Neighbors,
    fuzzy_graph,
    graph_depth,
    neighbor_graph,
    neighbors_kept,
    one_thread,
    pca,
    tsne,
    umap,
    umap_learn,
)
from pipeline.core.side_by_side import side_by_side
from pipeline.core.types import Doubles, Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Projection = Literal["pca", "tsne", "umap"]

NAMES: dict[Projection, str] = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}

# Neighbors by which a map's faithfulness is told: as many as one would read.
KEPT_DEPTH = 10


@dataclass(frozen=True)
class Settings:
    """How maps are made; see `projection.tsne` and `projection.umap`."""

    seed: int
    perplexity: float
    iterations: int
    neighbors: int
    min_dist: float
    epochs: int


@dataclass(frozen=True)
class Map:
    """A map of n words.

    Attributes:
        projection: Its method.
        layout: Shape (n, 2) or (n, 3), float32.
        kept: Shape (n,), in [0, 1]: the share of each word's `KEPT_DEPTH` nearest
            words that are among its nearest here.
    """

    projection: Projection
    layout: Floats
    kept: Doubles

    @property
    def dims(self) -> int:
        """2 or 3."""
        return int(self.layout.shape[1])

    @property
    def key(self) -> str:
        """Such as `tsne_2d`."""
        return f"{self.projection}_{self.dims}d"


class Atlas:
    """Words with their neighbors, ready to be laid out.

    Attributes:
        unit: Shape (n, d). From `similarity.unit_vectors`.
        graph: Their neighbors, as deep as anything here needs.
        start: Shape (n, 3). Their principal components.
        recipes: Projection and dimensions of the maps, in order. With fewer than
            `FEWEST_WORDS` words, t-SNE and UMAP have nothing to work on.
    """

    def __init__(
        self,
        unit: Doubles,
        projections: Sequence[Projection],
        settings: Settings,
        *,
        depth: int,
    ) -> None:
        self._settings = settings
        self._umap_learn = Lock()
        need = graph_depth(settings.perplexity, settings.neighbors)
        self.unit = unit
        self.graph: Neighbors = neighbor_graph(unit, max(need, depth, KEPT_DEPTH))
        self.start = pca(unit, 3)
        self.recipes: list[tuple[Projection, int]] = [
            (projection, dims)
            for projection in projections
            if projection == "pca" or len(unit) >= FEWEST_WORDS
            for dims in (2, 3)
        ]

    def maps(self) -> Iterator[tuple[int, Map]]:
        """Yield each map with its place among the recipes, as they are done.

        Each is laid out on one thread, and several at once.
        """
        fuzzy = None
        if any(projection == "umap" for projection, _ in self.recipes):
            fuzzy = fuzzy_graph(self.graph, self._settings.neighbors)
            umap_learn()  # before there are threads
        jobs: dict[int, Callable[[], Floats]] = {}
        for place, (projection, dims) in enumerate(self.recipes):
            match projection:
                case "pca":
                    jobs[place] = partial(self._pca, dims)
                case "tsne":
                    jobs[place] = partial(self._tsne, dims)
                case "umap":
                    jobs[place] = partial(self._umap, fuzzy, dims)
        # The longest first, so that none is left to end alone.
        order = sorted(jobs, key=self._slowness, reverse=True)
        with one_thread():
            for done, layout in side_by_side([jobs[place] for place in order]):
                place = order[done]
                kept = neighbors_kept(self.graph, layout, KEPT_DEPTH)
                yield place, Map(self.recipes[place][0], layout, kept)

    def _slowness(self, place: int) -> tuple[int, int]:
        projection, dims = self.recipes[place]
        return ("pca", "umap", "tsne").index(projection), dims

    def _pca(self, dims: int) -> Floats:
        return self.start[:, :dims].astype(np.float32)

    def _tsne(self, dims: int) -> Floats:
        return tsne(
            self.graph,
            self.start,
            dims=dims,
            perplexity=self._settings.perplexity,
            iterations=self._settings.iterations,
            seed=self._settings.seed,
        )

    def _umap(self, fuzzy: "csr_array", dims: int) -> Floats:
        with self._umap_learn:  # compiles at its first call, holding others up anyway
            return umap(
                fuzzy,
                self.start,
                dims=dims,
                min_dist=self._settings.min_dist,
                epochs=self._settings.epochs,
                seed=self._settings.seed,
            )

    def told(self, projection: Projection, dims: int) -> str:
        """Say how a map is made."""
        settings = self._settings
        match projection:
            case "pca":
                total = float(self.unit.var(axis=0).sum())
                held = float(self.start[:, :dims].var(axis=0).sum())
                share = held / total if total > 0 else 1.0
                return f"The first {dims} components hold {share:.0%} of the variance."
            case "tsne":
                return (
                    f"Cosine distances, perplexity {settings.perplexity:g}, "
                    f"{settings.iterations:,} steps, seed {settings.seed}."
                )
            case "umap":
                return (
                    f"Cosine distances, {settings.neighbors} neighbors, minimal "
                    f"distance {settings.min_dist:g}, {settings.epochs:,} epochs, "
                    f"seed {settings.seed}."
                )
