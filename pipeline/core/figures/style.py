"""What all pictures share: inks, marks, and how a word is written."""

from dataclasses import dataclass

INK = "#1f2933"  # text
MUTED = "#5b6673"  # second lines and ticks; contrast with white 5.9 : 1
GRID = "#e8ebef"
QUIET = "#aeb7c2"  # words of no group

# Ten colors that stay apart, found by search over the palettes of Okabe and Ito and of
# Paul Tol: CIELAB ΔE ≥ 18 to all eyes but those without blue cones, to those ≥ 14.
PALETTE = (
    "#0072b2",
    "#ee3377",
    "#e69f00",
    "#33bbee",
    "#009988",
    "#882255",
    "#222222",
    "#997700",
    "#332288",
    "#661100",
)


@dataclass(frozen=True)
class Mark:
    """How a group's words are drawn; the shape tells what a color may not.

    Attributes:
        color: `#rrggbb`.
        shape: Name of the marker in Plotly, one that also exists in 3D.
    """

    color: str
    shape: str


# Plotly's name -> matplotlib's marker.
MATPLOTLIB_SHAPES = {"circle": "o", "diamond": "D", "square": "s", "cross": "P"}


def mark(group: int) -> Mark:
    """Return the mark of the group with this number, in every picture the same.

    Forty groups differ; with more, marks come again.
    """
    shapes = tuple(MATPLOTLIB_SHAPES)
    turn, color = divmod(group, len(PALETTE))
    return Mark(PALETTE[color], shapes[(color + turn) % len(shapes)])


def escaped(text: str) -> str:
    """Return text for Plotly, which reads tags and entities in most of its texts."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def counted(number: int, noun: str) -> str:
    """Return `1 word`, `2 words`, `1,500 words`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
