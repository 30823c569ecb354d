"""Take word vectors that another program trained."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import MinLen

from pipeline.core.formats.reading import read_vectors
from pipeline.core.types import Embeddings, Vocab
from pipeline.fields import Unkeyed
from pipeline.report import Report


@dataclass(frozen=True)
class VectorsConfig:
    """Which vectors; `conf/vectors` explains each key."""

    path: Annotated[str, MinLen(1), Unkeyed()]
    lowercase: bool | None
    digits: Literal["keep", "zero"] | None

    @property
    def file(self) -> Path:
        """The file of vectors."""
        return Path(self.path).expanduser()

    def input_files(self) -> Mapping[str, Path]:
        """Return `vectors` -> the file, whatever its name."""
        return {"vectors": self.file}


def vectors(
    config: VectorsConfig, *, workspace: Path, report: Report
) -> tuple[Vocab, Embeddings]:
    """Read a file of vectors.

    Metrics: `vectors/words` and `vectors/dim`.

    Returns:
        A vocabulary of the file's words in its order, with counts of 0, as they are
        not known; and the vectors.

    Raises:
        DataError: if the file cannot be read or is no file of vectors.
    """
    report.start(None, "words")
    embeddings = read_vectors(config.file)
    count, dim = embeddings.center.shape
    report.advance(count)
    told = embeddings.normalization
    normalization = replace(
        told,
        lowercase=told.lowercase if config.lowercase is None else config.lowercase,
        digits=config.digits or told.digits,
    )
    report.metrics({"vectors/words": float(count), "vectors/dim": float(dim)})
    unknown = np.zeros(count, np.int64)
    return (
        Vocab(embeddings.words, unknown, normalization),
        replace(embeddings, normalization=normalization),
    )
