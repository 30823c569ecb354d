"""Score word vectors: neighbors, similarity, analogies, categories.

Every score stands beside its coverage, and the items behind it (which pairs,
which answers) are in the tables. A score that is not defined is left out of the
metrics; its table says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from pipeline.core.findings import put_together
from pipeline.core.formats.reading import read_vectors
from pipeline.core.geometry_scores import score_stability
from pipeline.core.listings import list_answers, list_neighbors
from pipeline.core.similarity import unit_vectors
from pipeline.core.suite import score_suite
from pipeline.core.types import (
    Controls,
    Corpus,
    Embeddings,
    EncodedCorpus,
    Metrics,
    Tables,
    Vocab,
)
from pipeline.errors import DataError
from pipeline.fields import NaturalInt, PositiveInt, Unkeyed
from pipeline.report import Report
from pipeline.scored import ScoredConfig, Text, read_suite

_SCORED = fields(ScoredConfig)


@dataclass(frozen=True)
class EvaluateConfig(ScoredConfig):
    """What to score. The keys are explained in conf/evaluate/default.yaml."""

    seed: NaturalInt
    top_k: PositiveInt
    neighbors_of: tuple[Text, ...]
    analogies: tuple[tuple[Text, Text, Text], ...]
    against: Annotated[Text | None, Unkeyed()]

    @property
    def scored(self) -> ScoredConfig:
        """The keys that controls depend on too."""
        return ScoredConfig(**{k.name: getattr(self, k.name) for k in _SCORED})

    def input_files(self) -> Mapping[str, Path]:
        """Return the files of lists, and `against` -> the file compared with."""
        files = dict(super().input_files())
        return files | ({"against": Path(self.against)} if self.against else {})


def evaluate(  # noqa: PLR0917  # a stage takes its inputs one by one
    config: EvaluateConfig,
    corpus: Corpus,
    encoded: EncodedCorpus,
    vocab: Vocab,
    embeddings: Embeddings,
    controls: Controls,
    *,
    workspace: Path,
    report: Report,
) -> tuple[Metrics, Tables]:
    """Score the center vectors on all that the config names.

    All files are read before anything is computed. Beside the embeddings this
    needs two and a half times 8 · V · d bytes, the tables and 128 MiB, and up to 150
    MB for what the process keeps of resamples and counts.

    Args:
        config: What to score.
        corpus: Its entity tags, where it has them, are what the probe learns.
        encoded: The same corpus as ids.
        vocab: Counts of the words.
        embeddings: Vectors of the same words.
        controls: What random vectors of the same shape score on the same.
        workspace: Not used.
        report: Takes progress in words, pairs and questions.

    Returns:
        Metrics (fractions of 1, Spearman in [-1, 1]) and the tables that
        `pipeline.core.findings` lists; a table without rows is left out.

    Raises:
        DataError: if a file is missing or malformed, or the vocabulary is not
            that of the embeddings.
        ConfigError: if two files would share a metric's name.
    """
    if vocab.words != embeddings.words:
        raise DataError(
            f"expected embeddings of the vocabulary's {len(vocab.words)} words, "
            f"found {len(embeddings.words)} words that differ"
        )
    suite = read_suite(config, corpus, encoded)
    other = read_vectors(Path(config.against)) if config.against else None
    listed, asked = len(config.neighbors_of), len(config.analogies)
    report.start(listed + asked + suite.size, "items")
    unit = unit_vectors(embeddings.center)
    parts = [
        list_neighbors(
            embeddings,
            unit,
            config.neighbors_of,
            counts=vocab.counts,
            top_k=config.top_k,
        )
    ]
    report.advance(listed, "neighbors")
    parts.append(list_answers(embeddings, unit, config.analogies, top_k=config.top_k))
    report.advance(asked, "analogies")
    parts += score_suite(
        suite,
        embeddings,
        unit,
        vocab.counts,
        controls=controls,
        seed=config.seed,
        advance=report.advance,
    )
    if other:
        parts.append(
            score_stability(
                embeddings,
                other,
                controls=controls,
                words=config.geometry_words or len(unit),
                seed=config.seed,
            )
        )
    found = put_together(parts)
    return Metrics(found.scores), Tables(found.tables)
