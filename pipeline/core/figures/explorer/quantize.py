"""Vectors in a byte a component, and how far that moves their cosines."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core.types import Doubles, Floats

_LARGEST = 127


@dataclass(frozen=True)
class Quantized:
    """Unit vectors rounded to bytes: row i is `scales[i] * steps[i]`.

    Attributes:
        steps: Shape (n, d), int8, in [-127, 127].
        scales: Shape (n,), float32. Zero for a zero vector.
        bound: No cosine of two of these rows is further than this from that of the
            vectors themselves.
    """

    steps: npt.NDArray[np.int8]
    scales: Floats
    bound: float

    def restored(self) -> Doubles:
        """Return the rows, shape (n, d)."""
        scales = self.scales.astype(np.float64)
        return self.steps.astype(np.float64) * scales[:, np.newaxis]


def quantize(unit: Doubles) -> Quantized:
    """Round each row to multiples of its largest component's 127th part.

    With x = u + e the rounded row, |x·y - u·v| ≤ |e| |v| + |f| |u| + |e| |f|; rows of
    norm 1 with errors of at most e therefore keep their dot products within 2e + e².
    Errors are measured, not supposed.

    Args:
        unit: Shape (n, d). Rows of norm 1, or zero.
    """
    scales = (np.abs(unit).max(axis=1, initial=0) / _LARGEST).astype(np.float32)
    divisors = np.where(scales > 0, scales, 1)[:, np.newaxis].astype(np.float64)
    # A scale that was rounded down may lift the largest component above 127.
    steps = np.clip(np.rint(unit / divisors), -_LARGEST, _LARGEST).astype(np.int8)
    quantized = Quantized(steps, scales, 0.0)
    error = float(np.linalg.norm(quantized.restored() - unit, axis=1).max(initial=0))
    return Quantized(steps, scales, 2 * error + error**2)
