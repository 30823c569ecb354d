"""Draw the vectors and their training: loss, maps of words, similarities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, Len

from pipeline.core.alignment import aligned_layouts, layout_depth
from pipeline.core.atlas import KEPT_DEPTH, NAMES, Atlas, Map, Projection, Settings
from pipeline.core.figures.canvas import Images
from pipeline.core.figures.choice import (
    Drawn,
    category_of,
    heatmap_choice,
    map_choice,
)
from pipeline.core.figures.explorer.groupings import groupings
from pipeline.core.figures.explorer.page import (
    ExplorerWords,
    Grouping,
    Measure,
    WordMap,
    explorer_html,
)
from pipeline.core.figures.film import Film, film_html
from pipeline.core.figures.frequency import WordNorms, frequency_images
from pipeline.core.figures.heatmap import (
    HeatmapWords,
    cluster,
    heatmap_html,
    heatmap_images,
)
from pipeline.core.figures.loss import loss_html, loss_images
from pipeline.core.figures.maps import map_images
from pipeline.core.figures.style import counted
from pipeline.core.projection import FEWEST_WORDS, neighbor_graph, pca
from pipeline.core.similarity import cosines, unit_vectors
from pipeline.core.types import (
    Corpus,
    Counts,
    Doubles,
    Embeddings,
    EncodedCorpus,
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

# Neighbors that count on the maps of the film, which has fewer words than the others.
_FILM_PERPLEXITY = 20.0


@dataclass(frozen=True)
class VisualizeConfig:
    """What to draw. The keys are explained in conf/visualize/default.yaml."""

    seed: NaturalInt
    words: PositiveInt | None
    category_min_count: PositiveInt
    label_categories: tuple[str, ...] | None
    clusters: PositiveInt
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


def visualize(  # noqa: PLR0917  # a stage takes its inputs one by one
    config: VisualizeConfig,
    corpus: Corpus,
    encoded: EncodedCorpus,
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
        corpus: Sentences; where they have tags, words are colored by theirs.
        encoded: The same as ids.
        vocab: Words with their counts.
        embeddings: Vectors of the same words; the center vectors are drawn.
        history: Losses by epoch.
        snapshots: Vectors by epoch.
        workspace: Not used.
        report: Told of each picture.

    Returns:
        `loss` and `heatmap` as .html, .png and .svg, `frequency` and
        `<projection>_2d` as .png and .svg, `film.html`, and `explorer.html` with all
        maps in 2D and 3D. Pages embed all they need. With fewer than `FEWEST_WORDS`
        words t-SNE and UMAP have nothing to work on: their maps are left out, and so
        is the film. Without maps there is no explorer; an empty vocabulary leaves
        only the loss.

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
    group = category_of(vocab, config.category_min_count)
    files: dict[str, bytes] = {}

    def keep(name: str, images: Images) -> None:
        files.update({f"{name}.{ending}": image for ending, image in images.items()})

    jobs: dict[str, Callable[[], Images]] = {"loss": partial(_draw_loss, history)}
    recipes = 0
    if vocab.words:
        jobs["heatmap"] = partial(_draw_heatmap, config, vocab, unit, group)
        frames, followed, _ = snapshots.vectors.shape
        if config.film and frames > 1 and followed >= FEWEST_WORDS:
            jobs["film"] = partial(_draw_film, vocab, snapshots, history, group)
        jobs["frequency"] = partial(_draw_frequency, vocab, embeddings, group)
        drawn = map_choice(vocab, group, config.words)
        atlas = Atlas(
            unit[drawn.ids],
            config.projections,
            Settings(
                seed=config.seed,
                perplexity=config.tsne_perplexity,
                iterations=config.tsne_iterations,
                neighbors=config.umap_neighbors,
                min_dist=config.umap_min_dist,
                epochs=config.umap_epochs,
            ),
            depth=config.neighbors,
        )
        recipes = len(atlas.recipes)
    report.start(len(jobs) + recipes + bool(recipes), "picture")
    for name, draw in jobs.items():
        keep(name, draw())
        report.advance(1, name)
    if not recipes:
        return Figures(files)
    maps: dict[int, Map] = {}
    for place, found in atlas.maps():
        maps[place] = found
        report.advance(1, found.key)
    in_order = [maps[place] for place in range(recipes)]
    for each in in_order:
        if _tells(drawn):
            kept = float(each.kept.mean())
            report.metrics({f"map/{each.key}_neighbors_kept": kept})
        if each.dims == 2:
            keep(each.key, _draw_map(config, drawn, atlas, each))
    files["explorer.html"] = _explore(
        config,
        drawn,
        atlas,
        in_order,
        groups=groupings(
            corpus,
            encoded,
            drawn.words.words,
            drawn.ids,
            unit=atlas.unit,
            categories=tuple(CATEGORIES),
            category=drawn.words.group,
            clusters=config.clusters,
            seed=config.seed,
        ),
        counts=vocab.counts[drawn.ids],
        norms=_norms(embeddings.center)[drawn.ids],
    )
    report.advance(1, "explorer")
    return Figures(files)


def _draw_loss(history: TrainingHistory) -> Images:
    loss, heldout = history.loss, history.heldout_loss
    return {"html": loss_html(loss, heldout), **loss_images(loss, heldout)}


def _draw_heatmap(
    config: VisualizeConfig, vocab: Vocab, unit: Doubles, group: Ids
) -> Images:
    chosen, notes = heatmap_choice(
        vocab, group, config.heatmap_words, config.heatmap_per_category
    )
    found = cluster(unit[chosen])
    chosen = chosen[found.order]
    words = HeatmapWords(
        words=tuple(vocab.words[i] for i in chosen),
        groups=tuple(CATEGORIES),
        group=group[chosen],
        cosines=cosines(unit[chosen], np.arange(len(chosen), dtype=np.int32)),
        tree=found.tree,
    )
    return {"html": heatmap_html(words, notes), **heatmap_images(words, notes)}


def _draw_frequency(vocab: Vocab, embeddings: Embeddings, group: Ids) -> Images:
    center = embeddings.center
    words = WordNorms(
        words=vocab.words,
        counts=np.maximum(vocab.counts, 1),  # drawn on a logarithmic scale
        norms=_norms(center),
        groups=tuple(CATEGORIES),
        group=group,
    )
    note = (
        "Of words as frequent, those in fewer contexts have the longer vectors "
        "(Schakel and Wilson 2015)."
    )
    return frequency_images(words, [note])


def _norms(center: Floats) -> Doubles:
    norms: Doubles = np.sqrt(np.einsum("ij,ij->i", center, center, dtype=np.float64))
    return norms


def _draw_film(
    vocab: Vocab, snapshots: Snapshots, history: TrainingHistory, group: Ids
) -> Images:
    words = snapshots.vectors.shape[1]
    frames = [unit_vectors(each.astype(np.float32)) for each in snapshots.vectors]
    depth = max(layout_depth(words, _FILM_PERPLEXITY), KEPT_DEPTH)
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
        neighbors=np.stack([graph.ids[:, :KEPT_DEPTH] for graph in graphs]),
        cosines=np.stack([graph.cosines[:, :KEPT_DEPTH] for graph in graphs]),
        loss=history.loss,
    )
    return {"html": film_html(film)}


def _draw_map(
    config: VisualizeConfig, drawn: Drawn, atlas: Atlas, found: Map
) -> Images:
    """Draw a map in 2D as images."""
    name = NAMES[found.projection]
    title = f"{counted(len(drawn.ids), 'word')} by {name} in {found.dims}D"
    made = atlas.told(found.projection, found.dims)
    notes = [drawn.chosen, f"{made} Near words are alike; axes have no unit."]
    if _tells(drawn):
        notes.append(
            f"Of a word's {KEPT_DEPTH} nearest words, {found.kept.mean():.0%} are "
            f"among the {KEPT_DEPTH} nearest on this map, on average."
        )
    labeled = None
    if config.label_categories is not None:
        labeled = tuple(map(list(CATEGORIES).index, config.label_categories))
    return map_images(drawn.words, found.layout, title, notes, labeled=labeled)


def _tells(drawn: Drawn) -> bool:
    """Say whether kept neighbors tell anything: of few words all are the nearest."""
    return len(drawn.ids) > KEPT_DEPTH + 1


def _explore(
    config: VisualizeConfig,
    drawn: Drawn,
    atlas: Atlas,
    maps: Sequence[Map],
    *,
    groups: Sequence[Grouping],
    counts: Counts,
    norms: Doubles,
) -> bytes:
    """Draw the explorer."""
    near = atlas.graph.ids[:, :KEPT_DEPTH]
    words = ExplorerWords(
        words=drawn.words.words,
        ranks=drawn.ids,
        counts=counts,
        unit=atlas.unit,
        neighbors=atlas.graph.ids[:, : config.neighbors],
        cosines=atlas.graph.cosines[:, : config.neighbors],
    )
    return explorer_html(
        f"{counted(len(drawn.ids), 'word')} and their neighbors",
        [drawn.chosen],
        words,
        [
            WordMap(
                each.projection,
                NAMES[each.projection],
                each.layout,
                each.kept,
                atlas.told(each.projection, each.dims),
            )
            for each in maps
        ],
        groupings=groups,
        measures=[
            Measure("count", "Frequency", "", counts.astype(np.float64), True),
            Measure("norm", "Length of the vector", "vector length", norms),
            Measure(
                "neighbor_of",
                f"Words that it is one of the {KEPT_DEPTH} nearest of",
                "nearest of",
                np.bincount(near.ravel(), minlength=len(near)).astype(np.float64),
                True,
            ),
        ],
        kept_depth=min(KEPT_DEPTH, near.shape[1]),
    )
