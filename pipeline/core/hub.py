"""Datasets of the Hugging Face hub, as Arrow, with or without a network.

Files come from the hub's own cache (HF_HOME) whenever they are all there, at the
revision asked for. The `datasets` library reads them from there, as it would a
local folder: it would itself look for the network first, and take 23 s to find
that there is none.
"""

import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.conll import SPAN_FIELDS, to_iob2
from pipeline.core.text import tokenize
from pipeline.errors import DataError

CONNECT_SECONDS = 3.0  # what the hub may take to answer at all

_BATCH_ROWS = 1000


def fetch(
    dataset: str, revision: str, files: Sequence[str], *, counted: bool = False
) -> Path:
    """Return the folder of a dataset's files, from the cache or the network.

    A revision that is whole in the cache is taken from there, and the network
    left alone: a branch that has moved on since is not noticed.

    Args:
        dataset: The hub's id, `owner/name`.
        revision: A branch, tag, commit or the hub's `refs/convert/parquet`.
        files: Which of its files, as globs over their paths.
        counted: The caller knows how many sentences there must be. Without a
            network, a cached snapshot is then good enough whose list of files
            is not cached with it, so that it might not be whole.

    Raises:
        DataError: if the files are not cached and cannot be had, within about
            `CONNECT_SECONDS` where there is no network.
    """
    from huggingface_hub import constants, get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    def snapshot(*, cached: bool) -> Path:
        folder = snapshot_download(
            dataset,
            repo_type="dataset",
            revision=revision,
            allow_patterns=list(files),
            local_files_only=cached,
        )
        return Path(folder)

    try:
        get_cached_repo_tree(dataset, repo_type="dataset", revision=revision)
        return snapshot(cached=True)
    except (CachedRepoTreeNotFoundError, FileNotFoundError):
        pass  # to be downloaded
    except ValueError as error:
        raise DataError(f"{dataset!r} at {revision!r}: {error}") from error

    try:
        _connect()
    except ConnectionError as offline:
        try:
            if counted:
                return snapshot(cached=True)
        except FileNotFoundError:
            pass  # the connection is what to tell of
        raise DataError(
            f"{dataset} at {revision} is not in the cache ({constants.HF_HUB_CACHE}), "
            f"and {constants.ENDPOINT} cannot be reached ({offline}). Three ways on: "
            "read local files with ingest=conll_files ingest.path=DIR; or fill the "
            "cache where there is a network, with `hf download --repo-type dataset "
            f"--revision {revision} {dataset}`, and set HF_HOME to a copy of it; or "
            "take the built-in corpus with ingest=newswire"
        ) from offline
    try:
        return snapshot(cached=False)
    except Exception as error:  # whatever the client's HTTP library raises
        raise DataError(
            f"{dataset} at {revision} cannot be fetched from {constants.ENDPOINT}: "
            f"{error}"
        ) from error


def _connect() -> None:
    """Try to reach the hub, once.

    With the hub's own client, so that its endpoint, proxies, certificates and
    offline mode hold; in a thread, because looking up a name knows no timeout.

    Raises:
        ConnectionError: saying why, at most `CONNECT_SECONDS` later.
    """
    from huggingface_hub import constants, get_session

    outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            get_session().head(constants.ENDPOINT, timeout=CONNECT_SECONDS)
        except Exception as error:  # whatever the client's HTTP library raises
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=attempt, name="hub-connect", daemon=True).start()
    try:
        failure = outcome.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        raise ConnectionError(f"no answer within {CONNECT_SECONDS:g} s") from None
    if failure is not None:
        raise ConnectionError(str(failure)) from failure


def read_hub(
    folder: Path,
    *,
    name: str,
    config_name: str | None,
    splits: Mapping[str, str],
    columns: Mapping[str, str],
    scratch: Path,
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield the sentences of a dataset's splits.

    Args:
        folder: Its files, as `fetch` returns them.
        name: What to call it in errors.
        config_name: Which of its configurations; None for the only one.
        splits: Our name of a split -> the dataset's.
        columns: Field of a corpus (`tokens`, `pos`, `chunk`, `ner`) -> column
            of the dataset, a list per row; or only `text` -> a column of plain
            text, a sentence per row, tokens separated by white space.
        scratch: An empty folder for the library's lock files.

    Yields:
        (our split name, batch) in the order of `splits`. Class labels become
        their names, chunk and ner IOB2; rows without tokens are left out.

    Raises:
        DataError: if a split or column is missing, or is not what it should be.
    """
    import datasets

    # The hub's own Parquet conversion has a folder per configuration and, unlike
    # a repository of several, no card to name them.
    if config_name and not (folder / "README.md").exists():
        folder, config_name = folder / config_name, None

    with _library_errors(f"{name} in {folder}"):
        loaded = datasets.load_dataset(
            str(folder), config_name, streaming=True, cache_dir=str(scratch)
        )
    for ours, theirs in splits.items():
        place = f"{name}, split {theirs}"
        if theirs not in loaded:
            raise DataError(
                f"{place}: there is no such split; there are {', '.join(loaded)}. "
                f"Set ingest.splits.{ours}, or drop it with ~ingest.splits.{ours}"
            )
        labels = _label_names(loaded[theirs].features, columns.values())
        row = 0
        for table in _tables(loaded[theirs], columns.values(), place):
            if "text" in columns:
                batch = _sentences_of_text(table, columns["text"], place)
            else:
                batch = _sentences(table, columns, labels, place, row)
            row += table.num_rows
            if batch.num_rows:
                yield ours, batch


def _tables(dataset: Any, columns: Iterable[str], place: str) -> Iterator[pa.Table]:
    """Yield a streamed dataset's rows with the columns asked for."""
    wanted = list(dict.fromkeys(columns))
    if dataset.column_names is not None:  # None before a CSV file is opened
        _check_columns(wanted, dataset.column_names, place)
        dataset = dataset.select_columns(wanted)
    with _library_errors(place):
        for table in dataset.with_format("arrow").iter(_BATCH_ROWS):
            _check_columns(wanted, table.column_names, place)
            yield table.select(wanted)


def _check_columns(wanted: Iterable[str], present: Sequence[str], place: str) -> None:
    for column in wanted:
        if column not in present:
            raise DataError(
                f"{place}: there is no column {column}; there are "
                f"{', '.join(present)}. Set ingest.tokens_column or "
                "ingest.text_column, and the tags' columns"
            )


def _label_names(features: Any, columns: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Return the names of the classes that columns hold as numbers."""
    import datasets

    names = {}
    for column in columns:
        inner = getattr((features or {}).get(column), "feature", None)
        if isinstance(inner, datasets.ClassLabel):
            names[column] = inner.names
    return names


def _sentences_of_text(table: pa.Table, column: str, place: str) -> pa.RecordBatch:
    text = table[column].combine_chunks()
    if not _is_text(text.type):
        raise DataError(
            f"{place}, column {column}: expected text in each row, found "
            f"{text.type}. For lists of tokens set ingest.tokens_column"
        )
    return pa.record_batch({"tokens": tokenize(text.cast(pa.string()))})


def _sentences(
    table: pa.Table,
    columns: Mapping[str, str],
    labels: Mapping[str, Sequence[str]],
    place: str,
    first: int,
) -> pa.RecordBatch:
    """Return a table's rows as sentences; `first` is its first row's number."""
    lists: dict[str, pa.ListArray] = {}
    lengths = None  # tokens per row, (rows,)
    for field, column in columns.items():  # tokens come first
        at = f"{place}, column {column}"
        cells = table[column].combine_chunks()
        if not _is_list(cells.type):
            raise DataError(
                f"{at}: expected a list in each row, found {cells.type}. "
                "For plain text set ingest.text_column"
            )
        found = pc.fill_null(pc.list_value_length(cells), 0).to_numpy()
        lengths = found if lengths is None else lengths
        if (found != lengths).any():
            row = int(np.flatnonzero(found != lengths)[0])
            raise DataError(
                f"{at}, row {first + row}: expected {lengths[row]} tags, one per "
                f"token, found {found[row]}"
            )
        offsets = np.append(0, np.cumsum(lengths[lengths > 0]))
        values = _as_names(cells.flatten(), labels.get(column), at)
        lists[field] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
        if field in SPAN_FIELDS:
            lists[field] = to_iob2(lists[field], at)
    return pa.record_batch(lists)


def _as_names(values: pa.Array, names: Sequence[str] | None, at: str) -> pa.Array:
    """Return tokens or tags as strings."""
    if values.null_count:
        raise DataError(f"{at}: expected a string for each token, found null")
    if _is_text(values.type):
        return values.cast(pa.string())
    if pa.types.is_integer(values.type) and names is not None:
        try:
            return pa.array(names, pa.string()).take(values)
        except pa.ArrowIndexError as error:
            raise DataError(
                f"{at}: expected class numbers below {len(names)}: {error}"
            ) from error
    raise DataError(
        f"{at}: expected strings or numbered classes with names, found {values.type}"
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


@contextmanager
def _library_errors(place: str) -> Iterator[None]:
    """Say in our own words that a dataset's files cannot be read."""
    from datasets.exceptions import DatasetsError

    try:
        yield
    except (DatasetsError, OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{place}: its files cannot be read: {error}") from error
