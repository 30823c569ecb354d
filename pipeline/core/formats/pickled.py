"""Write the dictionary of the notebook that this project grew out of.

Only written: to read a pickle is to run what is in it.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path

from pipeline.core.files import replacing
from pipeline.core.types import Floats


def write_pickle(path: Path, words: Sequence[str], vectors: Floats) -> None:
    """Write {"embeddings": (V, d), "word2idx": word -> row, "idx2word": row -> word}.

    Args:
        path: The file to write or replace.
        words: V words.
        vectors: Shape (V, d), float32.

    Raises:
        StorageError: if the file cannot be written.
    """
    content = {
        "embeddings": vectors,
        "word2idx": {word: i for i, word in enumerate(words)},
        "idx2word": dict(enumerate(words)),
    }
    with replacing(path) as file:
        pickle.dump(content, file)
