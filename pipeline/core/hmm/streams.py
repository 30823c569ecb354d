"""What a state emits: a token, seen through several streams.

    log p(token | s) = Σ_i weight_i · log p(what stream i sees | s, what is given)

One weight per stream makes up for streams that say the same twice, as in speech
recognition. With the stream `word` alone, weight 1, this is the plain model, whose
states emit words. The others look at the tokens beside a token, so that a neighbor is
seen more than once: the scores are then no probabilities of a text.

Source: Bourlard and Dupont 1996, "A New ASR Approach Based on Independent Processing
and Recombination of Partial Frequency Bands" (streams and their weights).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.core.hmm.backoff import Level


@dataclass(frozen=True)
class Stream:
    """A view of a token.

    Attributes:
        levels: From coarse to fine.
        given: How many of them are taken as given.
    """

    levels: tuple[Level, ...]
    given: int


@dataclass(frozen=True)
class Strengths:
    """How far levels lean on those before them.

    Attributes:
        affix: Of suffixes and prefixes; None for TnT's θ.
        word: Of the word, and the word as written.
        context: Of neighbors.
    """

    affix: float | None
    word: float
    context: float


_SHAPE = Level(("shape",), 1.0)
_RARE_SHAPE = Level(("shape",), 1.0, rare=True)


def all_streams(
    strengths: Strengths, *, suffix: int, classes: bool
) -> Mapping[str, Stream]:
    """Return the streams by name.

        word       the token: its word, else its suffixes and its shape
        prefix     its beginning
        previous   the word before it; next: after it; previous2, next2: one further
        pair       the word with the one after it
        shapes     the shapes of up to two tokens at each side
        sentence   the shapes that its sentence begins with, and where it stands

    Args:
        strengths: How far levels lean on those before them.
        suffix: The longest suffix and prefix, in characters.
        classes: Whether words have classes: then they stand between shape and word.
    """
    affix, near = strengths.affix, strengths.context
    sizes = range(1, suffix + 1)
    own_class = (Level(("shape", "class"), near),) if classes else ()
    word = (
        _RARE_SHAPE,
        Level(("shape", "place"), 5.0, rare=True),
        *(Level(("shape", f"suffix{n}"), affix, rare=True) for n in sizes),
        *own_class,
        Level(("word",), strengths.word),
        Level(("word", "shape"), strengths.word),
    )
    prefix = (
        _RARE_SHAPE,
        *(Level(("shape", f"prefix{n}"), affix, rare=True) for n in sizes),
    )

    def beside(shift: str) -> Stream:
        levels = (
            _SHAPE,
            Level(("shape", f"shape{shift}"), near),
            *((Level(("shape", f"class{shift}"), near),) if classes else ()),
            Level(("shape", f"word{shift}"), near),
        )
        return Stream(levels, given=1)

    pair = (
        _SHAPE,
        Level(("word",), 3.0),
        Level(("word", "word+1"), 3.0),
    )
    around = ("place", "shape-1", "shape", "shape+1")
    shapes = (
        _SHAPE,
        Level(("place", "shape-1", "shape"), near),
        Level(around, near),
        Level((*around, "shape-2", "shape+2"), near),
    )
    sentence = (_SHAPE, Level(("shape", "pattern"), 5.0))
    return {
        "word": Stream(word, given=0),
        "prefix": Stream(prefix, given=1),
        "previous": beside("-1"),
        "next": beside("+1"),
        "previous2": beside("-2"),
        "next2": beside("+2"),
        "pair": Stream(pair, given=2),
        "shapes": Stream(shapes, given=1),
        "sentence": Stream(sentence, given=1),
    }
