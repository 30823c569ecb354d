"""Keep some of the vectors at the ends of epochs, to show how they came to be."""

import numpy as np

from pipeline.core.types import Floats, Halves, Snapshots

# Epochs that are kept, at most, the start besides: what a film of a long training
# shows, and what bounds its memory.
MOST_EPOCHS = 30

_LARGEST = float(np.finfo(np.float16).max)


def kept_epochs(epochs: int) -> frozenset[int]:
    """Return after which epochs a snapshot is taken: all, or 30 at even steps.

    The start (0) and the end are among them.
    """
    steps = np.linspace(0, epochs, min(epochs, MOST_EPOCHS) + 1)
    return frozenset(np.rint(steps).astype(int).tolist())


def first_snapshot(center: Floats, words: int) -> Snapshots:
    """Return the snapshots before the first epoch.

    Args:
        center: Shape (V, d).
        words: W, how many words are kept; at most V are.
    """
    return Snapshots(np.zeros(1, np.int32), _halved(center[:words])[np.newaxis])


def with_snapshot(before: Snapshots, center: Floats, epoch: int) -> Snapshots:
    """Return snapshots with one more of the same words.

    Args:
        before: Those of earlier epochs.
        center: Shape (V, d). The vectors now.
        epoch: Epochs done.
    """
    now = _halved(center[: before.vectors.shape[1]])[np.newaxis]
    return Snapshots(
        np.append(before.epochs, np.int32(epoch)).astype(np.int32),
        np.concatenate([before.vectors, now]),
    )


def _halved(vectors: Floats) -> Halves:
    # Beyond float16 lies only a training that is about to overflow anyway.
    return np.clip(vectors, -_LARGEST, _LARGEST).astype(np.float16)
