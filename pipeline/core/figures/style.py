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


# Zero-width joiners belong to the spelling of Persian words and of emoji.
_JOINERS = "\u200c\u200d"


def shown(word: str, limit: int = 24) -> str:
    r"""Return a word as a label: one line of visible characters, at most `limit`.

    Controls, line breaks, marks that turn the direction of writing and lone
    surrogates appear as escapes such as `\u202e`; a longer word ends in `…`.
    """
    # A word may be a megabyte long, so it is cut before its characters are read.
    text = "".join(map(_visible, word[: limit + 1]))
    if not text.strip():
        return "(blank)" if text else "(empty)"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def escaped(text: str) -> str:
    """Return text for Plotly, which reads tags and entities in most of its texts."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def counted(number: int, noun: str) -> str:
    """Return `1 word`, `2 words`, `1,500 words`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _visible(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
