from fractions import Fraction

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import simd

FLOATS = st.floats(-100, 100, width=32)
SIXTEEN = st.lists(FLOATS, min_size=16, max_size=16)


def lanes(values):
    array = simd.aligned(16)
    array[:] = values
    return array


def jitted(operation, arity):
    """Return a function of three arrays that writes what an operation gives.

    The first 16 floats of the result are of 16 lanes, the others of twice 8.
    """
    if arity == 1:

        @numba.njit
        def apply(x, y, z, out):
            simd.store(out, 0, operation(simd.load(x, 0)))
            for i in (0, 8):
                simd.store(out, 16 + i, operation(simd.load_eight(x, i)))

    elif arity == 2:

        @numba.njit
        def apply(x, y, z, out):
            simd.store(out, 0, operation(simd.load(x, 0), simd.load(y, 0)))
            for i in (0, 8):
                a, b = simd.load_eight(x, i), simd.load_eight(y, i)
                simd.store(out, 16 + i, operation(a, b))

    else:

        @numba.njit
        def apply(x, y, z, out):
            a, b, c = simd.load(x, 0), simd.load(y, 0), simd.load(z, 0)
            simd.store(out, 0, operation(a, b, c))
            for i in (0, 8):
                d, e = simd.load_eight(x, i), simd.load_eight(y, i)
                f = simd.load_eight(z, i)
                simd.store(out, 16 + i, operation(d, e, f))

    return apply


APPLY = {
    **{name: jitted(getattr(simd, name), 1) for name in ("negate", "exp", "log")},
    **{
        name: jitted(getattr(simd, name), 2)
        for name in ("add", "subtract", "multiply", "divide", "clip", "larger")
    },
    "fma": jitted(simd.fma, 3),
}


@numba.njit
def place(x, y, out):
    simd.store(out, 0, simd.splat(x[3]))
    simd.store(out, 16, simd.splat_eight(x[5]))
    simd.store(out, 24, simd.fours(x[0], y[0]))


@numba.njit
def reduce(x, out):
    a, b, c, d = (
        simd.load(x, 0),
        simd.load(x, 16),
        simd.load(x, 32),
        simd.load(x, 48),
    )
    e, f, g, h = (
        simd.load(x, 64),
        simd.load(x, 80),
        simd.load(x, 96),
        simd.load(x, 112),
    )
    simd.store(out, 0, simd.sums_of_eight(a, b, c, d, e, f, g, h))
    simd.store(out, 8, simd.sums_of_two(a, b))


@numba.njit
def accumulate(sums, x):
    simd.accumulate(sums, simd.load_eight(x, 0))


@numba.njit
def any_above(x, y):
    wide = simd.any_above(simd.load(x, 0), simd.load(y, 0))
    first = simd.any_above(simd.load_eight(x, 0), simd.load_eight(y, 0))
    second = simd.any_above(simd.load_eight(x, 8), simd.load_eight(y, 8))
    return wide, first, second


@numba.njit
def lane(x, number):
    return simd.lane(simd.load_eight(x, 0), number)


@numba.njit
def prefetch(x):
    simd.prefetch(x, 0)


def result(name, x, y=0.0, z=0.0):
    out = simd.aligned(32)
    APPLY[name](lanes(x), lanes(y), lanes(z), out)
    np.testing.assert_array_equal(out[:16], out[16:])
    return out[:16]


def ulps(found, exact):
    """Distance in units of the last place of float32."""
    exact = np.asarray(exact, np.float64)
    return np.abs(found - exact) / np.spacing(np.abs(exact).astype(np.float32))


@given(SIXTEEN, SIXTEEN)
def test_lane_arithmetic_is_ieee_arithmetic(x, y):
    x, y = np.array(x, np.float32), np.array(y, np.float32)
    with np.errstate(all="ignore"):
        expected = {
            "add": x + y, "subtract": x - y, "multiply": x * y, "divide": x / y
        }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_array_equal(result(name, x, y), values)
    np.testing.assert_array_equal(result("negate", x), -x)
    np.testing.assert_array_equal(result("larger", x, y), np.maximum(x, y))


@given(SIXTEEN, SIXTEEN, SIXTEEN)
def test_fma_rounds_once(x, y, z):
    x, y, z = (np.array(v, np.float32) for v in (x, y, z))

    found = result("fma", x, y, z)

    for lane in range(16):
        exact = Fraction(float(x[lane])) * Fraction(float(y[lane])) + Fraction(
            float(z[lane])
        )
        below = np.nextafter(found[lane], np.float32(-np.inf))
        above = np.nextafter(found[lane], np.float32(np.inf))
        error = abs(Fraction(float(found[lane])) - exact)
        assert error <= abs(Fraction(float(below)) - exact)
        assert error <= abs(Fraction(float(above)) - exact)


def test_fma_differs_from_a_product_and_a_sum():
    # (1 + 2^-12)² = 1 + 2^-11 + 2^-24; the last term is lost if the product is rounded.
    x = np.float32(1 + 2**-12)
    assert result("fma", x, x, -1 - 2**-11)[0] == np.float32(2**-24)
    assert x * x - np.float32(1 + 2**-11) == 0


@given(SIXTEEN, st.floats(0.125, 50, width=32))
def test_clip_bounds_both_sides(x, bound):
    expected = np.clip(np.array(x, np.float32), -np.float32(bound), np.float32(bound))
    np.testing.assert_array_equal(result("clip", x, bound), expected)


def test_clip_keeps_nan():
    assert np.isnan(result("clip", np.nan, 10.0)).all()


def test_exp_is_right_to_two_units_in_the_last_place():
    for x in np.linspace(-80, 80, 16 * 4000, dtype=np.float32).reshape(-1, 16):
        assert ulps(result("exp", x), np.exp(x.astype(np.float64))).max() <= 2
    assert (result("exp", 0.0) == 1).all()


def test_log_is_right_to_three_units_in_the_last_place():
    mantissas = np.linspace(1, 2, 16 * 400, dtype=np.float32).reshape(-1, 16)
    for power in (-100, -30, -10, -1, 0, 1, 10, 30, 100):
        for x in mantissas * np.float32(2.0**power):
            assert ulps(result("log", x), np.log(x.astype(np.float64))).max() <= 3
    assert (result("log", 1.0) == 0).all()


def test_fours_and_splats_place_their_floats():
    out = simd.aligned(32)
    place(lanes(np.arange(16) + 1), lanes(np.arange(16) + 20), out)
    np.testing.assert_array_equal(out[:16], 4)
    np.testing.assert_array_equal(out[16:24], 6)
    np.testing.assert_array_equal(out[24:], [1] * 4 + [20] * 4)


def test_a_lane_is_taken_by_number():
    assert [lane(lanes(np.arange(16)), k) for k in range(8)] == list(range(8))


def tree(values):
    """The sum that is promised: lanes 8 apart, then 4, 2 and 1, in float32."""
    values = np.asarray(values, np.float32)
    for half in (8, 4, 2, 1):
        values = values[:half] + values[half:]
    return values[0]


@given(st.integers(0, 2**32))
def test_sums_over_lanes_follow_the_tree(seed):
    x = simd.aligned((8, 16))
    x[:] = np.random.default_rng(seed).normal(size=(8, 16))
    out = simd.aligned(16)

    reduce(x.reshape(-1), out)

    np.testing.assert_array_equal(out[:8], [tree(row) for row in x])
    np.testing.assert_array_equal(out[8:], np.repeat([tree(x[0]), tree(x[1])], 4))


def test_accumulate_adds_in_float64():
    sums = simd.aligned(8, np.float64)
    sums[:] = 1e9
    accumulate(sums, lanes(np.arange(16) / 16))
    # 1e9 + 1/16 is not a float32.
    np.testing.assert_array_equal(sums, 1e9 + np.arange(8) / 16)


def test_any_above_sees_each_lane():
    assert any_above(lanes(1.0), lanes(1.0)) == (False, False, False)
    assert any_above(lanes(np.nan), lanes(1.0)) == (False, False, False)
    for lane in range(16):
        x = np.zeros(16)
        x[lane] = 2
        assert any_above(lanes(x), lanes(1.0)) == (True, lane < 8, lane >= 8)


def test_prefetch_changes_nothing():
    x = lanes(3.0)
    prefetch(x)
    assert (x == 3).all()


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["f4", "f8", "u1"]))
@settings(max_examples=50)
def test_aligned_arrays_are_zero_and_start_at_a_cache_line(rows, columns, dtype):
    array = simd.aligned((rows, columns), dtype)
    assert array.shape == (rows, columns)
    assert array.dtype == dtype
    assert array.ctypes.data % 64 == 0
    assert not array.any()


@pytest.mark.parametrize(("dim", "width"), [(1, 16), (16, 16), (17, 32), (200, 208)])
def test_padded_is_the_next_multiple_of_16(dim, width):
    assert simd.padded(dim) == width
