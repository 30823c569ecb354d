"""Maps of words: points that lie near each other for words that do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.core.figures.canvas import (
    SVG_POINTS,
    Images,
    drawable,
    head,
    picture,
    place,
)
from pipeline.core.figures.style import (
    INK,
    MATPLOTLIB_SHAPES,
    QUIET,
    mark,
)
from pipeline.core.labels import shown
from pipeline.core.types import Doubles, Floats, Ids

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NO_GROUP = -1
_OTHERS = "other words"

# Labels of images, at most: beyond, there is hardly room, and they cost time.
_IMAGE_LABELS = 500


@dataclass(frozen=True)
class MapWords:
    """The words of a map, and what is told about each.

    Attributes:
        words: n words.
        ranks: Shape (n,). By count in the whole vocabulary, from 0.
        groups: Names of all groups, drawn or not: a group's place in this tuple
            gives its mark.
        group: Shape (n,). Each word's group, or `NO_GROUP`.
    """

    words: tuple[str, ...]
    ranks: Ids
    groups: tuple[str, ...]
    group: Ids

    @property
    def grouped(self) -> bool:
        """Whether any word is of a group."""
        return bool((self.group != NO_GROUP).any())


def map_images(
    words: MapWords,
    layout: Floats,
    title: str,
    notes: Sequence[str],
    *,
    labeled: Sequence[int] | None = None,
) -> Images:
    """Draw a map as images, with as many words of groups named as fit.

    Args:
        words: n words.
        layout: Shape (n, 2). Their places.
        title: Heading.
        notes: Lines below it.
        labeled: The groups whose words are named; None for all.
    """
    with picture(12, 9) as (figure, images):
        head(figure, title, list(notes))
        axes = place(figure, 0.2, 0.2, 0.75, 0.62 + 0.19 * len(notes))
        axes.set_axis_off()
        for group, members in _by_group(words):
            quiet = group == NO_GROUP
            style = mark(max(group, 0))
            axes.scatter(
                layout[members, 0],
                layout[members, 1],
                s=7 if quiet else 30,
                c=QUIET if quiet else style.color,
                marker="o" if quiet else MATPLOTLIB_SHAPES[style.shape],
                linewidths=0 if quiet else 0.6,
                edgecolors="white",
                alpha=0.6 if quiet else 1,
                zorder=1 if quiet else 2,
                rasterized=len(members) > SVG_POINTS,
                label=drawable(f"{shown(_name(words, group))} ({len(members):,})"),
            )
        # Equal units in both directions, because only distances mean something.
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.03)
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            ncols=6,
            handletextpad=0.1,
            columnspacing=1.4,
        )
        named = np.arange(len(words.words))
        if labeled is not None:
            named = np.flatnonzero(np.isin(words.group, labeled))
        elif words.grouped:
            named = np.flatnonzero(words.group != NO_GROUP)
        named = named[np.argsort(words.ranks[named], kind="stable")][:_IMAGE_LABELS]
        texts = [drawable(shown(words.words[i])) for i in named]
        write_labels(axes, layout[named].astype(float), texts)
    return images


def write_labels(axes: "Axes", points: Doubles, texts: Sequence[str]) -> list[int]:
    """Write labels beside points, leaving out what would cover another.

    Each is tried at eight places around its point, earlier ones first.

    Args:
        axes: With its limits as they will stay.
        points: Shape (m, 2), in data units. No label covers one of them.
        texts: m labels, most important first.

    Returns:
        Which labels were written.
    """
    from matplotlib.patheffects import withStroke

    figure = axes.get_figure(root=True)
    if figure is None or not texts:
        return []
    figure.draw_without_rendering()  # settles the limits
    pixel = figure.dpi / 72  # of a typographic point
    spots = axes.transData.transform(points)  # (m, 2)
    room = np.array(axes.get_window_extent().extents)
    # Boxes are (left, bottom, right, top); the first m are the marks themselves.
    taken = np.empty((2 * len(texts), 4))
    reach = 3 * pixel
    taken[: len(texts)] = np.hstack([spots - reach, spots + reach])
    used = len(texts)
    written = []
    for i, text in enumerate(texts):
        label = axes.text(0, 0, text, size=7.5, color=INK, zorder=3)
        label.set_path_effects([withStroke(linewidth=2, foreground="white", alpha=0.8)])
        extent = label.get_window_extent()
        size = np.array([extent.width, extent.height])
        boxes = _around(spots[i], size, 4.5 * pixel)  # (8, 4)
        free = _inside(boxes, room) & ~_overlaps(boxes, taken[:used])
        if not free.any():
            label.remove()
            continue
        box = boxes[free.argmax()]
        # The extent need not begin where the text is anchored.
        anchor = box[:2] - np.array([extent.x0, extent.y0])
        anchor += axes.transData.transform((0, 0))
        x, y = axes.transData.inverted().transform(anchor)
        label.set_position((x, y))
        taken[used] = box
        used += 1
        written.append(i)
    return written


def _around(spot: Doubles, size: Doubles, gap: float) -> Doubles:
    """Return the eight boxes of a size around a spot, the best first."""
    right, left = gap, -gap - size[0]
    above, below = gap, -gap - size[1]
    across, along = -size[0] / 2, -size[1] / 2
    corners = np.array(
        [
            (right, along),
            (left, along),
            (across, above),
            (across, below),
            (right, above / 2),
            (right, below / 2 - size[1] / 2),
            (left, above / 2),
            (left, below / 2 - size[1] / 2),
        ]
    )
    low = spot + corners
    return np.hstack([low, low + size])


def _inside(boxes: Doubles, room: Doubles) -> npt.NDArray[np.bool_]:
    low = (boxes[:, :2] >= room[:2]).all(axis=1)
    high = (boxes[:, 2:] <= room[2:]).all(axis=1)
    return np.asarray(low & high)


def _overlaps(boxes: Doubles, taken: Doubles) -> npt.NDArray[np.bool_]:
    """Say which boxes share area with any that is taken."""
    low = np.maximum(boxes[:, np.newaxis, :2], taken[:, :2])
    high = np.minimum(boxes[:, np.newaxis, 2:], taken[:, 2:])
    both = np.asarray((low < high).all(axis=2))  # (8, taken)
    return np.asarray(both.any(axis=1))


def _by_group(words: MapWords) -> list[tuple[int, Ids]]:
    """Return (group, its words) for the groups drawn, words of none first."""
    return [
        (int(group), np.flatnonzero(words.group == group).astype(np.int32))
        for group in np.unique(words.group)
    ]


def _name(words: MapWords, group: int) -> str:
    return _OTHERS if group == NO_GROUP else words.groups[group]
