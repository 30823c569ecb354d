"""Random streams that depend on their name alone."""

import hashlib
import json

import numpy as np


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """Return the random stream named by a seed and a path.

    Streams are counter-based (Philox) and keyed by a digest of the name, so that
    any of them can be entered without drawing from another:
    `generator(seed, "train", epoch, block)` is the same whatever came before.

    Args:
        seed: The run's seed.
        path: What the stream is for, from the stage's name down.

    Source: Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".
    """
    name = json.dumps([seed, *path], separators=(",", ":")).encode()
    key = int.from_bytes(hashlib.sha256(name).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))
