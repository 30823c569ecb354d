"""Heatmaps of cosines between chosen words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.figures.canvas import Images, drawable, head, picture, place
from pipeline.core.figures.page import page
from pipeline.core.figures.style import (
    INK,
    MATPLOTLIB_SHAPES,
    MUTED,
    counted,
    escaped,
    mark,
)
from pipeline.core.labels import shown
from pipeline.core.types import Doubles, Ids

# Orange for unlike, white for unrelated, blue for alike: apart to all eyes.
_SCALE = (
    (0.0, "#7f3b08"),
    (0.25, "#e08214"),
    (0.5, "#ffffff"),
    (0.75, "#4393c3"),
    (1.0, "#053061"),
)

# The marks of groups as characters, by shape.
_SIGNS = {"circle": "●", "diamond": "◆", "square": "■", "cross": "✚"}

# What fits into the margin of the images.
_IMAGE_LETTERS = 18

# Words named on each axis of a page in a small window, at most.
_SMALL_TICKS = 12


@dataclass(frozen=True)
class Clustering:
    """Rows that are alike, next to each other, and the tree that joins them.

    Attributes:
        order: Shape (m,), int32. The rows from first to last.
        tree: Shape (m - 1, 4, 2). The joints, nearest first: the corners of each as
            (place in the order, height), from one branch over the joint to the other.
            A height is the mean distance between two clusters' rows.
    """

    order: Ids
    tree: Doubles


@dataclass(frozen=True)
class HeatmapWords:
    """The words of a heatmap, in the order in which they are drawn.

    Attributes:
        words: m ≥ 1 words.
        groups: Names of all groups; a group's place in this tuple gives its mark.
        group: Shape (m,). Each word's group or -1.
        cosines: Shape (m, m).
        tree: Shape (m - 1, 4, 2), as of `Clustering`.
    """

    words: tuple[str, ...]
    groups: tuple[str, ...]
    group: Ids
    cosines: Doubles
    tree: Doubles


def cluster(unit: Doubles) -> Clustering:
    """Return an order of the rows that puts like ones next to each other.

    Average linkage of Euclidean distances, its leaves turned so that the sum of
    distances of adjacent rows is least.

    Args:
        unit: Shape (m, d). Unit vectors.

    Source: Bar-Joseph et al. 2001, "Fast optimal leaf ordering for hierarchical
    clustering".
    """
    from scipy.cluster.hierarchy import dendrogram, linkage

    if len(unit) < 2:
        return Clustering(np.arange(len(unit), dtype=np.int32), np.empty((0, 4, 2)))
    found = dendrogram(linkage(unit, "average", optimal_ordering=True), no_plot=True)
    places = (np.array(found["icoord"]) - 5) / 10  # SciPy's leaves lie at 5, 15, 25
    tree = np.stack([places, np.array(found["dcoord"])], axis=2)
    nearest_first = np.argsort(tree[:, 1, 1], kind="stable")
    return Clustering(np.array(found["leaves"], np.int32), tree[nearest_first])


def heatmap_html(words: HeatmapWords, notes: Sequence[str]) -> bytes:
    """Draw the cosines as a page; hover tells each value.

    Args:
        words: m words with their cosines.
        notes: Lines below the heading.
    """
    m = len(words.words)
    names = [escaped(shown(word)) for word in words.words]
    axis = {
        "tickvals": list(range(m)),
        "ticktext": [f"{name} {_sign(words, i)}" for i, name in enumerate(names)],
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
        "automargin": True,
        "tickfont": {"size": 11 if m <= 60 else 8},
        # Lines from a cell to its two words, while it is pointed at.
        "showspikes": True,
        "spikemode": "toaxis",
        "spikesnap": "hovered data",
        "spikedash": "solid",
        "spikethickness": 1.5,
        "spikecolor": INK,
    }
    few = list(range(0, m, -(-m // _SMALL_TICKS)))
    few_names = [f"{escaped(shown(words.words[i], 12))} {_sign(words, i)}" for i in few]
    return page(
        _title(m),
        notes,
        [
            {
                "type": "heatmap",
                "z": np.round(words.cosines, 4).tolist(),
                "coloraxis": "coloraxis",
                "hoverinfo": "text",
                "hovertext": _hover(words, names),
                "xgap": 0.5,
                "ygap": 0.5,
            },
            {
                "type": "scatter",
                "mode": "lines",
                "x": _broken(words.tree[:, :, 1]),
                "y": _broken(words.tree[:, :, 0]),
                "xaxis": "x2",
                "line": {"color": MUTED, "width": 1, "shape": "linear"},
                "hoverinfo": "skip",
            },
        ],
        {
            "coloraxis": {
                "cmin": -1,
                "cmax": 1,
                "colorscale": [list(stop) for stop in _SCALE],
                "colorbar": {
                    "title": {"text": "cosine", "font": {"size": 12}, "side": "top"},
                    "thickness": 12,
                    "outlinewidth": 0,
                    "orientation": "v",
                    "x": 1.02,
                    "xanchor": "left",
                    "y": 0.5,
                    "yanchor": "middle",
                },
            },
            "xaxis": {
                **axis,
                "tickangle": -90,
                "range": [-0.5, m - 0.5],
                "domain": [0, 0.88],
            },
            "xaxis2": {
                "domain": [0.885, 1],
                "visible": False,
                "range": [0, 1.02 * _height(words)],
            },
            "yaxis": {**axis, "autorange": False, "range": [m - 0.5, -0.5]},
            "showlegend": False,
            "margin": {"l": 20, "r": 20, "t": 20, "b": 20},
            "dragmode": False,
            "hovermode": "closest",
        },
        small={
            "xaxis.tickvals": few,
            "xaxis.ticktext": few_names,
            "yaxis.tickvals": few,
            "yaxis.ticktext": few_names,
            "margin.l": 8,
            "margin.r": 8,
            "margin.t": 8,
            "margin.b": 8,
        },
        # Above the cells, for there is more height than width.
        portrait={
            "coloraxis.colorbar.orientation": "h",
            "coloraxis.colorbar.x": 0.5,
            "coloraxis.colorbar.xanchor": "center",
            "coloraxis.colorbar.y": 1.01,
            "coloraxis.colorbar.yanchor": "bottom",
        },
    )


def heatmap_images(words: HeatmapWords, notes: Sequence[str]) -> Images:
    """Draw the cosines as images, with the tree beside them.

    Args:
        words: m words with their cosines.
        notes: Lines below the heading.
    """
    from matplotlib.colors import LinearSegmentedColormap

    m = len(words.words)
    side = max(4.0, 0.17 * m)  # inches
    present = np.unique(words.group[words.group >= 0]).tolist()
    columns = max(1, int((side + 3.8) / 1.22))
    legend = 0.24 * -(-len(present) // columns)
    top, bottom = 0.62 + 0.19 * len(notes), 1.35 + legend
    with picture(side + 4, side + top + bottom) as (figure, images):
        head(figure, _title(m), list(notes))
        axes = place(figure, 1.5, 2.5, bottom, top)
        colors = LinearSegmentedColormap.from_list("cosine", list(_SCALE))
        image = axes.imshow(
            words.cosines, cmap=colors, vmin=-1, vmax=1, interpolation="nearest"
        )
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        names = [drawable(shown(word, _IMAGE_LETTERS)) for word in words.words]
        axes.set_xticks(range(m), names, rotation=90, size=7.5)
        axes.set_yticks(range(m), names, size=7.5)
        for group in present:
            style = mark(group)
            members = np.flatnonzero(words.group == group)
            axes.scatter(
                np.full(len(members), 1 + 0.09 / side),
                members,
                transform=axes.get_yaxis_transform(),
                s=14,
                c=style.color,
                marker=MATPLOTLIB_SHAPES[style.shape],
                linewidths=0,
                clip_on=False,
                label=drawable(shown(words.groups[group], _IMAGE_LETTERS)),
            )
        if present:
            figure.legend(
                loc="lower left",
                bbox_to_anchor=(0.15 / (side + 4), 0),
                ncols=columns,
                handletextpad=0.1,
                columnspacing=1.2,
            )
        branches = place(figure, 1.5 + side + 0.2, 1.1, bottom, top)
        for joint in words.tree:
            branches.plot(joint[:, 1], joint[:, 0], color=MUTED, linewidth=0.8)
        branches.set_ylim(m - 0.5, -0.5)
        branches.set_xlim(0, 1.02 * _height(words))
        branches.set_axis_off()
        width, height = figure.get_size_inches()
        box = (1 - 0.75 / width, bottom / height, 0.12 / width, side / height)
        bar = figure.colorbar(image, cax=figure.add_axes(box))
        bar.outline.set_visible(False)
        bar.set_label("cosine")
    return images


def _title(words: int) -> str:
    return f"Similarity of {counted(words, 'word')}"


def _height(words: HeatmapWords) -> float:
    """Return the height of the tree; 1 where all words are the same."""
    return float(words.tree[:, 1, 1].max(initial=0)) or 1.0


def _broken(corners: Doubles) -> list[float | None]:
    """Return lines one after the other, with gaps between."""
    return [
        value
        for line in corners.tolist()
        for value in (*(float(f"{x:.4g}") for x in line), None)
    ]


def _hover(words: HeatmapWords, names: Sequence[str]) -> list[list[str]]:
    """Return what each cell's hover says, in Plotly's markup."""
    kinds = [
        f" ({escaped(words.groups[group])})" if group >= 0 else ""
        for group in words.group.tolist()
    ]
    labels = [f"{name}{kind}" for name, kind in zip(names, kinds, strict=True)]
    return [
        [
            f"<b>{first}</b><br><b>{second}</b><br>cosine {cosine:.3f}"
            for second, cosine in zip(labels, row, strict=True)
        ]
        for first, row in zip(labels, words.cosines.tolist(), strict=True)
    ]


def _sign(words: HeatmapWords, i: int) -> str:
    group = int(words.group[i])
    if group < 0:
        return ""
    style = mark(group)
    return f'<span style="color:{style.color}">{_SIGNS[style.shape]}</span>'
