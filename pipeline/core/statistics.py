"""Whether scores differ by more than the seed's noise.

Scores are a table of C cells (configurations) by S seeds, float64, NaN where a trial
is missing. All is written for few seeds: with three, a paired t test of two cells by
themselves has 2 degrees of freedom and, corrected for a grid's many pairs, finds
nothing at all. So what the cells' noise has in common is learned from all of them.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.core.types import Doubles
from pipeline.errors import ShapeError

CONFIDENCE = 0.95
_LEVEL = 1 - CONFIDENCE

# Spread this far below the scores themselves is rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval.

    Attributes:
        mean: The mean.
        low: Lower end; None where nothing tells how exact the mean is.
        high: Upper end, or None.
    """

    mean: float
    low: float | None
    high: float | None


def interval(mean: float, variance: float, freedom: float) -> Interval:
    """Return mean ± t √variance, at 95%.

    Args:
        mean: The mean.
        variance: That of the mean, not of what it is taken over.
        freedom: Degrees of freedom behind the variance; none below 1.
    """
    # What scipy.stats.t asks too, without half a second of imports, and without looking
    # its arguments over for 0.1 ms at each of thousands of calls.
    from scipy.special import stdtrit

    if freedom < 1:
        return Interval(mean, None, None)
    half = float(stdtrit(freedom, 1 - _LEVEL / 2)) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half)


def mean_interval(values: Doubles) -> Interval:
    """Return the mean with its 95% interval by Student's t.

    Args:
        values: Shape (n,), n ≥ 1, finite. With one there is no interval.
    """
    n = len(values)
    variance = float(values.var(ddof=1)) / n if n > 1 else 0.0
    return interval(float(values.mean()), variance, n - 1)


def holm(p_values: Doubles) -> Doubles:
    """Return p-values adjusted for their number, in the order given.

    The i-th smallest of m is multiplied by m - i + 1; none falls below a smaller
    one's. All errors together then have at most the chance that one had.

    Args:
        p_values: Shape (m,), in [0, 1].

    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted


@dataclass(frozen=True)
class Noise:
    """How much a score moves with the seed, what all cells share set aside.

    Attributes:
        pooled: Variance of one score, taken over all cells.
        freedom: Degrees of freedom behind `pooled`.
        variances: Shape (C,). Variance of one score of each cell.
        freedoms: Shape (C,). Degrees of freedom behind each.
    """

    pooled: float
    freedom: int
    variances: Doubles
    freedoms: Doubles


def seed_noise(scores: Doubles) -> Noise | None:
    """Estimate each cell's noise from its own seeds and from all other cells'.

    A score is taken as cell + seed + noise (a two-way layout without interaction):
    what a seed does to all cells alike is no noise when cells are compared at the
    same seeds. `pooled` is the residual variance. A cell's own residual variance has
    S - 1 degrees of freedom, too few; it is drawn toward that of the others, as far
    as their variances are alike (Smyth's moderated variance, which is the pooled one
    if the cells differ no more than chance has it). It is never put below the cell's
    own: of cells whose noise is that of the others but for one, 5 times as large,
    the moderated test alone called one different in 15% of tables, this one in 5%
    (27 cells, 3 seeds, all of one mean).

    A cell whose seeds all gave one score (it failed to learn, or the metric is
    coarse) does not count as proof of little noise: it is left out, and given what
    the others have.

    Args:
        scores: Shape (C, S), NaN where missing.

    Returns:
        None where nothing tells the noise: each cell's seeds gave one score, no seed
        was shared, or the cells differ by the same amount at every seed.

    Source: Smyth 2004, "Linear Models and Empirical Bayes Methods for Assessing
    Differential Expression in Microarray Experiments", section 6.2.
    """
    known = np.isfinite(scores)
    counts = known.sum(axis=1)  # (C,)
    used = np.flatnonzero(counts > 1)
    size = float(np.abs(scores[known]).max(initial=0))
    moving = [c for c in used if np.ptp(scores[c][known[c]]) > _ROUNDING * size]
    if not moving:
        return None
    residuals, freedom = _residuals(scores[moving])
    if len(moving) == 1:  # nothing to tell the seed's part from the noise
        (only,) = scores[moving]
        residuals = (only - np.nanmean(only))[np.newaxis]
        freedom = int(counts[moving[0]]) - 1
    squares = np.nansum(residuals**2, axis=1)
    if freedom < 1 or squares.sum() <= (_ROUNDING * size) ** 2:
        return None
    pooled = float(squares.sum()) / freedom
    own = counts[moving] - 1.0
    variances = squares / (own * (freedom / own.sum()))
    prior, prior_freedom = _prior(variances, own, pooled)
    if math.isinf(prior_freedom):
        moderated = np.full(len(moving), pooled)
    else:
        moderated = prior_freedom * prior + own * variances
        moderated /= prior_freedom + own
    all_variances = np.full(len(scores), prior)
    all_variances[moving] = np.maximum(moderated, variances)
    all_freedoms = np.full(len(scores), prior_freedom)
    all_freedoms[moving] += own
    return Noise(pooled, freedom, all_variances, np.minimum(all_freedoms, freedom))


def _residuals(scores: Doubles) -> tuple[Doubles, int]:
    """Return what cell and seed leave unexplained, and its degrees of freedom.

    Args:
        scores: Shape (C, S), NaN where missing; no row all NaN.
    """
    known = np.isfinite(scores)
    counts = known.sum(axis=1, keepdims=True)  # (C, 1)
    centered = np.where(known, scores - np.nanmean(scores, axis=1, keepdims=True), 0)
    # Least squares with the cells' means solved for: S equations in S seed effects.
    weights = known / counts
    normal = np.diag(known.sum(axis=0).astype(float)) - known.T @ weights  # (S, S)
    effects, _, rank, _ = np.linalg.lstsq(
        normal, centered.sum(axis=0), rcond=len(normal) * np.finfo(float).eps
    )
    left = centered - np.where(known, effects - weights @ effects[:, np.newaxis], 0)
    freedom = int(known.sum()) - len(scores) - int(rank)
    return np.where(known, left, np.nan), freedom


def _prior(variances: Doubles, freedoms: Doubles, pooled: float) -> tuple[float, float]:
    """Return what the cells' variances scatter about, and how closely.

    The logarithms' mean and variance are matched with those of a scaled F. The
    second number is the prior's degrees of freedom: infinite if the variances
    differ no more than their own few degrees explain.
    """
    from scipy.special import digamma, polygamma

    half = freedoms / 2
    with np.errstate(divide="ignore"):
        logs = np.log(variances) - digamma(half) + np.log(half)
    logs = logs[np.isfinite(logs)]
    if len(logs) < 2:
        return pooled, math.inf
    excess = float(logs.var(ddof=1) - polygamma(1, half).mean())
    if excess <= _ROUNDING:
        return pooled, math.inf
    freedom = 2 * _inverse_trigamma(excess)
    center = float(logs.mean() + digamma(freedom / 2)) - math.log(freedom / 2)
    return math.exp(center), freedom


def _inverse_trigamma(value: float) -> float:
    """Return x > 0 with ψ'(x) = value > 0, by Newton's method on 1 / ψ'."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value  # from below, and 1 / ψ' is nearly straight
    for _ in range(50):
        found = float(polygamma(1, x))
        step = found * (1 - found / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x


@dataclass(frozen=True)
class Comparison:
    """The cells against the best of them.

    Attributes:
        means: Shape (C,). Mean over the seeds a cell has, NaN where none.
        order: The cells that have a mean, best first; equal ones in the order given.
        p_values: Shape (C,). Against the first of `order`, over the seeds both have,
            adjusted; NaN where there is no test, and 1 for the best itself.
        tied: Those of `order` that cannot be told from the best, itself included.
        winner: The best, if all others can be told from it.
        untested: Why there was no test at all, else empty.
    """

    means: Doubles
    order: tuple[int, ...]
    p_values: Doubles
    tied: tuple[int, ...]
    winner: int | None
    untested: str


def compare_cells(scores: Doubles, *, maximize: bool) -> Comparison:
    """Say which cells can be told from the best, at 5%.

    Each pair of cells is compared by a paired t test over the seeds both have, with
    the variances of `seed_noise`. Which cell is best was chosen by these same scores,
    so a correction for the comparisons with it alone would not do: among 27 equal
    cells at 3 seeds it calls one worse in 22% of tables instead of 5%. Holm's
    correction here is for all C (C - 1) / 2 pairs, and those with the best are
    reported. So the chance that any cell is called worse than an equal one stays at
    5%, and that of a false winner below it (simulated with cells of like noise: 1 to
    5%; with unlike: to 5%, and 8% where one of 9 cells has 5 times the noise).

    Args:
        scores: Shape (C, S), NaN where missing.
        maximize: Whether higher is better.

    Raises:
        ShapeError: if scores is no table.
    """
    if scores.ndim != 2:
        raise ShapeError(f"scores: expected (cells, seeds), found {scores.shape}")
    known = np.isfinite(scores)
    scores = np.where(known, scores, np.nan)
    counts = known.sum(axis=1)
    means = np.full(len(scores), np.nan)
    for c in np.flatnonzero(counts):
        means[c] = scores[c][known[c]].mean()
    ranked = np.argsort(-means if maximize else means, kind="stable")
    order = tuple(int(c) for c in ranked if counts[c])
    p_values = np.full(len(scores), np.nan)
    untested, noise = _why_untested(scores, order), None
    if not untested:
        noise = seed_noise(scores)
    if noise is None and not untested:
        if _are_copies(scores, order):
            p_values[list(order)] = 1
            return Comparison(means, order, p_values, order, None, "")
        untested = _why_noiseless(scores)
    if noise is None:
        return Comparison(means, order, p_values, order, None, untested)
    best = order[0]
    sign = 1 if maximize else -1
    differences, p_values = _against(scores, best, noise)
    worse = (p_values < _LEVEL) & (sign * differences > 0)
    tied = tuple(c for c in order if not worse[c])
    winner = best if tied == (best,) else None
    return Comparison(means, order, p_values, tied, winner, "")


def _why_untested(scores: Doubles, order: tuple[int, ...]) -> str:
    if len(order) < 2:
        return "there are no two cells with a score to compare"
    if np.isfinite(scores).sum(axis=1).max() < 2:
        return (
            "each cell ran with one seed, so that nothing tells how much the seed "
            "matters"
        )
    return ""


def _why_noiseless(scores: Doubles) -> str:
    rows = [row[np.isfinite(row)] for row in scores]
    size = max(float(np.abs(row).max(initial=0)) for row in rows)
    if all(np.ptp(row) <= _ROUNDING * size for row in rows if len(row)):
        return (
            "each cell's seeds gave equal scores, so that nothing tells how much the "
            "seed matters"
        )
    _, freedom = _residuals(scores[[len(row) > 1 for row in rows]])
    if freedom < 1:
        return "too few cells ran with the same seeds to tell how much the seed matters"
    return (
        "the cells differ by the same amount at every seed, so that nothing tells how "
        "much of it is noise"
    )


def _are_copies(scores: Doubles, order: tuple[int, ...]) -> bool:
    """Say whether all cells have the best one's scores, at all its seeds."""
    return all(
        np.array_equal(scores[c], scores[order[0]], equal_nan=True) for c in order
    )


def _against(scores: Doubles, best: int, noise: Noise) -> tuple[Doubles, Doubles]:
    """Return best - cell and its p-value for each cell, adjusted for all pairs."""
    from scipy.special import stdtr

    first, second = np.triu_indices(len(scores), 1)  # (P,) each
    gaps = scores[first] - scores[second]  # (P, S)
    shared = np.isfinite(gaps).sum(axis=1)
    paired = shared > 0
    first, second, gaps, shared = (a[paired] for a in (first, second, gaps, shared))
    differences = np.nansum(gaps, axis=1) / shared
    spread = np.sqrt((noise.variances[first] + noise.variances[second]) / shared)
    freedom = np.minimum(noise.freedoms[first], noise.freedoms[second])
    adjusted = holm(2 * stdtr(freedom, -np.abs(differences) / spread))
    gap, p_values = np.full(len(scores), np.nan), np.full(len(scores), np.nan)
    gap[best], p_values[best] = 0, 1
    for left, right, sign in ((first, second, 1), (second, first, -1)):
        own = left == best
        gap[right[own]] = sign * differences[own]
        p_values[right[own]] = adjusted[own]
    return gap, p_values


def pareto_front(costs: Doubles, qualities: Doubles) -> tuple[int, ...]:
    """Return who is beaten by no other in both: cheapest first.

    Args:
        costs: Shape (n,), finite; lower is better.
        qualities: Shape (n,), finite; higher is better. Of equals in both, the first.
    """
    front: list[int] = []
    for i in np.lexsort((-qualities, costs)):
        if not front or qualities[i] > qualities[front[-1]]:
            front.append(int(i))
    return tuple(front)
