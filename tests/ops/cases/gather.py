"""Ops that pick and place elements along a dimension or under a mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.ops.case import ALL, FLOATS, NUMBERS, Case, Refusal, index, mask, real
from tests.ops.cases.indexing import index_put

F = "nn.functional."


def scattered(op: str, reduce: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's scatter along dimension 0 or 1 of a matrix."""

    def reference(x: Any, at: Any, source: Any, dim: int) -> Any:
        y = x.copy()
        for i, j in np.ndindex(*at.shape):
            place = (at[i, j], j) if dim == 0 else (i, at[i, j])
            y[place] = reduce(y[place], source[i, j])
        return y

    return reference


CASES = [
    Case(
        "index_select",
        (real(3, 4), index(5, below=3)),
        call=lambda t, x, i: t.index_select(x, 0, i),
        label="dim0",
        reference=lambda x, i: np.take(x, i, 0),
        dtypes=ALL,
        large=((503, 65), (2003,)),
    ),
    Case(
        "index_select",
        (real(3, 4), index(2, below=4)),
        call=lambda t, x, i: t.index_select(x, -1, i),
        label="dim-1",
        reference=lambda x, i: np.take(x, i, 1),
    ),
    Case(
        "index_add",
        (real(3, 4), index(5, below=3), real(5, 4)),
        reference=index_put,
        label="dim0",
        call=lambda t, x, i, s: t.index_add(x, 0, i, s),
    ),
    Case(
        "gather",
        (real(3, 4), index(2, 4, below=3)),
        call=lambda t, x, i: t.gather(x, 0, i),
        label="dim0",
        reference=lambda x, i: np.take_along_axis(x, i, 0),
        dtypes=ALL,
        large=((503, 65), (2003, 65)),
    ),
    Case(
        "gather",
        (real(3, 4), index(3, 6, below=4)),
        call=lambda t, x, i: t.gather(x, 1, i),
        label="dim1",
        reference=lambda x, i: np.take_along_axis(x, i, 1),
    ),
    Case(
        "gather",
        (real(3, 4), index(2, 2, below=3)),
        call=lambda t, x, i: t.gather(x, 0, i),
        label="smaller",
        reference=lambda x, i: np.take_along_axis(x[:, :2], i, 0),
    ),
    Case(
        "gather",
        (real(3, 4), index(0, 4, below=3)),
        call=lambda t, x, i: t.gather(x, 0, i),
        label="none",
        reference=lambda x, i: x[:0],
    ),
    Case(
        "take_along_dim",
        (real(3, 4), index(3, 1, below=4)),
        call=lambda t, x, i: t.take_along_dim(x, i, 1),
        reference=lambda x, i: np.take_along_axis(x, i, 1),
    ),
    Case(
        "take_along_dim",
        (real(1, 4), index(3, 2, below=4)),
        call=lambda t, x, i: t.take_along_dim(x, i, dim=1),
        label="broadcast",
        reference=lambda x, i: np.take_along_axis(np.broadcast_to(x, (3, 4)), i, 1),
    ),
    Case(
        "take_along_dim",
        (real(3, 4), index(5, below=12)),
        call=lambda t, x, i: t.take_along_dim(x, i),
        label="flat",
        reference=lambda x, i: x.reshape(-1)[i],
    ),
    Case(
        F + "embedding",
        (index(2, 3, below=5), real(5, 4)),
        reference=lambda i, w: w[i],
        large=((129, 33), (5, 65)),
    ),
    Case(
        F + "embedding",
        (index(4, below=3, values=[0, 2, 2, 1]), real(3, 2, low=1)),
        call=lambda t, i, w: t.nn.functional.embedding(i, w * 1.0, padding_idx=-1),
        label="padding",
        grad=False,
        reference=lambda i, w: w[i],
    ),
    Case(
        "scatter",
        (real(3, 4), index(1, 4, below=3), real(1, 4)),
        label="dim0",
        dtypes=ALL,
        call=lambda t, x, i, s: t.scatter(x, 0, i, s),
        reference=lambda x, i, s: scattered("scatter", lambda old, new: new)(x, i, s, 0),
    ),
    Case(
        "scatter",
        (real(3, 4), index(3, 1, below=4)),
        call=lambda t, x, i: t.scatter(x, 1, i, 2.5),
        label="value",
        reference=lambda x, i: scattered("scatter", lambda old, new: new)(x, i, np.full(i.shape, 2.5), 1),
    ),
    Case(
        "scatter_add",
        (real(3, 4), index(5, 4, below=3), real(5, 4)),
        label="dim0",
        dtypes=FLOATS,
        call=lambda t, x, i, s: t.scatter_add(x, 0, i, s),
        large=((503, 65), (2003, 65), (2003, 65)),
        reference=lambda x, i, s: scattered("scatter_add", lambda old, new: old + new)(x, i, s, 0),
    ),
    Case(
        "masked_fill",
        (real(3, 4), mask(3, 4)),
        (2.0,),
        reference=lambda x, m: np.where(m, 2, x),
        dtypes=NUMBERS,
        in_place=True,
        large=((401, 503), (401, 503)),
    ),
    Case(
        "masked_fill",
        (real(3, 4), mask(4)),
        (-1.5,),
        reference=lambda x, m: np.where(m, -1.5, x),
        label="broadcast",
    ),
    Case(
        "masked_fill",
        (real(3, 4), mask(3, 1), real()),
        reference=lambda x, m, v: np.where(m, v, x),
        label="0d-value",
    ),
    Case("masked_select", (real(3, 4), mask(3, 4)), reference=lambda x, m: x[m], dtypes=ALL),
    Case(
        "masked_select",
        (real(3, 1), mask(4)),
        reference=lambda x, m: np.broadcast_to(x, (3, 4))[:, m].reshape(-1),
        label="broadcast",
    ),
    Case(
        "nonzero",
        (real(3, 4, low=-1, high=1),),
        reference=lambda x: np.argwhere(x),
        dtypes=ALL,
        grad=False,
        result="int64",
    ),
    Case(
        "nn.functional.one_hot",
        (index(2, 3, below=4),),
        (4,),
        reference=lambda i: np.eye(4, dtype=np.int64)[i],
        grad=False,
        result="int64",
        dtypes=("float32",),
    ),
]

REFUSALS = [
    Refusal(
        "index_select",
        "range",
        lambda t: t.ones(3).index_select(0, t.tensor([3])),
        IndexError,
        "3|out of range",
    ),
    Refusal("index_select", "dtype", lambda t: t.ones(3).index_select(0, t.ones(1)), RuntimeError, "(?i)int"),
    Refusal(
        "index_select",
        "2d",
        lambda t: t.ones(3).index_select(0, t.zeros(1, 1, dtype=t.int64)),
        IndexError,
        "(?i)vector|1-d|1D",
    ),
    Refusal(
        F + "embedding",
        "range",
        lambda t: t.nn.functional.embedding(t.tensor([0, 5]), t.ones(3, 2)),
        IndexError,
        "out of range",
    ),
    Refusal(
        F + "one_hot",
        "range",
        lambda t: t.nn.functional.one_hot(t.tensor([5]), 3),
        RuntimeError,
        "smaller than num_classes",
    ),
    Refusal(
        F + "one_hot",
        "negative",
        lambda t: t.nn.functional.one_hot(t.tensor([-1])),
        RuntimeError,
        "non-negative",
    ),
    Refusal("gather", "range", lambda t: t.gather(t.ones(3), 0, t.tensor([3])), RuntimeError, "3"),
    Refusal("gather", "dims", lambda t: t.gather(t.ones(3), 0, t.tensor([[0]])), RuntimeError, "dim"),
    Refusal("gather", "dtype", lambda t: t.gather(t.ones(3), 0, t.tensor([0.0])), RuntimeError, "(?i)int64"),
    Refusal(
        "gather",
        "size",
        lambda t: t.gather(t.ones(2, 2), 0, t.zeros(1, 3, dtype=t.int64)),
        RuntimeError,
        r"3.*2",
    ),
    Refusal("scatter", "range", lambda t: t.scatter(t.ones(3), 0, t.tensor([3]), 1.0), RuntimeError, "3"),
    Refusal(
        "scatter",
        "dtype",
        lambda t: t.scatter(t.ones(3), 0, t.tensor([0]), t.ones(1, dtype=t.float64)),
        RuntimeError,
        "(?i)dtype",
    ),
    Refusal(
        "masked_fill", "mask-dtype", lambda t: t.ones(2).masked_fill(t.ones(2), 0.0), RuntimeError, "(?i)bool"
    ),
    Refusal(
        "masked_fill",
        "shape",
        lambda t: t.ones(2).masked_fill(t.tensor([True, False, True]), 0.0),
        RuntimeError,
        r"2.*3|3.*2",
    ),
    Refusal(
        "masked_fill",
        "value-dims",
        lambda t: t.ones(2).masked_fill(t.tensor([True, False]), t.ones(1)),
        RuntimeError,
        "0-dim|0-d",
    ),
    Refusal(
        "masked_select",
        "mask-dtype",
        lambda t: t.masked_select(t.ones(2), t.ones(2)),
        RuntimeError,
        "(?i)bool",
    ),
]
