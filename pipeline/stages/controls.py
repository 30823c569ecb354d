"""Score what trained vectors must beat: random vectors, and words told apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.core.suite import score_controls
from pipeline.core.types import Controls, Corpus, EncodedCorpus, Vocab
from pipeline.fields import NaturalInt, OfGroup, PositiveInt
from pipeline.report import Report
from pipeline.scored import ScoredConfig, read_suite


@dataclass(frozen=True)
class ControlsGroup:
    """The keys of conf/controls, which explains them."""

    seed: NaturalInt


@dataclass(frozen=True)
class Width:
    """The key of `train` that the controls depend on."""

    dim: PositiveInt


@dataclass(frozen=True)
class ControlsConfig(ControlsGroup):
    """Its own keys, and those of other groups that they depend on."""

    train: Annotated[Width, OfGroup()]
    evaluate: Annotated[ScoredConfig, OfGroup()]

    def input_files(self) -> Mapping[str, Path]:
        """Return the files of lists; see `ScoredConfig.input_files`."""
        return self.evaluate.input_files()


def controls(
    config: ControlsConfig,
    corpus: Corpus,
    encoded: EncodedCorpus,
    vocab: Vocab,
    *,
    workspace: Path,
    report: Report,
) -> Controls:
    """Score random vectors of the width to be trained, as `evaluate` scores.

    They depend on no trained vector, so that the runs of a sweep share them.

    Raises:
        DataError: if a file is missing or malformed.
        ConfigError: if two files would share a metric's name.
    """
    suite = read_suite(config.evaluate, corpus, encoded)
    report.start(suite.size, "items")
    return score_controls(
        suite, vocab, config.train.dim, seed=config.seed, advance=report.advance
    )
