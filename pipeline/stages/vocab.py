"""Count a corpus's words and write it as their ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import MinLen

from pipeline.core.types import Corpus, EncodedCorpus, Normalization, Vocab
from pipeline.core.vocab import (
    TokenIds,
    build_vocab,
    count_tokens,
    encode_split,
    token_count,
)
from pipeline.errors import ConfigError, DataError
from pipeline.fields import NaturalInt, PositiveInt
from pipeline.report import Report


@dataclass(frozen=True)
class VocabConfig:
    """Which words there are; `conf/vocab` explains each key."""

    splits: Annotated[tuple[str, ...], MinLen(1)]
    lowercase: bool
    digits: Literal["keep", "zero"]
    min_count: NaturalInt
    max_size: PositiveInt | None

    def __post_init__(self) -> None:
        if len(set(self.splits)) != len(self.splits):
            raise ValueError(
                f"splits=[{','.join(self.splits)}] must not name a split twice: its "
                "words would count double"
            )


def vocab(
    config: VocabConfig, corpus: Corpus, *, workspace: Path, report: Report
) -> tuple[Vocab, EncodedCorpus]:
    """Build the vocabulary of some splits and encode every split with it.

    Metrics: `vocab/words`; `vocab/tokens`, those of the counted splits whose word
    is kept; `vocab/coverage/<split>` for each other split with any tokens, the
    share of them that is known.

    Raises:
        ConfigError: if a split does not exist or no word is left.
        DataError: if the splits have no tokens.
        StorageError: if the ids cannot be written into `workspace`.
    """
    missing = [name for name in config.splits if name not in corpus.splits]
    if missing:
        raise ConfigError(
            f"vocab.splits: the corpus has no split {', '.join(missing)}, only "
            f"{', '.join(corpus.splits)}. Name some of these."
        )
    sizes = {name: token_count(table) for name, table in corpus.splits.items()}
    counted = sum(sizes[name] for name in config.splits)
    report.start(counted + sum(sizes.values()), "tokens")
    tokens = count_tokens([corpus.splits[n] for n in config.splits], report.advance)
    words = build_vocab(
        tokens,
        Normalization(config.lowercase, config.digits),
        min_count=config.min_count,
        max_size=config.max_size,
    )
    if not words.words:
        raise _nothing_left(config, tokens)
    encoded, metrics = {}, {"vocab/words": float(len(words.words))}
    ids = TokenIds(words)
    for name, table in corpus.splits.items():
        encoded[name], known = encode_split(
            table, ids, folder=workspace, name=name, advance=report.advance
        )
        if name not in config.splits and sizes[name]:
            metrics[f"vocab/coverage/{name}"] = known / sizes[name]
    metrics["vocab/tokens"] = float(words.counts.sum())
    report.metrics(metrics)
    return words, EncodedCorpus(encoded, config.splits)


def _nothing_left(config: VocabConfig, tokens: Mapping[str, int]) -> Exception:
    """Return the error for an empty vocabulary."""
    splits = ", ".join(config.splits)
    if not tokens:
        return DataError(
            f"vocab.splits: expected tokens in {splits}, found none. Is it the right "
            "corpus?"
        )
    every = build_vocab(
        tokens,
        Normalization(config.lowercase, config.digits),
        min_count=0,
        max_size=1,
    )
    return ConfigError(
        f"vocab.min_count={config.min_count}: no word of {splits} is that frequent; "
        f"{every.words[0]!r} occurs most often, {every.counts[0]} times. Lower it."
    )
