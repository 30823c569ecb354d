import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from pipeline.core import groups, plain_kernel
from pipeline.core.groups import Settings, make_noise, make_scratch
from pipeline.core.kernel import compile_kernel
from pipeline.core.sampling import AliasTable, build_alias_table
from pipeline.core.sgns import pair_gradient, pair_loss
from pipeline.core.simd import aligned, padded

# Inlined functions cannot be called from Python.


@numba.njit
def random(key, token, number):
    return groups.random(key, token, number)


@numba.njit
def draw_negative(noise, bits):
    return groups.draw_negative(noise, bits)


@pytest.fixture(scope="module")
def kernel(kernel_cache):
    return compile_kernel(kernel_cache, left_over=False)


@pytest.fixture(scope="module")
def kernel_for_left_over_rows(kernel_cache):
    return compile_kernel(kernel_cache, left_over=True)


def make_settings(**changed):
    values = {
        "window": 3,
        "negatives": 4,
        "shared_centers": 2,
        "score_clip": np.float32(10),
        "gradient_clip": np.float32(np.inf),
        "log_epsilon": np.float32(1e-10),
        "lr": 0.05,
        "lr_min": 0.001,
        "tokens": 1000,
        "loss_every": 1,
        "key": np.uint64(2**63 + 12345),
    }
    values.update(changed)
    floats = ("score_clip", "gradient_clip", "log_epsilon")
    return Settings(
        **{k: np.float32(v) if k in floats else v for k, v in values.items()}
    )


def train(kernel, sentences, inputs, outputs, *drawn, start=0):
    """Return what the kernel makes of two matrices, and what lies in its padding."""
    noise, method = drawn
    (rows, dim), width = inputs.shape, padded(inputs.shape[1])
    offsets = np.cumsum([0, *map(len, sentences)]).astype(np.int64)
    ids = np.array([word for s in sentences for word in s], np.int32)
    center, context = aligned((rows + 1, width)), aligned((rows + 3, width))
    center[:rows, :dim], context[:rows, :dim] = inputs, outputs
    scratch = make_scratch(method, rows, width, len(ids))
    words, pairs = kernel(
        ids,
        offsets,
        start,
        center.reshape(-1),
        context.reshape(-1),
        width,
        noise,
        method,
        scratch,
    )
    padding = [center[rows:], center[:, dim:], context[rows:], context[:, dim:]]
    return (
        center[:rows, :dim],
        context[:rows, :dim],
        scratch.loss.sum(),
        words,
        pairs,
        padding,
    )


def train_plainly(sentences, inputs, outputs, *drawn, start=0):
    noise, method = drawn
    offsets = np.cumsum([0, *map(len, sentences)]).astype(np.int64)
    ids = np.array([word for s in sentences for word in s], np.int32)
    center, context = inputs.copy(), outputs.copy()
    loss, words, pairs = plain_kernel.train_share(
        ids, offsets, start, center, context, noise, method
    )
    return center, context, loss, words, pairs


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    words, dim = draw(st.integers(1, 40)), draw(st.integers(1, 70))
    lengths = draw(st.lists(st.integers(0, 20), max_size=4))
    # The smaller the exponent, the more often a word stands beside itself.
    skew = draw(st.sampled_from([0.2, 1.0, 3.0]))
    sentences = [(words * rng.random(n) ** skew).astype(int) for n in lengths]
    for sentence in sentences:
        sentence[rng.random(len(sentence)) < 0.1] = -1
    keep = np.where(rng.random(words) < 0.5, 1.0, draw(st.floats(0.1, 1)))
    noise = make_noise(build_alias_table(rng.random(words) + 0.01), keep)
    method = make_settings(
        window=draw(st.integers(1, 12)),
        negatives=draw(st.integers(1, 40)),
        shared_centers=draw(st.integers(1, 9)),
        score_clip=draw(st.sampled_from([0.5, 10.0, 80.0])),
        gradient_clip=draw(st.sampled_from([0.3, 2.0, np.inf])),
        log_epsilon=draw(st.sampled_from([0.0, 1e-10, 1e-2])),
        loss_every=draw(st.sampled_from([1, 2, 8])),
        key=np.uint64(draw(st.integers(0, 2**64 - 1))),
    )
    scale = draw(st.sampled_from([0.1, 1.0, 3.0])) / np.sqrt(dim)
    inputs = (scale * rng.normal(size=(words, dim))).astype(np.float32)
    outputs = (scale * rng.normal(size=(words, dim))).astype(np.float32)
    return sentences, inputs, outputs, noise, method


@given(problems(), st.integers(0, 500))
@settings(max_examples=80, deadline=None)
def test_kernel_equals_its_plain_twin(kernel, problem, start):
    center, context, loss, words, pairs, padding = train(kernel, *problem, start=start)
    expected = train_plainly(*problem, start=start)

    assert (words, pairs) == expected[3:]
    # A step is right to some units in the last place (1e-7) of the sums it is made of;
    # a few hundred steps add up. Without clipping, vectors may grow large.
    for found, wanted in zip((center, context), expected[:2], strict=True):
        atol = 2e-5 * max(1, np.abs(wanted).max())
        np.testing.assert_allclose(found, wanted, rtol=0, atol=atol)
    # Sums of float32 terms; ten units in the last place of the largest term.
    assert loss == pytest.approx(expected[2], rel=2e-6, abs=1e-5)
    assert not any(part.any() for part in padding)


@given(problems(), st.integers(0, 500))
@settings(max_examples=80, deadline=None)
def test_taking_rows_that_are_left_over_changes_no_bit(
    kernel, kernel_for_left_over_rows, problem, start
):
    found = train(kernel_for_left_over_rows, *problem, start=start)
    expected = train(kernel, *problem, start=start)

    for one, other in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert found[2:5] == expected[2:5]
    assert not any(part.any() for part in found[5])


def test_thousands_of_updates_stay_equal_to_the_twin(kernel, rng):
    words, dim = 300, 50
    sentences = [(words * rng.random(20) ** 3).astype(int) for _ in range(40)]
    noise = make_noise(build_alias_table(rng.random(words) + 0.1), np.ones(words))
    inputs = rng.normal(size=(words, dim)).astype(np.float32) / 10
    outputs = rng.normal(size=(words, dim)).astype(np.float32) / 10
    method = make_settings(window=5, negatives=10, gradient_clip=5, tokens=800)

    center, context, loss, _, pairs, _ = train(
        kernel, sentences, inputs, outputs, noise, method
    )
    expected = train_plainly(sentences, inputs, outputs, noise, method)

    assert pairs == expected[4] > 3000
    assert np.abs(center - inputs).max() > 0.1  # it did learn
    # 3,000 pairs with 11 steps each, every one within 1e-7.
    np.testing.assert_allclose(center, expected[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(context, expected[1], rtol=0, atol=1e-5)
    assert loss == pytest.approx(expected[2], rel=1e-6)


@pytest.mark.parametrize(
    "sentences", [[], [[]], [[3]], [[], [3], []], [[-1, -1]], [[-1, 3]]]
)
def test_nothing_to_predict_changes_nothing(kernel, rng, sentences):
    noise = make_noise(build_alias_table(np.ones(5)), np.ones(5))
    inputs, outputs = rng.normal(size=(2, 5, 7)).astype(np.float32)

    center, context, loss, words, pairs, _ = train(
        kernel, sentences, inputs, outputs, noise, make_settings()
    )

    np.testing.assert_array_equal(center, inputs)
    np.testing.assert_array_equal(context, outputs)
    assert (loss, pairs) == (0, 0)
    assert words == sum(word >= 0 for s in sentences for word in s)


def test_a_pair_takes_a_step_down_the_gradient_of_its_loss(kernel, rng):
    # Two words make two pairs, each word predicting the other, and the second begins
    # where the first ends. The noise has only words 2 and 3.
    noise = make_noise(build_alias_table(np.array([1e-12, 1e-12, 1, 1])), np.ones(4))
    inputs, outputs = rng.normal(size=(2, 4, 20)).astype(np.float32) / 3
    method = make_settings(shared_centers=1, lr=0.1, lr_min=0.1, log_epsilon=0)
    found = train(kernel, [[0, 1]], inputs, outputs, noise, method)

    expected_in, expected_out = inputs.astype(np.float64), outputs.astype(np.float64)
    expected_loss = 0.0
    for token, (center, context) in enumerate([(1, 0), (0, 1)]):
        drawn = plain_kernel.draw_negatives(token, noise, method)
        point = expected_in[center], expected_out[context], expected_out[drawn]
        expected_loss += pair_loss(*point)
        gradient = pair_gradient(*point)
        expected_in[center] -= 0.1 * gradient.center
        expected_out[context] -= 0.1 * gradient.positive
        np.subtract.at(expected_out, drawn, 0.1 * gradient.negatives)

    # float32 against float64.
    np.testing.assert_allclose(found[0], expected_in, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found[1], expected_out, rtol=0, atol=1e-6)
    assert found[2] == pytest.approx(expected_loss, rel=1e-6)
    assert found[4] == 2


def test_groups_drawn_for_the_loss_stand_for_all(kernel, rng):
    noise = make_noise(build_alias_table(np.ones(50)), np.ones(50))
    inputs, outputs = rng.normal(size=(2, 50, 16)).astype(np.float32) / 4
    sentences = [rng.integers(50, size=8) for _ in range(4000)]
    # Nothing is learned, so that all of it comes from one distribution.
    method = make_settings(window=2, lr=0, lr_min=0)

    whole, drawn = (
        train(
            kernel,
            sentences,
            inputs,
            outputs,
            noise,
            method._replace(loss_every=every),
        )
        for every in (1, 8)
    )

    # Of about 16,000 groups, each with probability 1/8; six standard deviations.
    assert drawn[4] == pytest.approx(whole[4] / 8, rel=6 * np.sqrt(7 / 16_000))
    # Losses of pairs differ by less than 1.
    assert drawn[2] / drawn[4] == pytest.approx(
        whole[2] / whole[4], abs=6 / np.sqrt(2000)
    )


def test_some_pair_counts_in_the_loss_if_there_is_any(kernel, rng):
    noise = make_noise(build_alias_table(np.ones(5)), np.ones(5))
    inputs, outputs = rng.normal(size=(2, 5, 7)).astype(np.float32)
    method = make_settings(loss_every=2**40)

    *_, loss, _, pairs, _ = train(
        kernel, [[3], [], [1, 2]], inputs, outputs, noise, method
    )

    assert pairs == 2
    assert loss > 0


def test_clipping_bounds_each_step(kernel, rng):
    noise = make_noise(build_alias_table(np.ones(9)), np.ones(9))
    inputs, outputs = 5 * rng.normal(size=(2, 9, 16)).astype(np.float32)
    method = make_settings(
        window=1, shared_centers=1, gradient_clip=0.25, lr=0.5, lr_min=0.5
    )

    center, context, *_ = train(kernel, [[0, 1]], inputs, outputs, noise, method)

    steps = np.linalg.norm(center - inputs, axis=1)
    # One example each, and gradients far over the clip.
    np.testing.assert_allclose(steps[:2], 0.5 * 0.25, rtol=1e-5)
    assert not steps[2:].any()
    # Two examples at most move an output row.
    assert np.linalg.norm(context - outputs, axis=1).max() <= 2 * 0.5 * 0.25 * (
        1 + 1e-5
    )


def test_random_numbers_are_splitmix64():
    # The first outputs from seed 0 and 1234567, as published with the generator.
    assert random(np.uint64(0), 0, 1) == 0xE220A8397B1DCDAF
    assert random(np.uint64(0), 0, 2) == 0x6E789E6AA1B965F4
    assert random(np.uint64(0), 0, 3) == 0x06C45D188009454F
    assert random(np.uint64(1234567), 0, 1) == 6457827717110365317


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**47), st.integers(0, 65_535))
def test_twin_draws_the_same_random_numbers(key, token, number):
    found = random(np.uint64(key), token, number)
    assert found == plain_kernel.random(key, token, number)


def test_negatives_follow_the_noise(rng):
    weights = rng.random(50) + 0.01
    noise = make_noise(build_alias_table(weights), np.ones(50))
    bits = rng.integers(2**64, size=100_000, dtype=np.uint64)

    drawn = np.bincount([draw_negative(noise, b) for b in bits], minlength=50)

    expected = weights / weights.sum() * len(bits)
    assert chisquare(drawn, expected).pvalue > 1e-3


def test_integer_noise_keeps_certainty_exact():
    table = AliasTable(np.array([1.0, 0.5, 0.0]), np.array([2, 0, 1], np.int32))
    noise = make_noise(table, np.array([1.0, 0.25, 0.0]))

    np.testing.assert_array_equal(noise.keep, [2**32, 2**30, 0])
    assert noise.columns[0, 1] == 0  # whatever the coin
    np.testing.assert_array_equal(noise.columns[1:, 0], [2**31, 0])


def test_radius_is_uniform_and_tokens_are_kept_as_often_as_asked():
    method = make_settings(window=5)
    noise = make_noise(build_alias_table(np.ones(2)), np.array([1.0, 0.3]))
    ids = np.tile(np.array([0, 1], np.int32), 20_000)

    words = list(plain_kernel.read_words(ids, 0, noise, method))

    radius = np.bincount([w.radius for w in words], minlength=6)[1:]
    assert chisquare(radius).pvalue > 1e-3
    kept = sum(w.word == 1 for w in words)
    # Four standard deviations of a binomial.
    assert abs(kept - 6000) < 4 * np.sqrt(20_000 * 0.3 * 0.7)
    assert sum(w.word == 0 for w in words) == 20_000


def test_all_pairs_within_reach_are_trained():
    method = make_settings(window=4, shared_centers=3)
    noise = make_noise(build_alias_table(np.ones(30)), np.ones(30))
    sentence = list(
        plain_kernel.read_words(np.arange(25, dtype=np.int32), 0, noise, method)
    )
    pairs = []
    first = 0
    while first < len(sentence):
        stop = plain_kernel.group_end(sentence, first, 3)
        group = range(first, stop)
        for two in plain_kernel.neighbors_in_twos(sentence, group, 4):
            pairs += [
                (i, c) for i in two for c in plain_kernel.windows(sentence, group, i)
            ]
        first = stop

    expected = [
        (i, c)
        for c in range(25)
        for i in range(25)
        if i != c and abs(i - c) <= sentence[c].radius
    ]
    assert sorted(pairs) == sorted(expected)


def test_later_text_needs_nothing_of_earlier(kernel, rng):
    noise = make_noise(build_alias_table(np.ones(20)), np.full(20, 0.8))
    inputs, outputs = rng.normal(size=(2, 20, 33)).astype(np.float32) / 5
    sentences = [rng.integers(20, size=n) for n in (7, 12, 1, 9)]
    method = make_settings()
    whole = train(kernel, sentences, inputs, outputs, noise, method)

    half = train(kernel, sentences[:2], inputs, outputs, noise, method)
    rest = train(kernel, sentences[2:], *half[:2], noise, method, start=19)

    np.testing.assert_array_equal(rest[0], whole[0])
    np.testing.assert_array_equal(rest[1], whole[1])
    assert half[4] + rest[4] == whole[4]
