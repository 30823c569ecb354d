"""The tags of a corpus as integers."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from pipeline.core.types import Ids


def read_column(
    tables: Mapping[str, pa.Table], column: str
) -> tuple[tuple[str, ...], Mapping[str, Ids]]:
    """Return the distinct tags of some splits, sorted, and each token's.

    Args:
        tables: Split name -> sentences with the column, list<string>.
        column: Such as `ner`.

    Returns:
        T tags; and split name -> shape (N,), int32, positions in the tags.
    """
    columns = {
        name: [chunk.flatten().dictionary_encode() for chunk in table[column].chunks]
        for name, table in tables.items()
    }
    every = {
        tag
        for chunks in columns.values()
        for chunk in chunks
        for tag in chunk.dictionary.to_pylist()
    }
    tags = tuple(sorted(every))
    position = {tag: i for i, tag in enumerate(tags)}
    codes = {}
    for name, chunks in columns.items():
        parts = [np.empty(0, np.int32)]
        for chunk in chunks:
            meant = [position[tag] for tag in chunk.dictionary.to_pylist()]
            parts.append(np.array(meant, np.int32)[chunk.indices.to_numpy()])
        codes[name] = np.concatenate(parts)
    return tags, codes
