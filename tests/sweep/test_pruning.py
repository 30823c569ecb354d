"""Which trials are hopeless."""

import numpy as np
import optuna
import pytest
from sweeps import config_of

from pipeline.sweep.pruning import is_hopeless


def decided(config, losses, others) -> list[bool]:
    """Return the decision after each epoch."""
    return [
        is_hopeless(config, losses[:epoch], others)
        for epoch in range(1, len(losses) + 1)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_median_agrees_with_optuna(seed):
    rng = np.random.default_rng(seed)
    others = rng.normal(size=(6, 8)).tolist()
    losses = rng.normal(size=8).tolist()
    pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2)
    study = optuna.create_study(pruner=pruner)
    for other in others:
        values = dict(enumerate(other, start=1))
        study.add_trial(
            optuna.create_trial(value=other[-1], intermediate_values=values)
        )
    trial = study.ask()
    expected = []
    for epoch, loss in enumerate(losses, start=1):
        trial.report(loss, epoch)
        expected.append(trial.should_prune())

    config = config_of(prune="median", prune_after=2, prune_startup=4)
    # Optuna's warm-up ends before the epoch that it names.
    assert decided(config, losses, others)[2:] == expected[2:]
    assert decided(config, losses, others)[:2] == [False, False]


def test_halving_keeps_the_best_third_at_epochs_1_3_and_9():
    others = [[float(i)] * 10 for i in range(5)]
    config = config_of(prune="halving")

    best, third = (
        decided(config, [0.5] * 10, others),
        decided(config, [1.5] * 10, others),
    )

    assert best == [False] * 10
    assert [epoch for epoch, ends in enumerate(third, start=1) if ends] == [1, 3, 9]


@pytest.mark.parametrize("prune", ["none", "median", "halving"])
def test_nothing_is_pruned_before_there_is_enough_to_compare_with(prune):
    config = config_of(prune=prune, prune_startup=4)

    assert not any(decided(config, [9.0] * 9, [[1.0] * 9] * 3))


def test_nothing_is_pruned_unless_asked():
    assert not any(decided(config_of(prune="none"), [9.0] * 9, [[1.0] * 9] * 9))


def test_a_trial_is_not_compared_beyond_what_others_reached():
    config = config_of(prune="median", prune_after=1, prune_startup=1)

    assert decided(config, [9.0, 9.0, 9.0], [[1.0, 1.0]]) == [False, True, False]
