"""Element-wise ops and reductions over 8 million elements: bound by memory, if all is well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.compare import Candidates, Case
from bench.environment import libraries

COUNT = 8 << 20
ROWS = (4096, 2048)


@dataclass(frozen=True)
class Work:
    """An op: `op` takes the library and two tensors, `numpy` two arrays (None where NumPy has no such op).

    `touched` counts what is read and written an element, in units of a float32; for `traffic` see Case.
    The tensors are normally distributed, `positive` takes their absolute values (of
    negative numbers PyTorch's logarithms are very slow), and converted to `dtype`.
    """

    op: Callable[[Any, Any, Any], object]
    numpy: Callable[[Any, Any], object] | None = None
    touched: float = 2
    traffic: str = "stream"
    dtype: str = "float32"
    positive: bool = False


def _matrix(op: Callable[[Any], object], touched: float = 2, traffic: str = "stream") -> Work:
    """An op of the first tensor as a matrix."""
    return Work(lambda _, a, b: op(a.view(ROWS)), None, touched, traffic)


def _named(name: str, positive: bool = False) -> Work:
    """A function of the library that takes one tensor."""
    return Work(lambda lib, a, _: getattr(lib, name)(a), positive=positive)


def _typed(dtype: str, touched: float) -> dict[str, Work]:
    return {
        f"a + b, {dtype}": Work(lambda _, a, b: a + b, None, 3 * touched, dtype=dtype),
        f"a > b, {dtype}": Work(lambda _, a, b: a > b, None, 2 * touched + 0.25, dtype=dtype),
        f"sum, {dtype}": Work(lambda _, a, b: a.sum(), None, touched, "read", dtype),
        f"sum of columns, {dtype}": Work(lambda _, a, b: a.view(ROWS).sum(0), None, touched, "read", dtype),
        f"{dtype} to float32": Work(lambda _, a, b: a.float(), None, touched + 1, dtype=dtype),
        f"float32 to {dtype}": Work(lambda lib, a, _: a.to(getattr(lib, dtype)), None, touched + 1),
    }


def _backward(library: Any, op: Callable[[Any], Any], a: Any) -> object:
    x = a.detach().requires_grad_()
    return library.autograd.grad(op(x), x, a)


TYPES = {"float64": 2, "int64": 2, "int32": 1, "bfloat16": 0.5, "float16": 0.5}
WORK = {
    "a + b": Work(lambda _, a, b: a + b, np.add, 3),
    "a * b": Work(lambda _, a, b: a * b, np.multiply, 3),
    "a > b": Work(lambda _, a, b: a > b, np.greater, 2.25),
    "a.add_(b)": Work(lambda _, a, b: a.add_(b, alpha=0.0), None, 3, "update"),
    "a * 2": Work(lambda _, a, b: a * 2, lambda a, _: a * 2),
    "relu": Work(lambda lib, a, _: lib.relu(a), lambda a, _: np.maximum(a, 0)),
    "exp": Work(lambda lib, a, _: lib.exp(a), lambda a, _: np.exp(a)),
    "sigmoid": Work(lambda lib, a, _: lib.sigmoid(a)),
    "tanh": Work(lambda lib, a, _: lib.tanh(a), lambda a, _: np.tanh(a)),
    "gelu": Work(lambda lib, a, _: lib.nn.functional.gelu(a)),
    "clone": Work(lambda _, a, b: a.clone(), lambda a, _: a.copy()),
    "to(float64)": Work(lambda _, a, b: a.double(), lambda a, _: a.astype(np.float64), 3),
    "sum": Work(lambda _, a, b: a.sum(), lambda a, _: a.sum(), 1, "read"),
    "mean": Work(lambda _, a, b: a.mean(), lambda a, _: a.mean(), 1, "read"),
    "var": Work(lambda _, a, b: a.var(), lambda a, _: a.var(ddof=1), 1, "read"),
    "max": Work(lambda _, a, b: a.max(), lambda a, _: a.max(), 1, "read"),
    "argmax": Work(lambda _, a, b: a.argmax(), lambda a, _: a.argmax(), 1, "read"),
    "sum of rows": Work(lambda _, a, b: a.view(ROWS).sum(1), lambda a, _: a.reshape(ROWS).sum(1), 1, "read"),
    "sum of columns": Work(
        lambda _, a, b: a.view(ROWS).sum(0), lambda a, _: a.reshape(ROWS).sum(0), 1, "read"
    ),
    "max of rows": Work(lambda _, a, b: a.view(ROWS).max(1), None, 1, "read"),
    "softmax of rows": Work(lambda lib, a, _: lib.softmax(a.view(ROWS), 1)),
    **{name: _named(name) for name in ("sin", "erf", "expm1", "exp2", "abs")},
    **{name: _named(name, positive=True) for name in ("log", "log1p", "log2", "sqrt")},
    "silu": Work(lambda lib, a, _: lib.nn.functional.silu(a)),
    "softplus": Work(lambda lib, a, _: lib.nn.functional.softplus(a)),
    "a ** b": Work(lambda _, a, b: a**b, None, 3, positive=True),
    "where(a > b, a, b)": Work(lambda lib, a, b: lib.where(a > b, a, b), None, 3.5),
    "clamp": Work(lambda _, a, b: a.clamp(-1, 1)),
    "a & b, bool": Work(lambda _, a, b: a & b, None, 0.75, dtype="bool"),
    "matrix + row": _matrix(lambda a: a + a[0]),
    "matrix + column": _matrix(lambda a: a + a[:, :1]),
    "matrix.t() copied": _matrix(lambda a: a.t().contiguous()),
    "every second column + 1": _matrix(lambda a: a[:, ::2] + 1, 1.5),
    "cat": Work(lambda lib, a, b: lib.cat([a, b]), None, 4),
    **{name: work for dtype, size in TYPES.items() for name, work in _typed(dtype, size).items()},
    "std of rows": _matrix(lambda a: a.std(1), 1, "read"),
    "std of columns": _matrix(lambda a: a.std(0), 1, "read"),
    "norm of rows": _matrix(lambda a: a.norm(dim=1), 1, "read"),
    "norm of columns": _matrix(lambda a: a.norm(dim=0), 1, "read"),
    "max of columns": _matrix(lambda a: a.max(0), 1, "read"),
    "logsumexp of rows": _matrix(lambda a: a.logsumexp(1), 1, "read"),
    "softmax of columns": _matrix(lambda a: a.softmax(0)),
    "log_softmax of columns": _matrix(lambda a: a.log_softmax(0)),
    "cumsum of rows": _matrix(lambda a: a.cumsum(1)),
    "cumsum of columns": _matrix(lambda a: a.cumsum(0)),
    "topk(10) of rows": _matrix(lambda a: a.topk(10), 1, "read"),
    "sort of rows": _matrix(lambda a: a.sort(), 4),
    "rand": Work(lambda lib, a, b: lib.rand(COUNT), None, 1),
    "randn": Work(lambda lib, a, b: lib.randn(COUNT), None, 1),
    "randint": Work(lambda lib, a, b: lib.randint(0, 1000, (COUNT,)), None, 2),
    "sigmoid, backward": Work(lambda lib, a, _: _backward(lib, lib.sigmoid, a), None, 5),
    "gelu, backward": Work(lambda lib, a, _: _backward(lib, lib.nn.functional.gelu, a), None, 5),
}
QUICK = ("a + b", "relu", "exp", "sum", "argmax")


def _candidates(work: Work) -> Candidates:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(COUNT, dtype=np.float32) for _ in range(2))
    calls = {}
    if work.positive:
        a, b = np.abs(a), np.abs(b)
    for library in libraries():
        x, y = (library.from_numpy(t).to(getattr(library, work.dtype)) for t in (a, b))
        calls[library.__name__] = partial(work.op, library, x, y)
    if work.numpy is not None:
        calls["numpy"] = partial(work.numpy, a, b)
    return calls


def cases(quick: bool, dtype: str) -> Iterator[Case]:
    for name in QUICK if quick else WORK:
        work = WORK[name]
        yield Case(
            f"{name}, 8M",
            partial(_candidates, work),
            bytes=4.0 * COUNT * work.touched,
            traffic=work.traffic,
        )
