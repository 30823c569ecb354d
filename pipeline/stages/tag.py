"""Tag tokens by a hidden Markov model: entities, chunks or parts of speech."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, Le, MinLen

from pipeline.core.conll import SPAN_FIELDS
from pipeline.core.conlleval import read_tags
from pipeline.core.findings import Findings, put_together
from pipeline.core.formats.reading import read_vectors
from pipeline.core.hmm.features import SplitFeatures, TokenFeatures
from pipeline.core.hmm.lattice import Lattice
from pipeline.core.hmm.states import (
    Scheme,
    StateSpace,
    plain_states,
    span_sequence,
    span_states,
)
from pipeline.core.hmm.streams import Strengths, all_streams
from pipeline.core.hmm.transitions import Order, Smoothing
from pipeline.core.hmm.word_classes import word_classes
from pipeline.core.tag_scores import Tagged, score_tags
from pipeline.core.tags import read_column
from pipeline.core.types import Corpus, EncodedCorpus, Ids, Metrics, Tables
from pipeline.errors import ConfigError, DataError
from pipeline.fields import (
    NaturalInt,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Unkeyed,
)
from pipeline.report import Report

if TYPE_CHECKING:
    from pipeline.core.hmm.tagger import Tagger

log = logging.getLogger(__name__)

# What is learned from, what is scored, and what is scored when all choices are made.
_TRAIN, _VALID, _TEST = "train", "valid", "test"


@dataclass(frozen=True)
class TransitionConfig:
    """How states follow one another; keys as in conf/tag/default.yaml."""

    order: Order
    smoothing: Smoothing
    amount: PositiveFloat
    scheme: Scheme
    unlabeled_passes: NaturalInt


@dataclass(frozen=True)
class EmissionConfig:
    """What states emit; keys as in conf/tag/default.yaml."""

    suffix: Annotated[int, Ge(1), Le(20)]
    rare: PositiveInt
    affix_strength: PositiveFloat | Literal["theta"]
    word_strength: NonNegativeFloat
    context_strength: PositiveFloat


@dataclass(frozen=True)
class WeightConfig:
    """How much each stream counts; keys as in conf/tag/default.yaml."""

    word: PositiveFloat
    prefix: NonNegativeFloat
    previous: NonNegativeFloat
    next: NonNegativeFloat
    previous2: NonNegativeFloat
    next2: NonNegativeFloat
    pair: NonNegativeFloat
    shapes: NonNegativeFloat
    sentence: NonNegativeFloat


@dataclass(frozen=True)
class TagConfig:
    """What to tag, and how. The keys are explained in conf/tag/default.yaml."""

    seed: NaturalInt
    column: Literal["ner", "chunk", "pos"]
    final: bool
    transitions: TransitionConfig
    emissions: EmissionConfig
    weights: WeightConfig
    beam: PositiveFloat | None
    word_classes: Annotated[Annotated[str, MinLen(1)] | None, Unkeyed()]
    classes: PositiveInt

    def input_files(self) -> Mapping[str, Path]:
        """Return the file of vectors that word classes come from, if there is one."""
        return {"word_classes": Path(self.word_classes)} if self.word_classes else {}


def tag(
    config: TagConfig,
    corpus: Corpus,
    encoded: EncodedCorpus,
    *,
    workspace: Path,
    report: Report,
) -> tuple[Metrics, Tables]:
    """Learn a tagger from split train, and score it on valid and, if final, on test.

    Args:
        config: What to tag, and how.
        corpus: Has the column to tag in each of those splits.
        encoded: The same corpus as ids: what is one word and what is another is the
            vocabulary's to say.
        workspace: Not used.
        report: Takes progress in tokens.

    Returns:
        The metrics and tables of `score_tags`, and `tag/likelihood/<pass>` of each
        pass over text without tags.

    Raises:
        ConfigError: if a split or the column is not there.
        DataError: if tags are not what the column should hold, or the vectors cannot
            be read.
    """
    from pipeline.core.hmm.tagger import Settings, Tagger

    scored = (_VALID, _TEST) if config.final else (_VALID,)
    _check_splits(config, corpus, (_TRAIN, *scored))
    report.start(
        sum(len(encoded.splits[name].ids) for name in (_TRAIN, *scored)), "tokens"
    )
    features = _read_features(config, corpus, encoded, (_TRAIN, *scored))
    tags, codes = read_column({_TRAIN: corpus.splits[_TRAIN]}, config.column)
    space, states = _spelled(config, tags, codes[_TRAIN], features[_TRAIN])
    streams = all_streams(
        Strengths(
            affix=None
            if config.emissions.affix_strength == "theta"
            else config.emissions.affix_strength,
            word=config.emissions.word_strength,
            context=config.emissions.context_strength,
        ),
        suffix=config.emissions.suffix,
        classes=config.word_classes is not None,
    )
    settings = Settings(
        order=config.transitions.order,
        smoothing=config.transitions.smoothing,
        amount=config.transitions.amount,
        weights=dataclasses.asdict(config.weights),
        rare=config.emissions.rare,
        beam=config.beam,
    )
    tagger = Tagger(settings, space, streams, features[_TRAIN], states)
    report.advance(features[_TRAIN].tokens, "learned")
    lattices = {name: tagger.lattice(features[name]) for name in scored}
    likelihoods = tagger.learn_order(
        list(lattices.values()), config.transitions.unlabeled_passes
    )
    parts = [
        Findings(
            {f"tag/likelihood/{i}": x for i, x in enumerate(likelihoods, start=1)}, {}
        )
    ]
    for name in scored:
        tagged = _tagged(
            config,
            corpus,
            name,
            space=space,
            tagger=tagger,
            lattice=lattices[name],
            split=features[name],
        )
        spans = config.column in SPAN_FIELDS
        parts.append(score_tags(tagged, spans=spans, seed=config.seed))
        report.advance(features[name].tokens, name)
    found = put_together(parts)
    return Metrics(found.scores), Tables(found.tables)


def _check_splits(config: TagConfig, corpus: Corpus, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in corpus.splits:
            remedy = " or set tag.final=false" if name == _TEST else ""
            raise ConfigError(
                f"tag: expected a split {name}, found {', '.join(corpus.splits)}. Name "
                f"one in ingest{remedy}"
            )
        if config.column not in corpus.splits[name].column_names:
            raise ConfigError(
                f"tag.column={config.column}: expected tags of that kind in split "
                f"{name}, found {', '.join(corpus.splits[name].column_names)}. Choose "
                "another column or corpus"
            )
    if not corpus.splits[_TRAIN].num_rows:
        raise DataError("tag: expected sentences to learn from in split train")


def _read_features(
    config: TagConfig,
    corpus: Corpus,
    encoded: EncodedCorpus,
    names: tuple[str, ...],
) -> Mapping[str, SplitFeatures]:
    class_of = None
    if config.word_classes:
        vectors = read_vectors(Path(config.word_classes))
        class_of = word_classes(vectors, config.classes, config.seed)
    reader = TokenFeatures(config.emissions.suffix, class_of)
    return {
        name: reader.read(
            corpus.splits[name], encoded.splits[name].ids, encoded.splits[name].offsets
        )
        for name in names
    }


def _spelled(
    config: TagConfig, tags: tuple[str, ...], codes: Ids, split: SplitFeatures
) -> tuple[StateSpace, Ids]:
    """Return the states of a column's tags, and those of split train."""
    if config.column not in SPAN_FIELDS:
        return plain_states(tags), codes
    tagset = read_tags(tags, f"Is tag.column={config.column} the right one?")
    space = span_states(tagset, config.transitions.scheme)
    return space, span_sequence(space, tagset, codes, split.offsets)


def _tagged(
    config: TagConfig,
    corpus: Corpus,
    name: str,
    *,
    space: StateSpace,
    tagger: "Tagger",
    lattice: Lattice,
    split: SplitFeatures,
) -> Tagged:
    """Return a split's tags beside those that the tagger finds."""
    labels = tagger.tag(lattice)
    written, codes = read_column({name: corpus.splits[name]}, config.column)
    # The split may have tags that were never learned, and the other way round.
    tags = tuple(sorted({*written, *space.tags}))
    position = {tag: i for i, tag in enumerate(tags)}
    gold_at = np.array([position[tag] for tag in written], np.int32)
    found_at = np.array([position[tag] for tag in space.tags], np.int32)
    return Tagged(
        split=name,
        table=corpus.splits[name],
        offsets=lattice.offsets,
        tags=tags,
        gold=gold_at[codes[name]],
        found=found_at[labels.states],
        confidence=labels.confidence,
        known=tagger.knows(split),
        likelihoods=labels.likelihoods,
    )
