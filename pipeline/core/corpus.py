"""A split of a corpus as an Arrow file."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from pipeline.core.files import sync
from pipeline.core.types import Counts

# A batch's limits: enough to read fast, little enough to hold several of.
BATCH_SENTENCES = 8192
BATCH_BYTES = 1 << 24  # of token text

_LIST = pa.list_(pa.string())


class SplitWriter:
    """Write the sentences of a split, a batch at a time.

    How they are cut into batches on disk depends on the sentences alone, not on
    the batches that come in, so that one corpus from two sources is one file,
    byte for byte. The file appears under its name once it is whole.

    Attributes:
        sentences: How many were added.
        tokens: How many they have together.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.partial")
        self._file = self._partial.open("wb")
        self._writer: pa.RecordBatchFileWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_sentences = 0
        self._waiting_bytes = 0
        self.sentences = 0
        self.tokens = 0

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing behind that is not whole."""
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def add(self, batch: pa.RecordBatch) -> None:
        """Add sentences: `tokens` and what tags there are, list<string> each."""
        if not batch.num_rows:
            return
        schema = pa.schema([(name, _LIST) for name in batch.schema.names])
        batch = batch.cast(schema)
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file, schema)
        starts, text = _extents(batch)
        self.sentences += batch.num_rows
        self.tokens += int(starts[-1] - starts[0])
        self._waiting.append(batch)
        self._waiting_sentences += batch.num_rows
        self._waiting_bytes += int(text[-1] - text[0])
        if (
            self._waiting_sentences >= BATCH_SENTENCES
            or self._waiting_bytes > BATCH_BYTES
        ):
            self._write(last=False)

    def _write(self, *, last: bool) -> None:
        """Write all full batches that wait; the last also when it is not full."""
        if self._writer is None or not self._waiting:
            return
        waiting = pa.concat_batches(self._waiting)
        text = _extents(waiting)[1]  # (S + 1,)
        start = 0
        while start < waiting.num_rows:
            # The most sentences that fit; one in any case.
            fitting = int(np.searchsorted(text, text[start] + BATCH_BYTES, "right")) - 1
            end = min(max(fitting, start + 1), start + BATCH_SENTENCES)
            if end >= waiting.num_rows and end < start + BATCH_SENTENCES and not last:
                break  # more may fit
            end = min(end, waiting.num_rows)
            # Copied, as a slice is written with more than its own bytes.
            piece = pa.concat_batches([waiting.slice(start, end - start)])
            self._writer.write_batch(piece)
            start = end
        rest = waiting.slice(start)
        self._waiting = [rest] if rest.num_rows else []
        self._waiting_sentences = rest.num_rows
        self._waiting_bytes = int(text[-1] - text[start])

    def finish(self) -> pa.Table:
        """Complete the file, synced and under its name, and map it into memory."""
        self._write(last=True)
        if self._writer is not None:
            self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.replace(self._path)
        sync(self._path.parent)
        return pa.ipc.open_file(pa.memory_map(str(self._path))).read_all()


def _extents(batch: pa.RecordBatch) -> tuple[Counts, Counts]:
    """Return where sentences start, in tokens and in bytes, each int64[S + 1]."""
    starts = batch["tokens"].offsets.to_numpy().astype(np.int64)
    words = batch["tokens"].values
    offsets = np.frombuffer(words.buffers()[1], np.int32)[words.offset :]
    return starts, offsets[starts].astype(np.int64)
