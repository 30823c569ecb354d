"""Score what vectors from elsewhere must beat: random vectors, words told apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.core.suite import score_controls
from pipeline.core.types import Controls, Corpus, Embeddings, EncodedCorpus, Vocab
from pipeline.fields import NaturalInt, OfGroup
from pipeline.report import Report
from pipeline.scored import ScoredConfig, read_suite


@dataclass(frozen=True)
class VectorControlsConfig:
    """The seed of conf/controls, and the keys of `evaluate` that it depends on."""

    seed: NaturalInt
    evaluate: Annotated[ScoredConfig, OfGroup()]

    def input_files(self) -> Mapping[str, Path]:
        """Return the files of lists; see `ScoredConfig.input_files`."""
        return self.evaluate.input_files()


def vector_controls(
    config: VectorControlsConfig,
    corpus: Corpus,
    encoded: EncodedCorpus,
    vocab: Vocab,
    embeddings: Embeddings,
    *,
    workspace: Path,
    report: Report,
) -> Controls:
    """Score random vectors of the shape of those read, as `evaluate` scores.

    Raises:
        DataError: if a file is missing or malformed.
        ConfigError: if two files would share a metric's name.
    """
    suite = read_suite(config.evaluate, corpus, encoded)
    report.start(suite.size, "items")
    dim = embeddings.center.shape[1]
    return score_controls(suite, vocab, dim, seed=config.seed, advance=report.advance)
