"""The nouns of the pipeline: what flows from stage to stage.

N tokens, S sentences, V words, d dims, E epochs. Every artifact is a frozen
dataclass whose fields `pipeline.artifacts` can write and read without pickle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # training needs no tables, and Arrow takes 30 MB
    import pyarrow as pa

Halves = npt.NDArray[np.float16]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]

UNKNOWN = -1  # the id of a token that is not in the vocabulary


@dataclass(frozen=True)
class Corpus:
    """Sentences as written, by split.

    Attributes:
        splits: Split name -> Arrow table, one row per sentence. Column `tokens`
            is list<string>; `pos`, `chunk` and `ner` (IOB2) are list<string> of
            the same lengths and are present only where the source has them.
    """

    splits: Mapping[str, "pa.Table"]


@dataclass(frozen=True)
class Normalization:
    """How a token becomes a word.

    Attributes:
        lowercase: Fold case with `str.lower`.
        digits: `keep` leaves digits, `zero` writes each decimal digit as 0.
    """

    lowercase: bool
    digits: Literal["keep", "zero"]

    def __call__(self, token: str) -> str:
        """Return the word of a token."""
        word = token.lower() if self.lowercase else token
        if self.digits == "zero":
            word = "".join("0" if c.isdecimal() else c for c in word)
        return word


@dataclass(frozen=True)
class Vocab:
    """Words by rank.

    Attributes:
        words: V words; a word's id is its rank by count, ties by spelling. Where
            counts are not known, the order is as given.
        counts: Shape (V,), int64. Occurrences in the splits trained on; all 0 where
            they are not known, as for vectors of another program.
        normalization: How tokens became words.
    """

    words: tuple[str, ...]
    counts: Counts
    normalization: Normalization

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """Word -> id."""
        return {word: i for i, word in enumerate(self.words)}


@dataclass(frozen=True)
class EncodedSplit:
    """A split as ids, aligned token by token with the corpus.

    Attributes:
        ids: Shape (N,), int32; `UNKNOWN` where a token is not in the vocabulary.
        offsets: Shape (S + 1,), int64; sentence s is ids[offsets[s]:offsets[s+1]].
    """

    ids: Ids
    offsets: Counts


@dataclass(frozen=True)
class EncodedCorpus:
    """All splits as ids.

    Attributes:
        splits: Split name -> encoded split.
        train_splits: The splits that were counted and are trained on.
    """

    splits: Mapping[str, EncodedSplit]
    train_splits: tuple[str, ...]


@dataclass(frozen=True)
class Embeddings:
    """Word vectors.

    Attributes:
        words: V words.
        center: Shape (V, d), float32. Input vectors: a word as the center.
        context: Shape (V, d), float32. Output vectors: a word as a context. Shape
            (V, 0) where there are none: other programs keep one matrix.
        normalization: How tokens became words.
    """

    words: tuple[str, ...]
    center: Floats
    context: Floats
    normalization: Normalization

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """Word -> row."""
        return {word: i for i, word in enumerate(self.words)}


@dataclass(frozen=True)
class TrainingHistory:
    """What training measured after each epoch.

    Attributes:
        loss: Shape (E,), float64, nats per pair: mean over the pairs trained on.
        heldout_loss: Shape (E,), float64, nats per pair on the held-out split
            with fixed negatives; empty when no split is held out.
        learning_rate: Shape (E,), float64. The rate at each epoch's last update.
    """

    loss: Doubles
    heldout_loss: Doubles
    learning_rate: Doubles


@dataclass(frozen=True)
class Snapshots:
    """The vectors of the most frequent words as training went on.

    Attributes:
        epochs: Shape (F,), int32. How many epochs were done at each, ascending from 0,
            the start.
        vectors: Shape (F, W, d), float16: their directions to three digits, enough
            for a picture. Of the first W words of the vocabulary.
    """

    epochs: Ids
    vectors: Halves


@dataclass(frozen=True)
class Controls:
    """What random vectors score, beside which scores are to be seen.

    Attributes:
        scores: Metric -> what random vectors of the same shape score, where that is
            defined; and `probe/f1_onehot`, that of frequent words told apart.
        seed: Of the random vectors.
    """

    scores: Mapping[str, float]
    seed: int


@dataclass(frozen=True)
class Metrics:
    """Scores by flat name, such as `similarity/ws353`; fractions of 1."""

    values: Mapping[str, float]


@dataclass(frozen=True)
class Tables:
    """The items behind the scores: name -> Arrow table of plain columns."""

    tables: Mapping[str, "pa.Table"]


@dataclass(frozen=True)
class Figures:
    """Pictures: file name (`explorer.html`, `loss.png`) -> content."""

    files: Mapping[str, bytes]
