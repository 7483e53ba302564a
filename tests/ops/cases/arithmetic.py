"""Two-operand pointwise ops: arithmetic, comparison, logic, bits, where and its kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.ops.case import ALL, FLOATS, HALVES, INTS, NUMBERS, Case, Refusal, constant, mask, real

LARGE = ((401, 503), (401, 503))
ZERO_BASE = "nan from log(0), as in PyTorch"


def binary(op: str, reference: Callable[..., Any], **options: Any) -> list[Case]:
    """Rows for the shapes that hurt: broadcast both ways, 0-d, empty, sizes around the SIMD width."""
    draw = {key: options.pop(key) for key in ("low", "high", "distinct") if key in options}
    avoid = options.pop("avoid", ())
    avoid_second = options.pop("avoid_second", avoid)

    def row(first: tuple[int, ...], second: tuple[int, ...], **extra: Any) -> Case:
        other = (
            {**draw, "low": -2.03, "high": 1.91} if draw.get("distinct") else draw
        )  # no ties across the two
        inputs = (real(*first, avoid=avoid, **draw), real(*second, avoid=avoid_second, **other))
        return Case(op, inputs, reference=reference, **{**options, **extra})

    return [
        row((3, 5), (3, 5), large=LARGE),
        row((2, 1, 4), (3, 1)),
        row((17,), ()),
        row((), ()),
        row((0, 3), (1, 3)),
        row((5, 33), (1, 33), gradgrad="the same formula on a smaller shape above")
        if options.get("grad", True)
        else row((5, 33), (1, 33)),
    ]


def with_scalar(op: str, scalar: float, reference: Callable[..., Any], **options: Any) -> Case:
    """tensor op Python number."""
    draw = {key: options.pop(key) for key in ("low", "high", "avoid") if key in options}
    return Case(
        op,
        (real(4, 3, **draw),),
        (scalar,),
        reference=lambda a: reference(a, scalar),
        label=f"scalar{scalar}",
        **options,
    )


def reflected(op: str, call: Callable[..., Any], reference: Callable[..., Any], **options: Any) -> Case:
    """Python number op tensor, or another operator form of the op."""
    label = options.pop("label", "reflected")
    draw = {key: options.pop(key) for key in ("low", "high", "avoid") if key in options}
    return Case(op, (real(4, 3, **draw),), call=call, reference=reference, label=label, **options)


ARITHMETIC = [
    *binary("add", np.add, in_place=True, dtypes=NUMBERS),
    *binary("sub", np.subtract, in_place=True, dtypes=NUMBERS),
    *binary("mul", np.multiply, in_place=True, dtypes=NUMBERS),
    *binary("div", np.divide, avoid_second=(0.0,), in_place=True),
    *binary("pow", np.power, low=0.5, high=2.5, in_place=True, rtol=4),
    *binary("maximum", np.maximum, distinct=True, dtypes=NUMBERS),
    *binary("minimum", np.minimum, distinct=True, dtypes=NUMBERS),
    *binary("fmax", np.fmax, distinct=True, dtypes=NUMBERS),
    *binary("fmin", np.fmin, distinct=True, dtypes=NUMBERS),
    *binary("true_divide", np.divide, avoid_second=(0.0,), in_place=True),
    *binary("hypot", np.hypot, avoid=(0.0,), in_place=True),
    *binary("copysign", np.copysign, avoid=(0.0,), in_place=True, gradgrad="piecewise linear"),
    *binary("logaddexp", np.logaddexp),
    *binary("xlogy", lambda a, b: a * np.log(b), low=0.3, in_place=True),
    *binary("atan2", np.arctan2, avoid=(0.0,)),
    *binary(
        "fmod",
        np.fmod,
        low=0.3,
        high=2.9,
        in_place=True,
        gradgrad="piecewise linear in both operands: second derivatives are zero",
    ),
    *binary(
        "remainder",
        np.mod,
        low=0.3,
        high=2.9,
        in_place=True,
        gradgrad="piecewise linear in both operands: second derivatives are zero",
    ),
    *binary("floor_divide", np.floor_divide, low=0.3, high=2.9, grad=False),
    with_scalar("add", 2, np.add, dtypes=NUMBERS, in_place=True),
    with_scalar("sub", 2, np.subtract, dtypes=NUMBERS, in_place=True),
    with_scalar("mul", 3, np.multiply, dtypes=NUMBERS, in_place=True),
    with_scalar("div", 4, np.divide, dtypes=NUMBERS, result="float"),
    with_scalar("pow", 2, np.power, dtypes=FLOATS + HALVES + INTS, in_place=True),
    with_scalar("pow", 3, np.power, dtypes=FLOATS, in_place=True),
    with_scalar("pow", 0, np.power, dtypes=FLOATS),
    with_scalar("pow", 1, np.power, dtypes=FLOATS),
    with_scalar("pow", -1, np.power, avoid=(0.0,)),
    with_scalar("pow", 0.5, np.power, low=0.3),
    with_scalar("pow", -1.5, np.power, low=0.5, rtol=4),
    with_scalar("floor_divide", 3, np.floor_divide, dtypes=("int64", "int32", *FLOATS), grad=False),
    with_scalar("remainder", 3, np.mod, dtypes=("int64", "int32", *FLOATS), avoid=(0.0, 3.0)),
    with_scalar("fmod", 3, np.fmod, dtypes=("int64", "int32", *FLOATS), avoid=(0.0, 3.0)),
    reflected("sub", lambda t, a: 2 - a, lambda a: 2 - a, dtypes=("int64", *FLOATS)),
    reflected("div", lambda t, a: 2.0 / a, lambda a: 2 / a, avoid=(0.0,)),
    reflected("pow", lambda t, a: 2**a, lambda a: 2**a, rtol=4),
    reflected("pow", lambda t, a: 0.0**a, lambda a: 0.0**a, low=0.5, label="zero-base", gradgrad=ZERO_BASE),
    reflected("floor_divide", lambda t, a: 7 // a, lambda a: 7 // a, low=1, high=3, grad=False),
    reflected("remainder", lambda t, a: 7 % a, lambda a: 7 % a, low=1.6, high=1.7, grad=False),
    reflected("floor_divide", lambda t, a: a // 2, lambda a: a // 2, grad=False, label="operator"),
    reflected("neg", lambda t, a: -a, lambda a: -a, label="operator", dtypes=("int64", *FLOATS)),
    Case("rsub", (real(3, 2), real(3, 2)), reference=lambda a, b: b - a, dtypes=("int64", *FLOATS)),
    Case(
        "add",
        (real(3, 4), real(4)),
        kwargs={"alpha": 3},
        reference=lambda a, b: a + 3 * b,
        label="alpha",
        in_place=True,
        dtypes=("int64", *FLOATS),
    ),
    Case(
        "sub",
        (real(3, 4), real(4)),
        kwargs={"alpha": 0.5},
        reference=lambda a, b: a - 0.5 * b,
        label="alpha",
        in_place=True,
    ),
    Case(
        "div",
        (real(3, 4), real(4, low=0.3)),
        kwargs={"rounding_mode": "floor"},
        grad=False,
        reference=np.floor_divide,
        label="floor",
    ),
    Case(
        "div",
        (real(3, 4, low=-9, high=9), real(4, low=1, high=4)),
        kwargs={"rounding_mode": "floor"},
        grad=False,
        reference=np.floor_divide,
        label="floor-int",
        dtypes=("int64", "int32", "int8"),
    ),
    Case(
        "div",
        (real(3, 4), real(4, low=0.3)),
        kwargs={"rounding_mode": "trunc"},
        grad=False,
        reference=lambda a, b: np.trunc(a / b),
        label="trunc",
    ),
    Case(
        "div",
        (real(3, 4), real(4, avoid=(0.0,))),
        reference=np.divide,
        label="int",
        dtypes=INTS,
        result="float",
    ),
    Case(
        "lerp", (real(3, 4), real(3, 4), real(3, 4)), reference=lambda a, b, w: a + w * (b - a), in_place=True
    ),
    Case("lerp", (real(3, 4), real(4)), (0.7,), reference=lambda a, b: a + 0.7 * (b - a), label="scalar"),
    Case(
        "addcmul",
        (real(3, 4), real(4), real(3, 1)),
        kwargs={"value": 0.5},
        reference=lambda a, b, c: a + 0.5 * b * c,
        in_place=True,
    ),
    Case(
        "addcdiv",
        (real(3, 4), real(4), real(3, 1, avoid=(0.0,))),
        kwargs={"value": 0.5},
        reference=lambda a, b, c: a + 0.5 * b / c,
        in_place=True,
    ),
]

COMPARISON = [
    row
    for op, reference in (
        ("eq", np.equal),
        ("ne", np.not_equal),
        ("lt", np.less),
        ("le", np.less_equal),
        ("gt", np.greater),
        ("ge", np.greater_equal),
    )
    for row in [
        *binary(op, reference, grad=False, result="bool", dtypes=ALL),
        with_scalar(op, 1, reference, grad=False, result="bool", dtypes=NUMBERS),
    ]
] + [
    Case(
        "eq",
        (real(40, 3, low=0, high=2),),
        call=lambda t, a: a.round() == 1,
        grad=False,
        result="bool",
        reference=lambda a: np.round(a) == 1,
        label="operator",
    ),
    Case(
        "isclose",
        (real(3, 4), real(4)),
        kwargs={"atol": 0.5},
        grad=False,
        result="bool",
        reference=lambda a, b: np.isclose(a, b, atol=0.5),
    ),
]

LOGIC = (
    [
        row
        for op, reference in (
            ("logical_and", np.logical_and),
            ("logical_or", np.logical_or),
            ("logical_xor", np.logical_xor),
        )
        for row in binary(op, reference, grad=False, result="bool", dtypes=("bool", "int64", "float32"))
    ]
    + [
        row
        for op, reference in (
            ("bitwise_and", np.bitwise_and),
            ("bitwise_or", np.bitwise_or),
            ("bitwise_xor", np.bitwise_xor),
        )
        for row in binary(op, reference, grad=False, dtypes=("bool", *INTS), in_place=True)
    ]
    + [
        *(
            Case(
                op,
                (real(3, 5, low=0, high=9), real(5, low=0, high=5)),
                reference=reference,
                dtypes=("int64", "int32", "int16"),
                grad=False,
                in_place=True,
            )
            for op, reference in (
                ("bitwise_left_shift", np.left_shift),
                ("bitwise_right_shift", np.right_shift),
            )
        ),
        Case("bitwise_not", (real(3, 5),), reference=np.invert, dtypes=("bool", *INTS), grad=False),
        Case("logical_not", (real(3, 5),), reference=np.logical_not, dtypes=ALL, grad=False, result="bool"),
    ]
)

SELECTION = [
    Case(
        "where",
        (mask(3, 4), real(3, 4), real(4)),
        call=lambda t, m, a, b: t.where(m, a, b),
        reference=np.where,
        dtypes=ALL,
        large=(*LARGE, (503,)),
    ),
    Case(
        "where",
        (mask(), real(2, 3), real(1)),
        call=lambda t, m, a, b: a.where(m, b),
        reference=np.where,
        label="method",
    ),
    Case(
        "where",
        (mask(3, 1), real(4)),
        call=lambda t, m, a: t.where(m, a, 2.0),
        label="scalar",
        reference=lambda m, a: np.where(m, a, 2.0),
    ),
    Case(
        "where",
        (real(0, 4), real(4)),
        call=lambda t, a, b: t.where(a > b, a, b),
        label="empty",
        reference=lambda a, b: np.where(a > b, a, b),
    ),
    Case(
        "clamp",
        (real(5, 7, avoid=(-1.0, 1.0)),),
        (-1.0, 1.0),
        reference=lambda a: np.clip(a, -1, 1),
        in_place=True,
        large=((401, 503),),
    ),
    Case(
        "clamp",
        (real(5, 7, low=-9, high=9),),
        (-3, 4),
        reference=lambda a: np.clip(a, -3, 4),
        label="int",
        dtypes=("int64", "int32"),
        in_place=True,
    ),
    Case(
        "clamp",
        (real(4, 3, avoid=(0.5,)),),
        kwargs={"min": 0.5},
        reference=lambda a: np.maximum(a, 0.5),
        label="min",
        in_place=True,
    ),
    Case(
        "clamp",
        (real(4, 3, avoid=(0.5,)),),
        kwargs={"max": 0.5},
        reference=lambda a: np.minimum(a, 0.5),
        label="max",
        in_place=True,
    ),
    Case(
        "clamp",
        (real(4, 3, low=-3, high=3), constant(3, low=-2, high=-1), constant(4, 1, low=1, high=2)),
        label="tensors",
        reference=lambda a, low, high: np.clip(a, low, high),
        gradgrad="piecewise linear",
    ),
    Case("clip", (real(4, 3, avoid=(-0.5, 0.5)),), (-0.5, 0.5), reference=lambda a: np.clip(a, -0.5, 0.5)),
    Case(
        "clamp_min",
        (real(4, 3, avoid=(0.5,)),),
        (0.5,),
        reference=lambda a: np.maximum(a, 0.5),
        in_place=True,
    ),
    Case(
        "clamp_max",
        (real(4, 3, avoid=(0.5,)),),
        (0.5,),
        reference=lambda a: np.minimum(a, 0.5),
        in_place=True,
    ),
]

CASES = ARITHMETIC + COMPARISON + LOGIC + SELECTION

REFUSALS = [
    *(
        Refusal(
            op, "shapes", lambda t, op=op: getattr(t, op)(t.ones(2, 3), t.ones(2, 4)), RuntimeError, r"3.*4"
        )
        for op in ("add", "sub", "mul", "div", "pow", "maximum", "eq", "lt", "atan2")
    ),
    Refusal(
        "add",
        "alpha-float-for-int",
        lambda t: t.add(t.ones(2, dtype=t.int64), t.ones(2, dtype=t.int64), alpha=1.5),
        RuntimeError,
        "alpha",
    ),
    Refusal(
        "add", "in-place-cast", lambda t: t.ones(2, dtype=t.int64).add_(1.5), RuntimeError, "(?i)int64|long"
    ),
    Refusal(
        "div", "in-place-int", lambda t: t.ones(2, dtype=t.int64).div_(2), RuntimeError, "(?i)int64|long"
    ),
    Refusal("add", "in-place-broadcast", lambda t: t.ones(3).add_(t.ones(2, 3)), RuntimeError, r"3.*2, 3"),
    Refusal("add", "not-a-tensor", lambda t: t.add(t.ones(2), "x"), TypeError, "add"),
    Refusal("sub", "bool", lambda t: t.tensor([True]) - t.tensor([False]), RuntimeError, "(?i)bool"),
    Refusal("div", "rounding-mode", lambda t: t.div(t.ones(2), 2, rounding_mode="up"), RuntimeError, "up"),
    Refusal(
        "pow", "negative-integer-exponent", lambda t: t.tensor([2, 3]) ** -1, RuntimeError, "(?i)negative"
    ),
    Refusal("remainder", "integer-zero", lambda t: t.tensor([2, 3]) % 0, RuntimeError, "(?i)zero"),
    Refusal("floor_divide", "integer-zero", lambda t: t.tensor([2, 3]) // 0, RuntimeError, "(?i)zero"),
    Refusal("bitwise_and", "float", lambda t: t.ones(2) & t.ones(2), NotImplementedError, "(?i)float"),
    Refusal("clamp", "no-bounds", lambda t: t.ones(2).clamp(), RuntimeError, "(?i)min.*max"),
    Refusal(
        "where",
        "condition-dtype",
        lambda t: t.where(t.ones(2), t.ones(2), t.ones(2)),
        RuntimeError,
        "(?i)bool",
    ),
    Refusal(
        "lerp",
        "dtypes",
        lambda t: t.lerp(t.ones(2), t.ones(2, dtype=t.float64), 0.5),
        RuntimeError,
        "(?i)dtype",
    ),
]
