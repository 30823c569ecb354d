"""Sixteen floats as one Numba value, with the same bits on every processor.

Numba compiles plain loops over matrix rows only in part to vector code: it cannot
promise LLVM that two arrays do not overlap. This module gives jitted code values of
type `lanes`, which is LLVM's `<16 x float>`, and a few operations on them, so that a
kernel says itself what is loaded, what stays in registers and what is stored:

    x = load(inputs, row + d)                       # 16 floats of a row
    total = fma(x, load(outputs, other + d), total)

LLVM maps a value to one AVX-512, two AVX2 or four SSE or NEON registers. A value of
type `eight`, `<8 x float>`, takes half as much; what is arithmetic works on both. The
registers must not show in the result, hence four rules:

- each lane has its own order of operations, whatever the width of a register;
- multiply-adds are explicit (`llvm.fma`, rounded once) and no instruction carries a
  fast-math flag, so that LLVM may neither fuse nor reorder;
- sums over lanes follow a tree that is fixed here;
- exp and log are the polynomials below, not those of some libm.

How to read or add an operation. `@operation` takes a function from Numba types to
(signature, emitter). Numba calls the emitter as emit(context, b, signature, values):
`values` are the arguments as LLVM values and `b` is an llvmlite builder, whose methods
append one LLVM instruction each and return its result. Nothing else is involved: what
the emitter returns is the value of the call. An array arrives as a struct, from which
`_address` takes the pointer.

Indices count floats and are not checked. A load or store must lie at a multiple of as
many floats in an array made by `aligned`; elsewhere the process may crash.
"""

# ruff: noqa: PLR0917 - Numba's intrinsics take no keyword-only arguments.

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16
EIGHT = 8
BYTES = 64  # of 16 floats, and of a cache line

# Numba and llvmlite ship no types of their own.
Builder = Any
Value = Any
Lanes = Any  # 16 floats, inside jitted code
Eight = Any  # 8 floats, likewise
Emitter = Callable[[Any, Builder, Any, Any], Value]
Definition = tuple[Any, Emitter]

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_EIGHT = ir.VectorType(ir.FloatType(), EIGHT)
_DOUBLES = ir.VectorType(ir.DoubleType(), EIGHT)


def _vector_type(name: str, llvm_type: Any) -> Any:
    """Make and register a Numba type of this LLVM form."""
    primitive: Any = models.PrimitiveModel
    kind = type(name.title(), (types.Type,), {})

    def represent(model: Any, manager: Any, instance: Any) -> None:
        primitive.__init__(model, manager, instance, llvm_type)

    register_model(kind)(type("_", (primitive,), {"__init__": represent}))
    return kind(name=name)


lanes = _vector_type("lanes", _FLOATS)
eight = _vector_type("eight", _EIGHT)


def operation(define: Callable[..., Definition]) -> Callable[..., Any]:
    """Make a function of jitted code out of its signature and emitter."""
    return cast(Callable[..., Any], intrinsic(define))


def padded(dim: int) -> int:
    """Return the least multiple of 16 that is at least `dim`."""
    return -(-dim // LANES) * LANES


def aligned(
    shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    """Return zeros whose first byte lies at a multiple of 64."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    memory = np.zeros(size + BYTES, np.uint8)
    start = -memory.ctypes.data % BYTES
    return memory[start : start + size].view(kind).reshape(shape)


# ---- what the emitters are made of ----


def _constant(kind: Any, value: float) -> Value:
    return ir.Constant(kind, [float(np.float32(value))] * kind.count)


def _integers(kind: Any) -> Any:
    """Return the type of as many 32-bit integers as a vector type has floats."""
    return ir.VectorType(_INT32, kind.count)


def _integer(kind: Any, value: int) -> Value:
    return ir.Constant(_integers(kind), [value] * kind.count)


def _address(context: Any, b: Builder, kind: Any, array: Value, index: Value) -> Value:
    return b.gep(context.make_array(kind)(context, b, array).data, [index])


def _load(b: Builder, address: Value, kind: Any) -> Value:
    value = b.load(b.bitcast(address, kind.as_pointer()))
    value.align = _bytes(kind)
    return value


def _store(b: Builder, address: Value, value: Value) -> None:
    pointer = b.bitcast(address, value.type.as_pointer())
    b.store(value, pointer).align = _bytes(value.type)


def _bytes(kind: Any) -> int:
    return int(kind.count * (8 if kind.element == ir.DoubleType() else 4))


def _llvm(b: Builder, kind: Any, name: str) -> Value:
    """Return one of LLVM's own functions."""
    return cast(Any, cgutils).get_or_insert_function(b.module, kind, name)


def _fma(b: Builder, x: Value, y: Value, z: Value) -> Value:
    kind = ir.FunctionType(x.type, [x.type] * 3)
    return b.call(_llvm(b, kind, f"llvm.fma.v{x.type.count}f32"), [x, y, z])


def _pick(b: Builder, x: Value, y: Value, order: Sequence[int]) -> Value:
    """Return lanes of x, and of y (counted on from those of x), in an order."""
    mask = ir.Constant(ir.VectorType(_INT32, len(order)), list(order))
    return b.shuffle_vector(x, y, mask)


def _splat(b: Builder, kind: Any, x: Value) -> Value:
    empty = ir.Constant(kind, ir.Undefined)
    return _pick(b, b.insert_element(empty, x, _INT32(0)), empty, [0] * kind.count)


def _polynomial(b: Builder, x: Value, coefficients: Sequence[float]) -> Value:
    """Horner's rule, lowest coefficient first."""
    value = _constant(x.type, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = _fma(b, value, x, _constant(x.type, coefficient))
    return value


# ---- memory ----


@operation
def load(typing: Any, array: Any, index: Any) -> Definition:
    """Return the 16 floats from array[index] on."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        return _load(b, _address(context, b, signature.args[0], *values), _FLOATS)

    return lanes(array, index), emit


@operation
def load_eight(typing: Any, array: Any, index: Any) -> Definition:
    """Return the 8 floats from array[index] on."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        return _load(b, _address(context, b, signature.args[0], *values), _EIGHT)

    return eight(array, index), emit


@operation
def store(typing: Any, array: Any, index: Any, x: Any) -> Definition:
    """Set the floats from array[index] on to x."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        _store(b, _address(context, b, signature.args[0], *values[:2]), values[2])
        return context.get_dummy_value()

    return types.void(array, index, x), emit


@operation
def prefetch(typing: Any, array: Any, index: Any) -> Definition:
    """Start to bring array[index] near, with its cache line."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        kind = ir.FunctionType(ir.VoidType(), [_BYTES, _INT32, _INT32, _INT32])
        function = _llvm(b, kind, "llvm.prefetch.p0")
        address = b.bitcast(_address(context, b, signature.args[0], *values), _BYTES)
        # For reading, into the second-level cache, as data. In the first level, what
        # comes would drive out what is at work: the kernel is 3% slower.
        b.call(function, [address, _INT32(0), _INT32(2), _INT32(1)])
        return context.get_dummy_value()

    return types.void(array, index), emit


@operation
def accumulate(typing: Any, sums: Any, x: Any) -> Definition:
    """Add 8 floats to sums[:8], in float64."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        address = _address(context, b, signature.args[0], values[0], _INT64(0))
        terms = b.fpext(values[1], _DOUBLES)
        _store(b, address, b.fadd(_load(b, address, _DOUBLES), terms))
        return context.get_dummy_value()

    return types.void(sums, eight), emit


# ---- arithmetic, lane by lane ----


@operation
def splat(typing: Any, x: Any) -> Definition:
    """Return a float32 in 16 lanes."""
    return lanes(types.float32), lambda context, b, signature, x: _splat(b, _FLOATS, *x)


@operation
def splat_eight(typing: Any, x: Any) -> Definition:
    """Return a float32 in 8 lanes."""
    return eight(types.float32), lambda context, b, signature, x: _splat(b, _EIGHT, *x)


@operation
def fours(typing: Any, x: Any, y: Any) -> Definition:
    """Return a float32 in lanes 0-3 and another in 4-7."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        x, y = (_splat(b, _EIGHT, value) for value in values)
        return _pick(b, x, y, [*range(4), *range(12, 16)])

    return eight(types.float32, types.float32), emit


@operation
def add(typing: Any, x: Any, y: Any) -> Definition:
    """Return x + y."""
    return x(x, y), lambda context, b, signature, xy: b.fadd(*xy)


@operation
def subtract(typing: Any, x: Any, y: Any) -> Definition:
    """Return x - y."""
    return x(x, y), lambda context, b, signature, xy: b.fsub(*xy)


@operation
def multiply(typing: Any, x: Any, y: Any) -> Definition:
    """Return x · y."""
    return x(x, y), lambda context, b, signature, xy: b.fmul(*xy)


@operation
def divide(typing: Any, x: Any, y: Any) -> Definition:
    """Return x / y."""
    return x(x, y), lambda context, b, signature, xy: b.fdiv(*xy)


@operation
def fma(typing: Any, x: Any, y: Any, z: Any) -> Definition:
    """Return x · y + z, rounded once."""
    return x(x, y, z), lambda context, b, signature, xyz: _fma(b, *xyz)


@operation
def negate(typing: Any, x: Any) -> Definition:
    """Return -x."""
    return x(x), lambda context, b, signature, x: b.fneg(*x)


@operation
def clip(typing: Any, x: Any, bound: Any) -> Definition:
    """Return x within ± bound; NaN stays NaN."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        x, bound = values
        least = b.fneg(bound)
        x = b.select(b.fcmp_ordered(">", x, bound), bound, x)
        return b.select(b.fcmp_ordered("<", x, least), least, x)

    return x(x, bound), emit


@operation
def larger(typing: Any, x: Any, y: Any) -> Definition:
    """Return the larger of x and y; y if one is NaN."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        return b.select(b.fcmp_ordered(">", *values), *values)

    return x(x, y), emit


@operation
def any_above(typing: Any, x: Any, bound: Any) -> Definition:
    """Return whether x > bound in some lane, a bool."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        bits = ir.IntType(values[0].type.count)
        mask = b.bitcast(b.fcmp_ordered(">", *values), bits)
        return b.icmp_unsigned("!=", mask, bits(0))

    return types.boolean(x, bound), emit


# ---- sums over lanes ----


def _halves(b: Builder, x: Value, y: Value, block: int) -> Value:
    """Add the lower to the upper half of each block of lanes, in x and in y at once.

    Of 16 / block blocks in x and as many in y, each shrinks to half its size; those
    of x and y alternate in the result.
    """
    half = block // 2
    starts = [source + at for at in range(0, LANES, block) for source in (0, LANES)]
    lower = [start + k for start in starts for k in range(half)]
    return b.fadd(_pick(b, x, y, lower), _pick(b, x, y, [k + half for k in lower]))


@operation
def sums_of_eight(
    typing: Any, s: Any, t: Any, u: Any, v: Any, w: Any, x: Any, y: Any, z: Any
) -> Definition:
    """Return the sum of s's lanes in lane 0, of t's in 1, and so on to z's in 7.

    Each sum is a tree, first of lanes 8 apart, then 4, 2 and 1. Eight together take
    16 shuffles, one alone takes 4.
    """

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        s, t, u, v, w, x, y, z = values
        # A register is named after those whose partial sums it holds, in this order.
        sw, tx, uy, vz = (
            _halves(b, *two, 16) for two in ((s, w), (t, x), (u, y), (v, z))
        )
        suwy = _halves(b, sw, uy, 8)
        tvxz = _halves(b, tx, vz, 8)
        twos = _halves(b, suwy, tvxz, 4)  # s t u v w x y z, two lanes each
        even, odd = (_pick(b, twos, twos, range(k, LANES, 2)) for k in (0, 1))
        return b.fadd(even, odd)

    return eight(s, t, u, v, w, x, y, z), emit


@operation
def sums_of_two(typing: Any, x: Any, y: Any) -> Definition:
    """Return the sum of x's lanes in lanes 0-3, of y's in 4-7, by the same tree."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        x, y = values
        sums = _halves(b, x, y, LANES)
        for apart in (4, 2, 1):
            other = _pick(b, sums, sums, [k ^ apart for k in range(LANES)])
            sums = b.fadd(sums, other)
        return _pick(b, sums, sums, [*range(4), *range(8, 12)])

    return eight(x, y), emit


@operation
def lane(typing: Any, x: Any, number: Any) -> Definition:
    """Return a lane of x, a float32."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        return b.extract_element(*values)

    return types.float32(x, types.int32), emit


# ---- exp and log ----

# e^r for |r| ≤ (log 2) / 2 and log(1 + f) / f for √½ ≤ 1 + f ≤ √2: least squares at
# Chebyshev nodes, kept as digits because a fit's last bits depend on the machine.
# Relative errors 3e-9 and 3e-8, below half a unit in the last place of float32 (6e-8).
_EXP = (
    1.0,
    1.00000004,
    0.500000011,
    0.166664155,
    0.0416662183,
    0.00837512889,
    0.00139485808,
)
_LOG = (
    0.999999974,
    -0.49999987,
    0.333341833,
    -0.250021535,
    0.199569775,
    -0.16560696,
    0.149490955,
    -0.143773304,
    0.087439451,
)
_LOG2 = 0.6931471805599453
_LOG2_HIGH = 0.693359375  # its first 12 bits, so that a product with k ≤ 2^12 is exact
_ROUND = 1.5 * 2**23  # adding it to |x| < 2^22 rounds x to an integer in the low bits


@operation
def exp(typing: Any, x: Any) -> Definition:
    """Return e^x for |x| ≤ 80, to 2 units in the last place.

    e^x = 2^k e^r with k = round(x / log 2) and |r| ≤ (log 2) / 2; the factor 2^k is an
    addition to the exponent bits.
    """

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        (x,) = values
        kind = x.type
        shifted = _fma(b, x, _constant(kind, 1 / _LOG2), _constant(kind, _ROUND))
        k = b.fsub(shifted, _constant(kind, _ROUND))
        r = _fma(b, k, _constant(kind, -_LOG2_HIGH), x)
        r = _fma(b, k, _constant(kind, _LOG2_HIGH - _LOG2), r)
        bits = b.bitcast(_polynomial(b, r, _EXP), _integers(kind))
        exponent = b.shl(b.bitcast(shifted, _integers(kind)), _integer(kind, 23))
        return b.bitcast(b.add(bits, exponent), kind)

    return x(x), emit


@operation
def log(typing: Any, x: Any) -> Definition:
    """Return log x for normal x > 0, to 3 units in the last place.

    log x = k log 2 + log(1 + f) with x = 2^k (1 + f) and √½ ≤ 1 + f < √2, both read
    off the bits of x.
    """

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        kind = values[0].type
        bits = b.bitcast(values[0], _integers(kind))
        half_root = _integer(kind, 0x3F3504F3)  # the bits of √½
        k = b.ashr(b.sub(bits, half_root), _integer(kind, 23))
        mantissa = b.bitcast(b.sub(bits, b.shl(k, _integer(kind, 23))), kind)
        f = b.fsub(mantissa, _constant(kind, 1))
        rest = b.fmul(f, _polynomial(b, f, _LOG))
        return _fma(b, b.sitofp(k, kind), _constant(kind, _LOG2), rest)

    return x(x), emit
