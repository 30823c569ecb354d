"""Write a corpus as the ids of a vocabulary that does not come from it."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.types import Corpus, EncodedCorpus, Vocab
from pipeline.core.vocab import TokenIds, encode_split, token_count
from pipeline.report import Report


@dataclass(frozen=True)
class EncodeConfig:
    """There is nothing to choose."""


def encode(
    config: EncodeConfig,
    corpus: Corpus,
    vocab: Vocab,
    *,
    workspace: Path,
    report: Report,
) -> EncodedCorpus:
    """Encode every split with the words of some vectors.

    Metrics: `vocab/coverage/<split>` for each split with any tokens, the share of them
    that is known.

    Returns:
        The splits as ids. `train_splits` is empty: what the vectors were trained on is
        not known.

    Raises:
        StorageError: if the ids cannot be written into `workspace`.
    """
    sizes = {name: token_count(table) for name, table in corpus.splits.items()}
    report.start(sum(sizes.values()), "tokens")
    ids, encoded = TokenIds(vocab), {}
    for name, table in corpus.splits.items():
        encoded[name], known = encode_split(
            table, ids, folder=workspace, name=name, advance=report.advance
        )
        if sizes[name]:
            report.metrics({f"vocab/coverage/{name}": known / sizes[name]})
    return EncodedCorpus(encoded, train_splits=())
