"""Frequency against length: how much a vector's norm owes to its word's count."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.figures.canvas import (
    SVG_POINTS,
    Images,
    drawable,
    head,
    picture,
    place,
)
from pipeline.core.figures.maps import NO_GROUP, write_labels
from pipeline.core.figures.style import (
    INK,
    MATPLOTLIB_SHAPES,
    QUIET,
    counted,
    mark,
)
from pipeline.core.labels import shown
from pipeline.core.types import Counts, Doubles, Ids

# Words of like frequency that a quartile is taken over, at least.
_FEWEST = 20

# Bands of frequency to a factor of ten.
_BANDS = 8

# Words that are named, at most: they crowd where most words are.
_NAMED = 150


@dataclass(frozen=True)
class WordNorms:
    """Words with their counts and the lengths of their vectors.

    Attributes:
        words: n ≥ 1 words.
        counts: Shape (n,). Occurrences, ≥ 1.
        norms: Shape (n,). Euclidean norms.
        groups: Names of all groups; a group's place in this tuple gives its mark.
        group: Shape (n,). Each word's group, or `NO_GROUP`.
    """

    words: tuple[str, ...]
    counts: Counts
    norms: Doubles
    groups: tuple[str, ...]
    group: Ids


def frequency_images(words: WordNorms, notes: Sequence[str]) -> Images:
    """Draw each word by its count and its norm, and the norms' quartiles.

    Args:
        words: n words.
        notes: Lines below the heading.
    """
    centers, quartiles = norm_quartiles(words.counts, words.norms)
    lines = [*notes, "Line and band: median and middle half of words as frequent."]
    with picture(9, 6) as (figure, images):
        title = f"Frequency and vector length of {counted(len(words.words), 'word')}"
        head(figure, title, lines if len(centers) else list(notes))
        axes = place(figure, 0.75, 0.3, 1.15, 0.65 + 0.19 * len(lines))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
        axes.tick_params(which="minor", length=0)
        axes.set_xlabel("occurrences")
        axes.set_ylabel("Euclidean norm")
        axes.margins(0.03)
        present = [NO_GROUP, *np.unique(words.group[words.group != NO_GROUP]).tolist()]
        for group in present:
            members = np.flatnonzero(words.group == group)
            quiet = group == NO_GROUP
            style = mark(max(group, 0))
            axes.scatter(
                words.counts[members],
                words.norms[members],
                s=5 if quiet else 22,
                c=QUIET if quiet else style.color,
                marker="o" if quiet else MATPLOTLIB_SHAPES[style.shape],
                linewidths=0 if quiet else 0.5,
                edgecolors="white",
                alpha=0.5 if quiet else 1,
                zorder=1 if quiet else 3,
                label=None if quiet else drawable(shown(words.groups[group])),
                rasterized=len(members) > SVG_POINTS,
            )
        if len(centers):
            low, middle, high = quartiles.T
            axes.fill_between(
                centers, low, high, color=INK, alpha=0.1, linewidth=0, zorder=2
            )
            axes.plot(centers, middle, color=INK, linewidth=1.5, zorder=2)
        if len(present) > 1:
            axes.legend(
                loc="upper center",
                bbox_to_anchor=(0.5, -0.13),
                ncols=5,
                handletextpad=0.1,
                columnspacing=1.4,
            )
        named = np.flatnonzero(words.group != NO_GROUP)[:_NAMED]
        points = np.column_stack([words.counts[named], words.norms[named]])
        texts = [drawable(shown(words.words[i])) for i in named]
        write_labels(axes, points.astype(float), texts)
    return images


def norm_quartiles(counts: Counts, norms: Doubles) -> tuple[Doubles, Doubles]:
    """Return the quartiles of the norms in bands of like counts.

    A band spans an eighth of a factor of ten. Where that holds fewer than twenty
    words, it goes on until it does; a last one that stays short is left out.

    Args:
        counts: Shape (n,). Occurrences, ≥ 1.
        norms: Shape (n,).

    Returns:
        Shape (B,): each band's middle, the geometric mean of its counts; and shape
        (B, 3): lower quartile, median, upper quartile.
    """
    order = np.argsort(counts, kind="stable")
    scale = np.log10(counts[order])
    centers, quartiles = [], []
    first = 0
    while first < len(order):
        end = int(np.searchsorted(scale, scale[first] + 1 / _BANDS, side="right"))
        if end - first < _FEWEST:
            # Words as frequent as the twentieth belong to its band too.
            last = min(first + _FEWEST, len(order)) - 1
            end = int(np.searchsorted(scale, scale[last], side="right"))
        if end - first >= _FEWEST:
            members = order[first:end]
            centers.append(10 ** scale[first:end].mean())
            quartiles.append(np.quantile(norms[members], [0.25, 0.5, 0.75]))
        first = end
    return np.array(centers), np.array(quartiles).reshape(-1, 3)
