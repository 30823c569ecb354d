"""What a file or folder of vectors holds, and whether it is sound."""

import hashlib
import math
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core import npz, salvage
from pipeline.core.checkpoint import load_checkpoint
from pipeline.core.formats.reading import read_vectors, sniff
from pipeline.core.text import open_text
from pipeline.core.types import Floats
from pipeline.errors import DataError

SERIES = ("loss", "heldout_loss", "learning_rate")


@dataclass(frozen=True)
class Norms:
    """Lengths of a matrix's rows.

    Attributes:
        rows: How many rows there are.
        mean: Of the rows that are finite; None if none is. So are the next two.
        low: The shortest.
        high: The longest.
        zero: Share of rows that are all zeros, a fraction of 1.
        not_finite: Share of rows with a NaN or an infinity, a fraction of 1.
    """

    rows: int
    mean: float | None
    low: float | None
    high: float | None
    zero: float
    not_finite: float


@dataclass(frozen=True)
class Inspection:
    """What was found at a path.

    Attributes:
        path: Where.
        kind: What it is: `checkpoint`, `vectors`, `word2vec text`, `word2vec binary`,
            `GloVe text`, `embeddings`, `history`, `vocab`, `artifact` or `unknown`.
        damage: What is wrong with it, a line each; none if it is sound.
        bytes: Its size; None for what is not read.
        sha256: Of a file's content, or of an object's manifest; None likewise.
        arrays: Name -> dtype and shape, as claimed.
        words: V words, or as many as can be read; None if it holds none.
        counts: Occurrences of each word, where they are known.
        settings: All that its settings say, as plain JSON values.
        series: Name -> value of each epoch.
        norms: Matrix -> its rows' lengths.
    """

    path: Path
    kind: str
    damage: tuple[str, ...]
    bytes: int | None = None
    sha256: str | None = None
    arrays: Mapping[str, tuple[str, tuple[int, ...]]] | None = None
    words: Sequence[str] | None = None
    counts: Sequence[int] | None = None
    settings: Mapping[str, Any] | None = None
    series: Mapping[str, Sequence[float]] | None = None
    norms: Mapping[str, Norms] | None = None

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.damage


def inspect_file(path: Path) -> Inspection:
    """Look into a file of vectors or a checkpoint; no content makes this fail."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        return Inspection(path, "unknown", (f"cannot be read: {error}",))
    if not stat.S_ISREG(status.st_mode):
        # One that is opened may wait for a writer, or never end.
        wrong = f"expected a file, found {_FILE_TYPES[stat.S_IFMT(status.st_mode)]}"
        return Inspection(path, "unknown", (wrong,))
    try:
        digest = _digest(path)
        with open_text(path) as file:
            kind = sniff(file, path).kind
        found = _inspect_npz(path) if kind == "npz" else _inspect_rows(path)
    except OSError as error:
        damage = f"cannot be read: {error.strerror}"
        return Inspection(path, "unknown", (damage,), bytes=status.st_size)
    except DataError as error:
        found = Inspection(path, "unknown", (str(error),))
    return replace(found, bytes=status.st_size, sha256=digest)


# Besides regular files.
_FILE_TYPES = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inspect_npz(path: Path) -> Inspection:
    members: list[salvage.Member] = []
    broken: list[str] = []
    try:
        with open_text(path) as file:
            members.extend(salvage.read_members(file))
    except DataError as error:  # packed with gzip, and cut short
        broken.append(str(error))
    checkpoint = any(member.name == "counts" for member in members)
    try:
        _ = load_checkpoint(path) if checkpoint else read_vectors(path)
    except DataError as error:
        broken += [str(error), *(f"{m.name} {m.damage}" for m in members if m.damage)]
    arrays = {m.name: m.array for m in members if m.array is not None}
    settings = None
    if "settings" in arrays:
        try:
            settings = npz.unpack_json(path, arrays["settings"])
        except DataError:  # said above
            settings = None
    found = describe(path, arrays)
    return replace(
        found,
        kind="checkpoint" if checkpoint else "vectors",
        damage=tuple(dict.fromkeys(broken)),
        # As claimed, also where rows are missing.
        arrays={m.name: (m.dtype, m.shape) for m in members if m.dtype},
        words=salvage.words_of(arrays),
        settings=settings,
    )


def _inspect_rows(path: Path) -> Inspection:
    with open_text(path) as file:
        form = sniff(file, path)
    words: Sequence[str]
    try:
        embeddings = read_vectors(path)
        words, vectors = embeddings.words, embeddings.center
        damage: tuple[str, ...] = ()
    except DataError as error:
        damage = (str(error),)
        try:
            with open_text(path) as file:
                sniff(file, path)
                words, vectors = salvage.read_rows(file, form)
        except DataError:  # of a packed file; what was read is kept
            words, vectors = (), np.empty((0, 0), np.float32)
    claimed = len(words) if form.count is None else form.count
    return Inspection(
        path,
        form.kind,
        damage,
        arrays={"center": ("<f4", (claimed, form.dim))},
        words=words,
        norms={"center": measure_norms(vectors)},
    )


def describe(path: Path, arrays: Mapping[str, npz.Array]) -> Inspection:
    """Return what arrays of this project's names say, whatever they hold."""

    def numbers(name: str, ndim: int) -> npz.Array | None:
        array = arrays.get(name)
        fits = array is not None and array.ndim == ndim and array.dtype.kind in "fiu"
        return array if fits else None

    counts = numbers("counts", 1)
    series = {name: numbers(name, 1) for name in SERIES}
    matrices = {name: numbers(name, 2) for name in ("center", "context")}
    return Inspection(
        path,
        "unknown",
        (),
        arrays={name: (a.dtype.str, a.shape) for name, a in arrays.items()},
        counts=None if counts is None else counts.tolist(),
        series={n: s.tolist() for n, s in series.items() if s is not None},
        norms={
            name: measure_norms(matrix)
            for name, matrix in matrices.items()
            if matrix is not None and matrix.shape[1]
        },
    )


def measure_norms(vectors: Floats) -> Norms:
    """Measure the rows of a matrix of shape (V, d), any numbers in it."""
    squares = np.zeros(len(vectors))
    for start in range(0, len(vectors), _ROWS):
        part = np.asarray(vectors[start : start + _ROWS], np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            squares[start : start + _ROWS] = np.einsum("ij,ij->i", part, part)
    norms = np.sqrt(squares)
    finite = norms[np.isfinite(norms)]
    rows = max(len(norms), 1)
    return Norms(
        rows=len(norms),
        mean=math.fsum(finite.tolist()) / len(finite) if len(finite) else None,
        low=float(finite.min()) if len(finite) else None,
        high=float(finite.max()) if len(finite) else None,
        zero=float((norms == 0).sum()) / rows,
        not_finite=1 - len(finite) / rows if len(norms) else 0.0,
    )


_ROWS = 2**13  # held as float64 at a time
