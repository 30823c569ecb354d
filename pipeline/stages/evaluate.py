"""Score word vectors: neighbors, similarity, analogies, categories.

Every score stands beside its coverage, and the items behind it (which pairs,
which answers) are in the tables. A score that is not defined is left out of the
metrics; its table says why.
"""

import glob
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le, MinLen

from pipeline.core.analogy import ordered_questions, read_questions
from pipeline.core.findings import put_together, slug
from pipeline.core.probe_scores import score_probe
from pipeline.core.scores import (
    by_section,
    list_answers,
    list_neighbors,
    score_analogies,
    score_categories,
    score_similarity,
)
from pipeline.core.similarity import random_vectors, read_pairs, unit_vectors
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

# Short names of the public sets, by file name without its ending.
_KNOWN_FILES = {
    "EN-MEN-TR-3K": "men",
    "EN-RG-65": "rg65",
    "EN-RW-STANFORD": "rareword",
    "EN-SIMLEX-999": "simlex999",
    "EN-WS-353-ALL": "ws353",
    "EN-WS-353-REL": "ws353_rel",
    "EN-WS-353-SIM": "ws353_sim",
    "QUESTIONS-WORDS": "google",
}
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
    restrict_vocab: PositiveInt | None
    builtin_analogies: bool
    builtin_categories: bool
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
        return {
            f"{key}/{path.name}": path
            for key, named in files.items()
            for path in named.values()
        }

    def pair_files(self) -> Mapping[str, Path]:
        """Return the similarity files by the name of their metric."""
        files = _named_files("evaluate.similarity_files", self.similarity_files)
        for name, path in files.items():
            if f"{name}_coverage" in files:
                raise ConfigError(
                    f"evaluate.similarity_files: {files[f'{name}_coverage']} would "
                    f"have the metric that {path}'s coverage has. Rename one."
                )
        return files

    def question_files(self) -> Mapping[str, Path]:
        """Return the analogy files by the name of their metrics."""
        files = _named_files("evaluate.analogy_files", self.analogy_files)
        if _BUILTIN in files:
            raise ConfigError(
                f"evaluate.analogy_files: the name {_BUILTIN!r} of "
                f"{files[_BUILTIN]} is that of the built-in analogies. Rename it."
            )
        return files


def _named_files(key: str, patterns: Sequence[str]) -> Mapping[str, Path]:
    """Return metric name -> file for paths and globs, ordered by name."""
    files: dict[str, Path] = {}
    for pattern in patterns:
        # A file may have a name that is no glob for itself: pairs[1].txt.
        literal = Path(pattern)
        found = [literal] if literal.is_file() else _matching(pattern)
        if not found:
            raise DataError(f"{key}: expected a file or files, {pattern!r} names none")
        for path in found:
            name = _metric_name(path)
            other = files.setdefault(name, path)
            if not other.samefile(path):
                raise ConfigError(
                    f"{key}: {other} and {path} would share the metric name "
                    f"{name!r}. Rename or leave out one."
                )
    return dict(sorted(files.items()))


def _matching(pattern: str) -> list[Path]:
    # Path.glob takes no absolute pattern.
    paths = map(Path, sorted(glob.glob(pattern, recursive=True)))  # noqa: PTH207
    return [path for path in paths if path.is_file()]


def _metric_name(path: Path) -> str:
    stem = Path(path.name.removesuffix(".gz")).stem
    name = _KNOWN_FILES.get(stem.upper()) or slug(stem)
    if not name:
        raise ConfigError(f"{path}: its name makes no metric name. Rename it.")
    return name


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
    needs 8 · V · d bytes, the rows of the tables and 128 MiB.

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
    pair_sets = {name: read_pairs(path) for name, path in config.pair_files().items()}
    question_sets = {
        name: by_section(str(path), read_questions(path))
        for name, path in config.question_files().items()
    }
    if config.builtin_analogies:
        builtin = (
            question
            for relation, pairs in ANALOGIES.items()
            for question in ordered_questions(relation, pairs)
        )
        question_sets[_BUILTIN] = by_section("built-in analogies", builtin)
    groups = CATEGORIES if config.builtin_categories else {}

    report.start(
        len(config.neighbors_of)
        + len(config.analogies)
        + sum(len(pairs) for pairs in pair_sets.values())
        + sum(len(part) for parts in question_sets.values() for part in parts.values())
        + sum(map(len, groups.values())),
        "items",
    )
    unit = unit_vectors(embeddings.center)
    random = random_vectors(len(unit), unit.shape[1], config.seed)
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
    for name, pairs in pair_sets.items():
        parts.append(score_similarity(embeddings, unit, name, pairs))
        report.advance(len(pairs), name)
    frequent = unit[: config.restrict_vocab]
    parts += [
        score_analogies(embeddings, frequent, name, sections, advance=report.advance)
        for name, sections in question_sets.items()
    ]
    if groups:
        parts.append(score_categories(embeddings, unit, groups, seed=config.seed))
        report.advance(sum(map(len, groups.values())), "categories")
    scored = _probed_splits(config.probe, corpus)
    if scored:
        parts.append(
            score_probe(
                corpus,
                encoded,
                unit,
                random,
                train=_TRAIN,
                scored=scored,
                window=config.probe.window,
                shrinkage=config.probe.shrinkage,
                seed=config.seed,
            )
        )
    found = put_together(parts)
    return Metrics(found.scores), Tables(found.tables)


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
