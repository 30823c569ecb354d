"""Fuzz one reader with atheris: fuzz_reader.py NAME [libFuzzer's options] CORPUS.

Coverage leads it to inputs that chance would not find. Any error but our own ends it.
"""

import contextlib
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pipeline"]):
    from pipeline.core.analogy import read_questions
    from pipeline.core.checkpoint import load_checkpoint
    from pipeline.core.conll import read_conll
    from pipeline.core.formats.reading import read_vectors
    from pipeline.core.inspection import inspect_file
    from pipeline.core.text import read_text
    from pipeline.core.vectors import load_vectors
    from pipeline.core.word_pairs import read_pairs
    from pipeline.errors import W2VError
    from pipeline.reported import read_series

READERS: dict[str, Callable[[Path], object]] = {
    "CoNLL files": lambda p: list(read_conll(p, ("token", "pos", "chunk", "ner"))),
    "text files": lambda path: list(read_text(path)),
    "similarity files": read_pairs,
    "analogy files": read_questions,
    "vectors": load_vectors,
    "vectors of others": read_vectors,
    "packed vectors": read_vectors,
    "checkpoints": load_checkpoint,
    "inspected files": inspect_file,
    "reported metrics": lambda path: list(read_series(path)),
}


def main() -> None:
    logging.disable(logging.CRITICAL)
    read = READERS[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "input"

        def attempt(content: bytes) -> None:
            path.write_bytes(content)
            with contextlib.suppress(W2VError):
                read(path)

        atheris.Setup(sys.argv, attempt)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
