"""Read a corpus, from wherever it is, into one form.

Each reader yields batches of sentences, each for a split. They stream into one
Arrow file per split, which is then mapped into memory: a corpus may be larger
than the machine's memory.
"""

import glob
import itertools
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, assert_never

import numpy as np
import pyarrow as pa
from annotated_types import MinLen
from pydantic import Field

from pipeline.core.conll import Column, read_conll
from pipeline.core.corpus import SplitWriter
from pipeline.core.files import expanded
from pipeline.core.hub import fetch, read_hub
from pipeline.core.newswire.stream import generate
from pipeline.core.text import read_text
from pipeline.core.types import Corpus
from pipeline.errors import DataError
from pipeline.fields import NaturalInt, PositiveInt, ReadsFiles, Unkeyed
from pipeline.report import Report

Text = Annotated[str, MinLen(1)]
Batches = Iterator[tuple[str, pa.RecordBatch]]  # split, sentences

# The two distributions' names; each also with .gz.
CONLL_FILES = {
    "train": ("eng.train", "train.txt"),
    "valid": ("eng.testa", "valid.txt", "dev.txt"),
    "test": ("eng.testb", "test.txt"),
}

# Field of a corpus -> column of the hub's copies of CoNLL-2003; likewise its splits.
_HUB_COLUMNS = {
    "tokens": "tokens",
    "pos": "pos_tags",
    "chunk": "chunk_tags",
    "ner": "ner_tags",
}
_HUB_SPLITS = {"train": "train", "valid": "validation", "test": "test"}

_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Conll2003Config:
    """English CoNLL-2003 from the Hugging Face hub."""

    reader: Literal["conll2003"]
    dataset: Text
    revision: Text
    sentences: Mapping[str, PositiveInt]

    def __post_init__(self) -> None:
        """Check the split names."""
        if set(self.sentences) != set(CONLL_FILES):
            raise ValueError(f"sentences: expected exactly {', '.join(CONLL_FILES)}")


@dataclass(frozen=True)
class ConllFilesConfig:
    """Column files on this machine."""

    reader: Literal["conll_files"]
    path: Annotated[Path | None, Unkeyed()]
    splits: Annotated[Annotated[Mapping[str, Path], MinLen(1)] | None, Unkeyed()]
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        """Check what one field means for another."""
        if (self.path is None) == (self.splits is None):
            raise ValueError(
                "exactly one of path (a folder) and splits (split: file) must be "
                "given, such as ingest.path=DIR"
            )
        _check_split_names(self.splits or {})
        named = [column for column in self.columns if column != "_"]
        if "token" not in named or len(set(named)) < len(named):
            raise ValueError(
                "columns: expected token, and each of pos, chunk and ner at most "
                f"once, found {', '.join(self.columns)}"
            )

    def files(self) -> Mapping[str, Path]:
        """Return split -> file.

        Raises:
            DataError: if there is none, or it is not clear which.
        """
        if self.splits is not None:
            files = {split: expanded(path) for split, path in self.splits.items()}
            for split, path in files.items():
                if not path.is_file():
                    raise DataError(
                        f"ingest.splits.{split}: expected a file, found none at {path}"
                    )
            return files
        folder = expanded(self.path or Path())
        if not folder.is_dir():
            found_there = "a file" if folder.is_file() else "none"
            raise DataError(
                f"ingest.path: expected a folder, found {found_there} at {folder}. "
                "Name the one that holds the CoNLL-2003 files, or choose another "
                "corpus, such as ingest=newswire"
            )
        found: dict[str, Path] = {}
        for split, names in CONLL_FILES.items():
            candidates = [n for name in names for n in (name, f"{name}.gz")]
            present = [n for n in candidates if (folder / n).is_file()]
            if len(present) > 1:
                raise DataError(
                    f"{folder}: expected one file of the split {split}, found "
                    f"{', '.join(present)}. Name the files with ingest.splits"
                )
            if present:
                found[split] = folder / present[0]
        if not found:
            known = ", ".join(name for names in CONLL_FILES.values() for name in names)
            raise DataError(
                f"{folder}: expected one of {known} (also with .gz), found none of "
                "them. Name the files with ingest.splits"
            )
        return found

    def input_files(self) -> Mapping[str, Path]:
        """Return `split/file name` -> file."""
        return {f"{split}/{path.name}": path for split, path in self.files().items()}


@dataclass(frozen=True)
class HubConfig:
    """Any dataset of the Hugging Face hub."""

    reader: Literal["hub"]
    dataset: Text
    config_name: Text | None
    revision: Text
    files: Annotated[tuple[Text, ...], MinLen(1)]
    splits: Annotated[Mapping[str, Text], MinLen(1)]
    tokens_column: Text | None
    text_column: Text | None
    pos_column: Text | None
    chunk_column: Text | None
    ner_column: Text | None

    def __post_init__(self) -> None:
        """Check what one field means for another."""
        _check_split_names(self.splits)
        if (self.tokens_column is None) == (self.text_column is None):
            raise ValueError("exactly one of tokens_column and text_column must be set")
        if self.text_column is not None and len(self.columns) > 1:
            raise ValueError("tags need tokens_column: text has none of its own")

    @property
    def columns(self) -> Mapping[str, str]:
        """Field of a corpus, or `text` -> column of the dataset."""
        columns = {
            "text": self.text_column,
            "tokens": self.tokens_column,
            "pos": self.pos_column,
            "chunk": self.chunk_column,
            "ner": self.ner_column,
        }
        return {field: column for field, column in columns.items() if column}


@dataclass(frozen=True)
class TextFilesConfig:
    """Plain text on this machine, a sentence per line."""

    reader: Literal["text_files"]
    path: Annotated[Text | Annotated[tuple[Text, ...], MinLen(1)], Unkeyed()]
    heldout_every: NaturalInt

    def __post_init__(self) -> None:
        """Check that something is left to train on."""
        if self.heldout_every == 1:
            raise ValueError("heldout_every: expected 0 or at least 2, found 1")

    def input_files(self) -> Mapping[str, Path]:
        """Return label -> file, pattern by pattern, each in order of path.

        A label is the path below the part of the pattern without wildcards,
        after the pattern's number where there are several.

        Raises:
            DataError: if a pattern fits no file.
        """
        patterns = (self.path,) if isinstance(self.path, str) else self.path
        labels: dict[Path, str] = {}
        for number, pattern in enumerate(patterns):
            root, paths = _expand(pattern)
            for path in paths:
                below = path.relative_to(root).as_posix()
                label = f"{number}/{below}" if len(patterns) > 1 else below
                labels.setdefault(path, label)  # a file is read once
        return {label: path for path, label in labels.items()}


@dataclass(frozen=True)
class NewswireConfig:
    """The built-in corpus: generated news with planted meaning."""

    reader: Literal["newswire"]
    sentences: PositiveInt
    valid_sentences: NaturalInt
    test_sentences: NaturalInt
    seed: NaturalInt

    @property
    def counts(self) -> Mapping[str, int]:
        """Split -> how many sentences."""
        return {
            "train": self.sentences,
            "valid": self.valid_sentences,
            "test": self.test_sentences,
        }


IngestConfig = Annotated[
    Conll2003Config | ConllFilesConfig | HubConfig | TextFilesConfig | NewswireConfig,
    Field(discriminator="reader"),
]


def ingest(config: IngestConfig, *, workspace: Path, report: Report) -> Corpus:
    """Read a corpus into Arrow files, one per split, mapped into memory.

    Args:
        config: Which reader, and what it reads.
        workspace: An existing folder; holds the files that the corpus maps.
        report: Takes the sentences as they come; then `corpus/sentences` and
            `corpus/tokens`, and both per split (`corpus/train/tokens`).

    Raises:
        DataError: if the source is missing, empty or not what it should be.
    """
    with ExitStack() as stack:
        writers: dict[str, SplitWriter] = {}
        report.start(_expected_sentences(config), "sentences")
        for split, batch in _read(config, workspace):
            if not batch.num_rows:
                continue
            if split not in writers:
                path = workspace / f"{split}.arrow"
                writers[split] = stack.enter_context(SplitWriter(path))
            writers[split].add(batch)
            report.advance(batch.num_rows, split)
        if not writers:
            files = config.input_files() if isinstance(config, ReadsFiles) else {}
            sources = [str(path) for path in files.values()]
            raise DataError(
                f"ingest ({config.reader}): expected sentences, found none in "
                f"{', '.join(sources) or 'the source'}. Is it the right one, and not "
                "empty?"
            )
        tables = {split: writer.finish() for split, writer in writers.items()}

    metrics = {"corpus/sentences": 0.0, "corpus/tokens": 0.0}
    for split, writer in writers.items():
        for name, count in (("sentences", writer.sentences), ("tokens", writer.tokens)):
            metrics[f"corpus/{name}"] += count
            metrics[f"corpus/{split}/{name}"] = count
    report.metrics(metrics)
    return Corpus(tables)


def _expected_sentences(config: IngestConfig) -> int | None:
    """Return how many sentences there will be, if that is known."""
    if isinstance(config, Conll2003Config):
        return sum(config.sentences.values())
    if isinstance(config, NewswireConfig):
        return sum(config.counts.values())
    return None


def _read(config: IngestConfig, workspace: Path) -> Batches:
    match config:
        case Conll2003Config():
            return _read_conll2003(config, workspace)
        case ConllFilesConfig():
            return _read_conll_files(config)
        case HubConfig():
            return _read_hub(config, workspace)
        case TextFilesConfig():
            return _read_text_files(config)
        case NewswireConfig():
            return _read_newswire(config)
        case _:
            assert_never(config)


def _read_conll2003(config: Conll2003Config, workspace: Path) -> Batches:
    name = f"{config.dataset} at {config.revision}"
    found = dict.fromkeys(config.sentences, 0)
    # Sentences are counted below: a cached copy may be used that cannot say
    # whether it is whole.
    folder = fetch(config.dataset, config.revision, ["*.parquet"], counted=True)
    with tempfile.TemporaryDirectory(dir=workspace) as scratch:
        for split, batch in read_hub(
            folder,
            name=name,
            config_name=None,
            splits=_HUB_SPLITS,
            columns=_HUB_COLUMNS,
            scratch=Path(scratch),
        ):
            found[split] += batch.num_rows
            yield split, batch
    for split, expected in config.sentences.items():
        if found[split] != expected:
            raise DataError(
                f"{name}, split {split}: expected {expected:,} sentences, found "
                f"{found[split]:,}. For another edition of the corpus set "
                "ingest.dataset, ingest.revision and ingest.sentences"
            )


def _read_conll_files(config: ConllFilesConfig) -> Batches:
    for split, path in config.files().items():
        for batch in read_conll(path, config.columns):
            yield split, batch


def _read_hub(config: HubConfig, workspace: Path) -> Batches:
    folder = fetch(config.dataset, config.revision, config.files)
    with tempfile.TemporaryDirectory(dir=workspace) as scratch:
        yield from read_hub(
            folder,
            name=f"{config.dataset} at {config.revision}",
            config_name=config.config_name,
            splits=config.splits,
            columns=config.columns,
            scratch=Path(scratch),
        )


def _read_text_files(config: TextFilesConfig) -> Batches:
    number = 0  # of sentences, over all files
    for path in config.input_files().values():
        for batch in read_text(path):
            numbers = np.arange(number + 1, number + 1 + batch.num_rows)
            number += batch.num_rows
            every = config.heldout_every
            # From the second one on, so that two sentences give both splits.
            held_out = (
                numbers % every == 2 % every if every else np.zeros(len(numbers), bool)
            )
            yield "train", batch.filter(pa.array(~held_out))
            yield "valid", batch.filter(pa.array(held_out))


def _read_newswire(config: NewswireConfig) -> Batches:
    for split, count in config.counts.items():
        for batch in generate(config.seed, split, count):
            yield split, batch


def _check_split_names(splits: Mapping[str, object]) -> None:
    """Check names that become those of files and metrics."""
    for split in splits:
        if not re.fullmatch("[a-z][a-z0-9_]*", split):
            raise ValueError(
                "splits: expected names of small letters, digits and _, found "
                f"{split!r}"
            )


def _expand(pattern: str) -> tuple[Path, list[Path]]:
    """Return a pattern's files, sorted, and the folder it has no wildcard above.

    Raises:
        DataError: if there are none.
    """
    path = expanded(pattern)
    if path.is_file():  # also where its name has brackets
        return path.parent, [path]
    if path.is_dir():
        raise DataError(
            f"ingest.path: expected files, found the folder {path}. Name its files, "
            f"such as with {path}/*.txt"
        )
    # Path.glob would match hidden files, such as .DS_Store.
    names = glob.glob(str(path), recursive=True)  # noqa: PTH207
    # By parts, as paths themselves compare differently from Python 3.12 on.
    paths = sorted(filter(Path.is_file, map(Path, names)), key=lambda p: p.parts)
    if not paths:
        raise DataError(
            f"ingest.path: no file fits {str(path)!r}, looked for from {Path.cwd()}"
        )
    fixed = [*itertools.takewhile(lambda part: not _WILDCARD.search(part), path.parts)]
    return Path(*fixed), paths
