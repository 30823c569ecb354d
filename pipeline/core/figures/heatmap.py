"""Heatmaps of cosines between chosen words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.figures.canvas import drawable, head, picture, place
from pipeline.core.figures.page import page
from pipeline.core.figures.style import MUTED, counted, escaped, mark
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

# What fits into the margin of the image.
_PNG_LETTERS = 18

# Words named on each axis of a page in a small window, at most.
_SMALL_TICKS = 12


@dataclass(frozen=True)
class HeatmapWords:
    """The words of a heatmap, in the order in which they are drawn.

    Attributes:
        words: m ≥ 1 words.
        groups: Names of all groups; a group's place in this tuple gives its mark.
        group: Shape (m,). Each word's group or -1; a group's words stand together.
        cosines: Shape (m, m).
    """

    words: tuple[str, ...]
    groups: tuple[str, ...]
    group: Ids
    cosines: Doubles

    @property
    def blocks(self) -> list[tuple[int, int, int]]:
        """(first, end, group) of each run of words of one group."""
        starts = np.flatnonzero(np.diff(self.group, prepend=self.group[0] - 1))
        ends = [*starts[1:].tolist(), len(self.words)]
        return [
            (int(start), end, int(self.group[start]))
            for start, end in zip(starts, ends, strict=True)
        ]


def cluster_order(unit: Doubles) -> Ids:
    """Return an order of the rows that puts like ones next to each other.

    Average linkage of Euclidean distances, its leaves turned so that the sum of
    distances of adjacent rows is least.

    Args:
        unit: Shape (m, d). Unit vectors.

    Returns:
        Shape (m,), int32. A permutation.

    Source: Bar-Joseph et al. 2001, "Fast optimal leaf ordering for hierarchical
    clustering".
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(unit) < 3:
        return np.arange(len(unit), dtype=np.int32)
    tree = linkage(unit, "average", optimal_ordering=True)
    return np.asarray(leaves_list(tree), np.int32)


def heatmap_html(words: HeatmapWords, notes: Sequence[str]) -> bytes:
    """Draw the cosines as a page; hover tells each value.

    Args:
        words: m words with their cosines.
        notes: Lines below the heading.
    """
    m = len(words.words)
    names = [escaped(shown(word)) for word in words.words]
    ticks = [f"{name} {_sign(words, i)}" for i, name in enumerate(names)]
    axis = {
        "tickvals": list(range(m)),
        "ticktext": ticks,
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
        "automargin": True,
        "tickfont": {"size": 11 if m <= 60 else 8},
        "range": [-0.5, m - 0.5],
    }
    few, few_names = _few_ticks(words, names)
    return page(
        _title(m),
        notes,
        [
            {
                "type": "heatmap",
                "z": np.round(words.cosines, 4).tolist(),
                "coloraxis": "coloraxis",
                "hoverinfo": "text",
                "hovertext": [
                    [
                        f"<b>{first} · {second}</b><br>cosine {cosine:.3f}"
                        for second, cosine in zip(names, row, strict=True)
                    ]
                    for first, row in zip(names, words.cosines.tolist(), strict=True)
                ],
                "xgap": 0.5,
                "ygap": 0.5,
            }
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
                    "x": 1.09 if words.groups else 1.02,
                    "xanchor": "left",
                    "y": 0.5,
                    "yanchor": "middle",
                },
            },
            "xaxis": {**axis, "tickangle": -90},
            "yaxis": {**axis, "autorange": False, "range": [m - 0.5, -0.5]},
            "margin": {"l": 20, "r": 20, "t": 20, "b": 20},
            "dragmode": False,
            "shapes": [
                {
                    "type": "line",
                    "layer": "above",
                    "line": {"color": "white", "width": 3},
                }
                | line
                for first, _, _ in words.blocks[1:]
                for line in (
                    {"x0": first - 0.5, "x1": first - 0.5, "y0": -0.5, "y1": m - 0.5},
                    {"y0": first - 0.5, "y1": first - 0.5, "x0": -0.5, "x1": m - 0.5},
                )
            ],
            "annotations": [
                {
                    "text": escaped(shown(words.groups[group], _PNG_LETTERS)),
                    "x": 1.005,
                    "xref": "paper",
                    "xanchor": "left",
                    "y": (first + end - 1) / 2,
                    "showarrow": False,
                    "font": {"size": 11, "color": MUTED},
                }
                for first, end, group in words.blocks
                if group >= 0
            ],
        },
        small={
            "xaxis.tickvals": few,
            "xaxis.ticktext": few_names,
            "yaxis.tickvals": few,
            "yaxis.ticktext": few_names,
            "annotations": [],
            "margin.l": 8,
            "margin.r": 8,
            "margin.t": 8,
            "margin.b": 8,
            "coloraxis.colorbar.x": 1.02,
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


def heatmap_png(words: HeatmapWords, notes: Sequence[str]) -> bytes:
    """Draw the cosines as an image.

    Args:
        words: m words with their cosines.
        notes: Lines below the heading.
    """
    from matplotlib.colors import LinearSegmentedColormap

    m = len(words.words)
    side = max(4.0, 0.17 * m)  # inches
    top = 0.62 + 0.19 * len(notes)
    with picture(side + 3.6, side + top + 1.5) as (figure, png):
        head(figure, _title(m), list(notes))
        axes = place(figure, 1.5, 2.1, 1.5, top)
        colors = LinearSegmentedColormap.from_list("cosine", list(_SCALE))
        image = axes.imshow(
            words.cosines, cmap=colors, vmin=-1, vmax=1, interpolation="nearest"
        )
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        names = [drawable(shown(word, _PNG_LETTERS)) for word in words.words]
        axes.set_xticks(range(m), names, rotation=90, size=7.5)
        axes.set_yticks(range(m), names, size=7.5)
        for first, end, group in words.blocks:
            if first:
                axes.axhline(first - 0.5, color="white", linewidth=2)
                axes.axvline(first - 0.5, color="white", linewidth=2)
            if group >= 0:
                color = mark(group).color
                across = axes.get_yaxis_transform()
                axes.plot(
                    [1.012, 1.012],
                    [first - 0.4, end - 0.6],
                    transform=across,
                    color=color,
                    linewidth=3,
                    solid_capstyle="butt",
                    clip_on=False,
                )
                axes.text(
                    1.025,
                    (first + end - 1) / 2,
                    drawable(shown(words.groups[group], _PNG_LETTERS)),
                    transform=across,
                    va="center",
                    size=8,
                    color=MUTED,
                )
        width, height = figure.get_size_inches()
        box = (1 - 0.75 / width, 1.5 / height, 0.12 / width, side / height)
        bar = figure.colorbar(image, cax=figure.add_axes(box))
        bar.outline.set_visible(False)
        bar.set_label("cosine")
    return png.getvalue()


def _title(words: int) -> str:
    return f"Similarity of {counted(words, 'word')}"


def _sign(words: HeatmapWords, i: int) -> str:
    group = int(words.group[i])
    if group < 0:
        return ""
    style = mark(group)
    return f'<span style="color:{style.color}">{_SIGNS[style.shape]}</span>'


def _few_ticks(
    words: HeatmapWords, names: Sequence[str]
) -> tuple[list[float], list[str]]:
    """Return ticks for a small window: groups, or words at equal steps."""
    if words.groups and (words.group >= 0).all():
        return (
            [(first + end - 1) / 2 for first, end, _ in words.blocks],
            [
                f"{escaped(words.groups[group])} {_sign(words, first)}"
                for first, _, group in words.blocks
            ],
        )
    step = -(-len(names) // _SMALL_TICKS)
    return [float(i) for i in range(0, len(names), step)], list(names[::step])
