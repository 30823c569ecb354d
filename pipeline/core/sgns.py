"""Skip-gram with negative sampling: the loss, its gradient, and training with it.

`pair_loss` and `pair_gradient` are the definition, pair by pair in float64. The rest
does the same by minibatch in float32, with two guards: a score is clipped before the
sigmoid, and the gradient of each row before the step.

No function here calls BLAS: sums run in a fixed order, so that results do not depend
on the number of threads.

Source: Mikolov et al. 2013, "Distributed Representations of Words and Phrases and
their Compositionality". A center word (row of the input matrix) predicts its contexts
(rows of the output matrix), as in the paper; word2vec.c swaps the two roles.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.sampling import AliasTable, draw_targets
from pipeline.core.types import Doubles, Floats, Ids
from pipeline.errors import ShapeError

AnyFloats = npt.NDArray[np.floating]


def pair_loss(center: AnyFloats, positive: AnyFloats, negatives: AnyFloats) -> float:
    """Return the negative-sampling loss of one (center, context) pair.

    L = -log σ(c·p) - Σ_k log σ(-c·n_k)

    Args:
        center: Shape (d,). Input vector of the center word.
        positive: Shape (d,). Output vector of the observed context word.
        negatives: Shape (K, d). Output vectors of K sampled words.

    Returns:
        Loss in nats, ≥ 0, summed (not averaged) over K + 1 terms,
        accumulated in float64.

    Raises:
        ShapeError: if the three widths differ.

    Source: Mikolov et al. 2013, "Distributed Representations of Words
    and Phrases and their Compositionality", eq. 4 (sign flipped).
    """
    c, p, n = _checked(center, positive, negatives)
    # -log σ(x) = log(1 + e^-x), which logaddexp finds without overflow.
    return float(
        np.logaddexp(0, -(c * p).sum()) + np.logaddexp(0, (n * c).sum(axis=1)).sum()
    )


@dataclass(frozen=True)
class PairGradient:
    """The gradient of `pair_loss`, all float64.

    Attributes:
        center: Shape (d,).
        positive: Shape (d,).
        negatives: Shape (K, d).
    """

    center: Doubles
    positive: Doubles
    negatives: Doubles


def pair_gradient(
    center: AnyFloats, positive: AnyFloats, negatives: AnyFloats
) -> PairGradient:
    """Return the gradient of `pair_loss` in each of its vectors.

    ∂L/∂c   = (σ(c·p) - 1) p + Σ_k σ(c·n_k) n_k
    ∂L/∂p   = (σ(c·p) - 1) c
    ∂L/∂n_k = σ(c·n_k) c

    Arguments as for `pair_loss`.

    Raises:
        ShapeError: if the three widths differ.
    """
    c, p, n = _checked(center, positive, negatives)
    observed = -_sigmoid(-(p * c).sum())  # σ(c·p) - 1, exact where σ is near 1
    sampled = _sigmoid((n * c).sum(axis=1))  # (K,)
    return PairGradient(
        center=observed * p + (sampled[:, np.newaxis] * n).sum(axis=0),
        positive=observed * c,
        negatives=sampled[:, np.newaxis] * c,
    )


def _sigmoid(x: Doubles) -> Doubles:
    """Return 1 / (1 + e^-x) without overflow."""
    return np.exp(-np.logaddexp(0, -x))


def _checked(
    center: AnyFloats, positive: AnyFloats, negatives: AnyFloats
) -> tuple[Doubles, Doubles, Doubles]:
    """Return the three as float64, if they fit together."""
    (d,) = center.shape if center.ndim == 1 else (-1,)
    if positive.shape != (d,) or negatives.ndim != 2 or negatives.shape[1] != d:
        raise ShapeError(
            "expected shapes (d,), (d,) and (K, d) for center, positive and "
            f"negatives, found {center.shape}, {positive.shape} and {negatives.shape}"
        )
    return (
        center.astype(np.float64),
        positive.astype(np.float64),
        negatives.astype(np.float64),
    )


@dataclass(frozen=True)
class Objective:
    """What is minimized, and how carefully.

    For a pair with targets t_0 (the context) and t_1..t_K (negatives), scores
    s_k = c·t_k clipped to ±score_clip and signs y_0 = 1, y_k = -1:

        L = -Σ_k w_k log(σ(y_k s_k) + log_epsilon)

    with w_k = 0 for a negative that equals the context, else 1. The slope in s_k is
    taken as w_k y_k (σ(y_k s_k) - 1): that of the loss without log_epsilon, and not
    zero beyond the clip, so that an outlying score finds its way back.

    Attributes:
        negatives: K, drawn for each pair.
        batch_size: Pairs whose gradients are taken at the same point and summed.
        score_clip: Largest size of a score.
        gradient_clip: Largest Euclidean norm of one row's summed gradient, before
            it is multiplied by the learning rate.
        log_epsilon: Added inside the logarithm.
    """

    negatives: int
    batch_size: int
    score_clip: float
    gradient_clip: float
    log_epsilon: float


@dataclass(frozen=True)
class RowGradient:
    """A gradient that is zero but in some rows of a matrix.

    Attributes:
        rows: Shape (R,), int32, ascending and distinct.
        values: Shape (R, d), float32.
    """

    rows: Ids
    values: Floats


@dataclass(frozen=True)
class BatchGradient:
    """Loss and gradient of a minibatch.

    Attributes:
        loss: Nats, float64, summed over pairs.
        center: In the input matrix.
        context: In the output matrix.
    """

    loss: float
    center: RowGradient
    context: RowGradient


def batch_gradient(
    objective: Objective, center: Floats, context: Floats, centers: Ids, targets: Ids
) -> BatchGradient:
    """Return the summed loss and gradient of pairs, all taken at the same point.

    Args:
        objective: The loss.
        center: Shape (V, d). Input matrix.
        context: Shape (V, d). Output matrix.
        centers: Shape (B,). Row of each pair's center.
        targets: Shape (B, K + 1). Rows of its context and its negatives.
    """
    inputs, outputs = _gather(center, context, centers, targets)
    loss, slopes = _loss_and_slopes(objective, inputs, outputs, targets)
    by_pair = np.einsum("bk,bkd->bd", slopes, outputs)
    once = np.ones((len(centers), 1), np.float32)
    return BatchGradient(
        loss=loss,
        center=sum_by_row(centers[:, np.newaxis], once, by_pair, len(center)),
        context=sum_by_row(targets, slopes, inputs, len(context)),
    )


def _gather(
    center: Floats, context: Floats, centers: Ids, targets: Ids
) -> tuple[Floats, Floats]:
    """Return the vectors of pairs: shapes (B, d) and (B, K + 1, d)."""
    # `take` does what indexing does, in half the time.
    return center.take(centers, axis=0), context.take(targets, axis=0)


def _loss_and_slopes(
    objective: Objective, inputs: Floats, outputs: Floats, targets: Ids
) -> tuple[float, Floats]:
    """Return the summed loss and its derivative in each score, shape (B, K + 1)."""
    # einsum without `optimize` is a plain loop, not BLAS.
    scores = np.einsum("bkd,bd->bk", outputs, inputs).astype(np.float64)
    signs = np.full(targets.shape[1], -1.0)
    signs[0] = 1.0
    weights = targets != targets[:, :1]
    weights[:, 0] = True
    clipped = np.clip(scores, -objective.score_clip, objective.score_clip)
    likelihood = 1 / (1 + np.exp(-signs * clipped))
    loss = -(np.log(likelihood + objective.log_epsilon) * weights).sum()
    slopes = signs * (likelihood - 1) * weights
    return float(loss), slopes.astype(np.float32)


def sum_by_row(rows: Ids, weights: Floats, values: Floats, size: int) -> RowGradient:
    """Return Σ weights[b, t] · values[b] over all (b, t) with the same rows[b, t].

    Each sum runs in the order of b. It is a product of a sparse matrix with
    `values`, so that the weighted terms are never laid out: for 1,024 pairs, 10
    negatives and d = 200 it takes 0.5 ms, where sorting the terms and
    `np.add.reduceat` take 11 ms, `np.add.at` 33 ms.

    Args:
        rows: Shape (B, T), int32, in 0..size - 1. Where each term goes.
        weights: Shape (B, T), float32.
        values: Shape (B, d), float32.
        size: Rows of the matrix that the result belongs to.
    """
    from scipy.sparse import csc_array, csr_array

    count, terms = rows.shape
    bounds = np.arange(0, count * terms + 1, terms, dtype=np.int32)
    # Column b holds the terms of values[b]; the conversion sorts them by row, and
    # within a row by column.
    by_value = csc_array((weights.ravel(), rows.ravel(), bounds), shape=(size, count))
    by_row = by_value.tocsr()
    used = np.flatnonzero(np.diff(by_row.indptr)).astype(np.int32)
    # Without the empty rows: they would make the product V rows high.
    bounds = np.append(by_row.indptr[used], by_row.indptr[-1])
    compact = csr_array((by_row.data, by_row.indices, bounds), shape=(len(used), count))
    return RowGradient(used, compact @ values)


def apply_gradient(
    matrix: Floats, gradient: RowGradient, rate: float, clip: float
) -> None:
    """Step down a gradient, in place, each of its rows first clipped to a norm.

    row ← row - rate · g · min(1, clip / ‖g‖)

    Args:
        matrix: Shape (V, d), float32. Modified.
        gradient: Its rows.
        rate: Learning rate.
        clip: Largest Euclidean norm of a row of the gradient.
    """
    norms = np.sqrt(np.einsum("rd,rd->r", gradient.values, gradient.values))
    steps = rate * (clip / np.maximum(norms, clip))
    matrix[gradient.rows] -= steps.astype(np.float32)[:, np.newaxis] * gradient.values


def train_pairs(
    objective: Objective,
    center: Floats,
    context: Floats,
    pairs: tuple[Ids, Ids],
    *,
    noise: AliasTable,
    rate: float,
    rng: np.random.Generator,
) -> float:
    """Train on pairs in the order given, by minibatch.

    Args:
        objective: The loss, the size of a minibatch and the guards.
        center: Shape (V, d), float32. Input matrix, modified.
        context: Shape (V, d), float32. Output matrix, modified.
        pairs: Centers and contexts, both of shape (P,), int32.
        noise: The distribution of the negatives.
        rate: Learning rate.
        rng: Draws the negatives of one minibatch after another.

    Returns:
        The loss in nats summed over pairs, each before the step it takes part in.
    """
    loss = 0.0
    for centers, contexts in _minibatches(pairs, objective.batch_size):
        targets = draw_targets(contexts, objective.negatives, noise, rng)
        gradient = batch_gradient(objective, center, context, centers, targets)
        apply_gradient(center, gradient.center, rate, objective.gradient_clip)
        apply_gradient(context, gradient.context, rate, objective.gradient_clip)
        loss += gradient.loss
    return loss


def batch_loss(
    objective: Objective, center: Floats, context: Floats, centers: Ids, targets: Ids
) -> float:
    """Return the loss in nats summed over pairs, without training.

    Arguments as for `batch_gradient`.
    """
    inputs, outputs = _gather(center, context, centers, targets)
    return _loss_and_slopes(objective, inputs, outputs, targets)[0]


def _minibatches(pairs: tuple[Ids, Ids], size: int) -> list[tuple[Ids, Ids]]:
    centers, contexts = pairs
    return [
        (centers[first : first + size], contexts[first : first + size])
        for first in range(0, len(centers), size)
    ]


def initial_vectors(
    form: Literal["xavier", "word2vec"],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return the matrices that training starts from.

    The input matrix is uniform in ±√(6 / (V + d)) (xavier) or ±1 / 2d (word2vec).
    The output matrix is zero, so that all pairs start at a loss of (K + 1) log 2.

    Args:
        form: Which range.
        shape: (V, d).
        rng: Draws V · d float32 numbers.

    Source: Glorot and Bengio 2010, "Understanding the Difficulty of Training Deep
    Feedforward Neural Networks", eq. 16; word2vec.c.
    """
    rows, d = shape
    bound = np.sqrt(6 / (rows + d)) if form == "xavier" else 1 / (2 * d)
    center = rng.random(shape, dtype=np.float32)
    # In place: copies that come and go would leave their memory with the process.
    center *= 2
    center -= 1
    center *= np.float32(bound)
    return center, np.zeros(shape, np.float32)
