"""The states of a tagger, and which of them may follow one another.

An entity in BIOES is written S- if it is one token, else B-, I- ..., E-. So a state
says where an entity ends, too, and the last word of a name is told from the first.

Source: Ratinov and Roth 2009, "Design Challenges and Misconceptions in Named Entity
Recognition", where it is called BILOU.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.conlleval import OUTSIDE, Tagset, find_entities
from pipeline.core.types import Counts, Ids

Scheme = Literal["bioes", "iob2"]

_MARK_OF = {"B": "B", "S": "B", "I": "I", "E": "I"}


@dataclass(frozen=True)
class StateSpace:
    """States, and what they stand for.

    K states; K itself is the boundary, before the first token and after the last.

    Attributes:
        states: K names: `S-PER`, `O`, or a part of speech.
        tags: K tags: how each state is written in the corpus.
        allowed: Shape (K + 1, K + 1), bool. Whether v may follow u.
    """

    states: tuple[str, ...]
    tags: tuple[str, ...]
    allowed: npt.NDArray[np.bool_]


def plain_states(tags: Sequence[str]) -> StateSpace:
    """Return a state for each tag; any may follow any."""
    size = len(tags) + 1
    allowed = np.ones((size, size), np.bool_)
    return StateSpace(tuple(tags), tuple(tags), allowed)


def span_states(tagset: Tagset, scheme: Scheme) -> StateSpace:
    """Return the states of spans; only what spells whole spans may follow.

    All states of the tagset's types are there, whether a corpus has such spans or not.
    """
    marks = "BIES" if scheme == "bioes" else "BI"
    kinds = [f"{mark}-{kind}" for kind in tagset.kinds for mark in marks]
    states = (OUTSIDE, *kinds)
    tags = (OUTSIDE, *(f"{_MARK_OF[state[0]]}{state[1:]}" for state in kinds))
    follow = [
        [_may_follow(u, v, scheme) for v in (*states, OUTSIDE)]
        for u in (*states, OUTSIDE)
    ]
    return StateSpace(states, tags, np.array(follow, np.bool_))


def _may_follow(before: str, after: str, scheme: Scheme) -> bool:
    """Say whether a state may follow; the boundary is like O."""
    same = before[2:] == after[2:] and before != OUTSIDE
    if scheme == "iob2":
        return same or after[0] != "I"
    inside, goes_on = before[0] in "BI", after[0] in "IE"
    return inside == goes_on and (same or not inside)


def span_sequence(space: StateSpace, tagset: Tagset, tags: Ids, offsets: Counts) -> Ids:
    """Return the states that spell the spans of tags.

    Spans are read as conlleval reads them, so that no tags are malformed.

    Args:
        space: From `span_states`.
        tagset: Of the tags.
        tags: Shape (N,). Positions in `tagset.tags`.
        offsets: Shape (S + 1,). Of the sentences.

    Returns:
        Shape (N,), int32.
    """
    spans = find_entities(tagset, tags, offsets)
    bioes = any(state[0] == "S" for state in space.states)
    at = {state: i for i, state in enumerate(space.states)}

    def of(mark: str) -> Ids:
        """Return the state with a mark, for each span."""
        names = [f"{mark}-{kind}" for kind in tagset.kinds]
        return np.array([at[name] for name in names], np.int32)[spans.kinds]

    found = np.full(len(tags), at[OUTSIDE], np.int32)
    if not len(spans.starts):
        return found
    lengths = spans.ends - spans.starts
    inside = np.repeat(spans.starts, lengths) + _ranges(lengths)
    found[inside] = np.repeat(of("I"), lengths)
    found[spans.starts] = of("B")
    if bioes:
        long = lengths > 1
        found[spans.ends[long] - 1] = of("E")[long]
        found[spans.starts[~long]] = of("S")[~long]
    return found


def _ranges(lengths: Counts) -> Counts:
    """Return 0 .. n - 1 for each n, one after another."""
    starts = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) - np.repeat(starts, lengths)
