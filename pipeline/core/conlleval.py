"""Entities from IOB tags, and their F1, as the script conlleval counts them.

Source: Tjong Kim Sang and Buchholz 2000, "Introduction to the CoNLL-2000 Shared
Task: Chunking", whose conlleval.pl also scored CoNLL-2003.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core.types import Counts, Ids
from pipeline.errors import DataError

OUTSIDE = "O"

_REMEDY = "Is the column ner one of entities? If not, set evaluate.probe.enabled=false"


@dataclass(frozen=True)
class Tagset:
    """Tags taken apart.

    Attributes:
        tags: T tags: `O`, `B-PER`, `I-PER` and the like.
        kinds: The entity types, sorted.
        kind_of: Shape (T,), int32. The type's position in `kinds`; -1 for `O`.
        begins: Shape (T,), bool. Whether the tag says B-.
    """

    tags: tuple[str, ...]
    kinds: tuple[str, ...]
    kind_of: Ids
    begins: npt.NDArray[np.bool_]


def read_tags(tags: Sequence[str], remedy: str = _REMEDY) -> Tagset:
    """Take tags apart.

    Args:
        tags: T tags.
        remedy: What to do where one is none, for the error.

    Raises:
        DataError: if one is neither `O` nor B- or I- and a type.
    """
    for tag in tags:
        if tag != OUTSIDE and not (tag[:2] in ("B-", "I-") and tag[2:]):
            raise DataError(
                f"entity tags: expected O, B-TYPE or I-TYPE, found {tag!r}. {remedy}"
            )
    kinds = tuple(sorted({tag[2:] for tag in tags if tag != OUTSIDE}))
    kind_of = [kinds.index(tag[2:]) if tag != OUTSIDE else -1 for tag in tags]
    begins = [tag.startswith("B-") for tag in tags]
    return Tagset(tuple(tags), kinds, np.array(kind_of, np.int32), np.array(begins))


@dataclass(frozen=True)
class Entities:
    """Entities of a split, in the order of the text.

    Attributes:
        starts: Shape (n,), int64. First token.
        ends: Shape (n,), int64. The token past the last.
        kinds: Shape (n,), int32. Position of the type in the tagset's `kinds`.
    """

    starts: Counts
    ends: Counts
    kinds: Ids


def find_entities(tagset: Tagset, tags: Ids, offsets: Counts) -> Entities:
    """Return the entities that tags spell out.

    As conlleval reads them: an entity starts at a B-, and at an I- that follows
    no tag of its type in its sentence. So no sequence of tags is malformed, and a
    classifier's need no repair.

    Args:
        tagset: Of the tags.
        tags: Shape (N,). Positions in `tagset.tags`.
        offsets: Shape (S + 1,). Sentence s is tags[offsets[s]:offsets[s+1]].
    """
    kind = tagset.kind_of[tags]  # (N,)
    inside = kind >= 0
    first = np.zeros(len(tags) + 1, np.bool_)  # of its sentence; one past the end
    first[offsets] = True
    before = np.roll(kind, 1)
    start = inside & (tagset.begins[tags] | first[:-1] | (before != kind))
    # An entity ends where the next token is outside, or starts another.
    goes_on = np.append(inside & ~start, False)[1:]
    end = inside & ~goes_on
    starts = np.flatnonzero(start)
    return Entities(starts, np.flatnonzero(end) + 1, kind[starts])


def count_matches(
    gold: Entities, found: Entities, offsets: Counts, kinds: int
) -> Counts:
    """Count entities by sentence and type.

    An entity is correct when its first token, its last and its type all are.

    Args:
        gold: What the corpus says.
        found: What is scored.
        offsets: Shape (S + 1,). Of the sentences.
        kinds: How many types there are.

    Returns:
        Shape (S, kinds, 3), int64: correct, found, gold.
    """
    counts = np.zeros((len(offsets) - 1, kinds, 3), np.int64)
    for column, entities in enumerate((_correct(gold, found), found, gold)):
        sentences = np.searchsorted(offsets, entities.starts, side="right") - 1
        np.add.at(counts[:, :, column], (sentences, entities.kinds), 1)
    return counts


def _correct(gold: Entities, found: Entities) -> Entities:
    """Return the entities that are in both."""
    # No two entities of one reading start at the same token.
    _, here, there = np.intersect1d(
        found.starts, gold.starts, assume_unique=True, return_indices=True
    )
    same = (found.ends[here] == gold.ends[there]) & (
        found.kinds[here] == gold.kinds[there]
    )
    right = here[same]
    return Entities(found.starts[right], found.ends[right], found.kinds[right])


@dataclass(frozen=True)
class EntityScore:
    """How well entities were found.

    Attributes:
        precision: Correct / found; 0 where none is found.
        recall: Correct / gold; 0 where there is none.
        f1: 2 · precision · recall / (precision + recall); 0 where both are.
        correct: How many are in both.
        found: How many were found.
        gold: How many there are.
    """

    precision: float
    recall: float
    f1: float
    correct: int
    found: int
    gold: int


def entity_score(correct: int, found: int, gold: int) -> EntityScore:
    """Return precision, recall and F1 of counted entities.

    F1 is computed as 2 · correct / (found + gold), which is the same and rounds
    once.
    """
    return EntityScore(
        precision=correct / found if found else 0.0,
        recall=correct / gold if gold else 0.0,
        f1=2 * correct / (found + gold) if found + gold else 0.0,
        correct=correct,
        found=found,
        gold=gold,
    )
