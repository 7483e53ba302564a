"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.case import Case, Refusal, real

F = "nn.functional."


def matmul(first: tuple[int, ...], second: tuple[int, ...], **options: Any) -> Case:
    return Case("matmul", (real(*first), real(*second)), reference=np.matmul, rtol=4, **options)


CASES = [
    matmul((3, 4), (4, 5), large=((130, 257), (257, 131))),
    matmul((17, 33), (33, 9), gradgrad="the same formula on a smaller shape above"),
    matmul((4,), (4,)),
    matmul((3, 4), (4,)),
    matmul((4,), (4, 5)),
    matmul((2, 3, 4), (4, 5)),
    matmul((2, 3, 4), (4,)),
    matmul((4,), (2, 4, 5)),
    matmul((2, 3, 4), (2, 4, 5), large=((7, 65, 33), (7, 33, 70))),
    matmul((2, 1, 3, 2), (3, 2, 4)),
    matmul((3, 2), (2, 2, 4)),
    matmul((0, 4), (4, 5)),
    matmul((3, 0), (0, 5)),
    matmul((2, 0, 4), (2, 4, 3)),
    matmul((1, 1), (1, 1)),
    Case(
        "matmul",
        (real(3, 4), real(4, 5)),
        call=lambda t, a, b: a @ b,
        reference=np.matmul,
        label="operator",
        rtol=4,
    ),
    Case(
        "matmul",
        (real(3, 4), real(5, 4)),
        call=lambda t, a, b: a @ b.T,
        reference=lambda a, b: a @ b.T,
        label="transposed",
        rtol=4,
    ),
    Case(
        "matmul",
        (real(3, 4, low=-9, high=9), real(4, 5, low=-9, high=9)),
        reference=np.matmul,
        label="int",
        dtypes=("int64", "int32"),
        grad=False,
    ),
    Case("mm", (real(3, 4), real(4, 5)), reference=np.matmul, rtol=4),
    Case("mm", (real(0, 4), real(4, 5)), reference=np.matmul),
    Case("bmm", (real(2, 3, 4), real(2, 4, 5)), reference=np.matmul, rtol=4),
    Case("bmm", (real(0, 3, 4), real(0, 4, 5)), reference=np.matmul),
    Case("mv", (real(3, 4), real(4)), reference=np.matmul, rtol=4),
    Case("dot", (real(7), real(7)), reference=np.dot, rtol=4, large=((100_003,), (100_003,))),
    Case("dot", (real(0), real(0)), reference=np.dot),
    Case("outer", (real(3), real(4)), reference=np.outer),
    Case("addmm", (real(3, 5), real(3, 4), real(4, 5)), reference=lambda c, a, b: c + a @ b, rtol=4),
    Case(
        "addmm",
        (real(5), real(3, 4), real(4, 5)),
        kwargs={"beta": 0.5, "alpha": 2},
        label="scaled",
        rtol=4,
        reference=lambda c, a, b: 0.5 * c + 2 * (a @ b),
    ),
    Case("addmm", (real(5), real(3, 0), real(0, 5)), reference=lambda c, a, b: c + a @ b),
    Case(
        "baddbmm",
        (real(2, 3, 5), real(2, 3, 4), real(2, 4, 5)),
        kwargs={"beta": 0.5, "alpha": 2},
        rtol=4,
        reference=lambda c, a, b: 0.5 * c + 2 * (a @ b),
    ),
    Case("addmv", (real(3), real(3, 4), real(4)), reference=lambda c, a, b: c + a @ b, rtol=4),
    Case(
        F + "linear",
        (real(3, 4), real(5, 4), real(5)),
        reference=lambda x, w, b: x @ w.T + b,
        rtol=4,
        large=((130, 257), (131, 257), (131,)),
    ),
    Case(F + "linear", (real(3, 4), real(5, 4)), reference=lambda x, w: x @ w.T, label="no-bias", rtol=4),
    Case(F + "linear", (real(2, 3, 4), real(5, 4), real(5)), reference=lambda x, w, b: x @ w.T + b, rtol=4),
    Case(F + "linear", (real(4), real(5, 4), real(5)), reference=lambda x, w, b: x @ w.T + b, rtol=4),
    Case(F + "linear", (real(0, 4), real(5, 4), real(5)), reference=lambda x, w, b: x @ w.T + b),
]

REFUSALS = [
    Refusal("matmul", "inner", lambda t: t.ones(2, 3) @ t.ones(4, 5), RuntimeError, r"2.*3.*4.*5"),
    Refusal("matmul", "0d", lambda t: t.matmul(t.tensor(1.0), t.ones(2)), RuntimeError, "(?i)0.?d|dimension"),
    Refusal(
        "matmul", "dtypes", lambda t: t.ones(2, 2) @ t.ones(2, 2, dtype=t.float64), RuntimeError, "(?i)dtype"
    ),
    Refusal("matmul", "batch", lambda t: t.ones(2, 3, 4) @ t.ones(3, 4, 5), RuntimeError, r"2.*3"),
    Refusal("mm", "1d", lambda t: t.mm(t.ones(3), t.ones(3, 2)), RuntimeError, "mm|2D|matrix"),
    Refusal("mm", "inner", lambda t: t.mm(t.ones(2, 3), t.ones(4, 5)), RuntimeError, r"2.*3.*4.*5"),
    Refusal("bmm", "2d", lambda t: t.bmm(t.ones(2, 3), t.ones(3, 2)), RuntimeError, "(?i)3.?d|dim"),
    Refusal("mv", "sizes", lambda t: t.mv(t.ones(2, 3), t.ones(4)), RuntimeError, r"3.*4"),
    Refusal("dot", "2d", lambda t: t.dot(t.ones(2, 2), t.ones(2, 2)), RuntimeError, "1D|1-d"),
    Refusal("dot", "sizes", lambda t: t.dot(t.ones(2), t.ones(3)), RuntimeError, r"2.*3"),
    Refusal("outer", "2d", lambda t: t.outer(t.ones(2, 2), t.ones(2)), RuntimeError, "1D|1-d"),
    Refusal(
        "addmm", "bias", lambda t: t.addmm(t.ones(4), t.ones(2, 3), t.ones(3, 5)), RuntimeError, r"4.*5|5.*4"
    ),
    Refusal(
        F + "linear",
        "features",
        lambda t: t.nn.functional.linear(t.ones(2, 3), t.ones(5, 4)),
        RuntimeError,
        r"3.*4",
    ),
]
