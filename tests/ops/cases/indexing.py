"""Indexing: slices, index tensors, gather, scatter, masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.case import ALL, Case, Refusal, index, mask, real

T = "Tensor."


def getitem(
    key: Any, shape: tuple[int, ...] = (4, 5), label: str | None = None, is_view: bool = True
) -> Case:
    """x[key] with Python keys only."""
    text = label or repr(key).replace(" ", "").replace("slice", "").replace("None", "_")
    return Case(
        T + "__getitem__",
        (real(*shape),),
        call=lambda t, x: x[key],
        reference=lambda x: x[key],
        dtypes=ALL,
        label=text,
        is_view=is_view,
    )


def setitem(key: Any, value_shape: tuple[int, ...], shape: tuple[int, ...] = (4, 5)) -> Case:
    """x[key] = value; gradients flow to both."""

    def call(t: Any, x: Any, value: Any) -> Any:
        y = x.clone()
        y[key] = value
        return y

    def reference(x: Any, value: Any) -> Any:
        y = x.copy()
        y[key] = value
        return y

    text = repr(key).replace(" ", "").replace("slice", "").replace("None", "_")
    return Case(
        T + "__setitem__",
        (real(*shape), real(*value_shape)),
        call=call,
        reference=reference,
        dtypes=ALL,
        label=text,
    )


def index_put(x: Any, rows: Any, values: Any) -> Any:
    y = x.copy()
    np.add.at(y, rows, values)
    return y


def _set(x: Any, key: Any, value: Any) -> Any:
    y = x.clone()
    y[key] = value
    return y


def _set_np(x: Any, key: Any, value: Any) -> Any:
    y = x.copy()
    y[key] = value
    return y


SLICES = [
    getitem(1),
    getitem(-1),
    getitem(slice(1, 3)),
    getitem(slice(None, None, 2)),
    getitem(slice(3, 1)),
    getitem((slice(None), 2)),
    getitem((slice(-3, None), slice(0, 4, 3))),
    getitem((Ellipsis, 1)),
    getitem(Ellipsis),
    getitem(None),
    getitem((None, 1, None, slice(2))),
    getitem((1, 2)),
    getitem((), (3,), "empty-tuple"),
    getitem((Ellipsis, None), ()),
    getitem(slice(0, 99)),
    getitem((0, Ellipsis, slice(1, 2)), (2, 3, 4)),
    getitem([0, 2], is_view=False),
    getitem(([0, 2], [1, 3]), is_view=False),
    getitem((slice(None), [1, 1, 0]), is_view=False),
    getitem(([[0], [1]], [2, 3]), is_view=False),
    getitem(([0, 1], slice(None), [0, 1]), (2, 3, 4), is_view=False),
    getitem((slice(None), [0, 1], [0, 1]), (2, 3, 4), is_view=False),
    getitem((None, [0, 2]), is_view=False),
]

INDEX_TENSORS = [
    Case(
        T + "__getitem__",
        (real(2, 3, 4),),
        call=lambda t, x: x[1, :, [0, 1]],
        reference=lambda x: x[1][:, [0, 1]],
        label="int-and-list",
    ),  # an int selects first; NumPy would treat it as an index array
    Case(
        T + "__getitem__",
        (real(4, 3), index(5, below=4)),
        call=lambda t, x, i: x[i],
        reference=lambda x, i: x[i],
        dtypes=ALL,
        label="tensor",
        large=((503, 65), (2003,)),
    ),
    Case(
        T + "__getitem__",
        (real(4, 3), index(2, 2, below=4, low=-4)),
        call=lambda t, x, i: x[i],
        reference=lambda x, i: x[i],
        label="negative",
    ),
    Case(
        T + "__getitem__",
        (real(4, 3), index(0, below=4)),
        call=lambda t, x, i: x[i],
        reference=lambda x, i: x[i],
        label="none",
    ),
    Case(
        T + "__getitem__",
        (real(4, 3), mask(4, 3)),
        call=lambda t, x, m: x[m],
        reference=lambda x, m: x[m],
        dtypes=ALL,
        label="mask",
    ),
    Case(
        T + "__getitem__",
        (real(4, 3), mask(4)),
        call=lambda t, x, m: x[m],
        reference=lambda x, m: x[m],
        label="row-mask",
    ),
    Case(
        T + "__getitem__",
        (real(4, 3), mask(3)),
        call=lambda t, x, m: x[1:, m],
        reference=lambda x, m: x[1:, m],
        label="slice-and-mask",
    ),
    Case(
        T + "__getitem__",
        (real(4, 3, 2), index(2, below=4), index(3, 1, below=2)),
        call=lambda t, x, i, k: x[i, :, k],
        reference=lambda x, i, k: x[i, :, k],
        label="apart",
    ),
    Case(
        T + "__setitem__",
        (real(4, 3), index(2, values=[2, 0], below=4), real(2, 3)),
        label="tensor",
        call=lambda t, x, i, v: _set(x, i, v),
        reference=_set_np,
        dtypes=ALL,
    ),
    Case(
        T + "__setitem__",
        (real(4, 3), mask(4, 3)),
        call=lambda t, x, m: _set(x, m, 7.0),
        label="mask-scalar",
        reference=lambda x, m: np.where(m, 7.0, x),
    ),
    Case(
        T + "__setitem__",
        (real(4, 3), mask(4), real(3)),
        call=lambda t, x, m, v: _set(x, m, v),
        label="row-mask",
        reference=lambda x, m, v: np.where(m[:, None], v, x),
    ),
    Case(
        "index_put",
        (real(4, 3), index(3, below=4, values=[3, 0, 1]), real(3, 3)),
        label="rows",
        call=lambda t, x, i, v: t.index_put(x, (i,), v),
        reference=_set_np,
        dtypes=ALL,
    ),
    Case(
        T + "index_put_",
        (real(4, 3), index(5, below=4), real(5, 3)),
        label="accumulate",
        gradgrad=True,
        call=lambda t, x, i, v: x.clone().index_put_((i,), v, accumulate=True),
        reference=index_put,
    ),
]


SET_SLICES = [
    setitem(1, (5,)),
    setitem((slice(None), 2), (4,)),
    setitem(slice(1, 3), ()),
    setitem((slice(None, None, 2), 1), (2,)),
    setitem(Ellipsis, (1, 5)),
    setitem([0, 2], (2, 5)),
    setitem(([0, 2], [1, 3]), ()),
    setitem((None, 1), (1, 5)),
    setitem((slice(2), [3, 0]), (2, 2)),
]

CASES = SLICES + INDEX_TENSORS + SET_SLICES

REFUSALS = [
    Refusal(T + "__getitem__", "int", lambda t: t.ones(2, 3)[2], IndexError, "2"),
    Refusal(T + "__getitem__", "negative-step", lambda t: t.ones(5)[::-1], ValueError, "(?i)step"),
    Refusal(T + "__getitem__", "too-many", lambda t: t.ones(2, 3)[0, 0, 0], IndexError, "(?i)too many"),
    Refusal(T + "__getitem__", "0d", lambda t: t.tensor(1.0)[0], IndexError, "dimension 0|0-dim"),
    Refusal(
        T + "__getitem__",
        "float-index",
        lambda t: t.ones(3)[t.tensor([0.0])],
        IndexError,
        "(?i)float|long|int",
    ),
    # PyTorch takes a string for a sequence of indices, and stumbles later with a TypeError.
    Refusal(T + "__getitem__", "string", lambda t: t.ones(3)["a"], IndexError, "str", like_torch=False),
    Refusal(T + "__getitem__", "out-of-range", lambda t: t.ones(3)[t.tensor([0, 3])], IndexError, "3"),
    Refusal(T + "__getitem__", "mask-shape", lambda t: t.ones(2, 3)[t.tensor([True])], IndexError, r"1.*2"),
    Refusal(
        T + "__getitem__",
        "broadcast",
        lambda t: t.ones(4, 4)[t.tensor([0, 1]), t.tensor([0, 1, 2])],
        IndexError,
        r"2.*3",
    ),
    Refusal(
        T + "__setitem__",
        "shape",
        lambda t: t.ones(2, 3).__setitem__(0, t.ones(4)),
        RuntimeError,
        r"4.*3|3.*4",
    ),
]
