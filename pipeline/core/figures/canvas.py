"""Matplotlib without its global state: a canvas per picture, PNG and SVG out."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from pipeline.core.figures.style import GRID, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150

# Points up to which an SVG holds each one; more come as one image in it.
SVG_POINTS = 5_000

# A picture by the endings of its files, `png` and `svg`.
Images = dict[str, bytes]

_STYLE = {
    "font.family": "DejaVu Sans",  # the font that matplotlib brings
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a word may hold dollar signs
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "figure.dpi": DOTS_PER_INCH,
    "savefig.dpi": "figure",
    "svg.hashsalt": "w2v",  # else the ids of clips and markers are drawn at random
    "svg.fonttype": "path",  # the same letters on every machine
}

_METADATA = {"png": {"Software": None}, "svg": {"Creator": None, "Date": None}}


@contextmanager
def picture(width: float, height: float) -> Iterator[tuple["Figure", Images]]:
    """Give an empty figure; after the block the images are there.

    Args:
        width: Inches.
        height: Inches.
    """
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    # Matplotlib reads a matplotlibrc from the working directory; this forgets it.
    with style.context(_STYLE, after_reset=True):
        figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(figure)  # attaches itself to the figure
        images: Images = {}
        yield figure, images
        # Their own metadata would name matplotlib's version, and the time.
        for form, metadata in _METADATA.items():
            if form == "svg":
                # Each letter with an outline is a path of its own: 2 MB for a map.
                for text in figure.findobj(Text):
                    text.set_path_effects([])
            buffer = io.BytesIO()
            figure.savefig(buffer, format=form, metadata=metadata)
            images[form] = buffer.getvalue()


def head(figure: "Figure", title: str, notes: list[str]) -> None:
    """Write a title and lines below it, flush left at the top."""
    width, height = figure.get_size_inches()
    left = 0.25 / width
    figure.text(left, 1 - 0.2 / height, title, size=14, weight="bold", va="top")
    for line, note in enumerate(notes):
        top = 1 - (0.5 + 0.19 * line) / height
        figure.text(left, top, note, size=8.5, color=MUTED, va="top")


def place(
    figure: "Figure", left: float, right: float, bottom: float, top: float
) -> "Axes":
    """Return axes with these margins, in inches."""
    width, height = figure.get_size_inches()
    box = (
        left / width,
        bottom / height,
        1 - (left + right) / width,
        1 - (top + bottom) / height,
    )
    return figure.add_axes(box)


def drawable(text: str) -> str:
    """Return text with `□` for each character that the font lacks.

    DejaVu Sans writes Latin, Greek, Cyrillic, Hebrew, Arabic and more, but not
    Chinese. Fonts of the machine would draw another picture on each machine; the
    pages, which a browser draws with its own, show every script.
    """
    known = _characters()
    return "".join(c if ord(c) in known else "□" for c in text)


@cache
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family="DejaVu Sans")))
    return frozenset(font.get_charmap())
