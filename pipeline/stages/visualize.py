"""Draw the vectors and their training: loss, maps of words, similarities."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, Le, Len

from pipeline.core.alignment import aligned_layouts, layout_depth
from pipeline.core.figures.canvas import Images
from pipeline.core.figures.film import Film, film_html
from pipeline.core.figures.frequency import WordNorms, frequency_images
from pipeline.core.figures.heatmap import (
    HeatmapWords,
    cluster,
    heatmap_html,
    heatmap_images,
)
from pipeline.core.figures.loss import loss_html, loss_images
from pipeline.core.figures.maps import NO_GROUP, MapWords, map_html, map_images
from pipeline.core.figures.style import counted
from pipeline.core.labels import shown
from pipeline.core.projection import (
    FEWEST_WORDS,
    Neighbors,
    fuzzy_graph,
    graph_depth,
    neighbor_graph,
    neighbors_kept,
    pca,
    tsne,
    umap,
)
from pipeline.core.similarity import cosines, unit_vectors
from pipeline.core.types import (
    UNKNOWN,
    Doubles,
    Embeddings,
    Figures,
    Floats,
    Ids,
    Snapshots,
    TrainingHistory,
    Vocab,
)
from pipeline.core.wordlists import CATEGORIES
from pipeline.errors import ShapeError
from pipeline.fields import Fraction, NaturalInt, PositiveInt
from pipeline.report import Report

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Projection = Literal["pca", "tsne", "umap"]

_NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}

# Neighbors by which a map's faithfulness is told: as many as one would read.
_KEPT_DEPTH = 10

# Neighbors that count on the maps of the film, which has fewer words than the others.
_FILM_PERPLEXITY = 20.0

# Words asked for but not found that are named.
_NAMED = 5


@dataclass(frozen=True)
class VisualizeConfig:
    """What to draw. The keys are explained in conf/visualize/default.yaml."""

    seed: NaturalInt
    words: PositiveInt | None
    category_min_count: PositiveInt
    label_categories: tuple[str, ...] | None
    projections: tuple[Projection, ...]
    neighbors: Annotated[int, Ge(0), Le(50)]
    tsne_perplexity: Annotated[float, Ge(1)]
    tsne_iterations: Annotated[int, Ge(250)]
    umap_neighbors: Annotated[int, Ge(2)]
    umap_min_dist: Fraction
    umap_epochs: PositiveInt
    heatmap_words: Annotated[tuple[Annotated[str, Len(1)], ...], Len(0, 200)]
    heatmap_per_category: PositiveInt
    film: bool

    def __post_init__(self) -> None:
        if len(set(self.projections)) < len(self.projections):
            raise ValueError(f"projections names one twice: {list(self.projections)}")
        unknown = set(self.label_categories or ()) - set(CATEGORIES)
        if unknown:
            raise ValueError(
                f"label_categories names {', '.join(sorted(map(repr, unknown)))}; "
                f"there are {', '.join(CATEGORIES)}"
            )


def visualize(
    config: VisualizeConfig,
    vocab: Vocab,
    embeddings: Embeddings,
    history: TrainingHistory,
    snapshots: Snapshots,
    *,
    workspace: Path,
    report: Report,
) -> Figures:
    """Draw the training and the vectors.

    Args:
        config: What to draw.
        vocab: Words with their counts.
        embeddings: Vectors of the same words; the center vectors are drawn.
        history: Losses by epoch.
        snapshots: Vectors by epoch.
        workspace: Not used.
        report: Told of each picture.

    Returns:
        `loss`, `heatmap` and `<projection>_2d` as .html, .png and .svg, `frequency`
        as .png and .svg, and `<projection>_3d` and `film` as .html. Pages embed all
        they need. With fewer than `FEWEST_WORDS` words t-SNE and UMAP have nothing to
        work on: their maps are left out, and so is the film. An empty vocabulary
        leaves only the loss.

    Raises:
        ShapeError: if vocabulary and vectors are of different words.
        DataError: if a vector is not finite.
    """
    if embeddings.words != vocab.words:
        raise ShapeError(
            f"expected vectors of the vocabulary's {len(vocab.words)} words in its "
            f"order, found {len(embeddings.words)} others. Are both of one run?"
        )
    unit = unit_vectors(embeddings.center)
    group = _groups(config, vocab)
    jobs: dict[str, Callable[[], Drawn]] = {"loss": partial(_draw_loss, history)}
    if vocab.words:
        jobs["heatmap"] = partial(_draw_heatmap, config, vocab, unit, group)
        frames, kept, _ = snapshots.vectors.shape
        if config.film and frames > 1 and kept >= FEWEST_WORDS:
            jobs["film"] = partial(_draw_film, vocab, snapshots, history, group)
        jobs["frequency"] = partial(_draw_frequency, vocab, embeddings, group)
        atlas = _open_atlas(config, vocab, unit, group)
        for method in config.projections:
            if method == "pca" or len(atlas.words.words) >= FEWEST_WORDS:
                for dims in (2, 3):
                    jobs[f"{method}_{dims}d"] = partial(atlas.draw, method, dims)
    report.start(len(jobs), "picture")
    files: dict[str, bytes] = {}
    for name, draw in jobs.items():
        drawn, metrics = draw()
        files |= {f"{name}.{ending}": content for ending, content in drawn.items()}
        report.metrics(metrics)
        report.advance(1, name)
    return Figures(files)


# A picture by the endings of its files, and what was measured on the way.
Drawn = tuple[Images, dict[str, float]]


def _draw_loss(history: TrainingHistory) -> Drawn:
    loss, heldout = history.loss, history.heldout_loss
    return {"html": loss_html(loss, heldout), **loss_images(loss, heldout)}, {}


def _groups(config: VisualizeConfig, vocab: Vocab) -> Ids:
    """Return each word's category, shape (V,), or `NO_GROUP`."""
    group = np.full(len(vocab.words), NO_GROUP, np.int32)
    # A word of two categories belongs to the first.
    for number, members in reversed(list(enumerate(CATEGORIES.values()))):
        ids = _ids(vocab, members)
        ids = ids[ids != UNKNOWN]
        group[ids[vocab.counts[ids] >= config.category_min_count]] = number
    return group


def _ids(vocab: Vocab, words: tuple[str, ...]) -> Ids:
    return np.array(
        [vocab.ids.get(vocab.normalization(word), UNKNOWN) for word in words], np.int32
    )


def _draw_heatmap(
    config: VisualizeConfig, vocab: Vocab, unit: Doubles, group: Ids
) -> Drawn:
    chosen, notes = _heatmap_words(config, vocab, group)
    found = cluster(unit[chosen])
    chosen = chosen[found.order]
    words = HeatmapWords(
        words=tuple(vocab.words[i] for i in chosen),
        groups=tuple(CATEGORIES),
        group=group[chosen],
        cosines=cosines(unit[chosen], np.arange(len(chosen), dtype=np.int32)),
        tree=found.tree,
    )
    return {"html": heatmap_html(words, notes), **heatmap_images(words, notes)}, {}


def _heatmap_words(
    config: VisualizeConfig, vocab: Vocab, group: Ids
) -> tuple[Ids, list[str]]:
    """Return the heatmap's words, and what to say of them."""
    asked = _ids(vocab, config.heatmap_words)
    found = np.array(list(dict.fromkeys(asked[asked != UNKNOWN].tolist())), np.int32)
    missing = [
        shown(word)
        for word, i in zip(config.heatmap_words, asked.tolist(), strict=True)
        if i == UNKNOWN
    ]
    if len(found):
        which = "Cosines of the words asked for"
    elif (group != NO_GROUP).any():
        each = config.heatmap_per_category
        which = f"Cosines of the {each} most frequent words of each category"
        found = np.concatenate(
            [np.flatnonzero(group == g)[:each] for g in range(len(CATEGORIES))]
        ).astype(np.int32)
    else:
        which = "Cosines of the most frequent words"
        most = config.heatmap_per_category * len(CATEGORIES)
        found = np.arange(min(most, len(vocab.words)), dtype=np.int32)
    notes = [
        f"{which}, ordered by clustering: the tree joins what is alike, by average "
        "distance."
    ]
    if missing:
        more = len(missing) - _NAMED
        names = [*missing[:_NAMED], *([f"{more} more"] if more > 0 else [])]
        notes.append(f"Not in the vocabulary: {', '.join(names)}.")
    return found, notes


def _draw_frequency(vocab: Vocab, embeddings: Embeddings, group: Ids) -> Drawn:
    center = embeddings.center
    words = WordNorms(
        words=vocab.words,
        counts=np.maximum(vocab.counts, 1),  # drawn on a logarithmic scale
        norms=np.sqrt(np.einsum("ij,ij->i", center, center, dtype=np.float64)),
        groups=tuple(CATEGORIES),
        group=group,
    )
    note = (
        "Of words as frequent, those in fewer contexts have the longer vectors "
        "(Schakel and Wilson 2015)."
    )
    return frequency_images(words, [note]), {}


def _draw_film(
    vocab: Vocab, snapshots: Snapshots, history: TrainingHistory, group: Ids
) -> Drawn:
    words = snapshots.vectors.shape[1]
    frames = [unit_vectors(each.astype(np.float32)) for each in snapshots.vectors]
    depth = max(layout_depth(words, _FILM_PERPLEXITY), _KEPT_DEPTH)
    graphs = [neighbor_graph(unit, depth) for unit in frames]
    # From the last to the first: what the words come to mean is laid out well, and
    # the film shows how they came there.
    layouts = aligned_layouts(graphs[::-1], pca(frames[-1], 2), _FILM_PERPLEXITY)
    film = Film(
        words=vocab.words[:words],
        counts=vocab.counts[:words],
        groups=tuple(CATEGORIES),
        group=group[:words],
        epochs=snapshots.epochs,
        layouts=np.stack(layouts[::-1]),
        neighbors=np.stack([graph.ids[:, :_KEPT_DEPTH] for graph in graphs]),
        cosines=np.stack([graph.cosines[:, :_KEPT_DEPTH] for graph in graphs]),
        loss=history.loss,
    )
    return {"html": film_html(film)}, {}


@dataclass(frozen=True)
class _Atlas:
    """What all maps have in common."""

    config: VisualizeConfig
    words: MapWords
    unit: Doubles  # (n, d)
    graph: Neighbors
    start: Doubles  # (n, 3), principal components
    chosen: str  # which words, in words
    labeled: tuple[int, ...] | None  # groups whose words images name

    def draw(self, method: Projection, dims: int) -> Drawn:
        """Draw one map: as a page, and in 2D as an image too."""
        layout = self._lay_out(method, dims)
        n = len(self.words.words)
        title = f"{counted(n, 'word')} by {_NAMES[method]} in {dims}D"
        notes = [
            self.chosen,
            f"{self._method(method, dims)} Near words are alike; axes have no unit.",
        ]
        metrics: dict[str, float] = {}
        if n > _KEPT_DEPTH + 1:  # with fewer, all other words are the nearest
            kept = float(neighbors_kept(self.graph, layout, _KEPT_DEPTH).mean())
            metrics[f"map/{method}_{dims}d_neighbors_kept"] = kept
            notes.append(
                f"Of a word's {_KEPT_DEPTH} nearest words, {kept:.0%} are among the "
                f"{_KEPT_DEPTH} nearest on this map, on average."
            )
        drawn = {"html": map_html(self.words, layout, title, notes)}
        if dims == 2:
            drawn |= map_images(self.words, layout, title, notes, labeled=self.labeled)
        return drawn, metrics

    def _lay_out(self, method: Projection, dims: int) -> Floats:
        config = self.config
        match method:
            case "pca":
                return self.start[:, :dims].astype(np.float32)
            case "tsne":
                return tsne(
                    self.graph,
                    self.start,
                    dims=dims,
                    perplexity=config.tsne_perplexity,
                    iterations=config.tsne_iterations,
                    seed=config.seed,
                )
            case "umap":
                return umap(
                    self.fuzzy,
                    self.start,
                    dims=dims,
                    min_dist=config.umap_min_dist,
                    epochs=config.umap_epochs,
                    seed=config.seed,
                )

    @cached_property
    def fuzzy(self) -> "csr_array":
        """UMAP's graph, for both numbers of dimensions."""
        return fuzzy_graph(self.graph, self.config.umap_neighbors)

    def _method(self, method: Projection, dims: int) -> str:
        config = self.config
        match method:
            case "pca":
                total = float(self.unit.var(axis=0).sum())
                held = float(self.start[:, :dims].var(axis=0).sum())
                share = held / total if total > 0 else 1.0
                return f"The first {dims} components hold {share:.0%} of the variance."
            case "tsne":
                return (
                    f"Cosine distances, perplexity {config.tsne_perplexity:g}, "
                    f"{config.tsne_iterations:,} steps, seed {config.seed}."
                )
            case "umap":
                return (
                    f"Cosine distances, {config.umap_neighbors} neighbors, minimal "
                    f"distance {config.umap_min_dist:g}, {config.umap_epochs:,} "
                    f"epochs, seed {config.seed}."
                )


def _open_atlas(
    config: VisualizeConfig, vocab: Vocab, unit: Doubles, group: Ids
) -> _Atlas:
    """Choose the words of the maps and find their neighbors."""
    total = len(vocab.words)
    frequent = total if config.words is None else min(config.words, total)
    drawn = np.flatnonzero((np.arange(total) < frequent) | (group != NO_GROUP))
    more = len(drawn) - frequent
    chosen = (
        f"The vocabulary of {counted(total, 'word')}"
        if frequent == total
        else f"The {frequent:,} most frequent of {total:,} words"
    )
    if more:
        chosen += f" and {more:,} more of the categories"
    chosen += f", from {counted(int(vocab.counts.sum()), 'token')}."
    near = unit[drawn]
    depth = max(
        graph_depth(config.tsne_perplexity, config.umap_neighbors),
        config.neighbors,
        _KEPT_DEPTH,
    )
    graph = neighbor_graph(near, depth)
    words = MapWords(
        words=tuple(vocab.words[i] for i in drawn),
        ranks=drawn.astype(np.int32),
        counts=vocab.counts[drawn],
        groups=tuple(CATEGORIES),
        group=group[drawn],
        neighbors=graph.ids[:, : config.neighbors],
        cosines=graph.cosines[:, : config.neighbors],
    )
    labeled = None
    if config.label_categories is not None:
        labeled = tuple(map(list(CATEGORIES).index, config.label_categories))
    return _Atlas(config, words, near, graph, pca(near, 3), chosen, labeled)
