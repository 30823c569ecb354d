"""What vectors are scored on, as configured: keys that two stages share."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le, MinLen

from pipeline.core.analogy import Question, ordered_questions, read_questions
from pipeline.core.analogy_scores import by_section
from pipeline.core.categories import read_categories
from pipeline.core.findings import HIGH, LOW, RANDOM, slug
from pipeline.core.score_files import named_files
from pipeline.core.similarity_scores import ZERO
from pipeline.core.suite import Probe, Suite
from pipeline.core.types import Corpus, EncodedCorpus
from pipeline.core.word_pairs import read_pairs
from pipeline.core.wordlists import ANALOGIES, CATEGORIES
from pipeline.errors import ConfigError
from pipeline.fields import PositiveFloat, PositiveInt, Unkeyed

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
class ScoredConfig:
    """What vectors, and their controls, are scored on; see conf/evaluate."""

    similarity_files: Annotated[tuple[Text, ...], Unkeyed()]
    analogy_files: Annotated[tuple[Text, ...], Unkeyed()]
    category_files: Annotated[tuple[Text, ...], Unkeyed()]
    restrict_vocab: PositiveInt | None
    builtin_analogies: bool
    builtin_categories: bool
    geometry_words: PositiveInt | None
    probe: ProbeConfig
    kernel_cache: Annotated[Path | None, Unkeyed()]

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
        return {
            f"{key}/{path.name}": path
            for key, of_key in files.items()
            for path in of_key.values()
        }

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


def read_suite(config: ScoredConfig, corpus: Corpus, encoded: EncodedCorpus) -> Suite:
    """Read all that vectors are to be scored on.

    Raises:
        DataError: if a file is missing or malformed.
        ConfigError: if two files would share a metric's name, or the probe's final
            score is asked for and the corpus has none.
    """
    probe = _probe(config.probe, corpus, encoded)
    pairs = {name: read_pairs(path) for name, path in config.pair_files().items()}
    questions = {
        name: by_section(str(path), read_questions(path))
        for name, path in config.question_files().items()
    }
    if config.builtin_analogies:
        questions[_BUILTIN] = _builtin_questions()
    groups = {"": CATEGORIES} if config.builtin_categories else {}
    files = config.group_files()
    groups |= {name: read_categories(path) for name, path in files.items()}
    return Suite(
        pairs,
        questions,
        groups,
        config.restrict_vocab,
        config.geometry_words,
        probe,
        config.kernel_cache,
    )


@cache
def _builtin_questions() -> Mapping[str, tuple[Question, ...]]:
    questions = (
        question
        for relation, listed in ANALOGIES.items()
        for question in ordered_questions(relation, listed)
    )
    return by_section("built-in analogies", questions)


def _probe(config: ProbeConfig, corpus: Corpus, encoded: EncodedCorpus) -> Probe | None:
    """Return the probe; None where it is not asked for or cannot run.

    Raises:
        ConfigError: if the final score is asked for and the corpus has none.
    """
    if not config.enabled:
        return None
    tagged = [
        name
        for name, table in corpus.splits.items()
        if "ner" in table.column_names and table.num_rows
    ]
    scored = {"probe": _VALID} | ({"probe/test": _TEST} if config.final else {})
    missing = [name for name in (_TRAIN, *scored.values()) if name not in tagged]
    if not missing:
        return Probe(corpus, encoded, _TRAIN, scored, config.window, config.shrinkage)
    lack = f"the corpus has no entity tags in split {', '.join(missing)}"
    if config.final:
        raise ConfigError(f"evaluate.probe.final=true: {lack}. Set it to false.")
    log.info("no probe: %s", lack)
    return None
