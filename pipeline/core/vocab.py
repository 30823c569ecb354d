"""From tokens to words and ids, a batch of sentences at a time.

Tokens stay in Arrow: only distinct ones ever become Python strings, so that time and
memory go with the vocabulary, not with the corpus.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.core import npz
from pipeline.core.files import replacing
from pipeline.core.types import UNKNOWN, EncodedSplit, Ids, Normalization, Vocab
from pipeline.errors import DataError

# Tokens taken at once: enough that few distinct ones come back in the next piece,
# few enough that a piece takes some megabytes.
PIECE_TOKENS = 2**20


def count_tokens(
    tables: Iterable[pa.Table], advance: Callable[[int], None]
) -> dict[str, int]:
    """Return how often each distinct token, as written, occurs in some splits.

    Args:
        tables: Column `tokens` is list<string>.
        advance: Told the tokens of each piece when it is counted.

    Raises:
        DataError: if a token or sentence is null.
    """
    counts: dict[str, int] = {}
    for table in tables:
        for piece in _pieces(table):
            found = piece.value_counts()
            tokens, times = found.field("values"), found.field("counts")
            for token, n in zip(tokens.to_pylist(), times.to_pylist(), strict=True):
                counts[token] = counts.get(token, 0) + n
            advance(len(piece))
    return counts


def build_vocab(
    tokens: Mapping[str, int],
    normalization: Normalization,
    *,
    min_count: int,
    max_size: int | None,
) -> Vocab:
    """Return the words of tokens, ordered by count; ties by code points.

    Args:
        tokens: Token as written -> how often.
        normalization: Turns a token into its word.
        min_count: Rarer words are left out.
        max_size: Only this many words are kept, the most frequent; None for all.
    """
    counts: dict[str, int] = {}
    for token, n in tokens.items():
        word = normalization(token)
        counts[word] = counts.get(word, 0) + n
    kept = [(word, n) for word, n in counts.items() if n >= min_count]
    kept.sort(key=lambda item: (-item[1], item[0]))
    kept = kept[:max_size]
    return Vocab(
        words=tuple(word for word, _ in kept),
        counts=np.array([n for _, n in kept], np.int64),
        normalization=normalization,
    )


class TokenIds(dict[str, int]):
    """Token as written -> id of its word, `UNKNOWN` for those without.

    Filled as it is asked, so that each distinct token is normalized once.
    """

    def __init__(self, vocab: Vocab) -> None:
        super().__init__()
        self._vocab = vocab

    def __missing__(self, token: str) -> int:
        word = self._vocab.normalization(token)
        self[token] = self._vocab.ids.get(word, UNKNOWN)
        return self[token]


def encode_split(
    table: pa.Table,
    ids: TokenIds,
    *,
    folder: Path,
    name: str,
    advance: Callable[[int], None],
) -> tuple[EncodedSplit, int]:
    """Return a split as ids, token by token, and how many tokens are known.

    Writes `<name>.ids.npy` and `<name>.offsets.npy` as it goes and maps them into
    memory, read-only.

    Args:
        table: Column `tokens` is list<string>.
        ids: Turns tokens into ids.
        folder: Where the files are kept.
        name: Of the split.
        advance: Told the tokens of each piece when it is encoded.

    Raises:
        DataError: if a token or sentence is null.
        StorageError: if a file cannot be written.
    """
    known = 0
    ids_path, offsets_path = folder / f"{name}.ids.npy", folder / f"{name}.offsets.npy"
    with replacing(ids_path) as file:
        file.write(npz.npy_header("<i4", (token_count(table),)))
        for piece in _pieces(table):
            encoded = _encode(piece, ids)
            known += int(np.count_nonzero(encoded != UNKNOWN))
            file.write(encoded.astype("<i4", copy=False).data)
            advance(len(piece))
    with replacing(offsets_path) as file:
        file.write(npz.npy_header("<i8", (table.num_rows + 1,)))
        file.write(np.zeros(1, "<i8").data)
        last = 0
        for batch in table.to_batches():
            lengths = batch.column("tokens").value_lengths().to_numpy()
            offsets = last + np.cumsum(lengths, dtype="<i8")
            file.write(offsets.data)
            last = int(offsets[-1]) if len(offsets) else last
    split = EncodedSplit(
        ids=npz.map_array(ids_path), offsets=npz.map_array(offsets_path)
    )
    return split, known


def _encode(tokens: pa.StringArray, ids: TokenIds) -> Ids:
    """Return an id for each token, int32."""
    by_value = tokens.dictionary_encode()
    distinct = by_value.dictionary.to_pylist()
    table = np.fromiter((ids[t] for t in distinct), np.int32, len(distinct))
    positions: npt.NDArray[np.int32] = by_value.indices.to_numpy()
    return table[positions]


def token_count(table: pa.Table) -> int:
    """Return the tokens of a split."""
    return sum(len(batch.column("tokens").flatten()) for batch in table.to_batches())


def _pieces(table: pa.Table) -> Iterator[pa.StringArray]:
    """Yield a split's tokens in order, none copied, at most `PIECE_TOKENS` at once."""
    for batch in table.to_batches():
        sentences = batch.column("tokens")
        tokens = sentences.flatten()
        if sentences.null_count or tokens.null_count:
            raise DataError(
                "corpus: expected a string for each token, found a null one. Read "
                "the corpus again, or correct what made the table."
            )
        for start in range(0, len(tokens), PIECE_TOKENS):
            yield tokens.slice(start, PIECE_TOKENS)
