"""Activations, softmax and dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.ops.case import FLOATS, HALVES, Case, Refusal, real
from tests.ops.cases.math import LARGE, erf, sigmoid

F = "nn.functional."


def activation(
    op: str, reference: Callable[..., Any], avoid: tuple[float, ...] = (), **options: Any
) -> list[Case]:
    return [
        Case(op, (real(*shape, avoid=avoid, low=-4, high=4),), reference=reference, large=large, **options)
        for shape, large in (((5, 7), LARGE), ((33,), ()), ((), ()), ((0, 3), ()))
    ]


def softmax(x: Any, axis: int) -> Any:
    if x.size == 0:
        return x
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int) -> Any:
    if x.size == 0:
        return x
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _expm1(x: Any) -> Any:
    """For the negative side, without overflow on the other."""
    return np.expm1(np.minimum(x, 0))


def softplus(x: Any) -> Any:
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def _softmax_rows(op: str, reference: Callable[..., Any]) -> list[Case]:
    shapes = [
        ((3, 5), 1),
        ((3, 5), 0),
        ((2, 3, 4), 1),
        ((2, 3, 4), -1),
        ((17,), 0),
        ((), 0),
        ((0, 4), 1),
        ((4, 0), 1),
    ]
    rows = [
        Case(
            op,
            (real(*shape),),
            (dim,),
            reference=lambda x, d=dim: (
                reference(x, d) if x.ndim else x * 0 + (1.0 if op == "softmax" else 0.0)
            ),
            label=f"dim{dim}",
            rtol=2,
            large=((257, 1031),) if shape == (3, 5) else (),
        )
        for shape, dim in shapes
    ]
    extreme = [[1e4, 0.0, -1e4], [-np.inf, 0.0, 1.0], [5e3, 5e3, 5e3]]
    rows.append(
        Case(
            op,
            (real(3, 3, values=extreme),),
            (1,),
            label="extreme",
            grad=False,
            rtol=2,
            reference=lambda x: reference(x, 1),
        )
    )
    rows.append(
        Case(
            op,
            (real(3, 5),),
            (1,),
            {"dtype": None},
            label="half",
            dtypes=HALVES,
            grad=False,
            reference=lambda x: reference(x, 1),
        )
    )
    rows.append(
        Case(
            op,
            (real(3, 5),),
            call=lambda t, x: getattr(t, op)(x, 1, dtype=t.float64),
            label="dtype",
            reference=lambda x: reference(x, 1),
            result="float64",
            rtol=2,
            dtypes=("int64", *FLOATS),
        )
    )
    return rows


CASES = [
    *activation("relu", lambda x: np.maximum(x, 0), (0.0,), in_place=True, dtypes=FLOATS + HALVES),
    *activation(F + "softsign", lambda x: x / (1 + np.abs(x)), (0.0,)),
    *activation(F + "tanhshrink", lambda x: x - np.tanh(x)),
    *activation(
        F + "selu", lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * _expm1(x)), (0.0,)
    ),
    *activation(F + "celu", lambda x: np.where(x > 0, x, _expm1(x)), (0.0,)),
    Case(
        F + "celu",
        (real(5, 7, avoid=(0.0,)),),
        (0.5,),
        reference=lambda x: np.where(x > 0, x, 0.5 * _expm1(x / 0.5)),
        label="alpha",
    ),
    Case(
        F + "threshold",
        (real(5, 7, avoid=(0.5,)),),
        (0.5, -3.0),
        reference=lambda x: np.where(x > 0.5, x, -3.0),
        gradgrad="piecewise linear",
    ),
    Case(
        F + "prelu",
        (real(2, 3, 4, avoid=(0.0,)), real(3)),
        reference=lambda x, w: np.where(x > 0, x, w[:, None] * x),
    ),
    Case(F + "prelu", (real(5, avoid=(0.0,)), real(1)), reference=lambda x, w: np.where(x > 0, x, w * x)),
    Case(F + "glu", (real(3, 6),), reference=lambda x: x[:, :3] * sigmoid(x[:, 3:])),
    Case(F + "glu", (real(4, 3),), (0,), reference=lambda x: x[:2] * sigmoid(x[2:]), label="dim0"),
    Case(F + "softmin", (real(3, 5),), kwargs={"dim": 1}, reference=lambda x: softmax(-x, 1)),
    Case(
        F + "dropout2d", (real(2, 3, 2, 2),), (0.5,), {"training": False}, reference=lambda x: x, label="eval"
    ),
    *activation(F + "mish", lambda x: x * np.tanh(softplus(x)), rtol=4),
    *activation(F + "relu", lambda x: np.maximum(x, 0), (0.0,)),
    *activation(F + "leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x), (0.0,)),
    *activation(F + "relu6", lambda x: np.clip(x, 0, 6), (0.0,)),
    *activation(F + "hardtanh", lambda x: np.clip(x, -1, 1), (-1.0, 1.0)),
    *activation(F + "elu", lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), (0.0,)),
    *activation(F + "gelu", lambda x: x * 0.5 * (1 + erf(x / np.sqrt(2))), rtol=4),
    *activation(F + "silu", lambda x: x * sigmoid(x)),
    *activation(F + "softplus", softplus),
    *activation(F + "logsigmoid", lambda x: -softplus(-x)),
    *activation(F + "hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, (-3.0, 3.0)),
    *activation(
        F + "hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, (-3.0, 3.0), gradgrad="piecewise linear"
    ),
    Case(
        F + "gelu",
        (real(5, 7),),
        kwargs={"approximate": "tanh"},
        label="tanh",
        rtol=4,
        reference=lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    ),
    Case(
        F + "leaky_relu",
        (real(5, 7, avoid=(0.0,)),),
        (0.2,),
        reference=lambda x: np.where(x > 0, x, 0.2 * x),
        label="slope",
    ),
    Case(
        F + "elu",
        (real(5, 7, avoid=(0.0,)),),
        (0.7,),
        label="alpha",
        reference=lambda x: np.where(x > 0, x, 0.7 * np.expm1(np.minimum(x, 0))),
    ),
    Case(
        F + "softplus",
        (real(5, 7, low=-4, high=4, avoid=(1.0,)),),
        (2, 2),
        label="beta-threshold",
        reference=lambda x: np.where(2 * x > 2, x, softplus(2 * x) / 2),
    ),
    Case(F + "dropout", (real(4, 5),), (0.5,), {"training": False}, reference=lambda x: x, label="eval"),
    Case(F + "dropout", (real(4, 5),), (0.0,), {"training": True}, reference=lambda x: x, label="p0"),
    Case(F + "dropout", (real(4, 5),), (1.0,), {"training": True}, reference=lambda x: 0 * x, label="p1"),
    *_softmax_rows("softmax", softmax),
    *_softmax_rows("log_softmax", log_softmax),
    Case(F + "softmax", (real(3, 5),), kwargs={"dim": -1}, reference=lambda x: softmax(x, -1)),
    Case(F + "log_softmax", (real(3, 5),), kwargs={"dim": -1}, reference=lambda x: log_softmax(x, -1)),
]

REFUSALS = [
    Refusal(F + "glu", "odd", lambda t: t.nn.functional.glu(t.ones(2, 3)), RuntimeError, "3"),
    Refusal(
        F + "prelu", "weights", lambda t: t.nn.functional.prelu(t.ones(2, 3), t.ones(2)), RuntimeError, "2|3"
    ),
    Refusal("softmax", "dim", lambda t: t.softmax(t.ones(2, 3), 2), IndexError, r"\[-2, 1\].*2"),
    Refusal(
        "softmax", "int", lambda t: t.softmax(t.ones(2, dtype=t.int64), 0), NotImplementedError, "softmax"
    ),
    Refusal("log_softmax", "dim", lambda t: t.log_softmax(t.ones(2, 3), -3), IndexError, r"\[-2, 1\].*-3"),
    Refusal(F + "dropout", "p", lambda t: t.nn.functional.dropout(t.ones(2), 1.5), ValueError, "1.5"),
]
