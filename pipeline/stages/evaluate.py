"""Score word vectors: neighbors, similarity, analogies, categories.

Every score stands beside its coverage, and the items behind it (which pairs,
which answers) are in the tables. A score that is not defined is left out of the
metrics; its table says why.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le, MinLen

from pipeline.core.analogy import Question, ordered_questions, read_questions
from pipeline.core.analogy_scores import by_section, score_analogies
from pipeline.core.categories import read_categories
from pipeline.core.category_scores import score_categories
from pipeline.core.findings import HIGH, LOW, RANDOM, put_together, slug
from pipeline.core.formats.reading import read_vectors
from pipeline.core.geometry_scores import score_geometry, score_stability
from pipeline.core.listings import list_answers, list_neighbors
from pipeline.core.probe_scores import score_probe
from pipeline.core.score_files import named_files
from pipeline.core.similarity import (
    WordPair,
    random_vectors,
    read_pairs,
    unit_vectors,
)
from pipeline.core.similarity_scores import ZERO, score_similarity
from pipeline.core.types import (
    Corpus,
    Embeddings,
    EncodedCorpus,
    Metrics,
    Tables,
    Vocab,
)
from pipeline.core.wordlists import ANALOGIES, CATEGORIES
from pipeline.errors import ConfigError, DataError
from pipeline.fields import NaturalInt, PositiveFloat, PositiveInt, Unkeyed
from pipeline.report import Report

log = logging.getLogger(__name__)

Text = Annotated[str, MinLen(1)]

# The splits of the probe: what it learns from, what it is scored on, and what it is
# scored on when all choices are made.
_TRAIN, _VALID, _TEST = "train", "valid", "test"

_BUILTIN = "builtin"  # the name of the project's own analogies


@dataclass(frozen=True)
class ProbeConfig:
    """The linear probe on entity tags; keys as in conf/evaluate/default.yaml."""

    enabled: bool
    window: Annotated[int, Ge(0), Le(10)]
    shrinkage: PositiveFloat
    final: bool


@dataclass(frozen=True)
class EvaluateConfig:
    """What to score. The keys are explained in conf/evaluate/default.yaml."""

    seed: NaturalInt
    top_k: PositiveInt
    neighbors_of: tuple[Text, ...]
    analogies: tuple[tuple[Text, Text, Text], ...]
    similarity_files: Annotated[tuple[Text, ...], Unkeyed()]
    analogy_files: Annotated[tuple[Text, ...], Unkeyed()]
    category_files: Annotated[tuple[Text, ...], Unkeyed()]
    restrict_vocab: PositiveInt | None
    builtin_analogies: bool
    builtin_categories: bool
    geometry_words: PositiveInt | None
    against: Annotated[Text | None, Unkeyed()]
    probe: ProbeConfig

    def input_files(self) -> Mapping[str, Path]:
        """Return `similarity_files/<file name>` and the like -> file.

        The file name is keyed: it names the metrics. Folders are not.

        Raises:
            DataError: if a named file does not exist.
            ConfigError: if two files would share a metric's name.
        """
        files = {"similarity_files": self.pair_files()}
        files["analogy_files"] = self.question_files()
        files["category_files"] = self.group_files()
        named = {
            f"{key}/{path.name}": path
            for key, of_key in files.items()
            for path in of_key.values()
        }
        return named | ({"against": Path(self.against)} if self.against else {})

    def pair_files(self) -> Mapping[str, Path]:
        """Return the similarity files by the name of their metric."""
        files = named_files("evaluate.similarity_files", self.similarity_files)
        for name, path in files.items():
            for ending in ("_coverage", ZERO, LOW, HIGH, RANDOM):
                if name + ending in files:
                    raise ConfigError(
                        f"evaluate.similarity_files: {files[name + ending]} would have "
                        f"the metric that {path}'s {ending[1:]} has. Rename one."
                    )
        return files

    def question_files(self) -> Mapping[str, Path]:
        """Return the analogy files by the name of their metrics."""
        files = named_files("evaluate.analogy_files", self.analogy_files)
        if _BUILTIN in files:
            raise ConfigError(
                f"evaluate.analogy_files: the name {_BUILTIN!r} of "
                f"{files[_BUILTIN]} is that of the built-in analogies. Rename it."
            )
        return files

    def group_files(self) -> Mapping[str, Path]:
        """Return the category files by the name of their metrics."""
        files = named_files("evaluate.category_files", self.category_files)
        for taken in sorted(files.keys() & set(map(slug, CATEGORIES))):
            raise ConfigError(
                f"evaluate.category_files: the name {taken!r} of {files[taken]} is "
                "that of a built-in category. Rename it."
            )
        return files


def evaluate(
    config: EvaluateConfig,
    corpus: Corpus,
    encoded: EncodedCorpus,
    vocab: Vocab,
    embeddings: Embeddings,
    *,
    workspace: Path,
    report: Report,
) -> tuple[Metrics, Tables]:
    """Score the center vectors on all that the config names.

    All files are read before anything is computed. Beside the embeddings this
    needs three times 8 · V · d bytes, the rows of the tables and 128 MiB.

    Args:
        config: What to score.
        corpus: Its entity tags, where it has them, are what the probe learns.
        encoded: The same corpus as ids.
        vocab: Counts of the words.
        embeddings: Vectors of the same words.
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
    probed = _probed_splits(config.probe, corpus)
    sets = _read_sets(config)
    other = read_vectors(Path(config.against)) if config.against else None
    report.start(len(config.neighbors_of) + len(config.analogies) + sets.size, "items")
    seed = config.seed
    unit = unit_vectors(embeddings.center)
    random = random_vectors(len(unit), unit.shape[1], seed)
    parts = [
        list_neighbors(
            embeddings,
            unit,
            config.neighbors_of,
            counts=vocab.counts,
            top_k=config.top_k,
        )
    ]
    report.advance(len(config.neighbors_of), "neighbors")
    parts.append(list_answers(embeddings, unit, config.analogies, top_k=config.top_k))
    report.advance(len(config.analogies), "analogies")
    for name, pairs in sets.pairs.items():
        parts.append(score_similarity(embeddings, unit, random, name, pairs, seed=seed))
        report.advance(len(pairs), name)
    frequent = slice(config.restrict_vocab)
    for name, sections in sets.questions.items():
        parts.append(
            score_analogies(
                embeddings,
                unit[frequent],
                random[frequent],
                name,
                sections,
                seed=seed,
                advance=report.advance,
            )
        )
    for name, groups in sets.groups.items():
        parts.append(
            score_categories(embeddings, unit, random, groups, seed=seed, name=name)
        )
        report.advance(
            sum(map(len, groups.values())), f"{name or 'built-in'} categories"
        )
    if probed:
        parts.append(
            score_probe(
                corpus,
                encoded,
                unit,
                random,
                train=_TRAIN,
                scored=probed,
                window=config.probe.window,
                shrinkage=config.probe.shrinkage,
                seed=seed,
            )
        )
    words = config.geometry_words or len(unit)
    parts.append(
        score_geometry(embeddings, unit, random, vocab.counts, words=words, seed=seed)
    )
    if other:
        parts.append(score_stability(embeddings, random, other, words=words, seed=seed))
    found = put_together(parts)
    return Metrics(found.scores), Tables(found.tables)


@dataclass(frozen=True)
class _Sets:
    """What to score on, by the name of its metrics.

    Attributes:
        pairs: Word pairs.
        questions: Analogies, by section.
        groups: Categories with their words; the built-in ones have no name.
    """

    pairs: Mapping[str, Sequence[WordPair]]
    questions: Mapping[str, Mapping[str, Sequence[Question]]]
    groups: Mapping[str, Mapping[str, Sequence[str]]]

    @property
    def size(self) -> int:
        """How many items there are."""
        nested = (*self.questions.values(), *self.groups.values())
        return sum(map(len, self.pairs.values())) + sum(
            len(part) for parts in nested for part in parts.values()
        )


def _read_sets(config: EvaluateConfig) -> _Sets:
    pairs = {name: read_pairs(path) for name, path in config.pair_files().items()}
    questions = {
        name: by_section(str(path), read_questions(path))
        for name, path in config.question_files().items()
    }
    if config.builtin_analogies:
        builtin = (
            question
            for relation, listed in ANALOGIES.items()
            for question in ordered_questions(relation, listed)
        )
        questions[_BUILTIN] = by_section("built-in analogies", builtin)
    groups = {"": CATEGORIES} if config.builtin_categories else {}
    files = config.group_files()
    groups |= {name: read_categories(path) for name, path in files.items()}
    return _Sets(pairs, questions, groups)


def _probed_splits(config: ProbeConfig, corpus: Corpus) -> Mapping[str, str]:
    """Return prefix of the probe's metrics -> split; none where it cannot run.

    Raises:
        ConfigError: if the final score is asked for and the corpus has none.
    """
    if not config.enabled:
        return {}
    tagged = [
        name
        for name, table in corpus.splits.items()
        if "ner" in table.column_names and table.num_rows
    ]
    scored = {"probe": _VALID} | ({"probe/test": _TEST} if config.final else {})
    missing = [name for name in (_TRAIN, *scored.values()) if name not in tagged]
    if not missing:
        return scored
    lack = f"the corpus has no entity tags in split {', '.join(missing)}"
    if config.final:
        raise ConfigError(f"evaluate.probe.final=true: {lack}. Set it to false.")
    log.info("evaluate: no probe: %s", lack)
    return {}
