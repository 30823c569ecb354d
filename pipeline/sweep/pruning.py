"""Which trials are hopeless, judged by their held-out loss after each epoch.

A trial is compared with trials that had ended before its batch began, never with
those beside it: whether it is pruned does not hang on which was quicker.
"""

from collections.abc import Sequence
from statistics import median

from pipeline.sweep.config import SweepConfig

_KEPT = 3  # halving keeps one of three, as Li et al. do


def is_hopeless(
    config: SweepConfig, losses: Sequence[float], others: Sequence[Sequence[float]]
) -> bool:
    """Say whether a trial should end now.

    median: its best loss so far is worse than the median of what the others had
    after the same epoch (Golovin et al. 2017, "Google Vizier", with the best in
    place of the running mean, as Optuna has it).

    halving: after epochs 1, 3, 9 ... it is not among the best third of itself and
    the others at that epoch (Li et al. 2020, "A System for Massively Parallel
    Hyperparameter Tuning").

    Args:
        config: Which rule, and from when on.
        losses: Held-out loss after each of its epochs so far; lower is better.
        others: The same of trials that ended, whether pruned or not.
    """
    epoch = len(losses)
    rivals = [other[epoch - 1] for other in others if len(other) >= epoch]
    if config.prune == "none" or not losses or len(others) < config.prune_startup:
        return False
    if config.prune == "median":
        return bool(
            epoch > config.prune_after and rivals and min(losses) > median(rivals)
        )
    if not _is_rung(epoch):
        return False
    ranked = sorted([*rivals, losses[-1]])
    return losses[-1] > ranked[max(len(ranked) // _KEPT, 1) - 1]


def _is_rung(epoch: int) -> bool:
    while epoch % _KEPT == 0:
        epoch //= _KEPT
    return epoch == 1
