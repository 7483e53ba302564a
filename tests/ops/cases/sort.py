"""Sorting, top-k and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.case import FLOATS, NUMBERS, Case, Refusal, real


def _sorted(x: Any, axis: int, descending: bool) -> Any:
    order = np.argsort(-x if descending else x, axis=axis, kind="stable")
    return np.take_along_axis(x, order, axis), order


def _topk(x: Any, k: int, axis: int, largest: bool) -> Any:
    values, order = _sorted(x.astype(np.float64), axis, largest)
    return np.take(values, range(k), axis), np.take(order, range(k), axis)


def _signed(dtypes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(d for d in dtypes if not d.startswith("u"))


PAIR = ("same", "int64")

CASES = [
    Case(
        "sort",
        (real(3, 5, distinct=True),),
        reference=lambda x: _sorted(x, -1, False),
        result=PAIR,
        dtypes=NUMBERS,
        large=((65, 4099),),
    ),
    Case(
        "sort",
        (real(3, 5, distinct=True),),
        (0, True),
        reference=lambda x: _sorted(x, 0, True),
        result=PAIR,
        dtypes=_signed(NUMBERS),
        label="dim0-descending",
    ),
    Case(
        "sort",
        (real(4, 6, low=0, high=2),),
        kwargs={"dim": 1, "stable": True},
        dtypes=("int64", "int8"),
        grad=False,
        reference=lambda x: _sorted(x, 1, False),
        result=PAIR,
        label="stable",
    ),
    Case(
        "sort",
        (real(40, grad=False, values=[1.0, np.nan] * 20),),
        kwargs={"stable": True},
        grad=False,
        result=PAIR,
        reference=lambda x: _sorted(x, 0, False),
        label="nan",
    ),
    Case("sort", (real(),), reference=lambda x: (x, np.array(0)), result=PAIR),
    Case("sort", (real(0, 3),), (0,), reference=lambda x: (x, x.astype(np.int64)), result=PAIR),
    Case(
        "argsort",
        (real(3, 5, distinct=True),),
        (0,),
        reference=lambda x: np.argsort(x, 0),
        grad=False,
        result="int64",
    ),
    Case(
        "topk",
        (real(3, 7, distinct=True),),
        (3,),
        reference=lambda x: _topk(x, 3, 1, True),
        result=PAIR,
        dtypes=NUMBERS,
        large=((65, 4099),),
    ),
    Case(
        "topk",
        (real(5, 3, distinct=True),),
        (2, 0, False),
        reference=lambda x: _topk(x, 2, 0, False),
        result=PAIR,
        dtypes=FLOATS,
        label="smallest",
    ),
    Case(
        "topk",
        (real(3, 7, distinct=True),),
        (0,),
        reference=lambda x: (x[:, :0], x[:, :0].astype(np.int64)),
        result=PAIR,
        label="k0",
    ),
    Case(
        "topk",
        (real(3, 4, distinct=True),),
        (4,),
        reference=lambda x: _topk(x, 4, 1, True),
        result=PAIR,
        label="k-all",
    ),
    Case(
        "kthvalue",
        (real(3, 7, distinct=True),),
        (3,),
        reference=lambda x: (np.sort(x, 1)[:, 2], np.argsort(x, 1)[:, 2]),
        result=PAIR,
        dtypes=NUMBERS,
        large=((65, 1031),),
    ),
    Case(
        "kthvalue",
        (real(5, 3, distinct=True),),
        (1, 0, True),
        reference=lambda x: (np.sort(x, 0)[:1], np.argsort(x, 0)[:1]),
        result=PAIR,
        label="kept",
    ),
    Case("kthvalue", (real(),), (1,), reference=lambda x: (x, np.array(0)), result=PAIR),
]

REFUSALS = [
    Refusal("sort", "dim", lambda t: t.sort(t.ones(2, 3), 2), IndexError, r"\[-2, 1\].*2"),
    Refusal("topk", "k", lambda t: t.topk(t.ones(2, 3), 4), RuntimeError, r"4|3"),
    Refusal("topk", "k-negative", lambda t: t.topk(t.ones(2, 3), -1), RuntimeError, "-1|range"),
    Refusal("topk", "dim", lambda t: t.topk(t.ones(2, 3), 1, 2), IndexError, r"\[-2, 1\].*2"),
    Refusal("kthvalue", "k", lambda t: t.kthvalue(t.ones(2, 3), 4), RuntimeError, "out of range"),
    Refusal("kthvalue", "k-zero", lambda t: t.kthvalue(t.ones(2, 3), 0), RuntimeError, "out of range"),
]
