"""The loss curve: how training went."""

from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.figures.canvas import Images, head, picture, place
from pipeline.core.figures.page import page
from pipeline.core.figures.style import GRID, MATPLOTLIB_SHAPES, Mark, counted, mark
from pipeline.core.types import Doubles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLE = "Loss by epoch"
_UNIT = "loss (nats per pair)"

# A curve: its name, its mark, how its line is dashed in Plotly and in matplotlib.
_TRAIN = ("training", mark(0), "solid", "-")
_HELDOUT = ("held out", mark(1), "dash", "--")


def loss_html(loss: Doubles, heldout: Doubles) -> bytes:
    """Draw the curves as a page.

    Args:
        loss: Shape (E,), nats per pair.
        heldout: Shape (E,), or empty when nothing was held out.
    """
    axis = {"gridcolor": GRID, "zeroline": False, "linecolor": GRID, "automargin": True}
    epochs = {"dtick": 1} if len(loss) <= 10 else {"nticks": 10}
    return page(
        _TITLE,
        notes(loss, heldout),
        [
            {
                "type": "scatter",
                "name": name,
                "mode": "lines+markers",
                "x": list(range(1, len(values) + 1)),
                "y": [float(v) if np.isfinite(v) else None for v in values],
                "line": {"color": style.color, "width": 2.5, "dash": dash},
                "marker": {"symbol": style.shape, "size": 7},
                "hovertemplate": "%{y:.4f}",
            }
            for values, (name, style, dash, _) in _curves(loss, heldout)
        ],
        {
            "xaxis": {
                **axis,
                "title": {"text": "epoch", "font": {"size": 13}, "standoff": 6},
                "range": [0.5, max(len(loss), 1) + 0.5],
                "hoverformat": ",d",
                "unifiedhovertitle": {"text": "<b>epoch %{x}</b>"},
                **epochs,
            },
            "yaxis": {**axis, "title": {"text": _UNIT, "font": {"size": 13}}},
            "hovermode": "x unified",
            "showlegend": True,
            "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
            "margin": {"l": 70, "r": 30, "t": 48, "b": 60},
        },
        small={"margin.l": 56, "margin.r": 12, "margin.t": 40, "margin.b": 52},
    )


def loss_images(loss: Doubles, heldout: Doubles) -> Images:
    """Draw the curves as images.

    Args:
        loss: Shape (E,), nats per pair.
        heldout: Shape (E,), or empty when nothing was held out.
    """
    from matplotlib.ticker import MaxNLocator

    with picture(8, 5) as (figure, images):
        lines = notes(loss, heldout)
        head(figure, _TITLE, lines)
        axes = place(figure, 0.75, 0.95, 0.55, 0.65 + 0.19 * len(lines))
        axes.set_xlabel("epoch")
        axes.set_ylabel(_UNIT)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ends = []
        for values, (name, style, _, line) in _curves(loss, heldout):
            axes.plot(
                range(1, len(values) + 1),
                np.where(np.isfinite(values), values, np.nan),
                line,
                color=style.color,
                marker=MATPLOTLIB_SHAPES[style.shape],
                markersize=4,
                linewidth=2,
            )
            if len(values) and np.isfinite(values[-1]):
                ends.append((float(values[-1]), name, style))
        if not ends:
            axes.set_xlim(0.5, 1.5)
        _name_ends(axes, ends)
    return images


def notes(loss: Doubles, heldout: Doubles) -> list[str]:
    """Say in words what the curves show."""
    if not len(loss):
        return ["No epoch was trained."]
    lines = [f"Training: {_from_to(loss)} in {counted(len(loss), 'epoch')}."]
    if len(heldout) and np.isfinite(heldout).any():
        best = int(np.nanargmin(np.where(np.isfinite(heldout), heldout, np.nan)))
        lines.append(
            f"Held out, with fixed negatives: {_from_to(heldout)}, "
            f"lowest {heldout[best]:.3f} after epoch {best + 1}."
        )
    return lines


def _from_to(values: Doubles) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"from {values[0]:.3f} to {values[-1]:.3f} nats per pair"


def _curves(
    loss: Doubles, heldout: Doubles
) -> list[tuple[Doubles, tuple[str, Mark, str, str]]]:
    curves = [(loss, _TRAIN)]
    return [*curves, (heldout, _HELDOUT)] if len(heldout) else curves


def _name_ends(axes: "Axes", ends: list[tuple[float, str, Mark]]) -> None:
    """Name the curves where they end, apart from each other."""
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    figure.draw_without_rendering()  # settles the limits
    apart = 0.045  # of the axes' height: one line of text
    heights = [
        float(axes.transAxes.inverted().transform(axes.transData.transform((0, y)))[1])
        for y, _, _ in ends
    ]
    if len(heights) == 2 and abs(heights[0] - heights[1]) < apart:
        middle, half = sum(heights) / 2, apart / 2
        above = heights[0] >= heights[1]
        heights = (
            [middle + half, middle - half] if above else [middle - half, middle + half]
        )
    for (_, name, style), height in zip(ends, heights, strict=True):
        axes.text(
            1.015,
            height,
            name,
            transform=axes.transAxes,
            color=style.color,
            weight="bold",
            va="center",
        )
