"""Which epochs are kept of training, and what of them."""

import numpy as np
import pytest

from pipeline.core.snapshots import (
    MOST_EPOCHS,
    first_snapshot,
    kept_epochs,
    with_snapshot,
)


@pytest.mark.parametrize("epochs", [1, 2, 15, 30])
def test_each_epoch_of_a_short_training_is_kept(epochs):
    assert kept_epochs(epochs) == set(range(epochs + 1))


@pytest.mark.parametrize("epochs", [31, 45, 1000])
def test_of_a_long_training_thirty_epochs_are_kept_at_even_steps(epochs):
    kept = sorted(kept_epochs(epochs))

    assert len(kept) == MOST_EPOCHS + 1
    assert (kept[0], kept[-1]) == (0, epochs)
    steps = np.diff(kept)
    assert steps.max() - steps.min() <= 1


def test_snapshots_keep_three_digits_of_the_first_words(rng):
    start, later = rng.normal(size=(2, 9, 4)).astype(np.float32)

    found = with_snapshot(first_snapshot(start, 5), later, 3)

    assert found.epochs.tolist() == [0, 3]
    assert (found.epochs.dtype, found.vectors.dtype) == (np.int32, np.float16)
    expected = np.stack([start[:5], later[:5]])
    # Half a unit in the last of float16's eleven bits.
    np.testing.assert_allclose(found.vectors, expected, rtol=2**-11, atol=1e-7)


def test_what_float16_cannot_hold_is_cut_off():
    huge = np.array([[1e30, -1e30, 2.0]], np.float32)

    found = first_snapshot(huge, 1).vectors

    assert found.tolist() == [[[65504, -65504, 2]]]


def test_more_words_than_there_are_is_all_of_them():
    assert first_snapshot(np.ones((3, 2), np.float32), 10).vectors.shape == (1, 3, 2)
