import dataclasses
import math

import numpy as np
import pytest
from scipy.special import log_expit
from scipy.stats import kstest
from threadpoolctl import threadpool_limits

from pipeline.core.sampling import build_alias_table
from pipeline.core.sgns import (
    Objective,
    RowGradient,
    apply_gradient,
    batch_gradient,
    batch_loss,
    initial_vectors,
    pair_gradient,
    pair_loss,
    sum_by_row,
    train_pairs,
)
from pipeline.errors import ShapeError

OBJECTIVE = Objective(
    negatives=5, batch_size=16, score_clip=10.0, gradient_clip=5.0, log_epsilon=1e-10
)
V, D = 12, 8


def central_difference(function, at, step):
    gradient = np.empty_like(at)
    for index in np.ndindex(at.shape):
        shift = np.zeros_like(at)
        shift[index] = step
        gradient[index] = (function(at + shift) - function(at - shift)) / (2 * step)
    return gradient


def matrices(rng, scale=0.5):
    return rng.normal(scale=scale, size=(2, V, D)).astype(np.float32)


def batch(rng, size=64):
    """Pairs with repeated rows; some negatives equal their context."""
    centers = rng.integers(V, size=size).astype(np.int32)
    targets = rng.integers(V, size=(size, 6)).astype(np.int32)
    assert (targets[:, 1:] == targets[:, :1]).any()
    return centers, targets


def distinct_negatives(targets):
    return [n for n in targets[1:] if n != targets[0]]


# The definition.


def test_loss_of_zero_vectors_is_log_2_for_each_term():
    assert pair_loss(np.zeros(4), np.zeros(4), np.zeros((5, 4))) == 6 * math.log(2)


def test_loss_matches_a_hand_computed_case():
    # Scores 2, -1 and 0: log(1 + e^-2) + log(1 + e^-1) + log 2.
    loss = pair_loss(
        np.array([1.0, 2.0]), np.array([0.0, 1.0]), np.array([[1.0, -1.0], [2.0, -1.0]])
    )

    assert loss == pytest.approx(0.126928011 + 0.313261688 + 0.693147181, abs=1e-9)


def test_loss_matches_scipys_log_sigmoid(rng):
    c, p, n = rng.normal(size=8), rng.normal(size=8), rng.normal(size=(5, 8))

    expected = -log_expit(c @ p) - log_expit(-(n @ c)).sum()
    assert pair_loss(c, p, n) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("size", [1e3, 1e6, 1e150])
def test_loss_and_gradient_of_huge_scores_stay_finite(size):
    c, wrong = np.array([size]), np.array([-1.0])

    assert pair_loss(c, wrong, -wrong[np.newaxis]) == pytest.approx(2 * size)
    assert pair_gradient(c, wrong, -wrong[np.newaxis]).center.tolist() == [2.0]


def test_gradient_matches_finite_differences(rng):
    c, p, n = rng.normal(size=8), rng.normal(size=8), rng.normal(size=(5, 8))

    analytic = pair_gradient(c, p, n)

    # Truncation error is of order step² = 1e-10; the rest is rounding.
    for found, function, at in (
        (analytic.center, lambda x: pair_loss(x, p, n), c),
        (analytic.positive, lambda x: pair_loss(c, x, n), p),
        (analytic.negatives, lambda x: pair_loss(c, p, x), n),
    ):
        numeric = central_difference(function, at, step=1e-5)
        np.testing.assert_allclose(found, numeric, rtol=1e-6, atol=1e-9)


def test_no_negatives_leave_the_positive_term(rng):
    c, p = rng.normal(size=8), rng.normal(size=8)
    none = np.empty((0, 8))

    assert pair_loss(c, p, none) == pytest.approx(-log_expit(c @ p))
    assert pair_gradient(c, p, none).negatives.shape == (0, 8)


@pytest.mark.parametrize(
    "shapes",
    [((3,), (4,), (2, 3)), ((3,), (3,), (2, 4)), ((3,), (3,), (3,)), ((1, 3),) * 3],
)
def test_widths_that_differ_are_refused(shapes):
    vectors = [np.zeros(shape) for shape in shapes]

    for function in (pair_loss, pair_gradient):
        with pytest.raises(ShapeError, match=r"expected shapes \(d,\), \(d,\) and"):
            function(*vectors)


# The same by minibatch.


def test_a_batchs_gradient_is_the_sum_over_its_pairs(rng):
    center, context = matrices(rng)
    centers, targets = batch(rng)

    found = batch_gradient(OBJECTIVE, center, context, centers, targets)

    loss, by_center, by_context = 0.0, np.zeros((V, D)), np.zeros((V, D))
    for c, row in zip(centers, targets, strict=True):
        negatives = distinct_negatives(row)
        vectors = center[c], context[row[0]], context[negatives]
        loss += pair_loss(*vectors)
        gradient = pair_gradient(*vectors)
        by_center[c] += gradient.center
        by_context[row[0]] += gradient.positive
        for n, g in zip(negatives, gradient.negatives, strict=True):
            by_context[n] += g
    # Scores are sums in float32, right to 1e-7; log_epsilon moves a term by 1e-9.
    assert found.loss == pytest.approx(loss, rel=1e-6)
    for gradient, expected, used in (
        (found.center, by_center, np.unique(centers)),
        (found.context, by_context, np.unique(targets)),
    ):
        assert gradient.rows.tolist() == used.tolist()
        assert gradient.values.dtype == np.float32
        np.testing.assert_allclose(gradient.values, expected[used], atol=1e-5)


def test_a_batchs_gradient_matches_finite_differences(rng):
    center, context = matrices(rng)
    centers, targets = batch(rng)
    found = batch_gradient(OBJECTIVE, center, context, centers, targets)

    def loss(center, context):
        scores = (context[targets] * center[centers][:, np.newaxis]).sum(axis=2)
        terms = log_expit(scores * np.array([1, -1, -1, -1, -1, -1]))
        counted = targets != targets[:, :1]
        counted[:, 0] = True
        return -(terms * counted).sum()

    center, context = center.astype(np.float64), context.astype(np.float64)
    by_center = central_difference(lambda x: loss(x, context), center, 1e-5)
    by_context = central_difference(lambda x: loss(center, x), context, 1e-5)
    # The analytic side is float32.
    rows = found.center.rows
    np.testing.assert_allclose(found.center.values, by_center[rows], atol=1e-5)
    rows = found.context.rows
    np.testing.assert_allclose(found.context.values, by_context[rows], atol=1e-5)


def test_negatives_that_equal_the_context_have_no_weight(rng):
    center, context = matrices(rng)
    centers = np.array([3], np.int32)

    def gradient(*targets):
        row = np.array([targets], np.int32)
        return batch_gradient(OBJECTIVE, center, context, centers, row)

    with_equal, without = gradient(1, 1, 2, 1), gradient(1, 2)

    assert with_equal.loss == pytest.approx(without.loss, rel=1e-15)
    np.testing.assert_array_equal(with_equal.center.values, without.center.values)
    np.testing.assert_array_equal(with_equal.context.values, without.context.values)


@pytest.mark.parametrize(("sign", "label"), [(1, "right"), (-1, "wrong")])
def test_scores_are_clipped_before_the_sigmoid(sign, label):
    # A score of ±900; the negative is row 1, whose score is 0.
    center = np.full((2, 1), 30.0, np.float32)
    context = np.array([[30.0 * sign], [0.0]], np.float32)

    found = batch_gradient(
        OBJECTIVE,
        center,
        context,
        np.array([0], np.int32),
        np.array([[0, 1]], np.int32),
    )

    clipped = sign * 10.0
    assert found.loss == pytest.approx(-log_expit(clipped) + math.log(2), rel=1e-6)
    # The slope is that at the clip, not zero: the score can come back.
    slope = 1 / (1 + math.exp(-clipped)) - 1
    assert found.context.values[0, 0] == pytest.approx(slope * 30, rel=1e-6)
    assert found.context.values[0, 0] != 0


def test_epsilon_is_added_inside_the_logarithm(rng):
    center, context = matrices(rng)
    centers, targets = np.array([0], np.int32), np.array([[1, 2]], np.int32)
    objective = dataclasses.replace(OBJECTIVE, log_epsilon=0.25)

    found = batch_gradient(objective, center, context, centers, targets)

    scores = context[targets[0]].astype(np.float64) @ center[0]
    likelihood = 1 / (1 + np.exp(-scores * [1, -1]))
    assert found.loss == pytest.approx(-np.log(likelihood + 0.25).sum(), rel=1e-6)
    # It is a guard of the logarithm: the slopes stay those of the loss without it.
    plain = batch_gradient(OBJECTIVE, center, context, centers, targets)
    np.testing.assert_array_equal(found.center.values, plain.center.values)


def test_rows_are_summed_as_by_add_at(rng):
    rows = rng.integers(50, size=(40, 3)).astype(np.int32)
    weights = rng.normal(size=(40, 3)).astype(np.float32)
    values = rng.normal(size=(40, 7)).astype(np.float32)

    found = sum_by_row(rows, weights, values, size=50)

    expected = np.zeros((50, 7))
    np.add.at(expected, rows, weights[:, :, np.newaxis] * values[:, np.newaxis])
    assert found.rows.tolist() == np.unique(rows).tolist()
    np.testing.assert_allclose(found.values, expected[found.rows], atol=1e-6)


def test_a_row_steps_down_its_gradient_clipped_to_a_norm():
    matrix = np.ones((4, 2), np.float32)
    gradient = RowGradient(
        rows=np.array([0, 1, 3], np.int32),
        values=np.array([[3, 4], [6, 8], [0, 0]], np.float32),
    )

    apply_gradient(matrix, gradient, rate=0.1, clip=5.0)

    # Norms 5, 10 and 0: the second is halved, row 2 has no gradient.
    expected = [[0.7, 0.6], [0.7, 0.6], [1, 1], [1, 1]]
    np.testing.assert_allclose(matrix, expected, rtol=1e-6)


def naive_training(objective, center, context, pairs, *, noise, rate, rng):
    """Do what `train_pairs` does, pair by pair in float64."""
    center, context = center.astype(np.float64), context.astype(np.float64)
    total = 0.0
    for first in range(0, len(pairs[0]), objective.batch_size):
        centers = pairs[0][first : first + objective.batch_size]
        contexts = pairs[1][first : first + objective.batch_size]
        columns = rng.integers(V, size=(len(centers), objective.negatives))
        coins = rng.random((len(centers), objective.negatives))
        by_center, by_context = np.zeros_like(center), np.zeros_like(context)
        for b, (c, t) in enumerate(zip(centers, contexts, strict=True)):
            row = [t]
            for column, coin in zip(columns[b], coins[b], strict=True):
                own = coin < noise.threshold[column]
                row.append(column if own else noise.alias[column])
            for k, target in enumerate(row):
                if k > 0 and target == t:
                    continue
                label = 1.0 if k == 0 else 0.0
                score = min(max(center[c] @ context[target], -10.0), 10.0)
                sigmoid = 1 / (1 + math.exp(-score))
                likelihood = sigmoid if k == 0 else 1 - sigmoid
                total -= math.log(likelihood + objective.log_epsilon)
                by_center[c] += (sigmoid - label) * context[target]
                by_context[target] += (sigmoid - label) * center[c]
        for matrix, gradient in ((center, by_center), (context, by_context)):
            for row in range(V):
                norm = math.sqrt(sum(g * g for g in gradient[row]))
                scale = min(1.0, objective.gradient_clip / norm) if norm else 1.0
                matrix[row] -= rate * scale * gradient[row]
    return total, center, context


# The size of a batch, the clip, and whether the clip acts.
@pytest.mark.parametrize(("size", "clip"), [(1, 5.0), (16, 5.0), (16, 0.5), (999, 5.0)])
def test_training_matches_a_naive_replay(rng, size, clip):
    objective = dataclasses.replace(OBJECTIVE, batch_size=size, gradient_clip=clip)
    center, context = matrices(rng)
    pairs = tuple(rng.integers(V, size=(2, 100)).astype(np.int32))
    noise = build_alias_table(np.arange(1.0, V + 1))
    expected = naive_training(
        objective,
        center,
        context,
        pairs,
        noise=noise,
        rate=0.05,
        rng=np.random.default_rng(7),
    )

    loss = train_pairs(
        objective,
        center,
        context,
        pairs,
        noise=noise,
        rate=0.05,
        rng=np.random.default_rng(7),
    )

    assert loss == pytest.approx(expected[0], rel=1e-6)
    # Float32 rounds each of 100 steps by up to 1e-7 of the values' size.
    np.testing.assert_allclose(center, expected[1], atol=3e-6)
    np.testing.assert_allclose(context, expected[2], atol=3e-6)


def test_measuring_the_loss_is_training_without_the_step(rng):
    center, context = matrices(rng)
    centers, targets = batch(rng)
    before = center.copy(), context.copy()

    loss = batch_loss(OBJECTIVE, center, context, centers, targets)

    assert loss == batch_gradient(OBJECTIVE, center, context, centers, targets).loss
    np.testing.assert_array_equal((center, context), before)


def test_no_pairs_train_nothing(rng):
    center, context = matrices(rng)
    before, none = center.copy(), np.empty(0, np.int32)

    loss = train_pairs(
        OBJECTIVE,
        center,
        context,
        (none, none),
        noise=build_alias_table(np.ones(V)),
        rate=0.1,
        rng=rng,
    )

    assert loss == 0.0
    np.testing.assert_array_equal(center, before)


def test_the_number_of_threads_does_not_change_a_bit(rng):
    # Wide enough for BLAS to share out the work, if it were called.
    start = rng.normal(scale=0.3, size=(2, 500, 256)).astype(np.float32)
    pairs = tuple(rng.integers(500, size=(2, 3000)).astype(np.int32))
    objective = dataclasses.replace(OBJECTIVE, batch_size=1024)

    def train():
        center, context = start.copy()
        loss = train_pairs(
            objective,
            center,
            context,
            pairs,
            noise=build_alias_table(np.ones(500)),
            rate=0.025,
            rng=np.random.default_rng(7),
        )
        return loss, center.tobytes(), context.tobytes()

    with threadpool_limits(1):
        single = train()
    with threadpool_limits(4):
        assert train() == single


# A start.


@pytest.mark.parametrize(
    ("form", "bound"), [("xavier", math.sqrt(6 / 1000)), ("word2vec", 1 / 400)]
)
def test_input_vectors_start_uniform_and_output_vectors_at_zero(rng, form, bound):
    center, context = initial_vectors(form, (800, 200), rng)

    assert center.dtype == context.dtype == np.float32
    assert np.abs(center).max() <= np.float32(bound)
    assert kstest(center.ravel(), "uniform", args=(-bound, 2 * bound)).pvalue > 1e-3
    assert context.shape == (800, 200)
    assert not context.any()
