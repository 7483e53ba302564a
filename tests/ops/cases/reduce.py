"""Reductions and cumulative sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.ops.case import ALL, FLOATS, HALVES, INTS, NUMBERS, Case, Refusal, real

LARGE = ((513, 1031),)


def reduction(
    op: str, reference: Callable[..., Any], empty: bool = True, several: bool = True, **options: Any
) -> list[Case]:
    """All elements; one dimension (first, middle, last, negative, kept); several; 0-d; empty where allowed.

    The reference takes ``(array, axis, keepdims)``.
    """
    draw = {key: options.pop(key) for key in ("low", "high", "avoid", "distinct") if key in options}

    def row(shape: tuple[int, ...], label: str, axis: Any, keepdims: bool = False, **extra: Any) -> Case:
        given = {} if axis is None else {"dim": axis, "keepdim": keepdims}
        return Case(
            op,
            (real(*shape, **draw),),
            kwargs=given,
            label=label,
            reference=lambda x: reference(x, axis, keepdims),
            **{**options, **extra},
        )

    rows = [
        row((3, 5), "all", None, large=LARGE),
        row((3, 5), "dim0", 0, large=LARGE),
        row((3, 5), "dim1", 1, large=LARGE),
        row((2, 3, 4), "dim1", 1),
        row((2, 3, 4), "dim-1-kept", -1, keepdims=True),
        row((2, 37), "odd", 1),
        row((), "0d", None),
    ]
    if several:
        rows += [
            row((2, 3, 4), "dims", (0, 2), large=((65, 33, 129),)),
            row((2, 3, 4), "dims-kept", (-1, 1), True),
        ]
    if empty:
        rows += [row((0, 3), "empty-dim0", 0), row((3, 0, 2), "empty-all", None)]
    return rows


def _logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    if x.size == 0:
        return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))
    top = np.max(x, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)


def _with_index(pick: Callable[..., Any], at: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axis, keepdims: (
        pick(x, axis=axis, keepdims=keepdims),
        at(x, axis=axis, keepdims=keepdims),
    )


def _max_rows(op: str, pick: Callable[..., Any], at: Callable[..., Any]) -> list[Case]:
    """max / min: without dim one value, with dim (values, indices)."""
    everything = reduction(
        op, lambda x, axis, keepdims: pick(x), empty=False, several=False, distinct=True, dtypes=NUMBERS
    )
    along = reduction(
        op,
        _with_index(pick, at),
        empty=False,
        several=False,
        distinct=True,
        result=("same", "int64"),
        dtypes=NUMBERS,
    )
    return [r for r in everything if not r.kwargs] + [r for r in along if r.kwargs]


def _wide(fn: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy on bool and small integers, summed as int64 as PyTorch does."""

    def reference(x: Any, axis: Any, keepdims: bool) -> Any:
        return fn(x if x.dtype == np.float64 else x.astype(np.int64), axis=axis, keepdims=keepdims)

    return reference


def _moment(fn: Callable[..., Any], correction: int) -> Callable[..., Any]:
    return lambda x, axis, keepdims: fn(x, axis=axis, keepdims=keepdims, ddof=correction)


def _logical(fn: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axis, keepdims: fn(x != 0, axis=axis, keepdims=keepdims)


def _moments() -> list[Case]:
    rows = []
    for op, fn in (("var", np.var), ("std", np.std)):
        many = reduction(op, _moment(fn, 1), empty=False)
        rows += [r for r in many if r.label != "0d"]  # one element, correction 1: nan, compared in parity
        rows += [
            Case(
                op,
                (real(3, 5),),
                kwargs={"dim": 1, "correction": 0},
                label="correction0",
                reference=lambda x, fn=fn: fn(x, axis=1, ddof=0),
            ),
            Case(
                op,
                (real(3, 5),),
                kwargs={"dim": 0, "unbiased": False, "keepdim": True},
                label="biased",
                reference=lambda x, fn=fn: fn(x, axis=0, ddof=0, keepdims=True),
            ),
            Case(
                op,
                (real(40, low=1e4, high=1e4 + 1),),
                label="far-from-zero",
                rtol=1e4,
                reference=lambda x, fn=fn: fn(x.astype(np.float32), ddof=1, dtype=np.float64),
                dtypes=("float32",),
                grad=False,
            ),
        ]
    return rows


CASES = [
    *reduction("sum", _wide(np.sum), dtypes=ALL, result="wide"),
    *reduction(
        "prod", _wide(np.prod), several=False, dtypes=FLOATS + ("int64", "int32", "bool"), result="wide"
    ),
    *reduction(
        "mean",
        lambda x, axis, keepdims: np.mean(x, axis=axis, keepdims=keepdims),
        empty=False,
        dtypes=FLOATS + HALVES,
    ),
    *reduction(
        "amax",
        lambda x, axis, keepdims: np.amax(x, axis=axis, keepdims=keepdims),
        empty=False,
        distinct=True,
        dtypes=NUMBERS,
    ),
    *reduction(
        "amin",
        lambda x, axis, keepdims: np.amin(x, axis=axis, keepdims=keepdims),
        empty=False,
        distinct=True,
        dtypes=NUMBERS,
    ),
    *reduction("any", _logical(np.any), dtypes=("bool", "int64", *FLOATS), result="bool", grad=False),
    *reduction("all", _logical(np.all), dtypes=("bool", "int64", *FLOATS), result="bool", grad=False),
    *(
        Case(op, (real(3, 5),), reference=fn, dtypes=("uint8",), grad=False, label="uint8")
        for op, fn in (("any", np.any), ("all", np.all))
    ),  # PyTorch keeps uint8 here, for programs older than its bool
    *[r for r in reduction("logsumexp", _logsumexp, rtol=2) if r.kwargs],
    *_max_rows("max", np.max, np.argmax),
    *_max_rows("min", np.min, np.argmin),
    *reduction(
        "argmax",
        lambda x, axis, keepdims: np.argmax(x, axis=axis, keepdims=keepdims),
        empty=False,
        several=False,
        distinct=True,
        dtypes=NUMBERS,
        result="int64",
        grad=False,
    ),
    *reduction(
        "argmin",
        lambda x, axis, keepdims: np.argmin(x, axis=axis, keepdims=keepdims),
        empty=False,
        several=False,
        distinct=True,
        dtypes=NUMBERS,
        result="int64",
        grad=False,
    ),
    *_moments(),
    Case(
        "sum",
        (real(5, 3),),
        call=lambda t, x: x.sum(dtype=t.float64),
        reference=np.sum,
        result="float64",
        dtypes=("int32", "float32"),
        label="dtype",
    ),
    Case(
        "mean",
        (real(5, 3),),
        call=lambda t, x: x.mean(dim=0, dtype=t.float64),
        result="float64",
        reference=lambda x: np.mean(x, axis=0),
        dtypes=("int32", "float32"),
        label="dtype",
    ),
    Case("prod", (real(4, values=[2.0, 0.0, 3.0, -1.0]),), reference=np.prod, label="one-zero"),
    Case("prod", (real(4, values=[2.0, 0.0, 3.0, 0.0]),), reference=np.prod, label="two-zeros"),
    Case(
        "prod",
        (real(2, 3, values=[[0.0, 2.0, 3.0], [1.0, 4.0, 0.0]]),),
        (1,),
        label="zeros-dim1",
        reference=lambda x: np.prod(x, axis=1),
    ),
    Case("norm", (real(3, 4),), reference=lambda x: np.sqrt(np.sum(x * x))),
    Case(
        "norm",
        (real(3, 4),),
        kwargs={"dim": 1},
        reference=lambda x: np.sqrt(np.sum(x * x, axis=1)),
        label="dim1",
    ),
    Case(
        "norm",
        (real(3, 4),),
        kwargs={"p": 1, "dim": 0, "keepdim": True},
        label="p1",
        reference=lambda x: np.sum(np.abs(x), axis=0, keepdims=True),
    ),
    Case(
        "norm",
        (real(3, 4, avoid=(0.0,)),),
        kwargs={"p": 3},
        label="p3",
        reference=lambda x: np.sum(np.abs(x) ** 3) ** (1 / 3),
        rtol=2,
    ),
    Case(
        "norm",
        (real(3, 4, distinct=True),),
        kwargs={"p": float("inf"), "dim": 1},
        label="pinf",
        reference=lambda x: np.max(np.abs(x), axis=1),
    ),
    Case(
        "cumsum",
        (real(3, 5),),
        (0,),
        reference=lambda x: np.cumsum(x, axis=0),
        dtypes=FLOATS,
        label="dim0",
        large=((129, 517),),
    ),
    Case(
        "cumsum",
        (real(3, 5),),
        (1,),
        reference=lambda x: np.cumsum(x, axis=1),
        label="dim1",
        large=((129, 517),),
    ),
    Case("cumsum", (real(2, 3, 4),), (-2,), reference=lambda x: np.cumsum(x, axis=1), label="dim-2"),
    Case("cumsum", (real(0, 3),), (0,), reference=lambda x: x, label="empty"),
    Case("cumsum", (real(),), (0,), reference=lambda x: x, label="0d"),
    Case(
        "cumprod",
        (real(3, 5),),
        (0,),
        reference=lambda x: np.cumprod(x, axis=0),
        dtypes=FLOATS,
        label="dim0",
        large=((129, 517),),
        rtol=4,
    ),
    Case("cumprod", (real(2, 3, 4),), (-1,), reference=lambda x: np.cumprod(x, axis=2), label="dim-1"),
    Case(
        "cumprod",
        (real(2, 4, values=[[2.0, 0.0, 3.0, 0.0], [1.0, 2.0, 0.0, 4.0]]),),
        (1,),
        reference=lambda x: np.cumprod(x, axis=1),
        label="zeros",
    ),
    Case("cumprod", (real(),), (0,), reference=lambda x: x, label="0d"),
    Case(
        "cumsum",
        (real(3, 5),),
        (1,),
        reference=lambda x: np.cumsum(x.astype(np.int64), axis=1),
        label="int",
        dtypes=(*INTS, "bool"),
        result="wide",
    ),
]

REFUSALS = [
    *(
        Refusal(op, "dim", lambda t, op=op: getattr(t, op)(t.ones(2, 3), dim=2), IndexError, r"\[-2, 1\].*2")
        for op in (
            "sum",
            "mean",
            "prod",
            "var",
            "std",
            "max",
            "min",
            "argmax",
            "argmin",
            "any",
            "all",
            "amax",
            "amin",
            "logsumexp",
            "norm",
        )
    ),
    *(
        Refusal(
            op, "dim-twice", lambda t, op=op: getattr(t, op)(t.ones(2, 3), dim=(0, -2)), RuntimeError, "dim 0"
        )
        for op in ("sum", "mean", "var", "amax", "logsumexp")
    ),
    *(
        Refusal(op, "empty", lambda t, op=op: getattr(t, op)(t.ones(0, 3)), RuntimeError, op)
        for op in ("max", "min")
    ),
    *(
        Refusal(op, "empty", lambda t, op=op: getattr(t, op)(t.ones(0, 3)), IndexError, op)
        for op in ("argmax", "argmin")
    ),
    *(
        Refusal(op, "empty-dim", lambda t, op=op: getattr(t, op)(t.ones(0, 3), dim=0), IndexError, op)
        for op in ("max", "min", "argmax", "argmin", "amax", "amin")
    ),
    Refusal("mean", "int", lambda t: t.ones(3, dtype=t.int64).mean(), RuntimeError, "(?i)int64|long"),
    Refusal("var", "int", lambda t: t.ones(3, dtype=t.int64).var(), RuntimeError, "(?i)int64|long|float"),
    Refusal("cumsum", "dim", lambda t: t.cumsum(t.ones(2, 3), 2), IndexError, r"\[-2, 1\].*2"),
    Refusal("cumprod", "dim", lambda t: t.cumprod(t.ones(2, 3), -3), IndexError, r"\[-2, 1\].*-3"),
    Refusal("cumsum", "no-dim", lambda t: t.cumsum(t.ones(2, 3)), TypeError, "dim"),
]
