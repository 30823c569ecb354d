"""Word vectors as one compact file, and back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from pipeline.core import npz
from pipeline.core.types import Embeddings, Floats, Normalization
from pipeline.errors import DataError

Matrix = Literal["center", "context", "mean"]

# V words of d dims. `words_utf8` holds all words in order, one after another;
# word i is the bytes words_offsets[i]:words_offsets[i + 1].
LAYOUT: npz.Layout = {
    "center": ("<f4", 2),  # (V, d)
    "context": ("<f4", 2),  # (V, d), or (V, 0) where there are none
    "words_utf8": ("|u1", 1),  # (bytes,)
    "words_offsets": ("<i8", 1),  # (V + 1,)
    "settings": ("|u1", 1),  # a JSON object with the key `normalization`
}


def save_vectors(path: Path, embeddings: Embeddings, *, synced: bool = True) -> None:
    """Write embeddings as a sealed .npz that `np.load` reads without pickle.

    Args:
        path: File to write or replace, atomically.
        embeddings: Words and matrices.
        synced: See `files.replacing`.

    Raises:
        StorageError: if the file cannot be written.
    """
    packed = pack_embeddings(embeddings, {})
    npz.write_arrays(path, packed, LAYOUT, synced=synced)


def load_first(path: Path, most: int) -> Embeddings:
    """Read the first words and their center vectors; trust that the file is whole.

    Args:
        path: The file.
        most: How many words, ≥ 1; a smaller vocabulary is read whole.

    Raises:
        DataError: if it cannot be read, or is none of vectors.
    """
    layout = {name: kind for name, kind in LAYOUT.items() if name != "context"}
    rows = {"center": most, "words_offsets": most + 1}
    arrays = npz.read_arrays(path, layout, check_seal=False, most=rows)
    end = int(arrays["words_offsets"][-1]) if arrays["words_offsets"].size else 0
    arrays["words_utf8"] = arrays["words_utf8"][:end]
    arrays["context"] = np.empty((len(arrays["center"]), 0), np.float32)
    return unpack_embeddings(path, arrays)


def load_vectors(path: Path, content: BinaryIO | None = None) -> Embeddings:
    """Read the embeddings from a file of vectors or a training checkpoint.

    Args:
        path: The file.
        content: Its content, seekable, where it is not what lies at `path`.

    Raises:
        DataError: if the file is missing, damaged or neither of the two.
    """
    arrays = npz.read_arrays(path, LAYOUT, content)
    return unpack_embeddings(path, arrays)


def choose_matrix(embeddings: Embeddings, which: Matrix) -> Floats:
    """Return center or context vectors, or their mean: shape (V, d), float32.

    Raises:
        DataError: if there are no context vectors.
    """
    if which == "center":
        return embeddings.center
    if embeddings.context.shape != embeddings.center.shape:
        raise DataError(
            "expected center and context vectors, found center vectors alone: they "
            "come from a file of another program. Use center"
        )
    if which == "context":
        return embeddings.context
    return (embeddings.center + embeddings.context) / np.float32(2)


def pack_embeddings(
    embeddings: Embeddings, settings: Mapping[str, Any]
) -> dict[str, npz.Array]:
    """Return the arrays of `LAYOUT`; `settings` go beside the normalization."""
    text, offsets = npz.pack_words(embeddings.words)
    normalization = {
        "lowercase": embeddings.normalization.lowercase,
        "digits": embeddings.normalization.digits,
    }
    return {
        "center": embeddings.center,
        "context": embeddings.context,
        "words_utf8": text,
        "words_offsets": offsets,
        "settings": npz.pack_json({**settings, "normalization": normalization}),
    }


def unpack_embeddings(path: Path, arrays: Mapping[str, npz.Array]) -> Embeddings:
    """Return the embeddings that `pack_embeddings` packed.

    Raises:
        DataError: naming `path`, if the arrays do not fit together.
    """
    words = npz.unpack_words(path, arrays["words_utf8"], arrays["words_offsets"])
    center, context = arrays["center"], arrays["context"]
    fits = context.shape in (center.shape, (len(center), 0))
    if not fits or len(center) != len(words):
        raise npz.unsound(
            path,
            f"{len(words)} words with center vectors {center.shape} and context "
            f"vectors {context.shape}",
        )
    if not (np.isfinite(center).all() and np.isfinite(context).all()):
        raise npz.unsound(path, "a vector that is not finite")
    settings = npz.unpack_json(path, arrays["settings"])
    match settings.get("normalization"):
        case {"lowercase": bool(lowercase), "digits": "keep" | "zero" as digits}:
            normalization = Normalization(lowercase, digits)
        case found:
            raise npz.unsound(path, f"normalization {found!r:.100}")
    return Embeddings(words, center, context, normalization)
