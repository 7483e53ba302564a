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

    `touched` counts what is read and written an element, in units of a float32; `reduces` tells that hardly
    anything is written.
    """

    op: Callable[[Any, Any, Any], object]
    numpy: Callable[[Any, Any], object] | None = None
    touched: float = 2
    reduces: bool = False


WORK = {
    "a + b": Work(lambda _, a, b: a + b, np.add, 3),
    "a * b": Work(lambda _, a, b: a * b, np.multiply, 3),
    "a > b": Work(lambda _, a, b: a > b, np.greater, 2.25),
    "a.add_(b)": Work(lambda _, a, b: a.add_(b, alpha=0.0), None, 3),
    "a * 2": Work(lambda _, a, b: a * 2, lambda a, _: a * 2),
    "relu": Work(lambda lib, a, _: lib.relu(a), lambda a, _: np.maximum(a, 0)),
    "exp": Work(lambda lib, a, _: lib.exp(a), lambda a, _: np.exp(a)),
    "sigmoid": Work(lambda lib, a, _: lib.sigmoid(a)),
    "tanh": Work(lambda lib, a, _: lib.tanh(a), lambda a, _: np.tanh(a)),
    "gelu": Work(lambda lib, a, _: lib.nn.functional.gelu(a)),
    "clone": Work(lambda _, a, b: a.clone(), lambda a, _: a.copy()),
    "to(float64)": Work(lambda _, a, b: a.double(), lambda a, _: a.astype(np.float64), 3),
    "sum": Work(lambda _, a, b: a.sum(), lambda a, _: a.sum(), 1, True),
    "mean": Work(lambda _, a, b: a.mean(), lambda a, _: a.mean(), 1, True),
    "var": Work(lambda _, a, b: a.var(), lambda a, _: a.var(ddof=1), 1, True),
    "max": Work(lambda _, a, b: a.max(), lambda a, _: a.max(), 1, True),
    "argmax": Work(lambda _, a, b: a.argmax(), lambda a, _: a.argmax(), 1, True),
    "sum of rows": Work(lambda _, a, b: a.view(ROWS).sum(1), lambda a, _: a.reshape(ROWS).sum(1), 1, True),
    "sum of columns": Work(lambda _, a, b: a.view(ROWS).sum(0), lambda a, _: a.reshape(ROWS).sum(0), 1, True),
    "max of rows": Work(lambda _, a, b: a.view(ROWS).max(1), None, 1, True),
    "softmax of rows": Work(lambda lib, a, _: lib.softmax(a.view(ROWS), 1)),
}
QUICK = ("a + b", "relu", "exp", "sum", "argmax")


def _candidates(work: Work) -> Candidates:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(COUNT, dtype=np.float32) for _ in range(2))
    calls = {}
    for library in libraries():
        x, y = library.from_numpy(a), library.from_numpy(b)
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
            reads_only=work.reduces,
        )
