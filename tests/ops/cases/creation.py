"""Tensors made from sizes and numbers; the random ones are in tests/ops/test_random.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.ops.case import ALL, FLOATS, Case, Input, Refusal, real


def made(op: str, label: str, call: Callable[..., Any], array: Any, result: str = "float32") -> Case:
    """A call without tensors, which must give this array."""
    return Case(
        op,
        (),
        call=call,
        reference=lambda: np.asarray(array),
        dtypes=("float32",),
        result=result,
        grad=False,
        label=label,
    )


def like(op: str, call: Callable[..., Any], value: float) -> list[Case]:
    return [
        Case(
            op,
            (Input(shape, grad=False),),
            call=call,
            reference=lambda x: np.full(x.shape, value, x.dtype),
            dtypes=ALL,
            grad=False,
        )
        for shape in ((3, 4), (), (0, 2))
    ]


CASES = [
    made("zeros", "ints", lambda t: t.zeros(2, 3), np.zeros((2, 3))),
    made("zeros", "tuple", lambda t: t.zeros((2, 0)), np.zeros((2, 0))),
    made("zeros", "0d", lambda t: t.zeros(()), np.zeros(())),
    made("zeros", "keyword", lambda t: t.zeros(size=(3,), dtype=t.int64), np.zeros(3, np.int64), "int64"),
    made("ones", "ints", lambda t: t.ones(2, 3), np.ones((2, 3))),
    made("ones", "bool", lambda t: t.ones(2, dtype=t.bool), np.ones(2, bool), "bool"),
    made("full", "float", lambda t: t.full((2, 3), 1.5), np.full((2, 3), 1.5)),
    made("full", "int", lambda t: t.full((2,), 7), np.full(2, 7), "int64"),
    made("full", "bool", lambda t: t.full((2,), True), np.full(2, True), "bool"),
    made("full", "large", lambda t: t.full((), 2**62 + 1), np.asarray(2**62 + 1), "int64"),
    made("arange", "end", lambda t: t.arange(5), np.arange(5), "int64"),
    made("arange", "empty", lambda t: t.arange(0), np.arange(0), "int64"),
    made("arange", "down", lambda t: t.arange(5, -2, -3), np.arange(5, -2, -3), "int64"),
    made("arange", "float", lambda t: t.arange(1, 2.5, 0.5), np.arange(1, 2.5, 0.5)),
    made("arange", "dtype", lambda t: t.arange(3, dtype=t.float64), np.arange(3.0), "float64"),
    made("linspace", "odd", lambda t: t.linspace(-1, 2, 7), np.linspace(-1, 2, 7)),
    made("linspace", "one", lambda t: t.linspace(3, 9, 1), np.asarray([3.0])),
    made("linspace", "none", lambda t: t.linspace(3, 9, 0), np.zeros(0)),
    made("logspace", "base10", lambda t: t.logspace(-2, 2, 5), np.logspace(-2, 2, 5)),
    made("logspace", "base2", lambda t: t.logspace(0, 3, 4, base=2), np.logspace(0, 3, 4, base=2)),
    made("eye", "square", lambda t: t.eye(3), np.eye(3)),
    made("eye", "wide", lambda t: t.eye(2, 4), np.eye(2, 4)),
    made("eye", "empty", lambda t: t.eye(0, 4), np.eye(0, 4)),
    *like("zeros_like", lambda t, x: t.zeros_like(x), 0),
    *like("ones_like", lambda t, x: t.ones_like(x), 1),
    *like("full_like", lambda t, x: t.full_like(x, 1), 1),
    Case(
        "zeros_like",
        (real(2, grad=False),),
        call=lambda t, x: t.zeros_like(x, dtype=t.int32),
        reference=lambda x: np.zeros(2, np.int32),
        result="int32",
        grad=False,
        label="dtype",
        dtypes=FLOATS,
    ),
]

REFUSALS = [
    Refusal("zeros", "negative", lambda t: t.zeros(2, -1), RuntimeError, "-1"),
    Refusal("ones", "text", lambda t: t.ones("x"), TypeError, "ones"),
    Refusal("arange", "zero-step", lambda t: t.arange(0, 3, 0), RuntimeError, "nonzero"),
    Refusal("arange", "wrong-way", lambda t: t.arange(0, 3, -1), RuntimeError, "step sign"),
    Refusal("linspace", "negative", lambda t: t.linspace(0, 1, -2), RuntimeError, "non-negative"),
    Refusal("eye", "negative", lambda t: t.eye(-1), RuntimeError, "(?i)n must be greater.*-1"),
    Refusal("tril", "vector", lambda t: t.tril(t.ones(3)), RuntimeError, "2 dimensions"),
]
