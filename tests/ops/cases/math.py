"""One-operand pointwise math."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.ops.case import ALL, FLOATS, HALVES, INTS, Case, Refusal, real

erf = np.vectorize(math.erf, otypes=[np.float64])
erfc = np.vectorize(math.erfc, otypes=[np.float64])
LARGE = ((401, 503),)
FLAT = "the derivative is zero wherever it exists"


def unary(op: str, reference: Callable[..., Any], **options: Any) -> list[Case]:
    """A matrix, sizes around the SIMD width, 0-d and empty."""
    draw = {key: options.pop(key) for key in ("low", "high", "avoid") if key in options}
    options = {"in_place": True, "dtypes": FLOATS + HALVES, **options}
    rows = [((5, 7), LARGE), ((33,), ()), ((), ()), ((0, 3), ())]
    return [
        Case(op, (real(*shape, **draw),), reference=reference, large=large, **options)
        for shape, large in rows
    ]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


CASES = [
    *unary("neg", np.negative, dtypes=FLOATS + HALVES + INTS),
    *unary("abs", np.abs, avoid=(0.0,), dtypes=FLOATS + HALVES + INTS),
    *unary("sign", np.sign, avoid=(0.0,), dtypes=FLOATS + INTS, gradgrad=FLAT),
    *unary("square", np.square, dtypes=FLOATS + HALVES + INTS),
    *unary("reciprocal", np.reciprocal, avoid=(0.0,)),
    *unary("sqrt", np.sqrt, low=0.2),
    *unary("rsqrt", lambda x: 1 / np.sqrt(x), low=0.2),
    *unary("exp", np.exp),
    *unary("exp2", np.exp2),
    *unary("expm1", np.expm1),
    *unary("log", np.log, low=0.2),
    *unary("log2", np.log2, low=0.2),
    *unary("log10", np.log10, low=0.2),
    *unary("log1p", np.log1p, low=-0.7),
    *unary("sin", np.sin),
    *unary("cos", np.cos),
    *unary("tan", np.tan, low=-1.2, high=1.2),
    *unary("asin", np.arcsin, low=-0.9, high=0.9),
    *unary("acos", np.arccos, low=-0.9, high=0.9),
    *unary("atan", np.arctan),
    *unary("sinh", np.sinh),
    *unary("cosh", np.cosh),
    *unary("tanh", np.tanh),
    *unary("asinh", np.arcsinh),
    *unary("acosh", np.arccosh, low=1.2, high=3.0),
    *unary("atanh", np.arctanh, low=-0.9, high=0.9),
    *unary("erf", erf),
    *unary("erfc", erfc),
    *unary("sigmoid", sigmoid),
    *unary("floor", np.floor, avoid=(-1.0, 0.0, 1.0), dtypes=FLOATS, gradgrad=FLAT),
    *unary("ceil", np.ceil, avoid=(-1.0, 0.0, 1.0), dtypes=FLOATS, gradgrad=FLAT),
    *unary("trunc", np.trunc, avoid=(-1.0, 0.0, 1.0), dtypes=FLOATS, gradgrad=FLAT),
    *unary("round", np.round, avoid=(-1.5, -0.5, 0.5, 1.5), dtypes=FLOATS, gradgrad=FLAT),
    *unary("frac", lambda x: x - np.trunc(x), avoid=(-1.0, 0.0, 1.0), dtypes=FLOATS, gradgrad=FLAT),
    *unary("isnan", np.isnan, dtypes=ALL, result="bool", grad=False, in_place=False),
    *unary("isinf", np.isinf, dtypes=ALL, result="bool", grad=False, in_place=False),
    *unary("signbit", np.signbit, dtypes=FLOATS, result="bool", grad=False, in_place=False),
    *unary("isfinite", np.isfinite, dtypes=ALL, result="bool", grad=False, in_place=False),
    *(
        Case(
            op,
            (real(3, 4, low=1, high=5),),
            reference=reference,
            dtypes=(*INTS, "bool"),
            result="float",
            grad=False,
            label="int",
        )
        for op, reference in (
            ("sqrt", np.sqrt),
            ("exp", np.exp),
            ("sin", np.sin),
            ("tanh", np.tanh),
            ("sigmoid", sigmoid),
        )
    ),
    Case(
        "isnan",
        (real(4, grad=False, values=[math.nan, 1.0, math.inf, -math.inf]),),
        reference=np.isnan,
        grad=False,
        result="bool",
        label="special",
    ),
    Case(
        "isinf",
        (real(4, grad=False, values=[math.nan, 1.0, math.inf, -math.inf]),),
        reference=np.isinf,
        grad=False,
        result="bool",
        label="special",
    ),
    Case(
        "isfinite",
        (real(4, grad=False, values=[math.nan, 1.0, math.inf, -math.inf]),),
        reference=np.isfinite,
        grad=False,
        result="bool",
        label="special",
    ),
    Case(
        "exp",
        (real(6, grad=False, values=[math.nan, -math.inf, math.inf, 800.0, -800.0, 0.0]),),
        grad=False,
        reference=np.exp,
        label="special",
        dtypes=FLOATS,
    ),
    Case(
        "tanh",
        (real(5, grad=False, values=[math.nan, -math.inf, math.inf, 1e-8, -40.0]),),
        grad=False,
        reference=np.tanh,
        label="special",
        dtypes=FLOATS,
    ),
    Case(
        "log",
        (real(4, grad=False, values=[math.nan, 0.0, math.inf, -1.0]),),
        grad=False,
        label="special",
        reference=lambda x: np.array([math.nan, -math.inf, math.inf, math.nan]),
        dtypes=FLOATS,
    ),
    Case(
        "sigmoid",
        (real(4, grad=False, values=[math.nan, -math.inf, math.inf, -800.0]),),
        grad=False,
        label="special",
        reference=lambda x: np.array([math.nan, 0.0, 1.0, 0.0]),
        dtypes=FLOATS,
    ),
]

REFUSALS = [
    Refusal("exp", "in-place-int", lambda t: t.ones(2, dtype=t.int64).exp_(), RuntimeError, "(?i)int64|long"),
    Refusal("neg", "bool", lambda t: -t.tensor([True]), RuntimeError, "(?i)bool"),
    Refusal("exp", "not-a-tensor", lambda t: t.exp(1.0), TypeError, "exp"),
]
